"""Decoding: the bytes of a picture file in, the picture as it should look out."""

from __future__ import annotations

import importlib
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from upperbodyseg.pictures.errors import PictureError, PictureFormatError, PictureTooLargeError
from upperbodyseg.pictures.folder import read_file
from upperbodyseg.pictures.formats import endings, is_video, make_safe, sniff
from upperbodyseg.pictures.jpeg import ScanWatch
from upperbodyseg.pictures.limits import PictureLimits
from upperbodyseg.pictures.picture import Picture
from upperbodyseg.pictures.pixels import as_it_looks, turn
from upperbodyseg.pictures.tiff import read_orientation

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

__all__ = [
    "PictureFile",
    "decode_labels",
    "decode_picture",
    "keep_pillows_memory",
    "lift_pillows_limit",
    "picture_size",
    "read_picture",
]

_PLUGINS = {
    "JPEG": ("PIL.JpegImagePlugin", "JpegImageFile"),
    "PNG": ("PIL.PngImagePlugin", "PngImageFile"),
    "WebP": ("PIL.WebPImagePlugin", "WebPImageFile"),
    "TIFF": ("PIL.TiffImagePlugin", "TiffImageFile"),
    "BMP": ("PIL.BmpImagePlugin", "BmpImageFile"),
    "GIF": ("PIL.GifImagePlugin", "GifImageFile"),
    "AVIF": ("PIL.AvifImagePlugin", "AvifImageFile"),
    "HEIC": ("pillow_heif", "HeifImageFile"),
}

_BLOCKS = 4  # of Pillow's memory for pictures, each of 16 MB

_MOST_CODED, _SMALL = 8, 2**20
"""A file may code so many times as many pixels as its picture has, of tiles, layers and alpha; a small one
so many."""


def read_picture(path: Path, limits: PictureLimits | None = None, *, upright: bool = True) -> Picture:
    """Read a picture file: :func:`read_file`, then :func:`decode_picture`.

    Raises:
        PictureError: as these two.
    """
    limits = limits or PictureLimits()
    return decode_picture(read_file(path, limits.max_bytes), limits, upright=upright)


def decode_picture(content: bytes, limits: PictureLimits | None = None, *, upright: bool = True) -> Picture:
    """Decode a picture of one of the :data:`FORMATS`: :class:`PictureFile`, then its ``decode``.

    Raises:
        PictureError: as these two.
    """
    return PictureFile(content, limits).decode(upright=upright)


def picture_size(content: bytes, limits: PictureLimits | None = None) -> tuple[int, int]:
    """``(height, width)`` as the header says, before any rotation; nothing is decoded.

    Raises:
        PictureError: as :class:`PictureFile`.
    """
    return PictureFile(content, limits).size


class PictureFile:
    """A picture file of one of the :data:`FORMATS`, its header read and checked, not decoded.

    Args:
        content: the whole file.
        limits: how much is taken; None for the defaults.

    Attributes:
        size: ``(height, width)`` as the header says, before any rotation.

    Raises:
        PictureFormatError: another format.
        PictureError: it is damaged in its header, or made to do harm.
        PictureTooLargeError: it is beyond the limits.
    """

    def __init__(self, content: bytes, limits: PictureLimits | None = None) -> None:
        self._limits = limits or PictureLimits()
        self._kind = _sniff(content, self._limits)
        try:
            self._safe = make_safe(content, self._kind, self._limits)
            self._other_ending = b""
            whole = self._safe.content
            missing = endings(whole, self._kind)
            if missing is not None:
                whole, self._other_ending = whole + missing[0], whole + missing[1]
            self._image = _open(self._kind, whole, self._limits)
            self._watch = ScanWatch(whole) if self._kind == "JPEG" else None
        except MemoryError as exc:
            raise _no_memory() from exc
        width, height = self._image.size
        self.size = height, width
        if self._safe.coded_pixels > max(_MOST_CODED * width * height, _SMALL):
            raise PictureError("is damaged: what is coded in it is far larger than the picture")

    def decode(self, *, upright: bool = True) -> Picture:
        """Decode it, once.

        Args:
            upright: turn it as its EXIF orientation says; False leaves it as its pixels are stored.

        Returns:
            What of the picture could be decoded; the rest is black or grey.

        Raises:
            PictureError: so damaged that nothing can be decoded, or too large for the memory.
        """
        orientation = self._orientation() if upright else 1
        try:
            if self._watch is not None:
                self._watch.watch(self._image)
            picture = _load(self._image)
            if self._watch is not None and self._watch.tell():
                picture = Picture(picture.bgr, picture.alpha, damaged=True)
            if self._other_ending:
                picture = _tell_damage(picture, self._kind, self._other_ending, self._limits)
        except MemoryError as exc:
            raise _no_memory() from exc
        if orientation == 1:
            return picture
        alpha = None if picture.alpha is None else turn(picture.alpha, orientation)
        return Picture(turn(picture.bgr, orientation), alpha, picture.damaged)

    def _orientation(self) -> int:
        # Pillow hands an AVIF's own rotation on as EXIF.
        exif = self._image.info.get("exif", b"") if self._kind == "AVIF" else b""
        return read_orientation(exif) if exif else self._safe.orientation


def _no_memory() -> PictureError:
    return PictureError("is too large for this machine's memory")


def _sniff(content: bytes, limits: PictureLimits) -> str:
    if len(content) > limits.max_bytes:
        raise PictureTooLargeError(f"has {len(content)} bytes; {limits.max_bytes} at most are read")
    kind = sniff(content)
    if kind not in limits.formats or kind is None:
        *most, last = limits.formats
        if kind is None and is_video(content):
            raise PictureFormatError("is a video, which upperbodyseg video takes, not a picture")
        raise PictureFormatError(f"is in none of the formats that are read: {', '.join(most)} and {last}")
    return kind


