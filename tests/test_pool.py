from __future__ import annotations

import contextlib
import gc
import itertools
import multiprocessing
import multiprocessing.connection
import os
import queue
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from upperbodyseg import (
    EngineStateError,
    FrameInput,
    ImageBuffer,
    InputError,
    ModelNotFoundError,
    SegmentationOutput,
    SegmenterOptions,
    UpperBodySegmenter,
)
from upperbodyseg.pool import FRAMES_AHEAD, OrderedResults, SegmenterPool

U8 = NDArray[np.uint8]
FAST = SegmenterOptions(model="fast")
PATIENCE = 60  # seconds until a wait that should end counts as a hang


def bgr_frame(bgr: U8, timestamp: int = 0, is_still: bool = False) -> FrameInput:
    return FrameInput.from_array(bgr, timestamp=timestamp, is_still=is_still)


class Gate:
    """Stands in for UpperBodySegmenter.process: frames begin, and end when they are let."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.begun: list[FrameInput] = []
        self._begun = threading.Condition()

    def process(self, engine: UpperBodySegmenter, frame: FrameInput, sigma: float) -> SegmentationOutput:
        with self._begun:
            self.begun.append(frame)
            self._begun.notify_all()
        assert self.open.wait(PATIENCE)
        assert engine.is_initialized
        if sigma < 0:
            raise InputError("negative")
        return SegmentationOutput(True, frame.timestamp, ImageBuffer())

    def wait_until_begun(self, count: int) -> None:
        with self._begun:
            assert self._begun.wait_for(lambda: len(self.begun) >= count, PATIENCE)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    gate = Gate()

    def process(*arguments: Any) -> SegmentationOutput:
        return gate.process(*arguments)

    monkeypatch.setattr(UpperBodySegmenter, "process", process)
    yield gate
    gate.open.set()


@pytest.fixture
def blank() -> U8:
    return np.zeros((8, 8, 3), np.uint8)


@pytest.fixture(scope="module")
def pictures(webcam: U8, astronaut: U8, portrait: U8) -> list[U8]:
    """Of different sizes, so that nothing that an engine keeps of one fits the next."""
    small = cv2.resize(astronaut, (97, 131), interpolation=cv2.INTER_AREA)
    return [webcam, astronaut, np.ascontiguousarray(portrait), small, np.zeros((240, 320, 3), np.uint8)]


@pytest.fixture(scope="module")
def expected(pictures: list[U8]) -> list[U8]:
    with UpperBodySegmenter(FAST) as engine:
        return [engine.process(bgr_frame(p, is_still=True)).mask for p in pictures]


@pytest.fixture(scope="module")
def pool() -> Iterator[SegmenterPool]:
    with SegmenterPool(FAST, size=3) as pool:
        yield pool


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
    gate.process = process  # type: ignore[method-assign]
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
    results = pool.map(frames)  # type: ignore[arg-type]
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
        pool.map(bgr_frame(webcam))  # type: ignore[arg-type]


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


class CutError(Exception):
    """Stands for what a signal handler raises."""


class CutAfter:
    """Raises in this thread at the ``count``-th moment at which a signal handler could.

    Python runs handlers where a function begins and where a call of C has ended.
    """

    def __init__(self, count: int) -> None:
        self.left = count

    def __enter__(self) -> None:
        sys.setprofile(self._event)

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    def _event(self, _: object, event: str, __: object) -> None:
        if event in ("call", "c_return"):
            self.left -= 1
            if self.left < 0:
                sys.setprofile(None)
                raise CutError


def ends(function: Callable[[], object]) -> bool:
    """Whether a call in another thread returns, where a lock that was never released would stop it."""
    thread = threading.Thread(target=function, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    return not thread.is_alive()


@pytest.fixture
def no_models(monkeypatch: pytest.MonkeyPatch) -> None:
    class NoPipeline:
        def __init__(self, options: SegmenterOptions) -> None:
            pass

    monkeypatch.setattr("upperbodyseg.engine.Pipeline", NoPipeline)


@pytest.fixture
def nothing_else_to_cut() -> Iterator[None]:
    """Without what a cut would hit besides: the garbage collector's callbacks (Hypothesis has one), and the
    measuring of coverage, which would keep its lock for ever."""
    coverage = getattr(sys.modules.get("coverage"), "Coverage", None)
    measuring = coverage.current() if coverage else None
    if measuring is not None:
        measuring.stop()
    callbacks = gc.callbacks[:]
    gc.collect()
    gc.callbacks.clear()
    gc.disable()
    yield
    gc.enable()
    gc.callbacks.extend(callbacks)
    if measuring is not None:
        measuring.start()


def cut_off(test: Callable[..., None]) -> Callable[..., None]:
    """Marks a test whose calls are cut off."""
    # A cut inside __del__ can't be raised.
    quiet = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
    marked: Callable[..., None] = quiet(pytest.mark.usefixtures("nothing_else_to_cut", "no_models")(test))
    return marked


def cut_everywhere(call: Callable[[], object]) -> Iterator[bool]:
    """Cut a call off at its first moment, at its second and so on; True as often as it was cut."""
    for count in itertools.count():
        try:
            with CutAfter(count):
                call()
        except CutError:
            yield True
        else:
            return


def waiting_calls(pool: SegmenterPool, frame: FrameInput) -> dict[str, Callable[[], object]]:
    def cancel() -> None:
        pool.submit(frame).cancel()

    return {
        "process": lambda: pool.process(frame),
        "submit": lambda: pool.submit(frame).result(),
        "submit with a timeout": lambda: pool.submit(frame).result(PATIENCE),
        "exception": lambda: pool.submit(frame).exception(),
        "cancel": cancel,
        "map": lambda: list(pool.map([frame] * 3)),
    }


@pytest.mark.parametrize("way", list(waiting_calls(SegmenterPool(FAST, 1), FrameInput(ImageBuffer()))))
@cut_off
def test_a_call_may_be_cut_off_anywhere(gate: Gate, blank: U8, way: str) -> None:
    gate.open.set()
    with SegmenterPool(FAST, size=2) as pool:
        call = waiting_calls(pool, bgr_frame(blank))[way]
        assert sum(cut_everywhere(call)) > 10
        # Both engines are there: two frames begin, and neither has ended.
        gate.open.clear()
        gate.begun.clear()
        assert ends(lambda: [pool.submit(bgr_frame(blank)) for _ in range(2)])
        gate.wait_until_begun(2)
        gate.open.set()
        assert ends(lambda: pool.process(bgr_frame(blank)))
        assert ends(pool.close)


@cut_off
def test_the_first_call_may_be_cut_off_anywhere(gate: Gate, blank: U8) -> None:
    """The first frame starts the threads."""
    gate.open.set()
    pools: list[SegmenterPool] = []

    def begin() -> None:
        pools.append(SegmenterPool(FAST, size=2))
        pools[-1].initialize()
        pools[-1].process(bgr_frame(blank))

    assert sum(cut_everywhere(begin)) > 50
    for pool in pools:
        if pool.is_initialized:
            assert ends(lambda pool=pool: pool.process(bgr_frame(blank)))  # type: ignore[misc]
        assert ends(pool.close)
        assert not any(engine.is_initialized for engine in pool._engines)


@cut_off
def test_closing_may_be_cut_off_anywhere_and_called_again(gate: Gate, blank: U8) -> None:
    gate.open.set()
    pools: list[SegmenterPool] = []

    def begin() -> SegmenterPool:
        pools.append(SegmenterPool(FAST, size=2))
        pools[-1].initialize()
        pools[-1].submit(bgr_frame(blank))
        return pools[-1]

    for count in itertools.count():
        pool = begin()
        try:
            with CutAfter(count):
                pool.close()
            break
        except CutError:
            pass
    assert len(pools) > 5
    for pool in pools:
        assert ends(pool.close)
        assert not any(engine.is_initialized for engine in pool._engines)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="there is no timer")
@pytest.mark.parametrize("seed", [1, 2, 3])
@cut_off
def test_a_storm_of_time_limits_loses_no_engine(gate: Gate, blank: U8, seed: int) -> None:
    rng = random.Random(seed)
    armed = False

    def handler(*_: object) -> None:
        if armed:
            raise CutError

    gate.open.set()
    before = signal.signal(signal.SIGALRM, handler)
    with SegmenterPool(FAST, size=2) as pool:
        frame = bgr_frame(blank)
        calls = list(waiting_calls(pool, frame).values())
        try:
            for _ in range(300):
                call = rng.choice(calls)
                with contextlib.suppress(CutError, CancelledError):
                    try:
                        armed = True
                        signal.setitimer(signal.ITIMER_REAL, 10 ** rng.uniform(-6, -3))
                        call()
                    finally:
                        armed = False
                        signal.setitimer(signal.ITIMER_REAL, 0)
        finally:
            signal.signal(signal.SIGALRM, before)
        gate.open.clear()
        gate.begun.clear()
        assert ends(lambda: [pool.submit(frame) for _ in range(2)])
        gate.wait_until_begun(2)
        gate.open.set()
        assert ends(pool.close)


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


@pytest.mark.parametrize(
    "ending", ["", "del pool", "pool.submit(frame)", "results = pool.map([frame] * 9); next(results)"]
)
def test_python_ends_without_close(ending: str) -> None:
    code = (
        "import numpy as np\n"
        "from upperbodyseg import FrameInput\n"
        "from upperbodyseg.pool import SegmenterPool\n"
        "pool = SegmenterPool(size=2)\n"
        "pool.initialize()\n"
        "picture = np.zeros((64, 64, 3), np.uint8)\n"
        "frame = FrameInput.from_array(picture)\n"
        "pool.submit(frame).result()\n" + ending
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    assert "Error" not in done.stderr


def test_a_forgotten_pool_ends_its_threads() -> None:
    pool = SegmenterPool(FAST, size=2)
    pool.initialize()
    frame = bgr_frame(np.zeros((64, 64, 3), np.uint8))
    list(pool.map([frame] * 4))
    workers = pool._workers
    assert workers is not None
    assert workers._at_work == 2
    del pool
    gc.collect()
    assert ends(workers.wait)
    assert workers._at_work == 0


def _work_in_child(
    connection: multiprocessing.connection.Connection,
    pool: SegmenterPool,
    results: OrderedResults,
    picture: U8,
) -> None:
    frame = bgr_frame(picture)
    masks = [
        pool.process(frame).mask,
        pool.submit(frame).result().mask,
        *(o.mask for o in pool.map([frame] * 5)),
    ]
    try:
        next(results)
    except EngineStateError as exc:
        refusal = str(exc)
    del results
    gc.collect()
    pool.close()
    connection.send((masks, refusal))


@pytest.mark.skipif(sys.platform != "linux", reason="fork is only the way on Linux")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_pool_goes_on_in_a_forked_child(webcam: U8) -> None:
    context = multiprocessing.get_context("fork")
    stop = threading.Event()
    with SegmenterPool(FAST, size=2) as pool:
        expected = pool.process(bgr_frame(webcam)).mask
        results = pool.map(itertools.repeat(bgr_frame(webcam)))
        next(results)

        def work() -> None:
            while not stop.is_set():
                pool.process(bgr_frame(webcam))

        # Engines and locks are held by these threads at nearly any moment, the fork's included.
        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads:
            thread.start()
        try:
            here, there = context.Pipe()
            child = context.Process(target=_work_in_child, args=(there, pool, results, webcam))
            child.start()
            assert here.poll(PATIENCE)
            masks, refusal = here.recv()
            child.join(PATIENCE)
            assert child.exitcode == 0
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        assert len(masks) == 7
        for mask in masks:
            np.testing.assert_array_equal(mask, expected)
        assert "parent" in refusal
        np.testing.assert_array_equal(next(results).mask, expected)
