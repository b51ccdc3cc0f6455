"""Temporal smoothing of a stream's masks."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from scenes import play, scene

from upperbodyseg import InputError, SegmenterOptions, UpperBodySegmenter
from upperbodyseg.geometry import Region, resize
from upperbodyseg.postprocess.temporal import TemporalSmoother

U8 = NDArray[np.uint8]


def noisy(bgr: U8, seed: int) -> U8:
    noise = np.random.default_rng(seed).normal(0, 3, (*bgr.shape[:2], 1))
    return (bgr + noise).clip(0, 255).astype(np.uint8)


def test_the_mask_is_calm_where_the_picture_is(room: U8, person: U8) -> None:
    bgr, _ = scene(room, person, 150)
    frames = [noisy(bgr, i) for i in range(16)]

    def flicker(temporal_smoothing: bool) -> float:
        # Refined edges follow the picture, its noise included, whatever the smoothing does.
        options = SegmenterOptions(temporal_smoothing=temporal_smoothing, refine=False)
        with UpperBodySegmenter(options) as engine:
            masks = [play(engine, frame).mask for frame in frames]
        return float(np.mean([cv2.absdiff(a, b).mean() for a, b in itertools.pairwise(masks)]))

    assert 0 < flicker(True) < 0.5 * flicker(False)


def test_the_mask_keeps_up_with_motion(room: U8, person: U8) -> None:
    speed = 8

    def error(found: U8, x: float) -> float:
        return float(cv2.absdiff(found, scene(room, person, round(x))[1]).mean())

    with UpperBodySegmenter() as engine:
        now = before = 0.0
        for i in range(16):
            x = 60 + speed * i
            mask = play(engine, noisy(scene(room, person, x)[0], i)).mask
            if i > 3:
                now += error(mask, x)
                before += error(mask, x - speed / 2)
    assert now < before  # nearer to where the person is than to half a frame ago


def test_a_smaller_picture_lags_no_more() -> None:
    """The same slow movement changes the pixels of a smaller picture by less."""
    backdrop = cv2.resize(np.random.default_rng(0).integers(60, 120, (80, 80, 3), dtype=np.uint8), (640, 640))

    def lag(side: int) -> float:
        smoother, behind, moved = TemporalSmoother(), 0.0, 0.0
        before = np.zeros((side, side), np.uint8)
        for i in range(6):
            alpha = np.zeros((640, 640), np.uint8)
            cv2.circle(alpha, (200 + 2 * i, 320), 150, 255, -1, cv2.LINE_AA)
            frame = np.where(alpha[..., None] > 0, backdrop // 3 + 120, backdrop).astype(np.uint8)
            mask = resize(alpha, side, side)
            smooth = smoother.smooth(resize(noisy(frame, i), side, side), mask, Region(0, 0, 640, 640))
            if i > 0:
                behind += float(cv2.absdiff(smooth, mask).sum())
                moved += float(cv2.absdiff(mask, before).sum())
            before = mask
        return behind / moved

    assert lag(160) < 1.05 * lag(256)


def test_smoothing_can_be_left_out(webcam: U8) -> None:
    with UpperBodySegmenter(SegmenterOptions(temporal_smoothing=False)) as engine:
        frames = [noisy(webcam, i) for i in range(3)]
        streamed = [play(engine, frame).mask for frame in frames]
    assert any((a != b).any() for a, b in itertools.pairwise(streamed))
    with pytest.raises(InputError, match="temporal_smoothing"):
        SegmenterOptions(temporal_smoothing="yes")  # type: ignore[arg-type]
