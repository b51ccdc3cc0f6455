"""From the image that Pillow decoded to the pixels as they should look."""

from __future__ import annotations

import io
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["as_it_looks", "turn"]

_BAND = 32  # rows handed over at a time, so that the copies stay in the processor's cache
_MAX_PROFILE = 4 * 2**20  # bytes; a printer's profile has some 2 MB


def as_it_looks(image: Any) -> NDArray[np.uint8]:
    """The pixels of Pillow's image, whatever it holds, in sRGB.

    Args:
        image: a ``PIL.Image.Image`` that is loaded.

    Returns:
        Grey ``(H, W)``, BGR ``(H, W, 3)`` or BGRA ``(H, W, 4)`` uint8.
    """
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return _deep(image)
    if image.mode == "La":  # which Pillow converts into nothing else
        image = image.convert("LA")
    transparent = "transparency" in image.info or image.mode in ("LA", "PA", "RGBa", "RGBA")
    profile = image.info.get("icc_profile")
    if transparent:
        image = image.convert("RGBA")
    elif image.mode == "1":
        image = image.convert("L")
    elif image.mode not in ("L", "RGB", "CMYK"):  # palettes, YCbCr, LAB
        image = image.convert("RGB")
    if profile:
        image = _to_srgb(image, profile)
    if image.mode == "CMYK":
        image = image.convert("RGB")
    return _to_array(image)


def _deep(image: Any) -> NDArray[np.uint8]:
    """Grey of more than 8 bits: of 16 the upper 8; numbers with a fraction are from 0 to 1.

    Pillow's own ``convert("I")`` and ``convert("F")`` keep 0 to 255, which is told by the values.
    """
    values = np.asarray(image)
    if values.dtype.kind == "f":
        values = np.nan_to_num(values)
        scale = 1 if values.size and values.mean() > 1 else 255
        scaled: NDArray[np.uint8] = (values.clip(0, 255 / scale) * scale + 0.5).astype(np.uint8)
        return scaled
    eight_bits = image.mode == "I" and values.size and values.max() <= 255
    grey: NDArray[np.uint8] = (values.clip(0, 65535) >> (0 if eight_bits else 8)).astype(np.uint8)
    hidden = image.info.get("transparency")
    if isinstance(hidden, int):
        return np.dstack([grey, grey, grey, np.where(values == hidden, 0, 255).astype(np.uint8)])
    return grey


def _to_array(image: Any) -> NDArray[np.uint8]:
    """Pillow's pixels as OpenCV has them; a few rows at a time, which takes half of the time."""
    width, height = image.size
    layout, stored, channels, convert = {
        "L": ("L", 1, 1, None),
        "RGB": ("RGBX", 4, 3, cv2.COLOR_RGBA2BGR),  # as Pillow keeps it
        "RGBA": ("RGBA", 4, 4, cv2.COLOR_RGBA2BGRA),
    }[image.mode]
    out = np.empty((height, width, channels), np.uint8)
    for top in range(0, height, _BAND):
        below = min(top + _BAND, height)
        content = image.crop((0, top, width, below)).tobytes("raw", layout)
        rows = np.frombuffer(content, np.uint8).reshape(below - top, width, stored)
        if convert is None:
            out[top:below] = rows
        else:
            cv2.cvtColor(rows, convert, dst=out[top:below])
    return out if channels > 1 else out[..., 0]


def _to_srgb(image: Any, profile: bytes) -> Any:
    """By the picture's colour profile; as it is where that is damaged, or for other channels."""
    from PIL import ImageCms  # noqa: PLC0415  (few pictures need it)

    if len(profile) > _MAX_PROFILE:
        return image
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        space = source.profile.xcolor_space.strip()
        name = ImageCms.getProfileDescription(source).lower()
        if space == "RGB" and name.startswith("srgb") and "linear" not in name:
            return image
        colours = image.convert("RGB") if image.mode == "RGBA" else image
        if {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK"}[colours.mode] != space:
            return image
        to_srgb = (colours, source, ImageCms.createProfile("sRGB"), ImageCms.Intent.PERCEPTUAL, "RGB")
        in_place = colours.mode == "RGB"  # nobody else has it, and it saves the memory of another
        converted: Any = ImageCms.profileToProfile(*to_srgb, inPlace=in_place) or colours
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return image
    if image.mode == "RGBA":
        converted.putalpha(image.getchannel("A"))
    return converted


def turn(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Turn pixels ``(H, W)`` or ``(H, W, C)`` as an orientation of 1 to 8 says (EXIF 2.3, tag 274)."""
    if orientation in (5, 6, 7, 8):
        pixels = cv2.transpose(pixels)
    # cv2.flip: 0 upside down, 1 left to right, -1 both.
    how = {2: 1, 3: -1, 4: 0, 6: 1, 7: -1, 8: 0}.get(orientation)
    return pixels if how is None else cv2.flip(pixels, how)
