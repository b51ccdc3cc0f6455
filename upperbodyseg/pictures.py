"""Picture files: the one reader and writer of the package.

Pillow decodes, and only the formats of :data:`FORMATS`: its other plugins never see a stranger's bytes.
What is decoded is checked first: see :mod:`upperbodyseg.picture_bytes`. Pillow is loaded with the first
picture that is read.
"""

from __future__ import annotations

import importlib
import io
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from upperbodyseg.checks import whole_number
from upperbodyseg.errors import ImageTooLargeError, InputError
from upperbodyseg.picture_bytes import BytesError, SafeBytes, endings, make_safe, read_orientation, sniff
from upperbodyseg.picture_pixels import as_it_looks, turn

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

__all__ = [
    "FORMATS",
    "SUFFIXES",
    "Picture",
    "PictureError",
    "PictureFormatError",
    "PictureLimits",
    "PictureTooLargeError",
    "decode_labels",
    "decode_picture",
    "encode_picture",
    "flatten",
    "lift_pillows_limit",
    "list_pictures",
    "picture_size",
    "read_file",
    "read_picture",
]

FORMATS = ("JPEG", "PNG", "WebP", "TIFF", "BMP", "GIF", "AVIF", "HEIC")
"""Read of each: the first picture. HEIC needs the extra ``[images]``."""

