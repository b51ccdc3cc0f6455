"""Engines in several threads, in forked children and under signal handlers that raise."""

from __future__ import annotations

import multiprocessing
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from frames import bgr_frame
from numpy.typing import NDArray

from upperbodyseg import EngineStateError, FrameInput, SegmenterOptions, UpperBodySegmenter, segment

U8 = NDArray[np.uint8]


def test_several_threads_of_inference_give_the_same_mask(webcam: U8) -> None:
    with UpperBodySegmenter(SegmenterOptions(num_threads=2)) as engine:
        got = engine.process(bgr_frame(webcam)).mask
    assert np.abs(got.astype(int) - segment(webcam)).max() <= 1


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
