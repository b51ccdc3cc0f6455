from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from upperbodyseg import ImageType
from upperbodyseg.geometry import Region, letterbox_geometry
from upperbodyseg.postprocess.detections import MAX_PERSONS
from upperbodyseg.preprocess.letterbox import PADDING, letterbox
from upperbodyseg.preprocess.pixel_format import Frame
from upperbodyseg.preprocess.regions import MAX_REGIONS, grown, region_around, regions_from_boxes

FRAME = (720, 1280)


def covers(region: Region, box: tuple[float, float, float, float]) -> bool:
    return region.x0 <= box[0] and region.y0 <= box[1] and region.x1 >= box[2] and region.y1 >= box[3]


def test_a_region_that_cuts_somebody_off_grows() -> None:
    region = Region(200, 100, 400, 400)
    mask = np.zeros((128, 128), np.uint8)
    mask[40:90, 30:100] = 255
    assert grown(region, mask, FRAME) == region
    mask[40:90, 100:] = 255
    wider = grown(region, mask, FRAME)
    assert wider.x1 > 420  # what is marked is 153 pixels wide
    assert wider.contains((region.x0, region.y0, region.x1, region.y1))
    mask[40:90] = 127
    assert grown(region, mask, FRAME) == region


def test_a_region_does_not_grow_for_a_speck_or_past_the_frame() -> None:
    height, width = FRAME
    region = Region(width - 200, height - 300, width, height)
    mask = np.zeros((128, 128), np.uint8)
    mask[60:, 40:] = 200
    assert grown(region, mask, FRAME) == region  # the frame itself cuts here
    mask[:10, 0] = 200
    assert grown(region, mask, FRAME) == region
    mask[:14, 0] = 200
    assert grown(region, mask, FRAME).x0 < region.x0


def test_a_region_is_the_box_with_its_margin() -> None:
    assert region_around((400, 200, 600, 400), FRAME, margin=0.15) == Region(370, 170, 630, 430)


def test_a_long_box_is_widened_towards_a_square() -> None:
    region = region_around((600, 100, 700, 600), FRAME, margin=0)
    assert region.height == 500
    assert 333 <= region.width <= 336
    assert abs((region.x0 + region.x1) / 2 - 650) <= 1


def test_widening_slides_off_the_frames_edge() -> None:
    region = region_around((0, 100, 60, 600), FRAME, margin=0)
    assert region.x0 == 0
    assert 333 <= region.width <= 336


def test_an_odd_frame_is_covered_to_its_edge() -> None:
    assert region_around((0, 0, 99, 77), (77, 99)) == Region(0, 0, 99, 77)


def test_nobody_no_region() -> None:
    assert regions_from_boxes([], FRAME) == []


def test_people_far_apart_get_regions_of_their_own() -> None:
    boxes = [(50.0, 200.0, 250.0, 500.0), (900.0, 200.0, 1100.0, 500.0)]
    regions = regions_from_boxes(boxes, FRAME)
    assert len(regions) == 2
    assert all(any(covers(r, b) for r in regions) for b in boxes)


def test_neighbours_share_a_region() -> None:
    regions = regions_from_boxes([(300, 200, 500, 600), (420, 200, 640, 600)], FRAME)
    assert len(regions) == 1


def test_a_crowd_is_merged_into_a_bounded_number_of_regions_that_miss_nobody() -> None:
    boxes = [(x, y, x + 40.0, y + 50.0) for x in np.arange(10.0, 1200, 110) for y in (20.0, 300.0, 600.0)]
    regions = regions_from_boxes(boxes, FRAME)
    assert 1 <= len(regions) <= MAX_REGIONS
    assert len(boxes) >= MAX_PERSONS
    assert all(any(covers(r, b) for r in regions) for b in boxes)


sides = st.integers(1, 400)


@given(st.data(), sides, sides)
def test_regions_lie_in_the_frame_on_even_coordinates_and_cover_their_boxes(
    data: st.DataObject, height: int, width: int
) -> None:
    coordinate = st.floats(-50, 450)
    boxes = []
    for _ in range(data.draw(st.integers(0, 12))):
        x = sorted((data.draw(coordinate), data.draw(coordinate)))
        y = sorted((data.draw(coordinate), data.draw(coordinate)))
        box = np.clip([x[0], y[0], x[1], y[1]], 0, [width, height, width, height])
        if box[2] - box[0] >= 1 and box[3] - box[1] >= 1:
            boxes.append(tuple(box.tolist()))
    regions = regions_from_boxes(boxes, (height, width))
    assert len(regions) <= min(MAX_REGIONS, len(boxes))
    for r in regions:
        assert 0 <= r.x0 < r.x1 <= width
        assert 0 <= r.y0 < r.y1 <= height
        assert r.x0 % 2 == r.y0 % 2 == 0
        assert r.x1 % 2 == 0 or r.x1 == width
        assert r.y1 % 2 == 0 or r.y1 == height
    assert all(any(covers(r, b) for r in regions) for b in boxes)


@given(st.integers(1, 5000), st.integers(1, 5000))
def test_the_letterbox_is_undone_exactly(height: int, width: int) -> None:
    fit = letterbox_geometry((height, width), 192)
    assert fit.left >= 0
    assert fit.left + fit.width <= 192
    assert fit.top + fit.height <= 192
    corners = np.array([[fit.left, fit.top, fit.left + fit.width, fit.top + fit.height]], np.float32)
    np.testing.assert_allclose(fit.to_frame(corners), [[0, 0, width, height]], rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("size", [(120, 200), (200, 120), (40, 40), (1, 300), (300, 1)])
def test_the_letterbox_keeps_the_frame_and_fills_the_rest(size: tuple[int, int]) -> None:
    pixels = np.full((*size, 3), 200, np.uint8)
    square, fit = letterbox(Frame(*size, ImageType.BGR_888, (pixels,)), 192)
    inside = square[fit.top : fit.top + fit.height, fit.left : fit.left + fit.width]
    assert (inside == 200).all()
    assert (square == PADDING).sum() == square.size - inside.size
