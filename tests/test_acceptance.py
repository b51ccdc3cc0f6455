from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from upperbodyseg import DetectedPerson
from upperbodyseg.geometry import Region
from upperbodyseg.postprocess.acceptance import (
    KEPT_SCORE,
    MIN_COVERAGE,
    WEAK_SCORE,
    Acceptance,
    Judgement,
    coverage,
    uncertainty,
)

REGION = Region(100, 50, 300, 250)
WHOLE = (100.0, 50.0, 300.0, 250.0)


def left_half() -> NDArray[np.uint8]:
    mask = np.zeros((64, 64), np.uint8)
    mask[:, :32] = 230
    return mask


def detection(score: float) -> DetectedPerson:
    return DetectedPerson((0.0, 0.0, 10.0, 10.0), score)


def test_a_certain_person_lowers_the_threshold_for_the_others() -> None:
    acceptance = Acceptance(0.4, 0.25)
    assert acceptance.candidates([]) == ()
    assert acceptance.candidates([detection(0.3)]) == ()
    found = [detection(0.5), detection(0.3), detection(0.2)]
    assert acceptance.candidates(found) == (detection(0.5), detection(0.3))
    assert Acceptance(0.4, 0.35).candidates(found) == (detection(0.5),)


def test_beside_a_very_certain_person_the_others_reach_a_share_of_the_score() -> None:
    acceptance = Acceptance(0.4, 0.25, relative_threshold=0.5)
    found = [detection(0.5), detection(0.3)]
    assert acceptance.candidates(found) == tuple(found)
    found = [detection(0.8), detection(0.45), detection(0.3)]
    assert acceptance.candidates(found) == (detection(0.8), detection(0.45))


def test_another_high_threshold_takes_the_others_along() -> None:
    acceptance = Acceptance(0.4, 0.25, 0.5, 0.1, 200, 0.2)
    lower = acceptance.at(0.2)
    assert lower.high_threshold == 0.2
    assert lower.low_threshold == pytest.approx(0.05)
    assert lower.relative_threshold == pytest.approx(0.25)
    assert (lower.uncertainty_penalty, lower.certain_level, lower.margin) == (0.1, 200, 0.2)
    higher = acceptance.at(0.8)
    assert higher.low_threshold == pytest.approx(0.65)
    assert higher.relative_threshold == 0.5
    assert acceptance.at(0.4) == acceptance
    assert acceptance.at(0.0).candidates([detection(0.01)]) == (detection(0.01),)


def test_a_weak_detection_reminds_of_a_person_who_is_followed() -> None:
    acceptance = Acceptance(0.4, 0.2)
    weak, weaker = detection(WEAK_SCORE * 0.2), detection(WEAK_SCORE * 0.2 - 0.01)
    assert acceptance.reminders([weak, weaker]) == [weak]


@pytest.mark.parametrize(
    ("box", "share"),
    [
        (WHOLE, 0.5),
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


def test_only_people_whom_the_segmenter_sees_are_confirmed() -> None:
    acceptance = Acceptance(0.4, 0.25)
    seen = DetectedPerson((110, 60, 190, 240), 0.5)
    unseen = DetectedPerson((210, 60, 290, 240), 0.9)
    assert acceptance.judge([unseen, seen], REGION, left_half()).persons == (seen,)
    faint = np.zeros((64, 64), np.uint8)
    faint[:6] = 255  # a tenth of the box
    assert MIN_COVERAGE > 0.1
    nobody = acceptance.judge([seen], REGION, faint)
    assert nobody == Judgement((), 0.0)
    assert not acceptance.keeps(nobody)
    assert acceptance.judge([], REGION, left_half()).persons == ()


def test_uncertainty_is_the_share_of_the_marked_that_is_not_certain() -> None:
    mask = np.zeros((64, 64), np.uint8)
    mask[:, :32] = 255
    mask[:, 32:48] = 239
    assert uncertainty(WHOLE, REGION, mask, 240) == pytest.approx(1 / 3)
    assert uncertainty(WHOLE, REGION, mask, 239) == 0
    assert uncertainty((100, 50, 200, 250), REGION, mask, 240) == 0
    assert uncertainty((255, 50, 300, 250), REGION, mask, 240) == 1  # nothing is marked


def test_uncertainty_lowers_the_best_score() -> None:
    sure = DetectedPerson((110, 60, 190, 240), 0.5)
    unsure = DetectedPerson((210, 60, 290, 240), 0.6)
    mask = np.full((64, 64), 140, np.uint8)
    mask[:, :32] = 255

    def score(persons: list[DetectedPerson], penalty: float, certain_level: int = 240) -> float:
        acceptance = Acceptance(0.4, 0.2, uncertainty_penalty=penalty, certain_level=certain_level)
        return acceptance.judge(persons, REGION, mask).score

    assert score([sure, unsure], 0.3) == pytest.approx(0.5)
    assert score([unsure], 0.3) == pytest.approx(0.3)
    assert score([unsure], 0.3, certain_level=130) == pytest.approx(0.6)
    assert score([sure, unsure], 0.0) == pytest.approx(0.6)
    assert score([], 0.3) == 0


def test_an_uncertain_region_is_kept_beside_a_certain_one_alone() -> None:
    acceptance = Acceptance(0.4, 0.3, uncertainty_penalty=0.5)
    box = (110.0, 60.0, 190.0, 240.0)
    unsure = np.full((64, 64), 140, np.uint8)
    weak = acceptance.judge([DetectedPerson(box, 0.7)], REGION, unsure)
    assert weak.score == pytest.approx(0.2)
    assert KEPT_SCORE * 0.3 < weak.score < 0.4
    assert acceptance.keeps(weak)
    assert not acceptance.is_certain([weak.score])
    assert acceptance.is_certain([weak.score, 0.4])
    assert not acceptance.is_certain([])
    weaker = acceptance.judge([DetectedPerson(box, 0.65)], REGION, unsure)
    assert not acceptance.keeps(weaker)
