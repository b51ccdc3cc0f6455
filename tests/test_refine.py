from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from frames import make_frame
from numpy.typing import NDArray

from upperbodyseg import FrameInput, ImageType, InputError, SegmenterOptions, UpperBodySegmenter, segment
from upperbodyseg.buffers import Buffers
from upperbodyseg.geometry import Region
from upperbodyseg.postprocess.mask import Part, compose_mask
from upperbodyseg.postprocess.refine import REACH, Guide, refine

U8 = NDArray[np.uint8]
SIDE, FRAME = 256, 768


@pytest.fixture(scope="module")
def disc() -> U8:
    """A bright disc on dark ground, with its edge where the frame has it, 768 x 768."""
    picture = np.full((FRAME, FRAME), 60, np.uint8)
    cv2.circle(picture, (390, 380), 250, 190, -1, cv2.LINE_AA)
    return picture


def refined(mask: U8, guide: Guide, size: tuple[int, int] = (FRAME, FRAME)) -> U8:
    out = np.empty(size, np.uint8)
    refine(mask, guide, out, Buffers())
    return out


def coarse(picture: U8) -> U8:
    """The disc's mask as a segmenter would have it: right, but soft and of a third of the size."""
    truth = (picture > 125).astype(np.uint8) * 255
    return cv2.GaussianBlur(cv2.resize(truth, (SIDE, SIDE), interpolation=cv2.INTER_AREA), (0, 0), 1.5)


def test_edges_move_to_the_frames_own(disc: U8) -> None:
    mask, truth = coarse(disc), (disc > 125) * 255
    got = refined(mask, Guide(cv2.resize(disc, (SIDE, SIDE), interpolation=cv2.INTER_AREA), disc))
    plain = cv2.resize(mask, (FRAME, FRAME))
    assert np.abs(got - truth).mean() < 0.8 * np.abs(plain - truth).mean()


def test_a_flat_picture_changes_nothing(disc: U8) -> None:
    mask = coarse(disc)
    flat = np.full((FRAME, FRAME), 90, np.uint8)
    got = refined(mask, Guide(flat[:SIDE, :SIDE], flat))
    # A mean over 3 x 3 of half the pixels, twice: no more than that much softer.
    assert cv2.absdiff(got, cv2.resize(mask, (FRAME, FRAME))).mean() < 3


def test_where_the_mask_is_certain_texture_changes_nothing() -> None:
    luma = np.random.default_rng(0).integers(0, 256, (FRAME, FRAME)).astype(np.uint8)
    grey = cv2.resize(luma, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    for level in (0, 255):
        assert (refined(np.full((SIDE, SIDE), level, np.uint8), Guide(grey, luma)) == level).all()


@pytest.mark.parametrize(("side", "reach"), [(160, 3), (256, REACH)])
def test_the_mask_stays_0_beyond_its_reach(side: int, reach: int) -> None:
    """Whatever looks like the person there; a small picture's pixels are large in the frame."""
    luma = np.random.default_rng(0).integers(0, 256, (FRAME, FRAME)).astype(np.uint8)
    grey = cv2.resize(luma, (side, side), interpolation=cv2.INTER_AREA)
    mask = np.zeros((side, side), np.uint8)
    mask[:, : side // 2] = 255
    got = refined(mask, Guide(grey, luma))
    edge = FRAME // 2
    beyond = round(edge + (reach + 0.5) * FRAME / side)
    assert got[:, edge + 2 : beyond].any()
    assert not got[:, beyond:].any()


def test_limited_range_luma_guides_as_full_range_grey_does(disc: U8) -> None:
    mask, grey = coarse(disc), cv2.resize(disc, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    limited = np.rint(16 + disc * (219 / 255)).astype(np.uint8)
    got = refined(mask, Guide(grey, limited, 255 / 219, -16 * 255 / 219))
    assert cv2.absdiff(got, refined(mask, Guide(grey, disc))).max() <= 6


def test_composing_only_what_is_marked_loses_nothing(disc: U8) -> None:
    mask = coarse(disc)
    guide = Guide(cv2.resize(disc, (SIDE, SIDE), interpolation=cv2.INTER_AREA), disc)
    size, region = (FRAME + 60, FRAME + 80), Region(20, 40, FRAME + 20, FRAME + 40)
    sharp, blurred = np.zeros(size, np.uint8), np.zeros(size, np.uint8)
    compose_mask([Part(region, mask, guide)], 0, sharp, Buffers())
    compose_mask([Part(region, mask, guide)], 0.5, blurred, Buffers())
    np.testing.assert_array_equal(sharp[40 : FRAME + 40, 20 : FRAME + 20], refined(mask, guide))
    np.testing.assert_array_equal(
        blurred, cv2.GaussianBlur(sharp, (3, 3), 0.5, borderType=cv2.BORDER_REPLICATE)
    )


@pytest.mark.parametrize("image_type", ImageType)
def test_every_layout_is_refined_alike(image_type: ImageType, portrait: U8) -> None:
    def mask(refine: bool) -> U8:
        with UpperBodySegmenter(SegmenterOptions(refine=refine)) as engine:
            frame = FrameInput(make_frame(portrait, image_type), image_type=image_type, is_still=True)
            return engine.process(frame).mask

    change = cv2.absdiff(mask(True), mask(False)).mean()
    assert 0 < change < 3
    assert cv2.absdiff(mask(True), segment(portrait)).mean() < (2 if image_type.is_yuv else 0.01)


@pytest.mark.parametrize(
    ("model", "is_still", "expected"),
    [("accurate", True, True), ("accurate", False, True), ("fast", True, True), ("fast", False, False)],
)
def test_by_default_all_but_fast_streams_are_refined(
    model: str, is_still: bool, expected: bool, portrait: U8
) -> None:
    def mask(**options: Any) -> U8:
        with UpperBodySegmenter(SegmenterOptions(model=model, **options)) as engine:
            frame = FrameInput(make_frame(portrait, ImageType.BGR_888), 0, ImageType.BGR_888, is_still)
            return engine.process(frame).mask

    np.testing.assert_array_equal(mask(), mask(refine=expected))
    assert (mask() != mask(refine=not expected)).any()


def test_other_values_are_refused() -> None:
    with pytest.raises(InputError, match="refine must be"):
        SegmenterOptions(refine="guided")  # type: ignore[arg-type]


@pytest.mark.parametrize("is_still", [True, False])
def test_each_of_several_people_is_refined_by_their_own_part_of_the_frame(
    is_still: bool, portrait: U8
) -> None:
    person = cv2.resize(portrait, (282, 300), interpolation=cv2.INTER_AREA)
    frame = np.full((400, 1280, 3), (190, 200, 205), np.uint8)
    frame[100:, 40:322] = person
    frame[100:, 960:1242] = person[:, ::-1]
    one, other = frame.copy(), frame.copy()
    one[:, 640:] = other[:, :640] = (190, 200, 205)

    def mask(bgr: U8) -> U8:
        with UpperBodySegmenter() as engine:
            view = make_frame(bgr, ImageType.BGR_888)
            return engine.process(FrameInput(view, 0, ImageType.BGR_888, is_still)).mask

    both = mask(frame)
    # Seen alone they have regions other by a few pixels, since the detector sees another frame. Refined by
    # the other one they would differ by 3.1.
    assert cv2.absdiff(both[:, :640], mask(one)[:, :640]).mean() < 2.4
    assert cv2.absdiff(both[:, 640:], mask(other)[:, 640:]).mean() < 2.4
