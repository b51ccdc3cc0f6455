"""The background blurred, by a Gaussian or as a wide-open lens does."""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np

from upperbodyseg import checks
from upperbodyseg.effects.arguments import check_out, hand_over, open_both, readable
from upperbodyseg.effects.colours import Colours, carry_colours, lay_over
from upperbodyseg.effects.reduced import U8, Plane, fitting_step, rounded, shrink, widen
from upperbodyseg.image_source import ImageSource

__all__ = ["DEFAULT_SIGMA_SHARE", "LARGEST_DISC_SHARE", "MAX_BLUR_SIGMA", "blur_background", "portrait_blur"]

MAX_BLUR_SIGMA = 1000.0
"""Largest ``sigma``, in pixels."""

DEFAULT_SIGMA_SHARE = 1 / 30
"""Default ``sigma`` as a share of the frame's height: 24 pixels at 720 rows."""

LARGEST_DISC_SHARE = 0.06
"""Radius of the disc at ``strength`` 1 as a share of the frame's height."""

_ENLARGEABLE_SIGMA = 2.5

_ENLARGEABLE_RADIUS = 4.0
"""In cells: what is blurred by as much can be enlarged without its cells being seen."""

_WHITE = 1.1

_LINEAR = (np.linspace(0, 1, 256) ** 2.2).astype(np.float32)

_GAIN = 1 / (_WHITE - _LINEAR)
"""By a pixel's brightest channel: Reinhard's tone curve backwards. White counts for ten times what it does in
linear light, dark colours for what they are; one gain for all channels keeps the hue."""


def blur_background(
    image: ImageSource, mask: U8 | None = None, sigma: float | None = None, *, out: U8 | None = None
) -> U8:
    """Blur what is behind the person, with a Gaussian.

    The background is blurred as if the person weren't there, so that no bright or coloured rim of the person
    surrounds them. It is blurred at a reduced size: a larger ``sigma`` doesn't take longer, though one below
    5 pixels takes two to three times as long.

    Args:
        image: ``(H, W, 3)`` uint8; or whatever :func:`upperbodyseg.segment` takes, read as BGR.
        mask: ``(H, W)`` uint8, 255 person, 0 background; None: that of :func:`upperbodyseg.segment`.
        sigma: standard deviation of the blur in pixels of the frame, 0-1000; 0 gives the image back. None is
            a thirtieth of the frame's height, 24 pixels at 720 rows.
        out: as for :func:`replace_background`.

    Returns:
        ``(H, W, 3)`` uint8: ``out`` where it was given. The image itself where the mask is 255.

    Raises:
        InputError: something given can't be used (see the message).
    """
    image, mask = open_both(image, mask, opaque=True)
    height, width = mask.shape
    pixels = height * DEFAULT_SIGMA_SHARE if sigma is None else checks.number("sigma", sigma, MAX_BLUR_SIGMA)
    target = check_out(out, image.shape, image=image, mask=mask)
    image, mask = readable(image), readable(mask)
    if pixels == 0:
        target[:] = image
        return hand_over(target, out)
    colours = carry_colours(image, mask)
    small, step = _without_person(image, mask, colours, pixels / _ENLARGEABLE_SIGMA)
    # Averaging down and interpolating up blur by themselves: variances of step^2 / 12 and step^2 / 6.
    left = math.sqrt((pixels / step) ** 2 - (0.25 if step > 1 else 0))
    small = cv2.GaussianBlur(small, (0, 0), left, borderType=cv2.BORDER_REPLICATE)
    cv2.resize(small, (width, height), dst=target, interpolation=cv2.INTER_LINEAR)
    lay_over(image, mask, colours, target)
    return hand_over(target, out)


def portrait_blur(
    image: ImageSource, mask: U8 | None = None, strength: float = 0.5, *, out: U8 | None = None
) -> U8:
    """Blur what is behind the person as a wide-open lens does.

    Points of light become discs: the kernel is a disc, and light is added up in approximately linear values,
    in which highlights count for more, as they did before the camera clipped them. As in
    :func:`blur_background` no rim of the person shows. It takes two to six times as long as that, the
    longest at strengths below 0.2.

    Args:
        image: ``(H, W, 3)`` uint8, sRGB as cameras and photos have it; or whatever
            :func:`upperbodyseg.segment` takes, read as BGR.
        mask: ``(H, W)`` uint8, 255 person, 0 background; None: that of :func:`upperbodyseg.segment`.
        strength: 0-1: the disc's radius, from nothing to 6 % of the frame's height.
        out: as for :func:`replace_background`.

    Returns:
        ``(H, W, 3)`` uint8: ``out`` where it was given. The image itself where the mask is 255.

    Raises:
        InputError: something given can't be used (see the message).
    """
    image, mask = open_both(image, mask, opaque=True)
    height, width = mask.shape
    radius = height * LARGEST_DISC_SHARE * checks.number("strength", strength, 1.0)
    target = check_out(out, image.shape, image=image, mask=mask)
    image, mask = readable(image), readable(mask)
    if radius < 0.5:
        target[:] = image
        return hand_over(target, out)
    colours = carry_colours(image, mask)
    light, step = _without_person(image, mask, colours, radius / _ENLARGEABLE_RADIUS, _to_light)
    light = cv2.filter2D(light, -1, _disc(radius / step), borderType=cv2.BORDER_REPLICATE)
    cv2.resize(_from_light(light), (width, height), dst=target, interpolation=cv2.INTER_LINEAR)
    lay_over(image, mask, colours, target)
    return hand_over(target, out)


def _without_person(
    image: Plane, mask: Plane, colours: Colours, most: float, convert: Callable[[Plane], Plane] | None = None
) -> tuple[Plane, int]:
    """The background with the person filled in, reduced by ``most`` at most, and by how much it was.

    ``convert`` is applied before anything is averaged.
    """
    fill: Plane = rounded(colours.background)
    times = min(int(most / colours.step), *fill.shape[:2])
    if times >= 1 and convert is None:
        return shrink(fill, times), times * colours.step
    step = fitting_step(mask, int(most))
    if convert is not None:
        fill, image = convert(fill), convert(image)
    person = widen(shrink(mask, step))
    fill = cv2.resize(fill, person.shape[::-1], interpolation=cv2.INTER_LINEAR)
    small = shrink(image, step)
    return cv2.copyTo(fill, person, small.copy() if step == 1 else small), step


def _brightest(pixels: Plane) -> Plane:
    one, two, three = cv2.split(pixels)
    return cv2.max(cv2.max(one, two), three)


def _to_light(pixels: Plane) -> Plane:
    """From 0-255 (taken for gamma 2.2) to light as it was before highlights were clipped, about."""
    gain = cv2.LUT(_brightest(pixels), _GAIN)
    return cv2.multiply(cv2.LUT(pixels, _LINEAR), cv2.merge([gain] * 3))


def _from_light(light: Plane) -> Plane:
    """``_to_light`` backwards."""
    linear = cv2.multiply(light, cv2.merge([_WHITE / (1 + _brightest(light))] * 3))
    scaled: Plane = cv2.convertScaleAbs(cv2.pow(linear, 1 / 2.2), alpha=255)
    return scaled


def _disc(radius: float) -> Plane:
    """A disc that sums to 1, its rim smooth."""
    reach = math.ceil(radius)
    y, x = np.ogrid[-reach : reach + 1, -reach : reach + 1]
    disc = (radius + 0.5 - np.hypot(x, y)).clip(0, 1)
    kernel: Plane = (disc / disc.sum()).astype(np.float32)
    return kernel
