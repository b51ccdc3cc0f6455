"""Damage within a JPEG, which libjpeg passes over in silence, is told where it can be."""

from __future__ import annotations

import random

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from fuzz.made_pictures import encode
from upperbodyseg.pictures import PictureError, decode_picture

U8 = NDArray[np.uint8]


@pytest.fixture(scope="module")
def rgb(astronaut: U8) -> U8:
    return np.ascontiguousarray(astronaut[..., ::-1])


def told(content: bytes) -> bool:
    try:
        return decode_picture(content).damaged
    except PictureError:
        return True


def holes(content: bytes, size: int, number: int, fill: bytes = b"\0") -> list[bytes]:
    """The file with so many bytes lost in different places of its data."""
    chance = random.Random(number)
    places = [chance.randrange(len(content) // 10, len(content) * 9 // 10 - size) for _ in range(number)]
    return [content[:at] + fill * size + content[at + size :] for at in places]


@pytest.mark.parametrize("quality", [75, 92])
@pytest.mark.parametrize("subsampling", ["4:2:0", "4:4:4", "grey"])
def test_a_lost_block_of_the_disk_is_told(quality: int, subsampling: str, rgb: U8) -> None:
    grey = {"subsampling": subsampling} if subsampling != "grey" else {}
    content = encode(rgb if grey else np.ascontiguousarray(rgb[..., 1]), "JPEG", quality=quality, **grey)
    lost = holes(content, 512, 40)
    assert sum(map(told, lost)) >= 34
    assert sum(told(content[:at] + content[at + 512 :]) for at in range(5000, len(content) - 512, 1500)) >= (
        (len(content) - 5512) // 1500 * 9 // 10
    )


def test_what_was_decoded_of_it_is_kept(rgb: U8) -> None:
    content = encode(rgb, "JPEG", quality=92)
    middle = len(content) // 2
    picture = decode_picture(content[:middle] + bytes(2048) + content[middle + 2048 :])
    assert picture.damaged
    upper = decode_picture(content).bgr[:200]
    np.testing.assert_array_equal(picture.bgr[:200], upper)


def test_missing_and_disordered_restart_markers_are_told(rgb: U8) -> None:
    bgr = np.ascontiguousarray(rgb[..., ::-1])
    content = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_RST_INTERVAL, 4])[1].tobytes()
    assert not told(content)
    third = content.index(b"\xff\xd2")
    assert told(content.replace(b"\xff\xd2", b"\x12\x34", 1))
    assert told(content[:third] + b"\xff\xd5" + content[third + 2 :])
    assert told(content[:third] + b"\xff\xd1" + content[third:])
    assert told(content[:third] + content[content.index(b"\xff\xd4", third) :])


def test_another_marker_within_the_data_is_told(rgb: U8) -> None:
    content = encode(rgb, "JPEG")
    middle = len(content) // 2
    for marker in (b"\xff\xd9", b"\xff\xdb", b"\xff\xfe\0\2", b"\xff\x01"):
        assert told(content[:middle] + marker + content[middle + 2 :])


def test_a_whole_jpeg_is_whole_whoever_wrote_it(rgb: U8) -> None:
    files = []
    for width, height in ((512, 512), (1, 1), (7, 9), (8, 8), (16, 17), (33, 15), (1, 300), (300, 1)):
        small = cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA)
        for quality in (1, 50, 75, 100):
            for subsampling in ("4:2:0", "4:2:2", "4:4:4"):
                files.append(encode(small, "JPEG", quality=quality, subsampling=subsampling))
            files.append(encode(small, "JPEG", quality=quality, optimize=True))
            files.append(encode(small, "JPEG", quality=quality, progressive=True))
            files.append(encode(np.ascontiguousarray(small[..., 0]), "JPEG", quality=quality))
            files.append(encode(Image.fromarray(small).convert("CMYK"), "JPEG", quality=quality))
            for interval in (1, 3, 64):
                options = [cv2.IMWRITE_JPEG_RST_INTERVAL, interval, cv2.IMWRITE_JPEG_QUALITY, quality]
                files.append(cv2.imencode(".jpg", small, options)[1].tobytes())
                files.append(cv2.imencode(".jpg", small[..., 0], options)[1].tobytes())
    for content in files:
        assert not told(content)
    # Some cameras fill up to a multiple of so many bytes; some pictures have films and previews behind them.
    end = files[0][-2:]
    for padding in (b"\0", b"\xff", b"\0" * 4000, b"\xff" * 511):
        assert not told(files[0][:-2] + padding + end)
    assert not told(files[0] + bytes(1000))
    assert not told(files[0] + files[1] * 3)
    assert not told(files[0][:-2])


def test_of_two_scans_that_are_none_of_a_progressive_one_nothing_is_expected(rgb: U8) -> None:
    """Components one after the other: their rows come at the very end."""
    content = encode(rgb[:64, :64], "JPEG", quality=90, subsampling="4:4:4")
    grey = encode(np.ascontiguousarray(rgb[:64, :64, 0]), "JPEG", quality=90)
    scan = grey[grey.index(b"\xff\xda") :]
    head = content[: content.index(b"\xff\xda")]
    scans = b"".join(
        b"\xff\xda\0\x08\1" + bytes((number, 0)) + b"\0\x3f\0" + scan[10:-2] for number in (1, 2, 3)
    )
    picture = decode_picture(head + scans + b"\xff\xd9")
    assert not picture.damaged
    assert picture.bgr.shape == (64, 64, 3)
