"""Figures of soft masks: how decided they are, how near to an alpha, and what the regions hold."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from upperbodyseg.metrics.binary import BAND, SIDE, check_shapes, distance

__all__ = ["Coverage", "Decidedness", "alpha_error", "coverage", "decidedness"]

# Levels of the soft mask, 0-255.
_SURE = 204  # four fifths: below it a body shows the background through
_FAINT = 8  # 3 %: from here on a bright background is seen to change
_MID = (26, 229)  # a tenth and nine tenths
_GLOW = 64  # a quarter: from here on a rim of the old background is seen

_ALPHA_REACH = 10  # pixels at 256 x 256


@dataclass(frozen=True)
class Decidedness:
    """How sure a mask is of itself, shares 0-1; NaN where a picture has no pixel of the kind.

    The four are this project's own. They are taken at 256 x 256. A pixel is person or background where
    the ground truth, resized to that, is wholly so. The edge's band is that of :func:`score`, a square of
    15 x 15: what has only its own kind within 7 pixels along either axis lies away from the edge.

    Attributes:
        interior: of the person's pixels away from the edge, those of 204 (four fifths) and above. Ghosts
            and holes in the body lower it.
        haze: of the background's pixels away from the edge, those of 8 (3 %) and above, however faint.
        soft: of all pixels, those from 26 to 229 (a tenth to nine tenths). It grows with the ramp's width.
        halo: of the background's pixels within 7 pixels of the person, those of 64 (a quarter) and above.
            They show the old background round the person.
    """

    interior: float
    haze: float
    soft: float
    halo: float


def _share(of: NDArray[np.bool_], where: NDArray[np.bool_]) -> float:
    return float(of[where].mean()) if where.any() else float("nan")


def _small(plane: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A soft plane at 256 x 256; every pixel of a larger one has its part."""
    if plane.shape == (SIDE, SIDE):
        return plane
    shrinks = min(plane.shape) >= SIDE
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return cv2.resize(plane, (SIDE, SIDE), interpolation=how)


def decidedness(
    mask: NDArray[np.uint8],
    truth: NDArray[np.uint8],
    ignore: NDArray[np.bool_] | None = None,
) -> Decidedness:
    """How sure a soft mask is of itself, and where.

    Args:
        mask: ``(H, W)`` uint8, soft.
        truth: ``(H, W)`` uint8; above 0 is foreground.
        ignore: ``(H, W)``, True where the ground truth is unknown: counted nowhere, and neither are the
            pixels outside the band that have an unknown one within 7 pixels.

    Raises:
        InputError: the shapes differ.
    """
    check_shapes(mask, truth, ignore)
    known = (
        np.full(mask.shape, 255, np.uint8) if ignore is None else np.where(ignore, 0, 255).astype(np.uint8)
    )
    known = _small(known) == 255
    share = _small(np.where(truth > 0, 255, 0).astype(np.uint8))
    # Pixels that hold both, which resizing makes, may be anything: a perfect mask's are soft there, too.
    person, background = (share == 255) & known, (share == 0) & known
    level = _small(mask)
    inside, outside = (cv2.erode(side.astype(np.uint8), BAND) > 0 for side in (person, background))
    rim = background & (cv2.dilate((share >= 128).astype(np.uint8), BAND) > 0)
    return Decidedness(
        interior=_share(level >= _SURE, inside),
        haze=_share(level >= _FAINT, outside),
        soft=_share((level >= _MID[0]) & (level <= _MID[1]), known),
        halo=_share(level >= _GLOW, rim),
    )


def alpha_error(
    mask: NDArray[np.uint8],
    alpha: NDArray[np.uint8],
    ignore: NDArray[np.bool_] | None = None,
) -> float:
    """Mean absolute error of the soft mask near the edge, 0-1; NaN where there is no edge.

    Both are resized to 256 x 256. What counts lies within 10 pixels of the alpha's edge, where it
    crosses one half; distances are Euclidean, and the frame's edge is none. The mean absolute difference of
    alphas is matting's usual figure (Rhemann et al., CVPR 2009); there it is taken over a trimap's
    unknown part, here over a band of fixed width.

    Args:
        mask: ``(H, W)`` uint8, soft.
        alpha: ``(H, W)`` uint8, the soft ground truth. With a hard one the error is that of the ramp's
            place and width.
        ignore: ``(H, W)``, True where the ground truth is unknown: not counted.

    Raises:
        InputError: the shapes differ.
    """
    check_shapes(mask, alpha, ignore)
    level, true = _small(mask), _small(alpha)
    person = true >= 128
    if person.all() or not person.any():
        return float("nan")
    near = distance(person) + distance(~person) <= _ALPHA_REACH  # one of the two is 0
    if ignore is not None:
        near &= _small(np.where(ignore, 0, 255).astype(np.uint8)) == 255
    error = np.abs(level.astype(np.float32) - true)[near]
    return float(error.mean() / 255) if error.size else float("nan")


@dataclass(frozen=True)
class Coverage:
    """Numbers of the ground truth's person pixels, which add up over pictures with ``+``.

    Attributes:
        inside: those that lie in one of the regions.
        total: all of them.
    """

    inside: int = 0
    total: int = 0

    def __add__(self, other: Coverage) -> Coverage:
        return Coverage(self.inside + other.inside, self.total + other.total)

    @property
    def share(self) -> float:
        """Share of the person pixels that lie in a region, 0-1; NaN without any."""
        return self.inside / self.total if self.total else float("nan")


def coverage(
    regions: Iterable[tuple[int, int, int, int]],
    truth: NDArray[np.uint8],
    ignore: NDArray[np.bool_] | None = None,
) -> Coverage:
    """Count the person pixels that the segmented regions hold. What lies outside can't be in the mask.

    Args:
        regions: ``(x_min, y_min, x_max, y_max)`` in whole pixels, the last column and row not included,
            as :class:`~upperbodyseg.SegmentationOutput` has them; they may overlap.
        truth: ``(H, W)`` uint8; above 0 is foreground.
        ignore: ``(H, W)``, True where the ground truth is unknown: not counted.

    Raises:
        InputError: the shapes differ.
    """
    check_shapes(truth, truth, ignore)
    person = truth > 0 if ignore is None else (truth > 0) & ~ignore
    covered = np.zeros(truth.shape, bool)
    for x0, y0, x1, y1 in regions:
        covered[max(y0, 0) : max(y1, 0), max(x0, 0) : max(x1, 0)] = True
    return Coverage(int(np.count_nonzero(person & covered)), int(np.count_nonzero(person)))
