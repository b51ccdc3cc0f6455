from __future__ import annotations

import cv2
import numpy as np
import pytest
from scipy import ndimage
from skimage import morphology

from upperbodyseg import InputError
from upperbodyseg.metrics import (
    Confusion,
    Coverage,
    Decidedness,
    alpha_error,
    boundary_iou,
    confusion,
    coverage,
    davis_f,
    decidedness,
    score,
)


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


EMPTY, FULL = np.zeros((40, 60), np.uint8), np.full((40, 60), 255, np.uint8)
FIGURES = (boundary_iou, davis_f)


def blobs(seed: int, shape: tuple[int, int] = (90, 120)) -> tuple[np.ndarray, np.ndarray]:
    """Two masks of a few blobs that agree in part."""
    rng = np.random.default_rng(seed)
    field = ndimage.gaussian_filter(rng.normal(size=shape), 8)
    other = field + 0.4 * ndimage.gaussian_filter(rng.normal(size=shape), 6)
    return tuple((np.where(f > 0.01, 255, 0)).astype(np.uint8) for f in (field, other))  # type: ignore[return-value]


def test_pixels_are_counted_by_class() -> None:
    mask, truth = np.zeros((4, 5), np.uint8), np.zeros((4, 5), np.uint8)
    mask[:2], truth[1:3] = 200, 255
    assert confusion(mask, truth) == Confusion(5, 5, 5, 5)
    ignore = np.zeros((4, 5), bool)
    ignore[:, 0] = True
    assert confusion(mask, truth, ignore=ignore) == Confusion(4, 4, 4, 4)
    assert confusion(mask, truth, threshold=201) == Confusion(0, 0, 10, 10)


def test_pooled_mean_iou_is_that_of_all_pixels_together() -> None:
    total = sum((confusion(*blobs(seed)) for seed in range(5)), Confusion())
    masks, truths = (np.concatenate(part) for part in zip(*(blobs(s) for s in range(5)), strict=True))
    ious = [
        ((masks > 0) == side)[(truths > 0) == side].sum()
        / (((masks > 0) == side) | ((truths > 0) == side)).sum()
        for side in (True, False)
    ]
    assert total.mean_iou == pytest.approx(sum(ious) / 2)


def test_mean_iou_leaves_out_a_class_that_is_nowhere() -> None:
    assert confusion(EMPTY, EMPTY).mean_iou == 1
    assert confusion(FULL, FULL).mean_iou == 1
    assert confusion(FULL, EMPTY).mean_iou == 0
    assert np.isnan(Confusion().mean_iou)


def test_boundary_iou_of_a_shifted_square_is_that_worked_out_by_hand() -> None:
    # Diagonal 362, so that the edge is 7 pixels deep: squares of 128 with holes of 114.
    edge = 128**2 - 114**2
    # 32 columns apart: rows 7 deep at top and bottom share 96 columns, and the columns 7 wide
    # lie inside the other's hole but for those rows.
    both = 2 * 7 * 96
    assert boundary_iou(square(64, 192), square(96, 224)) == pytest.approx(both / (2 * edge - both))


def test_boundary_iou_counts_the_frames_edge() -> None:
    assert boundary_iou(FULL, FULL) == 1
    # Diagonal 72, one pixel deep: the two share what of the frame's edge both touch.
    half = FULL.copy()
    half[:, 30:] = 0
    left = 40 + 2 * 29
    assert boundary_iou(half, FULL) == pytest.approx(left / (2 * 60 + 2 * 38 + 38))


@pytest.mark.parametrize("seed", range(6))
def test_boundary_iou_by_another_way(seed: int) -> None:
    mask, truth = blobs(seed)
    d = round(0.02 * np.hypot(90, 120))
    edges = []
    for m in (mask, truth):
        padded = np.pad(m > 0, 1)
        deep = ndimage.distance_transform_cdt(padded, metric="chessboard")[1:-1, 1:-1]
        edges.append((deep > 0) & (deep <= d))
    expected = (edges[0] & edges[1]).sum() / (edges[0] | edges[1]).sum()
    assert boundary_iou(mask, truth) == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(6))
