"""AVIF and HEIC files made here, whose container and coded pictures differ in what they say."""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

from fuzz.made_pictures import encode, heic

__all__ = ["box", "claiming", "coded", "container"]


def box(kind: bytes, *parts: bytes) -> bytes:
    """A box of an ISO base media file."""
    content = b"".join(parts)
    return struct.pack(">I4s", 8 + len(content), kind) + content


def coded(picture: NDArray[np.uint8], kind: str) -> tuple[bytes, bytes] | None:
    """Configuration and data of the picture coded as "AVIF" or "HEIC"; None without what encodes it."""
    content = encode(picture, "AVIF") if kind == "AVIF" else heic(picture)
    if content is None:
        return None
    name = b"av1C" if kind == "AVIF" else b"hvcC"
    at = content.index(name)
    (size,) = struct.unpack_from(">I", content, at - 4)
    return content[at + 4 : at - 4 + size], content[content.index(b"mdat") + 4 :]


def claiming(kind: str, configuration: bytes, data: bytes, width: int, height: int) -> tuple[bytes, bytes]:
    """The same with another size in the coded picture itself."""
    if kind == "AVIF":
        at = data.index(b"\x0a")  # the sequence header, which gives its size in a byte
        header = _claim_av1(data[at + 2 : at + 2 + data[at + 1]], width, height)
        unit = bytes((0x0A, len(header))) + header
        return configuration[:4] + unit, data[:at] + unit + data[at + 2 + data[at + 1] :]
    at = configuration.index(b"\x42\x01", 23)  # the sequence parameter set
    (size,) = struct.unpack_from(">H", configuration, at - 2)
    unit = _claim_hevc(configuration[at : at + size], width, height)
    rest = configuration[at + size :]
    return configuration[: at - 2] + struct.pack(">H", len(unit)) + unit + rest, data


def _claim_av1(header: bytes, width: int, height: int) -> bytes:
    bits = "".join(f"{byte:08b}" for byte in header)
    start = 10  # behind profile and level of a still picture
    assert bits[4] == "1"
    old = int(bits[start : start + 4], 2) + int(bits[start + 4 : start + 8], 2) + 2
    sizes = [(number - 1, max((number - 1).bit_length(), 1)) for number in (width, height)]
    new = "".join(f"{n - 1:04b}" for _, n in sizes) + "".join(f"{value:0{n}b}" for value, n in sizes)
    return _bytes(bits[:start] + new + bits[start + 8 + old :])


def _claim_hevc(unit: bytes, width: int, height: int) -> bytes:
    bits = "".join(f"{byte:08b}" for byte in unit[2:].replace(b"\0\0\3", b"\0\0"))
    ends = [104]  # behind profile, tier and level
    for _ in range(4):  # number, chroma, width, height
        zeros = bits.index("1", ends[-1]) - ends[-1]
        ends.append(ends[-1] + 2 * zeros + 1)
    sizes = "".join("0" * (n.bit_length() - 1) + f"{n:b}" for n in (width + 1, height + 1))
    new = _bytes(bits[: ends[2]] + sizes + bits[ends[4] :])
    for end in range(4):
        new = new.replace(bytes((0, 0, end)), bytes((0, 0, 3, end))) if end != 3 else new
    return unit[:2] + new


def _bytes(bits: str) -> bytes:
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


def container(
    kind: str,
    configuration: bytes,
    data: bytes,
    size: tuple[int, int],
    *,
    tiles: tuple[int, int] | None = None,
    tile_size: tuple[int, int] | None = None,
) -> bytes:
    """A file of one coded picture, or of a grid that shows it again and again.

    Args:
        kind: "AVIF" or "HEIC".
        configuration, data: of :func:`coded`.
        size: width and height that the file claims.
        tiles: columns and rows of the grid.
        tile_size: width and height that the file claims for a tile.
    """
    avif = kind == "AVIF"
    name, configured = (b"av01", b"av1C") if avif else (b"hvc1", b"hvcC")
    kinds, contents, parts = [name], [data], b""
    if tiles is not None:
        columns, rows = tiles
        kinds.insert(0, b"grid")
        contents.insert(0, struct.pack(">BBBBHH", 0, 0, rows - 1, columns - 1, *size))
        shown = struct.pack(">H", 2) * columns * rows
        parts = box(b"iref", bytes(4), box(b"dimg", struct.pack(">HH", 1, columns * rows), shown))
    sizes = [box(b"ispe", bytes(4), struct.pack(">II", *s)) for s in (size, tile_size or size)]
    depth = box(b"pixi", bytes(4), b"\3\x08\x08\x08")
    properties = box(b"ipco", *sizes, box(configured, configuration), depth)
    used = [[1, 4]] * (tiles is not None) + [[2 if tiles else 1, 0x83, 4]]
    joined = b"".join(struct.pack(">HB", i, len(u)) + bytes(u) for i, u in enumerate(used, 1))
    associations = box(b"ipma", bytes(4), struct.pack(">I", len(used)), joined)
    entries = [
        box(b"infe", b"\2\0\0\0", struct.pack(">HH4s", i, 0, k), b"\0") for i, k in enumerate(kinds, 1)
    ]
    brand = b"avif" if avif else b"heic"
    start = box(b"ftyp", brand, bytes(4), b"mif1", brand)

    def meta(at: int) -> bytes:
        places = b""
        for i, content in enumerate(contents, 1):
            places += struct.pack(">HHHII", i, 0, 1, at, len(content))
            at += len(content)
        return box(
            b"meta",
            bytes(4),
            box(b"hdlr", bytes(8), b"pict", bytes(13)),
            box(b"pitm", bytes(4), struct.pack(">H", 1)),
            box(b"iloc", bytes(4), b"\x44\0", struct.pack(">H", len(contents)), places),
            box(b"iinf", bytes(4), struct.pack(">H", len(entries)), *entries),
            parts,
            box(b"iprp", properties, associations),
        )

    at = len(start) + len(meta(0)) + 8
    return start + meta(at) + box(b"mdat", *contents)
