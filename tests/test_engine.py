from __future__ import annotations

import multiprocessing
import pickle
import signal
import subprocess
import sys
import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from frames import make_frame
from numpy.typing import NDArray

import upperbodyseg.engine
from upperbodyseg import (
    EngineStateError,
    FrameInput,
    ImageBuffer,
    ImageTooLargeError,
    ImageType,
    InputError,
    ModelNotFoundError,
    SegmenterOptions,
    UpperBodySegmenter,
    close_shared,
    segment,
)
from upperbodyseg.models.interpreter import RUNTIMES, available_runtimes
from upperbodyseg.models.spec import MODELS

U8 = NDArray[np.uint8]


def iou(a: U8, b: U8) -> float:
    a_, b_ = a >= 128, b >= 128
    return float((a_ & b_).sum() / (a_ | b_).sum())


def bgr_frame(bgr: U8, timestamp: int = 0, is_still: bool = True) -> FrameInput:
    return FrameInput.from_array(bgr, timestamp=timestamp, is_still=is_still)


@pytest.fixture(scope="module")
def room() -> U8:
    """A picture without people: a wall, a floor, a window and a table."""
    room = np.full((360, 640, 3), (190, 200, 205), np.uint8)
    room[260:] = (70, 100, 130)
    cv2.rectangle(room, (400, 60), (560, 180), (230, 200, 160), -1)
    cv2.rectangle(room, (80, 230), (300, 250), (40, 60, 90), -1)
    return cv2.GaussianBlur(room, (0, 0), 1)


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
    # 4:2:0 holds a quarter of the colours, so its mask is nearly, not quite the same.
    assert iou(output.mask, expected) > (0.98 if image_type.is_yuv else 0.9999)


def test_segment_takes_the_layouts_as_arrays(portrait: U8) -> None:
    bgr = portrait[:330, :310]
    expected = segment(bgr)
    np.testing.assert_array_equal(segment(bgr[..., ::-1], image_type=ImageType.RGB_888), expected)
    rgba = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGBA)
    np.testing.assert_array_equal(segment(rgba, ImageType.RGBA_8888), expected)
    np.testing.assert_array_equal(segment(np.asfortranarray(bgr)), expected)
    np.testing.assert_array_equal(segment(np.concatenate([bgr, bgr])[:330]), expected)
    i420 = cv2.cvtColor(bgr, cv2.COLOR_BGR2YUV_I420)
    mask = segment(i420, ImageType.I420)
    assert mask.shape == (330, 310)
    assert iou(mask, expected) > 0.98


@pytest.mark.parametrize("flip", ["rows", "columns", "both"])
def test_segment_takes_flipped_views(flip: str, astronaut: U8) -> None:
    view = {"rows": astronaut[::-1], "columns": astronaut[:, ::-1], "both": astronaut[::-1, ::-1]}[flip]
    np.testing.assert_array_equal(segment(view), segment(np.ascontiguousarray(view)))


def test_a_mirrored_person_has_the_mirrored_mask(portrait: U8) -> None:
    assert iou(segment(portrait[:, ::-1])[:, ::-1], segment(portrait)) > 0.95


@pytest.mark.parametrize(
    "image",
    [
        None,
        "photo.jpg",
        np.zeros((8, 8, 3), np.float32),
        np.zeros((8, 8, 4), np.uint8),
        np.zeros((0, 8, 3), np.uint8),
        np.zeros((8, 0, 3), np.uint8),
        np.zeros(0, np.uint8),
        np.zeros((2, 8, 8, 3), np.uint8),
    ],
)
def test_segment_refuses_what_is_no_picture(image: object) -> None:
    with pytest.raises(InputError):
        segment(image)


def test_segment_refuses_by_size_before_it_copies() -> None:
    pixel = np.zeros((1, 1, 3), np.uint8)
    for shape in ((60_000, 60_000, 3), (10**9, 10**9, 3), (40_000, 1, 3), (10_001, 10_000, 3)):
        with pytest.raises(ImageTooLargeError):
            segment(np.broadcast_to(pixel, shape))
    with pytest.raises(ImageTooLargeError):
        segment(np.broadcast_to(pixel[..., 0], (60_000, 60_000)), ImageType.NV12)
    assert segment(np.broadcast_to(pixel, (40, 50, 3))).shape == (40, 50)


