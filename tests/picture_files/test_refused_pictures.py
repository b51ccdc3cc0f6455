"""Pictures and files that are refused."""

from __future__ import annotations

import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np
import PIL
import pytest
from numpy.typing import NDArray
from PIL import Image

from fuzz.made_pictures import animated, encode, jpeg_2000, png
from upperbodyseg.errors import ImageTooLargeError, InputError
from upperbodyseg.pictures import (
    PictureError,
    PictureLimits,
    PictureTooLargeError,
    decode_labels,
    decode_picture,
    lift_pillows_limit,
    list_pictures,
    picture_size,
    read_picture,
)

# Of damaged metadata Pillow warns; the command line says nothing of it either.
pytestmark = pytest.mark.filterwarnings("ignore:::PIL")
U8 = NDArray[np.uint8]


def test_other_formats_never_reach_a_decoder(rgb: U8, monkeypatch: pytest.MonkeyPatch) -> None:
    others = {kind: encode(rgb, kind) for kind in ("PPM", "TGA", "PCX", "ICO", "SGI", "EPS", "PDF", "DDS")}
    monkeypatch.setattr(Image, "open", lambda *_: pytest.fail("Pillow was asked"))
    for content in (*others.values(), jpeg_2000(rgb), b"<svg/>", b"text", b"\0" * 100, b"8BPS" + bytes(90)):
        with pytest.raises(PictureError, match="JPEG, PNG, WebP, TIFF, BMP, GIF, AVIF and HEIC"):
            decode_picture(content)


def test_the_formats_can_be_fewer(files: dict[str, bytes]) -> None:
    limits = PictureLimits(formats=("PNG", "WebP"))
    assert decode_picture(files["PNG"], limits).bgr.any()
    with pytest.raises(PictureError, match="PNG and WebP"):
        decode_picture(files["JPEG"], limits)


def test_limits_are_those_of_the_caller(files: dict[str, bytes]) -> None:
    for name, content in files.items():
        assert decode_picture(content, PictureLimits(64 * 96, 96, len(content))).bgr.any()
        for limits, message in (
            (PictureLimits(max_pixels=64 * 96 - 1), "96 x 64"),
            (PictureLimits(max_side=95), "95"),
            (PictureLimits(max_bytes=len(content) - 1), "bytes"),
        ):
            with pytest.raises(PictureTooLargeError, match=message):
                decode_picture(content, limits)
            with pytest.raises(ImageTooLargeError, match=message):
                picture_size(content, limits)
        assert name


@pytest.mark.parametrize(
    "wrong", [{"max_pixels": 0}, {"max_side": -1}, {"max_bytes": 1.5}, {"max_side": True}]
)
def test_limits_are_checked(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(wrong))):
        PictureLimits(**wrong)


