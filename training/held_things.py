"""The rule for held things, in one place: what a person holds or wears is person, furniture is not.

The labelled sets disagree. Portraits count a held cup as person, the hand-drawn outlines of photos mostly
leave it out. So three cases arise, and each has a function here: an object that is laid over a picture on
purpose, a label that leaves held things out, and a patch of the body that is hidden.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from training.library import U8
from training.scenes import cover

HELD = 0.6  # share of an object over the body from which on it counts as held
BESIDE = 0.1  # share up to which it counts as standing in front of or beside the person
NEAR = 0.08  # of the picture's longer side: how far from the labelled person a held thing reaches
MARKED = 128  # from here on a teacher's mask says person


def lay_object(
    bgr: U8, picture: U8, sides: tuple[float, float], rng: np.random.Generator
) -> tuple[U8, NDArray[np.bool_]]:
    """A piece of another picture, or of one colour, laid over this one, and where it lies.

    Args:
        sides: of the piece, from and to, in parts of this one's.
    """
    height, width = bgr.shape[:2]
    w, h = (
        max(int(part * side), 2) for part, side in zip(rng.uniform(*sides, 2), (width, height), strict=True)
    )
    if rng.random() < 0.4:  # of one colour, lit from one side
        shade = np.linspace(0.8, 1.2, w, dtype=np.float32)[None, :, None] * rng.uniform(10, 230, 3)
        piece = np.broadcast_to(shade.clip(0, 255), (h, w, 3)).astype(np.uint8)
    else:
        piece = cover(picture, h, w, rng)
    shape = np.zeros((h, w), np.uint8)
    if rng.random() < 0.5:
        cv2.ellipse(shape, (w // 2, h // 2), (w // 2, h // 2), 0, 0, 360, 255, -1)
    else:
        shape[:] = 255
    x, y = int(rng.integers(width - w)), int(rng.integers(height // 4, height - h))
    out, where = bgr.copy(), np.zeros((height, width), bool)
    where[y : y + h, x : x + w] = shape > 0
    out[y : y + h, x : x + w][shape > 0] = piece[shape > 0]
    return out, where


def count_object(where: NDArray[np.bool_], label: U8) -> int | None:
    """What an object laid over a picture counts as: 255 held, 0 beside the person, None undecided.

    Args:
        where: ``(H, W)``, the object.
        label: ``(H, W)`` 0-255, of the picture below it.
    """
    over = float((label[where] >= MARKED).mean()) if where.any() else 0.0
    return 255 if over >= HELD else 0 if over <= BESIDE else None


def left_out(label: U8, mask: U8) -> NDArray[np.bool_]:
    """Where a label that leaves held things out may be wrong: beside the person, marked by the teachers.

    Args:
        label, mask: ``(H, W)`` 0-255, the label's and the teachers'.
    """
    reach = max(int(NEAR * max(label.shape)), 1)
    kernel = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    near = cv2.dilate((label >= MARKED).astype(np.uint8), kernel) > 0
    return near & (label < MARKED) & (mask >= MARKED)


def drop_patches(bgr: U8, label: U8, rng: np.random.Generator) -> U8:
    """The picture with one to three patches of the body replaced; the body goes on below them.

    A patch is of one colour, of noise, or a piece of this picture from elsewhere.
    """
    ys, xs = np.nonzero(label >= MARKED)
    if not len(xs):
        return bgr
    out = bgr.copy()
    height, width = label.shape
    body_height, body_width = int(np.ptp(ys)) + 1, int(np.ptp(xs)) + 1
    for _ in range(int(rng.integers(1, 4))):
        h = min(max(int(body_height * rng.uniform(0.06, 0.25)), 2), height)
        w = min(max(int(body_width * rng.uniform(0.06, 0.25)), 2), width)
        at = int(rng.integers(len(xs)))
        y, x = int(np.clip(ys[at] - h // 2, 0, height - h)), int(np.clip(xs[at] - w // 2, 0, width - w))
        choice = rng.random()
        if choice < 0.4:
            piece = np.full((h, w, 3), rng.integers(0, 256, 3), np.uint8)
        elif choice < 0.6:
            piece = rng.integers(0, 256, (h, w, 3), np.uint8)
        else:
            from_y, from_x = int(rng.integers(height - h + 1)), int(rng.integers(width - w + 1))
            piece = bgr[from_y : from_y + h, from_x : from_x + w]
        body = label[y : y + h, x : x + w, None] >= MARKED
        out[y : y + h, x : x + w] = np.where(body, piece, out[y : y + h, x : x + w])
    return out
