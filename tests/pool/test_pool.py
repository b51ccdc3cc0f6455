"""Frames and their order, errors, and the life of a pool."""

from __future__ import annotations

import gc
import itertools
import os
import queue
import threading
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from gate import FAST, PATIENCE, Gate, bgr_frame
from numpy.typing import NDArray

from upperbodyseg import (
    EngineStateError,
    FrameInput,
    ImageBuffer,
    InputError,
    ModelNotFoundError,
    SegmentationOutput,
    UpperBodySegmenter,
)
from upperbodyseg.pool import FRAMES_AHEAD, OrderedResults, SegmenterPool

U8 = NDArray[np.uint8]


def test_many_threads_and_sizes_give_the_single_engines_masks(
    pool: SegmenterPool, pictures: list[U8], expected: list[U8]
) -> None:
    with ThreadPoolExecutor(8) as threads:
        outputs = list(threads.map(lambda i: pool.process(bgr_frame(pictures[i % 5], i)), range(60)))
    for i, output in enumerate(outputs):
        assert output.timestamp == i
        np.testing.assert_array_equal(output.mask, expected[i % 5])


def test_process_submit_and_map_at_once_give_the_single_engines_masks(
    pool: SegmenterPool, pictures: list[U8], expected: list[U8]
) -> None:
    def frames(count: int) -> Iterator[FrameInput]:
        return (bgr_frame(pictures[i % 5], i) for i in range(count))

    with ThreadPoolExecutor(3) as threads:
        called = threads.submit(lambda: [pool.process(f) for f in frames(15)])
        mapped = [threads.submit(lambda: list(pool.map(frames(15)))) for _ in range(2)]
        submitted = [pool.submit(f) for f in frames(15)]
        for outputs in (called.result(), *(m.result() for m in mapped), [s.result() for s in submitted]):
            assert [o.timestamp for o in outputs] == list(range(15))
            for i, output in enumerate(outputs):
                np.testing.assert_array_equal(output.mask, expected[i % 5])


def test_the_blur_is_handed_on(pool: SegmenterPool, webcam: U8) -> None:
    with UpperBodySegmenter(FAST) as engine:
        blurred = engine.process(bgr_frame(webcam, is_still=True), 8).mask
    np.testing.assert_array_equal(pool.process(bgr_frame(webcam), 8).mask, blurred)
    np.testing.assert_array_equal(pool.submit(bgr_frame(webcam), blur_sigma=8).result().mask, blurred)
    np.testing.assert_array_equal(next(pool.map([bgr_frame(webcam)], 8)).mask, blurred)


def test_as_many_frames_at_once_as_there_are_engines(gate: Gate, blank: U8) -> None:
    with SegmenterPool(FAST, size=2) as pool, ThreadPoolExecutor(5) as threads:
        calls = [threads.submit(pool.process, bgr_frame(blank, i)) for i in range(5)]
        gate.wait_until_begun(2)
        assert len(gate.begun) == 2
        gate.open.set()
        assert [c.result(PATIENCE).timestamp for c in calls] == list(range(5))


def test_frames_are_processed_as_still_ones(gate: Gate, blank: U8) -> None:
    gate.open.set()
    with SegmenterPool(FAST, size=1) as pool:
        given = bgr_frame(blank, 7)
        for output in (pool.process(given), pool.submit(given).result(), *pool.map([given])):
            assert output.timestamp == 7
        assert not given.is_still
        assert [f.is_still for f in gate.begun] == [True] * 3
        assert all(f.frame is given.frame for f in gate.begun)


def test_map_takes_only_so_many_frames_ahead(gate: Gate, blank: U8) -> None:
    gate.open.set()
    taken = itertools.count()
    with SegmenterPool(FAST, size=2) as pool:
        results = pool.map(bgr_frame(blank, next(taken)) for _ in itertools.repeat(None))
        assert next(taken) == 0  # nothing is taken before a result is asked for
        for i in range(1, 40):
            assert next(results).timestamp == i
            assert len(results._futures) == FRAMES_AHEAD * 2 - 1
        assert next(taken) == 40 + FRAMES_AHEAD * 2 - 1
        results.close()
        assert list(results) == []


def test_map_keeps_the_order_when_later_frames_are_ready_first(gate: Gate, blank: U8) -> None:
    first_may_end = threading.Event()
    original = gate.process

    def process(engine: UpperBodySegmenter, frame: FrameInput, sigma: float) -> SegmentationOutput:
        if frame.timestamp == 0:
            assert first_may_end.wait(PATIENCE)
        elif frame.timestamp == 5:
            first_may_end.set()  # five frames overtook the first
        return original(engine, frame, sigma)

    gate.open.set()
    gate.process = process
    with SegmenterPool(FAST, size=2) as pool:
        results = pool.map(bgr_frame(blank, i) for i in range(20))
        assert [o.timestamp for o in results] == list(range(20))


def test_an_empty_map(pool: SegmenterPool) -> None:
    assert list(pool.map([])) == []


