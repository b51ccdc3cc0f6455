"""The one reader of picture files, on files of every kind that are made here."""

from __future__ import annotations

import struct
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageCms
from PIL import __version__ as pillow_version

from fuzz.made_pictures import (
    animated,
    encode,
    exif,
    heic,
    jpeg_2000,
    malformed_apng,
    png,
    tiff,
    whole,
)
from upperbodyseg.errors import ImageTooLargeError, InputError
from upperbodyseg.pictures import (
    FORMATS,
    Picture,
    PictureError,
    PictureLimits,
    PictureTooLargeError,
    decode_labels,
    decode_picture,
    encode_picture,
    flatten,
    lift_pillows_limit,
    list_pictures,
    picture_size,
    read_picture,
)

# Of damaged metadata Pillow warns; the command line says nothing of it either.
pytestmark = pytest.mark.filterwarnings("ignore:::PIL")

U8 = NDArray[np.uint8]
LOSSLESS = ("PNG", "TIFF", "BMP", "lossless WebP", "TIFF, LZW", "TIFF, deflate", "animated PNG")


def small(rgb_or_grey: U8) -> Image.Image:
    return Image.fromarray(rgb_or_grey)


@pytest.fixture(scope="module")
def rgb(astronaut: U8) -> U8:
    return np.ascontiguousarray(cv2.resize(astronaut, (96, 64), interpolation=cv2.INTER_AREA)[..., ::-1])


@pytest.fixture(scope="module")
def files(rgb: U8) -> dict[str, bytes]:
    return whole(rgb)


# --- whole pictures ------------------------------------------------------------------------------


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
    bits = small(grey).convert("1", dither=Image.Dither.NONE)
    np.testing.assert_array_equal(
        decode_picture(encode(bits, "PNG")).bgr, np.dstack([np.uint8(grey >= 128) * 255] * 3)
    )
    palette = small(rgb).quantize(200)
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
    grey = Image.merge("LA", [small(rgb[..., 0]), small(alpha)])
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
    palette = small(np.repeat(np.array([[0], [1]], np.uint8), 40, axis=1)).convert("P")
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
    cmyk = small(rgb).convert("CMYK")
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


# --- damaged pictures ----------------------------------------------------------------------------


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
    grey = [small(rgb[..., i]) for i in range(3)]
    content = encode(grey[0], "PNG", save_all=True, append_images=grey[1:])
    np.testing.assert_array_equal(decode_picture(content).bgr, np.dstack([rgb[..., 0]] * 3))


# --- what is refused -----------------------------------------------------------------------------


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
    limited = [encode(rgb, "TIFF")]
    if not pillow_version.startswith("12."):
        limited.append(animated(rgb, "WEBP"))
    for content in limited:
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
    content = encode(small(rgb), "TIFF", save_all=True, append_images=[small(rgb // 2)] * 3)
    np.testing.assert_array_equal(decode_picture(content).bgr, rgb[..., ::-1])
    assert decode_picture(content).bgr.shape == (64, 96, 3)


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


# --- files ---------------------------------------------------------------------------------------


def test_files_that_are_none_are_refused(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    for path, message in (
        (tmp_path, "is no file"),
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


# --- labels, flattening, writing -----------------------------------------------------------------


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