def test_pillows_own_limit_does_not_matter(rgb: U8, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 64 * 96 // 2 - 1)
    for kind in ("PNG", "JPEG", "BMP"):
        assert decode_picture(encode(rgb, kind)).bgr.shape == (64, 96, 3)
    assert Image.MAX_IMAGE_PIXELS == 64 * 96 // 2 - 1


def test_where_pillows_own_limit_does_matter_it_is_named_and_a_process_of_ours_lifts_it(
    rgb: U8, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 64 * 96 // 2 - 1)
    checked = [encode(rgb, "TIFF")]
    if int(PIL.__version__.split(".")[0]) >= 13:  # before, WebP has no such limit
        checked.append(animated(rgb, "WEBP"))
    for content in checked:
        with pytest.raises(PictureTooLargeError, match=r"limit for TIFF and WebP, 6142 .*MAX_IMAGE_PIXELS"):
            decode_picture(content)
    with pytest.raises(PictureTooLargeError, match="MAX_IMAGE_PIXELS"):
        decode_labels(encode(rgb[..., 0], "TIFF"))
    lift_pillows_limit()
    for content in (encode(rgb, "TIFF"), animated(rgb, "WEBP")):
        assert decode_picture(content).bgr.shape == (64, 96, 3)
    with pytest.raises(PictureTooLargeError, match="has 96 x 64 pixels"):
        decode_picture(encode(rgb, "TIFF"), PictureLimits(max_pixels=6000))


def test_a_compressed_tiff_without_all_of_its_directory_is_refused(rgb: U8) -> None:
    content = encode(rgb, "TIFF", compression="tiff_lzw")
    (directory,) = struct.unpack_from("<I", content, 4)
    assert directory > len(content) // 2  # behind the pixels
    for end in (directory, directory + 1, directory + 30):
        with pytest.raises(PictureError, match="ends within its header"):
            decode_picture(content[:end])


def test_a_png_with_too_few_data_is_refused_before_it_is_decoded() -> None:
    for width, height in ((10_000, 10_000), (1, 30_000), (30_000, 1)):
        with pytest.raises(PictureError, match=r"bytes of data|nothing of it"):
            decode_picture(png(width, height))


def test_a_jpeg_of_many_pictures_behind_each_other_is_no_bomb(rgb: U8) -> None:
    one = encode(rgb, "JPEG", progressive=True)
    np.testing.assert_array_equal(decode_picture(one * 50).bgr, decode_picture(one).bgr)


def test_a_jpeg_of_two_frame_headers_is_refused(rgb: U8) -> None:
    content = encode(rgb, "JPEG")
    at = content.find(b"\xff\xc0")
    (length,) = struct.unpack_from(">H", content, at + 2)
    header = bytearray(content[at : at + 2 + length])
    header[5:9] = b"\0\x08\0\x08"
    with pytest.raises(PictureError, match="one frame header"):
        decode_picture(content[:at] + bytes(header) + content[at:])


def test_metadata_that_would_unfold_are_never_read(rgb: U8) -> None:
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    for number in range(20):
        info.add_text(f"text {number}", "x" * 10**6, zip=True)
    np.testing.assert_array_equal(decode_picture(encode(rgb, "PNG", pnginfo=info)).bgr, rgb[..., ::-1])
    entries = b"".join(struct.pack(">HHII", 40_000 + i, 1, 60_000, 0) for i in range(4000))
    block = b"Exif\0\0MM\0*\0\0\0\x08" + struct.pack(">H", 4000) + entries + bytes(4)
    assert decode_picture(encode(rgb, "JPEG", exif=block)).bgr.any()
    assert decode_picture(encode(rgb, "WEBP", exif=block)).bgr.any()


def test_further_pages_of_a_tiff_are_not_looked_at(rgb: U8) -> None:
    content = encode(
        Image.fromarray(rgb), "TIFF", save_all=True, append_images=[Image.fromarray(rgb // 2)] * 3
    )
    np.testing.assert_array_equal(decode_picture(content).bgr, rgb[..., ::-1])
    assert decode_picture(content).bgr.shape == (64, 96, 3)


def test_files_that_are_none_are_refused(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    for path, message in (
        (tmp_path, "is a folder, not a picture"),
        (tmp_path / "nothing", "No such file"),
        (tmp_path / "loop", "read"),
    ):
        with pytest.raises(PictureError, match=message):
            read_picture(path)
    (tmp_path / "empty").touch()
    with pytest.raises(PictureError, match="empty"):
        read_picture(tmp_path / "empty")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has neither pipes nor devices among files")
def test_a_pipe_and_a_device_are_not_waited_for(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(PictureError, match="is no file"):
            read_picture(path)


def test_too_large_a_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    with path.open("wb") as file:
        file.truncate(2**40)  # takes no room on the disk
    with pytest.raises(PictureTooLargeError, match="larger than 1000 bytes"):
        read_picture(path, PictureLimits(max_bytes=1000))


def test_a_folders_pictures_are_told_from_its_other_files(tmp_path: Path) -> None:
    for name in ("b.JPG", "a.png", "c.heic", "._a.png", "notes.txt", ".hidden.png"):
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    pictures, others = list_pictures(tmp_path)
    assert [p.name for p in pictures] == [".hidden.png", "a.png", "b.JPG", "c.heic"]
    assert [p.name for p in others] == ["._a.png", "notes.txt"]
