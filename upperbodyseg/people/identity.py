"""Who is who from one check of the detector to the next: by place, size and colour.

A person's expected place follows their movement. Who is hidden for a while keeps their number, and gets it
back by their colours and by where they can have gone.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from upperbodyseg.geometry import Box
from upperbodyseg.people.ownership import home_of
from upperbodyseg.people.separator import box_in
from upperbodyseg.segmenter import SegmentedRegion
from upperbodyseg.types import DetectedPerson

__all__ = ["Identities"]

REMEMBERED = 150
"""Frames after which somebody who is not seen any more is forgotten."""

_COST = 1.2
"""Highest cost of a match."""

_COLOUR = 1.5  # cost of colours without anything in common
_PLACE = 0.35  # cost of a box's size away from the expected place
_CLEAR = 0.75  # share of a box in no other: then its colours and its movement are the person's
_LEAST_CLEAR = 0.15  # below which the colours of the whole box are taken
_UNCLEAR = 0.5  # share of the cost of colours in a box that others' lie over
_GOES_ON = 10  # frames for which a movement is expected to go on
_SIDE = 0.3  # of a box's width on both sides
_ADAPT = 0.2  # share of the newest colours in those that are remembered
_MOVEMENT = 0.2  # share of the newest movement

# Upper and lower part of a person; a head's hair and a shirt's colour are told apart.
_PARTS = 4
_BINS = (8, 4, 4)
_SATURATED = (96, 175)  # of a* and b* as OpenCV scales them; 128 is grey
_RANGE = (96, 176)


@dataclass
class _Known:
    """Somebody who was seen.

    Attributes:
        id: their number.
        box: at the last check that showed them.
        colours: histogram of what is theirs.
        movement: of the box's middle, pixels a frame.
        frame: number of that last check's frame.
        placed: whether ``box`` says where they are likely to be.
    """

    id: int
    box: Box
    colours: NDArray[np.float32]
    frame: int
    movement: NDArray[np.float32] = field(default_factory=lambda: np.zeros(2, np.float32))
    placed: bool = True


class _Look(NamedTuple):
    """What a box shows.

    Attributes:
        colours: histogram, sums up to 1.
        clear: share of what is marked in the box that lies in no other's box.
    """

    colours: NDArray[np.float32]
    clear: float


class Identities:
    """Numbers the people of one stream. Not for several threads at a time."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """The next frame starts a new stream, and counts from 0."""
        self._known: list[_Known] = []
        self._next = 0
        self._ids: dict[Box, int] = {}

    def lose_places(self) -> None:
        """After a scene cut, where people were says nothing any more."""
        for known in self._known:
            known.placed = False

    def name(
        self, persons: Sequence[DetectedPerson], views: Sequence[SegmentedRegion], frame: int, *, anew: bool
    ) -> tuple[DetectedPerson, ...]:
        """The people of a frame with their ids.

        Args:
            persons: each once.
            views: the regions that show them.
            frame: the frame's number.
            anew: the detector has looked at this frame. Otherwise boxes keep the ids that they had.
        """
        if anew or any(p.box not in self._ids for p in persons):
            self._ids = {p.box: p.id for p in self.assign(persons, views, frame)} if persons else {}
        return tuple(replace(p, id=self._ids[p.box]) for p in persons)

    def assign(
        self, persons: Sequence[DetectedPerson], views: Sequence[SegmentedRegion], frame: int
    ) -> list[DetectedPerson]:
        """The same people with their ids.

        Args:
            persons: those of a check.
            views: the frame's regions.
            frame: its number.
        """
        self._known = [k for k in self._known if frame - k.frame <= REMEMBERED]
        looks = [
            _look(p.box, [o.box for o in persons if o is not p], views[home_of(p.box, views)])
            for p in persons
        ]
        costs = [
            (self._cost(known, p.box, look, frame), i, k)
            for i, (p, look) in enumerate(zip(persons, looks, strict=True))
            for k, known in enumerate(self._known)
        ]
        ids: dict[int, int] = {}
        taken: set[int] = set()
        for i, k in _cheapest(costs, len(persons), len(self._known)):
            known = self._known[k]
            ids[i] = known.id
            taken.add(k)
            _update(known, persons[i].box, looks[i], frame)
        for i, person in enumerate(persons):
            if i not in ids:
                ids[i] = self._next
                self._known.append(_Known(self._next, person.box, looks[i].colours, frame))
                self._next += 1
        return [replace(p, id=ids[i]) for i, p in enumerate(persons)]

    def _cost(self, known: _Known, box: Box, look: _Look, frame: int) -> float:
        # Bhattacharyya distance.
        unlike = np.sqrt(max(1 - float(np.sqrt(known.colours * look.colours).sum()), 0.0))
        if not known.placed:
            return float(_COLOUR * unlike + _PLACE)
        age = max(frame - known.frame, 1)
        # A movement goes on for a while, and then nobody knows.
        expected = _middle(known.box) + known.movement * min(age, _GOES_ON)
        size = np.sqrt(max((box[2] - box[0]) * (box[3] - box[1]), 1.0))
        away = float(np.hypot(*(_middle(box) - expected))) / float(size)
        trust = _COLOUR if look.clear >= _CLEAR else _COLOUR * _UNCLEAR
        return float(trust * unlike + _PLACE * min(away, 2.0))


def _cheapest(costs: list[tuple[float, int, int]], rows: int, columns: int) -> list[tuple[int, int]]:
    """Pairs by ascending cost, each of both once; the best exchange of two is made afterwards."""
    table = np.full((rows, columns), np.inf)
    for cost, i, k in costs:
        table[i, k] = cost
    pairs: dict[int, int] = {}
    for cost, i, k in sorted(costs):
        if cost > _COST:
            break
        if i not in pairs and k not in pairs.values():
            pairs[i] = k
    changed = True
    while changed:
        changed = False
        for a, b in itertools.combinations(pairs, 2):
            i, k = pairs[a], pairs[b]
            if table[a, k] + table[b, i] < table[a, i] + table[b, k] - 1e-6:
                pairs[a], pairs[b] = k, i
                changed = True
    return list(pairs.items())


def _update(known: _Known, box: Box, look: _Look, frame: int) -> None:
    if look.clear >= _CLEAR:
        age = max(frame - known.frame, 1)
        moved = (_middle(box) - _middle(known.box)) / age if known.placed else known.movement * 0
        known.movement = (known.movement * (1 - _MOVEMENT) + moved * _MOVEMENT).astype(np.float32)
        known.colours = known.colours * (1 - _ADAPT) + look.colours * _ADAPT
    known.box, known.frame, known.placed = box, frame, True


def _middle(box: Box) -> NDArray[np.float32]:
    return np.array([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2], np.float32)


def _look(box: Box, others: Sequence[Box], seen: SegmentedRegion) -> _Look:
    """Colours of what is marked in a box and in no other, in :data:`_PARTS` parts from top to bottom."""
    height, width = seen.mask.shape[:2]
    x0, y0, x1, y1 = (round(v) for v in box_in(seen, box))
    # The sides of a box are rather others'.
    side = round(_SIDE * (x1 - x0))
    x0, x1 = max(x0 + side, 0), min(x1 - side, width)
    y0, y1 = max(y0, 0), min(y1, height)
    histogram = np.full((_PARTS, int(np.prod(_BINS))), 1e-3, np.float32)
    if x1 - x0 < 2 or y1 - y0 < _PARTS:
        return _Look((histogram / histogram.sum()).ravel(), 0.0)
    marked = cv2.compare(np.ascontiguousarray(seen.mask[y0:y1:2, x0:x1:2]), 127, cv2.CMP_GT)
    before = cv2.countNonZero(marked)
    own = marked.copy()
    for other in others:
        left, top, right, bottom = (round(v) for v in box_in(seen, other))
        own[
            max(top - y0, 0) // 2 : max(bottom - y0, 0) // 2, max(left - x0, 0) // 2 : max(right - x0, 0) // 2
        ] = 0
    clear = cv2.countNonZero(own) / before if before else 0.0
    if clear >= _LEAST_CLEAR:
        marked = own
    lab = cv2.cvtColor(seen.bgr[y0:y1:2, x0:x1:2], cv2.COLOR_BGR2Lab)
    # Beyond these, colours are alike enough.
    lab = np.dstack([lab[..., :1], lab[..., 1:].clip(*_SATURATED)])
    edges = np.linspace(0, len(lab), _PARTS + 1).astype(int)
    for part in range(_PARTS):
        rows = slice(edges[part], edges[part + 1])
        counted = cv2.calcHist(
            [np.ascontiguousarray(lab[rows])],
            [0, 1, 2],
            np.ascontiguousarray(marked[rows]),
            list(_BINS),
            [0, 256, *_RANGE, *_RANGE],
        )
        histogram[part] += counted.ravel()
    histogram /= histogram.sum()
    return _Look(histogram.ravel(), clear)