def test_segment_takes_a_slice_of_an_i420_array(portrait: U8) -> None:
    i420 = cv2.cvtColor(np.ascontiguousarray(portrait[:330, :310]), cv2.COLOR_BGR2YUV_I420)
    wide = np.zeros((495, 400), np.uint8)
    wide[:, :310] = i420
    np.testing.assert_array_equal(segment(wide[:, :310], ImageType.I420), segment(i420, ImageType.I420))


def test_segment_refuses_an_unknown_image_type(astronaut: U8) -> None:
    with pytest.raises(InputError, match="BGR_888"):
        segment(astronaut, image_type="BGR")  # type: ignore[arg-type]


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


def test_the_frame_is_only_read(engine: UpperBodySegmenter, webcam: U8) -> None:
    for image_type in ImageType:
        buffer = make_frame(webcam, image_type, padding=4)
        assert buffer.data is not None
        memory = bytearray(buffer.data)
        before = bytes(memory)
        view = ImageBuffer(
            width=buffer.width, height=buffer.height, step=buffer.step, channels=buffer.channels, data=memory
        )
        engine.process(FrameInput(view, image_type=image_type), blur_sigma=3)
        assert bytes(memory) == before


def test_the_output_is_the_callers_to_keep(engine: UpperBodySegmenter, webcam: U8, room: U8) -> None:
    output = engine.process(bgr_frame(webcam))
    kept = output.mask.copy()
    engine.process(bgr_frame(room))
    np.testing.assert_array_equal(output.mask, kept)
    buffer = output.segmentation_mask
    assert buffer.owns_data
    assert (buffer.channels, buffer.step) == (1, 640)
    assert np.shares_memory(output.mask, buffer.as_array())
    output.mask[0, 0] = 7
    assert buffer.as_array()[0, 0] == 7


def test_the_same_frame_gives_the_same_mask(engine: UpperBodySegmenter, webcam: U8) -> None:
    first = engine.process(bgr_frame(webcam)).mask
    engine.process(bgr_frame(webcam[:, ::-1].copy()))
    np.testing.assert_array_equal(engine.process(bgr_frame(webcam)).mask, first)


def test_timestamps_and_stillness_pass_through(engine: UpperBodySegmenter, webcam: U8) -> None:
    for timestamp in (0, 2**63, -5):
        for is_still in (False, True):
            frame = FrameInput.from_array(webcam, timestamp=timestamp, is_still=is_still)
            assert engine.process(frame).timestamp == timestamp


def test_timings_name_every_stage_and_add_up(engine: UpperBodySegmenter, webcam: U8) -> None:
    timings = engine.process(bgr_frame(webcam)).timings_ms
    assert set(timings) == {"preprocess", "detection", "segmentation", "postprocess", "total"}
    stages = [v for k, v in timings.items() if k != "total"]
    assert min(stages) > 0
    assert sum(stages) == pytest.approx(timings["total"])


@pytest.mark.parametrize("image_type", ImageType, ids=lambda t: t.name)
def test_a_frame_from_an_array_is_the_frame_from_its_buffer(
    image_type: ImageType, engine: UpperBodySegmenter, webcam: U8
) -> None:
    buffer = make_frame(webcam, image_type)
    assert buffer.data is not None
    rows = np.frombuffer(buffer.data, np.uint8).reshape(-1, buffer.step)
    array = rows if image_type.is_yuv else rows.reshape(*webcam.shape[:2], image_type.channels)
    frame = FrameInput.from_array(array, image_type, timestamp=7, is_still=True)
    assert (frame.timestamp, frame.image_type, frame.is_still) == (7, image_type, True)
    assert np.shares_memory(frame.frame.as_array(), array)
    expected = engine.process(FrameInput(buffer, 7, image_type, is_still=True))
    np.testing.assert_array_equal(engine.process(frame).mask, expected.mask)


def test_an_array_is_a_bgr_frame_of_a_stream_unless_it_says_otherwise(webcam: U8) -> None:
    frame = FrameInput.from_array(webcam)
    assert (frame.timestamp, frame.image_type, frame.is_still) == (0, ImageType.BGR_888, False)
    with pytest.raises(InputError, match="image_type must be one of"):
        FrameInput.from_array(webcam, "BGR")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="numpy array"):
        FrameInput.from_array(b"photo")  # type: ignore[arg-type]


