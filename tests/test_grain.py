"""Streams from noisy cameras: grain is no cut, and cuts are still noticed."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from upperbodyseg import FrameInput, ImageBuffer, ImageType, SegmenterOptions, UpperBodySegmenter
from upperbodyseg.postprocess.acceptance import Acceptance
from upperbodyseg.preprocess.pixel_format import open_frame
from upperbodyseg.stream import Stream

U8 = NDArray[np.uint8]
ACCEPTANCE = Acceptance(0.5, 0.3)


def grainy(bgr: U8, sigma: float, seed: int) -> U8:
    noise = np.random.default_rng(seed).normal(0, sigma, (*bgr.shape[:2], 1))
    return (bgr + noise).clip(0, 255).astype(np.uint8)


def play(frames: list[U8], options: SegmenterOptions | None = None) -> tuple[list[U8], list[bool]]:
    """Masks, and which frames the detector checked."""
    masks, checked = [], []
    with UpperBodySegmenter(options) as engine:
        for bgr in frames:
            output = engine.process(FrameInput.from_array(bgr))
            masks.append(output.mask)
            checked.append(output.timings_ms["detection"] > 0)
    return masks, checked


@pytest.mark.parametrize("model", ["accurate", "fast"])
def test_strong_grain_flickers_at_most_twice_as_much_as_weak(model: str, webcam: U8) -> None:
    def flicker(sigma: float) -> float:
        frames = [grainy(webcam, sigma, i) for i in range(14)]
        masks, _ = play(frames, SegmenterOptions(model=model))
        return float(np.mean([cv2.absdiff(a, b).mean() for a, b in itertools.pairwise(masks[3:])]))

    assert 0 < flicker(22) < 2 * flicker(5)


@pytest.mark.parametrize("sigma", [0, 17, 30, 45])
def test_grain_is_no_cut_and_a_cut_is_one(sigma: float, webcam: U8) -> None:
    """The second scene is the first in a mirror and darker."""
    other = np.ascontiguousarray(webcam[:, ::-1] // 3)
    stream = Stream(ACCEPTANCE)

    def begin(bgr: U8, seed: int) -> bool:
        view = ImageBuffer.view(grainy(bgr, sigma, seed))
        return stream.begin(open_frame(view, ImageType.BGR_888, 10**8)) is not None

    for seed in range(5):
        assert begin(webcam, 2 * seed) is (seed == 0)
        stream.check([])
        assert not begin(webcam, 2 * seed + 1)
        stream.check([])
    assert begin(other, 99)


def test_somebody_who_goes_is_gone_in_grain_too(webcam: U8) -> None:
    empty = np.full_like(webcam, (150, 140, 130))
    half = webcam.copy()
    half[:, 340:] = empty[:, 340:]
    frames = [grainy(webcam, 22, i) for i in range(8)] + [grainy(half, 22, 8 + i) for i in range(3)]
    masks, _ = play(frames)
    was = cv2.erode(masks[7], np.ones((15, 15), np.uint8)) > 200
    was[:, :360] = False
    assert was.sum() > 400
    assert masks[-1][was].mean() < 40
