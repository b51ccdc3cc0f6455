"""Shares of people that follow the picture's edges.

The separator sees a person in few pixels, so that its borders are blunt. The guided filter for colour
pictures (He, Sun and Tang 2013, "Guided Image Filtering") fits a linear function of the colour to the share
round every pixel.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["Edges"]

_RADIUS = 8  # pixels to each side over which a function is fitted

_EPSILON = 6.5
"""Variance of colour levels below which the picture counts as flat; 0.0001 of the squared range."""

_PAIRS = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))


def _mean(plane: Any) -> Any:
    side = 2 * _RADIUS + 1
    return cv2.boxFilter(plane, -1, (side, side), borderType=cv2.BORDER_REFLECT)


class Edges:
    """A picture's edges.

    Args:
        bgr: ``(h, w, 3)`` uint8.
    """

    def __init__(self, bgr: NDArray[np.uint8]) -> None:
        self._planes: Any = [np.ascontiguousarray(bgr[..., c], np.float32) for c in range(3)]
        self._means = [_mean(plane) for plane in self._planes]
        covariance = {
            (i, j): _mean(self._planes[i] * self._planes[j]) - self._means[i] * self._means[j]
            for i, j in _PAIRS
        }
        (a, b, c, d, e, f) = (covariance[pair] + _EPSILON * (pair[0] == pair[1]) for pair in _PAIRS)
        # The inverse of a symmetric 3 x 3 matrix, by its cofactors.
        aa, ab, ac = d * f - e * e, c * e - b * f, b * e - c * d
        bb, bc, cc = a * f - c * c, b * c - a * e, a * d - b * b
        self._inverse = [[aa, ab, ac], [ab, bb, bc], [ac, bc, cc]]
        self._scale = 1 / (a * aa + b * ab + c * ac)

    def follow(self, share: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The share along the edges, ``(h, w)`` uint8, 0-255."""
        wanted: Any = share.astype(np.float32)
        mean = _mean(wanted)
        covariance = [
            _mean(plane * wanted) - own * mean for plane, own in zip(self._planes, self._means, strict=True)
        ]
        out, constant = np.zeros_like(mean), mean
        for row, plane, own in zip(self._inverse, self._planes, self._means, strict=True):
            slope = sum(part * c for part, c in zip(row, covariance, strict=True)) * self._scale
            constant = constant - slope * own
            out += _mean(slope) * plane
        rounded: Any = cv2.convertScaleAbs(np.maximum(out + _mean(constant), 0))  # cuts at 255, too
        followed: NDArray[np.uint8] = rounded
        return followed
