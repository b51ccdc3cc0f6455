"""What a stream carries from frame to frame: where the people are, and when to detect again.

The detector costs about two fifths of the segmenter, and people move little in a thirtieth of a second. So
between two checks each region follows the mask of the frame before. The detector checks every few frames. It
checks at once when the picture changes altogether or a person is lost. It checks the next frame when a mask
newly reaches its region's edge, shrinks or falls apart.

Where something moves at the frame's left or right side, and nobody is followed there, the detector looks at
that side instead, beside its mirror image (:mod:`upperbodyseg.preprocess.side`). The segmenter, too, sees
whoever comes in that way until the side no longer cuts them off.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from upperbodyseg.geometry import Box, Region
from upperbodyseg.image_buffer import ImageType
from upperbodyseg.motion import Motion
from upperbodyseg.people.identity import Identities
from upperbodyseg.postprocess.acceptance import Acceptance
from upperbodyseg.postprocess.temporal import TemporalSmoother
from upperbodyseg.preprocess.pixel_format import Frame
from upperbodyseg.preprocess.regions import MAX_REGIONS, group_persons, region_around
from upperbodyseg.preprocess.side import Side, is_cut, region_at_side
from upperbodyseg.types import DetectedPerson

__all__ = ["CHECK_EVERY", "EMPTY_CHECK_EVERY", "FORGIVEN_CHECKS", "Look", "Stream", "Track"]

CHECK_EVERY = 5
"""Frames from one check to the next while people are followed: two chances to see somebody who walks in
within 10 frames."""

EMPTY_CHECK_EVERY = 3
"""The same while nobody is followed. Then the detector is all that a frame costs."""

FORGIVEN_CHECKS = 3
"""A person whom the detector misses at that many checks in a row is given up, whatever the segmenter
marks there."""

STIR_CHECKS = 8
"""Frames in a row that are checked because something moves outside the regions. A fan is not checked for
ever: only frames in which all is still restore them, one each."""

SIDE_CHECKS = 8
"""The same for what is new at the frame's left or right side."""

Look = Literal["whole"] | Side
"""What the detector checks: the whole frame, or one side."""

_CELLS = 64  # a mask is looked at in that many points each way
_SPECK = 0.05  # of the largest piece of a mask: smaller pieces are not followed
_MIN_FILL = 0.01  # of a region: with less marked, nobody is there any more
_SHRUNK = 0.6  # of a mask's area at the last check
_TIGHT = 0.05  # of a person's side: a region's edge must stay that far from the mask
_LOOSE = 0.6  # of a region's area: where that much suffices, the region is drawn in
_SAME = 0.5  # intersection over union of two regions of one person


class _Extent(NamedTuple):
    """What a mask covers: box and area in frame pixels, pieces, and which of the region's sides it
    reaches (left, top, right, bottom) where the frame goes on.
    """

    box: tuple[float, float, float, float]
    area: float
    pieces: int
    touches: tuple[bool, bool, bool, bool]


