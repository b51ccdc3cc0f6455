"""Pictures that are damaged."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from fuzz.made_pictures import encode, malformed_apng, whole
from upperbodyseg.pictures import FORMATS, PictureError, PictureLimits, decode_picture

# Of damaged metadata Pillow warns; the command line says nothing of it either.
pytestmark = pytest.mark.filterwarnings("ignore:::PIL")
U8 = NDArray[np.uint8]


def test_only_the_end_mark_missing_is_a_whole_picture(files: dict[str, bytes]) -> None:
    trailers = {"JPEG": 2, "progressive JPEG": 2, "PNG": 12, "GIF": 1}
    for name, length in trailers.items():
        picture = decode_picture(files[name][:-length])
        np.testing.assert_array_equal(picture.bgr, decode_picture(files[name]).bgr)
        assert not picture.damaged, name


def test_what_follows_the_end_mark_does_not_matter(files: dict[str, bytes]) -> None:
    for name in ("JPEG", "PNG", "GIF", "BMP", "TIFF"):
        picture = decode_picture(files[name] + b"\xff\xda and a film" * 1000)
        np.testing.assert_array_equal(picture.bgr, decode_picture(files[name]).bgr)
        assert not picture.damaged, name


def test_what_can_be_decoded_of_a_cut_picture_is_and_says_so(astronaut: U8) -> None:
    picture = cv2.resize(astronaut, (256, 256), interpolation=cv2.INTER_AREA)
    for name, content in whole(np.ascontiguousarray(picture[..., ::-1])).items():
        if name.startswith(("TIFF,", "animated", "BMP, grey")):
            continue  # a TIFF's directory is at its end; the others are as those of one frame
        part = decode_picture(content[: len(content) * 3 // 4])
        assert part.damaged, name
        assert part.bgr.shape == (256, 256, 3)
        if not name.startswith("BMP"):  # from the bottom to the top
            upper = decode_picture(content).bgr[:64].astype(int)
            assert np.abs(part.bgr[:64] - upper).mean() < 20, name


def test_a_cut_in_any_place_is_damaged_or_refused(files: dict[str, bytes]) -> None:
    for name, content in files.items():
        for share in range(40):
            try:
                picture = decode_picture(content[: len(content) * share // 40])
            except PictureError:
                continue
            assert picture.bgr.shape == (64, 96, 3), name
            assert picture.damaged or name.startswith(("animated", "TIFF")), (name, share)


def test_broken_data_within_a_png_are_told(rgb: U8) -> None:
    content = bytearray(encode(rgb, "PNG"))
    content[len(content) * 3 // 4] ^= 0xFF
    picture = decode_picture(bytes(content))
    assert picture.damaged
    np.testing.assert_array_equal(picture.bgr[:30], rgb[:30, :, ::-1])


@pytest.mark.parametrize("colour", [0, 2, 6])
def test_a_malformed_animated_png_is_read_or_refused(colour: int) -> None:
    assert decode_picture(malformed_apng(colour)).bgr.shape == (1, 1, 3)


def test_a_grey_animated_png_is_read(rgb: U8) -> None:
    grey = [Image.fromarray(rgb[..., i]) for i in range(3)]
    content = encode(grey[0], "PNG", save_all=True, append_images=grey[1:])
    np.testing.assert_array_equal(decode_picture(content).bgr, np.dstack([rgb[..., 0]] * 3))


def test_too_little_memory_is_an_error_of_the_picture(
    files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_memory(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("PIL.Image.core.new", no_memory)
    for name in ("JPEG", "PNG", "TIFF", "GIF", "BMP"):
        with pytest.raises(PictureError, match="memory"):
            decode_picture(files[name])


@given(st.sampled_from(FORMATS), st.data())
def test_no_change_of_bytes_is_anything_but_a_picture_or_an_error(kind: str, data: st.DataObject) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8)
    name = {"WebP": "WEBP", "HEIC": "AVIF"}.get(kind, kind)
    content = bytearray(encode(pixels, name))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at] = data.draw(st.integers(0, 255))
    try:
        picture = decode_picture(bytes(content), PictureLimits(max_pixels=10**6))
    except PictureError:
        return
    assert picture.bgr.dtype == np.uint8
    assert picture.bgr.shape[2] == 3


@given(
    st.binary(max_size=200),
    st.sampled_from((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"II*\0", b"BM", b"GIF89a")),
)
def test_no_bytes_crash_the_reader(rest: bytes, start: bytes) -> None:
    try:
        picture = decode_picture(start + rest, PictureLimits(max_pixels=10**6))
    except PictureError:
        return
    assert picture.bgr.size
