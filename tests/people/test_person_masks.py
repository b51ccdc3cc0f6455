"""Each person's mask: made when it is asked for, and together the frame's."""

from __future__ import annotations

import copy
import gc
import pickle
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from upperbodyseg import (
    DetectedPerson,
    FrameInput,
    InputError,
    ModelNotFoundError,
    SegmenterOptions,
    UpperBodySegmenter,
)
from upperbodyseg.models.spec import MODELS, SHIPPED
from upperbodyseg.people import crowd
from upperbodyseg.people.separator import SharedSeparators
from upperbodyseg.types import SegmentationOutput

U8 = NDArray[np.uint8]


@pytest.fixture(scope="module")
def pair(portrait: U8) -> U8:
    """The same person twice, shoulder to shoulder, BGR 331 x 540."""
    one = portrait[:, 20:290]
    return np.ascontiguousarray(np.hstack([one, one[:, ::-1]]))


def process(engine: UpperBodySegmenter, bgr: U8, people: str | None = None) -> SegmentationOutput:
    return engine.process(FrameInput.from_image(bgr, people=people))


def whose(output: SegmentationOutput, x: int, y: int) -> list[int]:
    """Numbers of the persons whose mask is person there."""
    return [i for i, p in enumerate(output.persons) if p.mask[y, x] >= 128]


@pytest.mark.parametrize("model", MODELS)
def test_people_side_by_side_have_their_own_pixels(model: str, pair: U8) -> None:
    with UpperBodySegmenter(SegmenterOptions(model=model)) as engine:
        output = process(engine, pair)
    assert len(output.persons) == 2
    left, right = sorted(output.persons, key=lambda p: p.box[0])
    middle = pair.shape[1] // 2
    for person, own in ((left, np.s_[:, : middle - 15]), (right, np.s_[:, middle + 15 :])):
        assert person.mask.shape == pair.shape[:2]
        assert person.mask.dtype == np.uint8
        area = int((output.mask[own] >= 128).sum())
        assert (person.mask[own] >= 128).sum() > 0.97 * area


def test_all_persons_masks_add_up_to_the_frames(engine: UpperBodySegmenter, pair: U8) -> None:
    output = process(engine, pair)
    np.testing.assert_array_equal(sum(p.mask.astype(int) for p in output.persons), output.mask)
    np.testing.assert_array_equal(sum(p.mask.astype(int) for p in output.everyone), output.mask)


