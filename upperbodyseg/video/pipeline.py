"""Reading ahead and writing behind, each in a thread of its own.

The calling thread segments meanwhile. FFmpeg's libraries, OpenCV and the models' runtime release Python's
lock while they work.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

__all__ = ["ReadAhead", "WriteBehind", "queue_size"]

T = TypeVar("T")

_WAIT_S = 0.2  # so that Ctrl-C is noticed on Windows, too, where waiting for a lock can't be interrupted

_QUEUED_BYTES = 128 << 20


def queue_size(height: int, width: int, most: int) -> int:
    """How many BGR frames to hold between two threads, ``most`` at most; 0 where one is too large for it."""
    return min(_QUEUED_BYTES // (3 * height * width), most)


class ReadAhead(Generic[T]):
    """Iterates in another thread; to be used in a ``with`` statement, which ends the thread.

    Args:
        items: what to iterate over. What it raises is raised in its place.
        size: how many items are held at most; with 0 there is no thread.
    """

    def __init__(self, items: Iterable[T], size: int) -> None:
        self._items, self._size = items, size
        self._queue: queue.Queue[tuple[T | None, BaseException | None, bool]] = queue.Queue(size)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="video reader", daemon=True)

    def __enter__(self) -> ReadAhead[T]:
        if self._size:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._size:
            self._thread.join()

    def __iter__(self) -> Iterator[T]:
        if not self._size:
            yield from self._items
            return
        while True:
            try:
                item, error, ended = self._queue.get(timeout=_WAIT_S)
            except queue.Empty:
                continue
            if error is not None:
                raise error
            if ended:
                return
            yield item  # type: ignore[misc]

    def _run(self) -> None:
        try:
            for item in self._items:
                self._put((item, None, False))
                if self._stop.is_set():
                    return
            self._put((None, None, True))
        except BaseException as exc:
            self._put((None, exc, True))

    def _put(self, entry: tuple[T | None, BaseException | None, bool]) -> None:
        while not self._stop.is_set():
            try:
                self._queue.put(entry, timeout=_WAIT_S)
            except queue.Full:
                continue
            return


class WriteBehind:
    """Calls functions in another thread, one after the other.

    Args:
        size: how many calls may wait; with 0 there is no thread, and each is made at once.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._queue: queue.Queue[Callable[[], None] | None] = queue.Queue(size)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="video writer", daemon=True)
        if size:
            self._thread.start()

    def put(self, call: Callable[[], None]) -> None:
        """Queue a call, waiting for room.

        Raises:
            BaseException: what an earlier call raised; the calls after it were dropped.
        """
        self._check()
        if self._size:
            self._put(call)
        else:
            self._make(call)
            self._check()

    def drain(self) -> None:
        """Wait for all calls and end the thread; a second call does nothing but raise.

        Raises:
            BaseException: as for :meth:`put`.
        """
        if self._thread.is_alive():
            self._put(None)
            while self._thread.is_alive():
                self._thread.join(_WAIT_S)
        self._check()

    def settle(self) -> None:
        """End the thread as :meth:`drain` does, but raise nothing."""
        with contextlib.suppress(Exception):
            self.drain()

    def _check(self) -> None:
        if self._error is not None:
            raise self._error

    def _put(self, call: Callable[[], None] | None) -> None:
        while self._thread.is_alive():
            try:
                self._queue.put(call, timeout=_WAIT_S)
            except queue.Full:
                continue
            return

    def _run(self) -> None:
        while True:
            call = self._queue.get()
            if call is None:
                return
            if self._error is None:
                self._make(call)

    def _make(self, call: Callable[[], None]) -> None:
        try:
            call()
        except BaseException as exc:
            self._error = exc
