"""Whom the engine finds, and where its masks lie."""

from __future__ import annotations

import platform

import cv2
import numpy as np
import pytest
from frames import bgr_frame, iou, make_frame
from numpy.typing import NDArray

from upperbodyseg import FrameInput, ImageType, InputError, SegmenterOptions, UpperBodySegmenter, segment
from upperbodyseg.models.interpreter import RUNTIMES, available_runtimes
from upperbodyseg.models.spec import MODELS

U8 = NDArray[np.uint8]


@pytest.mark.parametrize("model", MODELS)
def test_test_time_augmentation_makes_a_symmetric_pictures_mask_symmetric(model: str, portrait: U8) -> None:
    """The left half of the face and its mirror image: without it the mask's halves differ by more."""
    half = portrait[:, : portrait.shape[1] // 2]
    picture = np.hstack([half, half[:, ::-1]])
    asymmetry, persons = [], []
    for twice in (False, True):
        options = SegmenterOptions(model=model, test_time_augmentation=twice, refine=False)
        with UpperBodySegmenter(options) as engine:
            output = engine.process(bgr_frame(picture), blur_sigma=0)
        mask = output.mask
        assert mask.shape == picture.shape[:2]
        assert 0.2 < (mask >= 128).mean() < 0.9
        asymmetry.append(cv2.absdiff(mask, np.ascontiguousarray(mask[:, ::-1])).mean())
        persons.append(output.persons)
    assert persons[0] == persons[1]
    assert asymmetry[0] > 0.1  # of 255
    assert asymmetry[1] < 0.5 * asymmetry[0]


def test_streams_know_no_test_time_augmentation(portrait: U8) -> None:
    masks = []
    for twice in (False, True):
        with UpperBodySegmenter(SegmenterOptions(test_time_augmentation=twice)) as engine:
            masks.append([engine.process(bgr_frame(portrait, t, is_still=False)).mask for t in range(3)])
    np.testing.assert_array_equal(masks[0], masks[1])


def test_test_time_augmentation_is_on_or_off() -> None:
    with pytest.raises(InputError, match="test_time_augmentation must be True or False, got 'yes'"):
        SegmenterOptions(test_time_augmentation="yes")  # type: ignore[arg-type]


def test_a_person_is_cut_out_of_a_photograph(runtime_engine: UpperBodySegmenter, astronaut: U8) -> None:
    picture = astronaut[:400, :440]
    output = runtime_engine.process(bgr_frame(picture, timestamp=33))
    mask = output.mask
    assert output.success
    assert output.timestamp == 33
    assert mask.shape == (400, 440)
    assert mask.dtype == np.uint8
    # Hair, face, chest and arm are hers for certain; wall, flag and rocket are not.
    for x, y in ((225, 40), (220, 110), (210, 300), (100, 350)):
        assert mask[y, x] == 255, (x, y)
    for x, y in ((30, 30), (60, 150), (350, 20), (390, 150)):
        assert mask[y, x] < 32, (x, y)
    assert 0.35 < (mask >= 128).mean() < 0.65
    soft = ((mask > 0) & (mask < 255)).mean()
    assert 0 < soft < 0.15
    (person,) = output.persons
    x0, y0, x1, y1 = person.box
    assert 0 <= x0 < 80
    assert 0 <= y0 < 40
    assert 300 < x1 <= 440
    assert 380 < y1 <= 400
    assert 0.5 < person.score <= 1


def test_both_runtimes_give_the_same_mask(runtime_engine: UpperBodySegmenter, astronaut: U8) -> None:
    expected = segment(astronaut)
    got = runtime_engine.process(bgr_frame(astronaut)).mask
    # One computes in int8, the other in float32.
    assert np.abs(got.astype(int) - expected).mean() < 1


def test_the_fast_model_finds_the_same_person(portrait: U8, runtime: str) -> None:
    with UpperBodySegmenter(SegmenterOptions(model="fast", runtime=runtime)) as engine:
        mask = engine.process(bgr_frame(portrait)).mask
    assert iou(mask, segment(portrait)) > 0.9


@pytest.mark.parametrize("model", MODELS)
def test_a_score_says_the_same_in_int8_and_in_float(model: str, portrait: U8) -> None:
    if not set(RUNTIMES) <= set(available_runtimes()):
        pytest.skip("needs both runtimes: one runs the int8 files, the other the float ones")
    scores = []
    for runtime in RUNTIMES:
        with UpperBodySegmenter(SegmenterOptions(model=model, runtime=runtime)) as engine:
            (person,) = engine.process(bgr_frame(portrait)).persons
            scores.append(person.score)
    assert min(scores) > 0.55
    assert max(scores) - min(scores) < 0.05


@pytest.mark.parametrize("padding", [0, 12])
@pytest.mark.parametrize("image_type", ImageType)
def test_every_layout_gives_the_mask_of_the_picture(
    image_type: ImageType, padding: int, engine: UpperBodySegmenter, portrait: U8
) -> None:
    expected = engine.process(bgr_frame(portrait)).mask
    output = engine.process(
        FrameInput(make_frame(portrait, image_type, padding), image_type=image_type, is_still=True)
    )
    assert output.mask.shape == (331, 311)
    # 4:2:0 holds a quarter of the colours, so its mask is nearly, not quite the same. On Arm, OpenCV rounds
    # otherwise where it resizes four channels.
    on_arm = platform.machine().lower() in ("aarch64", "arm64")
    least = 0.98 if image_type.is_yuv else 0.998 if on_arm and image_type.channels == 4 else 0.9999
    assert iou(output.mask, expected) > least


def test_a_mirrored_person_has_the_mirrored_mask(portrait: U8) -> None:
    assert iou(segment(portrait[:, ::-1])[:, ::-1], segment(portrait)) > 0.95


def test_nobody_is_a_success_with_a_mask_of_zeros(runtime_engine: UpperBodySegmenter, room: U8) -> None:
    for picture in (room, np.zeros((48, 64, 3), np.uint8), np.full((300, 200, 3), 255, np.uint8)):
        output = runtime_engine.process(bgr_frame(picture))
        assert output.success
        assert output.persons == ()
        assert output.mask.shape == picture.shape[:2]
        assert not output.mask.any()


@pytest.mark.parametrize("is_still", [True, False])
def test_the_mask_lies_in_the_regions_that_were_segmented(
    is_still: bool, portrait: U8, room: U8, engine: UpperBodySegmenter
) -> None:
    frame = cv2.resize(room, (1280, 400))
    person = cv2.resize(portrait, (282, 300), interpolation=cv2.INTER_AREA)
    frame[100:, 40:322] = person
    frame[100:, 960:1242] = person[:, ::-1]
    engine.reset()
    output = engine.process(bgr_frame(frame, is_still=is_still), blur_sigma=0)
    assert len(output.regions) == 2
    outside = output.mask.copy()
    for x0, y0, x1, y1 in output.regions:
        assert 0 <= x0 < x1 <= 1280
        assert 0 <= y0 < y1 <= 400
        assert outside[y0:y1, x0:x1].any()
        outside[y0:y1, x0:x1] = 0
    assert not outside.any()
    for box in (p.box for p in output.persons):
        assert any(x0 <= box[0] and box[2] <= x1 for x0, _, x1, _ in output.regions)
    assert engine.process(bgr_frame(room)).regions == ()
    engine.reset()


def test_two_people_far_apart_are_both_in_the_mask(
    engine: UpperBodySegmenter, portrait: U8, room: U8
) -> None:
    frame = cv2.resize(room, (1280, 400))
    person = cv2.resize(portrait, (282, 300), interpolation=cv2.INTER_AREA)
    frame[100:, 40:322] = person
    frame[100:, 960:1242] = person[:, ::-1]
    output = engine.process(bgr_frame(frame))
    assert len(output.persons) >= 2
    alone = segment(person)
    assert iou(output.mask[100:, 40:322], alone) > 0.9
    assert iou(output.mask[100:, 960:1242], alone[:, ::-1]) > 0.9
    assert not output.mask[:, 540:740].any()


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (50, 1), (2, 3), (17, 333), (901, 60), (3, 9001)])
def test_odd_sizes_give_masks_of_their_size(
    size: tuple[int, int], eager: UpperBodySegmenter, astronaut: U8
) -> None:
    bgr = cv2.resize(astronaut, size[::-1])
    for image_type in ImageType:
        output = eager.process(FrameInput(make_frame(bgr, image_type), image_type=image_type, is_still=True))
        # Regions were cut, segmented and put back, though a tiny one may show nobody.
        assert output.timings_ms["segmentation"] > 0 or size == (1, 1)
        for x0, y0, x1, y1 in (p.box for p in output.persons):
            assert 0 <= x0 < x1 <= size[1]
            assert 0 <= y0 < y1 <= size[0]
        assert output.mask.shape == size
        assert (output.segmentation_mask.height, output.segmentation_mask.width) == size
