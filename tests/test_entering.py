"""How soon a stream shows somebody who comes in."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

import upperbodyseg
from upperbodyseg import FrameInput, SegmenterOptions, UpperBodySegmenter
from upperbodyseg.stream import CHECK_EVERY, EMPTY_CHECK_EVERY, STIR_CHECKS

U8 = NDArray[np.uint8]
HEIGHT, WIDTH = 360, 640
SPEED = 14


@pytest.fixture(scope="module")
def person(portrait: U8) -> U8:
    """Head and shoulders with their own alpha, BGRA 200 x 188."""
    bgr = cv2.resize(portrait, (188, 200), interpolation=cv2.INTER_AREA)
    return np.dstack([bgr, upperbodyseg.segment(bgr)])


def place(frame: U8, person: U8, x: int) -> tuple[U8, U8]:
    """The person in a frame, with the left edge at ``x``: BGR and alpha."""
    alpha = np.zeros(frame.shape[:2], np.uint8)
    shown = frame.copy()
    width = min(person.shape[1], WIDTH - x)
    if width > 0:
        part = person[:, :width]
        alpha[HEIGHT - 200 :, x : x + width] = part[..., 3]
        share = part[..., 3:] / 255
        shown[HEIGHT - 200 :, x : x + width] = part[..., :3] * share + shown[
            HEIGHT - 200 :, x : x + width
        ] * (1 - share)
    return shown, alpha


def frames_until_shown(room: U8, person: U8, model: str, empty: int, is_still: bool = False) -> int:
    """Frames from the first with a bit of somebody who walks in to the first that marks them."""
    with UpperBodySegmenter(SegmenterOptions(model=model)) as engine:
        for _ in range(empty):
            engine.process(FrameInput.from_array(room))
        first = None
        for t in range(40):
            bgr, alpha = place(room, person, max(WIDTH - SPEED * t, 420))
            mask = engine.process(FrameInput.from_array(bgr, is_still=is_still)).mask
            if first is None and (alpha > 128).sum() > 100:
                first = t
            if first is not None and mask[alpha > 128].mean() > 128:
                return t - first
    return 40


@pytest.mark.parametrize("model", ["accurate", "fast"])
@pytest.mark.parametrize("others", [0, 1])
@pytest.mark.parametrize("empty", [6, 7, 8])
def test_whoever_comes_in_is_shown_as_soon_as_a_still_shows_them(
    others: int, empty: int, model: str, person: U8
) -> None:
    room = np.full((HEIGHT, WIDTH, 3), (190, 200, 205), np.uint8)
    room[260:] = (70, 100, 130)
    if others:
        room, _ = place(room, np.ascontiguousarray(person[:, ::-1]), 40)
    at_best = frames_until_shown(room, person, model, 0, is_still=True)
    assert at_best <= 6
    assert frames_until_shown(room, person, model, empty) <= at_best


@pytest.mark.parametrize("empty", [True, False])
def test_a_fan_is_not_checked_for_ever(empty: bool, person: U8) -> None:
    room = np.full((HEIGHT, WIDTH, 3), (190, 200, 205), np.uint8)
    if not empty:
        room, _ = place(room, person, 40)
    checks = 0
    with UpperBodySegmenter(SegmenterOptions(model="fast")) as engine:
        for i in range(60):
            frame = room.copy()
            cv2.circle(frame, (540 + 12 * (i % 5), 120), 30, (60, 60, 60), -1)
            checks += engine.process(FrameInput.from_array(frame)).timings_ms["detection"] > 0
    every = EMPTY_CHECK_EVERY if empty else CHECK_EVERY
    assert checks <= STIR_CHECKS + 60 // every + 2
