"""The person alone, with the mask as alpha.

There is more time here than in the other effects. So the carried colours are bettered as Germer et al., Fast
Multi-Level Foreground Estimation, 2020, do.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from upperbodyseg.effects.arguments import open_both, readable
from upperbodyseg.effects.colours import ALPHA, CHUNK, Colours, carry_colours, lay_over, soft_pixels
from upperbodyseg.effects.reduced import U8, Plane, rounded, shrink
from upperbodyseg.image_source import ImageSource

__all__ = ["cut_out"]

_SMOOTHNESS = 1e-5
"""Germer's epsilon: how alike neighbours' colours are where the mask is flat."""


def cut_out(image: ImageSource, mask: U8 | None = None, *, quick: bool = False) -> U8:
    """The person alone, with the mask as alpha.

    Args:
        image: ``(H, W, 3)`` uint8; or whatever :func:`upperbodyseg.segment` takes, read as BGR.
        mask: ``(H, W)`` uint8, 255 person, 0 background; None: that of :func:`upperbodyseg.segment`.
        quick: take a sixth of the time, as for videos: soft edges keep a little more of the person's carried
            colours.

    Returns:
        ``(H, W, 4)`` uint8, straight (unassociated) alpha. Where the mask is 255 the image's own colours; in
        the soft edge the person's, with the old background's taken out; where it is 0 those of the person's
        nearest parts, so that scaling makes no fringe and nothing of the old background stays in the file.
        Black where there is nobody at all.

    Raises:
        InputError: something given can't be used (see the message).
    """
    image, mask = open_both(image, mask, opaque=False)
    image, mask = readable(image), readable(mask)
    colours = carry_colours(image, mask)
    if quick:  # laid over their own colours, which soft pixels then show
        person: Plane = cv2.resize(rounded(colours.person), mask.shape[::-1], interpolation=cv2.INTER_LINEAR)
        lay_over(image, mask, colours, person)
    else:
        person = _separate(image, mask, colours)
    return cv2.merge([person, mask])


def _separate(image: Plane, mask: Plane, colours: Colours) -> Plane:
    """The person's colours, at full size: Germer et al. 2020, from the carried colours' size on.

    Of each soft pixel the person's and the background's colour are those that mix to the pixel and are like
    their neighbours', the more so where alpha changes between the two; solved from coarse to fine, a few
    rounds each.
    """
    person, old = rounded(colours.person), rounded(colours.background)
    steps = [colours.step]
    while steps[-1] > 1:
        steps.append(steps[-1] // 2)
    for finer, step in reversed(list(enumerate(reversed(steps)))):
        pixels, share = shrink(image, step), shrink(mask, step)
        person, old = (
            cv2.resize(plane, share.shape[::-1], interpolation=cv2.INTER_LINEAR) for plane in (person, old)
        )
        cv2.copyTo(pixels, (share == 255).view(np.uint8), person)
        cv2.copyTo(pixels, (share == 0).view(np.uint8), old)
        soft = soft_pixels(share)
        for _ in range(min(2 << finer, 10)):
            for start in range(0, len(soft), CHUNK):
                _relax(pixels, share, person, old, soft[start : start + CHUNK])
    return person


def _relax(pixels: Plane, share: Plane, person: Plane, old: Plane, chosen: NDArray[np.intp]) -> None:
    """One round on the chosen pixels (their flat indices): ``person`` and ``old`` are changed."""
    height, width = share.shape
    rows = chosen // width
    columns = chosen - rows * width
    neighbours = (
        chosen - (columns > 0),
        chosen + (columns < width - 1),
        chosen - width * (rows > 0),
        chosen + width * (rows < height - 1),
    )
    alphas = share.reshape(-1)
    alpha = cv2.LUT(alphas.take(chosen)[None], ALPHA)
    weights = [np.abs(cv2.LUT(alphas.take(n)[None], ALPHA) - alpha) + _SMOOTHNESS for n in neighbours]
    weight = sum(weights)
    means = []
    for plane in (person, old):
        flat = plane.reshape(-1, 3)
        total = np.zeros((1, len(chosen), 3), np.float32)
        for n, part in zip(neighbours, weights, strict=True):
            total += cv2.merge([part / weight] * 3) * flat.take(n, axis=0)
        means.append(total)
    mixed = means[1] + cv2.merge([alpha] * 3) * (means[0] - means[1])
    rest = pixels.reshape(-1, 3).take(chosen, axis=0) - mixed
    scale = 1 / (weight + alpha**2 + (1 - alpha) ** 2)
    for plane, mean, own in zip((person, old), means, (alpha, 1 - alpha), strict=True):
        better = np.clip(mean + cv2.merge([own * scale] * 3) * rest, 0, 255)
        plane.reshape(-1, 3)[chosen] = rounded(better)[0]
