"""How good is a mask? The protocol of the original SDK's published figures.

Every figure is of one picture, 0-1; the published ones are means over pictures, in per cent. Each
binary mask is first resized to 256 x 256, bilinear, as 0 and 1 in uint8; non-zero is foreground.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from upperbodyseg.errors import InputError

__all__ = ["ORIGINAL_THRESHOLD", "Scores", "score"]

ORIGINAL_THRESHOLD = 35
"""From this value of the soft mask on, the original's protocol counts a pixel as foreground."""

_SIDE = 256
_BAND = np.ones((15, 15), np.uint8)
_TOLERANCE = np.ones((3, 3), np.uint8)


@dataclass(frozen=True)
class Scores:
    """Figures of one mask, 0-1.

    Attributes:
        iou: intersection over union of the foregrounds; 0 when both are empty.
        boundary_f1: of the boundary bands (dilation minus erosion, 15 x 15): precision is the
            share of the predicted band inside the true band dilated twice by a 3 x 3 square,
            recall the same the other way round. 0 when neither has a band in the other.
        boundary_iou: intersection over union of the two bands; 0 when both are empty.
    """

    iou: float
    boundary_f1: float
    boundary_iou: float


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def _prepare(foreground: NDArray[np.bool_]) -> NDArray[np.uint8]:
    resized = cv2.resize(foreground.astype(np.uint8), (_SIDE, _SIDE), interpolation=cv2.INTER_LINEAR)
    binary: NDArray[np.uint8] = (resized > 0).astype(np.uint8)
    return binary


def _band(binary: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return cv2.dilate(binary, _BAND) > cv2.erode(binary, _BAND)


def score(
    mask: NDArray[np.uint8],
    truth: NDArray[np.uint8],
    threshold: int = ORIGINAL_THRESHOLD,
    ignore: NDArray[np.bool_] | None = None,
) -> Scores:
    """Score a soft mask against the truth.

    Args:
        mask: ``(H, W)`` uint8, soft.
        truth: ``(H, W)`` uint8; above 0 is foreground.
        threshold: from this value of ``mask`` on a pixel is foreground.
        ignore: ``(H, W)``, True where the truth isn't known: background in both.

    Raises:
        InputError: the shapes differ.
    """
    if mask.shape != truth.shape or mask.ndim != 2 or (ignore is not None and ignore.shape != mask.shape):
        raise InputError(
            f"mask and truth must have the same shape (H, W), got {mask.shape} and {truth.shape}"
        )
    predicted, true = mask >= threshold, truth > 0
    if ignore is not None:
        predicted, true = predicted & ~ignore, true & ~ignore
    p, t = _prepare(predicted), _prepare(true)
    iou = _ratio(int((p & t).sum()), int((p | t).sum()))
    p_band, t_band = _band(p), _band(t)
    p_wide, t_wide = (
        cv2.dilate(band.astype(np.uint8), _TOLERANCE, iterations=2) > 0 for band in (p_band, t_band)
    )
    precision = _ratio(int((p_band & t_wide).sum()), int(p_band.sum()))
    recall = _ratio(int((t_band & p_wide).sum()), int(t_band.sum()))
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    boundary_iou = _ratio(int((p_band & t_band).sum()), int((p_band | t_band).sum()))
    return Scores(iou, f1, boundary_iou)
