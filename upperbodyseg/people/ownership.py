"""Whose each pixel of a frame's mask is.

Every person's share comes from the separator, in the region where their box lies. The largest share of a
pixel has it. What no share reaches goes to the nearest box, so that all persons' masks add up to the
frame's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from upperbodyseg.geometry import Box
from upperbodyseg.people.closeup import told_of_others
from upperbodyseg.people.edges import Edges
from upperbodyseg.people.found import Found
from upperbodyseg.people.separator import SURE, PersonSeparator, box_in
from upperbodyseg.segmenter import SegmentedRegion

__all__ = ["Claim", "are_close", "claim_of", "claims_of", "home_of", "owners"]

_TOUCHING = 0.15
"""Share of a box's sides by which another may be away from it: beyond, the two need no telling apart."""

_INSIDE, _OUTSIDE = 254, 64
"""Share of somebody who stands alone, in the box and elsewhere in the region."""


_CONTRAST = 2
"""Of shares, before they are compared: of pixels that two surely have, the better box has more."""


class Claim(NamedTuple):
    """What is somebody's.

    Attributes:
        view: number of the region where their box lies.
        share: ``(h, w)`` uint8 of that region's mask: how surely each pixel is theirs, if the mask marks it.
        fit: expected IoU of the box with that of a person, 0-1.
    """

    view: int
    share: NDArray[np.uint8]
    fit: float


def are_close(one: Box, other: Box) -> bool:
    """Whether two people may share pixels that a box can't tell apart."""
    width, height = one[2] - one[0], one[3] - one[1]
    gap_x = max(one[0], other[0]) - min(one[2], other[2])
    gap_y = max(one[1], other[1]) - min(one[3], other[3])
    return gap_x < _TOUCHING * width and gap_y < _TOUCHING * height


def home_of(box: Box, views: Sequence[SegmentedRegion]) -> int:
    """The region that holds the most of a box, and of several the smallest."""

    def held(i: int) -> tuple[float, int]:
        region = views[i].region
        width = min(box[2], region.x1) - max(box[0], region.x0)
        height = min(box[3], region.y1) - max(box[1], region.y0)
        area = max((box[2] - box[0]) * (box[3] - box[1]), 1e-6)
        return round(max(width, 0) * max(height, 0) / area, 2), -region.area

    return max(range(len(views)), key=held)


def claim_of(
    separator: PersonSeparator, found: Found, box: Box, home: int | None = None, closely: bool = True
) -> Claim:
    """What the separator says is the person's in a box.

    Args:
        separator: tells people apart.
        found: what was seen of the frame's people.
        box: in frame pixels.
        home: number of the region to look at; None for that which holds the most of the box.
        closely: as for :meth:`~upperbodyseg.people.separator.PersonSeparator.look`.

    Raises:
        InferenceError: the runtime failed.
    """
    if home is None:
        home = home_of(box, found.views)
    told = told_of_others(box, found.persons, found.overlapping)
    share, fit = separator.look(found.views[home], box, told, closely)
    return Claim(home, share, fit)


def claim_alone(found: Found, box: Box) -> Claim:
    """The same of somebody who stands alone: the box."""
    home = home_of(box, found.views)
    seen = found.views[home]
    share = np.full(seen.mask.shape[:2], _OUTSIDE, np.uint8)
    left, top, right, bottom = (round(v) for v in box_in(seen, box))
    share[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)] = _INSIDE
    return Claim(home, share, 1.0)


def claims_of(separator: PersonSeparator | None, found: Found) -> list[Claim]:
    """What is each person's.

    Args:
        separator: None where no two people are close.
        found: what was seen of the frame's people.

    Raises:
        InferenceError: the runtime failed.
    """
    boxes = [p.box for p in found.persons]
    return [
        claim_of(separator, found, box)
        if separator is not None and any(are_close(box, b) for k, b in enumerate(boxes) if k != number)
        else claim_alone(found, box)
        for number, box in enumerate(boxes)
    ]


def owners(
    claims: Sequence[Claim], views: Sequence[SegmentedRegion], boxes: Sequence[Box], mask: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """The number of the person to whom each pixel of a frame's mask belongs.

    Args:
        claims: each person's.
        views: the frame's regions.
        boxes: of the same people, in frame pixels; at most 255.
        mask: ``(H, W)`` uint8, the frame's.

    Returns:
        ``(H, W)`` uint8. Where the mask is 0 it says nothing.
    """
    owner = np.zeros(mask.shape, np.uint8)
    best = np.zeros(mask.shape, np.uint8)
    homes = [claim.view for claim in claims]
    edges = {home: Edges(views[home].bgr) for home in set(homes) if homes.count(home) > 1}
    for number, claim in enumerate(claims):
        x0, y0, x1, y1 = views[claim.view].region.corners
        place = np.s_[y0:y1, x0:x1]
        share = claim.share
        if claim.view in edges:
            share = edges[claim.view].follow(share)
            share = cv2.addWeighted(share, _CONTRAST, share, 0, SURE * (1 - _CONTRAST))
        # Of two boxes of one person that has the pixels which fits.
        share = cv2.convertScaleAbs(cv2.resize(share, (x1 - x0, y1 - y0)), alpha=claim.fit)
        wins = share > best[place]
        owner[place][wins] = number
        np.maximum(best[place], share, out=best[place])
    _to_the_nearest(owner, (best == 0) & (mask > 0), boxes)
    return owner


def _to_the_nearest(owner: NDArray[np.uint8], left: NDArray[np.bool_], boxes: Sequence[Box]) -> None:
    """Give the pixels that are left to the person whose box is nearest."""
    rows, columns = np.nonzero(left)
    if not rows.size or len(boxes) < 2:
        return
    nearest = np.full(rows.shape, np.inf, np.float32)
    whose = np.zeros(rows.shape, np.uint8)
    for number, (x0, y0, x1, y1) in enumerate(boxes):
        x = np.maximum(np.maximum(x0 - columns, columns - x1), 0).astype(np.float32)
        y = np.maximum(np.maximum(y0 - rows, rows - y1), 0).astype(np.float32)
        distance = x * x + y * y
        closer = distance < nearest
        whose[closer] = number
        np.minimum(nearest, distance, out=nearest)
    owner[rows, columns] = whose
