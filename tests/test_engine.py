"""The engine's life, its options, and what goes in and comes out."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from frames import bgr_frame, make_frame
from numpy.typing import NDArray

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
)

U8 = NDArray[np.uint8]


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


def test_a_lower_threshold_finds_more(webcam: U8) -> None:
    with UpperBodySegmenter(SegmenterOptions(score_threshold=1.0)) as engine:
        assert engine.process(bgr_frame(webcam)).persons == ()
    with UpperBodySegmenter(SegmenterOptions(score_threshold=0.02)) as engine:
        assert len(engine.process(bgr_frame(webcam)).persons) > 1


def test_outputs_can_be_pickled(engine: UpperBodySegmenter, webcam: U8) -> None:
    output = engine.process(bgr_frame(webcam, 9))
    copy = pickle.loads(pickle.dumps(output))
    np.testing.assert_array_equal(copy.mask, output.mask)
    assert (copy.timestamp, copy.persons, copy.timings_ms) == (9, output.persons, output.timings_ms)
