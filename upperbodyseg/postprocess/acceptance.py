"""Who counts as a person: every rule that accepts or refuses a detection.

Stills and streams ask the same :class:`Acceptance`, in this order:

1. :meth:`Acceptance.candidates` of the detections, by their scores.
2. :meth:`Acceptance.judge` a segmented region: does the segmenter confirm its people, and how surely?
3. :meth:`Acceptance.keeps` a judged region, beside somebody certain.
4. :meth:`Acceptance.is_certain` that the frame shows anybody at all.

A new rule belongs here. Its constants stand in the detector's description, ``person_detector.json``,
under ``acceptance``, because they are measured for each pair of models.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from upperbodyseg.geometry import Box, Region
from upperbodyseg.types import DetectedPerson

__all__ = ["KEPT_SCORE", "MIN_COVERAGE", "WEAK_SCORE", "Acceptance", "Judgement", "coverage", "uncertainty"]

MIN_COVERAGE = 0.2
"""Least share of a person's box that the segmenter marks. A thin person with spread arms fills a quarter
of the box. A chair that the detector took for a person fills next to nothing."""

KEPT_SCORE = 0.6
"""Share of the low threshold that a region's best score keeps after the uncertainty penalty. What lies on
the table beside a certain person is no person."""

WEAK_SCORE = 0.6
"""Share of the lowest threshold that suffices to confirm a person who is followed already."""

MARKED = 128
"""Mask value from which on a pixel counts as person."""


class Judgement(NamedTuple):
    """What the segmenter says about the detections in one region.

    Attributes:
        persons: those whom it confirms.
        score: the best of their scores after the uncertainty penalty, at most 1; 0 without people.
    """

    persons: tuple[DetectedPerson, ...]
    score: float


@dataclass(frozen=True)
class Acceptance:
    """The thresholds that decide who counts.

    The high and the low threshold are a hysteresis. Where one person is certain, others nearby are
    likely, and a lower score suffices for them. A frame without anybody certain shows nobody. Beside a
    very certain person, a detection that scores far less is rather part of the room.

    Attributes:
        high_threshold: score, 0-1, that the best detection in a frame reaches.
        low_threshold: score, 0-1, that suffices for the others.
        relative_threshold: share, 0-1, of the best detection's score that the others reach as well.
        uncertainty_penalty: by how much, 0-1, a wholly uncertain segmenter lowers a score.
        certain_level: mask value, 128-255, from which on the segmenter is certain.
        margin: share of a box's width and height added on each side before it is segmented, 0-1.
    """

    high_threshold: float
    low_threshold: float
    relative_threshold: float = 0.0
    uncertainty_penalty: float = 0.0
    certain_level: int = 240
    margin: float = 0.15

    def at(self, high_threshold: float) -> Acceptance:
        """The same rules for another high threshold.

        The low threshold stays as far below it. The relative one falls in proportion: who asks for weaker
        detections wants them beside stronger ones, too.

        Args:
            high_threshold: 0-1.
        """
        return replace(
            self,
            high_threshold=high_threshold,
            low_threshold=high_threshold - (self.high_threshold - self.low_threshold),
            relative_threshold=self.relative_threshold
            * min(high_threshold / max(self.high_threshold, 1e-6), 1.0),
        )

    @property
    def lowest(self) -> float:
        """No detection below this score counts."""
        return min(self.high_threshold, self.low_threshold)

    def candidates(self, detections: Sequence[DetectedPerson]) -> tuple[DetectedPerson, ...]:
        """The detections worth segmenting.

        Args:
            detections: of one frame, best first.
        """
        if not detections or detections[0].score < self.high_threshold:
            return ()
        least = max(self.lowest, self.relative_threshold * detections[0].score)
        return tuple(p for p in detections if p.score >= least)

    def reminders(self, detections: Iterable[DetectedPerson]) -> list[DetectedPerson]:
        """The detections that confirm a person who is followed already (:data:`WEAK_SCORE`)."""
        return [p for p in detections if p.score >= WEAK_SCORE * self.lowest]

    def judge(self, persons: Iterable[DetectedPerson], region: Region, mask: NDArray[np.uint8]) -> Judgement:
        """Ask the segmenter's mask about the detections in a region.

        Args:
            persons: detections whose boxes lie in the region.
            region: where ``mask`` lies in the frame.
            mask: ``(h, w)`` uint8 0-255 of any size.
        """
        confirmed = tuple(p for p in persons if coverage(p.box, region, mask) >= MIN_COVERAGE)
        scores = (
            p.score - self.uncertainty_penalty * uncertainty(p.box, region, mask, self.certain_level)
            for p in confirmed
        )
        return Judgement(confirmed, max(scores, default=0.0))

    def keeps(self, judgement: Judgement) -> bool:
        """Whether a region shows people, if somebody in the frame is certain (:data:`KEPT_SCORE`)."""
        return bool(judgement.persons) and judgement.score >= KEPT_SCORE * self.low_threshold

    def is_certain(self, scores: Iterable[float]) -> bool:
        """Whether a frame shows anybody, by the scores of its regions after the penalty."""
        return max(scores, default=0.0) >= self.high_threshold


def coverage(box: Box, region: Region, mask: NDArray[np.uint8]) -> float:
    """Share of a box's pixels inside the region that the mask marks as person, 0-1.

    Args:
        box: ``(x_min, y_min, x_max, y_max)`` in frame pixels.
        region: where ``mask`` lies in the frame.
        mask: ``(h, w)`` uint8 0-255.
    """
    return float((_inside(box, region, mask) >= MARKED).mean())


def uncertainty(box: Box, region: Region, mask: NDArray[np.uint8], certain_level: int) -> float:
    """Share of the marked pixels in a box of which the segmenter isn't certain, 0-1.

    Inside a person it is certain but for the edge. What only half looks like one stays below
    ``certain_level``.

    Args:
        box, region, mask: as :func:`coverage`'s.
        certain_level: mask value, 128-255.

    Returns:
        1 where nothing is marked.
    """
    inside = _inside(box, region, mask)
    marked = np.count_nonzero(inside >= MARKED)
    return 1 - np.count_nonzero(inside >= certain_level) / marked if marked else 1.0


def _inside(box: Box, region: Region, mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = mask.shape
    scale_x, scale_y = width / region.width, height / region.height
    x0 = min(max(int((box[0] - region.x0) * scale_x), 0), width - 1)
    y0 = min(max(int((box[1] - region.y0) * scale_y), 0), height - 1)
    x1 = max(round((box[2] - region.x0) * scale_x), x0 + 1)
    y1 = max(round((box[3] - region.y0) * scale_y), y0 + 1)
    return mask[y0:y1, x0:x1]
