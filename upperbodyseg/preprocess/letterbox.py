"""Letterbox: a frame, or one side of it, in the detector's square input."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from upperbodyseg.buffers import Buffers
from upperbodyseg.geometry import Letterbox, letterbox_geometry
from upperbodyseg.preprocess.exposure import exposed
from upperbodyseg.preprocess.pixel_format import Frame
from upperbodyseg.preprocess.side import Side, mirror, strip_at

__all__ = ["PADDING", "letterbox", "letterbox_side"]

PADDING = 114
"""Grey level of the bars, customary among letterboxed detectors. The detectors learnt with it."""


def letterbox(frame: Frame, size: int, buffers: Buffers | None = None) -> tuple[NDArray[np.uint8], Letterbox]:
    """The frame as BGR in a grey ``(size, size, 3)`` uint8 square, and where it lies in it.

    A dark frame becomes brighter (:func:`~upperbodyseg.preprocess.exposure.exposed`), the bars do not.
    """
    fit = letterbox_geometry(frame.size, size)
    return _in_square(frame.read_bgr(frame.whole, fit.height, fit.width, buffers), fit, size), fit


def letterbox_side(
    frame: Frame, size: int, side: Side, buffers: Buffers | None = None
) -> tuple[NDArray[np.uint8], Letterbox]:
    """As :func:`letterbox`, for the frame's side beside its mirror image."""
    strip = strip_at(side, frame.size)
    fit = letterbox_geometry((strip.height, 2 * strip.width), size)
    bgr = mirror(frame.read_bgr(strip, fit.height, fit.width // 2, buffers), side)
    return _in_square(bgr, fit, size), fit


def _in_square(bgr: NDArray[np.uint8], fit: Letterbox, size: int) -> NDArray[np.uint8]:
    square = np.full((size, size, 3), PADDING, np.uint8)
    square[fit.top : fit.top + fit.height, fit.left : fit.left + fit.width] = exposed(bgr)
    return square