SUFFIXES = frozenset(
    (".avif", ".bmp", ".gif", ".heic", ".heif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
)
"""Names that end so are pictures when a whole folder is given."""

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


class PictureError(InputError):
    """A picture can't be read or written; the message says why, without the path."""


class PictureFormatError(PictureError):
    """A picture is in none of the formats that are read; no decoder saw it."""


class PictureTooLargeError(PictureError, ImageTooLargeError):
    """A picture is beyond the :class:`PictureLimits`; nothing of it was decoded."""


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


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture as it should look, in sRGB.

    Attributes:
        bgr: ``(H, W, 3)`` uint8.
        alpha: ``(H, W)`` uint8, 255 opaque; None where all of the picture is opaque.
        damaged: the file is cut short or broken, and a part of the picture is missing.
    """

    bgr: NDArray[np.uint8]
    alpha: NDArray[np.uint8] | None = None
    damaged: bool = False

    def without_transparent(self, mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A mask of this picture times its alpha: who was erased stays erased."""
        if self.alpha is None:
            return mask
        return cv2.multiply(mask, self.alpha, scale=1 / 255)


def list_pictures(folder: Path) -> tuple[list[Path], list[Path]]:
    """The pictures of a folder by name, and its other files. Subfolders are ignored.

    Names that begin with ``._`` are resource forks, which macOS leaves beside files on foreign disks.
    """
    files = sorted(p for p in folder.iterdir() if p.is_file())
    pictures = [p for p in files if p.suffix.lower() in SUFFIXES and not p.name.startswith("._")]
    chosen = set(pictures)
    return pictures, [p for p in files if p not in chosen]


def read_file(path: Path, max_bytes: int = PictureLimits.max_bytes) -> bytes:
    """The content of a regular file; a pipe or a device, which would be waited for, is refused.

    Raises:
        PictureError: it can't be read, or is no file, or empty.
        PictureTooLargeError: it has more than ``max_bytes`` bytes.
    """
    try:
        # Not to wait for a pipe's other end; O_BINARY is Windows'.
        number = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        status = os.fstat(number)
        if not stat.S_ISREG(status.st_mode):
            os.close(number)
            raise PictureError("is no file")
        with open(number, "rb") as file:
            # A byte more than it has room for tells one that grows meanwhile.
            content = file.read(max_bytes + 1) if status.st_size <= max_bytes else b""
    except OSError as exc:
        raise PictureError(f"can't be read: {exc.strerror}") from exc
    except MemoryError as exc:
        raise PictureError("is too large for this machine's memory") from exc
    if status.st_size > max_bytes or len(content) > max_bytes:
        raise PictureTooLargeError(f"is larger than {max_bytes} bytes, the most that is read")
    if not content:
        raise PictureError("is empty")
    return content


def read_picture(path: Path, limits: PictureLimits | None = None, *, upright: bool = True) -> Picture:
    """Read a picture file: :func:`read_file`, then :func:`decode_picture`.

    Raises:
        PictureError: as these two.
    """
    limits = limits or PictureLimits()
    return decode_picture(read_file(path, limits.max_bytes), limits, upright=upright)


def decode_picture(content: bytes, limits: PictureLimits | None = None, *, upright: bool = True) -> Picture:
    """Decode a picture of one of the :data:`FORMATS`.

    Args:
        content: the whole file.
        limits: how much is taken; None for the defaults.
        upright: turn it as its EXIF orientation says; False leaves it as its pixels are stored.

    Returns:
        What of the picture could be decoded; the rest is black or grey.

    Raises:
        PictureFormatError: another format.
        PictureError: so damaged that nothing can be decoded.
        PictureTooLargeError: it is beyond the limits.
    """
    limits = limits or PictureLimits()
    kind = _sniff(content, limits)
    try:
        safe = _make_safe(kind, content, limits)
        missing = endings(safe.content, kind)
        whole = safe.content if missing is None else safe.content + missing[0]
        image = _open(kind, whole, limits)
        # Pillow hands an AVIF's own rotation on as EXIF.
        exif = image.info.get("exif", b"") if kind == "AVIF" else b""
        orientation = read_orientation(exif) if exif else safe.orientation
        picture = _load(image)
        if missing is not None:
            picture = _tell_damage(picture, kind, safe.content + missing[1], limits)
    except BytesError as exc:
        raise PictureError(str(exc)) from exc
    except MemoryError as exc:
        raise PictureError("is too large for this machine's memory") from exc
    if not upright or orientation == 1:
        return picture
    alpha = None if picture.alpha is None else turn(picture.alpha, orientation)
    return Picture(turn(picture.bgr, orientation), alpha, picture.damaged)


def picture_size(content: bytes, limits: PictureLimits | None = None) -> tuple[int, int]:
    """``(height, width)`` as the header says, before any rotation; nothing is decoded.

    Raises:
        PictureError: as :func:`decode_picture`.
    """
    limits = limits or PictureLimits()
    kind = _sniff(content, limits)
    try:
        width, height = _open(kind, _make_safe(kind, content, limits).content, limits).size
    except BytesError as exc:
        raise PictureError(str(exc)) from exc
    return height, width


def _sniff(content: bytes, limits: PictureLimits) -> str:
    if len(content) > limits.max_bytes:
        raise PictureTooLargeError(f"has {len(content)} bytes; {limits.max_bytes} at most are read")
    kind = sniff(content)
    if kind not in limits.formats or kind is None:
        *most, last = limits.formats
        raise PictureFormatError(f"is in none of the formats that are read: {', '.join(most)} and {last}")
    return kind


def _make_safe(kind: str, content: bytes, limits: PictureLimits) -> SafeBytes:
    return make_safe(content, kind, lambda width, height: _check_size((width, height), limits))


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
    _check_size(image.size, limits)
    return image


def _check_size(size: tuple[int, int], limits: PictureLimits) -> None:
    width, height = size
    if width < 1 or height < 1:
        raise PictureError("is damaged: its header gives no size")
    if width * height > limits.max_pixels:
        raise PictureTooLargeError(
            f"has {width} x {height} pixels; {limits.max_pixels / 1e6:.3g} million at most"
        )
    if max(width, height) > limits.max_side:
        raise PictureTooLargeError(
            f"has {width} x {height} pixels; a side may have {limits.max_side} at most"
        )


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


def flatten(picture: Picture) -> NDArray[np.uint8]:
    """The picture before white, as browsers show it; what is transparent is gone."""
    if picture.alpha is None:
        return picture.bgr
    share = cv2.merge([picture.alpha] * 3)
    white = cv2.bitwise_not(share)
    return cv2.add(cv2.multiply(picture.bgr, share, scale=1 / 255), white)


def decode_labels(content: bytes, limits: PictureLimits | None = None) -> NDArray[np.uint8]:
    """A mask's values ``(H, W)`` uint8 as its pixels are stored: of a palette its indices.

    Raises:
        PictureError: it can't be decoded as a whole, or is neither grey of 8 bits nor a palette.
    """
    limits = limits or PictureLimits()
    kind = _sniff(content, limits)
    try:
        image: Any = _open(kind, _make_safe(kind, content, limits).content, limits)
        image.load()
    except PictureError:
        raise
    except MemoryError as exc:
        raise PictureError("is too large for this machine's memory") from exc
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
