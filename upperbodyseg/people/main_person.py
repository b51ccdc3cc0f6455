"""The main person of a frame, and who stays beside them.

The main person is the most prominent one: large, near the middle, sharp, and in a stream seen for long. Who
touches the main person and is as near stays as well: a couple, a child on the lap. All others go.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from upperbodyseg.geometry import Box, Region
from upperbodyseg.people.found import Found
from upperbodyseg.people.leaving_out import OWN, without_others
from upperbodyseg.people.nearness import figure, is_as_near
from upperbodyseg.people.ownership import are_close, claim_of, home_of
from upperbodyseg.people.passers_by import find_strangers, passes, without_strangers
from upperbodyseg.people.separator import SURE, PersonSeparator, box_in, claimed
from upperbodyseg.segmenter import SegmentedRegion
from upperbodyseg.types import DetectedPerson

__all__ = ["Alone", "MainPerson", "prominence"]

_TALL = 0.65
"""Weight of a box's height in its size beside its width, which an arm can double."""

_AWAY = 0.4
"""What somebody in the middle of a side loses of their prominence."""

_BLURRED = 0.25
"""What somebody without any sharp edge loses of it."""

_UNLIKELY = 0.5
"""What somebody loses of it whom the detector scores 0."""

_SEEN = 0.3
"""What somebody gains who was seen for :data:`_LONG`."""

_LONG = 60  # frames

_SWITCH = 1.4
"""Times the main person's prominence that another needs to become it, ..."""

_SWITCH_CHECKS = 4
"""... at so many checks of the detector in a row."""

_SAME = 0.6
"""Share of somebody's pixels that the main person has as well, from which on the two are one."""


def prominence(box: Box, frame_size: tuple[int, int], sharp: float = 1.0) -> float:
    """How much of the picture somebody is.

    Args:
        box: in frame pixels.
        frame_size: ``(height, width)``.
        sharp: 0-1, by the sharpest person.
    """
    height, width = frame_size
    wide, tall = max(box[2] - box[0], 0.0) / width, max(box[3] - box[1], 0.0) / height
    size = tall**_TALL * wide ** (1 - _TALL)
    away = abs((box[0] + box[2]) / width - 1)
    return size * (1 - _AWAY * min(away, 1.0)) * (1 - _BLURRED * (1 - sharp))


class Alone(NamedTuple):
    """The main person and who stays.

    Attributes:
        persons: best first.
        masks: what stays of each region's mask, ``(h, w)`` uint8; None where nobody stays.
    """

    persons: tuple[DetectedPerson, ...]
    masks: list[NDArray[np.uint8] | None]


class _Company(NamedTuple):
    """The main person and who is beside them, by ids.

    Attributes:
        main: the main person.
        everybody: all persons of the frame.
        stay, gone: of the others. Who is neither is a second box of the main person.
        shares: the separator's, of the main person and of those who stay; maybe of more.
        regions: of the views that the shares are of.
        passers: boxes of those who go, and are no persons of the detector's.
        strangers: those of them of whom the separator is told.
        is_alone: nothing goes of the regions where somebody stays.
    """

    main: int
    everybody: frozenset[int]
    stay: tuple[int, ...]
    gone: tuple[int, ...]
    shares: dict[int, NDArray[np.uint8]]
    regions: tuple[Region, ...] = ()
    passers: tuple[Box, ...] = ()
    strangers: tuple[DetectedPerson, ...] = ()
    is_alone: bool = False

    def is_of(self, found: Found, main: DetectedPerson) -> bool:
        """Whether the frame shows the same people."""
        return self.main == main.id and self.everybody == {p.id for p in found.persons}


