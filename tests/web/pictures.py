"""Frames to compare both languages on: photographs in many sizes and lights, and generated pictures."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

U8 = NDArray[np.uint8]


def _room(height: int, width: int) -> U8:
    """A wall, a floor and a picture on the wall."""
    room = np.full((height, width, 3), (170, 160, 150), np.uint8)
    room[height * 3 // 4 :] = (60, 80, 110)
    cv2.rectangle(room, (width // 10, height // 10), (width // 4, height // 3), (40, 60, 160), -1)
    return room


def _placed(person: U8, height: int, width: int, side: int, left: int, top: int) -> U8:
    frame = _room(height, width)
    small = cv2.resize(person, (side, side), interpolation=cv2.INTER_AREA)
    part = frame[max(top, 0) : top + side, max(left, 0) : left + side]
    part[:] = small[max(-top, 0) :, max(-left, 0) :][: part.shape[0], : part.shape[1]]
    return frame


def pictures(astronaut: U8) -> dict[str, U8]:
    """Twenty BGR frames by name, with nobody, one person or several."""
    rng = np.random.default_rng(3)
    person = astronaut[:400, 40:440]
    noise = rng.normal(0, 12, astronaut.shape)
    two = _placed(person, 480, 854, 400, 20, 80)
    two[100:420, 480:800] = cv2.resize(person, (320, 320), interpolation=cv2.INTER_AREA)[:, ::-1]
    crowd = _room(720, 1280)
    for i in range(5):
        crowd[200:440, 20 + 250 * i : 260 + 250 * i] = cv2.resize(
            person, (240, 240), interpolation=cv2.INTER_AREA
        )
    return {
        "photograph": astronaut,
        "mirrored": astronaut[:, ::-1],
        "portrait": astronaut[:331, 80:391],
        "odd size": astronaut[:333, 90:341],
        "dark": (astronaut * 0.15).astype(np.uint8),
        "noisy": (astronaut + noise).clip(0, 255).astype(np.uint8),
        "blurred": cv2.GaussianBlur(astronaut, (0, 0), 4),
        "grey": cv2.merge([cv2.cvtColor(astronaut, cv2.COLOR_BGR2GRAY)] * 3),
        "webcam": _placed(person, 360, 640, 340, 150, 20),
        "high definition": _placed(person, 720, 1280, 640, 320, 80),
        "full high definition": _placed(person, 1080, 1920, 1000, 100, 80),
        "cut off left": _placed(person, 480, 640, 440, -160, 40),
        "cut off below": _placed(person, 480, 640, 440, 100, 200),
        "far away": _placed(person, 720, 1280, 200, 700, 300),
        "upright": _placed(person, 640, 360, 340, 10, 200),
        "two": two,
        "five": crowd,
        "small": cv2.resize(astronaut, (96, 96), interpolation=cv2.INTER_AREA),
        "nobody": _room(480, 640),
        "noise": rng.integers(0, 256, (120, 160, 3), np.uint8),
    }


def stream(astronaut: U8, frames: int, noise: float, height: int = 360, width: int = 640) -> list[U8]:
    """A person who comes in, sways, comes nearer and is gone after a cut, BGR, with a camera's noise."""
    rng = np.random.default_rng(5)
    person = astronaut[:400, 40:440]
    found = []
    for i in range(frames):
        if i >= frames * 4 // 5:
            frame = cv2.flip(_room(height, width), 0)
        else:
            side = height * 3 // 5 + i * height // (4 * frames)
            left = min(-side + 40 * i, width // 3) + round(10 * np.sin(i / 3))
            frame = _placed(person, height, width, side, max(left, 1 - side), height - side)
        found.append((frame + rng.normal(0, noise, frame.shape)).clip(0, 255).astype(np.uint8))
    return found
