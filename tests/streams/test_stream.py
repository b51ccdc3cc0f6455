"""Whom a stream follows, and when it looks again."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from frames import make_frame
from numpy.typing import NDArray
from scenes import HEIGHT, WIDTH, play, scene

import upperbodyseg.detector
from upperbodyseg import (
    DetectedPerson,
    FrameInput,
    ImageBuffer,
    ImageType,
    InferenceError,
    SegmentationOutput,
    UpperBodySegmenter,
)
from upperbodyseg.postprocess.acceptance import Acceptance
from upperbodyseg.preprocess.pixel_format import open_frame
from upperbodyseg.stream import CHECK_EVERY, EMPTY_CHECK_EVERY, FORGIVEN_CHECKS, Stream

U8 = NDArray[np.uint8]


def checked(output: SegmentationOutput) -> bool:
    return output.timings_ms["detection"] > 0


def shown(output: SegmentationOutput, alpha: U8) -> bool:
    a, b = output.mask >= 128, alpha >= 128
    return bool((a & b).sum() > 0.8 * (a | b).sum())


def test_the_first_frame_of_a_stream_is_the_still_ones(stream: UpperBodySegmenter, webcam: U8) -> None:
    still = play(stream, webcam, is_still=True)
    first = play(stream, webcam)
    np.testing.assert_array_equal(first.mask, still.mask)
    assert first.persons == still.persons


def test_a_person_who_stays_is_checked_on_a_schedule(stream: UpperBodySegmenter, webcam: U8) -> None:
    outputs = [play(stream, webcam) for _ in range(3 * CHECK_EVERY)]
    checks = [i for i, output in enumerate(outputs) if checked(output)]
    assert checks == [0, CHECK_EVERY, 2 * CHECK_EVERY]
    # The region settles on the mask after the first frame; from then on the picture is the same.
    for output in outputs[6:]:
        assert cv2.absdiff(output.mask, outputs[5].mask).mean() < 1
        assert len(output.persons) == 1


def test_an_empty_room_is_checked_more_often(stream: UpperBodySegmenter, room: U8) -> None:
    checks = [checked(play(stream, room)) for _ in range(2 * EMPTY_CHECK_EVERY + 1)]
    assert [i for i, done in enumerate(checks) if done] == [0, EMPTY_CHECK_EVERY, 2 * EMPTY_CHECK_EVERY]


def test_a_person_who_walks_is_followed(stream: UpperBodySegmenter, room: U8, person: U8) -> None:
    checks = 0
    for x in range(20, 320, 10):
        bgr, alpha = scene(room, person, x)
        output = play(stream, bgr)
        assert shown(output, alpha), x
        checks += checked(output)
    assert checks <= 15


def test_whoever_walks_in_is_found_within_10_frames(stream: UpperBodySegmenter, room: U8, person: U8) -> None:
    for _ in range(7):
        play(stream, room)
    bgr, alpha = scene(room, person, 300)
    waited = next(i for i in range(30) if shown(play(stream, bgr), alpha))
    assert waited < EMPTY_CHECK_EVERY


def test_a_second_person_is_found_within_10_frames(stream: UpperBodySegmenter, room: U8, person: U8) -> None:
    small = cv2.resize(person, (188, 200), interpolation=cv2.INTER_AREA)
    one, left = scene(room, small, 20, HEIGHT - 200)
    both, right = scene(one, np.ascontiguousarray(small[:, ::-1]), 430, HEIGHT - 200)
    for _ in range(7):
        assert shown(play(stream, one), left)
    waited = next(i for i in range(30) if shown(play(stream, both), cv2.max(left, right)))
    assert waited < 10


def test_nobody_is_lost_by_a_cut(stream: UpperBodySegmenter, room: U8, person: U8) -> None:
    left, left_alpha = scene(room, person, -20)
    right, right_alpha = scene(np.ascontiguousarray(255 - room[::-1]), person, 370)
    for _ in range(3):
        for bgr, alpha in ((left, left_alpha), (right, right_alpha)):
            outputs = [play(stream, bgr) for _ in range(3)]
            assert checked(outputs[0])
            assert all(shown(output, alpha) for output in outputs)


def test_somebody_who_jumps_is_found_in_the_same_frame(
    stream: UpperBodySegmenter, room: U8, person: U8
) -> None:
    # Small enough that the picture as a whole hardly changes.
    small = cv2.resize(person, (141, 150), interpolation=cv2.INTER_AREA)
    here, there = scene(room, small, 20, 210), scene(room, small, 440, 210)
    play(stream, here[0])
    play(stream, here[0])
    output = play(stream, there[0])
    assert checked(output)
    assert shown(output, there[1])


def test_whoever_leaves_is_gone_at_once(stream: UpperBodySegmenter, room: U8, person: U8) -> None:
    bgr, _ = scene(room, person, 200)
    for _ in range(4):
        play(stream, bgr)
    output = play(stream, room)
    assert not (output.mask >= 128).any()
    assert output.persons == ()


def test_a_hand_that_leaves_is_gone_within_two_frames(
    stream: UpperBodySegmenter, room: U8, person: U8
) -> None:
    less = person.copy()
    less[:, 200:, 3] = 0
    before, whole = scene(room, person, 200)
    after, rest = scene(room, less, 200)
    for _ in range(8):
        play(stream, before)
    gone = cv2.erode(cv2.subtract(whole, rest), np.ones((15, 15))) > 128
    play(stream, after)
    assert (play(stream, after).mask[gone] >= 128).mean() < 0.02


def test_a_detection_that_the_detector_takes_back_is_given_up(
    stream: UpperBodySegmenter, room: U8, person: U8, monkeypatch: pytest.MonkeyPatch
) -> None:
    bgr, alpha = scene(room, person, 200)
    assert shown(play(stream, bgr), alpha)
    monkeypatch.setattr(upperbodyseg.detector, "decode_detections", lambda *_: ())
    outputs = [play(stream, bgr) for _ in range(FORGIVEN_CHECKS * CHECK_EVERY)]
    # The segmenter still sees somebody there; a check or two without a detection are forgiven.
    assert all(shown(output, alpha) for output in outputs[:-1])
    assert not outputs[-1].mask.any()


def test_still_frames_leave_no_state(stream: UpperBodySegmenter, webcam: U8, room: U8, person: U8) -> None:
    bgr, _ = scene(room, person, 100)
    first = play(stream, webcam, is_still=True).mask
    with UpperBodySegmenter() as alone:
        for _ in range(7):
            np.testing.assert_array_equal(play(stream, bgr).mask, play(alone, bgr).mask)
            still = play(stream, webcam, is_still=True)
            assert checked(still)
            np.testing.assert_array_equal(still.mask, first)


def test_reset_and_another_size_start_a_new_stream(stream: UpperBodySegmenter, webcam: U8, room: U8) -> None:
    play(stream, webcam)
    assert not checked(play(stream, webcam))
    stream.reset()
    assert checked(play(stream, webcam))
    assert not checked(play(stream, webcam))
    assert checked(play(stream, webcam[:, 1:]))
    rgb = FrameInput(make_frame(webcam, ImageType.RGB_888), image_type=ImageType.RGB_888)
    assert checked(stream.process(rgb))


def test_a_stream_starts_anew_after_a_failure(
    stream: UpperBodySegmenter, webcam: U8, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = play(stream, webcam).mask
    with monkeypatch.context() as patch:
        patch.setattr(
            "upperbodyseg.models.interpreter.Interpreter._fill_input",
            lambda *_: (_ for _ in ()).throw(ValueError),
        )
        with pytest.raises(InferenceError):
            play(stream, webcam)
    output = play(stream, webcam)
    assert checked(output)
    np.testing.assert_array_equal(output.mask, expected)


@pytest.mark.parametrize("image_type", ImageType)
def test_every_layout_can_be_a_stream(
    image_type: ImageType, stream: UpperBodySegmenter, room: U8, person: U8
) -> None:
    for x in range(100, 180, 10):
        bgr, alpha = scene(room, person, x)
        output = stream.process(FrameInput(make_frame(bgr, image_type, padding=4), image_type=image_type))
        assert shown(output, alpha)


def small_mask(x0: int, y0: int, x1: int, y1: int) -> U8:
    mask = np.zeros((256, 256), np.uint8)
    mask[y0:y1, x0:x1] = 255
    return mask


@pytest.mark.parametrize(
    ("now", "due"),
    [
        (small_mask(25, 25, 231, 231), False),
        (small_mask(29, 22, 233, 228), False),
        (small_mask(0, 25, 231, 231), True),  # reaches the region's edge
        (small_mask(25, 25, 130, 130), True),  # a quarter of what it was
        (small_mask(25, 25, 110, 231) | small_mask(125, 25, 231, 231), True),  # in two pieces
    ],
    ids=["same", "moved a little", "at the edge", "shrunk", "broken up"],
)
def test_the_next_frame_is_checked_when_the_mask_looks_wrong(now: U8, due: bool) -> None:
    flat = ImageBuffer.view(np.full((HEIGHT, WIDTH, 3), 90, np.uint8))
    frame = open_frame(flat, ImageType.BGR_888, 10**8)
    stream = Stream(Acceptance(0.5, 0.3))
    assert stream.begin(frame)
    stream.check([DetectedPerson((200.0, 100.0, 400.0, 300.0), 0.9)])
    stream.follow([small_mask(25, 25, 231, 231)])
    assert not stream.begin(frame)
    shown, lost = stream.follow([now])
    assert (shown, lost) == ([True], False)
    assert (stream.begin(frame) is not None) is due


def test_a_mask_that_keeps_to_the_edge_is_checked_once() -> None:
    flat = ImageBuffer.view(np.full((HEIGHT, WIDTH, 3), 90, np.uint8))
    frame = open_frame(flat, ImageType.BGR_888, 10**8)
    stream = Stream(Acceptance(0.5, 0.3))
    person = DetectedPerson((200.0, 100.0, 400.0, 300.0), 0.9)
    checks = []
    for _ in range(2 * CHECK_EVERY):
        checks.append(stream.begin(frame))
        if checks[-1]:
            stream.check([person])
        stream.follow([small_mask(25, 25, 231, 256)])
    assert 2 * CHECK_EVERY - checks.count(None) <= 3


@pytest.mark.parametrize("size", [(18, 24), (36, 48), (360, 640)])
def test_a_cut_is_noticed_in_a_buffer_that_is_filled_again(size: tuple[int, int]) -> None:
    nv12 = np.full((size[0] * 3 // 2, size[1]), 60, np.uint8)
    view = ImageBuffer.view(nv12, image_type=ImageType.NV12)
    stream = Stream(Acceptance(0.5, 0.3))
    stream.begin(open_frame(view, ImageType.NV12, 10**8))
    stream.check([])
    assert not stream.begin(open_frame(view, ImageType.NV12, 10**8))
    nv12.fill(200)
    assert stream.begin(open_frame(view, ImageType.NV12, 10**8))


def test_an_uncertain_newcomer_counts_only_beside_somebody_certain() -> None:
    flat = ImageBuffer.view(np.full((HEIGHT, WIDTH, 3), 90, np.uint8))
    frame = open_frame(flat, ImageType.BGR_888, 10**8)
    one = DetectedPerson((10.0, 100.0, 150.0, 300.0), 0.55)
    other = DetectedPerson((450.0, 100.0, 590.0, 300.0), 0.6)
    certain, unsure = small_mask(25, 25, 231, 231), small_mask(25, 25, 231, 231) // 255 * 150

    def newcomers(*masks: U8) -> list[bool]:
        stream = Stream(Acceptance(0.5, 0.3, uncertainty_penalty=0.3))
        stream.begin(frame)
        stream.check([other, one][: len(masks)])
        return stream.follow(masks)[0]

    assert newcomers(unsure) == [False]
    assert newcomers(certain) == [True]
    assert newcomers(unsure, certain) == [True, True]
    assert newcomers(unsure, unsure) == [False, False]

    stream = Stream(Acceptance(0.5, 0.3, uncertainty_penalty=0.3))
    stream.begin(frame)
    stream.check([other])
    assert stream.follow([certain])[0] == [True]
    stream.begin(frame)
    stream.check([other, one])
    assert stream.follow([certain, unsure])[0] == [True, True]
    # Who is followed already may become as uncertain as the light makes it.
    assert stream.follow([unsure, unsure])[0] == [True, True]
    # The weakest, of which the segmenter is unsure, do not count beside anybody.
    weak = DetectedPerson(one.box, 0.35)
    stream = Stream(Acceptance(0.5, 0.3, uncertainty_penalty=0.3))
    stream.begin(frame)
    stream.check([other, weak])
    assert stream.follow([certain, unsure])[0] == [True, False]
