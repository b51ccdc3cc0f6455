"""What people are put before: a colour, a picture, or their own background blurred."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import ImageColor

from upperbodyseg.checks import number
from upperbodyseg.effects import (
    DEFAULT_SIGMA_SHARE,
    MAX_BLUR_SIGMA,
    blur_background,
    cover,
    portrait_blur,
    replace_background,
)
from upperbodyseg.errors import InputError
from upperbodyseg.pictures import Picture, PictureError, PictureLimits, flatten, read_picture

__all__ = ["Background", "Render", "before_background", "compose", "parse_background", "parse_colour"]

Background: TypeAlias = Literal["blur", "portrait"] | tuple[int, int, int] | NDArray[np.uint8]
"""``"blur"``, ``"portrait"`` (blurred as by a wide-open lens), a colour (blue, green, red) 0-255, or a
picture ``(h, w, 3)`` uint8 BGR."""

Render: TypeAlias = Callable[[NDArray[np.uint8], NDArray[np.uint8]], NDArray[np.uint8]]
"""A BGR picture ``(H, W, 3)`` and its mask ``(H, W)`` in, the picture to show out."""

_COLOUR = re.compile("#(?:[0-9a-f]{3}|[0-9a-f]{6})", re.IGNORECASE | re.ASCII)


def parse_colour(text: str) -> tuple[int, int, int] | None:
    """A colour as on the web, ``#rrggbb``, ``#rgb`` or a name of CSS, as (blue, green, red); else None."""
    named = ImageColor.colormap.get(text.lower())
    if isinstance(named, str):
        text = named
    if not _COLOUR.fullmatch(text):
        return None
    digits = text[1:] if len(text) == 7 else "".join(2 * digit for digit in text[1:])
    red, green, blue = bytes.fromhex(digits)
    return blue, green, red


def parse_background(text: str, limits: PictureLimits | None = None) -> Background:
    """What a ``--background`` names.

    Args:
        text: ``blur``; ``portrait``; a colour of :func:`parse_colour`; or else the path of a picture,
            which is read here. Where it is transparent it is white.
        limits: of the picture; None for the defaults.

    Raises:
        InputError: none of these, or a picture that can't be read, or is damaged.
    """
    if text in ("blur", "portrait"):
        return "blur" if text == "blur" else "portrait"
    colour = parse_colour(text)
    if colour is not None:
        return colour
    try:
        picture = read_picture(Path(text), limits)
        if picture.damaged:
            raise PictureError("is damaged")
    except (PictureError, ValueError) as exc:  # ValueError: a NUL byte
        raise InputError(
            "the background must be 'blur', 'portrait', a colour such as green or '#00ff00', or a "
            f"picture file; {text!r}: {exc}"
        ) from exc
    return flatten(picture)


def before_background(background: Background, light_wrap: float = 0.0, blur_strength: float = 0.5) -> Render:
    """What puts people before a background; a picture is scaled once for each size.

    Args:
        background: of :func:`parse_background`.
        light_wrap: 0-1, how much of its light falls on the people's edges; blur has none.
        blur_strength: 0-1, of "blur" and "portrait"; 0.5 is the default of their functions, 0 leaves the
            background as it is.

    Raises:
        InputError: ``blur_strength`` is out of its range.
    """
    strength = number("blur_strength", blur_strength, 1.0)
    if isinstance(background, str) and background == "portrait":
        return lambda image, mask: portrait_blur(image, mask, strength)
    if isinstance(background, str):
        share = 2 * strength * DEFAULT_SIGMA_SHARE
        return lambda image, mask: blur_background(image, mask, min(share * len(image), MAX_BLUR_SIGMA))
    fitting = background

    def render(image: NDArray[np.uint8], mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
        nonlocal fitting
        if not isinstance(background, tuple) and np.shape(fitting) != image.shape:
            fitting = cover(background, *image.shape[:2])
        return replace_background(image, mask, fitting, light_wrap=light_wrap)

    return render


def compose(
    picture: Picture, mask: NDArray[np.uint8], background: Background, blur_strength: float = 0.5
) -> NDArray[np.uint8]:
    """The people of a still picture before a background.

    Where the picture is transparent the background is seen. Blurred it would spread what is hidden there:
    for that it is laid before white.

    Args:
        picture: ``(H, W)``.
        mask: ``(H, W)`` uint8, of :meth:`Picture.without_transparent`.
        background: of :func:`parse_background`.
        blur_strength: as for :func:`before_background`.

    Returns:
        BGR ``(H, W, 3)`` uint8.
    """
    bgr = flatten(picture) if isinstance(background, str) else picture.bgr
    return before_background(background, blur_strength=blur_strength)(bgr, mask)
