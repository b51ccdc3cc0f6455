"""What the separator sees, and where its answer lies."""

from __future__ import annotations

import numpy as np
import pytest

from upperbodyseg import DetectedPerson
from upperbodyseg.geometry import box_iou
from upperbodyseg.people.closeup import (
    NOBODY_ELSE,
    Told,
    Window,
    closeup,
    lay_back,
    told_of_others,
    window_around,
)


def test_a_window_is_the_box_and_a_quarter_more() -> None:
    assert window_around((100.0, 40.0, 200.0, 240.0)) == (75, -10, 225, 290)
    assert window_around((5.0, 5.0, 5.0, 5.0)) == (5, 5, 7, 7)


def test_a_closeup_shows_the_window_and_nothing_beyond_the_picture() -> None:
    bgr = np.full((100, 100, 3), (10, 20, 30), np.uint8)
    mask = np.full((100, 100), 200, np.uint8)
    seen = closeup(bgr, mask, Window(-50, 0, 50, 100), NOBODY_ELSE, 64)
    assert seen.shape == (64, 64, 5)
    assert not seen[:, :32].any()
    assert (seen[:, 32:] == (10, 20, 30, 200, 0)).all()


def told(*others: tuple[tuple[float, float, float, float], float]) -> Told:
    boxes = np.array([box for box, _ in others], np.float32)
    return Told(boxes, np.array([counts for _, counts in others], np.float32))


def depths(others: Told) -> np.ndarray:
    bgr, mask = np.zeros((100, 100, 3), np.uint8), np.zeros((100, 100), np.uint8)
    return closeup(bgr, mask, Window(0, 0, 100, 100), others, 64)[..., 4]


def test_another_box_rises_to_its_middle() -> None:
    depth = depths(told(((50.0, 0.0, 100.0, 100.0), 1.0)))
    assert not depth[:, :31].any()
    assert depth[32, 48] > 240
    assert depth[32, 34] < depth[32, 40] < depth[32, 47]


def test_a_box_rises_as_high_as_it_counts_and_the_highest_shows() -> None:
    right, all_of_it = (50.0, 0.0, 100.0, 100.0), (0.0, 0.0, 100.0, 100.0)
    depth = depths(told((right, 1.0), (all_of_it, 0.3)))
    assert 45 < depth[32, 20] < 0.3 * 255
    assert depth[32, 48] > 240


def test_what_may_be_others_is_told_and_what_is_the_same_person_is_not() -> None:
    person, other = (0.0, 0.0, 50.0, 100.0), (60.0, 0.0, 110.0, 100.0)
    seen = [
        DetectedPerson(person, 0.9),
        DetectedPerson((2.0, 0.0, 52.0, 100.0), 0.8),  # the same once more
        DetectedPerson(other, 0.7),
        DetectedPerson((20.0, 0.0, 30.0, 30.0), 0.5),
        DetectedPerson((70.0, 0.0, 80.0, 30.0), 0.05),  # hardly anything
    ]
    boxes, counts = told_of_others(person, seen[2:3], seen)
    assert boxes.tolist() == [list(other), list(other), [20.0, 0.0, 30.0, 30.0]]
    assert counts[0] == 1
    assert counts[0] > counts[1] > counts[2] > 0
    assert not len(told_of_others(person, [], []).counts)


def test_the_iou_of_boxes() -> None:
    assert box_iou((0, 0, 10, 10), (0, 0, 10, 10)) == 1
    assert box_iou((0, 0, 10, 10), (5, 0, 15, 10)) == pytest.approx(1 / 3)
    assert box_iou((0, 0, 10, 10), (10, 0, 20, 10)) == 0


@pytest.mark.parametrize(
    "window", [Window(10, 20, 90, 80), Window(-30, -10, 60, 120), Window(-4000, -4000, 5000, 5000)]
)
def test_what_is_said_of_a_window_lies_where_the_window_is(window: Window) -> None:
    shares = np.zeros((64, 64), np.uint8)
    shares[:, 32:] = 255
    laid = lay_back(shares, window, (100, 100))
    assert laid.shape == (100, 100)
    middle = (window.x0 + window.x1) // 2
    rows = slice(max(window.y0, 0) + 1, min(window.y1, 100) - 1)
    assert (laid[rows, middle + 3 : min(window.x1, 100) - 1] > 250).all()
    assert not laid[rows, max(window.x0, 0) : middle - 3].any() or window.x0 < -1000
    assert not laid[:, : max(window.x0, 0)].any()


def test_a_window_outside_of_the_picture_is_nothing() -> None:
    bgr, mask = np.full((50, 50, 3), 9, np.uint8), np.full((50, 50), 9, np.uint8)
    window = Window(200, 200, 260, 260)
    assert not closeup(bgr, mask, window, NOBODY_ELSE, 64).any()
    assert not lay_back(np.full((64, 64), 255, np.uint8), window, (50, 50)).any()
