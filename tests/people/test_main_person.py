"""``people="main"``: the main person, who stays, and in streams the hysteresis."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from upperbodyseg import (
    DetectedPerson,
    FrameInput,
    InputError,
    SegmenterOptions,
    UpperBodySegmenter,
    segment,
)
from upperbodyseg.geometry import Box, Region
from upperbodyseg.models.spec import MODELS, WEIGHTS
from upperbodyseg.people.closeup import Told
from upperbodyseg.people.crowd import Crowd
from upperbodyseg.people.found import Found
from upperbodyseg.people.main_person import MainPerson, prominence
from upperbodyseg.people.nearness import Figure, head_width, is_as_near
from upperbodyseg.people.ownership import are_close
from upperbodyseg.people.separator import Look, PersonSeparator, box_in
from upperbodyseg.segmenter import SegmentedRegion

U8 = NDArray[np.uint8]


@pytest.fixture(scope="module")
def near_and_far(portrait: U8, webcam: U8) -> tuple[U8, U8]:
    """A near person at the left with a far one at the right, and the near one alone; BGR 400 x 800."""
    alone = np.full((400, 800, 3), (150, 140, 130), np.uint8)
    alone[:, 40:416] = cv2.resize(portrait, (376, 400), interpolation=cv2.INTER_LINEAR)
    both = alone.copy()
    both[120:252, 620:744] = cv2.resize(portrait[:, ::-1], (124, 132), interpolation=cv2.INTER_AREA)
    return both, alone


def iou(a: U8, b: U8) -> float:
    one, other = a >= 128, b >= 128
    return float((one & other).sum() / (one | other).sum())


@pytest.mark.parametrize("model", MODELS)
def test_the_far_person_goes_and_the_near_one_stays_whole(model: str, near_and_far: tuple[U8, U8]) -> None:
    both, alone = near_and_far
    if model == MODELS[0]:  # the other one does not see the far person, who is there all the same
        assert (segment(both, model=model)[:, 560:] >= 128).any()
    mask = segment(both, model=model, people="main")
    assert not mask[:, 560:].any()
    assert iou(mask, segment(alone, model=model)) > 0.98


def test_the_option_the_frame_and_the_function_say_the_same(near_and_far: tuple[U8, U8]) -> None:
    both, _ = near_and_far
    expected = segment(both, people="main")
    with UpperBodySegmenter(SegmenterOptions(people="main")) as engine:
        output = engine.process(FrameInput.from_image(both))
        np.testing.assert_array_equal(output.mask, expected)
        assert len(output.persons) == 1
        np.testing.assert_array_equal(output.persons[0].mask, output.mask)
        assert output.everyone == output.persons
        everybody = engine.process(FrameInput.from_image(both, people="all"))
        np.testing.assert_array_equal(everybody.mask, segment(both))
        assert len(everybody.persons) == 2


def test_a_couple_stays_together(portrait: U8) -> None:
    one = portrait[:, 20:290]
    couple = np.ascontiguousarray(np.hstack([one, one[:, ::-1]]))
    assert iou(segment(couple, people="main"), segment(couple)) > 0.98


def test_one_person_stays_whole(astronaut: U8, portrait: U8, webcam: U8) -> None:
    for picture in (astronaut, portrait, webcam):
        assert iou(segment(picture, people="main"), segment(picture)) > 0.98


def test_nobody_is_nobody() -> None:
    wall = np.full((120, 160, 3), 140, np.uint8)
    with UpperBodySegmenter(SegmenterOptions(people="main")) as engine:
        for is_still in (True, False):
            output = engine.process(FrameInput.from_image(wall, is_still=is_still))
            assert not output.mask.any()
            assert output.persons == ()


def test_streams_keep_the_main_person(near_and_far: tuple[U8, U8]) -> None:
    both, alone = near_and_far
    with (
        UpperBodySegmenter(SegmenterOptions(people="main")) as engine,
        UpperBodySegmenter() as every,
    ):
        for _ in range(12):
            output = engine.process(FrameInput.from_image(both, is_still=False))
            expected = every.process(FrameInput.from_image(alone, is_still=False)).mask
            assert [p.id for p in output.persons] == [output.persons[0].id]
            assert not output.mask[:, 560:].any()
            assert iou(output.mask, expected) > 0.97


def test_a_far_person_behind_whom_the_detector_is_not_sure_of_goes_too(
    engine: UpperBodySegmenter, separator: PersonSeparator, portrait: U8
) -> None:
    alpha = engine.process(FrameInput.from_image(portrait)).mask
    cutout = np.dstack([portrait, alpha])
    frame = np.full((400, 640, 3), (150, 140, 130), np.uint8)
    for height, x, y in ((132, 350, 120), (400, 40, 0)):  # the far one first
        size = (round(portrait.shape[1] * height / portrait.shape[0]), height)
        person = cv2.resize(cutout, size, interpolation=cv2.INTER_AREA)
        under = frame[y : y + height, x : x + size[0]]
        share = person[..., 3:] / 255
        under[:] = (share * person[..., :3] + (1 - share) * under).astype(np.uint8)
    crowd = engine.process(FrameInput.from_image(frame))._crowd
    assert isinstance(crowd, Crowd)
    seen = crowd._found
    (view,) = seen.views
    main = max(seen.persons, key=lambda p: p.box[2] - p.box[0])
    unsure = Found((main,), seen.views, seen.overlapping)
    beyond = np.arange(view.mask.shape[1]) * view.region.width / view.mask.shape[1] + view.region.x0 > 420
    assert (view.mask[:, beyond] >= 128).any()
    chooser = MainPerson(separator)
    for number, checked in ((1, True), (2, False), (3, False)):  # and not only where the detector looks
        (mask,) = chooser.alone(unsure, (400, 640), number, checked).masks
        assert mask is not None
        assert not (mask[:, beyond] >= 128).any()
        assert (mask[:, ~beyond] >= 128).sum() > 0.9 * (view.mask[:, ~beyond] >= 128).sum()


@pytest.mark.parametrize("value", ["both", "", None, 1])
def test_other_values_are_refused(value: object, webcam: U8) -> None:
    with pytest.raises(InputError, match="people must be one of all, main"):
        SegmenterOptions(people=value)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="people must be one of all, main"):
        segment(webcam, people=value)  # type: ignore[arg-type]
    if value is not None:
        with pytest.raises(InputError, match="people must be one of all, main"):
            FrameInput.from_image(webcam, people=value)  # type: ignore[arg-type]


def found(*people: tuple[int, tuple[float, float, float, float]]) -> Found:
    """People by ids and boxes in a frame of 100 x 200 that shows stripes, all of it marked."""
    bgr = np.zeros((128, 128, 3), np.uint8)
    bgr[:, ::4] = 200
    view = SegmentedRegion(Region(0, 0, 200, 100), bgr, np.full((128, 128), 255, np.uint8))
    return Found(tuple(DetectedPerson(box, 0.9, number) for number, box in people), (view,), ())


@pytest.fixture(scope="module")
def separator() -> PersonSeparator:
    return PersonSeparator.load(WEIGHTS / MODELS[0])


def main_of(main: MainPerson, seen: Found, frame: int) -> int:
    """Who is the main person; the others are far from them."""
    (person,) = main.alone(seen, (100, 200), frame).persons
    return person.id


LEFT, RIGHT = (0.0, 20.0, 60.0, 70.0), (140.0, 0.0, 199.0, 50.0)


def test_the_main_person_does_not_jump(separator: PersonSeparator) -> None:
    main = MainPerson(separator)
    larger = (130.0, 0.0, 199.0, 58.0)
    assert main_of(main, found((0, LEFT), (1, (150.0, 0.0, 190.0, 40.0))), 1) == 0
    for frame in range(2, 40):  # a little larger is not enough, however long
        assert main_of(main, found((0, LEFT), (1, larger)), frame) == 0
    huge = (70.0, 0.0, 199.0, 60.0)
    seen = found((0, (0.0, 30.0, 50.0, 95.0)), (1, huge))
    chosen = [main_of(main, seen, frame) for frame in range(40, 48)]
    assert chosen[:3] == [0, 0, 0]
    assert chosen[-1] == 1


def test_another_becomes_the_main_person_once_they_are_gone(separator: PersonSeparator) -> None:
    main = MainPerson(separator)
    assert main_of(main, found((0, LEFT), (1, (150.0, 0.0, 190.0, 40.0))), 1) == 0
    assert main_of(main, found((1, RIGHT)), 2) == 1
    main.forget()
    assert main_of(main, found((0, LEFT), (1, (150.0, 0.0, 190.0, 40.0))), 3) == 0


class Sharing(PersonSeparator):
    """Gives the main person all of their box, and a little of everything else."""

    def __init__(self, elsewhere: int, fit: float = 0.9) -> None:
        self.elsewhere = elsewhere
        self.fit = fit
        self.looks = 0

    def look(self, seen: SegmentedRegion, box: Box, others: Told, closely: bool = False) -> Look:
        self.looks += 1
        share = np.full(seen.mask.shape, self.elsewhere, np.uint8)
        x0, y0, x1, y1 = (round(v) for v in box_in(seen, box))
        share[y0:y1, x0:x1] = 255
        return Look(share, self.fit)


@pytest.mark.parametrize(
    ("piece", "elsewhere", "fit", "goes", "asked"),
    [
        (np.s_[10:50, 96:112], 15, 0.9, True, False),  # far away, by the size
        (np.s_[10:50, 96:112], 60, 0.9, True, True),  # unsure, but its box fits somebody
        (np.s_[10:50, 96:112], 60, 0.3, False, True),  # what the main person may hold
        (np.s_[80:120, 96:112], 60, 0.9, False, False),  # low, as a knee is
        (np.s_[0:128, 62:112], 60, 0.9, False, False),
        (np.s_[0:128, 62:112], 0, 0.9, False, False),  # as near: somebody beside them
        (np.s_[10:50, 96:112], 140, 0.9, False, False),  # theirs
    ],
)
def test_a_piece_that_is_far_and_hardly_theirs_goes(
    piece: tuple[slice, slice], elsewhere: int, fit: float, goes: bool, asked: bool
) -> None:
    box = (0.0, 0.0, 90.0, 100.0)
    seen = found((0, box))
    (view,) = seen.views
    mask = np.zeros_like(view.mask)
    mask[:, :58] = 255
    mask[piece] = 255
    separator = Sharing(elsewhere, fit)
    alone = MainPerson(separator).alone(seen._replace(views=(view._replace(mask=mask),)), (100, 200))
    (left,) = alone.masks
    assert left is not None
    rows, columns = piece
    inside = np.s_[rows.start + 2 : rows.stop - 2, columns.start + 2 : columns.stop - 2]  # edges are soft
    assert (left[inside] < 128).all() == goes
    assert (separator.looks > 1) == asked
    np.testing.assert_array_equal(left[:, :58], mask[:, :58])


def test_between_checks_a_look_serves_two_frames_of_the_same_regions() -> None:
    box = (0.0, 0.0, 90.0, 100.0)
    seen = found((0, box))
    (view,) = seen.views
    mask = np.zeros_like(view.mask)
    mask[:, :58] = mask[10:50, 96:112] = 255  # beside them somebody far
    still = seen._replace(views=(view._replace(mask=mask),))
    moved = seen._replace(views=(view._replace(mask=mask, region=Region(0, 0, 198, 100)),))
    separator = Sharing(0)
    main = MainPerson(separator)
    looks = []
    for frame, shown in enumerate([still, still, still, still, moved, still]):
        main.alone(shown, (100, 200), frame, checked=frame == 0)
        looks.append(separator.looks)
    assert looks == [1, 1, 2, 2, 3, 4]


def test_a_stranger_is_remembered_between_checks() -> None:
    box = (0.0, 0.0, 90.0, 100.0)
    seen = found((0, box))
    (view,) = seen.views
    mask = np.zeros_like(view.mask)
    mask[:, :58] = mask[10:50, 96:112] = 255
    main = MainPerson(Sharing(60))
    for frame in range(4):
        region = Region(0, 0, 200 - frame, 100)
        moved = seen._replace(views=(view._replace(mask=mask, region=region),))
        (left,) = main.alone(moved, (100, 200), frame, checked=frame == 0).masks
        assert left is not None
        assert (left[12:48, 98:110] < 128).all()
        np.testing.assert_array_equal(left[:, :58], mask[:, :58])


def test_prominence_knows_size_place_and_sharpness() -> None:
    middle, side = (80.0, 0.0, 120.0, 100.0), (0.0, 0.0, 40.0, 100.0)
    assert prominence(middle, (100, 200)) > prominence(side, (100, 200))
    assert prominence(middle, (100, 200)) > prominence((90.0, 0.0, 110.0, 100.0), (100, 200))
    assert prominence(middle, (100, 200)) > prominence(middle, (100, 200), sharp=0.1)
    tall, wide = (90.0, 0.0, 110.0, 100.0), (50.0, 40.0, 150.0, 60.0)
    assert prominence(tall, (100, 200)) > prominence(wide, (100, 200))


def test_who_touches_is_close_and_who_stands_apart_is_not() -> None:
    main = (100.0, 50.0, 200.0, 250.0)
    assert are_close(main, (195.0, 60.0, 290.0, 250.0))
    assert are_close(main, (150.0, 150.0, 170.0, 200.0))
    assert are_close(main, (210.0, 60.0, 290.0, 250.0))
    assert not are_close(main, (240.0, 60.0, 330.0, 250.0))
    assert not are_close(main, (100.0, 290.0, 200.0, 390.0))


def standing(x: float, bottom: float, height: float) -> Figure:
    """Somebody whose head is a quarter of their height wide."""
    box = (x, bottom - height, x + 0.5 * height, bottom)
    return Figure(box, box[1], bottom, 0.25 * height, 0.3 * height**2)


def test_a_partner_and_a_child_before_one_are_as_near_and_a_passer_by_is_not() -> None:
    main = standing(200, 480, 400)
    assert is_as_near(main, standing(360, 480, 380))
    assert is_as_near(main, standing(240, 480, 220))  # on the lap
    assert not is_as_near(main, standing(380, 340, 130))
    assert not is_as_near(main, Figure((380, 100, 480, 480), 0, 0, 0, 0))  # nothing of them shows


def test_a_heads_width_is_that_of_the_upper_rows() -> None:
    person = np.zeros((100, 100), bool)
    cv2.circle(head := person.view(np.uint8), (50, 30), 10, 1, -1)
    head[45:, 20:80] = 1
    assert 10 <= head_width(person) <= 22
    assert head_width(np.zeros((10, 10), bool)) == 0.0
