"""People whose boxes went as duplicates or for their scores, and those whom the detector never saw.

Boxes alone can't tell a person behind another from a second box of the same one. The separator can: it says
how well each box fits a person, and which pixels are theirs. Of a second box's pixels the known person has
all as well. Of another person's many are nobody's yet.

What nobody known claims of the mask may be somebody as well. So the box round each such piece is asked about,
too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from upperbodyseg.geometry import Box, box_iou
from upperbodyseg.people.found import Found
from upperbodyseg.people.ownership import Claim, are_close, claim_of, home_of
from upperbodyseg.people.separator import FIT, SURE, PersonSeparator, box_in, box_of
from upperbodyseg.postprocess.acceptance import MARKED, coverage
from upperbodyseg.types import DetectedPerson

__all__ = ["find_unlisted"]

MOST = 12
"""Boxes that are asked about, the best ones. It bounds the time."""

_SAME_BOX = 0.75
"""IoU from which on a box is no other person's."""

_OWN = 0.5
"""Share of a person's pixels that nobody else has."""

_HEAD = 0.2
"""Of the marked pixels in the upper part of a person's box, the share that nobody else has."""

_UPPER = 0.4
"""Upper share of a box in which a person's head is."""

_LEAST = 0.08
"""Of the pixels that the largest person has: with fewer, nobody is told apart."""

_AGAIN = 4
"""Boxes of which the known people are told as of a person, to see whether they let go of the pixels."""

_UNCLAIMED = 60
"""Share, 0-255, below which a pixel is not claimed."""

_PIECES = 4
"""Unclaimed pieces that are asked about, the largest ones."""

_LEAST_SCORE = 0.2
_LEAST_COVERAGE = 0.25
_MOST_KNOWN = 255  # numbers of people fit a byte


def find_unlisted(
    separator: PersonSeparator, found: Found, claims: Sequence[Claim]
) -> tuple[list[DetectedPerson], list[Claim]]:
    """The further people in a frame's regions.

    Args:
        separator: tells people apart.
        found: what was seen.
        claims: what is the persons', by the separator.

    Returns:
        Those who are somebody else, the detections before the pieces of the mask; their id is -1. Of a piece
        the score is the fit. And what is everyone's, the persons' first.

    Raises:
        InferenceError: the runtime failed.
    """
    asked: list[tuple[DetectedPerson, Claim]] = []
    for person in found.overlapping:
        if person.score < _LEAST_SCORE or len(asked) == MOST:
            break
        if any(box_iou(person.box, known.box) > _SAME_BOX for known in found.persons):
            continue
        seen = found.views[home_of(person.box, found.views)]
        if coverage(person.box, seen.region, seen.mask) >= _LEAST_COVERAGE:
            asked.append((person, claim_of(separator, found, person.box)))
    known = _Known(separator, found, list(claims))
    again = _AGAIN
    for person, claim in sorted(asked, key=lambda one: -one[1].fit * one[0].score):
        if not known.may_take(claim):
            continue
        if known.shows_another(person, claim, known.claims):
            known.add(person, claim, known.claims)
        elif again:
            again -= 1
            told = known.told_of(person)
            if known.shows_another(person, claim, told):
                known.add(person, claim, told)
    for home, box in known.unclaimed():
        claim = claim_of(separator, found, box, home)
        person = DetectedPerson(box, claim.fit)
        if known.may_take(claim) and known.shows_another(person, claim, known.claims):
            known.add(person, claim, known.claims)
    return known.more, known.claims


class _Known:
    """The persons, those found beside them, and what is each one's."""

    def __init__(self, separator: PersonSeparator, found: Found, claims: list[Claim]) -> None:
        self._separator = separator
        self._found = found
        self._marked = [seen.mask >= MARKED for seen in found.views]
        self.claims = claims
        self.more: list[DetectedPerson] = []

    def _pixels(self, claim: Claim) -> NDArray[np.bool_]:
        return (claim.share >= SURE) & self._marked[claim.view]

    def may_take(self, claim: Claim) -> bool:
        """Whether a box fits somebody, and there is a number left for them."""
        return claim.fit >= FIT and len(self.claims) < _MOST_KNOWN

    def shows_another(self, person: DetectedPerson, claim: Claim, claims: Sequence[Claim]) -> bool:
        """Whether somebody has pixels that others let go of, and a head among them."""
        wanted = self._pixels(claim)
        alone = wanted.copy()
        largest = 0
        for other in claims:
            theirs = self._pixels(other)
            largest = max(largest, int(np.count_nonzero(theirs)))
            if other.view == claim.view:
                alone &= ~theirs
        own = np.count_nonzero(alone)
        if own < _OWN * np.count_nonzero(wanted) or own < max(_LEAST * largest, 1):
            return False
        box = box_in(self._found.views[claim.view], person.box)
        upper = _head_share(box, alone.view(np.uint8), self._marked[claim.view].view(np.uint8))
        return upper >= _HEAD

    def unclaimed(self) -> list[tuple[int, Box]]:
        """The largest pieces of the mask that nobody claims: the number of the region, and the box."""
        least = _LEAST * max(int(np.count_nonzero(self._pixels(claim))) for claim in self.claims)
        pieces = []
        for i, seen in enumerate(self._found.views):
            left = self._marked[i].copy()
            for claim in self.claims:
                if claim.view == i:
                    left &= claim.share < _UNCLAIMED
            for x, y, w, h, area in cv2.connectedComponentsWithStats(left.view(np.uint8))[2][1:].tolist():
                if area >= max(least, 1):
                    pieces.append((area, i, box_of(seen, (x, y, x + w, y + h))))
        return [(i, box) for _, i, box in sorted(pieces, reverse=True)[:_PIECES]]

    def told_of(self, person: DetectedPerson) -> list[Claim]:
        """What is each known one's once the separator is told that this is somebody else."""
        persons = [*self._found.persons, *self.more]
        found = self._found._replace(persons=(*persons, person))
        return [
            claim_of(self._separator, found, known.box) if are_close(known.box, person.box) else claim
            for known, claim in zip(persons, self.claims, strict=True)
        ]

    def add(self, person: DetectedPerson, claim: Claim, claims: list[Claim]) -> None:
        """Take somebody in; ``claims`` are the others'."""
        self.more.append(replace(person, id=-1))
        self.claims = [*claims, claim]


def _head_share(box: Box, some: NDArray[np.uint8], marked: NDArray[np.uint8]) -> float:
    """Share of the marked pixels in the upper part of a box that are some.

    A person's box has their head there. A second box of somebody begins at their shoulders or hips.

    Args:
        box: in pixels of the picture.
        some, marked: ``(h, w)`` uint8, 0 where not.

    Returns:
        0-1; 0 where nothing is marked.
    """
    x0, x1 = max(round(box[0]), 0), max(round(box[2]), 0)
    y0, y1 = max(round(box[1]), 0), max(round(box[1] + _UPPER * (box[3] - box[1])), 0)
    upper = marked[y0:y1, x0:x1]
    count = cv2.countNonZero(upper) if upper.size else 0
    return cv2.countNonZero(cv2.bitwise_and(some[y0:y1, x0:x1], upper)) / count if count else 0.0
