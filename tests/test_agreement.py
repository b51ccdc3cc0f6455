from __future__ import annotations

import numpy as np
import pytest

from upperbodyseg import DetectedPerson
from upperbodyseg.geometry import Region
from upperbodyseg.postprocess.agreement import MIN_COVERAGE, confirm_persons, coverage

REGION = Region(100, 50, 300, 250)


def left_half() -> np.ndarray:
    probability = np.zeros((64, 64, 1), np.float32)
    probability[:, :32] = 0.9
    return probability


@pytest.mark.parametrize(
    ("box", "share"),
    [
        ((100, 50, 300, 250), 0.5),
        ((100, 50, 200, 250), 1.0),
        ((200, 50, 300, 250), 0.0),
        ((150, 100, 225, 150), 2 / 3),
        ((100, 50, 100.5, 50.5), 1.0),
        ((299.5, 249.5, 300, 250), 0.0),
    ],
)
def test_coverage_is_the_share_of_the_box_that_shows_a_person(
    box: tuple[float, float, float, float], share: float
) -> None:
    assert coverage(box, REGION, left_half()) == pytest.approx(share, abs=0.02)


def test_only_finds_that_the_segmenter_sees_are_kept() -> None:
    seen = DetectedPerson((110, 60, 190, 240), 0.5)
    unseen = DetectedPerson((210, 60, 290, 240), 0.9)
    persons, parts = confirm_persons([unseen, seen], [REGION], [left_half()])
    assert persons == (seen,)
    assert [region for region, _ in parts] == [REGION]


def test_a_region_without_anybody_left_is_not_shown() -> None:
    other = Region(400, 0, 500, 100)
    faint = np.zeros((64, 64, 1), np.float32)
    faint[:6] = 1  # a tenth of the box
    assert MIN_COVERAGE > 0.1
    persons, parts = confirm_persons(
        [DetectedPerson((110, 60, 190, 240), 0.5), DetectedPerson((400, 0, 500, 100), 0.9)],
        [other, REGION],
        [faint, left_half()],
    )
    assert [p.score for p in persons] == [0.5]
    assert [region for region, _ in parts] == [REGION]


def test_nobody_stays_nobody() -> None:
    assert confirm_persons([], [], []) == ((), [])
