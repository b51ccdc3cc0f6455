"""What a segmenter is taught: a label, sharpened by its teachers, soft at the edge alone."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

from training.library import U8

TEACHER_ALONE = 160  # weight, of 255, of a teacher's mask where no label says anything
CERTAIN = 0.02  # of the local mean: below it, or above 1 less it, a label is certain


@cache
def _curve(power: float) -> U8:
    p = np.arange(256, dtype=np.float64) / 255
    sharp = p**power / (p**power + (1 - p) ** power)
    curve: U8 = np.rint(sharp * 255).astype(np.uint8)
    return curve


def sharpened(mask: U8, power: float) -> U8:
    """A mask 0-255 nearer to 0 and 255, round one half: ``p^n / (p^n + (1 - p)^n)``.

    Several teachers' mean is softer than each of them; this undoes it. From the sharpening of guessed labels
    by Berthelot et al. 2019, "MixMatch".
    """
    return mask if power == 1 else cv2.LUT(mask, _curve(power))


def certain(label: U8, reach: int) -> tuple[np.ndarray, np.ndarray]:
    """Where a label 0-255 says background and where person, with no edge within ``reach`` pixels."""
    side = 2 * reach + 1
    mean = cv2.blur(label, (side, side), borderType=cv2.BORDER_REPLICATE)
    return mean <= CERTAIN * 255, mean >= (1 - CERTAIN) * 255


def target(
    label: U8, known: np.ndarray, mask: U8 | None, share: float, power: float, reach: int
) -> tuple[U8, np.ndarray]:
    """Target 0-255, and where the teachers alone say it.

    Where the label is certain it is taught as it is, hard: neither the teachers nor a grey in the label
    may make it mid. At its edge the teachers' sharpened mask has its share. Where the label says nothing
    the teachers' sharpened mask is the target.

    Args:
        label: ``(H, W)`` 0-255.
        known: ``(H, W)`` bool: where the label says something.
        mask: the teachers', 0-255; None without any.
        share: of the mask beside the label.
        power: of :func:`sharpened`.
        reach: pixels; the label's edge is that wide.
    """
    away, inside = certain(label, reach)
    out = label
    alone = np.zeros(label.shape, bool)
    if mask is not None:
        sharp = sharpened(mask, power)
        out = cv2.addWeighted(label, 1 - share, sharp, share, 0)
        alone = ~known
        out = np.where(alone, sharp, out)
    out = np.where(away & known, np.uint8(0), np.where(inside & known, np.uint8(255), out))
    return out, alone
