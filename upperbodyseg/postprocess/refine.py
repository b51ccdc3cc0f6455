"""Edges that follow the frame at its own resolution.

The fast guided filter (He and Sun 2015, "Fast Guided Filter", arXiv:1505.00996). Round every pixel of the
segmenter's picture, a linear function of the grey level is fitted to the mask. The functions are enlarged to
the frame's resolution and applied to the frame's own luma, which has the detail that the mask lacks. Where
the mask is flat the function is a constant, so only edges change.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from upperbodyseg.buffers import Buffers

__all__ = ["REACH", "Guide", "refine"]

_HALVED = 256
"""Side of a mask from which on the functions are fitted at half its resolution: as good, in a quarter of the
time. In a smaller mask that is too coarse and leaves a haze round hair."""

_RADIUS = 1  # pixels of that resolution to each side over which a function is fitted

REACH = (2 * _RADIUS + 1) * 2
"""Pixels of the segmenter's picture beyond which a mask of 0 stays 0."""

_EPSILON = 200.0
"""Variance of grey levels below which the picture counts as flat and the mask stays as it is; 0.003 of
the squared range. A third and twice as much made no difference."""

_GRAIN = 4.0
"""Levels of contrast that a level of grain hides."""

_HAZE = 16.0
"""Levels next to 0 and to 255 that become exactly that; the scale between is stretched. The filter
carries a trace of the mask, below this, to everything that looks like the person."""


class Guide(NamedTuple):
    """The picture that a mask's edges are to follow.

    Attributes:
        grey: ``(h, w)`` uint8, full range, as the segmenter saw it.
        luma: ``(H, W)`` uint8, the same at the frame's resolution.
        gain, offset: ``gain * luma + offset`` is full-range grey.
        grain: levels of noise beyond a camera's usual, which edges are not to follow.
    """

    grey: NDArray[np.uint8]
    luma: NDArray[np.uint8]
    gain: float = 1.0
    offset: float = 0.0
    grain: float = 0.0


def refine(mask: NDArray[np.uint8], guide: Guide, out: NDArray[np.uint8], buffers: Buffers) -> None:
    """Bring a mask to the frame's resolution along the frame's edges.

    Args:
        mask: ``(h, w)`` uint8, not changed.
        guide: what it shows; ``grey`` of the mask's shape.
        out: ``(H, W)`` uint8, of ``guide.luma``'s shape; written to.
        buffers: scratch memory for intermediate arrays.
    """
    slope, constant = _linear_functions(guide.grey, mask, _EPSILON + (_GRAIN * guide.grain) ** 2)
    stretch = 255 / (255 - 2 * _HAZE)
    constant = (constant + guide.offset * slope - _HAZE) * np.float32(stretch)
    slope *= np.float32(guide.gain * stretch)
    height, width = out.shape
    size = (width, height)
    product = buffers.take("refine slope", (height, width * 4)).view(np.float32)
    shift = buffers.take("refine constant", (height, width * 4)).view(np.float32)
    cv2.resize(slope, size, dst=product)
    cv2.resize(constant, size, dst=shift)
    # A mean over 3 x 3, since the camera's noise would make the edges flicker. They score no worse.
    luma = cv2.blur(guide.luma, (3, 3), dst=buffers.take("refine luma", (height, width)))
    cv2.multiply(product, luma, dst=product, dtype=cv2.CV_32F)
    cv2.add(product, shift, dst=out, dtype=cv2.CV_8U)  # rounds, and cuts to 0-255


def _linear_functions(
    grey: NDArray[np.uint8], mask: NDArray[np.uint8], epsilon: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Slope and constant, for each pixel or 2 x 2 of them, of the mask's level as a function of grey."""
    height, width = mask.shape
    if width >= _HALVED:
        small = (width // 2, height // 2)
        grey = cv2.resize(grey, small, interpolation=cv2.INTER_AREA)
        mask = cv2.resize(mask, small, interpolation=cv2.INTER_AREA)
    size = (2 * _RADIUS + 1, 2 * _RADIUS + 1)

    def mean(plane: NDArray[np.uint8] | NDArray[np.uint16]) -> NDArray[np.float32]:
        return cv2.boxFilter(plane, cv2.CV_32F, size)

    mean_grey, mean_mask = mean(grey), mean(mask)
    covariance = mean(cv2.multiply(grey, mask, dtype=cv2.CV_16U)) - mean_grey * mean_mask
    variance = cv2.sqrBoxFilter(grey, cv2.CV_32F, size) - mean_grey * mean_grey
    slope: Any = covariance / (variance + np.float32(epsilon))
    constant: Any = mean_mask - slope * mean_grey
    blurred: Any = cv2.blur(slope, size), cv2.blur(constant, size)
    means: tuple[NDArray[np.float32], NDArray[np.float32]] = blurred
    return means