class MainPerson:
    """Chooses the main person, in a stream with a hysteresis. Not for several threads at a time.

    Args:
        separator: tells people apart.
    """

    def __init__(self, separator: PersonSeparator) -> None:
        self._separator = separator
        self.forget()

    def forget(self) -> None:
        """The next frame starts a new stream."""
        self._current: int | None = None
        self._challenges = 0
        self._first: dict[int, int] = {}
        self._company: _Company | None = None

    def alone(
        self, found: Found, frame_size: tuple[int, int], frame: int | None = None, checked: bool = True
    ) -> Alone:
        """Leave the main person and who stays beside them.

        Args:
            found: at least one person; in a stream with their ids.
            frame_size: ``(height, width)``.
            frame: number of the stream's frame; None for a still, of which nothing is remembered.
            checked: the detector has looked at this frame.

        Raises:
            InferenceError: the runtime failed.
        """
        views = found.views
        main = found.persons[self._choose(found, frame_size, frame, checked)]
        homes = {p.id: home_of(p.box, views) for p in found.persons}
        company = self._company
        looks = checked or company is None or not company.is_of(found, main)
        regions = tuple(seen.region for seen in views)
        is_fresh = True
        if looks or company is None:
            company = self._look_round(found, main, homes)
        elif company.shares and company.regions == regions:
            is_fresh = False  # from one frame to the next people hardly move
        elif not company.is_alone:
            company = company._replace(
                shares=self._shares(found, main, company.stay, company.gone, company.strangers)
            )
        masks: list[NDArray[np.uint8] | None] = []
        boxes = {p.id: p.box for p in found.persons}
        gone = [boxes[n] for n in company.gone]
        passers = list(company.passers)
        for i, seen in enumerate(views):
            here = [n for n in (main.id, *company.stay) if homes[n] == i]
            if here and not company.is_alone:
                shares = [company.shares[n] for n in here]
                goes = None
                if looks:
                    goes = partial(passes, seen, boxes[here[0]], shares[0], passers)
                masks.append(without_others(seen, shares, [*gone, *passers], goes))
            else:
                masks.append(seen.mask if here else None)
        stay = {main.id, *company.stay}
        if frame is not None:
            changed = any(m is not None and m is not seen.mask for m, seen in zip(masks, views, strict=True))
            shared = {homes[n] for n in company.gone} & {homes[n] for n in stay}
            self._company = company._replace(
                shares=company.shares if is_fresh else {},
                regions=regions,
                passers=tuple(passers),
                is_alone=not changed and not shared,
            )
        return Alone(tuple(p for p in found.persons if p.id in stay), masks)

    def _look_round(self, found: Found, main: DetectedPerson, homes: dict[int, int]) -> _Company:
        """Who is beside the main person, and who of them stays."""
        everybody = frozenset(p.id for p in found.persons)
        views, home = found.views, homes[main.id]
        others = [p for p in found.persons if p is not main]
        near = [p for p in others if are_close(main.box, p.box)]
        away = [p.id for p in others if p not in near]
        ids = tuple(p.id for p in near)
        shares = self._shares(found, main, ids, away)
        beside = [shares[n] for n in ids if homes[n] == home]
        strangers = find_strangers(self._separator, found, main, home, shares[main.id], beside)
        if strangers:
            shares |= self._shares(found, main, (), [*ids, *away], strangers)
        known = _Company(
            main.id,
            everybody,
            (),
            tuple(away),
            shares,
            passers=tuple(p.box for p in strangers),
            strangers=tuple(strangers),
        )
        if not near:
            return known
        claim = claimed(shares[main.id], views[home], OWN)
        figure_of_main = figure(main.box, claim, views[home])
        stay, gone, same = [], list(away), 0
        for person in near:
            seen = views[homes[person.id]]
            where = claimed(shares[person.id], seen, SURE)
            if homes[person.id] == home and _share_of(where, claim) >= _SAME:
                same += 1  # a second box of the main person
            elif is_as_near(figure_of_main, figure(person.box, where, seen)):
                stay.append(person.id)
            else:
                gone.append(person.id)
        if same:
            shares |= self._shares(found, main, (), [*stay, *gone], strangers)
        return known._replace(stay=tuple(stay), gone=tuple(gone), shares=shares)

    def _shares(
        self,
        found: Found,
        main: DetectedPerson,
        wanted: Sequence[int],
        others: Sequence[int],
        strangers: Sequence[DetectedPerson] = (),
    ) -> dict[int, NDArray[np.uint8]]:
        """By id, the shares of the main person and of who else is wanted, each in the region of their box.

        Args:
            found, main: whom the shares are of.
            wanted: ids.
            others: ids of those who are there, too.
            strangers: who has no detection, in the main person's region.
        """
        boxes = {p.id: p.box for p in found.persons}
        there = (main.id, *wanted, *others)
        shares = {}
        for n in (main.id, *wanted):
            others_here = tuple(p for p in found.persons if p.id in there and p.id != n)
            told = found._replace(persons=(*others_here, *strangers))
            shares[n] = claim_of(self._separator, told, boxes[n], closely=False).share
        if strangers:
            home = home_of(main.box, found.views)
            shares[main.id] = without_strangers(self._separator, found, home, shares[main.id], strangers)
        return shares

    def _choose(self, found: Found, frame_size: tuple[int, int], frame: int | None, checked: bool) -> int:
        """The main person's place among the persons."""
        persons, views = found.persons, found.views
        ids = [p.id for p in persons]
        if frame is not None:
            for i in ids:
                self._first.setdefault(i, frame)
            if not checked and self._current in ids:
                return ids.index(self._current)
        best = 0
        if len(persons) > 1:
            sharp = [_sharpness(p.box, views[home_of(p.box, views)]) for p in persons]
            most = max(sharp) or 1.0
            values = [
                prominence(p.box, frame_size, s / most) * (1 - _UNLIKELY * (1 - min(p.score, 1.0)))
                for p, s in zip(persons, sharp, strict=True)
            ]
            if frame is not None:
                values = [
                    value * (1 + _SEEN * min((frame - self._first[i]) / _LONG, 1))
                    for value, i in zip(values, ids, strict=True)
                ]
            best = values.index(max(values))
            if frame is not None and self._current in ids:
                best = self._with_hysteresis(best, ids.index(self._current), values)
        if frame is not None:
            self._current = ids[best]
        return best

    def _with_hysteresis(self, best: int, current: int, values: list[float]) -> int:
        if best == current or values[best] < _SWITCH * values[current]:
            self._challenges = 0
            return current
        self._challenges += 1
        if self._challenges < _SWITCH_CHECKS:
            return current
        self._challenges = 0
        return best


def _sharpness(box: Box, seen: SegmentedRegion) -> float:
    """Mean strength of edges in a box."""
    height, width = seen.mask.shape[:2]
    x0, y0, x1, y1 = (round(v) for v in box_in(seen, box))
    inside = seen.bgr[max(y0, 0) : min(y1, height), max(x0, 0) : min(x1, width)]
    if inside.size == 0:
        return 0.0
    grey = cv2.cvtColor(np.ascontiguousarray(inside), cv2.COLOR_BGR2GRAY)
    return float(np.abs(cv2.Laplacian(grey, cv2.CV_16S)).mean())


def _share_of(some: NDArray[np.bool_], others: NDArray[np.bool_]) -> float:
    """Share of the first's pixels that are the second's, too; 0 of none."""
    count = int(np.count_nonzero(some))
    return int(np.count_nonzero(some & others)) / count if count else 0.0
