"""Settings of the service."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field

from upperbodyseg import checks
from upperbodyseg.errors import InputError
from upperbodyseg.options import SegmenterOptions

__all__ = ["ServeOptions"]

_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]{16,}")


@dataclass(frozen=True)
class ServeOptions:
    """Settings of the service.

    Attributes:
        host, port: where it listens; port 0 takes any that is free.
        segmenter: settings of the engines; requests may ask for the other model.
        workers: engines a model; None for as many as there are CPUs.
        queue: pictures that wait or are worked on; further ones are answered with 503.
        streams: WebSocket streams at once, each with an engine of its own.
        sockets: connections at once, as far as the system's limit of open files allows.
        max_upload_bytes: of one request.
        max_seconds: of one request, for the upload and again for the work.
        stop_seconds: that requests in progress get to finish when the service is stopped.
        hosts: names in the Host header that are answered; empty for those of this computer where ``host``
            is one of them, and for any elsewhere. ``"*"`` is any.
        origins: web sites whose pages may ask, such as ``"https://example.org"``. ``"*"`` is any.
        token: that requests must bring; None asks for none.

    Raises:
        InputError: a value that can't be used.
    """

    host: str = "127.0.0.1"
    port: int = 7000
    segmenter: SegmenterOptions = field(default_factory=lambda: SegmenterOptions(max_pixels=30_000_000))
    workers: int | None = None
    queue: int = 64
    streams: int = 4
    sockets: int = 4096
    max_upload_bytes: int = 32 * 2**20
    max_seconds: float = 60.0
    stop_seconds: int = 30
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    token: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        for name, most in (("queue", 10_000), ("streams", 256), ("sockets", 2**20), ("stop_seconds", 3600)):
            checks.whole_number(name, getattr(self, name), 1, most)
        checks.whole_number("max_upload_bytes", self.max_upload_bytes, 1, 2**40)
        checks.number("max_seconds", self.max_seconds, 86_400)
        if self.max_seconds <= 0:
            raise InputError("max_seconds must be above 0")
        if self.token is not None and not _TOKEN.fullmatch(self.token):
            raise InputError("the token must have 16 characters or more, of letters, digits and ._~+/=-")

    @staticmethod
    def token_from_environment() -> str | None:
        """``UPPERBODYSEG_TOKEN``; None if it is unset or empty."""
        return os.environ.get("UPPERBODYSEG_TOKEN") or None
