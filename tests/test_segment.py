"""``segment``, and the engine that its calls share."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from frames import iou
from numpy.typing import NDArray

import upperbodyseg.engine
from upperbodyseg import ImageTooLargeError, ImageType, InputError, close_shared, segment

U8 = NDArray[np.uint8]


def test_segment_takes_the_layouts_as_arrays(portrait: U8) -> None:
    bgr = portrait[:330, :310]
    expected = segment(bgr)
    np.testing.assert_array_equal(segment(bgr[..., ::-1], image_type=ImageType.RGB_888), expected)
    rgba = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGBA)
    # On Arm, OpenCV rounds otherwise where it resizes four channels.
    assert iou(segment(rgba, ImageType.RGBA_8888), expected) > 0.998
    np.testing.assert_array_equal(segment(np.asfortranarray(bgr)), expected)
    np.testing.assert_array_equal(segment(np.concatenate([bgr, bgr])[:330]), expected)
    i420 = cv2.cvtColor(bgr, cv2.COLOR_BGR2YUV_I420)
    mask = segment(i420, ImageType.I420)
    assert mask.shape == (330, 310)
    assert iou(mask, expected) > 0.98


@pytest.mark.parametrize("flip", ["rows", "columns", "both"])
def test_segment_takes_flipped_views(flip: str, astronaut: U8) -> None:
    view = {"rows": astronaut[::-1], "columns": astronaut[:, ::-1], "both": astronaut[::-1, ::-1]}[flip]
    np.testing.assert_array_equal(segment(view), segment(np.ascontiguousarray(view)))


@pytest.mark.parametrize(
    "image",
    [
        None,
        "photo.jpg",
        np.zeros((8, 8, 3), np.float32),
        np.zeros((8, 8, 4), np.uint8),
        np.zeros((0, 8, 3), np.uint8),
        np.zeros((8, 0, 3), np.uint8),
        np.zeros(0, np.uint8),
        np.zeros((2, 8, 8, 3), np.uint8),
    ],
)
def test_segment_refuses_what_is_no_picture(image: object) -> None:
    with pytest.raises(InputError):
        segment(image)


def test_segment_refuses_by_size_before_it_copies() -> None:
    pixel = np.zeros((1, 1, 3), np.uint8)
    for shape in ((60_000, 60_000, 3), (10**9, 10**9, 3), (40_000, 1, 3), (10_001, 10_000, 3)):
        with pytest.raises(ImageTooLargeError):
            segment(np.broadcast_to(pixel, shape))
    with pytest.raises(ImageTooLargeError):
        segment(np.broadcast_to(pixel[..., 0], (60_000, 60_000)), ImageType.NV12)
    assert segment(np.broadcast_to(pixel, (40, 50, 3))).shape == (40, 50)


def test_segment_takes_a_slice_of_an_i420_array(portrait: U8) -> None:
    i420 = cv2.cvtColor(np.ascontiguousarray(portrait[:330, :310]), cv2.COLOR_BGR2YUV_I420)
    wide = np.zeros((495, 400), np.uint8)
    wide[:, :310] = i420
    np.testing.assert_array_equal(segment(wide[:, :310], ImageType.I420), segment(i420, ImageType.I420))


def test_segment_refuses_an_unknown_image_type(astronaut: U8) -> None:
    with pytest.raises(InputError, match="BGR_888"):
        segment(astronaut, image_type="BGR")  # type: ignore[arg-type]


def test_the_shared_engine_can_be_let_go(webcam: U8) -> None:
    expected = segment(webcam)
    first = upperbodyseg.engine._shared.get("accurate")
    close_shared()
    close_shared()
    assert not first.is_initialized
    np.testing.assert_array_equal(segment(webcam), expected)
    assert upperbodyseg.engine._shared.get("accurate") is not first


def test_the_shared_engine_can_be_let_go_while_threads_use_it(portrait: U8) -> None:
    small = cv2.resize(portrait, (80, 80), interpolation=cv2.INTER_AREA)
    expected = segment(small)
    with ThreadPoolExecutor(3) as threads:
        masks = [threads.submit(segment, small) for _ in range(30)]
        for mask in masks[::6]:
            mask.result()
            close_shared()
        for mask in masks:
            np.testing.assert_array_equal(mask.result(), expected)
