"""What can be wrong with a picture file."""

from __future__ import annotations

from upperbodyseg.errors import ImageTooLargeError, InputError

__all__ = ["PictureError", "PictureFormatError", "PictureTooLargeError"]


class PictureError(InputError):
    """A picture can't be read or written; the message says why, without the path."""


class PictureFormatError(PictureError):
    """A picture is in none of the formats that are read; no decoder saw it."""


class PictureTooLargeError(PictureError, ImageTooLargeError):
    """A picture is beyond the :class:`PictureLimits`; nothing of it was decoded."""
