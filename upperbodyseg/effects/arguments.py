"""What the effects are given: images, masks, colours and ``out``, checked."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from upperbodyseg import checks
from upperbodyseg.effects.reduced import U8
from upperbodyseg.engine import segment
from upperbodyseg.errors import InputError
from upperbodyseg.image_source import ImageSource, open_image
from upperbodyseg.pictures import flatten

__all__ = ["MAX_SIDE", "check_colour", "check_out", "check_picture", "hand_over", "open_both", "readable"]

MAX_SIDE = 32_766
"""Pixels; OpenCV can't sample at points of larger pictures."""


def check_picture(name: str, picture: U8) -> None:
    """Refuse what is no ``(H, W, 3)`` uint8 array; ``name`` is what it was given as."""
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


def open_both(image: ImageSource, mask: U8 | None, *, opaque: bool) -> tuple[U8, U8]:
    """The image and its mask as arrays that fit; where it is transparent, white if it has to be opaque."""
    if mask is None or not isinstance(image, np.ndarray):
        picture = open_image(image)
        if mask is None:
            mask = picture.without_transparent(segment(picture.bgr))
        image = flatten(picture) if opaque else picture.bgr
    _check_image_and_mask(image, mask)
    return image, mask


def _check_image_and_mask(image: U8, mask: U8) -> None:
    check_picture("image", image)
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


def check_colour(colour: Any) -> U8:
    """A colour as three uint8."""
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


def check_out(out: U8 | None, shape: tuple[int, ...], **given: NDArray[Any]) -> U8:
    """An array to work in: ``out`` itself where OpenCV can write into it."""
    if out is None:
        return np.empty(shape, np.uint8)
    out = checks.result_array(out, shape, {name: (array,) for name, array in given.items()})
    return out if out.flags.c_contiguous else np.empty(shape, np.uint8)


def hand_over(target: U8, out: U8 | None) -> U8:
    """The caller's array with the result, or the result itself."""
    if out is None or target is out:
        return target
    out[...] = target
    return out


def readable(array: U8) -> U8:
    """The array as OpenCV reads it."""
    return np.ascontiguousarray(array)
