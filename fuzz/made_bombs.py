"""Small picture files that would take much time or memory, made here."""

from __future__ import annotations

import struct
import zlib

import numpy as np

from fuzz.made_containers import claiming, coded, container
from fuzz.made_pictures import (
    PNG,
    chunk,
    encode,
    exif,
    jpeg_of_scans,
    png,
    png_bomb,
    tiff,
)

__all__ = ["bombs"]

_BLACK = np.zeros((8, 8, 3), np.uint8)
_GREY = np.zeros((8, 8), np.uint8)


def bombs() -> dict[str, bytes]:
    """All of them, by what they are."""
    return _pngs() | _jpegs() | _gifs_and_bmps() | _tiffs() | _webps() | containers()


def _pngs() -> dict[str, bytes]:
    def header(side: int) -> bytes:
        return chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))

    data = chunk(b"IDAT", zlib.compress(bytes(8 * 25))) + chunk(b"IEND", b"")
    return {
        "PNG": png_bomb(),
        "PNG of 45 bytes": png(65_500, 65_500)[:45],
        "PNG of a long row": png(2**31 - 1, 1),
        "PNG without data": png(10_000, 9_999),
        "PNG of chunks": PNG + header(8) + bytes(12) * 200_000,
        "PNG of two headers": PNG + header(8) + header(9000) + data,
    }


def _jpegs() -> dict[str, bytes]:
    jpeg = bytearray(encode(_BLACK, "JPEG"))
    start, frame = bytes(jpeg[:2]), jpeg.find(b"\xff\xc0")
    jpeg[frame + 5 : frame + 9] = struct.pack(">HH", 30_000, 30_000)
    empty = bytes(jpeg[: frame + 5]) + struct.pack(">HH", 9_999, 10_000) + bytes(jpeg[frame + 9 :])
    return {
        "JPEG": bytes(jpeg),
        "JPEG without data": empty,
        "JPEG of segments": start + b"\xff\xe5\0\2" * 1_000_000 + empty[2:],
        "JPEG of 1,000 scans": jpeg_of_scans(1000),
        "JPEG of 1,000 scans, hidden": jpeg_of_scans(1000).replace(
            b"\xff\xda", b"\xff\xfe\x00\x04\xff\xd9\xff\xda", 3
        ),
    }


def _gifs_and_bmps() -> dict[str, bytes]:
    gif = encode(_GREY, "GIF")
    picture = gif.index(b"\x2c", 13 + 6)
    bmp = encode(_GREY, "BMP")
    (pixels,) = struct.unpack_from("<I", bmp, 10)
    runs = bmp[:18] + struct.pack("<ii", 9999, 9999) + bmp[26:30] + struct.pack("<I", 1) + bmp[34:pixels]
    return {
        "GIF": gif[:6] + b"\xff" * 4 + gif[10:],
        "GIF of a large frame": gif[: picture + 5] + b"\xff" * 4 + gif[picture + 9 :],
        "GIF without data": gif[:6] + struct.pack("<HH", 9999, 9999) + gif[10:],
        "GIF of comments": gif[:picture] + b"\x21\xfe" + b"\1A" * 1_000_000 + b"\0" + gif[picture:],
        "BMP": bmp[:18] + struct.pack("<ii", 30_000, 30_000) + bmp[26:],
        "BMP of runs": runs + b"\1\5" * 3_000_000,
    }


def _webps() -> dict[str, bytes]:
    webp = bytearray(encode(np.zeros((8, 8, 4), np.uint8), "WEBP", exif=exif(1)))
    webp[24:30] = (16_383).to_bytes(3, "little") * 2  # the canvas
    return {"WebP": bytes(webp)}


def _tiff_tags(side: int, **more: tuple[int, int, int, int]) -> list[tuple[int, int, int, int]]:
    usual = {
        "width": (256, 4, 1, side),
        "height": (257, 4, 1, side),
        "bits": (258, 3, 1, 8),
        "compression": (259, 3, 1, 1),
        "grey": (262, 3, 1, 1),
        "offset": (273, 4, 1, 8),
        "rows": (278, 4, 1, side),
        "bytes": (279, 4, 1, side * side),
    }
    return list((usual | more).values())


def _tiffs() -> dict[str, bytes]:
    strips = struct.pack("<I", 8) * 2_000_000
    return {
        "TIFF": tiff(_tiff_tags(30_000)),
        "TIFF of strips": tiff(
            _tiff_tags(
                9000, offset=(273, 4, 2_000_000, 200), bytes=(279, 4, 2_000_000, 200), rows=(278, 4, 1, 1)
            ),
            bytes(100) + strips,
        ),
        "TIFF of a tile": tiff(
            [*_tiff_tags(8), (322, 4, 1, 9984), (323, 4, 1, 9984), (324, 4, 1, 8), (325, 4, 1, 64)]
        ),
        "TIFF of tags": tiff(
            [*_tiff_tags(8), *((40_000 + i, 1, 10**6, 0) for i in range(2000))], bytes(10**6)
        ),
    }


def containers() -> dict[str, bytes]:
    """AVIF and, with its extra, HEIC files that code far more than the picture of 64 x 64 that they claim."""
    picture = np.zeros((64, 64, 3), np.uint8)
    files: dict[str, bytes] = {}
    for kind in ("AVIF", "HEIC"):
        found = coded(picture, kind)
        if found is None:
            continue
        small = (64, 64)
        beyond, within = (claiming(kind, *found, side, side) for side in (12_000, 9000))
        tile = claiming(kind, *found, 1024, 1024)
        files |= {
            kind: container(kind, *found, (15_000, 15_000)),
            f"{kind} of a large picture": container(kind, *beyond, small),
            f"{kind} of one within the limits": container(kind, *within, small),
            f"{kind} of large tiles": container(kind, *beyond, (128, 192), tiles=(2, 3), tile_size=small),
            f"{kind} of many tiles": container(kind, *tile, small, tiles=(255, 255), tile_size=small),
            f"{kind} of many frames": container(kind, found[0], found[1] * 1000, small),
        }
    return files
