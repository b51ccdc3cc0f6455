"""Uploaded pictures: read as everywhere, refused with an HTTP status."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from upperbodyseg.http.limits import RefusedError
from upperbodyseg.pictures import (
    Picture,
    PictureError,
    PictureFormatError,
    PictureLimits,
    PictureTooLargeError,
    flatten,
)
from upperbodyseg.pictures import decode_picture as decode

__all__ = ["decode_background", "decode_picture"]


def decode_picture(content: bytes, limits: PictureLimits) -> Picture:
    """A picture as :func:`upperbodyseg.pictures.decode_picture` has it.

    Raises:
        RefusedError: another format, or damaged (415); beyond the limits (413).
    """
    try:
        return decode(content, limits)
    except PictureTooLargeError as exc:
        raise RefusedError(413, f"the picture {exc} (the command line takes more)") from exc
    except PictureFormatError as exc:
        *most, last = limits.formats
        raise RefusedError(
            415, f"that is no picture in a format that is taken here: {', '.join(most)} and {last}"
        ) from exc
    except PictureError as exc:
        raise RefusedError(415, f"the picture {exc}") from exc


def decode_background(content: bytes, limits: PictureLimits) -> NDArray[np.uint8]:
    """A background as BGR ``(H, W, 3)``, white where it is transparent.

    Raises:
        RefusedError: as :func:`decode_picture`, with messages that tell the two apart.
    """
    try:
        return flatten(decode_picture(content, limits))
    except RefusedError as exc:
        raise RefusedError(exc.status, f"the background: {exc}") from exc
