"""What the separator sees, and where its answer lies."""

from __future__ import annotations

import numpy as np
import pytest

from upperbodyseg.people.closeup import Window, closeup, lay_back, window_around


def test_a_window_is_the_box_and_a_quarter_more() -> None:
    assert window_around((100.0, 40.0, 200.0, 240.0)) == (75, -10, 225, 290)
    assert window_around((5.0, 5.0, 5.0, 5.0)) == (5, 5, 7, 7)


def test_a_closeup_shows_the_window_and_nothing_beyond_the_picture() -> None:
    bgr = np.full((100, 100, 3), (10, 20, 30), np.uint8)
    mask = np.full((100, 100), 200, np.uint8)
    seen = closeup(bgr, mask, Window(-50, 0, 50, 100), [], 64)
    assert seen.shape == (64, 64, 5)
    assert not seen[:, :32].any()
    assert (seen[:, 32:] == (10, 20, 30, 200, 0)).all()


def test_another_box_rises_to_its_middle() -> None:
    bgr, mask = np.zeros((100, 100, 3), np.uint8), np.zeros((100, 100), np.uint8)
    depth = closeup(bgr, mask, Window(0, 0, 100, 100), [(50.0, 0.0, 100.0, 100.0)], 64)[..., 4]
    assert not depth[:, :31].any()
    assert depth[32, 48] > 240
    assert depth[32, 34] < depth[32, 40] < depth[32, 47]


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
    assert not closeup(bgr, mask, window, [], 64).any()
    assert not lay_back(np.full((64, 64), 255, np.uint8), window, (50, 50)).any()
