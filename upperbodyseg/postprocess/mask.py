"""From the segmenter's probabilities to the mask of the frame."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from upperbodyseg import checks
from upperbodyseg.buffers import Buffers
from upperbodyseg.geometry import Region, resize
from upperbodyseg.postprocess.refine import REACH, Guide, refine

__all__ = [
    "CERTAIN",
    "MAX_BLUR_SIGMA",
    "Part",
    "blur_mask",
    "cells_to_pixels",
    "check_blur_sigma",
    "compose_mask",
    "probability_to_mask",
]

CERTAIN = 0.05
"""A probability within this of 0 or 1 is certain and becomes exactly 0 or 255. Between them the scale is
linear, the same for every picture, with 0.5 in the middle."""

MAX_BLUR_SIGMA = 1000.0
"""Largest ``blur_sigma``, in pixels."""

_DIRECT_SIGMA = 4.0


def probability_to_mask(probability: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Probability 0-1 to mask 0-255, uint8, of the same shape: two dimensions or three."""
    gain = 255.0 / (1.0 - 2.0 * CERTAIN)
    # Scales, rounds and cuts to 0-255 in one pass.
    return cv2.addWeighted(probability, gain, probability, 0.0, -CERTAIN * gain, dtype=cv2.CV_8U)


def cells_to_pixels(cells: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Lay out a model's cells ``(h, w, n * n)``, row by row of n x n pixels, as ``(n * h, n * w)``.

    Args:
        cells: contiguous.
    """
    height, width, pixels = cells.shape
    side = math.isqrt(pixels)
    # The pixels of a row move as one thing.
    rows = cells.view(f"V{side}")
    out: NDArray[np.uint8] = np.ascontiguousarray(rows.transpose(0, 2, 1)).view(np.uint8)
    return out.reshape(side * height, side * width)


class Part(NamedTuple):
    """What the segmenter made of one region.

    Attributes:
        region: where in the frame.
        mask: ``(h, w)`` uint8 of any size.
        guide: what its edges are to follow; None leaves them as they are.
    """

    region: Region
    mask: NDArray[np.uint8]
    guide: Guide | None = None


def compose_mask(
    parts: Sequence[Part],
    blur_sigma: float,
    out: NDArray[np.uint8],
    buffers: Buffers,
) -> None:
    """Lay each region's mask where the region is, and blur the edges.

    Where regions meet, the highest value counts. The blur repeats the frame's last row or column beyond its
    edge, so a person whom the frame cuts off stays whole there.

    Args:
        parts: regions with their masks.
        blur_sigma: standard deviation in pixels of a Gaussian; 0 is no blur.
        out: the frame's mask ``(height, width)`` uint8, all 0; written to.
        buffers: scratch memory for intermediate masks.
    """
    if blur_sigma == 0:
        _lay(parts, out, 0, 0, buffers)
        return
    # Only the marked part and what the blur reaches round it. All else is 0 and stays so.
    marked = _marked(parts)
    if marked is None:
        return
    regions = parts[0].region
    for part in parts[1:]:
        regions = regions.union(part.region)
    reach = _radius(blur_sigma)
    canvas = _grown(regions, reach, out.shape)
    sharp = buffers.take("sharp", (canvas.height, canvas.width))
    if len(parts) > 1:
        sharp.fill(0)
    else:  # the region is written over anyway
        sharp[: regions.y0 - canvas.y0] = sharp[regions.y1 - canvas.y0 :] = 0
        sharp[:, : regions.x0 - canvas.x0] = sharp[:, regions.x1 - canvas.x0 :] = 0
    _lay(parts, sharp, canvas.y0, canvas.x0, buffers)
    seen = _grown(marked, reach, out.shape)
    blur_mask(
        sharp[seen.y0 - canvas.y0 : seen.y1 - canvas.y0, seen.x0 - canvas.x0 : seen.x1 - canvas.x0],
        blur_sigma,
        out[seen.y0 : seen.y1, seen.x0 : seen.x1],
    )


def _grown(region: Region, reach: int, frame_size: tuple[int, ...]) -> Region:
    height, width = frame_size
    return Region(
        max(region.x0 - reach, 0),
        max(region.y0 - reach, 0),
        min(region.x1 + reach, width),
        min(region.y1 + reach, height),
    )


def _marked(parts: Sequence[Part]) -> Region | None:
    """The smallest region outside of which the parts, laid in the frame, are 0."""
    marked = None
    for region, mask, guide in parts:
        left, top, width, height = cv2.boundingRect(mask)
        if not width:
            continue
        x, y = region.width / mask.shape[1], region.height / mask.shape[0]
        # Interpolation carries a pixel half a pixel of the mask further.
        reach = 0.5 if guide is None else REACH
        here = Region(
            max(math.floor(region.x0 + (left - reach) * x), region.x0),
            max(math.floor(region.y0 + (top - reach) * y), region.y0),
            min(math.ceil(region.x0 + (left + width + reach) * x), region.x1),
            min(math.ceil(region.y0 + (top + height + reach) * y), region.y1),
        )
        marked = here if marked is None else marked.union(here)
    return marked


def _lay(parts: Sequence[Part], canvas: NDArray[np.uint8], top: int, left: int, buffers: Buffers) -> None:
    """Write the parts to a canvas whose first pixel is the frame's at ``(top, left)``."""
    for i, (region, mask, guide) in enumerate(parts):
        under = canvas[region.y0 - top : region.y1 - top, region.x0 - left : region.x1 - left]
        full = under if i == 0 else buffers.take("part", under.shape)
        if guide is None:
            resize(mask, region.height, region.width, buffers, out=full)
        else:
            refine(mask, guide, full, buffers)
        if i:
            np.maximum(under, full, out=under)


def check_blur_sigma(blur_sigma: float) -> float:
    """``blur_sigma`` as a float.

    Raises:
        InputError: it is no number, NaN, infinite, negative or above ``MAX_BLUR_SIGMA``.
    """
    return checks.number("blur_sigma", blur_sigma, MAX_BLUR_SIGMA, "a number of pixels from 0 (no blur)")


def _radius(sigma: float) -> int:
    """Pixels to either side that a Gaussian reaches: to three standard deviations."""
    return math.ceil(3 * sigma - 0.5) if sigma > 0 else 0


def blur_mask(mask: NDArray[np.uint8], blur_sigma: float, out: NDArray[np.uint8]) -> None:
    """Gaussian blur of a mask ``(H, W)`` uint8, with its last row or column repeated beyond the edge.

    Args:
        mask: not changed.
        blur_sigma: standard deviation in pixels of the mask, above 0.
        out: array of the mask's shape, not overlapping it; written to.
    """
    if blur_sigma <= _DIRECT_SIGMA:
        size = 2 * _radius(blur_sigma) + 1
        cv2.GaussianBlur(mask, (size, size), blur_sigma, dst=out, borderType=cv2.BORDER_REPLICATE)
        return
    # A wide Gaussian leaves no detail that a smaller picture could not hold, and costs no more there as
    # sigma grows.
    height, width = mask.shape
    small_height, small_width = (max(round(n * _DIRECT_SIGMA / blur_sigma), 1) for n in (height, width))
    small = cv2.GaussianBlur(
        cv2.resize(mask, (small_width, small_height), interpolation=cv2.INTER_AREA),
        (0, 0),
        blur_sigma * small_width / width,
        sigmaY=blur_sigma * small_height / height,
        borderType=cv2.BORDER_REPLICATE,
    )
    resize(small, height, width, out=out)