def test_frame_input_defaults_are_the_originals() -> None:
    frame = FrameInput(frame=ImageBuffer())
    assert frame.image_type is ImageType.BGRA_8888
    assert frame.timestamp == 0
    assert not frame.is_still


def test_the_blur_softens_the_edge(engine: UpperBodySegmenter, webcam: U8) -> None:
    def soft(sigma: float) -> int:
        mask = engine.process(bgr_frame(webcam), blur_sigma=sigma).mask
        return int(((mask > 0) & (mask < 255)).sum())

    assert soft(0) < soft(2) < soft(8)
    default = engine.process(bgr_frame(webcam)).mask
    np.testing.assert_array_equal(default, engine.process(bgr_frame(webcam), blur_sigma=0.5).mask)


@pytest.mark.parametrize("sigma", [float("nan"), -1.0, float("inf"), None])
def test_impossible_sigmas_are_refused_and_the_engine_goes_on(
    sigma: float, engine: UpperBodySegmenter, webcam: U8
) -> None:
    with pytest.raises(InputError, match="blur_sigma"):
        engine.process(bgr_frame(webcam), blur_sigma=sigma)
    assert engine.process(bgr_frame(webcam)).mask.any()


def test_what_is_no_frame_is_refused(engine: UpperBodySegmenter, webcam: U8) -> None:
    for wrong in (None, webcam, ImageBuffer.view(webcam)):
        with pytest.raises(InputError, match="FrameInput"):
            engine.process(wrong)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="ImageBuffer"):
        engine.process(FrameInput(webcam, image_type=ImageType.BGR_888))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="empty"):
        engine.process(FrameInput(ImageBuffer()))
    with pytest.raises(InputError, match="channel"):
        engine.process(FrameInput(ImageBuffer.view(webcam)))  # BGRA is the default
    with pytest.raises(InputError, match="image_type"):
        engine.process(FrameInput(ImageBuffer.view(webcam), image_type=17))  # type: ignore[arg-type]


def test_too_large_frames_are_refused(webcam: U8) -> None:
    with (
        UpperBodySegmenter(SegmenterOptions(max_pixels=640 * 360 - 1)) as engine,
        pytest.raises(ImageTooLargeError, match="640 x 360"),
    ):
        engine.process(bgr_frame(webcam))


def test_lifecycle(webcam: U8) -> None:
    engine = UpperBodySegmenter()
    assert not engine.is_initialized
    with pytest.raises(EngineStateError, match="initialize"):
        engine.process(bgr_frame(webcam))
    engine.initialize()
    engine.initialize()
    assert engine.is_initialized
    assert engine.process(bgr_frame(webcam)).success
    engine.close()
    engine.close()
    assert not engine.is_initialized
    with pytest.raises(EngineStateError, match="closed"):
        engine.process(bgr_frame(webcam))
    with pytest.raises(EngineStateError, match="closed"):
        engine.initialize()
    with pytest.raises(EngineStateError, match="closed"), engine:
        pass


def test_an_engine_closed_before_it_was_opened_stays_closed() -> None:
    engine = UpperBodySegmenter()
    engine.close()
    with pytest.raises(EngineStateError):
        engine.initialize()


