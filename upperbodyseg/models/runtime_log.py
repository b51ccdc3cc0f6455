"""The lines that a runtime writes to standard error when it loads its first model."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import threading
from collections.abc import Iterator

from upperbodyseg.locks import Lock

__all__ = ["hide_information", "without_information"]

_hidden = threading.Event()
_lock = Lock()


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
            caught = _scratch_file()
            stack.callback(os.close, caught)
            kept = os.dup(2)
        except OSError:  # no room for a file, or no standard error
            yield
            return
        try:
            os.dup2(caught, 2)
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            os.lseek(caught, 0, os.SEEK_SET)
            lines = b"".join(iter(lambda: os.read(caught, 65536), b"")).splitlines(keepends=True)
            with contextlib.suppress(OSError):
                os.write(2, b"".join(line for line in lines if not line.startswith(b"INFO:")))


def _scratch_file() -> int:
    """The descriptor of a nameless file, in memory where the system has that: disks may be read-only."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("stderr")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
