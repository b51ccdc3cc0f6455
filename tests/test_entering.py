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
FIRST_BIT = 0.004  # of the frame: an arm's width of the shoulder


@pytest.fixture(scope="module")
def person(portrait: U8) -> U8:
    """Head and shoulders with their own alpha, BGRA 200 x 188."""
    bgr = cv2.resize(portrait, (188, 200), interpolation=cv2.INTER_AREA)
    return np.dstack([bgr, upperbodyseg.segment(bgr)])


def place(frame: U8, person: U8, x: int) -> tuple[U8, U8]:
    """The person in a frame, with the left edge at ``x``, in the frame or not: BGR and alpha."""
    canvas = np.zeros((200, 3 * WIDTH, 4), np.uint8)
    canvas[:, WIDTH + x : WIDTH + x + person.shape[1]] = person
    part = canvas[:, WIDTH : 2 * WIDTH]
    share = part[..., 3:] / 255
    shown, alpha = frame.copy(), np.zeros(frame.shape[:2], np.uint8)
    shown[HEIGHT - 200 :] = part[..., :3] * share + shown[HEIGHT - 200 :] * (1 - share)
    alpha[HEIGHT - 200 :] = part[..., 3]
    return shown, alpha


def frames_until_shown(room: U8, person: U8, model: str, side: str, speed: int, empty: int) -> int:
    """Frames from the first with a bit of somebody who walks in to the first that marks them."""
    width = person.shape[1]
    with UpperBodySegmenter(SegmenterOptions(model=model)) as engine:
        for _ in range(empty):
            engine.process(FrameInput.from_array(room))
        first = None
        for t in range(60):
            seen = min(speed * t, width)
            bgr, alpha = place(room, person, WIDTH - seen if side == "right" else seen - width)
            mask = engine.process(FrameInput.from_array(bgr)).mask
            if first is None and (alpha > 128).mean() > FIRST_BIT:
                first = t
            if first is not None and mask[alpha > 128].mean() > 128:
                return t - first
    return 60


def office() -> U8:
    room = np.full((HEIGHT, WIDTH, 3), (190, 200, 205), np.uint8)
    room[260:] = (70, 100, 130)
    return room


@pytest.mark.parametrize("model", ["accurate", "fast"])
@pytest.mark.parametrize("others", [0, 1])
@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("speed", [4, 8, 16])
def test_whoever_comes_in_is_shown_within_5_frames(
    speed: int, side: str, others: int, model: str, person: U8
) -> None:
    room = office()
    if others:
        other = np.ascontiguousarray(person[:, ::-1])
        room, _ = place(room, other, 40 if side == "right" else WIDTH - 40 - other.shape[1])
    for empty in (6, 7, 8):
        assert frames_until_shown(room, person, model, side, speed, empty) <= 5


@pytest.mark.parametrize("model", ["accurate", "fast"])
@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("speed", [8, 16, 40])
def test_whoever_came_in_stays_shown(speed: int, side: str, model: str, person: U8) -> None:
    room, width = office(), person.shape[1]
    found = False
    with UpperBodySegmenter(SegmenterOptions(model=model)) as engine:
        for _ in range(6):
            engine.process(FrameInput.from_array(room))
        for seen in range(0, width + 1, speed):
            bgr, alpha = place(room, person, WIDTH - seen if side == "right" else seen - width)
            mask = engine.process(FrameInput.from_array(bgr)).mask
            share = (mask[alpha > 128] > 128).mean() if (alpha > 128).any() else 0
            assert not found or share > 0.3, seen
            found = found or share > 0.5
    assert found


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