def test_people_far_apart_need_no_separator(
    engine: UpperBodySegmenter, portrait: U8, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = np.full((331, 1300, 3), 140, np.uint8)
    frame[:, 40:351] = portrait
    frame[:, 940:1251] = portrait
    output = process(engine, frame)
    monkeypatch.setattr(crowd, "shared_separators", None)
    assert len(output.persons) == 2
    left, right = sorted(output.persons, key=lambda p: p.box[0])
    assert not left.mask[:, 650:].any()
    assert not right.mask[:, :650].any()
    np.testing.assert_array_equal(left.mask + right.mask, output.mask)


def test_the_only_persons_mask_is_the_frames_and_the_callers_own(
    engine: UpperBodySegmenter, webcam: U8
) -> None:
    output = process(engine, webcam)
    (person,) = output.persons
    np.testing.assert_array_equal(person.mask, output.mask)
    person.mask.fill(7)
    assert output.mask.max() == 255
    assert output.everyone == output.persons


def test_nothing_is_loaded_before_a_mask_is_asked_for(pair: U8, monkeypatch: pytest.MonkeyPatch) -> None:
    shared = SharedSeparators()
    monkeypatch.setattr(crowd, "shared_separators", shared)
    with UpperBodySegmenter() as engine:
        output = process(engine, pair)
    assert not shared._separators
    assert output.persons[0].mask.any()  # the engine is closed, and its frame gone
    assert len(shared._separators) == 1


def test_the_frames_memory_may_be_used_again(engine: UpperBodySegmenter, pair: U8) -> None:
    expected = [p.mask for p in process(engine, pair).persons]
    frame = pair.copy()
    output = process(engine, frame)
    frame.fill(0)
    for person, mask in zip(output.persons, expected, strict=True):
        np.testing.assert_array_equal(person.mask, mask)


@pytest.mark.parametrize("is_still", [True, False])
def test_later_frames_leave_the_masks_of_earlier_ones(pair: U8, is_still: bool) -> None:
    with UpperBodySegmenter() as engine:
        first = FrameInput.from_array(pair, is_still=is_still)
        expected = [p.mask for p in engine.process(first).everyone]
    with UpperBodySegmenter() as engine:
        output = engine.process(first)
        for shift in range(1, 4):
            moved = np.roll(pair, 13 * shift, axis=1)
            engine.process(FrameInput.from_array(moved, timestamp=33 * shift, is_still=is_still))
        for person, mask in zip(output.everyone, expected, strict=True):
            np.testing.assert_array_equal(person.mask, mask)


def test_several_threads_may_ask_at_once(engine: UpperBodySegmenter, pair: U8) -> None:
    expected = [p.mask for p in process(engine, pair).persons]
    output = process(engine, pair)
    start = threading.Barrier(4)

    def ask(number: int) -> U8:
        start.wait()
        return output.persons[number % 2].mask

    with ThreadPoolExecutor(4) as threads:
        for number, mask in enumerate(threads.map(ask, range(4))):
            np.testing.assert_array_equal(mask, expected[number % 2])


@pytest.mark.parametrize("asked", [False, True])
def test_outputs_can_be_pickled_and_copied_before_and_after(
    engine: UpperBodySegmenter, pair: U8, asked: bool
) -> None:
    output = process(engine, pair)
    if asked:
        assert output.everyone
        assert output.persons[0].mask.any()
    for other in (pickle.loads(pickle.dumps(output)), copy.deepcopy(output)):
        assert other.persons == output.persons
        for one, same in zip(other.persons, output.persons, strict=True):
            np.testing.assert_array_equal(one.mask, same.mask)


def test_an_output_is_freed_at_once(engine: UpperBodySegmenter, pair: U8) -> None:
    output = process(engine, pair)
    assert output.everyone
    assert output.persons[0].mask.any()
    kept = weakref.ref(output.persons[0]._crowd)
    gc.disable()
    try:
        del output
        assert kept() is None
    finally:
        gc.enable()


def test_out_is_what_the_masks_are_parts_of(engine: UpperBodySegmenter, pair: U8) -> None:
    memory = np.zeros(pair.shape[:2], np.uint8)
    output = engine.process(FrameInput.from_image(pair), out=memory)
    np.testing.assert_array_equal(sum(p.mask.astype(int) for p in output.persons), memory)


def test_a_person_made_by_hand_has_no_mask() -> None:
    with pytest.raises(InputError, match="has no mask"):
        _ = DetectedPerson((0, 0, 10, 10), 0.5).mask


def test_ids_of_a_still_count_from_0(engine: UpperBodySegmenter, pair: U8) -> None:
    assert [p.id for p in process(engine, pair).persons] == [0, 1]


def test_missing_weights_are_told_when_they_are_needed(
    engine: UpperBodySegmenter, pair: U8, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("upperbodyseg.people.separator.SHIPPED", ((tmp_path, SHIPPED[-1][1]),))
    monkeypatch.setattr(crowd, "shared_separators", SharedSeparators())
    output = process(engine, pair)
    with pytest.raises(ModelNotFoundError, match="no model description"):
        _ = output.persons[0].mask
    with (
        UpperBodySegmenter() as other,
        pytest.raises(ModelNotFoundError, match="no model description"),
    ):
        process(other, pair, "main")


def test_everyone_has_who_was_taken_for_a_duplicate(portrait: U8) -> None:
    # Two people of whom one is half behind the other; the fast detector has one of them.
    with UpperBodySegmenter(SegmenterOptions(model="fast")) as engine:
        alpha = process(engine, portrait).mask[..., None] / 255
        height, width = portrait.shape[:2]
        frame = np.full((height + 40, width + 140, 3), (150, 140, 130), np.uint8)
        for x, y in ((140, 0), (0, 40)):
            under = frame[y : y + height, x : x + width]
            under[:] = (alpha * portrait + (1 - alpha) * under).astype(np.uint8)
        output = process(engine, frame)
    assert len(output.persons) == 1
    assert [p.id for p in output.everyone] == [0, -1]
    assert output.everyone[:1] == output.persons
    np.testing.assert_array_equal(sum(p.mask.astype(int) for p in output.everyone), output.mask)
    in_front = [p.id for p in output.everyone if p.mask[150, 160] >= 128]
    behind = [p.id for p in output.everyone if p.mask[100, 300] >= 128]
    assert sorted(in_front + behind) == [-1, 0]
