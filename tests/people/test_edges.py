"""Shares that follow the picture's edges."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from upperbodyseg.people.edges import _EPSILON, _RADIUS, Edges

U8 = NDArray[np.uint8]


def two_halves(border: int) -> U8:
    """A red and a green half of about the same grey, 64 x 64, with some grain."""
    bgr = np.zeros((64, 64, 3), np.uint8)
    bgr[:, :border] = (40, 60, 180)
    bgr[:, border:] = (40, 130, 30)
    grain = np.random.default_rng(0).integers(0, 5, bgr.shape, np.uint8)
    return bgr + grain


def blunt_share(border: int) -> U8:
    """All on the left of a border that is 12 pixels wide."""
    columns = np.clip((border + 6 - np.arange(64)) / 12, 0, 1) * 255
    return np.tile(columns.astype(np.uint8), (64, 1))


def test_a_share_follows_an_edge_of_colour() -> None:
    bgr, share = two_halves(32), blunt_share(29)
    assert not (share[:, 31] >= 128).any()
    followed = Edges(bgr).follow(share)
    assert (followed[:, :32] >= 128).all()
    assert (followed[:, 32:] < 128).all()


def test_where_the_picture_is_flat_the_border_stays() -> None:
    share = blunt_share(29)
    followed = Edges(np.full((64, 64, 3), 90, np.uint8)).follow(share)
    borders = (followed >= 128).sum(1)
    assert abs(borders.mean() - (share >= 128).sum(1).mean()) <= 1


def test_it_is_the_colour_guided_filter() -> None:
    """He, Sun and Tang 2013, equations 19 to 21, with a system of equations for each pixel."""
    rng = np.random.default_rng(1)
    bgr = cv2.resize(rng.integers(0, 256, (6, 7, 3), np.uint8), (40, 36), interpolation=cv2.INTER_CUBIC)
    share = cv2.resize(rng.integers(0, 256, (4, 5), np.uint8), (40, 36), interpolation=cv2.INTER_CUBIC)

    def mean(plane: Any) -> Any:
        side = 2 * _RADIUS + 1
        return cv2.blur(plane, (side, side), borderType=cv2.BORDER_REFLECT)

    guide, wanted = bgr.astype(np.float64), share.astype(np.float64)
    means, middle = mean(guide), mean(wanted)
    sigma = np.empty((36, 40, 3, 3))
    for i in range(3):
        for j in range(3):
            sigma[..., i, j] = mean(guide[..., i] * guide[..., j]) - means[..., i] * means[..., j]
    covariance = mean(guide * wanted[..., None]) - means * middle[..., None]
    slope = np.linalg.solve(sigma + _EPSILON * np.eye(3), covariance[..., None])[..., 0]
    expected = (mean(slope) * guide).sum(2) + mean(middle - (slope * means).sum(2))
    np.testing.assert_allclose(Edges(bgr).follow(share), expected.clip(0, 255), atol=1.5)
