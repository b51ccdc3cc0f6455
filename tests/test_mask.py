from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from upperbodyseg import InputError
from upperbodyseg.buffers import Buffers
from upperbodyseg.geometry import Region
from upperbodyseg.postprocess.mask import (
    MAX_BLUR_SIGMA,
    Part,
    blur_mask,
    cells_to_pixels,
    check_blur_sigma,
    compose_mask,
    probability_to_mask,
)

U8 = NDArray[np.uint8]


def compose(parts: list[Part], size: tuple[int, int], sigma: float = 0) -> U8:
    out = np.zeros(size, np.uint8)
    compose_mask(parts, sigma, out, Buffers())
    return out


def blurred(mask: U8, sigma: float) -> U8:
    if sigma == 0:
        return mask
    out = np.empty_like(mask)
    blur_mask(mask, sigma, out)
    return out


def test_certain_probabilities_become_exactly_0_and_255() -> None:
    probability = np.array([[0, 0.04, 0.5, 0.96, 1]], np.float32)
    np.testing.assert_array_equal(probability_to_mask(probability), [[0, 0, 128, 255, 255]])


def test_the_scale_between_is_rising_and_soft() -> None:
    mask = probability_to_mask(np.linspace(0, 1, 1001, dtype=np.float32)[None]).astype(int)
    assert (np.diff(mask) >= 0).all()
    assert len(np.unique(mask)) == 256


@pytest.mark.parametrize("sigma", [0, 0.5, 3])
def test_parts_lie_where_their_regions_are(sigma: float) -> None:
    ones = np.full((16, 16), 255, np.uint8)
    expected = np.zeros((40, 50), np.uint8)
    expected[4:20, 10:30] = 255
    mask = compose([Part(Region(10, 4, 30, 20), ones)], (40, 50), sigma)
    np.testing.assert_array_equal(mask, blurred(expected, sigma))


@pytest.mark.parametrize("sigma", [0, 0.5])
def test_where_regions_meet_the_higher_value_counts(sigma: float) -> None:
    ones, none = np.full((8, 8), 255, np.uint8), np.zeros((8, 8), np.uint8)
    for parts in (
        [Part(Region(0, 0, 20, 20), ones), Part(Region(10, 0, 30, 20), none)],
        [Part(Region(10, 0, 30, 20), none), Part(Region(0, 0, 20, 20), ones)],
    ):
        mask = compose(parts, (20, 40), sigma)
        assert (mask[:, :19] == 255).all()
        assert not mask[:, 22:].any()


@pytest.mark.parametrize("sigma", [0.5, 1.7, 4.0, 5.0, 20.0])
def test_composing_blurs_as_if_the_whole_frame_were_blurred(sigma: float) -> None:
    rng = np.random.default_rng(3)
    parts = []
    for region in (Region(0, 6, 40, 60), Region(60, 20, 96, 64), Region(80, 30, 120, 80)):
        soft = cv2.GaussianBlur((rng.random((32, 32)) > 0.6).astype(np.uint8) * 255, (0, 0), 2)
        soft[:6] = soft[-4:] = 0  # most of a region's margin shows nobody
        parts.append(Part(region, soft))
    got = compose(parts, (80, 120), sigma).astype(int)
    # Beyond sigma 4 the blur works on a smaller grid, which lies elsewhere for a part of the frame.
    assert np.abs(got - blurred(compose(parts, (80, 120)), sigma)).max() <= (0 if sigma <= 4 else 6)


def test_nothing_marked_is_all_0() -> None:
    none = np.zeros((8, 8), np.uint8)
    assert not compose([Part(Region(2, 2, 20, 20), none)], (30, 30), 0.5).any()
    assert not compose([], (30, 30), 0.5).any()


def test_edges_stay_soft_when_grown() -> None:
    half = np.zeros((16, 16), np.uint8)
    half[:, 8:] = 255
    row = compose([Part(Region(0, 0, 160, 160), half)], (160, 160))[80].astype(int)
    assert (np.diff(row) >= 0).all()
    assert ((row > 0) & (row < 255)).sum() >= 8


@pytest.mark.parametrize("sigma", [0.5, 2.0, 4.0, 4.5, 9.0, 25.0])
def test_the_blur_is_gaussian(sigma: float) -> None:
    mask = np.zeros((240, 320), np.uint8)
    mask[:, 160:] = 255
    row = blurred(mask, sigma)[120].astype(float) / 255
    # A step blurred by a Gaussian is its integral, the error function.
    expected = [(1 + math.erf((x + 0.5 - 160) / (sigma * math.sqrt(2)))) / 2 for x in range(320)]
    # Below a pixel the kernel is too coarse to follow it closely.
    np.testing.assert_allclose(row, expected, atol=0.07 if sigma < 1 else 0.035)


@pytest.mark.parametrize("sigma", [0.5, 3.0, 12.0, 300.0, MAX_BLUR_SIGMA])
def test_flat_masks_stay_flat_up_to_the_frames_edge(sigma: float) -> None:
    full = np.full((50, 70), 255, np.uint8)
    np.testing.assert_array_equal(blurred(full, sigma), full)
    np.testing.assert_array_equal(blurred(full * 0, sigma), full * 0)


def test_a_higher_sigma_is_smoother() -> None:
    mask = (np.random.default_rng(1).random((120, 160)) > 0.5).astype(np.uint8) * 255
    variances = [blurred(mask, s).astype(float).var() for s in (0, 0.5, 1, 2, 4, 6, 12)]
    assert variances == sorted(variances, reverse=True)


def test_blur_leaves_its_input_alone() -> None:
    mask = np.zeros((30, 30), np.uint8)
    cv2.circle(mask, (15, 15), 8, 255, -1)
    before = mask.copy()
    blurred(mask, 2)
    np.testing.assert_array_equal(mask, before)


@pytest.mark.parametrize(
    "sigma",
    [float("nan"), float("inf"), -0.1, -1, MAX_BLUR_SIGMA + 1, None, "1", True, [1.0], 1 + 2j, 10**400],
)
def test_impossible_sigmas_are_refused(sigma: object) -> None:
    with pytest.raises(InputError, match="blur_sigma"):
        check_blur_sigma(sigma)  # type: ignore[arg-type]


@pytest.mark.parametrize("sigma", [0, 0.5, 3, np.float32(2), np.int64(4)])
def test_any_number_is_a_sigma(sigma: float) -> None:
    assert check_blur_sigma(sigma) == float(sigma)


@pytest.mark.parametrize("side", [1, 2, 3, 4])
def test_cells_are_laid_out_row_by_row(side: int) -> None:
    cells = np.arange(2 * 3 * side**2, dtype=np.uint8).reshape(2, 3, -1)
    pixels = cells_to_pixels(cells)
    assert pixels.shape == (2 * side, 3 * side)
    for row, column in np.ndindex(2, 3):
        cell = pixels[side * row : side * (row + 1), side * column : side * (column + 1)]
        np.testing.assert_array_equal(cell.ravel(), cells[row, column])
