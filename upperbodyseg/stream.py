"""What is carried from one frame of a stream to the next: where the people were, and when to look again.

The detector costs about two fifths of what the segmenter does, and people move little in a thirtieth of a
second: so between two checks each region follows the mask of the frame before. The detector checks every few
frames; at once, where the picture has changed altogether or somebody is lost; and in the next frame,
where a mask newly reaches its region's edge, shrinks or falls apart.
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
from upperbodyseg.postprocess.agreement import KEPT_SCORE, NO_DOUBTS, Doubts, best_score, confirm_persons
from upperbodyseg.postprocess.detections import Thresholds
from upperbodyseg.postprocess.temporal import TemporalSmoother
from upperbodyseg.preprocess.pixel_format import Frame
from upperbodyseg.preprocess.regions import MARGIN, MAX_REGIONS, group_persons, region_around
from upperbodyseg.types import DetectedPerson

__all__ = ["CHECK_EVERY", "EMPTY_CHECK_EVERY", "Stream", "Track"]

CHECK_EVERY = 5
"""Frames from one check by the detector to the next while people are followed: two chances to find
somebody who walks in within 10 frames."""

EMPTY_CHECK_EVERY = 3
"""The same while nobody is: then the detector is all that a frame costs."""

FORGIVEN_CHECKS = 3
"""A person whom the detector does not see at that many checks in a row is given up, though the
segmenter may go on marking something there."""

WEAK_SCORE = 0.6
"""Share of the lower score threshold that suffices to confirm somebody who is followed already."""

_GRID = (18, 24)  # samples of the picture by which a cut is noticed
_CUT_LEVELS = 20  # grey levels by which a sample differs that has changed
_CUT_SHARE = 0.4  # of the samples; a person who waves in front of the camera stays below

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

    A region that stays where it is keeps the picture in it still, and so the mask.
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
        persons: who was found there at the last check.
        smoother: what it remembers of the region's earlier masks.
    """

    region: Region
    persons: tuple[DetectedPerson, ...]
    smoother: TemporalSmoother = field(default_factory=TemporalSmoother)
    new: bool = True
    missed: int = 0
    extent: _Extent | None = None  # at the last check


class Stream:
    """The people followed through the frames of one stream. Not for several threads at a time.

    Attributes:
        tracks: the regions to segment in this frame.
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Start anew."""
        self.tracks: list[Track] = []
        self._key: tuple[int, int, ImageType] | None = None
        self._samples = np.zeros((0, 0), np.uint8)
        self._age = 0  # frames since the last check
        self._due = self._cut = True
        self._checked = False
        self._required = self._kept = 0.0
        self._doubts = NO_DOUBTS

    def begin(self, frame: Frame) -> bool:
        """Look at a new frame; whether the detector is to check it.

        A frame of another size or layout is another stream's.
        """
        key = (frame.height, frame.width, frame.image_type)
        if key != self._key:
            self.forget()
            self._key = key
        samples = _samples(frame)
        if self._samples.shape == samples.shape:
            changed = np.count_nonzero(cv2.absdiff(samples, self._samples) > _CUT_LEVELS)
            self._cut = changed > _CUT_SHARE * samples.size
        self._samples = samples
        self._age += 1
        every = CHECK_EVERY if self.tracks else EMPTY_CHECK_EVERY
        self._checked = self._due or self._cut or self._age >= every
        return self._checked

    def check(
        self,
        found: Sequence[DetectedPerson],
        thresholds: Thresholds,
        doubts: Doubts = NO_DOUBTS,
        margin: float = MARGIN,
    ) -> None:
        """Bring the tracks in line with what the detector finds in this frame.

        Args:
            found: best first. One that reaches but :data:`WEAK_SCORE` of the lower threshold only
                confirms who is followed already.
            thresholds: which of them count by themselves.
            doubts: see :func:`best_score`; after the segmenter's doubts, too, a newcomer must keep
                :data:`KEPT_SCORE` of the threshold for companions and, where nobody is followed yet, the best
                one reach its own.
            margin: round the finds' boxes, for the regions that they begin with.
        """
        assert self._key is not None
        size = self._key[:2]
        persons = thresholds.passing(found)
        found = [p for p in found if p.score >= WEAK_SCORE * thresholds.lowest]
        old, self.tracks = self.tracks, []
        if self._cut:
            for track in old:
                track.smoother.forget()
        for region, members in group_persons(persons, size, margin):
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
            track.missed = 0 if any(_inside(p, track.region) for p in found) else track.missed + 1
            given_up = track.missed >= (1 if self._cut else FORGIVEN_CHECKS)
            covered = any(2 * track.region.intersection_area(r) > track.region.area for r in taken)
            if not (given_up or covered) and len(self.tracks) < MAX_REGIONS:
                track.extent = None
                self.tracks.append(track)
        self._required, self._kept = thresholds.best, KEPT_SCORE * thresholds.companion
        self._doubts = doubts
        self._age, self._due, self._cut, self._checked = 0, False, False, True

    def follow(self, masks: Sequence[NDArray[np.uint8]]) -> tuple[list[bool], bool]:
        """Learn from the masks of all tracks where they go.

        Returns:
            Which of the tracks show somebody; the others are not followed any further. And whether
            somebody was lost in a frame that the detector has not checked: it should.
        """
        assert self._key is not None
        size = self._key[:2]
        shown, lost = [], False
        scores = []
        for track, mask in zip(self.tracks, masks, strict=True):
            score = 1.0
            if track.new:
                track.persons = confirm_persons(track.persons, track.region, mask)
                score = best_score(track.persons, track.region, mask, self._doubts)
            scores.append(score)
        certain = any(score >= self._required for score in scores)
        for track, mask, score in zip(self.tracks, masks, scores, strict=True):
            extent = _extent(mask, track.region, size)
            if track.new:
                kept = bool(track.persons) and score >= self._kept
                shown.append(extent is not None and kept and certain)
            else:
                shown.append(extent is not None)
                lost = lost or extent is None
            if extent is None:
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


def _inside(person: DetectedPerson, region: Region) -> bool:
    x0, y0, x1, y1 = person.box
    width = min(x1, region.x1) - max(x0, region.x0)
    height = min(y1, region.y1) - max(y0, region.y0)
    return 2 * max(width, 0) * max(height, 0) > (x1 - x0) * (y1 - y0)


def _samples(frame: Frame) -> NDArray[np.uint8]:
    """A coarse grid of the frame's luma, or of its green."""
    rows, columns = max(frame.height // _GRID[0], 1), max(frame.width // _GRID[1], 1)
    plane = frame.planes[0] if frame.image_type.is_yuv else frame.planes[0][..., 1]
    # A copy, even of a frame so small that all of it is taken: the caller may fill it anew.
    return plane[rows // 2 :: rows, columns // 2 :: columns].copy()
