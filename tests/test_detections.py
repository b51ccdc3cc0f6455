from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from upperbodyseg import DetectedPerson
from upperbodyseg.geometry import letterbox_geometry
from upperbodyseg.postprocess.detections import (
    MAX_PERSONS,
    decode_detections,
    distinct_persons,
    non_maximum_suppression,
    support,
    without_duplicates,
)

FRAME = (360, 640)
UNIT = 16.0
FIT = letterbox_geometry(FRAME, 192)  # 192 x 108, 42 rows down


def output(*cells: tuple[int, int, float, float, float, float, float], person: float = 1.0) -> np.ndarray:
    """Cells given with their distances in pixels; a logarithm of 0 stands for 16. The coarse mask shows a
    person everywhere, unless said otherwise."""
    grid = np.zeros((24, 24, 6), np.float32)
    grid[..., 1] = person
    for row, column, score, *distances in cells:
        grid[row, column, 0] = score
        grid[row, column, 2:] = np.log(np.array(distances) / UNIT)
    return grid


def decode(grid: np.ndarray) -> tuple[DetectedPerson, ...]:
    return without_duplicates(decode_detections(grid, 8, UNIT, FIT, FRAME))


def test_cells_that_see_nothing_are_nobody() -> None:
    assert decode(output()) == ()
    assert decode(output((3, 3, 0.05, 5, 5, 5, 5))) == ()


def test_a_cell_becomes_a_box_in_frame_pixels() -> None:
    # The cell's centre is (100, 92) in the square, (333.3, 166.7) in the frame.
    (person,) = decode(output((11, 12, 0.9, 30, 20, 40, 30)))
    np.testing.assert_allclose(person.box, [233.33, 100, 466.67, 266.67], atol=0.1)


def test_a_score_is_worth_less_where_the_mask_shows_nobody() -> None:
    cell = (11, 12, 0.8, 30, 20, 40, 30)
    scores = [decode(output(cell, person=p))[0].score for p in (1.0, 0.5, 0.0)]
    np.testing.assert_allclose(scores, [0.86, 0.71, 0.56], atol=1e-6)


def test_support_is_what_a_fifth_of_the_box_exceeds() -> None:
    mask = np.zeros((24, 24), np.float32)
    mask[10:20, 4:7] = 0.9  # three of ten columns
    boxes = [[2, 10, 12, 20], [5.6, 10, 15.6, 20]]  # the second holds one of ten
    assert support(mask, np.array(boxes)) == [np.float32(0.9), 0]
    # Boxes past the mask are cut to it; one thinner than a cell asks the cell that it is in.
    boxes = [[-9, 10, 10, 40], [5.1, 12.1, 5.2, 12.2], [30, 30, 40, 40]]
    assert support(mask, np.array(boxes)) == [np.float32(0.9), np.float32(0.9), 0]
    assert support(mask, np.zeros((0, 4), np.float32)) == []


def test_boxes_are_cut_to_the_frame_and_those_outside_dropped() -> None:
    found = decode(output((11, 12, 0.9, 300, 300, 300, 300), (0, 0, 0.8, 3, 3, 3, 3)))
    assert [p.box for p in found] == [(0.0, 0.0, 640.0, 360.0)]


def test_of_boxes_on_one_person_the_best_is_kept_first() -> None:
    found = decode(
        output((11, 12, 0.6, 30, 20, 40, 30), (11, 13, 0.9, 38, 20, 32, 30), (11, 3, 0.7, 10, 10, 10, 10))
    )
    assert [round(p.score, 2) for p in found] == [0.93, 0.79]


def test_a_certain_person_has_one_box_and_an_uncertain_one_all_of_them() -> None:
    inside = (11, 12, 0.2, 12, 8, 12, 8)
    assert len(decode(output((11, 13, 0.6, 38, 20, 32, 30), inside))) == 1
    assert len(decode(output((11, 13, 0.25, 38, 20, 32, 30), inside))) == 2


def test_suppression_keeps_boxes_that_overlap_little() -> None:
    boxes = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [1, 0, 11, 10]], np.float32)
    scores = np.array([0.5, 0.9, 0.4], np.float32)
    assert non_maximum_suppression(boxes, scores, 0.5, 9) == [1, 0]
    assert non_maximum_suppression(boxes, scores, 0.5, 1) == [1]


def pairwise_suppression(boxes: NDArray[np.float32], scores: NDArray[np.float32], iou: float) -> list[int]:
    """Non-maximum suppression by its definition, one box after the other."""
    kept: list[int] = []
    for i in np.argsort(-scores, kind="stable").tolist():
        both = np.minimum(boxes[kept, 2:], boxes[i, 2:]) - np.maximum(boxes[kept, :2], boxes[i, :2])
        intersections = both.clip(0).prod(1)
        areas = (boxes[[*kept, i], 2:] - boxes[[*kept, i], :2]).prod(1)
        if (intersections <= iou * (areas[:-1] + areas[-1] - intersections)).all():
            kept.append(i)
    return kept


@pytest.mark.parametrize("seed", range(100))
def test_suppression_is_the_definitions(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count = int(rng.integers(0, 120))
    centres = 200 + rng.random((count, 2)) * (60 if seed % 2 else 400)
    sides = 20 + rng.random((count, 2)) * 150
    scores = rng.random(count)
    if seed % 3 == 0:  # ties, zeros and boxes on a grid
        scores = np.round(scores * 10) / 10
        centres, sides = np.round(centres / 8) * 8, np.round(sides / 16) * 16
    boxes = np.concatenate([centres - sides / 2, centres + sides / 2], 1).astype(np.float32)
    found = non_maximum_suppression(boxes, scores.astype(np.float32), 0.6, 1000)
    assert found == pairwise_suppression(boxes, scores.astype(np.float32), 0.6)


def test_no_more_than_so_many_people_are_reported() -> None:
    grid = output(*((r, c, 0.6, 3.0, 3.0, 3.0, 3.0) for r in range(6, 18) for c in range(24)))
    assert len(decode(grid)) == MAX_PERSONS


def test_boxes_inside_each_other_are_one_person() -> None:
    whole = DetectedPerson((10.0, 10.0, 110.0, 210.0), 0.8)
    head = DetectedPerson((30.0, 5.0, 90.0, 80.0), 0.5)
    neighbour = DetectedPerson((90.0, 10.0, 200.0, 210.0), 0.3)
    assert distinct_persons([neighbour, head, whole]) == (whole, neighbour)
    assert distinct_persons([head, DetectedPerson(whole.box, 0.4)]) == (head,)
    assert distinct_persons([]) == ()
