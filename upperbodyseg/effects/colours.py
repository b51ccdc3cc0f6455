"""The person's own colours in a mask's soft pixels.

Soft pixels are a mixture of the person and the background they were taken before. So that this old
background doesn't show as a rim before the new one, the person's own colour is worked out of each: the
colours of the person and of the background are carried over the edge at a reduced size (by the push-pull of
Gortler et al., The Lumigraph, 1996) and corrected so that mixing them gives the pixel.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from upperbodyseg.effects.reduced import CELLS, Plane, fitting_step, rounded, shrink, widen

__all__ = ["ALPHA", "CHUNK", "Colours", "carry_colours", "lay_over", "soft_pixels"]

CHUNK = 1 << 14
"""Soft pixels worked on at a time: what they need stays in the processor's cache."""

_PURE = (np.linspace(0, 1, 256) ** 8).astype(np.float32)
"""Weight of a cell by its share of the person (reversed: of the background), 0-255: with a bit of the other
colour in it, it counts for next to nothing."""

ALPHA = (np.arange(256) / 255).astype(np.float32)

_CORRECTION = ALPHA / (ALPHA**2 + (1 - ALPHA) ** 2)
"""By the mask: what of a pixel's unexplained rest is the person's, of the two colours' least change."""

_TINY = 1e-20
"""Below every weight that counts: keeps from dividing by 0."""


class Colours(NamedTuple):
    """The person's and the background's colours, each carried over the whole frame, at a reduced size."""

    person: Plane
    background: Plane
    step: int


def carry_colours(image: Plane, mask: Plane) -> Colours:
    """Carry the colours of what is surely the person, and surely the background, over all of the frame."""
    step = fitting_step(mask, round(min(mask.shape) / CELLS))
    small = shrink(image, step).astype(np.float32)
    share = shrink(mask, step)
    return Colours(
        _fill(small, cv2.LUT(share, _PURE)), _fill(small, cv2.LUT(widen(share), _PURE[::-1])), step
    )


def _fill(colour: Plane, weight: Plane) -> Plane:
    """Carry colours from where the weight is 1 to where it is 0: push-pull (Gortler et al. 1996)."""
    level: Any = cv2.merge([colour, np.ones_like(weight)])
    level = cv2.multiply(level, cv2.merge([weight] * 4))
    levels = [level]
    while max(level.shape[:2]) > 1:
        height, width = level.shape[:2]
        level = cv2.resize(level, ((width + 1) // 2, (height + 1) // 2), interpolation=cv2.INTER_AREA)
        # One pixel of four with a colour is enough to know the colour here.
        gain = np.minimum(4, 1 / np.maximum(level[..., 3], _TINY))
        level = cv2.multiply(level, cv2.merge([gain] * 4))
        levels.append(level)
    filled = level / max(float(level[0, 0, 3]), _TINY)
    for level in reversed(levels[:-1]):
        above = cv2.resize(filled, level.shape[1::-1], interpolation=cv2.INTER_LINEAR)
        filled = level + cv2.multiply(above, cv2.merge([1 - level[..., 3]] * 4))
    bgr: Plane = cv2.cvtColor(filled, cv2.COLOR_BGRA2BGR)
    return bgr


def lay_over(image: Plane, mask: Plane, colours: Colours, target: Plane) -> None:
    """Lay the person over what is in ``target``."""
    height, width = mask.shape
    soft = soft_pixels(mask)
    pixels, shares, targets = image.reshape(-1, 3), mask.reshape(-1), target.reshape(-1, 3)
    behind = targets.take(soft, axis=0)
    cv2.copyTo(image, mask, target)
    for start in range(0, len(soft), CHUNK):
        chosen = soft[start : start + CHUNK]
        rows = chosen // width
        columns = chosen - rows * width
        x, y = (
            ((where + 0.5) * (cells / of) - 0.5).astype(np.float32)[None]
            for where, cells, of in zip(
                (columns, rows), colours.person.shape[1::-1], (width, height), strict=True
            )
        )
        person, old = (
            cv2.remap(plane, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE) for plane in colours[:2]
        )
        share = shares.take(chosen)[None]
        alpha = cv2.merge([cv2.LUT(share, ALPHA)] * 3)
        rest = pixels.take(chosen, axis=0)[None] - old - alpha * (person - old)
        person = np.clip(person + cv2.merge([cv2.LUT(share, _CORRECTION)] * 3) * rest, 0, 255)
        new = behind[start : start + CHUNK][None].astype(np.float32)
        targets[chosen] = rounded(new + alpha * (person - new))[0]


def soft_pixels(share: Plane) -> NDArray[np.intp]:
    """Flat indices of what is neither 0 nor 255."""
    return np.flatnonzero(share - np.uint8(1) < 254)  # 0 wraps round to 255
