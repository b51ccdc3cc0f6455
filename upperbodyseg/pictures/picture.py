"""A picture that was read."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["Picture", "flatten"]


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture as it should look, in sRGB.

    Attributes:
        bgr: ``(H, W, 3)`` uint8.
        alpha: ``(H, W)`` uint8, 255 opaque; None where all of the picture is opaque.
        damaged: the file is cut short or broken, and a part of the picture is missing.
    """

    bgr: NDArray[np.uint8]
    alpha: NDArray[np.uint8] | None = None
    damaged: bool = False

    def without_transparent(self, mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A mask of this picture times its alpha: who was erased stays erased."""
        if self.alpha is None:
            return mask
        return cv2.multiply(mask, self.alpha, scale=1 / 255)


def flatten(picture: Picture) -> NDArray[np.uint8]:
    """The picture before white, as browsers show it; what is transparent is gone."""
    if picture.alpha is None:
        return picture.bgr
    share = cv2.merge([picture.alpha] * 3)
    white = cv2.bitwise_not(share)
    return cv2.add(cv2.multiply(picture.bgr, share, scale=1 / 255), white)
