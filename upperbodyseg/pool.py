"""Several engines side by side, for more frames a second than one of them gives."""

from __future__ import annotations

import os
import queue
import threading
import weakref
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from types import TracebackType

from upperbodyseg.checks import whole_number
from upperbodyseg.engine import DEFAULT_BLUR_SIGMA, SegmenterOptions, UpperBodySegmenter
from upperbodyseg.errors import EngineStateError, InputError
from upperbodyseg.types import FrameInput, SegmentationOutput

__all__ = ["OrderedResults", "SegmenterPool"]

MAX_SIZE = 256
"""Most engines of a pool."""

FRAMES_AHEAD = 4
"""Frames that :meth:`SegmenterPool.map` has under way, for each engine. With two the engines ran dry
while the thread that asks for the results waited for a CPU."""

_CLOSED = "the pool was closed: create a new one"

_pools: weakref.WeakSet[SegmenterPool] = weakref.WeakSet()


class _Here(threading.local):
    """What the current thread is doing for one pool."""

    frames = 0
    is_worker = False


def _mark_worker(here: _Here) -> None:
    here.is_worker = True


class SegmenterPool:
    """Keeps several engines busy; frames are independent of each other.

    As a context manager, or with :meth:`initialize` and :meth:`close`. All methods may be called
    from several threads at once. Every frame is processed as a still picture
    (``FrameInput.is_still``), whatever it says itself: a pool's engines see the frames of many
    sources in any order, so nothing may be carried over from one to the next. For a stream use one
    :class:`~upperbodyseg.UpperBodySegmenter` of its own.

    An engine runs in one thread (``SegmenterOptions.num_threads``). OpenCV may use several of its
    own for the work around the models; their number is the whole process's, so it is left as it
    is. ``cv2.setNumThreads(1)`` is the right choice where a pool has an engine for every CPU.

    In a forked child a pool goes on with threads and models of its own. Futures and results that
    were under way in the parent are the parent's and never come in the child.

    Args:
        options: settings of the engines; None for the defaults.
        size: number of engines, 1 to 256; None for as many as there are CPUs that the process may
            use. Each engine loads its own models.

    Raises:
        InputError: a value that can't be used.
    """

    def __init__(self, options: SegmenterOptions | None = None, size: int | None = None) -> None:
        if size is None:
            size = min(_available_cpus(), MAX_SIZE)
        size = whole_number("size", size, 1, MAX_SIZE, ", or None")
        self._engines = tuple(UpperBodySegmenter(options) for _ in range(size))
        self._initialized = False
        self._closed = False
        self._start()
        _pools.add(self)

    def _start(self) -> None:
        self._here = _Here()
        self._executor = ThreadPoolExecutor(
            len(self._engines), "upperbodyseg-pool", initializer=_mark_worker, initargs=(self._here,)
        )
        # This and the condition are reentrant, so that a signal handler may close the pool.
        self._free: queue.SimpleQueue[UpperBodySegmenter] = queue.SimpleQueue()
        for engine in self._engines:
            self._free.put(engine)
        self._accepted = 0
        self._idle = threading.Condition()

    @property
    def options(self) -> SegmenterOptions:
        """The engines' settings."""
        return self._engines[0].options

    @property
    def size(self) -> int:
        """Number of engines."""
        return len(self._engines)

    @property
    def is_initialized(self) -> bool:
        """Whether frames are accepted."""
        return self._initialized and not self._closed

    def initialize(self) -> None:
        """Load the models of all engines; a second call does nothing.

        Raises:
            ModelNotFoundError: a weight file or the runtime is missing.
            ModelFormatError: a weight file is damaged.
            EngineStateError: the pool was closed.
        """
        if self._closed:
            raise EngineStateError(_CLOSED)
        for engine in self._engines:
            engine.initialize()
        self._initialized = True

    def process(self, frame: FrameInput, blur_sigma: float = DEFAULT_BLUR_SIGMA) -> SegmentationOutput:
        """Segment one frame in the calling thread, on an engine that is free, waiting for one if need be.

        Args:
            frame: the frame; its memory is only read, and not used any more afterwards.
            blur_sigma: see :meth:`upperbodyseg.UpperBodySegmenter.process`.

        Returns:
            The mask, of the frame's size, and what was found.

        Raises:
            InputError: the frame or ``blur_sigma`` can't be used (see the message).
            ImageTooLargeError: the frame has more than ``max_pixels`` pixels.
            EngineStateError: not initialized, or closed; or called by a signal handler that
                interrupted a frame on the last free engine.
            InferenceError: the runtime failed.
        """
        self._enter()
        try:
            return self._process(frame, blur_sigma)
        finally:
            self._leave()

    def submit(self, frame: FrameInput, blur_sigma: float = DEFAULT_BLUR_SIGMA) -> Future[SegmentationOutput]:
        """Queue one frame for the pool's own threads.

        The queue has no bound: whoever submits faster than the engines work should wait for
        results in between, or use :meth:`map`.

        Args:
            frame: the frame; its memory must stay as it is until the future is done.
            blur_sigma: see :meth:`upperbodyseg.UpperBodySegmenter.process`.

        Returns:
            A future of the output, or of what :meth:`process` raises. Cancelling it works until the
            frame's turn comes.

        Raises:
            EngineStateError: not initialized, or closed.
        """
        self._enter()
        try:
            future = self._executor.submit(self._process, frame, blur_sigma)
        except BaseException as exc:  # Ctrl-C as well: close() would wait for a frame that never ends
            self._leave()
            if isinstance(exc, RuntimeError):
                raise EngineStateError(f"no thread can be started any more: {exc}") from exc
            raise
        future.add_done_callback(self._leave)
        return future

    def map(self, frames: Iterable[FrameInput], blur_sigma: float = DEFAULT_BLUR_SIGMA) -> OrderedResults:
        """Segment many frames on all engines, and have the results in the order of the frames.

        ``frames`` may be endless: at most ``4 * size`` are taken ahead of the result that is asked
        for, each when there is room, and in the thread that asks.

        Args:
            frames: the frames; the memory of each must stay as it is until its result has come, so
                buffers that are used again must be at least ``4 * size`` in number.
            blur_sigma: see :meth:`upperbodyseg.UpperBodySegmenter.process`.

        Returns:
            An iterator of the outputs, see :class:`OrderedResults`.

        Raises:
            InputError: ``frames`` is no iterable.
            EngineStateError: not initialized, or closed.
        """
        self._check_state()
        if not isinstance(frames, Iterable):
            raise InputError(f"frames must be an iterable of FrameInput, got {type(frames).__name__}")
        return OrderedResults(self, iter(frames), blur_sigma)

    def close(self) -> None:
        """Let go of the models, after the frames accepted so far; a second call does nothing.

        Frames accepted before, by whichever method, are finished; those that come after are
        refused. It does not wait when called in the middle of one of the pool's frames, by a signal
        handler or a future's callback: the last frame then lets go of the models.
        """
        with self._idle:
            self._closed = True
            if not (self._here.frames or self._here.is_worker):
                self._idle.wait_for(lambda: self._accepted == 0)
            if self._accepted == 0:
                self._let_go()
        if not (self._here.frames or self._here.is_worker):
            self._executor.shutdown()

    def __enter__(self) -> SegmenterPool:
        self.initialize()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _check_state(self) -> None:
        if self._closed:
            raise EngineStateError(_CLOSED)
        if not self._initialized:
            raise EngineStateError(
                "the pool has not been initialized: call initialize(), or use it in a with statement"
            )

    def _enter(self) -> None:
        with self._idle:
            self._check_state()
            self._accepted += 1

    def _leave(self, _: object = None) -> None:
        with self._idle:
            self._accepted -= 1
            if self._accepted == 0:
                if self._closed:
                    self._let_go()
                self._idle.notify_all()

    def _let_go(self) -> None:
        for engine in self._engines:
            engine.close()
        self._executor.shutdown(wait=False)

    def _process(self, frame: FrameInput, blur_sigma: float) -> SegmentationOutput:
        if isinstance(frame, FrameInput) and not frame.is_still:  # the engine refuses what is no frame
            frame = replace(frame, is_still=True)
        try:
            engine = self._free.get(block=not self._here.frames)
        except queue.Empty:
            raise EngineStateError(
                "the last free engine is in the middle of a frame on this very thread"
            ) from None
        self._here.frames += 1
        try:
            return engine.process(frame, blur_sigma)
        finally:
            self._here.frames -= 1
            self._free.put(engine)


