"""How good a mask is likely to be: the IoU to be expected of it, as measured.

Two logistic models, fitted to labelled pictures by ``python -m benchmarks.confidence``. With people in the
frame the best detection's score and the softness of the mask tell: where the segmenter is uncertain about
much of a person, the mask is rather wrong. Without people, the best score that did not suffice tells.

The constants stand in the detector's description, ``person_detector.json``, under ``confidence``, because
they are measured for each pair of models.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from upperbodyseg.geometry import Region

__all__ = ["LEAST_SOFTNESS", "Confidence", "softness"]

_SOFT = (64, 191)
"""Levels of a mask that are neither person nor background for certain."""

_MARKED = 128
LEAST_SOFTNESS = 0.01
"""Added before the logarithm is taken."""


@dataclass(frozen=True)
class Confidence:
    """The two models of one pair.

    Attributes:
        score, softness, bias: ``logit = score * s + softness * log(softness + 0.01) + bias`` is that of the
            IoU to be expected of a mask with people.
        nobody_score, nobody_bias: ``logit = nobody_score * s + nobody_bias`` is that of the likelihood that a
            frame without accepted people shows none.
        look_below: a mask below this confidence deserves a look.
    """

    score: float
    softness: float
    bias: float
    nobody_score: float
    nobody_bias: float
    look_below: float

    def of_people(self, best_score: float, soft: float) -> float:
        """The confidence in a mask, 0-1.

        Args:
            best_score: of the frame's persons.
            soft: their masks' :func:`softness`.
        """
        return _logistic(
            self.score * best_score + self.softness * math.log(soft + LEAST_SOFTNESS) + self.bias
        )

    def of_nobody(self, best_score: float) -> float:
        """The confidence that nobody is there, 0-1.

        Args:
            best_score: of the detections that did not suffice; 0 for none.
        """
        return _logistic(self.nobody_score * best_score + self.nobody_bias)


def _logistic(x: float) -> float:
    return 1 / (1 + math.exp(-min(max(x, -50.0), 50.0)))


def softness(masks: Iterable[tuple[Region, NDArray[np.uint8]]]) -> float:
    """Pixels of uncertain level, by the pixels that are marked as person; 1 without any.

    Args:
        masks: each region's, ``(h, w)`` uint8.
    """
    soft = marked = 0.0
    for region, mask in masks:
        pixel = region.area / mask.size
        soft += pixel * cv2.countNonZero(cv2.inRange(mask, _SOFT[0], _SOFT[1]))
        marked += pixel * cv2.countNonZero(cv2.inRange(mask, _MARKED, 255))
    return min(soft / marked, 1.0) if marked else 1.0
