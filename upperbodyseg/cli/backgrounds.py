"""The value of ``--background``: a colour, a picture, or the word ``blur``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from upperbodyseg.cli.pictures import PictureError, read_picture
from upperbodyseg.errors import InputError

__all__ = ["Background", "parse_background"]

Background: TypeAlias = Literal["blur"] | tuple[int, int, int] | NDArray[np.uint8]
"""``"blur"``, a colour (blue, green, red) 0-255, or a picture ``(h, w, 3)`` uint8 BGR."""

_COLOUR = re.compile("#(?:[0-9a-f]{3}|[0-9a-f]{6})", re.IGNORECASE)


def parse_background(text: str) -> Background:
    """What a ``--background`` names.

    Args:
        text: ``blur``; a colour as on the web, ``#rrggbb`` or ``#rgb``; or else the path of a picture, which
            is read here and turned as its EXIF orientation says.

    Raises:
        InputError: none of these, or a picture that can't be read.
    """
    if text == "blur":
        return "blur"
    if _COLOUR.fullmatch(text):
        digits = text[1:] if len(text) == 7 else "".join(2 * digit for digit in text[1:])
        red, green, blue = bytes.fromhex(digits)
        return blue, green, red
    try:
        return read_picture(Path(text))
    except (PictureError, ValueError) as exc:  # ValueError: a NUL byte
        raise InputError(
            f"the background must be 'blur', a colour such as '#00ff00', or a picture file; {text!r}: {exc}"
        ) from exc
