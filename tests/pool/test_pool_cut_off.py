"""Calls of a pool that a signal handler's error cuts off."""

from __future__ import annotations

import contextlib
import itertools
import random
import signal
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError

import numpy as np
import pytest
from gate import FAST, PATIENCE, Gate, bgr_frame, ends
from numpy.typing import NDArray

from upperbodyseg import FrameInput, ImageBuffer, SegmenterOptions
from upperbodyseg.pool import SegmenterPool

U8 = NDArray[np.uint8]


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


@pytest.fixture
def no_models(monkeypatch: pytest.MonkeyPatch) -> None:
    class NoPipeline:
        def __init__(self, options: SegmenterOptions) -> None:
            pass

    monkeypatch.setattr("upperbodyseg.engine.Pipeline", NoPipeline)


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
            assert ends(lambda pool=pool: pool.process(bgr_frame(blank)))
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
