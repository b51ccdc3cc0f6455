"""What the separator learns from."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from training.separator_samples import DRAWN_OFF, SIDE, Photo, Scene, Small, _drawn, _pieces, samples
from upperbodyseg import DetectedPerson, FrameInput, SegmenterOptions, UpperBodySegmenter
from upperbodyseg.geometry import Region, box_iou
from upperbodyseg.models.spec import SEPARATOR_CHANNELS
from upperbodyseg.segmenter import SegmentedRegion

U8 = NDArray[np.uint8]


@pytest.fixture(scope="module")
def fast() -> Iterator[UpperBodySegmenter]:
    with UpperBodySegmenter(SegmenterOptions(model="fast", refine=False)) as engine:
        yield engine


@pytest.fixture(scope="module")
def small(fast: UpperBodySegmenter, portrait: U8) -> Small:
    """The astronaut in two colours, cut out by her mask, and a photo of her twice."""
    mask = fast.process(FrameInput.from_image(portrait)).mask
    one = cv2.resize(np.dstack([portrait, mask]), (150, 160), interpolation=cv2.INTER_AREA)
    made = Small()
    made.cutouts["red"] = [one]
    made.cutouts["blue"] = [np.ascontiguousarray(one[..., [2, 1, 0, 3]])]
    made.backgrounds = [np.full((150, 224, 3), 128, np.uint8)]
    bgr = np.hstack([portrait[:, 20:290], portrait[:, 290:20:-1]])
    alpha = np.where(np.hstack([mask[:, 20:290], mask[:, 290:20:-1]]) > 127, 255, 0).astype(np.uint8)
    boxes = np.array([[10, 10, 290, 331], [250, 10, 530, 331]], np.float32)
    made.photos = [Photo(np.ascontiguousarray(bgr), alpha, np.zeros(alpha.shape, bool), boxes)]
    return made


def test_samples_are_closeups_with_shares_weights_and_fits(small: Small, fast: UpperBodySegmenter) -> None:
    rng = np.random.default_rng(0)
    drawn = [sample for _ in range(60) for sample in samples(small, fast, rng)]
    assert len(drawn) > 60
    for x, y, fit in drawn:
        assert x.shape == (SEPARATOR_CHANNELS, SIDE, SIDE)
        assert y.shape == (2, SIDE, SIDE)
        assert x.dtype == y.dtype == np.uint8
        if fit[0] < 0.3:
            assert not y[1].any(), "of a wrong box no pixel is learnt"
    right = [(y[0].astype(int) * y[1]).sum() > 0 for _, y, fit in drawn if fit[0] >= 0.5]
    assert np.mean(right) > 0.9, "a right box shows pixels of the person's"
    assert min(fit[0] for *_, fit in drawn) < 0.3, "some boxes are nobody's"
    assert max(fit[0] for *_, fit in drawn) > 0.8
    others = [((255 - y[0].astype(int)) * y[1]).sum() > 0.03 * 255 * y[1].sum() for _, y, _ in drawn]
    assert np.mean(others) > 0.4, "many samples show somebody else as well"


def test_the_same_seed_draws_the_same(small: Small, fast: UpperBodySegmenter) -> None:
    one, other = (samples(small, fast, np.random.default_rng(3)) for _ in range(2))
    assert one
    for sample, same in zip(one, other, strict=True):
        for part, same_part in zip(sample, same, strict=True):
            np.testing.assert_array_equal(part, same_part)


def test_where_boxes_overlap_nothing_is_learnt(
    small: Small, fast: UpperBodySegmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.separator_samples.COMPOSITES", 0.0)
    rng = np.random.default_rng(1)
    drawn = [sample for _ in range(20) for sample in samples(small, fast, rng)]
    assert drawn
    assert all((y[1] == 0).any() for _, y, _ in drawn)


def test_pieces_are_what_known_people_leave_of_the_mask(monkeypatch: pytest.MonkeyPatch) -> None:
    known, stranger = np.zeros((2, 100, 200), np.float32)
    known[20:, 10:90] = 1
    stranger[40:90, 120:180] = 1
    scene = Scene(
        np.zeros((100, 200, 3), np.uint8),
        [known, stranger],
        [(10.0, 20.0, 90.0, 100.0), (120.0, 40.0, 180.0, 90.0)],
    )
    mask = cv2.resize(((known + stranger) * 255).astype(np.uint8), (100, 100))
    seen = SegmentedRegion(Region(0, 0, 200, 100), np.zeros((100, 100, 3), np.uint8), mask)
    persons = (DetectedPerson((12.0, 22.0, 88.0, 100.0), 0.9),)
    monkeypatch.setattr("training.separator_samples.BY_PERSONS", 1.0)
    for seed in range(8):
        (box,) = _pieces(scene, seen, persons, np.random.default_rng(seed))
        assert box_iou(box, scene.boxes[1]) > 0.7  # worn at the edges
    monkeypatch.setattr("training.separator_samples.BY_PERSONS", 0.0)
    pieces = [_pieces(scene, seen, persons, np.random.default_rng(seed)) for seed in range(8)]
    assert all(max(box_iou(box, scene.boxes[1]) for box in some) > 0.7 for some in pieces)
    assert any(len(some) > 1 for some in pieces)  # what a box that is too small leaves of the known one


def test_drawn_boxes_are_near_the_persons_own() -> None:
    box = (10.0, 20.0, 60.0, 120.0)
    rng = np.random.default_rng(0)
    drawn = np.array([_drawn(box, rng) for _ in range(200)])
    off = (drawn - box) / (50, 100, 50, 100)
    assert np.abs(off).max() <= DRAWN_OFF
    assert (np.abs(off).max(0) > 0.8 * DRAWN_OFF).all()
    assert abs(off.mean()) < 0.2 * DRAWN_OFF
