"""What is done with a mask: another background, a blurred one, portrait blur, a cut-out.

Arrays or files in, arrays out::

    from upperbodyseg.effects import blur_background

    shown = blur_background("photo.jpg")
    shown = blur_background(image, mask)  # a mask that is there already

All of them take an image ``(H, W, 3)`` uint8, BGR or RGB (the channels are treated alike), and its mask
``(H, W)`` uint8 as :func:`upperbodyseg.segment` gives it. What is given is never written to; any strides
will do, but those of whole rows are read without a copy.

Soft pixels are a mixture of the person and the background they were taken before. So that this old
background doesn't show as a rim before the new one, the person's own colour is worked out of each: the
colours of the person and of the background are carried over the edge at a reduced size (by the push-pull of
Gortler et al., The Lumigraph, 1996) and corrected so that mixing them gives the pixel. :func:`cut_out`, for
which there is more time, goes on from there as Germer et al., Fast Multi-Level Foreground Estimation, 2020,
do.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from upperbodyseg import checks
from upperbodyseg.engine import segment
from upperbodyseg.errors import InputError
from upperbodyseg.image_source import ImageSource, open_image
from upperbodyseg.pictures import flatten

__all__ = ["blur_background", "cover", "cut_out", "portrait_blur", "replace_background"]

U8: TypeAlias = NDArray[np.uint8]
Plane: TypeAlias = NDArray[Any]
"""uint8 or float32."""

MAX_SIDE = 32_766
"""Pixels; OpenCV can't sample at points of larger pictures."""

MAX_BLUR_SIGMA = 1000.0
"""Largest ``sigma``, in pixels."""

DEFAULT_SIGMA_SHARE = 1 / 30
"""Default ``sigma`` as a share of the frame's height: 24 pixels at 720 rows."""

LARGEST_DISC_SHARE = 0.06
"""Radius of the disc at ``strength`` 1 as a share of the frame's height."""

SPILL_SHARE = 1 / 60
"""How far light wraps round the person: a Gaussian's standard deviation as a share of the frame's height."""

_CELLS = 90
"""Colours are carried over the edge at about so many cells of the frame's shorter side."""

_CHUNK = 1 << 14
"""Soft pixels worked on at a time: what they need stays in the processor's cache."""

_ENLARGEABLE_SIGMA = 2.5
_ENLARGEABLE_RADIUS = 4.0
"""In cells: what is blurred by as much can be enlarged without its cells being seen."""

_PURE = (np.linspace(0, 1, 256) ** 8).astype(np.float32)
"""Weight of a cell by its share of the person (reversed: of the background), 0-255: with a bit of the other
colour in it, it counts for next to nothing."""

_ALPHA = (np.arange(256) / 255).astype(np.float32)
_CORRECTION = _ALPHA / (_ALPHA**2 + (1 - _ALPHA) ** 2)
"""By the mask: what of a pixel's unexplained rest is the person's, of the two colours' least change."""

_TINY = 1e-20
"""Below every weight that counts: keeps from dividing by 0."""

_SMOOTHNESS = 1e-5
"""Germer's epsilon: how alike neighbours' colours are where the mask is flat."""

_WHITE = 1.1
_LINEAR = (np.linspace(0, 1, 256) ** 2.2).astype(np.float32)
_GAIN = 1 / (_WHITE - _LINEAR)
"""By a pixel's brightest channel: Reinhard's tone curve backwards. White counts for ten times what it does in
linear light, dark colours for what they are; one gain for all channels keeps the hue."""


