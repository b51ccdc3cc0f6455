"""Picture files made here: whole ones of every format, odd ones, and ones made to do harm."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = [
    "PNG",
    "animated",
    "chunk",
    "encode",
    "exif",
    "heic",
    "jpeg_2000",
    "jpeg_of_scans",
    "malformed_apng",
    "png",
    "png_bomb",
    "tiff",
    "whole",
]

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "AVIF")

PNG = b"\x89PNG\r\n\x1a\n"


def encode(picture: NDArray[np.uint8] | Image.Image, kind: str, **options: object) -> bytes:
    """A picture (RGB, RGBA, grey) as a file of Pillow's format ``kind``."""
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def whole(picture: NDArray[np.uint8]) -> dict[str, bytes]:
    """One file of each format and of the commoner kinds."""
    files = {kind: encode(picture, kind) for kind in FORMATS}
    files["progressive JPEG"] = encode(picture, "JPEG", progressive=True)
    files["lossless WebP"] = encode(picture, "WEBP", lossless=True)
    files["TIFF, LZW"] = encode(picture, "TIFF", compression="tiff_lzw")
    files["TIFF, deflate"] = encode(picture, "TIFF", compression="tiff_adobe_deflate")
    files["PNG, palette"] = encode(Image.fromarray(picture).convert("P"), "PNG")
    files["BMP, grey"] = encode(Image.fromarray(picture).convert("L"), "BMP")
    files["animated WebP"] = animated(picture, "WEBP")
    files["animated GIF"] = animated(picture, "GIF")
    files["animated PNG"] = animated(picture, "PNG")
    files["animated AVIF"] = animated(picture, "AVIF")
    return files


def heic(picture: NDArray[np.uint8]) -> bytes | None:
    """The picture as HEIC; None without pillow-heif, of the extra ``[images]``."""
    try:
        import pillow_heif  # noqa: PLC0415
    except ImportError:
        return None
    file = io.BytesIO()
    pillow_heif.from_pillow(Image.fromarray(picture)).save(file, quality=90)
    return file.getvalue()


def animated(picture: NDArray[np.uint8], kind: str, frames: int = 3) -> bytes:
    """The picture, then ever darker ones."""
    first, *others = (Image.fromarray(picture // (i + 1)) for i in range(frames))
    return encode(first, kind, save_all=True, append_images=others, duration=100, loop=0)


def exif(orientation: int, order: str = ">") -> bytes:
    """An EXIF block that says nothing but how the picture is turned."""
    head = (b"MM\0*" if order == ">" else b"II*\0") + struct.pack(order + "I", 8)
    return b"Exif\0\0" + head + struct.pack(order + "HHHIHHI", 1, 274, 3, 1, orientation, 0, 0)


def chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, *, data: bytes = b"", depth: int = 8, colour: int = 2) -> bytes:
    """A PNG that claims a size, with these bytes for data; 57 bytes without any."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return PNG + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def png_bomb(side: int = 30_000) -> bytes:
    """A valid black PNG of ``side`` x ``side`` RGB pixels: 2.6 MB that unfold into 2.7 GB."""
    rows = 300
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    # After a full flush the same bytes may come again and again.
    block = packer.compress(bytes((1 + 3 * side) * rows)) + packer.flush(zlib.Z_FULL_FLUSH)
    times = side // rows
    adler = ((1 + 3 * side) * rows * times % 65_521) << 16 | 1
    return png(side, side, data=b"\x78\xda" + block * times + b"\x03\0" + struct.pack(">I", adler))


def malformed_apng(colour: int = 2) -> bytes:
    """An animated PNG whose frame is wider than the picture, and comes before any data."""
    header = struct.pack(">IIBBBBB", 1, 1, 8, colour, 0, 0, 0)
    frame = struct.pack(">IIIIIHHBB", 0, 4000, 4000, 0, 0, 1, 10, 0, 0)
    row = zlib.compress(bytes(1 + {0: 1, 2: 3, 6: 4}[colour]))
    parts = ((b"IHDR", header), (b"acTL", struct.pack(">II", 2, 0)), (b"fcTL", frame), (b"IDAT", row))
    return PNG + b"".join(chunk(kind, content) for kind, content in parts) + chunk(b"IEND", b"")


def jpeg_of_scans(scans: int, side: int = 2000) -> bytes:
    """A progressive JPEG whose last scan comes again and again."""
    jpeg = encode(np.zeros((side, side, 3), np.uint8), "JPEG", progressive=True)
    last = jpeg[jpeg.rfind(b"\xff\xda") : -2]
    return jpeg[:-2] + last * scans + b"\xff\xd9"


def jpeg_2000(picture: NDArray[np.uint8]) -> bytes:
    """What some cameras and tools name .jpg all the same."""
    return encode(picture, "JPEG2000")


def tiff(entries: list[tuple[int, int, int, int]], rest: bytes = b"") -> bytes:
    """A TIFF of one directory: (tag, type, number of values, value or offset) each, then the rest."""
    body = b"".join(struct.pack("<HHII", *entry) for entry in sorted(entries))
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + body + bytes(4) + rest
