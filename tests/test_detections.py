from __future__ import annotations

import numpy as np

from upperbodyseg import DetectedPerson
from upperbodyseg.geometry import letterbox_geometry
from upperbodyseg.postprocess.detections import (
    MAX_PERSONS,
    decode_detections,
    distinct_persons,
    non_maximum_suppression,
)

FRAME = (360, 640)
UNIT = 16.0
FIT = letterbox_geometry(FRAME, 192)  # 192 x 108, 42 rows down


def output(*cells: tuple[int, int, float, float, float, float, float]) -> np.ndarray:
    """Cells given with their distances in pixels; a logarithm of 0 stands for 16."""
    grid = np.zeros((24, 24, 5), np.float32)
    for row, column, score, *distances in cells:
        grid[row, column] = score, *np.log(np.array(distances) / UNIT)
    return grid


def test_no_cell_above_the_threshold_is_nobody() -> None:
    assert decode_detections(output((3, 3, 0.2, 5, 5, 5, 5)), 8, UNIT, FIT, FRAME, 0.3, 0.3) == ()


def test_a_cell_becomes_a_box_in_frame_pixels() -> None:
    # The cell's centre is (100, 92) in the square, (333.3, 166.7) in the frame.
    (person,) = decode_detections(output((11, 12, 0.9, 30, 20, 40, 30)), 8, UNIT, FIT, FRAME, 0.3, 0.3)
    np.testing.assert_allclose(person.box, [233.33, 100, 466.67, 266.67], atol=0.1)
    assert person.score == np.float32(0.9)


def test_boxes_are_cut_to_the_frame_and_those_outside_dropped() -> None:
    found = decode_detections(
        output((11, 12, 0.9, 300, 300, 300, 300), (0, 0, 0.8, 3, 3, 3, 3)), 8, UNIT, FIT, FRAME, 0.3, 0.3
    )
    assert [p.box for p in found] == [(0.0, 0.0, 640.0, 360.0)]


def test_of_boxes_on_one_person_the_best_is_kept_first() -> None:
    found = decode_detections(
        output((11, 12, 0.6, 30, 20, 40, 30), (11, 13, 0.9, 38, 20, 32, 30), (11, 3, 0.7, 10, 10, 10, 10)),
        8,
        UNIT,
        FIT,
        FRAME,
        0.3,
        0.3,
    )
    assert [round(p.score, 2) for p in found] == [0.9, 0.7]


def test_suppression_keeps_boxes_that_overlap_little() -> None:
    boxes = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [1, 0, 11, 10]], np.float32)
    scores = np.array([0.5, 0.9, 0.4], np.float32)
    assert non_maximum_suppression(boxes, scores, 0.5, 9) == [1, 0]
    assert non_maximum_suppression(boxes, scores, 0.5, 1) == [1]


def test_a_certain_person_lowers_the_bar_for_the_others() -> None:
    weak, strong = (11, 3, 0.3, 10, 10, 10, 10), (11, 12, 0.5, 30, 20, 40, 30)
    assert decode_detections(output(weak), 8, UNIT, FIT, FRAME, 0.4, 0.25) == ()
    found = decode_detections(output(weak, strong), 8, UNIT, FIT, FRAME, 0.4, 0.25)
    assert [round(p.score, 2) for p in found] == [0.5, 0.3]
    assert len(decode_detections(output(weak, strong), 8, UNIT, FIT, FRAME, 0.4, 0.35)) == 1


def test_no_more_than_so_many_people_are_reported() -> None:
    grid = output(*((r, c, 0.6, 3.0, 3.0, 3.0, 3.0) for r in range(6, 18) for c in range(24)))
    assert len(decode_detections(grid, 8, UNIT, FIT, FRAME, 0.3, 0.3)) == MAX_PERSONS


def test_boxes_inside_each_other_are_one_person() -> None:
    whole = DetectedPerson((10.0, 10.0, 110.0, 210.0), 0.8)
    head = DetectedPerson((30.0, 5.0, 90.0, 80.0), 0.5)
    neighbour = DetectedPerson((90.0, 10.0, 200.0, 210.0), 0.3)
    assert distinct_persons([neighbour, head, whole]) == (whole, neighbour)
    assert distinct_persons([head, DetectedPerson(whole.box, 0.4)]) == (head,)
    assert distinct_persons([]) == ()
