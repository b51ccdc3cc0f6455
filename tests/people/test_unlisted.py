"""People in a mask whom no detection shows."""

from __future__ import annotations

import numpy as np
import pytest

from upperbodyseg import DetectedPerson
from upperbodyseg.geometry import Box, Region
from upperbodyseg.people.closeup import Told
from upperbodyseg.people.found import Found
from upperbodyseg.people.ownership import Claim
from upperbodyseg.people.separator import Look, PersonSeparator
from upperbodyseg.people.unlisted import find_unlisted
from upperbodyseg.segmenter import SegmentedRegion

SIDE = 100
KNOWN: Box = (20.0, 40.0, 100.0, 200.0)  # the left half of the region, in frame pixels
STRANGER: Box = (130.0, 60.0, 180.0, 200.0)


class Separator(PersonSeparator):
    """Says that a box has what is in it, and that it fits by a given value."""

    def __init__(self, fit: float) -> None:
        self.fit = fit
        self.asked: list[Box] = []

    def look(self, seen: SegmentedRegion, box: Box, others: Told, closely: bool = False) -> Look:
        self.asked.append(box)
        return Look(share_of(box), self.fit)


def share_of(box: Box) -> np.ndarray:
    share = np.zeros((SIDE, SIDE), np.uint8)
    x0, y0, x1, y1 = (round(v / 2) for v in box)
    share[y0:y1, x0:x1] = 255
    return share


def found(*marked: Box) -> Found:
    mask = np.max([share_of(box) for box in marked], 0)
    region = Region(0, 0, 2 * SIDE, 2 * SIDE)
    seen = SegmentedRegion(region, np.zeros((SIDE, SIDE, 3), np.uint8), mask)
    person = DetectedPerson(KNOWN, 0.9)
    return Found((person,), (seen,), (person,))


@pytest.fixture
def claims() -> list[Claim]:
    return [Claim(0, share_of(KNOWN), 0.9)]


def test_what_nobody_claims_is_somebody_if_their_box_fits(claims: list[Claim]) -> None:
    separator = Separator(fit=0.7)
    more, now = find_unlisted(separator, found(KNOWN, STRANGER), claims)
    (person,) = more
    assert person.box == STRANGER
    assert (person.score, person.id) == (0.7, -1)
    assert len(now) == 2
    assert now[1].share[65, 75] == 255


def test_what_nobody_claims_is_nobody_if_their_box_does_not_fit(claims: list[Claim]) -> None:
    separator = Separator(fit=0.2)
    assert find_unlisted(separator, found(KNOWN, STRANGER), claims) == ([], claims)
    assert separator.asked == [STRANGER]


def test_nothing_is_asked_where_everything_is_claimed_but_a_speck(claims: list[Claim]) -> None:
    separator = Separator(fit=0.9)
    assert find_unlisted(separator, found(KNOWN, (140.0, 100.0, 150.0, 110.0)), claims) == ([], claims)
    assert separator.asked == []