def replace_background(
    image: ImageSource,
    mask: U8 | None,
    background: Sequence[float] | NDArray[Any],
    *,
    light_wrap: float = 0.0,
    out: U8 | None = None,
) -> U8:
    """Put the person before another background.

    Args:
        image: ``(H, W, 3)`` uint8; or whatever :func:`upperbodyseg.segment` takes, read as BGR.
        mask: ``(H, W)`` uint8, 255 person, 0 background; None: that of :func:`upperbodyseg.segment`.
        background: a colour, three numbers 0-255 in the image's channel order; or a picture or video frame
            ``(h, w, 3)`` uint8, which is scaled to cover the frame and cropped in the middle (with
            :func:`cover` beforehand this is done once for all frames).
        light_wrap: 0-1; how much of the new background's light spills over the person's edge. 0 is none.
        out: ``(H, W, 3)`` uint8 to write into, sharing no memory with what is given; None for a new array.

    Returns:
        ``(H, W, 3)`` uint8: ``out`` where it was given. The image itself where the mask is 255 (without
        ``light_wrap``), the background itself where it is 0.

    Raises:
        InputError: something given can't be used (see the message).
    """
    image, mask = _open(image, mask, opaque=True)
    light = checks.number("light_wrap", light_wrap, 1.0)
    if isinstance(background, np.ndarray) and background.ndim != 1:
        _check_picture("background", background)
    else:
        background = _check_colour(background)
    target = _check_out(out, image.shape, image=image, mask=mask, background=background)
    image, mask = _readable(image), _readable(mask)
    if background.ndim == 1:
        target[:] = np.tile(background, (image.shape[1], 1))
    else:
        _cover_into(background, target)
    wrap = _spill(mask, target) if light else None
    _lay_over(image, mask, _carry_colours(image, mask), target)
    if wrap is not None:
        _add_light(target, mask, wrap, light)
    return _hand_over(target, out)


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
    image, mask = _open(image, mask, opaque=True)
    height, width = mask.shape
    pixels = height * DEFAULT_SIGMA_SHARE if sigma is None else checks.number("sigma", sigma, MAX_BLUR_SIGMA)
    target = _check_out(out, image.shape, image=image, mask=mask)
    image, mask = _readable(image), _readable(mask)
    if pixels == 0:
        target[:] = image
        return _hand_over(target, out)
    colours = _carry_colours(image, mask)
    small, step = _without_person(image, mask, colours, pixels / _ENLARGEABLE_SIGMA)
    # Averaging down and interpolating up blur by themselves: variances of step^2 / 12 and step^2 / 6.
    left = math.sqrt((pixels / step) ** 2 - (0.25 if step > 1 else 0))
    small = cv2.GaussianBlur(small, (0, 0), left, borderType=cv2.BORDER_REPLICATE)
    cv2.resize(small, (width, height), dst=target, interpolation=cv2.INTER_LINEAR)
    _lay_over(image, mask, colours, target)
    return _hand_over(target, out)


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
    image, mask = _open(image, mask, opaque=True)
    height, width = mask.shape
    radius = height * LARGEST_DISC_SHARE * checks.number("strength", strength, 1.0)
    target = _check_out(out, image.shape, image=image, mask=mask)
    image, mask = _readable(image), _readable(mask)
    if radius < 0.5:
        target[:] = image
        return _hand_over(target, out)
    colours = _carry_colours(image, mask)
    light, step = _without_person(image, mask, colours, radius / _ENLARGEABLE_RADIUS, _to_light)
    light = cv2.filter2D(light, -1, _disc(radius / step), borderType=cv2.BORDER_REPLICATE)
    cv2.resize(_from_light(light), (width, height), dst=target, interpolation=cv2.INTER_LINEAR)
    _lay_over(image, mask, colours, target)
    return _hand_over(target, out)


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
    image, mask = _open(image, mask, opaque=False)
    image, mask = _readable(image), _readable(mask)
    colours = _carry_colours(image, mask)
    if quick:  # laid over their own colours, which soft pixels then show
        person: Plane = cv2.resize(_rounded(colours.person), mask.shape[::-1], interpolation=cv2.INTER_LINEAR)
        _lay_over(image, mask, colours, person)
    else:
        person = _separate(image, mask, colours)
    return cv2.merge([person, mask])


def cover(picture: U8, height: int, width: int) -> U8:
    """A picture scaled, in its proportions, to cover a frame, and cropped in the middle.

    Args:
        picture: ``(h, w, 3)`` uint8.
        height: rows of the frame.
        width: columns of the frame.

    Returns:
        ``(height, width, 3)`` uint8, a new array.

    Raises:
        InputError: no such picture, or a size that is no whole number from 1 to 32,766.
    """
    _check_picture("picture", picture)
    height = checks.whole_number("height", height, 1, MAX_SIDE)
    width = checks.whole_number("width", width, 1, MAX_SIDE)
    target = np.empty((height, width, 3), np.uint8)
    _cover_into(picture, target)
    return target