def _open(kind: str, content: bytes, limits: PictureLimits) -> ImageFile:
    """Pillow's image, its header read, its size within the limits, not decoded."""
    module, name = _PLUGINS[kind]
    try:
        plugin = getattr(importlib.import_module(module), name)
    except ImportError as exc:
        if kind == "HEIC":
            raise PictureError(
                "is HEIC: install what reads it with pip install 'upperbodyseg[images]'"
            ) from exc
        raise PictureError(f"is {kind}, which this installation of Pillow can't read") from exc
    try:
        # The plugin itself, not Image.open, whose own limit on pixels can't be set for one call.
        image: ImageFile = plugin(io.BytesIO(content))
    except MemoryError:
        raise
    except Exception as exc:  # of damaged bytes Pillow raises whatever it stumbles over
        _check_pillows_limit(exc)
        raise PictureError(f"can't be decoded as {kind}: it is damaged ({exc})") from exc
    limits.check_size(*image.size)
    return image


def _check_pillows_limit(exc: Exception) -> None:
    """Tell a picture that is too large for Pillow alone from a damaged one."""
    from PIL import Image  # noqa: PLC0415  (loaded already)

    if isinstance(exc, Image.DecompressionBombError):
        raise PictureTooLargeError(
            f"is beyond Pillow's own limit for TIFF and WebP, {2 * (Image.MAX_IMAGE_PIXELS or 0)} pixels: "
            "raise PIL.Image.MAX_IMAGE_PIXELS too"
        ) from exc


def lift_pillows_limit() -> None:
    """For a process of our own: let :class:`PictureLimits` alone say how many pixels are read.

    Pillow keeps one limit for the whole process and asks it of TIFF and WebP files, even where the caller
    allows more. It is not ours to change in a program that only uses this package.
    """
    from PIL import Image  # noqa: PLC0415

    Image.MAX_IMAGE_PIXELS = None


def keep_pillows_memory(pictures: int) -> None:
    """For a process of our own that reads many: let Pillow keep the memory of one for the next.

    Otherwise it is given back to the system and fetched again with every picture, which takes a quarter of
    the time that a large one is decoded in.

    Args:
        pictures: that are decoded at a time; for each 64 MB are kept, as much as 16 megapixels take.
    """
    from PIL import Image  # noqa: PLC0415

    core: Any = vars(Image)["core"]  # not among what its types name
    core.set_blocks_max(_BLOCKS * pictures)


def _tell_damage(picture: Picture, kind: str, other: bytes, limits: PictureLimits) -> Picture:
    """Whether the picture is damaged, by the same file with another ending."""
    try:
        if np.array_equal(picture.bgr, _load(_open(kind, other, limits)).bgr):
            return picture
    except PictureError:
        pass
    if (picture.bgr == picture.bgr[0, 0]).all():
        raise PictureError("is damaged: nothing of it can be decoded")
    return Picture(picture.bgr, picture.alpha, damaged=True)


def _load(image: ImageFile) -> Picture:
    damaged = False
    try:
        try:
            image.load()
        except MemoryError:
            raise
        except Exception as exc:
            _check_pillows_limit(exc)
            damaged = True
            # Without tiles it counts as loaded, and keeps what came before the damage. Pillow's own switch
            # for this is one for the whole process.
            image.tile = []
            image.load()
        pixels = as_it_looks(image)
    except (MemoryError, PictureError):
        raise
    except Exception as exc:  # of damaged bytes Pillow raises whatever it stumbles over
        raise PictureError(f"is damaged: it can't be decoded ({exc})") from exc
    if damaged and not pixels[..., :3].any():
        raise PictureError("is damaged: nothing of it can be decoded")
    if pixels.ndim == 2:
        return Picture(cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR), None, damaged)
    if pixels.shape[2] == 3:
        return Picture(pixels, None, damaged)
    alpha = None if pixels[..., 3].min() == 255 else np.ascontiguousarray(pixels[..., 3])
    return Picture(cv2.cvtColor(pixels, cv2.COLOR_BGRA2BGR), alpha, damaged)


def decode_labels(content: bytes, limits: PictureLimits | None = None) -> NDArray[np.uint8]:
    """A mask's values ``(H, W)`` uint8 as its pixels are stored: of a palette its indices.

    Raises:
        PictureError: it can't be decoded as a whole, or is neither grey of 8 bits nor a palette.
    """
    limits = limits or PictureLimits()
    kind = _sniff(content, limits)
    try:
        image: Any = _open(kind, make_safe(content, kind, limits).content, limits)
        image.load()
    except PictureError:
        raise
    except MemoryError as exc:
        raise _no_memory() from exc
    except Exception as exc:
        _check_pillows_limit(exc)
        raise PictureError(f"is damaged: it can't be decoded ({exc})") from exc
    if image.mode.startswith(("I", "F")):
        raise PictureError(f"should have 8 bits a pixel, it has the mode {image.mode}")
    if image.mode in ("L", "P"):
        return np.array(image)
    planes: Any = np.asarray(image.convert("L" if image.mode in ("1", "LA") else "RGB"))
    if planes.ndim == 2:
        return np.array(planes, np.uint8)
    if (planes != planes[..., :1]).any():
        raise PictureError("is a colour picture; a grey or palette PNG is needed")
    return np.array(planes[..., 0], np.uint8)
