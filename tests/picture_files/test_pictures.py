"""Whole pictures of every format, and what is written."""

from __future__ import annotations

import sys

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms

from fuzz.made_pictures import animated, encode, exif, heic, tiff
from upperbodyseg.pictures import (
    Picture,
    PictureError,
    decode_labels,
    decode_picture,
    encode_picture,
    flatten,
    picture_size,
)

# Of damaged metadata Pillow warns; the command line says nothing of it either.
pytestmark = pytest.mark.filterwarnings("ignore:::PIL")
U8 = NDArray[np.uint8]
LOSSLESS = ("PNG", "TIFF", "BMP", "lossless WebP", "TIFF, LZW", "TIFF, deflate", "animated PNG")


def test_every_format_is_read(files: dict[str, bytes], rgb: U8) -> None:
    for name, content in files.items():
        picture = decode_picture(content)
        assert picture.bgr.shape == (64, 96, 3), name
        assert picture.bgr.flags.c_contiguous, name
        assert picture_size(content) == (64, 96), name
        assert not picture.damaged, name
        wanted = rgb[..., ::-1]
        if name in LOSSLESS:
            np.testing.assert_array_equal(picture.bgr, wanted, name)
        elif name == "BMP, grey":
            assert (picture.bgr == picture.bgr[..., :1]).all()
        else:
            least = 15 if "palette" in name else 25  # dithered
            assert cv2.PSNR(picture.bgr, np.ascontiguousarray(wanted)) > least, name


def test_a_jpeg_is_as_opencv_decodes_it(astronaut: U8) -> None:
    for options in ([], [cv2.IMWRITE_JPEG_PROGRESSIVE, 1], [cv2.IMWRITE_JPEG_RST_INTERVAL, 2]):
        data = cv2.imencode(".jpg", astronaut, options)[1]
        decoded = decode_picture(data.tobytes()).bgr
        assert np.abs(decoded.astype(int) - cv2.imdecode(data, cv2.IMREAD_COLOR)).max() <= 2


def test_of_an_animation_the_first_frame_is_read(rgb: U8) -> None:
    for kind in ("PNG", "WEBP", "GIF", "AVIF"):
        content = animated(rgb, kind)
        assert cv2.PSNR(decode_picture(content).bgr, np.ascontiguousarray(rgb[..., ::-1])) > 25, kind


def test_heic_is_read_with_its_extra_and_named_without(rgb: U8, monkeypatch: pytest.MonkeyPatch) -> None:
    content = heic(rgb)
    if content is None:
        pytest.skip("pillow-heif, of the extra [images], is not installed")
    assert cv2.PSNR(decode_picture(content).bgr, np.ascontiguousarray(rgb[..., ::-1])) > 25
    assert not decode_picture(content).damaged
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(PictureError, match=r"upperbodyseg\[images\]"):
        decode_picture(content)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_respected_in_every_format(kind: str, orientation: int, rgb: U8) -> None:
    stored = rgb
    upright = {
        1: stored,
        2: stored[:, ::-1],
        3: stored[::-1, ::-1],
        4: stored[::-1],
        5: stored.transpose(1, 0, 2),
        6: np.rot90(stored, -1),
        7: np.rot90(stored, 2).transpose(1, 0, 2),
        8: np.rot90(stored),
    }[orientation]
    for order in "<>" if kind == "JPEG" else ">":
        if kind == "TIFF":
            content = encode(rgb, kind, tiffinfo={274: orientation})
        else:
            lossless = {"lossless": True} if kind == "WEBP" else {}
            content = encode(rgb, kind, exif=exif(orientation, order), **lossless)
        decoded = decode_picture(content).bgr
        assert decoded.shape == upright.shape
        assert cv2.PSNR(decoded, np.ascontiguousarray(upright[..., ::-1])) > 25
        as_stored = decode_picture(content, upright=False).bgr
        assert cv2.PSNR(as_stored, np.ascontiguousarray(stored[..., ::-1])) > 25


def test_alpha_is_turned_with_the_picture(rgb: U8) -> None:
    alpha = np.zeros((64, 96), np.uint8)
    alpha[:10] = 255
    picture = decode_picture(encode(np.dstack([rgb, alpha]), "PNG", exif=exif(6)))
    assert picture.alpha is not None
    np.testing.assert_array_equal(picture.alpha, np.rot90(alpha, -1))