def test_davis_f_by_another_way(seed: int) -> None:
    mask, truth = blobs(seed)

    def contour(m: np.ndarray) -> np.ndarray:
        seg = m > 0
        out = np.zeros(seg.shape, bool)
        for y, x in np.ndindex(seg.shape):
            for dy, dx in ((0, 1), (1, 0), (1, 1)):
                if y + dy < seg.shape[0] and x + dx < seg.shape[1]:
                    out[y, x] |= seg[y, x] != seg[y + dy, x + dx]
        return out

    disk = morphology.disk(int(np.ceil(0.008 * np.hypot(90, 120))))
    p, t = contour(mask), contour(truth)
    precision = (p & ndimage.binary_dilation(t, disk)).sum() / p.sum()
    recall = (t & ndimage.binary_dilation(p, disk)).sum() / t.sum()
    assert davis_f(mask, truth) == pytest.approx(2 * precision * recall / (precision + recall))


@pytest.mark.parametrize("figure", FIGURES)
def test_empty_and_full_masks(figure) -> None:  # type: ignore[no-untyped-def]
    assert figure(EMPTY, EMPTY) == 1
    assert figure(FULL, FULL) == 1
    mask, _ = blobs(0, (40, 60))
    assert mask.any()
    assert figure(mask, mask) == 1
    assert figure(mask, EMPTY) == 0
    assert figure(EMPTY, mask) == 0


@pytest.mark.parametrize("figure", [*FIGURES, confusion])
def test_every_figure_checks_shapes(figure) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match="same shape"):
        figure(np.zeros((4, 4), np.uint8), np.zeros((4, 5), np.uint8))


@pytest.mark.parametrize("figure", FIGURES)
def test_ignored_pixels_are_background_in_both(figure) -> None:  # type: ignore[no-untyped-def]
    mask, truth = square(64, 250), square(64, 192)
    ignore = np.zeros((256, 256), bool)
    ignore[:, 160:] = True
    assert figure(mask, truth) < 1
    assert figure(mask, truth, ignore=ignore) == 1


# --- soft masks -----------------------------------------------------------------------------------


def test_a_perfect_mask_is_decided() -> None:
    assert decidedness(square(64, 192), square(64, 192)) == Decidedness(1, 0, 0, 0)


def test_each_fault_moves_its_own_figure() -> None:
    truth = square(64, 192)
    inside, outside = 114 * 114, 256**2 - 142**2  # pixels outside the band, which reaches 7 to either side
    ghost = truth.copy()
    ghost[100:110, 100:110] = 203
    found = decidedness(ghost, truth)
    assert found.interior == pytest.approx(1 - 100 / inside)
    assert (found.haze, found.halo) == (0, 0)
    haze = truth.copy()
    haze[:20, :20] = 8
    found = decidedness(haze, truth)
    assert found.haze == pytest.approx(400 / outside)
    assert (found.interior, found.soft, found.halo) == (1, 0, 0)
    glow = truth.copy()
    glow[60:64, 64:192] = 64
    found = decidedness(glow, truth)
    assert found.halo == pytest.approx(4 * 128 / (142**2 - 128**2))
    assert found.soft == pytest.approx(4 * 128 / 256**2)
    assert (found.interior, found.haze) == (1, 0)


@pytest.mark.parametrize(("level", "counts"), [(25, False), (26, True), (229, True), (230, False)])
def test_soft_is_from_a_tenth_to_nine_tenths(level: int, counts: bool) -> None:
    mask = square(64, 192)
    mask[0, :16] = level
    assert decidedness(mask, square(64, 192)).soft == (16 / 256**2 if counts else 0)


def test_decidedness_by_distances() -> None:
    truth = np.zeros((256, 256), np.uint8)
    truth[120:, 40:161] = 255
    soft = ndimage.gaussian_filter(truth.astype(float), 6).round().astype(np.uint8)
    person = truth > 0
    far = ndimage.distance_transform_cdt(np.pad(person, 8, mode="edge"), metric="chessboard")[8:-8, 8:-8] > 7
    beyond = ndimage.distance_transform_cdt(np.pad(~person, 8, mode="edge"), metric="chessboard")[8:-8, 8:-8]
    found = decidedness(soft, truth)
    assert found.interior == pytest.approx((soft[far] >= 204).mean())
    assert found.haze == pytest.approx((soft[beyond > 7] >= 8).mean())
    assert found.halo == pytest.approx((soft[(beyond > 0) & (beyond <= 7)] >= 64).mean())


