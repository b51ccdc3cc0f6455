"""What people have of a picture, read: a path, bytes, a file, an image of Pillow, an array."""

from __future__ import annotations

import os
import re
import sys
import warnings
from pathlib import Path
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from upperbodyseg.errors import InputError
from upperbodyseg.pictures import Picture, PictureError, PictureLimits, decode_picture, read_picture
from upperbodyseg.pictures.pixels import as_it_looks

__all__ = ["ImageSource", "grey_as_bgr", "is_array", "open_image"]


_URL = re.compile(r"[a-z][a-z0-9+.-]+:(?://|[a-z-]+/[a-z]+;)", re.IGNORECASE)
_LONGEST_PATH = 4096  # bytes, on Linux

ImageSource: TypeAlias = Any
"""A path, the bytes of a picture file, a binary file, a ``PIL.Image.Image``, or an array."""


def is_array(image: object) -> bool:
    """Whether an image is an array, whose layout its caller has to say.

    Raises:
        InputError: it is None.
    """
    if image is None:
        raise InputError(
            "expected an image, got None: cv2.imread gives None for a file that it can't read; "
            "check its path, or give the path itself"
        )
    return isinstance(image, np.ndarray)


def open_image(image: ImageSource, max_pixels: int = PictureLimits.max_pixels) -> Picture:
    """A picture, from whatever holds one.

    Args:
        image: a path; the bytes of a file; a binary file, read from where it stands; a ``PIL.Image.Image``,
            whose EXIF orientation is left as it is; an array, BGR ``(H, W, 3)`` or grey ``(H, W)`` uint8. Of
            files the orientation and the colour profile are respected.
        max_pixels: refuse larger files.

    Raises:
        InputError: it is none of these, or can't be read; the message says why. A picture whose file is
            damaged is returned as far as it could be decoded, with a ``RuntimeWarning``.
    """
    if is_array(image):
        return Picture(grey_as_bgr(image))
    if _is_pillow(image):
        return _of_pillow(image)
    limits = PictureLimits(max_pixels=max_pixels)
    name = "the image"
    try:
        if isinstance(image, (str, os.PathLike)):
            name = os.fsdecode(image)
            picture = _of_path(name, limits)
        elif isinstance(image, (bytes, bytearray, memoryview)):
            picture = _of_bytes(bytes(image), limits)
        elif hasattr(image, "read"):
            name = str(getattr(image, "name", None) or name)
            picture = decode_picture(_content_of(image, name), limits)
        else:
            raise _unknown(image)
    except PictureError as exc:
        raise type(exc)(f"{name}: {exc}") from exc
    if picture.damaged:
        warnings.warn(f"{name} is damaged: a part of the picture is missing", RuntimeWarning, stacklevel=3)
    return picture


def _of_path(name: str, limits: PictureLimits) -> Picture:
    if _URL.match(name):
        raise InputError(f"{name}: is a URL, and no network is used: download it, and give the file")
    try:
        return read_picture(Path(name), limits)
    except ValueError as exc:
        if isinstance(exc, InputError):
            raise
        raise InputError(f"{name!r} can't be a path: {exc}") from exc


def _of_bytes(content: bytes, limits: PictureLimits) -> Picture:
    if not content:
        raise InputError("expected the bytes of a picture, got none")
    if len(content) <= _LONGEST_PATH and b"\0" not in content and os.path.exists(content):
        raise InputError(f"expected the bytes of a picture, got a path: give {os.fsdecode(content)!r} as str")
    return decode_picture(content, limits)


def _content_of(file: Any, name: str) -> bytes:
    try:
        content = file.read()
    except (OSError, ValueError) as exc:  # closed, say, or opened for writing
        raise InputError(f"{name}: can't be read: {exc}") from exc
    if not isinstance(content, bytes):
        raise InputError(
            f"{name} must be opened for reading bytes, with mode 'rb'; it gave {type(content).__name__}"
        )
    if not content:
        raise InputError(f"{name}: is empty, or was read to its end: file.seek(0) goes back")
    return content


def grey_as_bgr(array: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """An array of one channel as BGR, any other as it is."""
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    if array.ndim == 2 and array.size and array.dtype == np.uint8:
        return cv2.cvtColor(np.ascontiguousarray(array), cv2.COLOR_GRAY2BGR)
    return array


def _is_pillow(image: object) -> bool:
    module = sys.modules.get("PIL.Image")  # whoever has such an image has loaded it
    return module is not None and isinstance(image, module.Image)


def _of_pillow(image: Any) -> Picture:
    try:
        image.load()
    except OSError as exc:
        raise InputError(f"the image of Pillow can't be decoded: {exc}") from exc
    pixels = as_it_looks(image)
    if pixels.ndim == 3 and pixels.shape[2] == 4:
        bgr = np.ascontiguousarray(pixels[..., :3])
        return Picture(bgr, np.ascontiguousarray(pixels[..., 3]))
    return Picture(grey_as_bgr(pixels))


def _unknown(image: object) -> InputError:
    return InputError(
        "expected an image as a path, bytes, a binary file, a PIL.Image.Image or a uint8 array, "
        f"got {type(image).__name__}"
    )
