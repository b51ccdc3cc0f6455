"""What the separator learns from."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from training.separator_samples import SIDE, Photo, Small, samples
from upperbodyseg.models.spec import SEPARATOR_CHANNELS

U8 = NDArray[np.uint8]


def person(height: int, colour: tuple[int, int, int]) -> U8:
    """A head on shoulders in one colour, BGRA."""
    width = height * 2 // 3
    y, x = np.mgrid[:height, :width]
    head = (x - width / 2) ** 2 + (y - height / 4) ** 2 < (height / 5) ** 2
    shown = head | (y > height * 0.45)
    return np.dstack([np.full((height, width, 3), colour, np.uint8), 255 * shown.astype(np.uint8)])


@pytest.fixture
def small() -> Small:
    made = Small()
    made.cutouts["red"] = [person(120, (40, 40, 200)), person(90, (60, 60, 220))]
    made.cutouts["blue"] = [person(140, (200, 60, 40))]
    made.backgrounds = [np.full((150, 224, 3), 128, np.uint8)]
    alpha = np.zeros((160, 200), np.uint8)
    alpha[40:, 20:90] = alpha[30:, 100:180] = 255
    boxes = np.array([[20, 40, 105, 160], [95, 30, 180, 160]], np.float32)
    made.photos = [Photo(np.full((160, 200, 3), 90, np.uint8), alpha, np.zeros((160, 200), bool), boxes)]
    return made


def test_samples_are_closeups_with_shares_and_weights(small: Small) -> None:
    rng = np.random.default_rng(0)
    drawn = [sample for _ in range(120) for sample in samples(small, rng)]
    assert len(drawn) > 60
    for x, y in drawn:
        assert x.shape == (SEPARATOR_CHANNELS, SIDE, SIDE)
        assert y.shape == (2, SIDE, SIDE)
        assert x.dtype == y.dtype == np.uint8
        share, weight = y
        assert (share.astype(int) * weight).sum() > 0, "the box is the person's"
    others = [((255 - y[0].astype(int)) * y[1]).sum() > 0.03 * 255 * y[1].sum() for _, y in drawn]
    assert np.mean(others) > 0.4, "most samples show somebody else as well"


def test_the_same_seed_draws_the_same(small: Small) -> None:
    one, other = (samples(small, np.random.default_rng(3)) for _ in range(2))
    for (x, y), (same_x, same_y) in zip(one, other, strict=True):
        np.testing.assert_array_equal(x, same_x)
        np.testing.assert_array_equal(y, same_y)


def test_where_boxes_overlap_nothing_is_learnt(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.separator_samples.COMPOSITES", 0.0)
    rng = np.random.default_rng(1)
    drawn = [sample for _ in range(20) for sample in samples(small, rng)]
    assert drawn
    assert all((y[1] == 0).any() for _, y in drawn)
