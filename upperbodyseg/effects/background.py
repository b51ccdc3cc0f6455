"""The person before another background: a colour, or a picture that covers the frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from upperbodyseg import checks
from upperbodyseg.effects.arguments import (
    MAX_SIDE,
    check_colour,
    check_out,
    check_picture,
    hand_over,
    open_both,
    readable,
)
from upperbodyseg.effects.colours import carry_colours, lay_over
from upperbodyseg.effects.reduced import CELLS, U8, Plane, fitting_step, shrink
from upperbodyseg.image_source import ImageSource

__all__ = ["SPILL_SHARE", "cover", "replace_background"]

SPILL_SHARE = 1 / 60
"""How far light wraps round the person: a Gaussian's standard deviation as a share of the frame's height."""


def replace_background(
    image: ImageSource,
    mask: U8 | None,
    background: Sequence[float] | NDArray[Any],
    *,
    light_wrap: float = 0.0,
    out: U8 | None = None,
) -> U8:
    """Put the person before another background.

    Args:
        image: ``(H, W, 3)`` uint8; or whatever :func:`upperbodyseg.segment` takes, read as BGR.
        mask: ``(H, W)`` uint8, 255 person, 0 background; None: that of :func:`upperbodyseg.segment`.
        background: a colour, three numbers 0-255 in the image's channel order; or a picture or video frame
            ``(h, w, 3)`` uint8, which is scaled to cover the frame and cropped in the middle (with
            :func:`cover` beforehand this is done once for all frames).
        light_wrap: 0-1; how much of the new background's light spills over the person's edge. 0 is none.
        out: ``(H, W, 3)`` uint8 to write into, sharing no memory with what is given; None for a new array.

    Returns:
        ``(H, W, 3)`` uint8: ``out`` where it was given. The image itself where the mask is 255 (without
        ``light_wrap``), the background itself where it is 0.

    Raises:
        InputError: something given can't be used (see the message).
    """
    image, mask = open_both(image, mask, opaque=True)
    light = checks.number("light_wrap", light_wrap, 1.0)
    if isinstance(background, np.ndarray) and background.ndim != 1:
        check_picture("background", background)
    else:
        background = check_colour(background)
    target = check_out(out, image.shape, image=image, mask=mask, background=background)
    image, mask = readable(image), readable(mask)
    if background.ndim == 1:
        target[:] = np.tile(background, (image.shape[1], 1))
    else:
        _cover_into(background, target)
    wrap = _spill(mask, target) if light else None
    lay_over(image, mask, carry_colours(image, mask), target)
    if wrap is not None:
        _add_light(target, mask, wrap, light)
    return hand_over(target, out)


def cover(picture: U8, height: int, width: int) -> U8:
    """A picture scaled, in its proportions, to cover a frame, and cropped in the middle.

    Args:
        picture: ``(h, w, 3)`` uint8.
        height: rows of the frame.
        width: columns of the frame.

    Returns:
        ``(height, width, 3)`` uint8, a new array.

    Raises:
        InputError: no such picture, or a size that is no whole number from 1 to 32,766.
    """
    check_picture("picture", picture)
    height = checks.whole_number("height", height, 1, MAX_SIDE)
    width = checks.whole_number("width", width, 1, MAX_SIDE)
    target = np.empty((height, width, 3), np.uint8)
    _cover_into(picture, target)
    return target


def _cover_into(picture: U8, target: U8) -> None:
    height, width = target.shape[:2]
    h, w = picture.shape[:2]
    scale = max(height / h, width / w)
    rows, columns = (min(max(round(n / scale), 1), most) for n, most in ((height, h), (width, w)))
    # Averaging whole pixels, then interpolating: a fifth of what OpenCV's averaging of parts of pixels takes.
    step = max(min(rows // height, columns // width), 1)
    rows, columns = rows - rows % step, columns - columns % step
    top, left = (h - rows) // 2, (w - columns) // 2
    part = shrink(readable(picture[top : top + rows, left : left + columns]), step)
    cv2.resize(part, (width, height), dst=target, interpolation=cv2.INTER_LINEAR)


def _spill(mask: Plane, background: Plane) -> Plane:
    """The light of the uncovered background, spread over the person's edge, at a reduced size."""
    step = fitting_step(mask, round(min(mask.shape) / CELLS))
    uncovered = cv2.merge([cv2.bitwise_not(shrink(mask, step))] * 3)
    light = cv2.multiply(shrink(background, step), uncovered, scale=1 / 255)
    sigma = max(len(mask) * SPILL_SHARE / step, 0.5)
    return cv2.GaussianBlur(light, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)


def _add_light(target: Plane, mask: Plane, light: Plane, amount: float) -> None:
    """Add light to the person as a screen does, which never goes beyond white."""
    # Two arrays of the frame's size are reused: memory fresh from the system takes longer than the sums.
    light = cv2.resize(light, mask.shape[::-1], interpolation=cv2.INTER_LINEAR)
    limit = cv2.merge([mask] * 3)
    # At the edge half of what is around is background: twice it is all of the background's light.
    cv2.multiply(light, limit, dst=light, scale=2 * amount / 255)
    cv2.bitwise_not(target, dst=limit)
    cv2.multiply(light, limit, dst=light, scale=1 / 255)
    cv2.add(target, light, dst=target)
