"""What was seen of a frame's people."""

from __future__ import annotations

from typing import NamedTuple

from upperbodyseg.segmenter import SegmentedRegion
from upperbodyseg.types import DetectedPerson

__all__ = ["Found"]


class Found(NamedTuple):
    """What was seen of a frame's people.

    Attributes:
        persons: best first, each once.
        views: the regions that are shown, as the segmenter saw them.
        overlapping: everything that the detector saw, duplicates too, best first.
    """

    persons: tuple[DetectedPerson, ...]
    views: tuple[SegmentedRegion, ...]
    overlapping: tuple[DetectedPerson, ...]
