"""Temporal smoothing of a stream's masks, without trails behind what moves.

A mean over time of every pixel would leave trails. Here each pixel's share of the new mask grows with the
change of the picture around it, measured against the camera's own noise. Where the picture changes, nothing
of the past is left. Where it does not, small changes of the mask are damped most, since those are the
flicker. The largest, from 0 to 255 or back, still pass the middle within two frames.
"""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from upperbodyseg.geometry import Region

__all__ = ["TemporalSmoother"]

_STEADY = 0.03  # share of the new mask where the picture stays and the mask hardly changes
_STEADY_GAIN = 0.35  # growth of the share by a level of the change, in levels: to 0.38 over the whole scale
_GRAIN = 5  # levels of noise from which on the mask is held back the more, the stronger it is
_LEFT_IN_MEANS = 0.25  # of the noise: a sixth, were it alike in no two neighbours
_SETTLED = 2  # levels: such a change passes, or rounding would keep the mask from ever arriving
# Times the noise, and grey levels on top: what counts as no change of the picture, and as change.
_QUIET, _MOVING = 2.0, 4.0
_QUIET_LEVELS, _MOVING_LEVELS = 3.5, 9.0
_REACH = 3  # pixels of half the size; the change is a mean over that many each way
_SIDE = 256  # of the pictures that these hold for


@cache
def _moving_table(noise: float, side: int) -> NDArray[np.uint8]:
    """How surely a change of so many levels is more than the camera's noise, 0-255.

    In a smaller picture the same movement changes the mean over a pixel's surroundings by less.
    """
    share = min(side / _SIDE, 1.0)
    quiet, moving = _QUIET * noise + _QUIET_LEVELS, _MOVING * noise + _MOVING_LEVELS
    quiet, moving = quiet * share, moving * share
    surely = (np.arange(256) - quiet) * (255 / (moving - quiet))
    return surely.clip(0, 255).astype(np.uint8)


class TemporalSmoother:
    """Remembers one region's last picture and mask. Not for several threads at a time."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Start anew: the next mask comes back as it is."""
        self.noise = 0
        self._region: Region | None = None
        self._mask: NDArray[np.uint8] = np.zeros((0, 0), np.uint8)
        self._bgr: NDArray[np.uint8] = np.zeros((0, 0, 3), np.uint8)

    @property
    def grain(self) -> float:
        """Levels of noise beyond a camera's usual; 0.0 for none."""
        return float(max(self.noise - _GRAIN, 0))

    def smooth(self, bgr: NDArray[np.uint8], mask: NDArray[np.uint8], region: Region) -> NDArray[np.uint8]:
        """The mask, steadied by those before it.

        Args:
            bgr: ``(h, w, 3)`` uint8, the region as the segmenter saw it; kept until the next call.
            mask: ``(h, w)`` uint8, what the segmenter made of it.
            region: where both lie in the frame. When it moves, the past moves along.

        Returns:
            ``(h, w)`` uint8; not to be written to.
        """
        if self._region is not None and self._mask.shape == mask.shape:
            fresh = None if region == self._region else self._move(region)
            moving = self._moving(bgr)
            changing = cv2.LUT(cv2.absdiff(mask, self._mask), _changing_table(self.noise))
            share = cv2.max(moving, changing)
            if fresh is not None:
                share = cv2.max(share, fresh)
            new = cv2.multiply(mask, share, scale=1 / 255)
            old = cv2.multiply(self._mask, cv2.bitwise_not(share), scale=1 / 255)
            mask = cv2.add(new, old)
        self._region, self._bgr, self._mask = region, bgr, mask
        return mask

    def _moving(self, bgr: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """How surely the picture has changed at each pixel, 0-255."""
        height, width = bgr.shape[:2]
        change = cv2.resize(
            cv2.absdiff(bgr, self._bgr), (width // 2, height // 2), interpolation=cv2.INTER_AREA
        )
        change = cv2.blur(cv2.cvtColor(change, cv2.COLOR_BGR2GRAY), (_REACH, _REACH))
        # A quarter of the pixels stay below the camera's noise though most of a person may move.
        some = change[::2, ::2].ravel()
        self.noise = int(np.partition(some, len(some) // 4)[len(some) // 4])
        moving = cv2.LUT(change, _moving_table(self.noise, width))
        if self.noise > _GRAIN:
            # Strong grain hides movement from a mean of changes, but is itself lost in a change of means.
            now, before = (_means(picture) for picture in (bgr, self._bgr))
            table = _moving_table(self.noise * _LEFT_IN_MEANS, width)
            moving = cv2.max(moving, cv2.LUT(cv2.absdiff(now, before), table))
        return cv2.resize(moving, (width, height))

    def _move(self, region: Region) -> NDArray[np.uint8]:
        """Lay what is remembered where the new region has it; 255 where nothing was, else 0."""
        assert self._region is not None
        height, width = self._mask.shape
        # From a pixel of the new region's picture to that of the old one's.
        past = self._region
        scale_x, scale_y = region.width / past.width, region.height / past.height
        shift_x = (region.x0 - past.x0) / past.width * width + (scale_x - 1) / 2
        shift_y = (region.y0 - past.y0) / past.height * height + (scale_y - 1) / 2
        matrix = np.array([[scale_x, 0, shift_x], [0, scale_y, shift_y]])
        how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        size = (width, height)
        edge = cv2.BORDER_REPLICATE
        self._bgr = cv2.warpAffine(self._bgr, matrix, size, flags=how, borderMode=edge)
        self._mask = cv2.warpAffine(self._mask, matrix, size, flags=how)
        inside = np.zeros((height, width), np.uint8)
        return cv2.warpAffine(inside, matrix, size, flags=how, borderValue=(255.0,))


def _means(bgr: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Means over the surroundings of each pixel of half the size."""
    height, width = bgr.shape[:2]
    grey = cv2.cvtColor(
        cv2.resize(bgr, (width // 2, height // 2), interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2GRAY
    )
    return cv2.blur(grey, (_REACH, _REACH))


@cache
def _changing_table(noise: int) -> NDArray[np.uint8]:
    """Share 0-255 of the new mask by how much it has changed, where the picture stays."""
    change = np.arange(256)
    share = _STEADY_GAIN * change + 255 * _STEADY
    # Grain changes the mask the more, the stronger it is, but not from one end to the other.
    held = min((_GRAIN / max(noise, 1)) ** 2, 1.0)
    share = np.maximum(held * share, share[-1] * (change - 128) / 127)
    share[change <= _SETTLED] = 255
    table: NDArray[np.uint8] = share.round().astype(np.uint8)
    return table
