"""How much of a stranger's picture is read."""

from __future__ import annotations

from dataclasses import dataclass

from upperbodyseg.checks import whole_number
from upperbodyseg.pictures.errors import PictureError, PictureTooLargeError

__all__ = ["FORMATS", "PictureLimits"]

FORMATS = ("JPEG", "PNG", "WebP", "TIFF", "BMP", "GIF", "AVIF", "HEIC")
"""Read of each: the first picture. HEIC needs the extra ``[images]``."""


@dataclass(frozen=True)
class PictureLimits:
    """How much of a stranger's picture is taken, looked up before anything is decoded.

    Attributes:
        max_pixels: width x height.
        max_side: width or height, in pixels; 32,766 is the most that the engine takes.
        max_bytes: of the file.
        formats: which of :data:`FORMATS` are read.
    """

    max_pixels: int = 100_000_000
    max_side: int = 32_766
    max_bytes: int = 512 * 2**20
    formats: tuple[str, ...] = FORMATS

    def __post_init__(self) -> None:
        for name in ("max_pixels", "max_side", "max_bytes"):
            whole_number(name, getattr(self, name), 1, 2**63 - 1)

    def check_size(self, width: int, height: int) -> None:
        """Refuse a picture of a size beyond the limits.

        Raises:
            PictureError: it has no size.
            PictureTooLargeError: it has too many pixels, or too long a side.
        """
        if width < 1 or height < 1:
            raise PictureError("is damaged: its header gives no size")
        if width * height > self.max_pixels:
            most = f"{self.max_pixels / 1e6:.3g} million" if self.max_pixels >= 1e6 else self.max_pixels
            raise PictureTooLargeError(f"has {width} x {height} pixels; {most} at most")
        if max(width, height) > self.max_side:
            raise PictureTooLargeError(
                f"has {width} x {height} pixels; a side may have {self.max_side} at most"
            )
