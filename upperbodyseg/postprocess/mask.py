"""From the segmenter's probabilities to the mask of the frame."""

from __future__ import annotations

import math
from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import NDArray

from upperbodyseg.errors import InputError
from upperbodyseg.geometry import Region, resize

__all__ = [
    "CERTAIN",
    "MAX_BLUR_SIGMA",
    "blur_mask",
    "cells_to_pixels",
    "check_blur_sigma",
    "compose_mask",
    "probability_to_mask",
]

CERTAIN = 0.05
"""A probability within this of 0 or 1 is certain and becomes exactly 0 or 255; between the two the
scale is stretched evenly, the same for every picture, with 0.5 in the middle."""

MAX_BLUR_SIGMA = 1000.0
"""Largest ``blur_sigma``, in pixels."""

_DIRECT_SIGMA = 4.0


def cells_to_pixels(cells: NDArray[np.float32]) -> NDArray[np.float32]:
    """Lay out the segmenter's cells ``(h, w, n * n)``, row by row of a cell, as ``(n h, n w)``."""
    height, width, channels = cells.shape
    n = math.isqrt(channels)
    pixels: NDArray[np.float32] = (
        cells.reshape(height, width, n, n).transpose(0, 2, 1, 3).reshape(n * height, n * width)
    )
    return pixels


def probability_to_mask(probability: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Probability 0-1 to mask 0-255, uint8, of the same shape."""
    stretched = (probability - CERTAIN) * (255.0 / (1.0 - 2.0 * CERTAIN))
    mask: NDArray[np.uint8] = np.rint(stretched.clip(0.0, 255.0)).astype(np.uint8)
    return mask


def compose_mask(
    parts: Iterable[tuple[Region, NDArray[np.float32]]], frame_size: tuple[int, int]
) -> NDArray[np.uint8]:
    """Lay each region's probability where the region is; where several meet, the highest counts.

    Args:
        parts: regions with their probability ``(h, w)`` or ``(h, w, 1)`` of any size, 0-1.
        frame_size: ``(height, width)`` of the frame.

    Returns:
        The frame's mask ``(height, width)`` uint8, 0 outside the regions.
    """
    mask = np.zeros(frame_size, np.uint8)
    for region, probability in parts:
        small = probability_to_mask(probability.reshape(probability.shape[:2]))
        full = resize(small, region.height, region.width)
        under = mask[region.y0 : region.y1, region.x0 : region.x1]
        np.maximum(under, full, out=under)
    return mask


def check_blur_sigma(blur_sigma: float) -> float:
    """``blur_sigma`` as a float.

    Raises:
        InputError: it is no number, NaN, infinite, negative or above ``MAX_BLUR_SIGMA``.
    """
    number = isinstance(blur_sigma, (int, float, np.integer, np.floating)) and not isinstance(
        blur_sigma, bool
    )
    if not number or not 0 <= blur_sigma <= MAX_BLUR_SIGMA:  # no comparison holds for NaN
        raise InputError(
            f"blur_sigma must be a number of pixels from 0 (no blur) to {MAX_BLUR_SIGMA:g}, "
            f"got {blur_sigma!r}"
        )
    return float(blur_sigma)


def blur_mask(mask: NDArray[np.uint8], blur_sigma: float) -> NDArray[np.uint8]:
    """Gaussian blur of a mask ``(H, W)`` uint8.

    Args:
        mask: not changed.
        blur_sigma: standard deviation in pixels of the mask; 0 gives the mask back as it is.

    Returns:
        The blurred mask. Beyond the picture's edge its last row or column goes on, so that a
        person cut off by the frame stays whole there.
    """
    if blur_sigma == 0 or not mask.any():
        return mask
    if blur_sigma <= _DIRECT_SIGMA:
        return cv2.GaussianBlur(mask, (0, 0), blur_sigma, borderType=cv2.BORDER_REPLICATE)  # type: ignore[return-value]
    # A wide Gaussian has no detail that a smaller picture could not hold, and its cost there
    # does not grow with sigma.
    height, width = mask.shape
    small_height, small_width = (max(round(n * _DIRECT_SIGMA / blur_sigma), 1) for n in (height, width))
    small = cv2.GaussianBlur(
        resize(mask, small_height, small_width),
        (0, 0),
        blur_sigma * small_width / width,
        sigmaY=blur_sigma * small_height / height,
        borderType=cv2.BORDER_REPLICATE,
    )
    return resize(small, height, width)  # type: ignore[arg-type]
