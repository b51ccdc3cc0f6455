"""A lock that a signal handler's error does not leave held."""

from __future__ import annotations

import _thread
from typing import Any

from upperbodyseg.errors import EngineStateError

__all__ = ["Lock"]


_RLock: Any = _thread.RLock  # final, but to type checkers alone


class Lock(_RLock):  # type: ignore[misc]
    """For ``with`` statements. A thread that holds it can't take it again.

    Python 3.14 runs signal handlers between the entry of a lock and the ``with`` statement's care for it.
    What they raise, ``KeyboardInterrupt`` say, would leave a lock of :mod:`threading` held for ever. Here the
    entry gives the lock back. The exit is C's own. No handler runs within it.

    Raises:
        EngineStateError: the thread holds it already: a signal handler uses what it interrupted.
    """

    def __enter__(self) -> bool:
        if self._is_owned():
            raise EngineStateError("a signal handler can't use the engine or pool that it interrupted")
        try:
            return self.acquire()
        except BaseException:
            try:  # noqa: SIM105  (one step of C, as contextlib.suppress() would not be)
                self.release()
            except RuntimeError:
                pass  # it was not taken yet
            raise
