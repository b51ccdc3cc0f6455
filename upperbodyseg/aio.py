"""An engine for asyncio: loading and inference in a thread of their own, so the event loop goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import ParamSpec, TypeVar

from upperbodyseg.engine import DEFAULT_BLUR_SIGMA, SegmenterOptions, UpperBodySegmenter
from upperbodyseg.errors import EngineStateError
from upperbodyseg.fork import renew_in_child
from upperbodyseg.locks import Lock
from upperbodyseg.types import FrameInput, SegmentationOutput

__all__ = ["AsyncUpperBodySegmenter"]

_P = ParamSpec("_P")
_T = TypeVar("_T")


class AsyncUpperBodySegmenter:
    """An awaitable :class:`~upperbodyseg.UpperBodySegmenter`.

    As an asynchronous context manager, or with :meth:`initialize` and :meth:`close`. The verbs are
    those of the original SDK's JavaScript wrapper. Everything runs in one thread of the segmenter's
    own, in the order of the calls, which suits the frames of one stream. The event loop's default
    executor is not used. Nothing is bound to an event loop: several may use one segmenter, one after
    the other or at once in several threads.

    Cancelling a task that awaits :meth:`process` drops the frame if its turn has not come yet. A
    frame in progress runs on to its end, and its result is dropped. Frames before and after it are
    not affected. In a forked child the segmenter goes on with a thread and models of its own. Frames
    accepted before the fork are the parent's.

    Args:
        options: settings; None for the defaults.

    Raises:
        InputError: ``options`` is something else.
    """

    def __init__(self, options: SegmenterOptions | None = None) -> None:
        self._engine = UpperBodySegmenter(options)
        self._closed: Future[None] | None = None
        self._start()
        renew_in_child(self)

    def _start(self) -> None:
        self._lock = Lock()  # never held for longer than it takes to queue a call
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="upperbodyseg-aio")
        self._frames: set[Future[SegmentationOutput]] = set()

    def renew(self) -> None:
        """In a forked child: a thread and a lock of its own."""
        self._start()
        if self._closed is not None:
            # The thread that closes the engine may be the parent's, and the future's lock held by it.
            self._engine.close()
            self._closed = Future()
            self._closed.set_result(None)

    @property
    def options(self) -> SegmenterOptions:
        """The engine's settings."""
        return self._engine.options

    @property
    def is_initialized(self) -> bool:
        """Whether :meth:`process` can be awaited."""
        return self._closed is None and self._engine.is_initialized

    @property
    def is_processing(self) -> bool:
        """Whether a frame is in progress or waits for its turn.

        A frame in progress whose task was cancelled counts until the thread is done with it.
        """
        return bool(self._frames)

    async def initialize(self) -> None:
        """Load the models. A second call does nothing.

        Raises:
            ModelNotFoundError: a weight file or the runtime is missing.
            ModelFormatError: a weight file is damaged.
            EngineStateError: the segmenter was closed.
        """
        with self._lock:
            future = self._submit(self._engine.initialize)
        await asyncio.wrap_future(future)

    async def process(self, frame: FrameInput, blur_sigma: float = DEFAULT_BLUR_SIGMA) -> SegmentationOutput:
        """Segment one frame, after those that were called for before it.

        Args:
            frame: the frame. A thread reads its memory at any time until this returns, so it must stay
                as it is until then. After a cancellation it must stay until :attr:`is_processing` is
                false. A camera that fills one buffer again and again needs
                ``ImageBuffer.set_owned_copy``.
            blur_sigma: see :meth:`upperbodyseg.UpperBodySegmenter.process`.

        Returns:
            The mask, of the frame's size, and the people.

        Raises:
            InputError: the frame or ``blur_sigma`` can't be used (see the message).
            ImageTooLargeError: the frame has more than ``max_pixels`` pixels.
            EngineStateError: not initialized, or closed.
            InferenceError: the runtime failed.
        """
        with self._lock:
            future = self._submit(self._engine.process, frame, blur_sigma)
            self._frames.add(future)
        # Before the awaiting task is told, so that it finds is_processing as it left it.
        future.add_done_callback(self._frames.discard)
        return await asyncio.wrap_future(future)

    async def close(self) -> None:
        """Let go of the models, after the frames accepted so far. A second call waits likewise.

        Frames accepted before are finished and their tasks get their results. Later ones are refused.
        Every call returns when the models are gone. Cancelling one only ends the waiting, not the
        closing.
        """
        with self._lock:
            closed = self._closed or self._begin_to_close()
        await asyncio.wrap_future(closed)

    async def __aenter__(self) -> AsyncUpperBodySegmenter:
        await self.initialize()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def _submit(self, function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        if self._closed is not None:
            raise EngineStateError("the segmenter was closed: create a new one")
        try:
            return self._worker.submit(function, *args, **kwargs)
        except RuntimeError as exc:
            raise EngineStateError(f"no thread can be started any more: {exc}") from exc

    def _begin_to_close(self) -> Future[None]:
        closed: Future[None] = Future()
        # A running future can't be cancelled: a task that gives up waiting must not undo the closing.
        closed.set_running_or_notify_cancel()
        engine = self._engine

        def close() -> None:
            engine.close()
            closed.set_result(None)

        try:
            self._submit(close)
        except EngineStateError:
            # Python is shutting down, and has waited for all frames already.
            close()
        self._worker.shutdown(wait=False)
        self._closed = closed
        return closed