def test_decidedness_of_unknown_pixels_is_not_asked() -> None:
    truth, mask = square(64, 192), square(64, 192)
    ignore = np.zeros(truth.shape, bool)
    ignore[100:140, 100:140] = ignore[:40, :40] = True
    mask[ignore] = 128
    assert decidedness(mask, truth, ignore) == Decidedness(1, 0, 0, 0)
    assert decidedness(mask, truth).interior < 1


def test_decidedness_of_what_a_picture_lacks_is_no_number() -> None:
    nobody = decidedness(EMPTY, EMPTY)
    assert np.isnan(nobody.interior)
    assert np.isnan(nobody.halo)
    assert (nobody.haze, nobody.soft) == (0, 0)
    everywhere = decidedness(FULL, FULL)
    assert everywhere.interior == 1
    assert np.isnan(everywhere.haze)


def test_decidedness_hardly_depends_on_the_pictures_size() -> None:
    truth = cv2.resize(square(64, 192), (1024, 768))
    mask = cv2.GaussianBlur(truth, (0, 0), 12)
    small = [cv2.resize(m, (256, 256), interpolation=cv2.INTER_AREA) for m in (mask, truth)]
    one, two = (decidedness(m, np.where(t > 127, 255, 0).astype(np.uint8)) for m, t in ((mask, truth), small))
    for figure in ("interior", "haze", "soft", "halo"):
        assert getattr(one, figure) == pytest.approx(getattr(two, figure), abs=0.003)


def test_alpha_error_of_a_shifted_edge_is_that_worked_out_by_hand() -> None:
    left, right = np.zeros((256, 256), np.uint8), np.zeros((256, 256), np.uint8)
    left[:, :128], right[:, :131] = 255, 255
    assert alpha_error(left, left) == 0
    # Ten columns to either side of the edge count, and three of them are wrong.
    assert alpha_error(right, left) == pytest.approx(3 / 20)
    half = left.copy()
    half[:, 126:130] = 128
    assert alpha_error(half, left) == pytest.approx((2 * 127 + 2 * 128) / 255 / 20)
    far = left.copy()
    far[:, 200:] = 255
    assert alpha_error(far, left) == 0


def test_alpha_error_takes_a_soft_ground_truth() -> None:
    alpha = np.tile(np.clip((np.arange(256) - 108) * 6.4, 0, 255).astype(np.uint8), (256, 1))
    hard = np.where(alpha >= 128, 255, 0).astype(np.uint8)
    assert alpha_error(alpha, alpha) == 0
    assert alpha_error(hard, alpha) == pytest.approx(0.375, abs=0.01)  # 10 of the ramp's 20 columns a side
    ignore = np.zeros(alpha.shape, bool)
    ignore[:, :128] = True
    worse = hard.copy()
    worse[:, :127] = 255 - worse[:, :127]
    assert alpha_error(worse, alpha, ignore) == pytest.approx(alpha_error(hard, alpha, ignore))


def test_alpha_error_without_an_edge_is_no_number() -> None:
    assert np.isnan(alpha_error(FULL, EMPTY))
    assert np.isnan(alpha_error(FULL, FULL))


def test_coverage_counts_person_pixels_in_any_region() -> None:
    truth = np.zeros((40, 60), np.uint8)
    truth[10:30, 20:40] = 255
    assert coverage([(0, 0, 60, 40)], truth) == Coverage(400, 400)
    assert coverage([], truth) == Coverage(0, 400)
    # Half-open, overlapping, and reaching out of the picture.
    assert coverage([(-5, 0, 30, 100), (25, 0, 31, 40)], truth) == Coverage(11 * 20, 400)
    ignore = np.zeros(truth.shape, bool)
    ignore[:, 30:] = True
    assert coverage([(0, 0, 25, 40)], truth, ignore) == Coverage(100, 200)


def test_coverage_adds_up_over_pictures() -> None:
    total = sum((Coverage(1, 4), Coverage(3, 4)), Coverage())
    assert total.share == 0.5
    assert np.isnan(Coverage().share)


@pytest.mark.parametrize("figure", [decidedness, alpha_error])
def test_figures_of_soft_masks_check_shapes(figure) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match="same shape"):
        figure(np.zeros((4, 4), np.uint8), np.zeros((4, 5), np.uint8))
    with pytest.raises(InputError, match="same shape"):
        coverage([], np.zeros((4, 4), np.uint8), np.zeros((4, 5), bool))
