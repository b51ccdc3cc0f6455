"""What an output keeps of its people, so that their masks can be made when they are asked for.

The regions as the segmenter saw them are kept by reference; nothing of the caller's frame is. The separator
runs in the thread that asks first.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from upperbodyseg.image_buffer import ImageBuffer
from upperbodyseg.locks import Lock
from upperbodyseg.people.found import Found
from upperbodyseg.people.ownership import are_close, owners
from upperbodyseg.people.separator import shared_separators
from upperbodyseg.people.unlisted import find_unlisted
from upperbodyseg.types import DetectedPerson

__all__ = ["Crowd"]


class Crowd:
    """The people of one output. Any thread may ask; it can be copied and pickled.

    Args:
        mask: the frame's.
        found: its people.
        folder: of the pair of models, for the separator.
        runtime: as for :class:`~upperbodyseg.SegmenterOptions`.
    """

    def __init__(self, mask: ImageBuffer, found: Found, folder: Path, runtime: str) -> None:
        self._mask = mask
        self._found = found
        self._folder, self._runtime = folder, runtime
        self._owner: NDArray[np.uint8] | None = None
        self._everyone: Crowd | None = None
        self._looked = False
        self._lock = Lock()

    @property
    def persons(self) -> tuple[DetectedPerson, ...]:
        """The people, with their masks."""
        # Not kept: they hold this object, and who holds each other is only freed now and then.
        return tuple(DetectedPerson(p.box, p.score, p.id, self, i) for i, p in enumerate(self._found.persons))

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = Lock()

    def of(self, number: int) -> NDArray[np.uint8]:
        """The mask of one person; see :attr:`upperbodyseg.DetectedPerson.mask`."""
        mask = self._mask.as_array()
        if len(self._found.persons) == 1:
            return mask.copy()
        with self._lock:
            if self._owner is None:
                self._owner = self._owners(mask)
        return np.where(self._owner == number, mask, np.uint8(0))

    def everyone(self) -> tuple[DetectedPerson, ...]:
        """The persons, and those whom only the separator tells from them."""
        with self._lock:
            if not self._looked:
                self._everyone, self._looked = self._look_closer(), True
        return self.persons if self._everyone is None else self._everyone.persons

    def _owners(self, mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
        boxes = [p.box for p in self._found.persons]
        if not any(are_close(a, b) for i, a in enumerate(boxes) for b in boxes[:i]):
            return owners(None, self._found.views, boxes, mask)
        with shared_separators.lock:
            separator = shared_separators.get(self._folder, self._runtime)
            return owners(separator, self._found.views, boxes, mask)

    def _look_closer(self) -> Crowd | None:
        """The same people and those whom the separator tells from them; None where there are none."""
        if not (self._found.persons and self._found.overlapping):
            return None
        with shared_separators.lock:
            separator = shared_separators.get(self._folder, self._runtime)
            more = find_unlisted(separator, self._found)
        if not more:
            return None
        found = Found((*self._found.persons, *more), self._found.views, ())
        return Crowd(self._mask, found, self._folder, self._runtime)