def _cover_into(picture: U8, target: U8) -> None:
    height, width = target.shape[:2]
    h, w = picture.shape[:2]
    scale = max(height / h, width / w)
    rows, columns = (min(max(round(n / scale), 1), most) for n, most in ((height, h), (width, w)))
    # Averaging whole pixels, then interpolating: a fifth of what OpenCV's averaging of parts of pixels takes.
    shrink = max(min(rows // height, columns // width), 1)
    rows, columns = rows - rows % shrink, columns - columns % shrink
    top, left = (h - rows) // 2, (w - columns) // 2
    part = _shrink(_readable(picture[top : top + rows, left : left + columns]), shrink)
    cv2.resize(part, (width, height), dst=target, interpolation=cv2.INTER_LINEAR)


class _Colours(NamedTuple):
    """The person's and the background's colours, each carried over the whole frame, at a reduced size."""

    person: Plane
    background: Plane
    step: int


def _carry_colours(image: Plane, mask: Plane) -> _Colours:
    step = _fitting_step(mask, round(min(mask.shape) / _CELLS))
    small = _shrink(image, step).astype(np.float32)
    share = _shrink(mask, step)
    return _Colours(
        _fill(small, cv2.LUT(share, _PURE)), _fill(small, cv2.LUT(_widen(share), _PURE[::-1])), step
    )


def _fill(colour: Plane, weight: Plane) -> Plane:
    """Carry colours from where the weight is 1 to where it is 0: push-pull (Gortler et al. 1996)."""
    level: Any = cv2.merge([colour, np.ones_like(weight)])
    level = cv2.multiply(level, cv2.merge([weight] * 4))
    levels = [level]
    while max(level.shape[:2]) > 1:
        height, width = level.shape[:2]
        level = cv2.resize(level, ((width + 1) // 2, (height + 1) // 2), interpolation=cv2.INTER_AREA)
        # One pixel of four with a colour is enough to know the colour here.
        gain = np.minimum(4, 1 / np.maximum(level[..., 3], _TINY))
        level = cv2.multiply(level, cv2.merge([gain] * 4))
        levels.append(level)
    filled = level / max(float(level[0, 0, 3]), _TINY)
    for level in reversed(levels[:-1]):
        above = cv2.resize(filled, level.shape[1::-1], interpolation=cv2.INTER_LINEAR)
        filled = level + cv2.multiply(above, cv2.merge([1 - level[..., 3]] * 4))
    bgr: Plane = cv2.cvtColor(filled, cv2.COLOR_BGRA2BGR)
    return bgr


def _without_person(
    image: Plane, mask: Plane, colours: _Colours, most: float, convert: Callable[[Plane], Plane] | None = None
) -> tuple[Plane, int]:
    """The background with the person filled in, reduced by ``most`` at most, and by how much it was.

    ``convert`` is applied before anything is averaged.
    """
    fill: Plane = _rounded(colours.background)
    times = min(int(most / colours.step), *fill.shape[:2])
    if times >= 1 and convert is None:
        return _shrink(fill, times), times * colours.step
    step = _fitting_step(mask, int(most))
    if convert is not None:
        fill, image = convert(fill), convert(image)
    person = _widen(_shrink(mask, step))
    fill = cv2.resize(fill, person.shape[::-1], interpolation=cv2.INTER_LINEAR)
    small = _shrink(image, step)
    return cv2.copyTo(fill, person, small.copy() if step == 1 else small), step


def _lay_over(image: Plane, mask: Plane, colours: _Colours, target: Plane) -> None:
    """Lay the person over what is in ``target``."""
    height, width = mask.shape
    soft = _soft_pixels(mask)
    pixels, shares, targets = image.reshape(-1, 3), mask.reshape(-1), target.reshape(-1, 3)
    behind = targets.take(soft, axis=0)
    cv2.copyTo(image, mask, target)
    for start in range(0, len(soft), _CHUNK):
        chosen = soft[start : start + _CHUNK]
        rows = chosen // width
        columns = chosen - rows * width
        x, y = (
            ((where + 0.5) * (cells / of) - 0.5).astype(np.float32)[None]
            for where, cells, of in zip(
                (columns, rows), colours.person.shape[1::-1], (width, height), strict=True
            )
        )
        person, old = (
            cv2.remap(plane, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE) for plane in colours[:2]
        )
        share = shares.take(chosen)[None]
        alpha = cv2.merge([cv2.LUT(share, _ALPHA)] * 3)
        rest = pixels.take(chosen, axis=0)[None] - old - alpha * (person - old)
        person = np.clip(person + cv2.merge([cv2.LUT(share, _CORRECTION)] * 3) * rest, 0, 255)
        new = behind[start : start + _CHUNK][None].astype(np.float32)
        targets[chosen] = _rounded(new + alpha * (person - new))[0]


def _separate(image: Plane, mask: Plane, colours: _Colours) -> Plane:
    """The person's colours, at full size: Germer et al. 2020, from the carried colours' size on.

    Of each soft pixel the person's and the background's colour are those that mix to the pixel and are like
    their neighbours', the more so where alpha changes between the two; solved from coarse to fine, a few
    rounds each.
    """
    person, old = _rounded(colours.person), _rounded(colours.background)
    steps = [colours.step]
    while steps[-1] > 1:
        steps.append(steps[-1] // 2)
    for finer, step in reversed(list(enumerate(reversed(steps)))):
        pixels, share = _shrink(image, step), _shrink(mask, step)
        person, old = (
            cv2.resize(plane, share.shape[::-1], interpolation=cv2.INTER_LINEAR) for plane in (person, old)
        )
        cv2.copyTo(pixels, (share == 255).view(np.uint8), person)
        cv2.copyTo(pixels, (share == 0).view(np.uint8), old)
        soft = _soft_pixels(share)
        for _ in range(min(2 << finer, 10)):
            for start in range(0, len(soft), _CHUNK):
                _relax(pixels, share, person, old, soft[start : start + _CHUNK])
    return person


def _soft_pixels(share: Plane) -> NDArray[np.intp]:
    """Flat indices of what is neither 0 nor 255."""
    return np.flatnonzero(share - np.uint8(1) < 254)  # 0 wraps round to 255


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
    alpha = cv2.LUT(alphas.take(chosen)[None], _ALPHA)
    weights = [np.abs(cv2.LUT(alphas.take(n)[None], _ALPHA) - alpha) + _SMOOTHNESS for n in neighbours]
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
        plane.reshape(-1, 3)[chosen] = _rounded(better)[0]


def _spill(mask: Plane, background: Plane) -> Plane:
    """The light of the uncovered background, spread over the person's edge, at a reduced size."""
    step = _fitting_step(mask, round(min(mask.shape) / _CELLS))
    uncovered = cv2.merge([cv2.bitwise_not(_shrink(mask, step))] * 3)
    light = cv2.multiply(_shrink(background, step), uncovered, scale=1 / 255)
    sigma = max(len(mask) * SPILL_SHARE / step, 0.5)
    return cv2.GaussianBlur(light, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)


def _add_light(target: Plane, mask: Plane, light: Plane, amount: float) -> None:
    """Add light to the person as a screen does, which never goes beyond white."""
    # Two arrays of the frame's size are reused: memory fresh from the system takes longer than the sums.
    light = cv2.resize(light, mask.shape[::-1], interpolation=cv2.INTER_LINEAR)
    limit = cv2.merge([mask] * 3)
    # At the edge half of what is around is background: twice it is all of the background's light.
    cv2.multiply(light, limit, dst=light, scale=2 * amount / 255)
    cv2.bitwise_not(target, dst=limit)
    cv2.multiply(light, limit, dst=light, scale=1 / 255)
    cv2.add(target, light, dst=target)


def _fitting_step(plane: Plane, most: int) -> int:
    """The largest step, of ``most`` down to its half, that divides both sides; without one, ``most``.

    OpenCV averages whole pixels several times as fast as parts of them.
    """
    height, width = plane.shape[:2]
    most = max(min(most, height, width), 1)
    return next((n for n in range(most, most // 2, -1) if height % n == 0 and width % n == 0), most)


def _shrink(plane: Plane, step: int) -> Plane:
    """Average ``step`` x ``step`` pixels (the plane itself, not a copy, for a step of 1)."""
    if step == 1:
        return plane
    size = -(-plane.shape[1] // step), -(-plane.shape[0] // step)
    return cv2.resize(plane, size, interpolation=cv2.INTER_AREA)


def _widen(share: Plane) -> Plane:
    """Grow the person by a cell: the mask's edge may lie a little inside theirs."""
    return cv2.dilate(share, np.ones((3, 3), np.uint8))


def _rounded(values: Plane) -> Plane:
    return cv2.convertScaleAbs(values)


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


def _check_picture(name: str, picture: U8) -> None:
    if not isinstance(picture, np.ndarray):
        raise InputError(f"{name} must be a numpy array (H, W, 3) of uint8, got {type(picture).__name__}")
    if picture.ndim == 3 and picture.shape[2] == 4:
        raise InputError(
            f"{name} must have 3 channels, got 4, {picture.shape}: leave the alpha away with {name}[..., :3]"
        )
    if picture.ndim != 3 or picture.shape[2] != 3:
        raise InputError(
            f"{name} must have the shape (H, W, 3), got {picture.shape}; for a grey one use "
            "cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR)"
        )
    if picture.dtype != np.uint8:
        raise InputError(f"{name} must be of dtype uint8 (0-255), got {picture.dtype}: scale and convert it")
    if not all(1 <= side <= MAX_SIDE for side in picture.shape[:2]):
        raise InputError(f"{name} must have 1 to {MAX_SIDE} rows and columns, got {picture.shape[:2]}")


def _open(image: ImageSource, mask: U8 | None, *, opaque: bool) -> tuple[U8, U8]:
    """The image and its mask as arrays that fit; where it is transparent, white if it has to be opaque."""
    if mask is None or not isinstance(image, np.ndarray):
        picture = open_image(image)
        if mask is None:
            mask = picture.without_transparent(segment(picture.bgr))
        image = flatten(picture) if opaque else picture.bgr
    _check_image_and_mask(image, mask)
    return image, mask


def _check_image_and_mask(image: U8, mask: U8) -> None:
    _check_picture("image", image)
    if not isinstance(mask, np.ndarray):
        raise InputError(f"mask must be a numpy array (H, W) of uint8, got {type(mask).__name__}")
    if mask.shape != image.shape[:2]:
        raise InputError(
            f"mask must have the image's size, one number a pixel: {image.shape[:2]}, got {mask.shape}"
        )
    if mask.dtype != np.uint8:
        raise InputError(
            f"mask must be of dtype uint8 (255 person, 0 background), got {mask.dtype}: multiply one of "
            "0-1 by 255 and convert it with .astype(np.uint8)"
        )


def _check_colour(colour: Any) -> U8:
    wanted = "background must be a colour, three numbers 0-255, or a picture (h, w, 3) of uint8"
    try:
        values = np.array(colour)
    except (TypeError, ValueError) as exc:  # rows of different lengths
        raise InputError(f"{wanted}, got a {type(colour).__name__} that is neither") from exc
    if values.shape != (3,) or values.dtype.kind not in "iuf":
        raise InputError(f"{wanted}, got a {type(colour).__name__}: {values.shape} of {values.dtype}")
    if not np.all((values >= 0) & (values <= 255)):  # no comparison holds for NaN
        raise InputError(f"{wanted}, got {values.tolist()}")
    rounded: U8 = np.rint(values).astype(np.uint8)
    return rounded


def _check_out(out: U8 | None, shape: tuple[int, ...], **given: NDArray[Any]) -> U8:
    """An array to work in: ``out`` itself where OpenCV can write into it."""
    if out is None:
        return np.empty(shape, np.uint8)
    out = checks.result_array(out, shape, {name: (array,) for name, array in given.items()})
    return out if out.flags.c_contiguous else np.empty(shape, np.uint8)


def _hand_over(target: U8, out: U8 | None) -> U8:
    if out is None or target is out:
        return target
    out[...] = target
    return out


def _readable(array: U8) -> U8:
    """The array as OpenCV reads it."""
    return np.ascontiguousarray(array)
