"""The separator: which of a mask's pixels are one person's.

The engine asks it for ``people="main"`` alone. The masks of an output's people are made with the process's
own separator, when they are asked for.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from upperbodyseg.fork import renew_in_child
from upperbodyseg.geometry import Box, box_iou
from upperbodyseg.locks import Lock
from upperbodyseg.models.interpreter import Interpreter, load_interpreter
from upperbodyseg.models.spec import SEPARATOR, SHIPPED
from upperbodyseg.people.closeup import Told, closeup, lay_back, window_around
from upperbodyseg.postprocess.acceptance import MARKED
from upperbodyseg.postprocess.mask import cells_to_pixels
from upperbodyseg.segmenter import SegmentedRegion

__all__ = [
    "FIT",
    "SURE",
    "Look",
    "PersonSeparator",
    "SharedSeparators",
    "box_in",
    "box_of",
    "claimed",
    "shared_separators",
    "told_in",
]


FIT = 0.4
"""Fit of a box from which on it is somebody's."""

SURE = 128
"""Share, 0-255, from which on a pixel surely is somebody's."""

_STRAY = 0.002
"""Of somebody's pixels, so many beyond each side of the box round them."""

_LEAST = 20
"""Pixels of a region's mask: round fewer no box is drawn."""

_SAME = 0.3
"""IoU of two boxes up to which they are of different people."""


class Look(NamedTuple):
    """What the separator says about one box.

    Attributes:
        share: ``(h, w)`` uint8 of the mask's shape: how surely each pixel is the person's, if the mask marks
            it, 0-255; 0 far from the box.
        fit: the box's expected IoU with that of a person, 0-1.
    """

    share: NDArray[np.uint8]
    fit: float


class PersonSeparator:
    """Tells people in one region apart. Not for several threads at a time.

    Args:
        interpreter: a separator's.
    """

    def __init__(self, interpreter: Interpreter) -> None:
        self._interpreter = interpreter

    @classmethod
    def load(cls, folder: Path, runtime: str = "auto") -> PersonSeparator:
        """The separator of a folder that has one, else the package's.

        Args:
            folder: of a pair of models.
            runtime: as for :class:`~upperbodyseg.SegmenterOptions`.

        Raises:
            ModelNotFoundError: a file or the runtime is missing.
            ModelFormatError: a file is damaged.
        """
        own = folder if (folder / f"{SEPARATOR}.json").is_file() else SHIPPED[-1][0]
        return cls(load_interpreter(SEPARATOR, own, runtime))

    def look(self, seen: SegmentedRegion, box: Box, others: Told, closely: bool = False) -> Look:
        """Whose a region's pixels are: one person's or not.

        Args:
            seen: the region and its mask.
            box: the person's, in frame pixels.
            others: what may be other people (:func:`~upperbodyseg.people.closeup.told_of_others`).
            closely: look again, at the box round what the first look found, and at its mirror image: surer,
                and three times the time.

        Raises:
            InferenceError: the runtime failed.
        """
        told = told_in(seen, others)
        inner = box_in(seen, box)
        first = self._look_in(seen, inner, told)
        if not closely:
            return first
        again = _box_round(first.share, seen)
        if again is not None and _is_of_the_same(again, inner, told):
            inner, first = again, self._look_in(seen, again, told)
        mirrored = self._look_in(seen, inner, told, mirrored=True)
        share = cv2.addWeighted(first.share, 0.5, mirrored.share, 0.5, 0)
        return Look(share, (first.fit + mirrored.fit) / 2)

    def _look_in(self, seen: SegmentedRegion, box: Box, told: Told, mirrored: bool = False) -> Look:
        """The same with boxes in pixels of the region's mask."""
        window = window_around(box)
        picture = closeup(seen.bgr, seen.mask, window, told, self._interpreter.spec.input_shape[1])
        share, fit = self._look_at(cv2.flip(picture, 1) if mirrored else picture)
        if mirrored:
            share = cv2.flip(share, 1)
        return Look(lay_back(share, window, seen.mask.shape[:2]), fit)

    def _look_at(self, picture: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], float]:
        """The share of each pixel of a closeup, and the fit of its box."""
        spec = self._interpreter.spec
        cells = self._interpreter.run_levels(picture, _levels)
        share = cells_to_pixels(np.ascontiguousarray(cells[..., : spec.stride**2]))
        return share, float(cells[..., -1].mean()) / 255


