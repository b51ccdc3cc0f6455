"""Who passes by behind the main person, and has no detection of their own.

They are pieces of the mask. A piece that is hardly the main person's goes if it looks far away. Where the
separator is unsure, it is asked about the box round the piece as well: if that fits somebody, they are a
stranger.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from upperbodyseg.geometry import Box
from upperbodyseg.people.found import Found
from upperbodyseg.people.leaving_out import OWN, SPECK, Piece
from upperbodyseg.people.nearness import figure, nearness
from upperbodyseg.people.ownership import are_close, claim_of
from upperbodyseg.people.separator import SURE, PersonSeparator, box_of, claimed
from upperbodyseg.postprocess.acceptance import MARKED
from upperbodyseg.segmenter import SegmentedRegion
from upperbodyseg.types import DetectedPerson

__all__ = ["find_strangers", "passes", "without_strangers"]

_HARDLY = 6
"""Mean share, 0-255, of a piece that hardly is of those who stay, ..."""

_LITTLE = 20
"""... and of one that looks far away, ..."""

_FAR = -4.0
"""... by its nearness (:func:`~upperbodyseg.people.nearness.nearness`)."""

_FARTHER = -2.0
"""Nearness up to which a piece may be a stranger."""

_PIECES = 3
"""Pieces that are asked about, the largest ones."""

_FIT = 0.5
"""Fit of the box round a piece from which on it is a stranger."""

_HORIZON = 0.5
"""Of the main person's box: a piece that begins lower is no stranger, but a knee or a hand. A camera at
the height of somebody's head sees heads farther away at that height, too."""


def passes(
    seen: SegmentedRegion, box: Box, share: NDArray[np.uint8], passers: list[Box], piece: Piece
) -> bool:
    """Whether a piece of the mask is somebody farther away whose box is no person's; it is remembered.

    Args:
        seen: the region of the piece.
        box: of who stays there.
        share: theirs.
        passers: gets the box of who goes.
        piece: the piece.
    """
    where, around = piece
    itself = box_of(seen, around)
    staying = figure(box, claimed(share, seen, OWN), seen)
    how_near = nearness(staying, figure(itself, where, seen))
    if are_close(box, itself) and how_near > 0:
        return False
    if not _is_hardly_theirs(share[where], how_near):
        return False
    passers.append(itself)
    return True


def _is_hardly_theirs(share: NDArray[np.uint8], how_near: float) -> bool:
    """Whether who stays has next to nothing of a piece, by the share of its pixels."""
    return float(share.mean()) < (_LITTLE if how_near < _FAR else _HARDLY)


def find_strangers(
    separator: PersonSeparator,
    found: Found,
    main: DetectedPerson,
    home: int,
    share: NDArray[np.uint8],
    others: Sequence[NDArray[np.uint8]],
) -> list[DetectedPerson]:
    """Who of a region's mask is farther away than the main person, without a detection.

    Args:
        separator: tells people apart.
        found: what was seen.
        main: the main person.
        home: number of the region where they are.
        share: theirs, of that region.
        others: of other persons there.

    Returns:
        Up to three, with the boxes round what shows them; their id is -1.

    Raises:
        InferenceError: the runtime failed.
    """
    seen = found.views[home]
    # Every second pixel each way, since this runs for every still: pieces that matter are large.
    mask, own = seen.mask[::2, ::2], np.ascontiguousarray(share[::2, ::2])
    marked = cv2.compare(np.ascontiguousarray(mask), MARKED, cv2.CMP_GE)
    unsure = cv2.bitwise_and(marked, cv2.compare(own, SURE, cv2.CMP_LT))
    for other in others:
        unsure = cv2.bitwise_and(unsure, cv2.compare(np.ascontiguousarray(other[::2, ::2]), SURE, cv2.CMP_LT))
    worn = cv2.erode(unsure, np.ones((2, 2), np.uint8))
    least = SPECK * cv2.countNonZero(cv2.bitwise_and(marked, cv2.compare(own, OWN, cv2.CMP_GE)))
    if cv2.countNonZero(worn) < max(least, 1):
        return []
    _, labels, stats, _ = cv2.connectedComponentsWithStats(worn)
    areas = stats[:, cv2.CC_STAT_AREA].tolist()
    lowest = main.box[1] + _HORIZON * (main.box[3] - main.box[1])
    pieces = []
    for i in sorted(range(1, len(areas)), key=lambda i: -areas[i])[:_PIECES]:
        x, y, w, h = (2 * int(v) for v in stats[i, :4])
        box = box_of(seen, (x - 1, y - 1, x + w + 1, y + h + 1))  # as before it was worn
        if areas[i] >= least and box[1] <= lowest:
            pieces.append((i, box))
    if not pieces:
        return []
    staying = figure(main.box, claimed(share, seen, OWN), seen)
    strangers = []
    for i, box in pieces:
        small = (labels == i).view(np.uint8)
        where = cv2.resize(small, share.shape[::-1], interpolation=cv2.INTER_NEAREST) > 0
        how_near = nearness(staying, figure(box, where, seen))
        if how_near > _FARTHER or _is_hardly_theirs(share[where], how_near):
            continue  # as near, or let go without asking
        if claim_of(separator, found, box, home, closely=False).fit >= _FIT:
            strangers.append(DetectedPerson(box, 1.0, -1))
    return strangers


def without_strangers(
    separator: PersonSeparator,
    found: Found,
    home: int,
    share: NDArray[np.uint8],
    strangers: Sequence[DetectedPerson],
) -> NDArray[np.uint8]:
    """Somebody's share, less what strangers have more of.

    Args:
        separator: tells people apart.
        found: what was seen.
        home: number of the region of the share.
        share: ``(h, w)`` uint8 of the region's mask, 0-255.
        strangers: they are in the same region.

    Raises:
        InferenceError: the runtime failed.
    """
    for stranger in strangers:
        other = claim_of(separator, found, stranger.box, home, closely=False).share
        share = np.where(other > share, np.minimum(share, 255 - other), share)
    return share