def _extent(mask: NDArray[np.uint8], region: Region, frame_size: tuple[int, int]) -> _Extent | None:
    rows, columns = mask.shape[0] // _CELLS, mask.shape[1] // _CELLS
    cells = (mask[rows // 2 :: rows, columns // 2 :: columns] >= 128).view(np.uint8)
    height, width = cells.shape
    _, _, stats, _ = cv2.connectedComponentsWithStats(cells, connectivity=8)
    pieces: list[list[int]] = stats[1:].tolist()  # left, top, width, height, area
    largest = max((piece[4] for piece in pieces), default=0)
    if largest < _MIN_FILL * cells.size:
        return None
    pieces = [piece for piece in pieces if piece[4] >= _SPECK * largest]
    left, top = min(p[0] for p in pieces), min(p[1] for p in pieces)
    right, bottom = max(p[0] + p[2] for p in pieces), max(p[1] + p[3] for p in pieces)
    x, y = region.width / width, region.height / height
    touches = (
        left == 0 and region.x0 > 0,
        top == 0 and region.y0 > 0,
        right == width and region.x1 < frame_size[1],
        bottom == height and region.y1 < frame_size[0],
    )
    return _Extent(
        (region.x0 + left * x, region.y0 + top * y, region.x0 + right * x, region.y0 + bottom * y),
        sum(p[4] for p in pieces) * x * y,
        len(pieces),
        touches,
    )


def _follow(
    region: Region, box: tuple[float, float, float, float], frame_size: tuple[int, int], side: Side | None
) -> Region:
    """The region for the next frame: the same, unless the mask comes near its edge or leaves it empty.

    A region that stays keeps its picture unchanged, and so its mask.
    """
    height, width = frame_size
    pad_x, pad_y = (box[2] - box[0]) * _TIGHT, (box[3] - box[1]) * _TIGHT
    roomy = (
        (region.x0 == 0 or box[0] - pad_x >= region.x0)
        and (region.y0 == 0 or box[1] - pad_y >= region.y0)
        and (region.x1 == width or box[2] + pad_x <= region.x1)
        and (region.y1 == height or box[3] + pad_y <= region.y1)
    )
    if roomy and (box[2] - box[0]) * (box[3] - box[1]) >= _LOOSE * region.area:
        return region
    wanted = region_around(box, frame_size) if side is None else region_at_side(box, side, frame_size)
    return region if roomy and wanted.area >= _LOOSE * region.area else wanted


@dataclass
class Track:
    """One region that is followed: a person, or several close to each other.

    Attributes:
        region: where to segment next.
        persons: the detections there at the last check.
        smoother: the region's last picture and mask.
        new: not yet accepted.
        missed: checks in a row at which the detector saw nobody there.
        extent: what the mask covered at the last check.
        side: of the frame, where it cuts the person off: the region is segmented beside its mirror image.
    """

    region: Region
    persons: tuple[DetectedPerson, ...]
    smoother: TemporalSmoother = field(default_factory=TemporalSmoother)
    new: bool = True
    missed: int = 0
    extent: _Extent | None = None
    side: Side | None = None

    def likeness(self, region: Region) -> float:
        """How much another region is this one, 0-1."""
        if self.side is None:
            return self.region.overlap(region)
        # The same person's is wider where the frame is not mirrored.
        return self.region.intersection_area(region) / max(min(self.region.area, region.area), 1)


class Stream:
    """The tracks of one stream. Not for several threads at a time.

    A frame goes through :meth:`begin`, :meth:`check` or :meth:`check_side` where that says so, and
    :meth:`follow`.

    Args:
        acceptance: who counts as a person.

    Attributes:
        tracks: the regions to segment in this frame.
        identities: who is who.
        frames: number of the frame, from 1.
        checked: whether the detector has looked at this frame, or at a side of it.
        overlapping: everything that the detector saw at its last look at the whole, duplicates too.
    """

    def __init__(self, acceptance: Acceptance) -> None:
        self._acceptance = acceptance
        self.identities = Identities()
        self.forget()

    def forget(self) -> None:
        """Start a new stream."""
        self.tracks: list[Track] = []
        self._key: tuple[int, int, ImageType] | None = None
        self._motion = Motion()
        self._age = 0  # frames since the last check
        self._due: Look | None = "whole"
        self._cut = True
        self._checked = self._checked_side = False
        self._stir_checks, self._side_checks = STIR_CHECKS, SIDE_CHECKS
        self.frames = 0
        self.checked = False
        self.overlapping: tuple[DetectedPerson, ...] = ()
        self.identities.forget()

    def begin(self, frame: Frame) -> Look | None:
        """Look at a new frame.

        A frame of another size or layout starts a new stream.

        Returns:
            What of it the detector is to check; None for nothing.
        """
        key = (frame.height, frame.width, frame.image_type)
        if key != self._key:
            self.forget()
            self._key = key
        self._motion.see(frame, (track.region for track in self.tracks))
        self._cut = self._cut or self._motion.is_cut
        self._age += 1
        self.frames += 1
        self.checked = False
        look = self._choose_look()
        self._checked = look == "whole"
        return look

    def _choose_look(self) -> Look | None:
        if self._cut or self._due is not None:
            return "whole" if self._cut else self._due
        side = self._motion.side
        if self._age >= (CHECK_EVERY if self.tracks else EMPTY_CHECK_EVERY):
            side = side or next((t.side for t in self.tracks if t.side is not None), None)
            if side is None or self._checked_side:
                return "whole"
            self._age, self._checked_side = 0, True
            return side
        stirs = self._motion.stirs
        if side is not None and self._side_checks > 0:
            self._side_checks -= 1
            return side
        if stirs and self._stir_checks > 0:
            self._stir_checks -= 1
            return "whole"
        if not stirs and side is None:
            self._stir_checks = min(self._stir_checks + 1, STIR_CHECKS)
            self._side_checks = min(self._side_checks + 1, SIDE_CHECKS)
        return None

    def check(
        self, detections: Sequence[DetectedPerson], overlapping: tuple[DetectedPerson, ...] = ()
    ) -> None:
        """Bring the tracks in line with what the detector sees in this frame.

        Args:
            detections: all of them, best first. The weak ones only confirm who is followed already.
            overlapping: the same with duplicates.
        """
        assert self._key is not None
        self.checked, self.overlapping = True, overlapping
        if self._cut:
            self.identities.lose_places()
        size = self._key[:2]
        acceptance = self._acceptance
        reminders = acceptance.reminders(detections)
        old, self.tracks = self.tracks, []
        if self._cut:
            for track in old:
                track.smoother.forget()
        for region, members in group_persons(acceptance.candidates(detections), size, acceptance.margin):
            same = [t for t in old if t.likeness(region) >= _SAME]
            if not same:
                self.tracks.append(Track(region, members))
                continue
            track = max(same, key=lambda t: t.likeness(region))
            old.remove(track)
            box = _around(p.box for p in members)
            if not track.region.contains(box):
                if track.side is not None and is_cut(box, track.side, size):
                    track.region = region_at_side(box, track.side, size, acceptance.margin)
                else:
                    track.region, track.side = region, None
            track.persons, track.missed, track.extent = members, 0, None
            self.tracks.append(track)
        taken = [t.region for t in self.tracks]
        for track in old:
            if any(_inside(p, track.region) for p in reminders):
                track.missed = 0
            elif track.side is None or self._cut:  # the whole frame shows too little of whoever comes in
                track.missed += 1
            given_up = track.missed >= (1 if self._cut else FORGIVEN_CHECKS)
            covered = any(2 * track.region.intersection_area(r) > track.region.area for r in taken)
            if not (given_up or covered) and len(self.tracks) < MAX_REGIONS:
                track.extent = None
                self.tracks.append(track)
        self._age, self._due, self._cut, self._checked = 0, None, False, True
        self._checked_side = False

    def check_side(self, side: Side, detections: Sequence[DetectedPerson]) -> None:
        """Follow whoever comes in at a side.

        Args:
            side: of the frame.
            detections: those that reach it, best first.
        """
        assert self._key is not None
        self.checked = True
        acceptance = self._acceptance
        self._due = None
        entering = [t for t in self.tracks if t.side == side]
        for track in entering:
            seen = any(_inside(p, track.region) for p in acceptance.reminders(detections))
            track.missed = 0 if seen else track.missed + 1
            track.extent = None
        self.tracks = [t for t in self.tracks if t.missed < FORGIVEN_CHECKS]
        elsewhere = [t for t in self.tracks if t.side != side]
        persons = tuple(
            person
            for person in acceptance.candidates(detections)
            if self._motion.has_changed(person.box) and not any(_inside(person, t.region) for t in elsewhere)
        )
        if not persons:
            return
        # One region: of somebody who comes in, several parts may be seen, and some move but aren't.
        boxes: list[Box] = [person.box for person in persons]
        changed = self._motion.changed_at(side)
        if changed is not None and any(_overlap(changed, box) for box in boxes):
            boxes.append(changed)
        box = _around(boxes)
        region = region_at_side(box, side, self._key[:2], acceptance.margin)
        same = [t for t in self.tracks if t.likeness(region) >= _SAME]
        if not same and len(self.tracks) < MAX_REGIONS:
            self.tracks.append(Track(region, persons, side=side))
        for track in same:
            if track.side == side:
                track.persons = persons
                if not track.region.contains(box):
                    track.region = region

    def follow(self, masks: Sequence[NDArray[np.uint8]]) -> tuple[list[bool], bool]:
        """Learn from the masks of all tracks where they go.

        Args:
            masks: ``(h, w)`` uint8, one a track, in their order.

        Returns:
            Which of the tracks show people; the others are not followed any further. And whether a
            person was lost in a frame that the detector has not checked: it should check now.
        """
        assert self._key is not None
        size = self._key[:2]
        kept = self._accept(masks)
        shown, lost = [], False
        for track, mask, keep in zip(self.tracks, masks, kept, strict=True):
            extent = _extent(mask, track.region, size)
            shown.append(extent is not None and keep)
            if extent is None:
                lost = lost or not track.new
                continue
            track.new = False
            before = track.extent
            if before is None:
                track.extent = extent
            elif (
                any(now and not then for now, then in zip(extent.touches, before.touches, strict=True))
                or extent.area < _SHRUNK * before.area
                or extent.pieces > before.pieces
            ):
                self._due = track.side or "whole"
            if track.side is not None and not is_cut(extent.box, track.side, size):
                # The whole frame shows enough of them now, and the next check is to say so.
                track.side, track.missed = None, FORGIVEN_CHECKS - 1
                track.region = region_around(extent.box, size)
            track.region = _follow(track.region, extent.box, size, track.side)
        self.tracks = [t for t, keep in zip(self.tracks, shown, strict=True) if keep]
        return shown, lost and not self._checked

    def _accept(self, masks: Sequence[NDArray[np.uint8]]) -> list[bool]:
        """Which of the tracks count. The segmenter may become unsure of people who are followed already."""
        kept, scores = [], []
        for track, mask in zip(self.tracks, masks, strict=True):
            if not track.new:
                kept.append(True)
                scores.append(1.0)
                continue
            judgement = self._acceptance.judge(track.persons, track.region, mask)
            track.persons = judgement.persons
            kept.append(self._acceptance.keeps(judgement))
            scores.append(judgement.score)
        certain = self._acceptance.is_certain(scores)
        return [keep and (certain or not track.new) for keep, track in zip(kept, self.tracks, strict=True)]


def _around(boxes: Iterable[Box]) -> Box:
    """The box that holds them all."""
    x0, y0, x1, y1 = zip(*boxes, strict=True)
    return min(x0), min(y0), max(x1), max(y1)


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _inside(person: DetectedPerson, region: Region) -> bool:
    x0, y0, x1, y1 = person.box
    width = min(x1, region.x1) - max(x0, region.x0)
    height = min(y1, region.y1) - max(y0, region.y0)
    return 2 * max(width, 0) * max(height, 0) > (x1 - x0) * (y1 - y0)
