"""A line on the terminal that says how far along a command is."""

from __future__ import annotations

import sys
from time import perf_counter

__all__ = ["ProgressBar"]


class ProgressBar:
    """A bar and the time left, on stderr; nothing where that is no terminal.

    Args:
        total: how many there are to do; None where nobody knows.
        unit: name of the rate, such as "fps", that is shown too; "" for none.
    """

    def __init__(self, total: int | None, unit: str = "") -> None:
        self.total, self.unit, self.start = total, unit, perf_counter()
        self.shown = total != 1 and sys.stderr is not None and sys.stderr.isatty()

    def show(self, done: int) -> None:
        """Say that so many are done."""
        if not self.shown:
            return
        seconds = perf_counter() - self.start
        line = f"{done} done"
        if self.total:
            total = max(self.total, done)  # a guess may be too low
            line = f"[{('#' * (24 * done // total)).ljust(24)}] {done}/{total}"
        if self.unit and done:
            line += f"  {done / seconds:.1f} {self.unit}"
        if self.total and done:
            line += f"  {_duration(seconds / done * (total - done))} left"
        sys.stderr.write(f"\r{line}\x1b[K")
        sys.stderr.flush()

    def close(self) -> None:
        """Clear the line."""
        if self.shown:
            sys.stderr.write("\r\x1b[K")


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
