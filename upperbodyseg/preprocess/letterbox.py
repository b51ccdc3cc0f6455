"""Letterbox: a whole frame in the detector's square input."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from upperbodyseg.buffers import Buffers
from upperbodyseg.geometry import Letterbox, letterbox_geometry
from upperbodyseg.preprocess.exposure import exposed
from upperbodyseg.preprocess.pixel_format import Frame

__all__ = ["PADDING", "letterbox"]

PADDING = 114
"""Grey level of the bars, customary among letterboxed detectors. The detectors learnt with it."""


def letterbox(frame: Frame, size: int, buffers: Buffers | None = None) -> tuple[NDArray[np.uint8], Letterbox]:
    """The frame as BGR in a grey ``(size, size, 3)`` uint8 square, and where it lies in it.

    A dark frame becomes brighter (:func:`~upperbodyseg.preprocess.exposure.exposed`), the bars do not.
    """
    fit = letterbox_geometry((frame.height, frame.width), size)
    square = np.full((size, size, 3), PADDING, np.uint8)
    inside = square[fit.top : fit.top + fit.height, fit.left : fit.left + fit.width]
    inside[:] = exposed(frame.read_bgr(frame.whole, fit.height, fit.width, buffers))
    return square, fit
