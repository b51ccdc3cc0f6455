from __future__ import annotations

import numpy as np
import pytest

from upperbodyseg import DetectedPerson
from upperbodyseg.geometry import Region
from upperbodyseg.postprocess.agreement import (
    CERTAIN_LEVEL,
    MIN_COVERAGE,
    Doubts,
    best_score,
    confirm_persons,
    coverage,
    doubt,
)

REGION = Region(100, 50, 300, 250)


def left_half() -> np.ndarray:
    mask = np.zeros((64, 64), np.uint8)
    mask[:, :32] = 230
    return mask


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
    assert confirm_persons([unseen, seen], REGION, left_half()) == (seen,)
    faint = np.zeros((64, 64), np.uint8)
    faint[:6] = 255  # a tenth of the box
    assert MIN_COVERAGE > 0.1
    assert confirm_persons([seen], REGION, faint) == ()
    assert confirm_persons([], REGION, left_half()) == ()


def test_doubt_is_the_share_of_the_marked_that_is_not_certain() -> None:
    mask = np.zeros((64, 64), np.uint8)
    mask[:, :32] = 255
    mask[:, 32:48] = CERTAIN_LEVEL - 1
    whole = (100.0, 50.0, 300.0, 250.0)
    assert doubt(whole, REGION, mask) == pytest.approx(1 / 3)
    assert doubt((100, 50, 200, 250), REGION, mask) == 0
    assert doubt((255, 50, 300, 250), REGION, mask) == 1  # nothing is marked


def test_doubt_lowers_the_best_score() -> None:
    certain = DetectedPerson((110, 60, 190, 240), 0.5)
    doubtful = DetectedPerson((210, 60, 290, 240), 0.6)
    mask = np.full((64, 64), 140, np.uint8)
    mask[:, :32] = 255
    assert best_score([certain, doubtful], REGION, mask, Doubts(0.3)) == pytest.approx(0.5)
    assert best_score([doubtful], REGION, mask, Doubts(0.3)) == pytest.approx(0.3)
    assert best_score([doubtful], REGION, mask, Doubts(0.3, 130)) == pytest.approx(0.6)
    assert best_score([certain, doubtful], REGION, mask, Doubts(0.0)) == pytest.approx(0.6)
    assert best_score([], REGION, mask, Doubts(0.3)) == 0
