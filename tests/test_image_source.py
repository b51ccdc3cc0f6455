from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from upperbodyseg import FrameInput, ImageType, InputError, UpperBodySegmenter, segment
from upperbodyseg.effects import blur_background, cut_out, portrait_blur, replace_background

PHOTO = Path(__file__).parent.parent / "examples" / "astronaut.jpg"


@pytest.fixture(scope="module")
def bgr() -> np.ndarray:
    return cv2.imread(str(PHOTO))


@pytest.fixture(scope="module")
def mask(bgr: np.ndarray) -> np.ndarray:
    return segment(bgr)


def closed(file: io.BytesIO) -> io.BytesIO:
    file.close()
    return file


def test_every_kind_of_image_gives_the_same_mask(bgr: np.ndarray, mask: np.ndarray) -> None:
    content = PHOTO.read_bytes()
    with PHOTO.open("rb") as file, Image.open(PHOTO) as image:
        for source in (PHOTO, str(PHOTO), content, bytearray(content), memoryview(content), file, image):
            assert np.array_equal(segment(source), mask), type(source)
    assert np.array_equal(segment(bgr[..., ::-1], ImageType.RGB_888), mask)


def test_an_image_of_pillow_is_the_rgb_that_it_is(bgr: np.ndarray) -> None:
    red = Image.new("RGB", (8, 6), (255, 0, 0))
    assert FrameInput.from_image(red).frame.as_array()[0, 0].tolist() == [0, 0, 255]
    assert FrameInput.from_image(red.convert("L")).frame.as_array().shape == (6, 8, 3)
    assert FrameInput.from_image(red.convert("P")).frame.as_array()[0, 0].tolist() == [0, 0, 255]


@pytest.mark.parametrize(
    ("mode", "least"),
    [(mode, 0.99) for mode in ("RGB", "RGBA", "RGBX", "RGBa", "CMYK", "YCbCr", "LAB", "HSV")]
    + [("P", 0.95), ("1", 0.7)]
    + [(mode, 0.95) for mode in ("L", "LA", "La", "PA", "I", "F", "I;16", "I of 16 bits", "F from 0 to 1")],
)
def test_every_mode_of_pillow_shows_the_person(mode: str, least: float, mask: np.ndarray) -> None:
    with Image.open(PHOTO) as photo:
        grey = photo.convert("L")
        made: dict[str, Callable[[], Image.Image]] = {
            "RGBa": lambda: photo.convert("RGBA").convert("RGBa"),
            "La": lambda: photo.convert("LA").convert("La"),
            "PA": lambda: photo.convert("LA").convert("PA"),
            "I;16": lambda: Image.fromarray(np.asarray(grey, np.uint16) * 257),
            "I of 16 bits": lambda: Image.fromarray(np.asarray(grey, np.int32) * 257),
            "F from 0 to 1": lambda: Image.fromarray(np.asarray(grey, np.float32) / 255),
        }
        image = made[mode]() if mode in made else photo.convert(mode)
    found = segment(image)
    assert (found & mask > 127).sum() / (found | mask > 127).sum() > least


def test_arrays_of_any_strides_are_pictures(bgr: np.ndarray, mask: np.ndarray) -> None:
    read_only = bgr.copy()
    read_only.flags.writeable = False
    wide = np.concatenate([bgr, bgr], axis=1)[:, : bgr.shape[1]]
    for array in (read_only, wide, np.asfortranarray(bgr), bgr[::-1][::-1]):
        assert np.array_equal(segment(array), mask)
    half = bgr[::2, ::2]
    assert np.array_equal(segment(half), segment(half.copy()))


def test_grey_arrays_are_pictures(bgr: np.ndarray, mask: np.ndarray) -> None:
    grey = cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY)
    found = segment(grey)
    assert np.array_equal(found, segment(grey[..., None]))
    assert np.mean((found > 127) == (mask > 127)) > 0.9


def test_frames_are_made_of_the_same(bgr: np.ndarray, mask: np.ndarray, engine: UpperBodySegmenter) -> None:
    for source in (PHOTO, io.BytesIO(PHOTO.read_bytes()), bgr):
        frame = FrameInput.from_image(source, timestamp=7)
        assert (frame.is_still, frame.timestamp) == (True, 7)
        assert np.array_equal(engine.process(frame).mask, mask)
    rgb = FrameInput.from_image(bgr[..., ::-1].copy(), ImageType.RGB_888)
    assert np.array_equal(engine.process(rgb).mask, mask)


