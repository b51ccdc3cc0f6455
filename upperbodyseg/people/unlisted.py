"""People whom the detector saw, but whose boxes went as duplicates or for their scores.

Boxes alone can't tell a person behind another from a second box of the same one. The separator can: it says
which pixels each box's person has. Of a second box's pixels the known person has all as well. Of another
person's many are nobody's yet, and the known person lets go of the others, once told of that box.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from upperbodyseg.people.closeup import Box, head_share
from upperbodyseg.people.found import Found
from upperbodyseg.people.ownership import are_close, home_of
from upperbodyseg.people.separator import PersonSeparator, box_in
from upperbodyseg.postprocess.acceptance import MARKED, coverage
from upperbodyseg.segmenter import SegmentedRegion
from upperbodyseg.types import DetectedPerson

__all__ = ["find_unlisted"]

MOST = 12
"""Boxes that are asked about, the best ones. It bounds the time."""

_SAME_BOX = 0.75
"""IoU from which on a box is no other person's."""

_CLAIMED = 0.7
"""Share of a person's pixels that known people claim, from which on it is one of them. It was 0.94 or more
for 95 % of the second boxes in portraits of one person."""

_OWN = 0.4
"""Share of a person's pixels of which the known people let go."""

_HEAD = 0.2
"""Of the marked pixels in the upper part of a person's box, the share that nobody else has."""

_LEAST = 0.08
"""Of the pixels that the largest person has: with fewer, nobody is told apart."""

_LEAST_SCORE = 0.36
_LEAST_COVERAGE = 0.25
_SURE = 128
_MOST_KNOWN = 255  # numbers of people fit a byte


def find_unlisted(separator: PersonSeparator, given: Found) -> list[DetectedPerson]:
    """The further people in a frame's regions.

    Args:
        separator: tells people apart.
        given: what was seen.

    Returns:
        Those of the detections that show somebody else, best first; their id is -1.

    Raises:
        InferenceError: the runtime failed.
    """
    views = given.views
    found: list[DetectedPerson] = []
    known = [p.box for p in given.persons]
    homes = [home_of(box, views) for box in known]

    def claim(box: Box, seen: SegmentedRegion, others: Iterable[Box]) -> NDArray[np.bool_]:
        return (separator.share(seen, box, others) >= _SURE) & (seen.mask >= MARKED)

    claims: dict[int, dict[Box, NDArray[np.bool_]]] = {}  # by region and box
    asked = 0
    for person in given.overlapping:
        if person.score < _LEAST_SCORE or asked == MOST or len(known) == _MOST_KNOWN:
            break
        home = home_of(person.box, views)
        seen = views[home]
        if any(_iou(person.box, box) > _SAME_BOX for box in known):
            continue
        if coverage(person.box, seen.region, seen.mask) < _LEAST_COVERAGE:
            continue
        asked += 1
        here = [box for box, place in zip(known, homes, strict=True) if place == home]
        if home not in claims:
            claims[home] = {box: claim(box, seen, _without(known, box)) for box in here}
        wanted = claim(person.box, seen, known)
        taken = _all_of(claims[home].values(), wanted)
        if np.count_nonzero(wanted & taken) >= _CLAIMED * np.count_nonzero(wanted):
            continue
        told = {
            box: claim(box, seen, [*_without(known, box), person.box])
            if are_close(box, person.box)
            else claims[home][box]
            for box in here
        }
        alone = wanted & ~_all_of(told.values(), wanted)
        own = np.count_nonzero(alone)
        largest = max((np.count_nonzero(c) for c in told.values()), default=0)
        if own < _OWN * np.count_nonzero(wanted) or own < _LEAST * largest:
            continue
        box = box_in(seen, person.box)
        if head_share(box, alone.view(np.uint8), (seen.mask >= MARKED).view(np.uint8)) < _HEAD:
            continue
        found.append(replace(person, id=-1))
        known.append(person.box)
        homes.append(home)
        claims[home] = {**told, person.box: wanted}
    return found


def _without(boxes: Iterable[Box], one: Box) -> list[Box]:
    return [box for box in boxes if box != one]


def _all_of(claims: Iterable[NDArray[np.bool_]], like: NDArray[np.bool_]) -> NDArray[np.bool_]:
    together = np.zeros_like(like)
    for claim in claims:
        together |= claim
    return together


def _iou(a: Box, b: Box) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    both = max(width, 0.0) * max(height, 0.0)
    return both / max((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both, 1e-6)