def _levels(share: NDArray[np.float32]) -> NDArray[np.uint8]:
    return cv2.convertScaleAbs(share, alpha=255.0)


def claimed(share: NDArray[np.uint8], seen: SegmentedRegion, least: int = SURE) -> NDArray[np.bool_]:
    """The marked pixels of a region of which somebody's share is at least this, ``(h, w)``."""
    return (share >= least) & (seen.mask >= MARKED)


def _box_round(share: NDArray[np.uint8], seen: SegmentedRegion) -> Box | None:
    """The box round what somebody has of a region, but for what strays; None for hardly anything."""
    theirs = claimed(share, seen).view(np.uint8)
    sides = [cv2.reduce(theirs, axis, cv2.REDUCE_SUM, dtype=cv2.CV_32S).ravel().cumsum() for axis in (0, 1)]
    count = int(sides[0][-1])
    if count < _LEAST:
        return None
    ends = [np.searchsorted(side, [_STRAY * count, (1 - _STRAY) * count]) for side in sides]
    (x0, x1), (y0, y1) = ends
    return float(x0), float(y0), float(x1) + 1, float(y1) + 1


def _is_of_the_same(box: Box, asked: Box, told: Told) -> bool:
    """Whether a box is nearer to the one that was asked about than to anybody else's."""
    mine = box_iou(box, asked)
    others = (box_iou(box, other) for other in told.boxes[told.counts == 1].tolist())
    return mine >= _SAME and all(mine > theirs for theirs in others)


def box_in(seen: SegmentedRegion, box: Box) -> Box:
    """A box of the frame in pixels of a region's mask; it may reach past it."""
    region = seen.region
    x, y = seen.mask.shape[1] / region.width, seen.mask.shape[0] / region.height
    return (
        (box[0] - region.x0) * x,
        (box[1] - region.y0) * y,
        (box[2] - region.x0) * x,
        (box[3] - region.y0) * y,
    )


def box_of(seen: SegmentedRegion, box: Box) -> Box:
    """A box in pixels of a region's mask in those of the frame."""
    region = seen.region
    x, y = region.width / seen.mask.shape[1], region.height / seen.mask.shape[0]
    return region.x0 + box[0] * x, region.y0 + box[1] * y, region.x0 + box[2] * x, region.y0 + box[3] * y


def told_in(seen: SegmentedRegion, others: Told) -> Told:
    """Boxes of the frame in pixels of a region's mask."""
    region = seen.region
    corner = np.array([region.x0, region.y0] * 2, np.float32)
    x, y = seen.mask.shape[1] / region.width, seen.mask.shape[0] / region.height
    return Told((others.boxes - corner) * np.array([x, y] * 2, np.float32), others.counts)


class SharedSeparators:
    """The process's separators, each loaded by who first needs it. One thread at a time uses them."""

    def __init__(self) -> None:
        self._separators: dict[tuple[Path, str], PersonSeparator] = {}
        self.renew()
        renew_in_child(self)

    def renew(self) -> None:
        """In a forked child: models and a lock of its own."""
        _parents_separators.append(self._separators)
        self._separators = {}
        self.lock = Lock()
        """Held by the thread that uses a separator."""

    def get(self, folder: Path, runtime: str) -> PersonSeparator:
        """A separator, as :meth:`PersonSeparator.load` has it; while :attr:`lock` is held."""
        key = folder, runtime
        if key not in self._separators:
            self._separators[key] = PersonSeparator.load(folder, runtime)
        return self._separators[key]


# Never freed: freeing an interpreter joins its threads, which a forked child doesn't have.
_parents_separators: list[dict[tuple[Path, str], PersonSeparator]] = []

shared_separators = SharedSeparators()
