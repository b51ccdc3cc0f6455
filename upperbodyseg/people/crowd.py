"""What an output keeps of its people, so that their masks can be made when they are asked for.

The regions as the segmenter saw them are kept by reference; nothing of the caller's frame is. The separator
runs in the thread that asks first.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from upperbodyseg.image_buffer import ImageBuffer
from upperbodyseg.locks import Lock
from upperbodyseg.people.found import Found
from upperbodyseg.people.ownership import Claim, are_close, claim_of, claims_of, owners
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
        claims: what is each person's, where that is known.
    """

    def __init__(
        self, mask: ImageBuffer, found: Found, folder: Path, runtime: str, claims: Sequence[Claim] = ()
    ) -> None:
        self._mask = mask
        self._found = found
        self._folder, self._runtime = folder, runtime
        self._claims = tuple(claims)
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
        if not self._claims and any(are_close(a, b) for i, a in enumerate(boxes) for b in boxes[:i]):
            with shared_separators.lock:
                separator = shared_separators.get(self._folder, self._runtime)
                self._claims = tuple(claims_of(separator, self._found))
        claims = self._claims or claims_of(None, self._found)
        return owners(claims, self._found.views, boxes, mask)

    def _look_closer(self) -> Crowd | None:
        """The same people and those whom the separator tells from them; None where there are none."""
        found = self._found
        if not (found.persons and found.overlapping):
            return None
        with shared_separators.lock:
            separator = shared_separators.get(self._folder, self._runtime)
            claims = [claim_of(separator, found, p.box) for p in found.persons]
            more, claims = find_unlisted(separator, found, claims)
        if not more:
            return None
        everyone = Found((*found.persons, *more), found.views, ())
        return Crowd(self._mask, everyone, self._folder, self._runtime, claims)