def test_grey_palette_and_single_bits_look_as_they_should(rgb: U8) -> None:
    grey = rgb[..., 1]
    three = np.dstack([grey] * 3)
    np.testing.assert_array_equal(decode_picture(encode(grey, "PNG")).bgr, three)
    np.testing.assert_array_equal(
        decode_picture(encode(np.uint16(grey) * 257, "PNG")).bgr,
        three,
    )
    np.testing.assert_array_equal(
        decode_picture(encode(np.uint16(grey) * 257, "TIFF")).bgr,
        three,
    )
    np.testing.assert_array_equal(
        decode_picture(encode(np.float32(grey) / 255, "TIFF")).bgr,
        three,
    )
    bits = Image.fromarray(grey).convert("1", dither=Image.Dither.NONE)
    np.testing.assert_array_equal(
        decode_picture(encode(bits, "PNG")).bgr, np.dstack([np.uint8(grey >= 128) * 255] * 3)
    )
    palette = Image.fromarray(rgb).quantize(200)
    np.testing.assert_array_equal(
        decode_picture(encode(palette, "PNG")).bgr[..., ::-1], np.asarray(palette.convert("RGB"))
    )
    deep = cv2.imencode(".png", rgb[..., ::-1].astype(np.uint16) * 257)[1].tobytes()
    np.testing.assert_array_equal(decode_picture(deep).bgr, rgb[..., ::-1])


def test_transparency_is_told_apart_from_the_colours(rgb: U8) -> None:
    alpha = np.tile(np.arange(96, dtype=np.uint8) * 2, (64, 1))
    for kind, options in (("PNG", {}), ("WEBP", {"lossless": True, "exact": True}), ("TIFF", {})):
        picture = decode_picture(encode(np.dstack([rgb, alpha]), kind, **options))
        np.testing.assert_array_equal(picture.bgr, rgb[..., ::-1])
        assert picture.alpha is not None
        np.testing.assert_array_equal(picture.alpha, alpha)
    grey = Image.merge("LA", [Image.fromarray(rgb[..., 0]), Image.fromarray(alpha)])
    picture = decode_picture(encode(grey, "PNG"))
    assert picture.alpha is not None
    np.testing.assert_array_equal(picture.alpha, alpha)
    opaque = decode_picture(encode(np.dstack([rgb, np.full_like(alpha, 255)]), "PNG"))
    assert opaque.alpha is None


def test_a_transparent_colour_and_a_transparent_palette(rgb: U8) -> None:
    keyed = rgb.copy()
    keyed[:20] = (1, 2, 3)
    grey = rgb[..., 1].copy()
    grey[grey == 7] = 8
    grey[:20] = 7
    palette = Image.fromarray(np.repeat(np.array([[0], [1]], np.uint8), 40, axis=1)).convert("P")
    cases = (
        (encode(keyed, "PNG", transparency=(1, 2, 3)), 20),
        (encode(grey, "PNG", transparency=7), 20),
        (encode(np.uint16(grey) * 257, "PNG", transparency=7 * 257), 20),
        (encode(palette, "PNG", transparency=0), 1),
        (encode(palette, "GIF", transparency=0), 1),
    )
    for content, rows in cases:
        alpha = decode_picture(content).alpha
        assert alpha is not None
        assert not alpha[:rows].any()
        assert (alpha[rows:] == 255).all()


def test_cmyk_is_converted(rgb: U8) -> None:
    cmyk = Image.fromarray(rgb).convert("CMYK")
    for kind in ("JPEG", "TIFF"):
        assert cv2.PSNR(decode_picture(encode(cmyk, kind, quality=95)).bgr[..., ::-1].copy(), rgb) > 25


def swapped_profile() -> bytes:
    """sRGB with red and green exchanged: a profile that is seen to be heeded."""
    content = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    content = content.replace(b"sRGB", b"swap").replace(
        "sRGB".encode("utf-16-be"), "swap".encode("utf-16-be")
    )
    # The tags' names: the columns of the matrix belong to the other colour.
    content = content.replace(b"rXYZ", b"?XYZ", 1).replace(b"gXYZ", b"rXYZ", 1).replace(b"?XYZ", b"gXYZ", 1)
    return bytes(content)


