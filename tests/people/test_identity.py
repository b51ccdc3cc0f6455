"""Who is who in a stream."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from upperbodyseg import DetectedPerson, FrameInput, UpperBodySegmenter
from upperbodyseg.geometry import Region
from upperbodyseg.people.identity import Identities
from upperbodyseg.segmenter import SegmentedRegion

U8 = NDArray[np.uint8]
Box = tuple[float, float, float, float]
RED, BLUE, GREEN = (40, 40, 200), (200, 60, 40), (60, 180, 60)


def view(*people: tuple[Box, tuple[int, int, int]]) -> tuple[SegmentedRegion, ...]:
    """A frame of 100 x 200 with people in one colour each, the nearest last."""
    bgr = np.full((128, 128, 3), 128, np.uint8)
    mask = np.zeros((128, 128), np.uint8)
    for (x0, y0, x1, y1), colour in people:
        place = np.s_[int(y0 * 1.28) : int(y1 * 1.28), int(x0 * 0.64) : int(x1 * 0.64)]
        bgr[place], mask[place] = colour, 255
    return (SegmentedRegion(Region(0, 0, 200, 100), bgr, mask),)


def at(x: float) -> Box:
    return (x, 20.0, x + 40, 100.0)


def assign(known: Identities, frame: int, *people: tuple[Box, tuple[int, int, int]]) -> list[int]:
    persons = [DetectedPerson(box, 0.9) for box, _ in people]
    return [p.id for p in known.assign(persons, view(*people), frame)]


def test_people_keep_their_ids_while_they_move() -> None:
    known = Identities()
    for step in range(10):
        people = (at(10 + 5 * step), RED), (at(140 - 2 * step), BLUE)
        assert assign(known, 5 * step, *people) == [0, 1]


def test_who_was_hidden_gets_the_id_back() -> None:
    known = Identities()
    assert assign(known, 0, (at(10), RED), (at(120), BLUE)) == [0, 1]
    assert assign(known, 5, (at(50), RED), (at(90), BLUE)) == [0, 1]
    assert assign(known, 10, (at(72), BLUE)) == [1]  # before the other one
    assert assign(known, 15, (at(30), BLUE), (at(110), RED)) == [1, 0]


def test_who_comes_in_gets_a_number_of_their_own() -> None:
    known = Identities()
    assert assign(known, 0, (at(10), RED)) == [0]
    assert assign(known, 5, (at(10), RED), (at(120), GREEN)) == [0, 1]
    assert assign(known, 10, (at(120), GREEN)) == [1]
    assert assign(known, 500, (at(120), BLUE)) == [2]
    known.forget()
    assert assign(known, 505, (at(120), BLUE)) == [0]


def test_after_a_cut_colours_alone_count() -> None:
    known = Identities()
    assert assign(known, 0, (at(10), RED), (at(120), BLUE)) == [0, 1]
    known.lose_places()
    assert assign(known, 5, (at(10), BLUE), (at(120), RED)) == [1, 0]


def test_a_streams_person_keeps_the_id_and_reset_counts_anew(engine: UpperBodySegmenter, webcam: U8) -> None:
    engine.reset()
    for step in range(14):
        frame = np.roll(webcam, 3 * step, axis=1)
        output = engine.process(FrameInput.from_image(frame, is_still=False))
        assert [p.id for p in output.persons] == [0]
    engine.reset()
    output = engine.process(FrameInput.from_image(webcam, is_still=False))
    assert [p.id for p in output.persons] == [0]
    engine.reset()
