from __future__ import annotations

import asyncio
import gc
import multiprocessing
import multiprocessing.connection
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

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
from upperbodyseg.aio import AsyncUpperBodySegmenter

U8 = NDArray[np.uint8]
FAST = SegmenterOptions(model="fast")
PATIENCE = 60  # seconds until a wait that should end counts as a hang


def bgr_frame(bgr: U8, timestamp: int = 0) -> FrameInput:
    return FrameInput.from_array(bgr, timestamp=timestamp, is_still=True)


class Gate:
    """Stands in for UpperBodySegmenter.process: a frame begins, and ends when it is let."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.begun: list[int] = []
        self.threads: set[threading.Thread] = set()
        self._begun = threading.Condition()

    def process(self, engine: UpperBodySegmenter, frame: FrameInput, sigma: float) -> SegmentationOutput:
        with self._begun:
            self.begun.append(frame.timestamp)
            self.threads.add(threading.current_thread())
            self._begun.notify_all()
        assert self.open.wait(PATIENCE)
        assert engine.is_initialized
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
def frames() -> list[FrameInput]:
    return [bgr_frame(np.zeros((8, 8, 3), np.uint8), i) for i in range(6)]


async def start(
    segmenter: AsyncUpperBodySegmenter, frames: list[FrameInput]
) -> list[asyncio.Task[SegmentationOutput]]:
    tasks = [asyncio.create_task(segmenter.process(frame)) for frame in frames]
    await asyncio.sleep(0)  # every task runs up to where it waits
    return tasks


def test_masks_are_the_engines(webcam: U8, portrait: U8) -> None:
    async def main() -> list[U8]:
        async with AsyncUpperBodySegmenter(FAST) as segmenter:
            assert segmenter.options is FAST
            outputs = [await segmenter.process(bgr_frame(p, 5), blur_sigma=2) for p in (webcam, portrait)]
            outputs += await asyncio.gather(
                *(segmenter.process(bgr_frame(p, 5), 2) for p in (webcam, portrait))
            )
            assert all(o.timestamp == 5 and o.success for o in outputs)
            assert outputs[0].persons
            return [o.mask for o in outputs]

    with UpperBodySegmenter(FAST) as engine:
        expected = [engine.process(bgr_frame(p), 2).mask for p in (webcam, portrait)]
    for got, mask in zip(asyncio.run(main()), expected * 2, strict=True):
        np.testing.assert_array_equal(got, mask)


def test_lifecycle(webcam: U8) -> None:
    async def main() -> None:
        segmenter = AsyncUpperBodySegmenter(FAST)
        assert not segmenter.is_initialized
        with pytest.raises(EngineStateError, match="initialize"):
            await segmenter.process(bgr_frame(webcam))
        await segmenter.initialize()
        await segmenter.initialize()
        assert segmenter.is_initialized
        assert not segmenter.is_processing
        assert (await segmenter.process(bgr_frame(webcam))).mask.any()
        assert not segmenter.is_processing
        await segmenter.close()
        await segmenter.close()
        assert not segmenter.is_initialized
        for call in (segmenter.initialize, segmenter.__aenter__):
            with pytest.raises(EngineStateError, match="closed"):
                await call()
        with pytest.raises(EngineStateError, match="closed"):
            await segmenter.process(bgr_frame(webcam))

    asyncio.run(main())


def test_closing_what_was_never_opened() -> None:
    async def main() -> None:
        segmenter = AsyncUpperBodySegmenter(FAST)
        await segmenter.close()
        with pytest.raises(EngineStateError, match="closed"):
            await segmenter.initialize()

    asyncio.run(main())


def test_errors_come_through_typed_and_the_engine_goes_on(webcam: U8) -> None:
    async def main() -> None:
        async with AsyncUpperBodySegmenter(FAST) as segmenter:
            with pytest.raises(InputError, match="FrameInput"):
                await segmenter.process(webcam)  # type: ignore[arg-type]
            with pytest.raises(InputError, match="blur_sigma"):
                await segmenter.process(bgr_frame(webcam), -1)
            assert not segmenter.is_processing
            assert (await segmenter.process(bgr_frame(webcam))).mask.any()

    asyncio.run(main())
    with pytest.raises(InputError, match="SegmenterOptions"):
        AsyncUpperBodySegmenter({"model": "fast"})  # type: ignore[arg-type]


def test_missing_models_are_named_and_loading_can_be_tried_again(
    monkeypatch: pytest.MonkeyPatch, webcam: U8
) -> None:
    async def main() -> None:
        segmenter = AsyncUpperBodySegmenter(FAST)
        with monkeypatch.context() as patch:
            patch.setattr("upperbodyseg.models.interpreter.available_runtimes", dict)
            with pytest.raises(ModelNotFoundError, match="pip install"):
                await segmenter.initialize()
            assert not segmenter.is_initialized
        async with segmenter:
            assert (await segmenter.process(bgr_frame(webcam))).success

    asyncio.run(main())


def test_the_event_loop_goes_on_while_models_load_and_frames_are_processed(
    gate: Gate, frames: list[FrameInput], monkeypatch: pytest.MonkeyPatch
) -> None:
    may_load = threading.Event()
    initialize = UpperBodySegmenter.initialize

    def load(engine: UpperBodySegmenter) -> None:
        assert may_load.wait(PATIENCE)
        gate.threads.add(threading.current_thread())
        initialize(engine)

    monkeypatch.setattr(UpperBodySegmenter, "initialize", load)

    async def main() -> None:
        segmenter = AsyncUpperBodySegmenter(FAST)
        loading = asyncio.create_task(segmenter.initialize())
        await asyncio.sleep(0)
        # Only a loop that goes on gets here.
        assert not segmenter.is_initialized
        may_load.set()
        await loading
        (task,) = await start(segmenter, frames[:1])
        assert not task.done()
        assert segmenter.is_processing
        gate.open.set()
        assert (await task).timestamp == 0
        await segmenter.close()

    asyncio.run(main())
    assert len(gate.threads) == 1
    assert threading.main_thread() not in gate.threads


def test_frames_are_processed_in_the_order_of_the_calls(gate: Gate, frames: list[FrameInput]) -> None:
    async def main() -> None:
        async with AsyncUpperBodySegmenter(FAST) as segmenter:
            tasks = await start(segmenter, frames)
            gate.open.set()
            assert [(await task).timestamp for task in reversed(tasks)] == [5, 4, 3, 2, 1, 0]

    asyncio.run(main())
    assert gate.begun == [0, 1, 2, 3, 4, 5]


def test_calls_made_before_the_models_are_loaded_wait_for_them(webcam: U8) -> None:
    async def main() -> None:
        segmenter = AsyncUpperBodySegmenter(FAST)
        _, output, _ = await asyncio.gather(
            segmenter.initialize(), segmenter.process(bgr_frame(webcam)), segmenter.close()
        )
        assert output.mask.any()

    asyncio.run(main())


def test_a_cancelled_frame_in_progress_runs_on_and_those_that_wait_are_dropped(
    gate: Gate, frames: list[FrameInput]
) -> None:
    async def main() -> None:
        async with AsyncUpperBodySegmenter(FAST) as segmenter:
            first, second, third = await start(segmenter, frames[:3])
            gate.wait_until_begun(1)
            first.cancel()
            second.cancel()
            for task in (first, second):
                with pytest.raises(asyncio.CancelledError):
                    await task
            assert segmenter.is_processing
            third.cancel()
            with pytest.raises(asyncio.CancelledError):
                await third
            # Nobody waits any more, but the first frame is still in the thread.
            assert segmenter.is_processing
            gate.open.set()
            assert (await segmenter.process(frames[3])).timestamp == 3
            assert not segmenter.is_processing

    asyncio.run(main())
    assert gate.begun == [0, 3]


def test_a_time_limit_leaves_the_engine_whole(gate: Gate, frames: list[FrameInput]) -> None:
    async def main() -> None:
        async with AsyncUpperBodySegmenter(FAST) as segmenter:
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(segmenter.process(frames[0]), 0.01)
            gate.open.set()
            assert (await segmenter.process(frames[1])).timestamp == 1

    asyncio.run(main())


def test_closing_finishes_the_frames_accepted_before(gate: Gate, frames: list[FrameInput]) -> None:
    async def main() -> None:
        segmenter = AsyncUpperBodySegmenter(FAST)
        await segmenter.initialize()
        tasks = await start(segmenter, frames[:3])
        closings = [asyncio.create_task(segmenter.close()) for _ in range(2)]
        await asyncio.sleep(0)
        assert not segmenter.is_initialized
        with pytest.raises(EngineStateError, match="closed"):
            await segmenter.process(frames[3])
        assert not any(closing.done() for closing in closings)
        # Giving up waiting does not undo the closing.
        closings[0].cancel()
        with pytest.raises(asyncio.CancelledError):
            await closings[0]
        gate.open.set()
        await closings[1]
        assert [(await task).timestamp for task in tasks] == [0, 1, 2]
        assert not segmenter._engine.is_initialized
        await segmenter.close()

    asyncio.run(main())
    assert gate.begun == [0, 1, 2]


def test_leaving_the_with_statement_closes_also_after_an_error(webcam: U8) -> None:
    async def main() -> None:
        segmenter = AsyncUpperBodySegmenter(FAST)
        with pytest.raises(InputError):
            async with segmenter:
                await segmenter.process(bgr_frame(webcam), -1)
        assert not segmenter._engine.is_initialized

    asyncio.run(main())


def test_one_segmenter_in_one_event_loop_after_another(webcam: U8) -> None:
    segmenter = AsyncUpperBodySegmenter(FAST)
    asyncio.run(segmenter.initialize())
    masks = [asyncio.run(segmenter.process(bgr_frame(webcam))).mask for _ in range(2)]
    asyncio.run(segmenter.close())
    asyncio.run(segmenter.close())
    assert masks[0].any()
    np.testing.assert_array_equal(masks[0], masks[1])


def test_one_segmenter_in_several_event_loops_at_once(webcam: U8, portrait: U8) -> None:
    segmenter = AsyncUpperBodySegmenter(FAST)
    asyncio.run(segmenter.initialize())
    found: dict[int, list[U8]] = {}

    async def work(picture: U8) -> list[U8]:
        outputs = await asyncio.gather(*(segmenter.process(bgr_frame(picture)) for _ in range(5)))
        return [o.mask for o in outputs]

    pictures = [webcam, np.ascontiguousarray(portrait)]
    threads = [
        threading.Thread(target=lambda i=i: found.update({i: asyncio.run(work(pictures[i]))}))
        for i in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    asyncio.run(segmenter.close())
    with UpperBodySegmenter(FAST) as engine:
        for i, picture in enumerate(pictures):
            assert len(found[i]) == 5
            for mask in found[i]:
                np.testing.assert_array_equal(mask, engine.process(bgr_frame(picture)).mask)


def test_a_loop_that_ends_in_the_middle_of_a_frame_leaves_the_segmenter_whole(
    gate: Gate, frames: list[FrameInput]
) -> None:
    segmenter = AsyncUpperBodySegmenter(FAST)
    tasks = []

    async def leave() -> None:
        await segmenter.initialize()
        tasks.extend(await start(segmenter, frames[:3]))
        gate.wait_until_begun(1)

    asyncio.run(leave())  # cancels what is left
    assert all(task.cancelled() for task in tasks)
    assert segmenter.is_processing
    gate.open.set()
    assert asyncio.run(segmenter.process(frames[4])).timestamp == 4
    assert not segmenter.is_processing
    assert gate.begun == [0, 4]
    asyncio.run(segmenter.close())


def test_the_loops_default_executor_is_not_used(gate: Gate, frames: list[FrameInput]) -> None:
    async def main() -> None:
        gate.open.set()
        async with AsyncUpperBodySegmenter(FAST) as segmenter:
            await segmenter.process(frames[0])
        assert asyncio.get_running_loop()._default_executor is None  # type: ignore[attr-defined]

    asyncio.run(main())


def test_a_forgotten_segmenter_ends_its_thread() -> None:
    segmenter = AsyncUpperBodySegmenter(FAST)
    asyncio.run(segmenter.initialize())
    (thread,) = segmenter._worker._threads
    del segmenter
    gc.collect()
    thread.join(PATIENCE)
    assert not thread.is_alive()


@pytest.mark.parametrize(
    "ending",
    [
        "asyncio.run(segmenter.process(frame))",
        "asyncio.run(segmenter.process(frame)); del segmenter",
        "async def leave():\n"
        "    tasks = [asyncio.create_task(segmenter.process(frame)) for _ in range(9)]\n"
        "    await asyncio.sleep(0)\n"
        "asyncio.run(leave())",
        "import atexit; atexit.register(lambda: asyncio.run(segmenter.close()))",
    ],
    ids=["open", "forgotten", "in the middle of frames", "closed at exit"],
)
def test_python_ends_without_close(ending: str) -> None:
    code = (
        "import asyncio, numpy as np\n"
        "from upperbodyseg import FrameInput\n"
        "from upperbodyseg.aio import AsyncUpperBodySegmenter\n"
        "segmenter = AsyncUpperBodySegmenter()\n"
        "picture = np.zeros((64, 64, 3), np.uint8)\n"
        "frame = FrameInput.from_array(picture)\n"
        "asyncio.run(segmenter.initialize())\n" + ending
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


def _work_in_child(
    connection: multiprocessing.connection.Connection,
    segmenter: AsyncUpperBodySegmenter,
    closing: AsyncUpperBodySegmenter,
    picture: U8,
) -> None:
    assert not segmenter.is_processing
    mask = asyncio.run(segmenter.process(bgr_frame(picture))).mask
    asyncio.run(segmenter.close())
    asyncio.run(closing.close())
    connection.send(mask)


@pytest.mark.skipif(sys.platform != "linux", reason="fork is only the way on Linux")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_segmenter_goes_on_in_a_forked_child(webcam: U8) -> None:
    context = multiprocessing.get_context("fork")
    segmenter, closing = AsyncUpperBodySegmenter(FAST), AsyncUpperBodySegmenter(FAST)
    asyncio.run(segmenter.initialize())
    expected = asyncio.run(segmenter.process(bgr_frame(webcam))).mask
    # Both threads are in the middle of something when the process is forked.
    busy = threading.Barrier(3)
    stop = threading.Event()

    def hold() -> None:
        busy.wait(PATIENCE)
        stop.wait(PATIENCE)

    held = [s._worker.submit(hold) for s in (segmenter, closing)]
    busy.wait(PATIENCE)
    thread = threading.Thread(target=lambda: asyncio.run(closing.close()))
    thread.start()
    while closing._closed is None:
        time.sleep(0)
    try:
        here, there = context.Pipe()
        child = context.Process(target=_work_in_child, args=(there, segmenter, closing, webcam))
        child.start()
        assert here.poll(PATIENCE)
        np.testing.assert_array_equal(here.recv(), expected)
        child.join(PATIENCE)
        assert child.exitcode == 0
    finally:
        stop.set()
        thread.join(PATIENCE)
    for call in held:
        call.result(PATIENCE)
    asyncio.run(segmenter.close())
