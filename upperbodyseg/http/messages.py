"""What a stream's client and server send each other: one JSON header and any number of binary parts.

Four bytes, the length of the header as a little-endian unsigned integer; the header, whose
``parts`` lists the bytes of each part; the parts. It is the same in a request, in its response and
in a WebSocket message, so that pictures travel as they are: multipart forms would be spooled to
disk, and base64 in JSON be a third larger.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from typing import Any

from upperbodyseg.http.limits import RefusedError

__all__ = ["pack", "unpack"]

_PREFIX = 4
_MAX_HEADER = 2**16  # bytes; the page's have some hundred


def pack(header: Mapping[str, object], *parts: bytes) -> bytes:
    """A message of a header and its parts."""
    text = json.dumps({**header, "parts": [len(part) for part in parts]}).encode()
    return b"".join((len(text).to_bytes(_PREFIX, "little"), text, *parts))


def unpack(message: bytes) -> tuple[dict[str, Any], list[bytes]]:
    """The header of a message, and its parts.

    Raises:
        RefusedError: it is no such message (400).
    """
    start = _PREFIX + int.from_bytes(message[:_PREFIX], "little")
    try:
        if start > _MAX_HEADER:
            raise ValueError(f"a header has {_MAX_HEADER} bytes at most")
        header = json.loads(message[_PREFIX:start])
        sizes = list(header["parts"])
    except (ValueError, TypeError, KeyError, RecursionError) as exc:
        raise RefusedError(400, "the message has no readable header") from exc
    if not all(type(size) is int and size >= 0 for size in sizes) or start + sum(sizes) != len(message):
        raise RefusedError(400, "the message is not as long as its header says")
    ends = itertools.accumulate(sizes, initial=start)
    return header, [message[a:b] for a, b in itertools.pairwise(ends)]