def test_leaving_the_with_statement_closes_also_after_an_error(webcam: U8) -> None:
    engine = UpperBodySegmenter()
    with pytest.raises(InputError), engine:
        engine.process(bgr_frame(webcam), blur_sigma=-1)
    with pytest.raises(EngineStateError):
        engine.process(bgr_frame(webcam))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_threads": 0}, "num_threads"),
        ({"num_threads": 1.5}, "num_threads"),
        ({"max_pixels": 0}, "max_pixels"),
        ({"runtime": "tensorrt"}, "runtime"),
        ({"score_threshold": 2}, "score_threshold"),
        ({"score_threshold": float("nan")}, "score_threshold"),
        ({"score_threshold": True}, "score_threshold"),
        ({"num_threads": 2**31}, "num_threads"),
        ({"num_threads": True}, "num_threads"),
        ({"models_dir": 5}, "models_dir"),
        ({"model": "best"}, "accurate, fast"),
        ({"model": None}, "model must be"),
        ({"model": ["fast"]}, "model must be"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        SegmenterOptions(**options)  # type: ignore[arg-type]


def test_numpy_numbers_are_options(webcam: U8) -> None:
    options = SegmenterOptions(num_threads=np.int64(2), score_threshold=np.float32(0.5))
    with UpperBodySegmenter(options) as engine:
        assert engine.process(bgr_frame(webcam)).success


def test_options_of_another_type_are_refused() -> None:
    with pytest.raises(InputError, match="SegmenterOptions"):
        UpperBodySegmenter({"num_threads": 2})  # type: ignore[arg-type]


def test_a_runtime_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("upperbodyseg.models.interpreter.available_runtimes", dict)
    with pytest.raises(ModelNotFoundError, match="pip install"):
        UpperBodySegmenter().initialize()
    with pytest.raises(ModelNotFoundError, match="pip install tflite-runtime"):
        UpperBodySegmenter(SegmenterOptions(runtime="tflite-runtime")).initialize()


def test_several_threads_of_inference_give_the_same_mask(webcam: U8) -> None:
    with UpperBodySegmenter(SegmenterOptions(num_threads=2)) as engine:
        got = engine.process(bgr_frame(webcam)).mask
    assert np.abs(got.astype(int) - segment(webcam)).max() <= 1


def test_a_lower_threshold_finds_more(webcam: U8) -> None:
    with UpperBodySegmenter(SegmenterOptions(score_threshold=1.0)) as engine:
        assert engine.process(bgr_frame(webcam)).persons == ()
    with UpperBodySegmenter(SegmenterOptions(score_threshold=0.02)) as engine:
        assert len(engine.process(bgr_frame(webcam)).persons) > 1


def test_one_engine_in_many_threads_is_serialised(engine: UpperBodySegmenter, webcam: U8, room: U8) -> None:
    pictures = [webcam, room, webcam[:, ::-1].copy(), webcam[:300].copy()]
    expected = [engine.process(bgr_frame(p)).mask for p in pictures]
    with ThreadPoolExecutor(8) as pool:
        outputs = list(pool.map(lambda i: engine.process(bgr_frame(pictures[i % 4], i)), range(40)))
    for i, output in enumerate(outputs):
        assert output.timestamp == i
        np.testing.assert_array_equal(output.mask, expected[i % 4])


def test_engines_of_their_own_run_side_by_side(runtime: str, webcam: U8) -> None:
    expected: list[U8] = []
    with UpperBodySegmenter(SegmenterOptions(runtime=runtime)) as engine:
        expected += [engine.process(bgr_frame(p)).mask for p in (webcam, webcam[:, ::-1].copy())]
    barrier, results, errors = threading.Barrier(2), {}, []

    def work(i: int) -> None:
        try:
            picture = webcam if i == 0 else webcam[:, ::-1].copy()
            with UpperBodySegmenter(SegmenterOptions(runtime=runtime)) as engine:
                barrier.wait()
                results[i] = [engine.process(bgr_frame(picture)).mask for _ in range(5)]
        except Exception as exc:
            errors.append(exc)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    for i in range(2):
        for mask in results[i]:
            np.testing.assert_array_equal(mask, expected[i])


def test_closing_waits_for_the_frame_in_progress(webcam: U8) -> None:
    engine = UpperBodySegmenter()
    engine.initialize()
    outcomes: list[str] = []

    def work() -> None:
        try:
            while True:
                assert engine.process(bgr_frame(webcam)).success
                outcomes.append("mask")
        except EngineStateError:
            outcomes.append("closed")

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    engine.process(bgr_frame(webcam))
    engine.close()
    for thread in threads:
        thread.join(timeout=60)
    assert outcomes.count("closed") == 3


@pytest.mark.parametrize("is_still", [True, False])
def test_an_engine_goes_on_after_a_signal_handler_raised_in_the_middle(
    webcam: U8, is_still: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    class TimeLimitError(Exception):
        pass

    def handler(*_: object) -> None:
        raise TimeLimitError

    before = signal.signal(signal.SIGINT, handler)
    frame = FrameInput.from_array(webcam, is_still=is_still)
    kept = []  # an error that lives on holds every array of the stack it rose through
    try:
        with UpperBodySegmenter() as engine:
            expected = engine.process(frame).mask
            for target in (
                "upperbodyseg.detector.letterbox",
                "upperbodyseg.segmenter.exposed",
                "upperbodyseg.detector.decode_detections",
                "upperbodyseg.pipeline.compose_mask",
            ):
                engine.reset()
                with monkeypatch.context() as patch:
                    patch.setattr(target, lambda *_, **__: signal.raise_signal(signal.SIGINT))
                    with pytest.raises(TimeLimitError) as info:
                        engine.process(frame)
                kept.append(info.value)
                engine.reset()
                np.testing.assert_array_equal(engine.process(frame).mask, expected)
    finally:
        signal.signal(signal.SIGINT, before)
    assert len(kept) == 4
    assert not engine.is_initialized


def test_a_large_still_leaves_no_large_scratch_memory(portrait: U8, webcam: U8) -> None:
    with UpperBodySegmenter(SegmenterOptions(model="fast")) as engine:
        large = cv2.resize(portrait, (5000, 5300))
        tracemalloc.start()
        try:
            output = engine.process(bgr_frame(large))
            held, peak = tracemalloc.get_traced_memory()
            assert output.persons
            assert peak > 5 * output.mask.size
            assert held < output.mask.size + 2**20
            usual = engine.process(bgr_frame(webcam)).mask.size
            once, _ = tracemalloc.get_traced_memory()
            engine.process(bgr_frame(webcam))
            twice, _ = tracemalloc.get_traced_memory()
            assert once > held + usual  # that of usual frames stays
            assert abs(twice - once) < 2**16
        finally:
            tracemalloc.stop()


RESIDENT = """
import sys
import cv2
import numpy as np
from upperbodyseg import segment

def resident():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))

portrait = np.load(sys.argv[1])
for _ in range(3):
    segment(portrait)
before = resident()
assert segment(cv2.resize(portrait, (6000, 6000))).any()
print(resident() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc is Linux's")
def test_the_process_keeps_little_of_a_large_photo(portrait: U8, tmp_path: Path) -> None:
    np.save(tmp_path / "portrait.npy", portrait)
    done = subprocess.run(
        [sys.executable, "-c", RESIDENT, str(tmp_path / "portrait.npy")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stdout) < 72 * 1024  # kilobytes: two bytes a pixel; while it runs, some twelve


def test_the_shared_engine_can_be_let_go(webcam: U8) -> None:
    expected = segment(webcam)
    first = upperbodyseg.engine._shared.get("accurate")
    close_shared()
    close_shared()
    assert not first.is_initialized
    np.testing.assert_array_equal(segment(webcam), expected)
    assert upperbodyseg.engine._shared.get("accurate") is not first


def test_the_shared_engine_can_be_let_go_while_threads_use_it(portrait: U8) -> None:
    small = cv2.resize(portrait, (80, 80), interpolation=cv2.INTER_AREA)
    expected = segment(small)
    with ThreadPoolExecutor(3) as threads:
        masks = [threads.submit(segment, small) for _ in range(30)]
        for mask in masks[::6]:
            mask.result()
            close_shared()
        for mask in masks:
            np.testing.assert_array_equal(mask.result(), expected)


def test_outputs_can_be_pickled(engine: UpperBodySegmenter, webcam: U8) -> None:
    output = engine.process(bgr_frame(webcam, 9))
    copy = pickle.loads(pickle.dumps(output))
    np.testing.assert_array_equal(copy.mask, output.mask)
    assert (copy.timestamp, copy.persons, copy.timings_ms) == (9, output.persons, output.timings_ms)


def _segment_in_child(
    connection: multiprocessing.connection.Connection, engine: UpperBodySegmenter, picture: U8
) -> None:
    connection.send((segment(picture), engine.process(bgr_frame(picture)).mask))


@pytest.mark.skipif(sys.platform != "linux", reason="fork is only the way on Linux")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("num_threads", [1, 2])
def test_engines_go_on_in_a_forked_child(webcam: U8, num_threads: int) -> None:
    expected = segment(webcam)
    context = multiprocessing.get_context("fork")
    stop = threading.Event()
    with UpperBodySegmenter(SegmenterOptions(num_threads=num_threads)) as engine:

        def work() -> None:
            while not stop.is_set():
                engine.process(bgr_frame(webcam))

        # The lock is held by this thread at nearly any moment, the fork's included.
        thread = threading.Thread(target=work)
        thread.start()
        try:
            here, there = context.Pipe()
            child = context.Process(target=_segment_in_child, args=(there, engine, webcam))
            child.start()
            assert here.poll(60)
            for mask in here.recv():
                assert np.abs(mask.astype(int) - expected).max() <= 1
            child.join(60)
            assert child.exitcode == 0
        finally:
            stop.set()
            thread.join()
