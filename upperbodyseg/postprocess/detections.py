"""From the detector's output to boxes in frame pixels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from upperbodyseg.geometry import Letterbox
from upperbodyseg.types import DetectedPerson

__all__ = [
    "MIN_CELL_SCORE",
    "NMS_IOU",
    "SAME_PERSON",
    "Thresholds",
    "decode_detections",
    "distinct_persons",
    "non_maximum_suppression",
    "support",
]

NMS_IOU = 0.6
"""Of two boxes that overlap by more than this IoU only the better one is kept."""

SAME_PERSON = 0.6
"""Of two boxes of which the smaller lies inside the other by more than this share, both are taken for one
person's: head and shoulders inside the whole, say."""

MAX_PERSONS = 32
"""Most people reported in one frame, the best ones: bounds the time that a frame can take."""

LOG_RANGE = (-6.0, 3.0)
"""Logarithmic distances are cut to this, in training as well."""

MIN_CELL_SCORE = 0.1
"""A cell that scores its box below this is not asked for it, whatever the mask says."""

SUPPORT_WEIGHT = 0.3
"""Of the coarse mask in a box's score; the cell's own score has the rest."""

CERTAIN_SCORE = 0.5
"""Beside a find of this score another box that lies mostly inside it or round it is the same person's, and
dropped. Beside a weaker find it is kept: all of them together reach round a person more surely, and
show the segmenter more of a thing that is none."""

SUPPORT_QUANTILE = 0.8
"""Of the coarse mask inside a box: a person who spreads the arms fills a quarter of the box."""

MIN_SIDE = 2.0
"""Pixels; a box thinner than this inside the frame, or than half of a tiny frame, is dropped."""


class Thresholds(NamedTuple):
    """Which finds in a frame count.

    Two thresholds (a hysteresis): where one person is certain, others nearby are likely, so that a lower
    score is enough for them; a frame without anybody certain has nobody. But beside a very certain
    person a find that is worth far less is rather part of the room.

    Attributes:
        best: score, 0-1, that the best find must reach.
        companion: score, 0-1, that suffices for the others once it does.
        companion_share: share of the best one's score that the others must reach as well.
    """

    best: float
    companion: float
    companion_share: float = 0.0

    @property
    def lowest(self) -> float:
        """Below this no find counts."""
        return min(self.best, self.companion)

    def passing(self, found: Sequence[DetectedPerson]) -> tuple[DetectedPerson, ...]:
        """Those of the finds, best first, that count."""
        if not found or found[0].score < self.best:
            return ()
        least = max(self.lowest, self.companion_share * found[0].score)
        return tuple(p for p in found if p.score >= least)


def non_maximum_suppression(
    boxes: NDArray[np.float32], scores: NDArray[np.float32], iou: float, most: int
) -> list[int]:
    """Greedy non-maximum suppression.

    Args:
        boxes: ``(n, 4)``; scores: ``(n,)``.
        iou: from which overlap on the lower-scored box goes.
        most: stop after that many.

    Returns:
        Indices of the boxes kept, best first.
    """
    order = np.argsort(-scores, kind="stable")
    x0, y0, x1, y1 = np.ascontiguousarray(boxes[order].T)
    area = (x1 - x0) * (y1 - y0)
    both, height = (
        np.maximum(np.minimum.outer(high, high) - np.maximum.outer(low, low), 0)
        for low, high in ((x0, x1), (y0, y1))
    )
    both *= height
    either = np.add.outer(area, area)
    either -= both
    either *= iou
    apart = both <= either
    del either, both, height
    kept: list[int] = []
    left = np.ones(len(order), bool)
    while len(kept) < most and left.any():
        best = int(left.argmax())
        kept.append(int(order[best]))
        left &= apart[best]
        left[best] = False
    return kept


def decode_detections(
    output: NDArray[np.float32],
    stride: int,
    unit: float,
    fit: Letterbox,
    frame_size: tuple[int, int],
    min_cell_score: float = MIN_CELL_SCORE,
) -> tuple[DetectedPerson, ...]:
    """Whatever may be a person; :class:`Thresholds` says who counts.

    A box's score is a mean of what its cell says and of how much of a person the coarse mask shows in
    it: the mask, which was taught by every pixel, errs less on things that were never seen. A box that
    overlaps a better one by more than :data:`NMS_IOU` is dropped, and so is any other of a person who
    scores :data:`CERTAIN_SCORE`.

    Args:
        output: ``(h, w, 6)``, a cell: score 0-1, share of person 0-1, then the logarithms of the
            distances from the cell's centre to the box's left, top, right and bottom.
        stride: input pixels a cell.
        unit: input pixels that a logarithm of 0 stands for.
        fit: how the frame lies in the input.
        frame_size: ``(height, width)`` of the frame.
        min_cell_score: what a cell's own score must reach.

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
    return tuple(_without_doubles(persons, CERTAIN_SCORE))


def support(mask: NDArray[np.float32], boxes: NDArray[np.float32]) -> list[float]:
    """How much of a person a coarse mask shows in each box, 0-1: the value that a fifth of it exceeds.

    Args:
        mask: ``(h, w)`` share of person in each cell, 0-1.
        boxes: ``(n, 4)`` x_min, y_min, x_max, y_max in cells; they may reach past the mask.
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
    """One find a person, best first.

    All finds are wanted for the regions, since together they reach round a person more surely than the best
    alone; who asks where the people are wants each one once.
    """
    return tuple(_without_doubles(persons, 0))


def _without_doubles(persons: Iterable[DetectedPerson], certain: float) -> list[DetectedPerson]:
    """Best first; those who share a box with a better one that scores ``certain`` or more are left out."""
    kept: list[DetectedPerson] = []
    for person in sorted(persons, key=lambda p: -p.score):
        if all(_share_inside(person.box, k.box) <= SAME_PERSON for k in kept if k.score >= certain):
            kept.append(person)
    return kept


def _share_inside(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> float:
    """How much of the smaller box lies inside the larger one."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    smaller = min((b[2] - b[0]) * (b[3] - b[1]) for b in (one, other))
    return max(width, 0.0) * max(height, 0.0) / smaller if smaller else 1.0
