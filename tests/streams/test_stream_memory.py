"""A stream's memory, and masks of the caller's own."""

from __future__ import annotations

import tracemalloc

import cv2
import numpy as np
import pytest
from frames import make_frame
from numpy.typing import NDArray
from scenes import HEIGHT, WIDTH, play

from upperbodyseg import FrameInput, ImageType, InputError, UpperBodySegmenter
from upperbodyseg.stream import CHECK_EVERY

U8 = NDArray[np.uint8]


def test_out_takes_the_mask(stream: UpperBodySegmenter, webcam: U8) -> None:
    expected = play(stream, webcam, is_still=True).mask
    wide = np.full((HEIGHT, WIDTH + 8), 7, np.uint8)
    output = play(stream, webcam, is_still=True, out=wide[:, :WIDTH])
    assert np.shares_memory(output.mask, wide)
    np.testing.assert_array_equal(output.mask, expected)
    assert (wide[:, WIDTH:] == 7).all()
    assert not output.segmentation_mask.owns_data


@pytest.mark.parametrize(
    "out",
    [
        "mask",
        np.zeros((HEIGHT, WIDTH), np.float32),
        np.zeros((HEIGHT, WIDTH - 1), np.uint8),
        np.zeros((HEIGHT, WIDTH, 1), np.uint8),
        np.zeros((WIDTH, HEIGHT), np.uint8).T,
        np.zeros((HEIGHT, WIDTH), np.uint8)[::-1],
        np.broadcast_to(np.zeros(WIDTH, np.uint8), (HEIGHT, WIDTH)),
    ],
)
def test_what_can_not_take_the_mask_is_refused(out: object, stream: UpperBodySegmenter, webcam: U8) -> None:
    with pytest.raises(InputError, match="out must"):
        play(stream, webcam, out=out)


def test_the_frames_own_memory_is_refused(stream: UpperBodySegmenter, webcam: U8) -> None:
    nv12 = np.zeros((HEIGHT * 3 // 2, WIDTH), np.uint8)
    frame = FrameInput.from_array(nv12, ImageType.NV12)
    with pytest.raises(InputError, match="share no memory with frame"):
        stream.process(frame, out=nv12[:HEIGHT])
    assert not nv12.any()


@pytest.mark.parametrize("image_type", ImageType)
@pytest.mark.parametrize("sigma", [0, 0.5, 3])
def test_a_stream_allocates_no_array_of_the_frames_size(
    sigma: float, image_type: ImageType, stream: UpperBodySegmenter, astronaut: U8
) -> None:
    height, width = 1080, 1440
    bgr = cv2.resize(astronaut, (width, height))
    frame = FrameInput(make_frame(bgr, image_type), image_type=image_type)
    out = np.empty((height, width), np.uint8)
    for _ in range(CHECK_EVERY + 1):
        assert stream.process(frame, sigma, out=out).persons
    tracemalloc.start()
    try:
        for _ in range(CHECK_EVERY + 1):
            stream.process(frame, sigma, out=out)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 0.8 * height * width


def test_own_masks_are_not_reused(stream: UpperBodySegmenter, webcam: U8, room: U8) -> None:
    masks = [play(stream, bgr).mask for bgr in (webcam, room, webcam, room)]
    copies = [mask.copy() for mask in masks]
    for bgr in (room, webcam):
        play(stream, bgr)
    for mask, copy in zip(masks, copies, strict=True):
        np.testing.assert_array_equal(mask, copy)
