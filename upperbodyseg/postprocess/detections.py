"""From the detector's output to boxes in frame pixels."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from upperbodyseg.geometry import Letterbox
from upperbodyseg.types import DetectedPerson

__all__ = ["NMS_IOU", "SAME_PERSON", "decode_detections", "distinct_persons", "non_maximum_suppression"]

NMS_IOU = 0.6
"""Of two boxes that overlap by more than this IoU only the better one is kept."""

SAME_PERSON = 0.7
"""Of two boxes of which the smaller lies inside the other by more than this share, both are taken for one
person's: head and shoulders inside the whole, say."""

MAX_PERSONS = 32
"""Most people reported in one frame, the best ones: bounds the time that a frame can take."""

LOG_RANGE = (-6.0, 3.0)
"""Logarithmic distances are cut to this, in training as well."""

MIN_SIDE = 2.0
"""Pixels; a box thinner than this inside the frame, or than half of a tiny frame, is dropped."""


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
    order = list(np.argsort(-scores, kind="stable"))
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    kept: list[int] = []
    while order and len(kept) < most:
        best, rest = order[0], np.asarray(order[1:], int)
        kept.append(int(best))
        if not len(rest):
            break
        low = np.maximum(boxes[best, :2], boxes[rest, :2])
        high = np.minimum(boxes[best, 2:], boxes[rest, 2:])
        both = np.clip(high - low, 0, None).prod(1)
        overlap = both / np.maximum(area[best] + area[rest] - both, 1e-6)
        order = list(rest[overlap <= iou])
    return kept


def decode_detections(
    output: NDArray[np.float32],
    stride: int,
    unit: float,
    fit: Letterbox,
    frame_size: tuple[int, int],
    score_threshold: float,
    companion_threshold: float,
) -> tuple[DetectedPerson, ...]:
    """Boxes of the people found.

    Two thresholds (a hysteresis): where one person is certain, others nearby are likely, so that
    a lower score is enough for them; a frame without anybody certain has nobody.

    Args:
        output: ``(h, w, 5)``, a cell: score 0-1, then the logarithms of the distances from the
            cell's centre to the box's left, top, right and bottom.
        stride: input pixels a cell.
        unit: input pixels that a logarithm of 0 stands for.
        fit: how the frame lies in the input.
        frame_size: ``(height, width)`` of the frame.
        score_threshold: score, 0-1, that the best box must reach.
        companion_threshold: score, 0-1, that suffices for the others once it does.

    Returns:
        Best first, in frame pixels, cut to the frame.
    """
    if output[..., 0].max() < score_threshold:
        return ()
    rows, columns = np.nonzero(output[..., 0] >= min(companion_threshold, score_threshold))
    found = output[rows, columns]
    centre = (np.stack([columns, rows], 1).astype(np.float32) + 0.5) * stride
    distance = np.exp(found[:, 1:].clip(*LOG_RANGE)) * np.float32(unit)
    boxes = fit.to_frame(np.concatenate([centre - distance[:, :2], centre + distance[:, 2:]], 1))
    height, width = frame_size
    boxes = boxes.clip(0, np.array([width, height, width, height], np.float32))
    scores = found[:, 0]
    sides = np.minimum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])
    sound = sides >= min(MIN_SIDE, height / 2, width / 2)
    boxes, scores = boxes[sound], scores[sound]
    return tuple(
        DetectedPerson(
            (float(boxes[i, 0]), float(boxes[i, 1]), float(boxes[i, 2]), float(boxes[i, 3])),
            float(scores[i]),
        )
        for i in non_maximum_suppression(boxes, scores, NMS_IOU, MAX_PERSONS)
    )


def distinct_persons(persons: Iterable[DetectedPerson]) -> tuple[DetectedPerson, ...]:
    """One find a person, best first.

    All finds are wanted for the regions, since together they reach round a person more surely than the best
    alone; who asks where the people are wants each one once.
    """
    distinct: list[DetectedPerson] = []
    for person in sorted(persons, key=lambda p: -p.score):
        if all(_share_inside(person.box, other.box) <= SAME_PERSON for other in distinct):
            distinct.append(person)
    return tuple(distinct)


def _share_inside(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> float:
    """How much of the smaller box lies inside the larger one."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    smaller = min((b[2] - b[0]) * (b[3] - b[1]) for b in (one, other))
    return max(width, 0.0) * max(height, 0.0) / smaller if smaller else 1.0
