"""What a stream carries from frame to frame: where the people are, and when to detect again.

The detector costs about two fifths of the segmenter, and people move little in a thirtieth of a second. So
between two checks each region follows the mask of the frame before. The detector checks every few frames. It
checks at once when the picture changes altogether or a person is lost. It checks the next frame when a mask
newly reaches its region's edge, shrinks or falls apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from upperbodyseg.geometry import Region
from upperbodyseg.image_buffer import ImageType
from upperbodyseg.postprocess.acceptance import Acceptance
from upperbodyseg.postprocess.temporal import TemporalSmoother
from upperbodyseg.preprocess.pixel_format import Frame
from upperbodyseg.preprocess.regions import MAX_REGIONS, group_persons, region_around
from upperbodyseg.types import DetectedPerson

__all__ = ["CHECK_EVERY", "EMPTY_CHECK_EVERY", "FORGIVEN_CHECKS", "Stream", "Track"]

CHECK_EVERY = 5
"""Frames from one check to the next while people are followed: two chances to see somebody who walks in
within 10 frames."""

EMPTY_CHECK_EVERY = 3
"""The same while nobody is followed. Then the detector is all that a frame costs."""

FORGIVEN_CHECKS = 3
"""A person whom the detector misses at that many checks in a row is given up, whatever the segmenter
marks there."""

_GRID = (18, 24)  # cells of the picture by whose means a cut is noticed: grain is lost in a mean
_CELL_SAMPLES = 4  # each way, in a cell
_CUT_LEVELS = 16  # grey levels by which a cell differs that has changed
_CUT_SHARE = 0.4  # of the cells; a person who waves in front of the camera stays below

_STIR_LEVELS = 6  # grey levels by which a cell differs in which something moves
_STIR_NOISE = 8  # the same, times the median cell's
_STIR_CELLS = 2  # in so many, outside the regions, somebody may be coming in
STIR_CHECKS = 8
"""Frames in a row that are checked because something moves outside the regions. A fan is not checked for
ever: only frames in which all is still restore them, one each."""

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


def _follow(region: Region, box: tuple[float, float, float, float], frame_size: tuple[int, int]) -> Region:
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
    wanted = region_around(box, frame_size)
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
    """

    region: Region
    persons: tuple[DetectedPerson, ...]
    smoother: TemporalSmoother = field(default_factory=TemporalSmoother)
    new: bool = True
    missed: int = 0
    extent: _Extent | None = None


class Stream:
    """The tracks of one stream. Not for several threads at a time.

    A frame goes through :meth:`begin`, :meth:`check` where that says so, and :meth:`follow`.

    Args:
        acceptance: who counts as a person.

    Attributes:
        tracks: the regions to segment in this frame.
    """

    def __init__(self, acceptance: Acceptance) -> None:
        self._acceptance = acceptance
        self.forget()

    def forget(self) -> None:
        """Start a new stream."""
        self.tracks: list[Track] = []
        self._key: tuple[int, int, ImageType] | None = None
        self._cells = np.zeros((0, 0), np.uint8)
        self._age = 0  # frames since the last check
        self._due = self._cut = True
        self._checked = False
        self._stir_checks = STIR_CHECKS

    def begin(self, frame: Frame) -> bool:
        """Look at a new frame.

        A frame of another size or layout starts a new stream.

        Returns:
            Whether the detector is to check it.
        """
        key = (frame.height, frame.width, frame.image_type)
        if key != self._key:
            self.forget()
            self._key = key
        cells = _cells(frame)
        stirs = False
        if self._cells.shape == cells.shape:
            change = cv2.absdiff(cells, self._cells)
            self._cut = bool(np.count_nonzero(change > _CUT_LEVELS) > _CUT_SHARE * cells.size)
            stirs = self._stirs(change)
        self._cells = cells
        self._age += 1
        every = CHECK_EVERY if self.tracks else EMPTY_CHECK_EVERY
        self._checked = self._due or self._cut or stirs or self._age >= every
        return self._checked

    def _stirs(self, change: NDArray[np.uint8]) -> bool:
        """Whether to check since something moves where nobody is followed, by how much the cells changed."""
        assert self._key is not None
        rows, columns = change.shape
        y, x = rows / self._key[0], columns / self._key[1]
        middle = change.size // 2
        noise = int(np.partition(change.ravel(), middle)[middle])
        moves = change > max(_STIR_LEVELS, _STIR_NOISE * noise)
        for track in self.tracks:
            region = track.region  # and a cell around it
            top, bottom = max(int(region.y0 * y) - 1, 0), int(region.y1 * y) + 2
            left, right = max(int(region.x0 * x) - 1, 0), int(region.x1 * x) + 2
            moves[top:bottom, left:right] = False
        if np.count_nonzero(moves) < _STIR_CELLS:
            self._stir_checks = min(self._stir_checks + 1, STIR_CHECKS)
            return False
        if self._stir_checks == 0:
            return False
        self._stir_checks -= 1
        return True

    def check(self, detections: Sequence[DetectedPerson]) -> None:
        """Bring the tracks in line with what the detector sees in this frame.

        Args:
            detections: all of them, best first. The weak ones only confirm who is followed already.
        """
        assert self._key is not None
        size = self._key[:2]
        acceptance = self._acceptance
        reminders = acceptance.reminders(detections)
        old, self.tracks = self.tracks, []
        if self._cut:
            for track in old:
                track.smoother.forget()
        for region, members in group_persons(acceptance.candidates(detections), size, acceptance.margin):
            same = [t for t in old if t.region.overlap(region) >= _SAME]
            if not same:
                self.tracks.append(Track(region, members))
                continue
            track = max(same, key=lambda t: t.region.overlap(region))
            old.remove(track)
            if not all(track.region.contains(p.box) for p in members):
                track.region = region
            track.persons, track.missed, track.extent = members, 0, None
            self.tracks.append(track)
        taken = [t.region for t in self.tracks]
        for track in old:
            track.missed = 0 if any(_inside(p, track.region) for p in reminders) else track.missed + 1
            given_up = track.missed >= (1 if self._cut else FORGIVEN_CHECKS)
            covered = any(2 * track.region.intersection_area(r) > track.region.area for r in taken)
            if not (given_up or covered) and len(self.tracks) < MAX_REGIONS:
                track.extent = None
                self.tracks.append(track)
        self._age, self._due, self._cut, self._checked = 0, False, False, True

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
                self._due = True
            track.region = _follow(track.region, extent.box, size)
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


def _inside(person: DetectedPerson, region: Region) -> bool:
    x0, y0, x1, y1 = person.box
    width = min(x1, region.x1) - max(x0, region.x0)
    height = min(y1, region.y1) - max(y0, region.y0)
    return 2 * max(width, 0) * max(height, 0) > (x1 - x0) * (y1 - y0)


def _cells(frame: Frame) -> NDArray[np.uint8]:
    """Means of a coarse grid's cells, of the frame's luma or green, each from a few samples."""
    rows, columns = (
        max(side // (cells * _CELL_SAMPLES), 1)
        for side, cells in zip((frame.height, frame.width), _GRID, strict=True)
    )
    plane = frame.planes[0] if frame.image_type.is_yuv else frame.planes[0][..., 1]
    # Samples are far apart: a copy of them is small. A new array in any case, since the caller may fill the
    # frame anew.
    samples: NDArray[np.uint8] = plane[rows // 2 :: rows, columns // 2 :: columns].copy()
    return cv2.resize(samples, _GRID[::-1], interpolation=cv2.INTER_AREA)
