"""The lines that a runtime writes to standard error when it loads its first model."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import threading
from collections.abc import Iterator

__all__ = ["hide_information", "without_information"]

_hidden = threading.Event()
_lock = threading.Lock()


def hide_information() -> None:
    """From now on, keep the runtimes' ``INFO:`` lines from standard error.

    For programs whose standard error is their own, as the command line: while a model loads, what other
    threads write there comes after it.
    """
    _hidden.set()


@contextlib.contextmanager
def without_information() -> Iterator[None]:
    """While a model loads: after :func:`hide_information`, all but the ``INFO:`` lines is passed through.

    The runtimes write from C++ to the descriptor 2, which Python's ``sys.stderr`` doesn't see.
    """
    if not _hidden.is_set():
        yield
        return
    with _lock, contextlib.ExitStack() as stack:
        try:
            if sys.stderr is not None:
                sys.stderr.flush()
            caught = stack.enter_context(tempfile.TemporaryFile())
            kept = os.dup(2)
        except OSError:  # no room for a file, or no standard error
            yield
            return
        try:
            os.dup2(caught.fileno(), 2)
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            caught.seek(0)
            rest = b"".join(line for line in caught if not line.startswith(b"INFO:"))
            with contextlib.suppress(OSError):
                os.write(2, rest)
