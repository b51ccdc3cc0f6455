from __future__ import annotations

import numpy as np
import pytest

from upperbodyseg import InputError
from upperbodyseg.metrics import score


def square(x0: int, x1: int, y0: int = 64, y1: int = 192) -> np.ndarray:
    mask = np.zeros((256, 256), np.uint8)
    mask[y0:y1, x0:x1] = 255
    return mask


def test_a_perfect_mask_scores_one() -> None:
    s = score(square(64, 192), square(64, 192))
    assert (s.iou, s.boundary_f1, s.boundary_iou) == (1, 1, 1)


def test_disjoint_masks_score_zero() -> None:
    s = score(square(10, 60), square(180, 240))
    assert (s.iou, s.boundary_f1, s.boundary_iou) == (0, 0, 0)


def test_two_empty_masks_score_zero_by_the_protocol() -> None:
    s = score(square(0, 0), square(0, 0))
    assert (s.iou, s.boundary_f1, s.boundary_iou) == (0, 0, 0)


def test_two_full_masks_have_no_boundary() -> None:
    full = np.full((256, 256), 255, np.uint8)
    s = score(full, full)
    assert (s.iou, s.boundary_f1, s.boundary_iou) == (1, 0, 0)


def test_figures_of_a_shifted_square_are_those_worked_out_by_hand() -> None:
    # 128 x 128 squares, one 32 columns to the right of the other.
    s = score(square(64, 192), square(96, 224))
    assert s.iou == pytest.approx(96 * 128 / (160 * 128))
    # The band reaches 7 pixels out and 7 in: a square ring of 142 outside and 114 inside.
    ring = 142**2 - 114**2
    # Both rings' horizontal arms share columns 89..198 (110 of them), 14 rows each, twice; the
    # left arm of the right ring and the right arm of the left lie inside the other's hole, but for
    # the rows of its horizontal arms, which the 110 columns hold already.
    both = 110 * 14 * 2
    assert s.boundary_iou == pytest.approx(both / (2 * ring - both))
    # Dilated by two pixels the true band's arms are 18 rows deep and reach two columns further.
    wide = 112 * 14 * 2
    assert s.boundary_f1 == pytest.approx(wide / ring, rel=0.02)


def test_the_threshold_is_inclusive() -> None:
    mask = square(64, 192)
    mask[mask > 0] = 35
    assert score(mask, square(64, 192)).iou == 1
    assert score(mask, square(64, 192), threshold=36).iou == 0


def test_any_truth_above_zero_is_foreground() -> None:
    truth = square(64, 192) // 255
    assert score(square(64, 192), truth).iou == 1


def test_ignored_pixels_count_for_nobody() -> None:
    ignore = np.zeros((256, 256), bool)
    ignore[:, 160:] = True
    assert score(square(64, 250), square(64, 192), ignore=ignore).iou == 1


def test_masks_are_resized_to_256() -> None:
    mask = np.zeros((512, 1024), np.uint8)
    mask[128:384, 256:512] = 255
    truth = np.zeros((512, 1024), np.uint8)
    truth[128:384, 256:768] = 255
    assert score(mask, truth).iou == pytest.approx(0.5, abs=0.01)


def test_shapes_must_agree() -> None:
    with pytest.raises(InputError, match="same shape"):
        score(np.zeros((4, 4), np.uint8), np.zeros((4, 5), np.uint8))
    with pytest.raises(InputError, match="same shape"):
        score(np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4, 3), np.uint8))
