"""From the detector's output to detections: boxes in frame pixels with scores."""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import NDArray

from upperbodyseg.geometry import Letterbox
from upperbodyseg.types import DetectedPerson

__all__ = [
    "MIN_CELL_SCORE",
    "NMS_IOU",
    "SAME_PERSON",
    "decode_detections",
    "distinct_persons",
    "non_maximum_suppression",
    "support",
    "without_duplicates",
]

NMS_IOU = 0.6
"""Of two boxes that overlap by more than this IoU only the better one is kept."""

SAME_PERSON = 0.6
"""Two boxes are duplicate detections when the larger holds more than this share of the smaller: head
and shoulders inside the whole person, say."""

MAX_PERSONS = 32
"""Most detections in one frame, the best ones. It bounds the time of a frame."""

LOG_RANGE = (-6.0, 3.0)
"""Logarithmic distances are cut to this, in training as well."""

MIN_CELL_SCORE = 0.1
"""A cell that scores its box below this gives no detection, whatever the coarse mask shows."""

SUPPORT_WEIGHT = 0.3
"""Share of the coarse mask in a box's score; the cell's own score has the rest."""

CERTAIN_SCORE = 0.5
"""Duplicates of a detection with this score are dropped. Duplicates of a weaker one are kept: together
they reach round a person more surely, and show the segmenter more of a false positive."""

SUPPORT_QUANTILE = 0.8
"""Of the coarse mask inside a box. A person with spread arms fills a quarter of the box."""

MIN_SIDE = 2.0
"""Pixels. A box thinner than this inside the frame, or than half of a tiny frame, is dropped."""

_ABOVE_ZERO = np.finfo(np.float32).tiny


def non_maximum_suppression(
    boxes: NDArray[np.float32], scores: NDArray[np.float32], iou: float, most: int
) -> list[int]:
    """Greedy non-maximum suppression.

    Args:
        boxes: ``(n, 4)`` x_min, y_min, x_max, y_max.
        scores: ``(n,)``, 0 or more.
        iou: a box that overlaps a better one by more than this goes.
        most: largest number of boxes kept.

    Returns:
        Indices of the boxes kept, best first; of equal ones the first in ``boxes`` leads.
    """
    rectangles = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], 1)
    # OpenCV drops scores that do not exceed its threshold, and takes none below 0.
    kept = cv2.dnn.NMSBoxes(rectangles, np.maximum(scores, _ABOVE_ZERO), 0.0, iou)
    return [int(i) for i in kept][:most]


def decode_detections(
    output: NDArray[np.float32],
    stride: int,
    unit: float,
    fit: Letterbox,
    frame_size: tuple[int, int],
    min_cell_score: float = MIN_CELL_SCORE,
) -> tuple[DetectedPerson, ...]:
    """Everything that may be a person. :class:`~upperbodyseg.postprocess.acceptance.Acceptance` decides.

    A box's score is a mean of its cell's score and of the coarse mask inside the box. The coarse mask
    learnt from every pixel and errs less on things it never saw. Non-maximum suppression at
    :data:`NMS_IOU` follows.

    Args:
        output: ``(h, w, 6)``, a cell: score 0-1, share of person 0-1, then the logarithms of the
            distances from the cell's centre to the box's left, top, right and bottom.
        stride: input pixels a cell.
        unit: input pixels that a logarithm of 0 stands for.
        fit: how the frame lies in the input.
        frame_size: ``(height, width)`` of the frame.
        min_cell_score: least score of a cell, 0-1.

    Returns:
        Best first, in frame pixels, cut to the frame.
    """
    rows, columns = np.nonzero(output[..., 0] >= min_cell_score)
    found = output[rows, columns]
    centre = (np.stack([columns, rows], 1).astype(np.float32) + 0.5) * stride
    distance = np.exp(found[:, 2:].clip(*LOG_RANGE)) * np.float32(unit)
    cells = np.concatenate([centre - distance[:, :2], centre + distance[:, 2:]], 1)
    height, width = frame_size
    boxes = fit.to_frame(cells).clip(0, np.array([width, height, width, height], np.float32))
    sides = np.minimum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])
    sound = sides >= min(MIN_SIDE, height / 2, width / 2)
    boxes, cells, scores = boxes[sound], cells[sound] / stride, found[sound, 0]
    kept = non_maximum_suppression(boxes, scores, NMS_IOU, MAX_PERSONS)
    supports = support(output[..., 1], cells[kept])
    persons = [
        DetectedPerson((x0, y0, x1, y1), score + SUPPORT_WEIGHT * (shown - score))
        for (x0, y0, x1, y1), score, shown in zip(
            boxes[kept].tolist(), scores[kept].tolist(), supports, strict=True
        )
    ]
    return tuple(sorted(persons, key=lambda p: -p.score))


def without_duplicates(persons: Iterable[DetectedPerson]) -> tuple[DetectedPerson, ...]:
    """Detections without the duplicates of certain ones (:data:`CERTAIN_SCORE`), best first."""
    return tuple(_without_duplicates(persons, CERTAIN_SCORE))


def support(mask: NDArray[np.float32], boxes: NDArray[np.float32]) -> list[float]:
    """How much of a person a coarse mask shows in each box, 0-1.

    Args:
        mask: ``(h, w)`` share of person in each cell, 0-1.
        boxes: ``(n, 4)`` x_min, y_min, x_max, y_max in cells; they may reach past the mask.

    Returns:
        For each box the value that a fifth of its cells exceed (:data:`SUPPORT_QUANTILE`).
    """
    height, width = mask.shape
    edges = np.rint(boxes).astype(int)
    low = edges[:, :2].clip(0, [width - 1, height - 1])
    high = np.maximum(edges[:, 2:], low + 1)
    supports = []
    for (x0, y0), (x1, y1) in zip(low.tolist(), high.tolist(), strict=True):
        inside = mask[y0:y1, x0:x1].ravel()
        rank = int(SUPPORT_QUANTILE * (inside.size - 1))
        supports.append(float(np.partition(inside, rank)[rank]))
    return supports


def distinct_persons(persons: Iterable[DetectedPerson]) -> tuple[DetectedPerson, ...]:
    """One detection a person, best first.

    Regions are made from all detections, which together reach round a person more surely than the best
    one alone. A caller wants each person once.
    """
    return tuple(_without_duplicates(persons, 0))


def _without_duplicates(persons: Iterable[DetectedPerson], certain: float) -> list[DetectedPerson]:
    """Best first, without duplicates of a detection that scores ``certain`` or more."""
    kept: list[DetectedPerson] = []
    for person in sorted(persons, key=lambda p: -p.score):
        if all(_share_inside(person.box, k.box) <= SAME_PERSON for k in kept if k.score >= certain):
            kept.append(person)
    return kept


def _share_inside(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> float:
    """How much of the smaller box lies inside the larger one, 0-1."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    smaller = min((b[2] - b[0]) * (b[3] - b[1]) for b in (one, other))
    return max(width, 0.0) * max(height, 0.0) / smaller if smaller else 1.0