def test_an_error_comes_in_its_place_and_the_rest_can_still_be_had(pool: SegmenterPool, webcam: U8) -> None:
    frames = [
        bgr_frame(webcam, 0),
        "no frame",
        bgr_frame(webcam, 2),
        FrameInput(ImageBuffer()),
        bgr_frame(webcam, 4),
    ]
    results = pool.map(frames)
    assert next(results).timestamp == 0
    with pytest.raises(InputError, match="FrameInput"):
        next(results)
    assert next(results).timestamp == 2
    with pytest.raises(InputError, match="empty"):
        next(results)
    assert next(results).timestamp == 4
    with pytest.raises(StopIteration):
        next(results)


def test_an_error_of_the_source_comes_after_the_frames_before_it(pool: SegmenterPool, webcam: U8) -> None:
    def frames() -> Iterator[FrameInput]:
        yield from (bgr_frame(webcam, i) for i in range(3))
        raise OSError("the camera is gone")

    results = pool.map(frames())
    assert [next(results).timestamp for _ in range(3)] == [0, 1, 2]
    with pytest.raises(OSError, match="the camera is gone"):
        next(results)
    assert list(results) == []


def test_an_interrupted_source_gives_the_rest_up(gate: Gate, blank: U8) -> None:
    def frames() -> Iterator[FrameInput]:
        yield bgr_frame(blank)
        raise KeyboardInterrupt

    with SegmenterPool(FAST, size=1) as pool:
        results = pool.map(frames())
        with pytest.raises(KeyboardInterrupt):
            next(results)
        gate.open.set()
        assert list(results) == []


@pytest.mark.parametrize("way", ["close", "forget"])
def test_results_given_up_cancel_the_frames_that_wait(gate: Gate, blank: U8, way: str) -> None:
    with SegmenterPool(FAST, size=1) as pool:
        results: OrderedResults | None = pool.map(bgr_frame(blank, i) for i in itertools.count())
        assert results is not None
        results._fill()
        gate.wait_until_begun(1)
        if way == "close":
            results.close()
            results.close()
        results = None
        gc.collect()
        gate.open.set()
        assert pool.process(bgr_frame(blank, 99)).timestamp == 99
    assert [f.timestamp for f in gate.begun] == [0, 99]


def test_a_source_that_is_none_is_refused(pool: SegmenterPool, webcam: U8) -> None:
    with pytest.raises(InputError, match="iterable"):
        pool.map(bgr_frame(webcam))


def test_errors_come_through_and_the_engines_go_on(pool: SegmenterPool, webcam: U8) -> None:
    for _ in range(pool.size + 1):
        with pytest.raises(InputError, match="FrameInput"):
            pool.process(None)  # type: ignore[arg-type]
        with pytest.raises(InputError, match="blur_sigma"):
            pool.process(bgr_frame(webcam), -1)
        with pytest.raises(InputError, match="blur_sigma"):
            pool.submit(bgr_frame(webcam), -1).result()
    with pytest.raises(InputError, match="blur_sigma"):
        next(pool.map([bgr_frame(webcam)], float("nan")))
    assert pool.process(bgr_frame(webcam)).mask.any()


def test_a_submitted_frame_can_be_cancelled_until_its_turn_comes(gate: Gate, blank: U8) -> None:
    with SegmenterPool(FAST, size=1) as pool:
        first, second, third = (pool.submit(bgr_frame(blank, i)) for i in range(3))
        gate.wait_until_begun(1)
        assert not first.cancel()
        assert second.cancel()
        gate.open.set()
        assert third.result(PATIENCE).timestamp == 2
        with pytest.raises(CancelledError):
            second.result()
    assert [f.timestamp for f in gate.begun] == [0, 2]


def test_lifecycle(webcam: U8) -> None:
    pool = SegmenterPool(FAST, size=2)
    frame = bgr_frame(webcam)
    calls = (lambda: pool.process(frame), lambda: pool.submit(frame), lambda: pool.map([frame]))
    assert pool.options is FAST
    assert not pool.is_initialized
    for call in calls:
        with pytest.raises(EngineStateError, match="initialize"):
            call()
    pool.initialize()
    pool.initialize()
    assert pool.is_initialized
    assert pool.process(frame).success
    results = pool.map([frame])
    pool.close()
    pool.close()
    assert not pool.is_initialized
    for call in calls:
        with pytest.raises(EngineStateError, match="closed"):
            call()
    with pytest.raises(EngineStateError, match="closed"):
        next(results)
    with pytest.raises(EngineStateError, match="closed"):
        pool.initialize()
    with pytest.raises(EngineStateError, match="closed"), pool:
        pass


def test_a_pool_closed_before_it_was_opened_stays_closed() -> None:
    pool = SegmenterPool(FAST, size=1)
    pool.close()
    with pytest.raises(EngineStateError, match="closed"):
        pool.initialize()