def test_a_model_is_chosen_by_name(bgr: np.ndarray, mask: np.ndarray) -> None:
    fast = segment(PHOTO, model="fast")
    assert not np.array_equal(fast, mask)
    assert np.mean((fast > 127) == (mask > 127)) > 0.85
    with pytest.raises(InputError, match="model"):
        segment(bgr, model="slow")


def test_transparent_pixels_are_no_people(bgr: np.ndarray, mask: np.ndarray) -> None:
    alpha = np.full(bgr.shape[:2], 255, np.uint8)
    alpha[: len(alpha) // 2] = 0
    image = Image.fromarray(np.dstack([bgr[..., ::-1], alpha]))
    found = segment(image)
    assert not found[: len(alpha) // 2].any()
    assert np.array_equal(found[len(alpha) // 2 :], mask[len(alpha) // 2 :])


@pytest.mark.parametrize(
    ("image", "told"),
    [
        (None, "got None: cv2.imread gives None"),
        ("nowhere.jpg", "nowhere.jpg: can't be read"),
        ("a\0b", "can't be a path"),
        (PHOTO.parent, "is a folder, not a picture"),
        (__file__, "in none of the formats"),
        ("https://example.com/me.jpg", "is a URL, and no network is used: download it"),
        ("data:image/png;base64,iVBORw0KGgo=", "is a URL"),
        (b"no picture", "in none of the formats"),
        (b"", "expected the bytes of a picture, got none"),
        (bytes(PHOTO), r"got a path: give '.*astronaut\.jpg' as str"),
        (io.BytesIO(), "read to its end: file.seek"),
        (closed(io.BytesIO()), "the image: can't be read: I/O operation on closed file"),
        (io.StringIO("text"), "mode 'rb'"),
        ([[1, 2], [3, 4]], "got list"),
        (7, "got int"),
        (np.uint8(7), "got uint8"),
        ([PHOTO], "got list"),
        (np.zeros((4, 5), np.float32), r"got float32; .*scaling floats from 0-1 to 0-255"),
        (np.zeros((4, 5, 3), np.uint16), "got uint16"),
        (np.zeros((4, 5), bool), "got bool"),
        (np.zeros((1, 4, 5, 3), np.uint8), r"got shape \(1, 4, 5, 3\)"),
        (np.zeros((0, 0, 3), np.uint8), "no pixels"),
        (Image.new("RGB", (0, 0)), "no pixels"),
    ],
)
def test_what_is_no_image_is_named(image: object, told: str) -> None:
    for take in (segment, FrameInput.from_image, cut_out, blur_background):
        with pytest.raises(InputError, match=told):
            take(image)


@pytest.mark.parametrize("shape", [(4, 5, 4), (4, 5, 2), (3, 40, 50)])
def test_arrays_of_other_channels_are_told_apart(shape: tuple[int, ...]) -> None:
    for take in (segment, cut_out, blur_background):
        with pytest.raises(InputError, match=f"has 3 channel.*the frame has {shape[2]}: pass the image_type"):
            take(np.zeros(shape, np.uint8))


def test_a_damaged_file_is_told() -> None:
    content = PHOTO.read_bytes()
    with pytest.warns(RuntimeWarning, match="is damaged"):
        found = segment(content[: len(content) * 2 // 3])
    assert found.shape == segment(PHOTO).shape


def test_effects_make_their_mask_themselves(bgr: np.ndarray, mask: np.ndarray) -> None:
    assert np.array_equal(cut_out(PHOTO), cut_out(bgr, mask))
    assert np.array_equal(blur_background(PHOTO), blur_background(bgr, mask))
    assert np.array_equal(blur_background(PHOTO, sigma=3), blur_background(bgr, mask, 3))
    assert np.array_equal(portrait_blur(bgr), portrait_blur(bgr, mask))
    green = (0, 255, 0)
    assert np.array_equal(replace_background(PHOTO, None, green), replace_background(bgr, mask, green))
    assert np.array_equal(cut_out(PHOTO, mask), cut_out(bgr, mask))
