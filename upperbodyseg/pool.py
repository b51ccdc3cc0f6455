"""Several engines side by side, for more frames a second than one of them gives."""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from types import TracebackType

from upperbodyseg.checks import whole_number
from upperbodyseg.cpus import available_cpus
from upperbodyseg.engine import DEFAULT_BLUR_SIGMA, SegmenterOptions, UpperBodySegmenter
from upperbodyseg.errors import EngineStateError, InputError
from upperbodyseg.fork import renew_in_child
from upperbodyseg.locks import Lock
from upperbodyseg.types import FrameInput, SegmentationOutput
from upperbodyseg.workers import POOL_CLOSED, Workers

__all__ = ["OrderedResults", "SegmenterPool"]

MAX_SIZE = 256
"""Most engines of a pool."""

FRAMES_AHEAD = 4
"""Frames that :meth:`SegmenterPool.map` has under way, for each engine. With two the engines ran dry
while the thread that asks for the results waited for a CPU."""


class SegmenterPool:
    """Keeps several engines busy. Frames are independent of each other.

    As a context manager, or with :meth:`initialize` and :meth:`close`. Several threads may call all
    methods at once. Every frame is processed as a still (``FrameInput.is_still``), whatever it says
    itself: the engines see the frames of many sources in any order. For a stream use one
    :class:`~upperbodyseg.UpperBodySegmenter` of its own.

    An engine runs in one thread of the pool (``SegmenterOptions.num_threads`` in inference). OpenCV may
    use several of its own for the work around the models. Their number is the whole process's, so the
    pool leaves it alone. ``cv2.setNumThreads(1)`` is the right choice where a pool has an engine for
    every CPU.

    A signal handler may raise in the middle of any call (a time limit, Ctrl-C). The call ends, no engine
    is lost, and the pool stays usable. A frame that its engine has begun runs on to its end, and its
    output is dropped.

    In a forked child a pool goes on with threads and models of its own. Frames under way in the parent
    are the parent's.

    Args:
        options: settings of the engines; None for the defaults.
        size: number of engines, 1 to 256; None for as many as there are CPUs that the process may
            use, by its affinity and its container's quota. Each engine loads its own models.

    Raises:
        InputError: a value that can't be used.
    """

    def __init__(self, options: SegmenterOptions | None = None, size: int | None = None) -> None:
        if size is None:
            size = min(available_cpus(), MAX_SIZE)
        size = whole_number("size", size, 1, MAX_SIZE, ", or None")
        self._engines = tuple(UpperBodySegmenter(options) for _ in range(size))
        self._initialized = False
        self._closed = False
        self.renew()
        renew_in_child(self)

    def renew(self) -> None:
        """In a forked child: the first frame starts new threads."""
        self._lock = Lock()
        self._workers: Workers | None = None

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
        """Load the models of all engines. A second call does nothing.

        Raises:
            ModelNotFoundError: a weight file or the runtime is missing.
            ModelFormatError: a weight file is damaged.
            EngineStateError: the pool was closed.
        """
        with self._lock:
            if self._closed:
                raise EngineStateError(POOL_CLOSED)
            for engine in self._engines:
                engine.initialize()
            self._initialized = True

    def process(self, frame: FrameInput, blur_sigma: float = DEFAULT_BLUR_SIGMA) -> SegmentationOutput:
        """Segment one frame on an engine that is free, and wait for the output.

        Args:
            frame: the frame. Its memory is only read, and not used any more after this returns. Where a
                signal handler cuts the call off, an engine may read it until :meth:`close` returns.
            blur_sigma: see :meth:`upperbodyseg.UpperBodySegmenter.process`.

        Returns:
            The mask, of the frame's size, and the people.

        Raises:
            InputError: the frame or ``blur_sigma`` can't be used (see the message).
            ImageTooLargeError: the frame has more than ``max_pixels`` pixels.
            EngineStateError: not initialized, or closed.
            InferenceError: the runtime failed.
        """
        workers = self._running()
        engine = workers.engine_here
        if engine is not None:  # in a future's callback: no other thread may be free
            return engine.process(_as_still(frame), blur_sigma)
        future = workers.submit(_as_still(frame), blur_sigma)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise
        finally:
            del future  # an error refers to this frame of the stack, and the future to the error

    def submit(self, frame: FrameInput, blur_sigma: float = DEFAULT_BLUR_SIGMA) -> Future[SegmentationOutput]:
        """Queue one frame.

        The queue has no bound. Whoever submits faster than the engines work should wait for results in
        between, or use :meth:`map`.

        Args:
            frame: the frame; its memory must stay as it is until the future is done.
            blur_sigma: see :meth:`upperbodyseg.UpperBodySegmenter.process`.

        Returns:
            A future of the output, or of what :meth:`process` raises. It can be cancelled until the
            frame's turn comes.

        Raises:
            EngineStateError: not initialized, or closed.
        """
        return self._running().submit(_as_still(frame), blur_sigma)

    def map(self, frames: Iterable[FrameInput], blur_sigma: float = DEFAULT_BLUR_SIGMA) -> OrderedResults:
        """Segment many frames on all engines, and return the results in the order of the frames.

        ``frames`` may be endless: at most ``4 * size`` are taken ahead of the result that is asked
        for, each when there is room, and in the thread that asks.

        Args:
            frames: the frames. The memory of each must stay as it is until its result has come. A caller
                that fills buffers in turn needs at least ``4 * size`` of them.
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
        """Let go of the models, after the frames accepted so far. A second call waits likewise.

        Frames accepted before, by whichever method, are finished. Later ones are refused. In a future's
        callback it does not wait.
        """
        with self._lock:
            self._closed = True
            workers = self._workers
        if workers is None:
            for engine in self._engines:
                engine.close()
            return
        workers.close()
        if workers.engine_here is None:
            workers.wait()

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
            raise EngineStateError(POOL_CLOSED)
        if not self._initialized:
            raise EngineStateError(
                "the pool has not been initialized: call initialize(), or use it in a with statement"
            )

    def _running(self) -> Workers:
        """The threads, which the first frame starts."""
        with self._lock:
            self._check_state()
            if self._workers is None:
                workers = Workers(self._engines)
                try:
                    workers.start()
                    # A pool that nobody refers to any more ends its threads.
                    weakref.finalize(self, workers.close).atexit = False
                    self._workers = workers
                except BaseException:
                    self._workers = None
                    workers.dismiss()
                    raise
            return self._workers


class OrderedResults(Iterator[SegmentationOutput]):
    """Outputs of :meth:`SegmenterPool.map`, in the order of the frames; for one thread.

    An error of a frame is raised in its place, and the next ``next()`` gives the frame after it; a
    ``for`` loop ends there as with every iterator. An error of ``frames`` itself comes after the frames
    before it and ends the results. Closed, or no longer referred to, the results cancel the frames whose
    turn has not come. Those in progress finish and are dropped.
    """

    def __init__(self, pool: SegmenterPool, frames: Iterator[FrameInput], blur_sigma: float) -> None:
        self._pool = pool
        self._frames: Iterator[FrameInput] | None = frames
        self._blur_sigma = blur_sigma
        self._futures: deque[Future[SegmentationOutput]] = deque()
        renew_in_child(self)

    def renew(self) -> None:
        """In a forked child: these frames are under way in the parent and never come here."""
        self._frames = None
        self._futures = deque(
            [_failed(EngineStateError("these results are under way in the parent process: call map() again"))]
        )

    def __next__(self) -> SegmentationOutput:
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
                self._futures.append(_failed(exc))
                self._frames = None
            except BaseException:
                # Ctrl-C: going on later with a frame missing would shift all results after it.
                self.close()
                raise

    def close(self) -> None:
        """Give up the frames that are left. A second call does nothing."""
        self._frames = None
        while self._futures:
            self._futures.pop().cancel()

    def __del__(self) -> None:
        if hasattr(self, "_futures"):  # a signal handler may have cut __init__ off
            self.close()


def _failed(error: Exception) -> Future[SegmentationOutput]:
    future: Future[SegmentationOutput] = Future()
    future.set_exception(error)
    return future


def _as_still(frame: FrameInput) -> FrameInput:
    if isinstance(frame, FrameInput) and not frame.is_still:  # the engine refuses what is no frame
        return replace(frame, is_still=True)
    return frame