def test_leaving_the_with_statement_closes_also_after_an_error(webcam: U8) -> None:
    pool = SegmenterPool(FAST, size=1)
    with pytest.raises(InputError), pool:
        pool.process(bgr_frame(webcam), -1)
    assert not any(engine.is_initialized for engine in pool._engines)


def test_accepted_frames_are_finished_before_the_pool_is_closed(gate: Gate, blank: U8) -> None:
    pool = SegmenterPool(FAST, size=2)
    pool.initialize()
    results = pool.map(bgr_frame(blank, i) for i in range(50))
    results._fill()
    futures = [pool.submit(bgr_frame(blank, i)) for i in range(5)]
    with ThreadPoolExecutor(4) as threads:
        calls = [threads.submit(pool.process, bgr_frame(blank, i)) for i in range(3)]
        gate.wait_until_begun(2)
        assert pool._workers is not None
        while pool._workers._jobs.qsize() < 5 + 3 + FRAMES_AHEAD * 2 - 2:
            time.sleep(0)
        closing = threads.submit(pool.close)
        while not pool._closed:
            time.sleep(0)
        with pytest.raises(EngineStateError, match="closed"):
            pool.process(bgr_frame(blank))
        assert not closing.done()
        gate.open.set()
        closing.result(PATIENCE)
        assert all(f.done() for f in futures)
        assert [f.result().timestamp for f in futures] == list(range(5))
        assert [c.result(PATIENCE).timestamp for c in calls] == list(range(3))
    assert [next(results).timestamp for _ in range(FRAMES_AHEAD * 2)] == list(range(FRAMES_AHEAD * 2))
    with pytest.raises(EngineStateError, match="closed"):
        next(results)
    assert not any(engine.is_initialized for engine in pool._engines)
    assert pool._workers._at_work == 0


def test_closing_while_threads_work(webcam: U8) -> None:
    pool = SegmenterPool(FAST, size=2)
    pool.initialize()
    begun = threading.Barrier(5)
    outcomes: list[str] = []

    def work() -> None:
        assert pool.process(bgr_frame(webcam)).success
        begun.wait(PATIENCE)
        try:
            while True:
                assert pool.process(bgr_frame(webcam)).mask.any()
        except EngineStateError:
            outcomes.append("closed")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    begun.wait(PATIENCE)
    pool.close()
    for thread in threads:
        thread.join(PATIENCE)
    assert outcomes == ["closed"] * 4


def test_a_futures_callback_may_close_the_pool(gate: Gate, blank: U8) -> None:
    pool = SegmenterPool(FAST, size=1)
    pool.initialize()
    first = pool.submit(bgr_frame(blank, 1))
    second = pool.submit(bgr_frame(blank, 2))
    first.add_done_callback(lambda _: pool.close())
    gate.open.set()
    assert second.result(PATIENCE).timestamp == 2
    pool.close()
    assert not pool._engines[0].is_initialized


def test_a_futures_callback_may_process_a_frame(gate: Gate, blank: U8) -> None:
    gate.open.set()
    outputs: queue.SimpleQueue[SegmentationOutput] = queue.SimpleQueue()
    with SegmenterPool(FAST, size=1) as pool:
        first = pool.submit(bgr_frame(blank, 1))
        first.add_done_callback(lambda _: outputs.put(pool.process(bgr_frame(blank, 2))))
        assert outputs.get(timeout=PATIENCE).timestamp == 2


@pytest.mark.parametrize("size", [0, -1, 257, 1.5, True, "2"])
def test_impossible_sizes_are_refused(size: object) -> None:
    with pytest.raises(InputError, match="size must be"):
        SegmenterPool(FAST, size)  # type: ignore[arg-type]


def test_impossible_options_are_refused() -> None:
    with pytest.raises(InputError, match="SegmenterOptions"):
        SegmenterPool({"model": "fast"}, 1)  # type: ignore[arg-type]


def test_a_pool_has_an_engine_for_every_cpu_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 3, 5}, raising=False)
    assert SegmenterPool(FAST).size == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 7)
    assert SegmenterPool(FAST).size == 7
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert SegmenterPool(FAST).size == 1
    assert SegmenterPool(FAST, size=np.int64(2)).size == 2


def test_missing_models_are_named_and_loading_can_be_tried_again(
    monkeypatch: pytest.MonkeyPatch, webcam: U8
) -> None:
    pool = SegmenterPool(FAST, size=2)
    with monkeypatch.context() as patch:
        patch.setattr("upperbodyseg.models.interpreter.available_runtimes", dict)
        with pytest.raises(ModelNotFoundError, match="pip install"):
            pool.initialize()
        assert not pool.is_initialized
    with pool:
        assert pool.process(bgr_frame(webcam)).mask.any()


def test_opencvs_threads_are_left_alone() -> None:
    before = cv2.getNumThreads()
    with SegmenterPool(FAST, size=2) as pool:
        pool.process(bgr_frame(np.zeros((64, 64, 3), np.uint8)))
        assert cv2.getNumThreads() == before