class OrderedResults(Iterator[SegmentationOutput]):
    """Outputs of :meth:`SegmenterPool.map`, in the order of the frames; for one thread.

    What goes wrong with a frame is raised in its place, and the next ``next()`` gives the frame
    after it; a ``for`` loop ends there as with every iterator. So is what ``frames`` itself raises,
    after which there is nothing more. Closed, or no longer referred to, it cancels the frames whose
    turn has not come; those in progress finish and are dropped.
    """

    def __init__(self, pool: SegmenterPool, frames: Iterator[FrameInput], blur_sigma: float) -> None:
        self._pool = pool
        self._frames: Iterator[FrameInput] | None = frames
        self._blur_sigma = blur_sigma
        self._futures: deque[Future[SegmentationOutput]] = deque()
        self._pid = os.getpid()

    def __next__(self) -> SegmentationOutput:
        if self._pid != os.getpid():
            raise EngineStateError("these results are under way in the parent process: call map() again")
        self._fill()
        if not self._futures:
            raise StopIteration
        # Waits. After a Ctrl-C in here the same result can be asked for again.
        self._futures[0].exception()
        return self._futures.popleft().result()

    def _fill(self) -> None:
        while self._frames is not None and len(self._futures) < FRAMES_AHEAD * self._pool.size:
            try:
                self._futures.append(self._pool.submit(next(self._frames), self._blur_sigma))
            except StopIteration:
                self._frames = None
            except Exception as exc:
                # In its place: the frames before it come first.
                failed: Future[SegmentationOutput] = Future()
                failed.set_exception(exc)
                self._futures.append(failed)
                self._frames = None
            except BaseException:
                # Ctrl-C: going on later with a frame missing would shift all results after it.
                self.close()
                raise

    def close(self) -> None:
        """Give up the frames that are left; a second call does nothing."""
        self._frames = None
        if self._pid != os.getpid():
            self._futures.clear()  # their locks may be held by the parent's threads
        while self._futures:
            self._futures.pop().cancel()

    def __del__(self) -> None:
        self.close()


def _available_cpus() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _after_fork() -> None:
    """In a forked child: new threads, and locks that no thread of the parent holds."""
    for pool in list(_pools):
        pool._start()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
