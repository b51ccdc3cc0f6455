"""Pictures as the bytes of files."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from upperbodyseg.pictures.errors import PictureError

__all__ = ["encode_picture"]


def encode_picture(picture: NDArray[np.uint8], suffix: str = ".png", *, quality: int = 90) -> bytes:
    """A picture as the bytes of a file.

    Args:
        picture: ``(H, W)``, BGR ``(H, W, 3)`` or, but for JPEG, BGRA ``(H, W, 4)`` uint8.
        suffix: ".png", without loss; ".jpg"; ".webp".
        quality: of JPEG and WebP, 1 to 100.

    Raises:
        PictureError: it can't be encoded.
    """
    # OpenCV's own settings for PNG are its fastest; naming any compression makes it slower.
    options = {
        ".png": [],
        ".jpg": [cv2.IMWRITE_JPEG_QUALITY, quality],
        ".webp": [cv2.IMWRITE_WEBP_QUALITY, quality],
    }
    if suffix not in options:
        raise PictureError(f"pictures are written as {', '.join(options)}, not as {suffix!r}")
    try:
        done, data = cv2.imencode(suffix, picture, options[suffix])
    except cv2.error as exc:
        raise PictureError(f"can't be encoded as {suffix}: {exc.err}") from exc
    if not done:
        raise PictureError(f"can't be encoded as {suffix}")
    return data.tobytes()
