"""Threads with an engine each, which take frames from one queue.

A signal handler runs in the main thread and may raise between any two steps of it: a time limit,
Ctrl-C. So nothing that has to be given back is ever in a caller's hands. An engine belongs to one
thread for life. Callers put frames into a queue and wait for futures, and every lock of theirs is
one of :mod:`upperbodyseg.locks`.
"""

from __future__ import annotations

import _thread
import atexit
import contextlib
import queue
import threading
import weakref
from collections.abc import Sequence
from concurrent.futures import Future
from typing import TypeVar

from upperbodyseg.engine import UpperBodySegmenter
from upperbodyseg.errors import EngineStateError
from upperbodyseg.fork import renew_in_child
from upperbodyseg.locks import Lock
from upperbodyseg.types import FrameInput, SegmentationOutput

__all__ = ["POOL_CLOSED", "Workers"]

POOL_CLOSED = "the pool was closed: create a new one"

T = TypeVar("T")

_living: weakref.WeakSet[Workers] = weakref.WeakSet()


class _Condition(threading.Condition):
    """A condition that is entered and left as its lock is.

    ``Condition.__enter__`` is Python code. A handler that raises there, once the lock is taken, leaves it
    taken for ever, and the thread that has the result waits for it for ever.
    """

    __enter__ = property(lambda self: self._lock.__enter__)
    __exit__ = property(lambda self: self._lock.__exit__)


class _Future(Future[T]):
    """A future whose waiting callers may be cut off."""

    def __init__(self) -> None:
        super().__init__()
        self._condition = _Condition(Lock())

    def result(self, timeout: float | None = None) -> T:
        """See :meth:`concurrent.futures.Future.result`."""
        self._wait(timeout)
        return super().result(0)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """See :meth:`concurrent.futures.Future.exception`."""
        self._wait(timeout)
        return super().exception(0)

    def _wait(self, timeout: float | None) -> None:
        # Not with the condition: a handler that raises in Condition.wait() makes it raise another error.
        done: queue.SimpleQueue[object] = queue.SimpleQueue()
        self.add_done_callback(done.put)
        with contextlib.suppress(queue.Empty):
            done.get(timeout=timeout)


class _Job(_Future[SegmentationOutput]):
    """A frame in the queue, and the future of its output."""

    def __init__(self, frame: FrameInput, blur_sigma: float) -> None:
        super().__init__()
        self._work: tuple[FrameInput, float] | None = (frame, blur_sigma)

    def run(self, engine: UpperBodySegmenter) -> None:
        """Process the frame, unless it was cancelled; in a worker's thread."""
        work, self._work = self._work, None  # the frame is the caller's again once the future is done
        if work is None or not self.set_running_or_notify_cancel():
            return
        try:
            output = engine.process(*work)
        except BaseException as exc:
            del work
            self.set_exception(exc)
        else:
            del work
            self.set_result(output)


class Workers:
    """A thread for each engine.

    Args:
        engines: initialized, or in a forked child about to be.
    """

    def __init__(self, engines: Sequence[UpperBodySegmenter]) -> None:
        self._engines = engines
        self._here = threading.local()
        self.renew()
        renew_in_child(self)

    def renew(self) -> None:
        """Be as new, without threads: in a forked child there are none to wait for."""
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._lock = Lock()  # from a look at the state to what follows from it
        self._ending = self._closing = False
        self._at_work = 0
        self._over: _Future[None] = _Future()  # done when the last thread ends

    def start(self) -> None:
        """Start the threads.

        Raises:
            EngineStateError: no thread can be started any more.
        """
        self._at_work = len(self._engines)
        try:
            for engine in self._engines:
                # Not threading.Thread, whose start() waits with a condition (see _Job._wait). And Python
                # would wait for such threads before it calls _end_all.
                _thread.start_new_thread(self._loop, (engine,))
        except RuntimeError as exc:
            raise EngineStateError(f"no thread can be started any more: {exc}") from exc
        _living.add(self)

    def submit(self, frame: FrameInput, blur_sigma: float) -> Future[SegmentationOutput]:
        """Queue a frame.

        Raises:
            EngineStateError: :meth:`close` was called.
        """
        job = _Job(frame, blur_sigma)
        with self._lock:
            if self._ending:
                raise EngineStateError(POOL_CLOSED)
            self._jobs.put(job)
        return job

    def dismiss(self) -> None:
        """End the threads after the frames in the queue, without waiting. A second call does nothing more."""
        with self._lock:
            self._ending = True
            for _ in self._engines:
                self._jobs.put(None)

    def close(self) -> None:
        """As :meth:`dismiss`; and each thread closes its engine."""
        self._closing = True
        self.dismiss()

    def wait(self) -> None:
        """Wait until all threads have ended."""
        self._over.result()

    @property
    def engine_here(self) -> UpperBodySegmenter | None:
        """The calling thread's engine, where it is one of these threads."""
        engine: UpperBodySegmenter | None = getattr(self._here, "engine", None)
        return engine

    def _loop(self, engine: UpperBodySegmenter) -> None:
        self._here.engine = engine
        while True:
            job = self._jobs.get()
            if job is None:
                break
            job.run(engine)
            del job  # its frame and output shall not live until the next comes
        if self._closing:
            engine.close()
        with self._lock:
            self._at_work -= 1
            last = self._at_work == 0
        if last:
            self._over.set_result(None)


@atexit.register
def _end_all() -> None:
    """Let the frames in progress end, since Python would end their threads in the middle."""
    for workers in list(_living):
        workers.close()
        workers.wait()
