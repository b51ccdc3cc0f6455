"""Times that rise from each frame to the next, which containers insist on."""

from __future__ import annotations

from fractions import Fraction

__all__ = ["Timeline"]

_CLOCK_ANEW_S = 0.2
"""A time that lies so far before the last one was not shuffled: its clock began anew."""


class Timeline:
    """Times of one track."""

    def __init__(self) -> None:
        self.moves = 0
        self._last: int | None = None
        self._offset = 0

    def place(self, time: int | None, step: int, time_base: Fraction) -> int:
        """The time to write for one that was read; None follows the last by ``step``."""
        last = self._last
        if time is None:
            placed = 0 if last is None else last + step
        else:
            placed = time + self._offset
            if last is not None and placed <= last:
                self.moves += 1
                # A clock that began anew moves all that follows; a stray frame only itself.
                anew = (last - placed) * time_base > _CLOCK_ANEW_S
                if anew:
                    self._offset += last + step - placed
                placed = last + (step if anew else 1)
        self._last = placed
        return placed
