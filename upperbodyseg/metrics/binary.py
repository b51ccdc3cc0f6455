"""Figures of binary masks: the original SDK's protocol, pooled IoU, Boundary IoU and the F of DAVIS."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from upperbodyseg.errors import InputError

__all__ = ["ORIGINAL_THRESHOLD", "Confusion", "Scores", "boundary_iou", "confusion", "davis_f", "score"]

ORIGINAL_THRESHOLD = 35
"""From this value of the soft mask on, the original's protocol counts a pixel as foreground."""

SIDE = 256  # that the protocol resizes masks to
BAND = np.ones((15, 15), np.uint8)  # of the edge
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
    resized = cv2.resize(foreground.astype(np.uint8), (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
    binary: NDArray[np.uint8] = (resized > 0).astype(np.uint8)
    return binary


def _band(binary: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return cv2.dilate(binary, BAND) > cv2.erode(binary, BAND)


def check_shapes(mask: NDArray[np.uint8], truth: NDArray[np.uint8], ignore: NDArray[np.bool_] | None) -> None:
    """Refuse planes of different shapes.

    Raises:
        InputError: the shapes differ.
    """
    if mask.shape != truth.shape or mask.ndim != 2 or (ignore is not None and ignore.shape != mask.shape):
        raise InputError(
            f"mask and truth must have the same shape (H, W), got {mask.shape} and {truth.shape}"
        )


def _binary(
    mask: NDArray[np.uint8], truth: NDArray[np.uint8], threshold: int, ignore: NDArray[np.bool_] | None
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """The two foregrounds; ignored pixels are background in both."""
    check_shapes(mask, truth, ignore)
    predicted, true = mask >= threshold, truth > 0
    if ignore is not None:
        predicted, true = predicted & ~ignore, true & ~ignore
    return predicted, true


def score(
    mask: NDArray[np.uint8],
    truth: NDArray[np.uint8],
    threshold: int = ORIGINAL_THRESHOLD,
    ignore: NDArray[np.bool_] | None = None,
) -> Scores:
    """Score a soft mask against the ground truth.

    Args:
        mask: ``(H, W)`` uint8, soft.
        truth: ``(H, W)`` uint8; above 0 is foreground.
        threshold: from this value of ``mask`` on a pixel is foreground.
        ignore: ``(H, W)``, True where the ground truth is unknown: background in both.

    Raises:
        InputError: the shapes differ.
    """
    predicted, true = _binary(mask, truth, threshold, ignore)
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


@dataclass(frozen=True)
class Confusion:
    """Numbers of pixels, which add up over pictures with ``+`` (or ``sum(..., Confusion())``).

    Attributes:
        true_positive: person in the mask and in the ground truth.
        false_positive: person in the mask alone.
        false_negative: person in the ground truth alone.
        true_negative: person in neither.
    """

    true_positive: int = 0
    false_positive: int = 0
    false_negative: int = 0
    true_negative: int = 0

    def __add__(self, other: Confusion) -> Confusion:
        return Confusion(
            self.true_positive + other.true_positive,
            self.false_positive + other.false_positive,
            self.false_negative + other.false_negative,
            self.true_negative + other.true_negative,
        )

    @property
    def mean_iou(self) -> float:
        """Mean of the foreground's and the background's IoU, 0-1.

        A class that neither the masks nor the ground truth have anywhere is left out, as MMSegmentation
        does; NaN when there is no pixel at all.
        """
        wrong = self.false_positive + self.false_negative
        ious = [
            right / (right + wrong) for right in (self.true_positive, self.true_negative) if right + wrong
        ]
        return sum(ious) / len(ious) if ious else float("nan")


def confusion(
    mask: NDArray[np.uint8],
    truth: NDArray[np.uint8],
    threshold: int = 128,
    ignore: NDArray[np.bool_] | None = None,
) -> Confusion:
    """Count one picture's pixels; arguments as :func:`score`'s. Ignored pixels are not counted.

    Raises:
        InputError: the shapes differ.
    """
    predicted, true = _binary(mask, truth, threshold, ignore)
    both = int(np.count_nonzero(predicted & true))
    positive, real = int(np.count_nonzero(predicted)), int(np.count_nonzero(true))
    counted = mask.size - (0 if ignore is None else int(np.count_nonzero(ignore)))
    return Confusion(both, positive - both, real - both, counted - positive - real + both)


def boundary_iou(
    mask: NDArray[np.uint8],
    truth: NDArray[np.uint8],
    threshold: int = 128,
    ignore: NDArray[np.bool_] | None = None,
    dilation_ratio: float = 0.02,
) -> float:
    """Boundary IoU: IoU of the two masks' inner edges, 0-1.

    The inner edge is what of a mask lies within d pixels of its contour, d being
    ``dilation_ratio`` of the picture's diagonal, at least 1; distances are counted along squares, and
    the frame's edge counts as contour. From Cheng et al., "Boundary IoU" (CVPR 2021), and its code. Two
    empty masks, which the paper leaves open, agree: 1.

    Args:
        mask, truth, threshold, ignore: as :func:`score`'s.
        dilation_ratio: the paper's value is 0.02.

    Raises:
        InputError: the shapes differ.
    """
    predicted, true = _binary(mask, truth, threshold, ignore)
    d = max(round(dilation_ratio * math.hypot(*mask.shape)), 1)
    kernel = np.ones((2 * d + 1, 2 * d + 1), np.uint8)
    edges = []
    for foreground in (predicted, true):
        plane = foreground.astype(np.uint8)
        inside = cv2.erode(plane, kernel, borderType=cv2.BORDER_CONSTANT, borderValue=(0,))
        edges.append(plane > inside)
    union = int(np.count_nonzero(edges[0] | edges[1]))
    return int(np.count_nonzero(edges[0] & edges[1])) / union if union else 1.0


def davis_f(
    mask: NDArray[np.uint8],
    truth: NDArray[np.uint8],
    threshold: int = 128,
    ignore: NDArray[np.bool_] | None = None,
    tolerance: float = 0.008,
) -> float:
    """The boundary measure F of DAVIS, 0-1.

    Contours one pixel wide, the frame's edge not among them; precision is the share of the mask's
    contour within ``tolerance`` of the diagonal (rounded up) of the ground truth's, recall the same the other
    way round, F their harmonic mean. From Perazzi et al. (CVPR 2016) and its evaluation code. Two masks
    without a contour agree: 1.

    Args:
        mask, truth, threshold, ignore: as :func:`score`'s.
        tolerance: share of the picture's diagonal; the benchmark's value is 0.008.

    Raises:
        InputError: the shapes differ.
    """
    predicted, true = _binary(mask, truth, threshold, ignore)
    radius = math.ceil(tolerance * math.hypot(*mask.shape))
    p, t = _contour(predicted), _contour(true)
    if not p.any() or not t.any():
        return float(p.any() == t.any())
    precision, recall = (float((distance(there)[here] <= radius).mean()) for here, there in ((p, t), (t, p)))
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _contour(foreground: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Pixels that differ from their right, lower or lower right neighbour."""
    out = np.zeros(foreground.shape, bool)
    out[:, :-1] |= foreground[:, :-1] != foreground[:, 1:]
    out[:-1] |= foreground[:-1] != foreground[1:]
    out[:-1, :-1] |= foreground[:-1, :-1] != foreground[1:, 1:]
    return out


def distance(contour: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Euclidean distance of every pixel to the contour."""
    return cv2.distanceTransform((~contour).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
