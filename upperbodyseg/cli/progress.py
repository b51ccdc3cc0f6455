"""A line on the terminal that says how far along a command is."""

from __future__ import annotations

import sys
from time import perf_counter

__all__ = ["ProgressBar"]


class ProgressBar:
    """A bar and the time left, on stderr; nothing where that is no terminal."""

    def __init__(self, total: int) -> None:
        self.total, self.start = total, perf_counter()
        self.shown = total > 1 and sys.stderr is not None and sys.stderr.isatty()

    def show(self, done: int) -> None:
        """Say that so many are done."""
        if not self.shown:
            return
        left = (perf_counter() - self.start) / max(done, 1) * (self.total - done)
        bar = ("#" * (24 * done // self.total)).ljust(24)
        rest = f"  {left:.0f} s left" if done else ""
        sys.stderr.write(f"\r[{bar}] {done}/{self.total}{rest}\x1b[K")
        sys.stderr.flush()

    def close(self) -> None:
        """Clear the line."""
        if self.shown:
            sys.stderr.write("\r\x1b[K")
