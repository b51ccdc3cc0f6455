"""What the separator is shown of a box, at first and more closely."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
from numpy.typing import NDArray

from upperbodyseg.geometry import Region, box_iou
from upperbodyseg.models.interpreter import Interpreter
from upperbodyseg.people.closeup import NOBODY_ELSE, Told
from upperbodyseg.people.separator import PersonSeparator, _box_round
from upperbodyseg.segmenter import SegmentedRegion

U8 = NDArray[np.uint8]

SIDE, STRIDE = 64, 4
CELLS = SIDE // STRIDE
PERSON = np.s_[30:70, 40:60]
OFF = (50.0, 30.0, 70.0, 70.0)  # a box that is off to the right, in the region's pixels and the frame's


class EverythingMarked:
    """Says that all that is marked is the person's, and keeps what it was shown."""

    spec = SimpleNamespace(input_shape=(1, SIDE, SIDE, 5), stride=STRIDE)

    def __init__(self) -> None:
        self.shown: list[U8] = []

    def run_levels(self, picture: U8, levels: object) -> U8:
        self.shown.append(picture)
        cells = picture[..., 3].reshape(CELLS, STRIDE, CELLS, STRIDE).transpose(0, 2, 1, 3)
        fit = np.full((CELLS, CELLS, 1), 204, np.uint8)
        return np.concatenate([cells.reshape(CELLS, CELLS, STRIDE**2), fit], axis=2)


@pytest.fixture
def seen() -> SegmentedRegion:
    """One person, whose left half is dark."""
    mask = np.zeros((100, 100), np.uint8)
    mask[PERSON] = 255
    bgr = np.full((100, 100, 3), 255, np.uint8)
    bgr[:, :50] = 0
    return SegmentedRegion(Region(0, 0, 100, 100), bgr, mask)


def test_a_closer_look_is_at_what_the_first_one_found(seen: SegmentedRegion) -> None:
    network = EverythingMarked()
    separator = PersonSeparator(cast(Interpreter, network))
    once = separator.look(seen, OFF, NOBODY_ELSE)
    closely = separator.look(seen, OFF, NOBODY_ELSE, closely=True)
    assert len(network.shown) == 4
    np.testing.assert_array_equal(network.shown[0], network.shown[1])
    assert once.fit == closely.fit == pytest.approx(0.8)
    whole = np.count_nonzero(seen.mask)
    assert np.count_nonzero(once.share[PERSON] >= 128) == pytest.approx(0.75 * whole, rel=0.05)
    assert np.count_nonzero(closely.share[PERSON] >= 128) > 0.88 * whole
    beyond = closely.share.copy()
    beyond[29:71, 39:61] = 0
    assert not beyond.any()


def test_the_last_look_is_at_the_mirror_image(seen: SegmentedRegion) -> None:
    network = EverythingMarked()
    PersonSeparator(cast(Interpreter, network)).look(seen, OFF, NOBODY_ELSE, closely=True)
    first, again, mirrored = network.shown
    assert not np.array_equal(again, first)
    np.testing.assert_array_equal(mirrored, again[:, ::-1])


def test_where_a_look_finds_nothing_the_next_one_is_at_the_same_box(seen: SegmentedRegion) -> None:
    network = EverythingMarked()
    elsewhere = (0.0, 0.0, 20.0, 20.0)
    look = PersonSeparator(cast(Interpreter, network)).look(seen, elsewhere, NOBODY_ELSE, closely=True)
    assert not look.share.any()
    first, mirrored = network.shown
    np.testing.assert_array_equal(mirrored, first[:, ::-1])


def test_a_closer_look_stays_with_whom_it_was_asked_about(seen: SegmentedRegion) -> None:
    """What a look finds may be somebody else, beside whom the box shows little."""
    network = EverythingMarked()
    person = np.array([[40.0, 30.0, 60.0, 70.0]], np.float32)
    others = Told(person, np.ones(1, np.float32))
    PersonSeparator(cast(Interpreter, network)).look(seen, OFF, others, closely=True)
    first, mirrored = network.shown
    np.testing.assert_array_equal(mirrored, first[:, ::-1])


def test_the_box_round_a_share_leaves_out_what_strays(seen: SegmentedRegion) -> None:
    share = seen.mask.copy()
    assert _box_round(share, seen) == (40, 30, 60, 70)
    mask = seen.mask.copy()
    share[10, 90] = mask[10, 90] = 255
    found = _box_round(share, seen._replace(mask=mask))
    assert found is not None
    assert box_iou(found, (40, 30, 60, 70)) > 0.9
    assert _box_round(share, seen._replace(mask=np.zeros_like(mask))) is None