def test_a_colour_profile_is_converted_to_srgb(rgb: U8) -> None:
    content = encode(rgb, "PNG", icc_profile=swapped_profile())
    converted = decode_picture(content).bgr[..., ::-1].astype(int)
    assert np.abs(converted - rgb[..., [1, 0, 2]]).max() <= 3
    alpha = np.full((64, 96), 77, np.uint8)
    picture = decode_picture(encode(np.dstack([rgb, alpha]), "PNG", icc_profile=swapped_profile()))
    np.testing.assert_array_equal(picture.bgr[..., ::-1], converted)
    assert picture.alpha is not None
    assert (picture.alpha == 77).all()
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    np.testing.assert_array_equal(decode_picture(encode(rgb, "PNG", icc_profile=srgb)).bgr, rgb[..., ::-1])


@pytest.mark.parametrize("profile", [b"no profile", b"\0" * 200, swapped_profile()[:200]])
def test_with_a_damaged_profile_the_colours_stay_as_they_are(profile: bytes, rgb: U8) -> None:
    np.testing.assert_array_equal(decode_picture(encode(rgb, "PNG", icc_profile=profile)).bgr, rgb[..., ::-1])


def test_a_profile_of_other_channels_is_not_used(rgb: U8) -> None:
    content = encode(rgb[..., 0], "PNG", icc_profile=swapped_profile())
    np.testing.assert_array_equal(decode_picture(content).bgr, np.dstack([rgb[..., 0]] * 3))


def test_labels_are_the_stored_numbers(rgb: U8) -> None:
    index = np.uint8(rgb[..., 0] % 7)
    palette = Image.fromarray(index)
    palette.putpalette(bytes(range(255, -1, -1)) * 3)
    for content in (encode(palette, "PNG"), encode(index, "PNG"), encode(np.dstack([index] * 3), "PNG")):
        np.testing.assert_array_equal(decode_labels(content), index)
    with pytest.raises(PictureError, match="colour"):
        decode_labels(encode(rgb, "PNG"))
    with pytest.raises(PictureError, match="damaged"):
        decode_labels(encode(index, "PNG")[:-30])


def test_what_is_transparent_is_white_when_flattened(rgb: U8) -> None:
    alpha = np.zeros((64, 96), np.uint8)
    alpha[20:] = 255
    flat = flatten(Picture(rgb, alpha))
    assert (flat[:20] == 255).all()
    np.testing.assert_array_equal(flat[20:], rgb[20:])
    assert flatten(Picture(rgb)) is rgb


def test_the_erased_are_not_in_the_mask(rgb: U8) -> None:
    mask = np.full((64, 96), 200, np.uint8)
    alpha = np.zeros((64, 96), np.uint8)
    alpha[:, 50:] = 255
    alpha[:, 90:] = 128
    cut = Picture(rgb, alpha).without_transparent(mask)
    assert (cut[0, 0], cut[0, 60], cut[0, 95]) == (0, 200, 100)
    assert Picture(rgb).without_transparent(mask) is mask


def test_what_is_written_is_read_again(rgb: U8) -> None:
    for channels in (rgb[..., 0], rgb, np.dstack([rgb, rgb[..., 0]])):
        picture = decode_picture(encode_picture(channels))
        np.testing.assert_array_equal(
            picture.bgr, channels[..., :3] if channels.ndim == 3 else np.dstack([channels] * 3)
        )
    for suffix in (".jpg", ".webp"):
        assert cv2.PSNR(decode_picture(encode_picture(rgb, suffix, quality=95)).bgr, rgb) > 30
    with pytest.raises(PictureError, match=r"\.png, \.jpg"):
        encode_picture(rgb, ".tga")
    with pytest.raises(PictureError, match="encoded"):
        encode_picture(np.empty((0, 0, 3), np.uint8))


def test_a_tiff_of_nothing_is_refused() -> None:
    for content in (tiff([]), tiff([(256, 4, 1, 8)]), b"II*\0" + b"\xff" * 4, b"MM\0+" + bytes(20)):
        with pytest.raises(PictureError):
            decode_picture(content)
