"""Which files a video may come from and go to."""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path

from upperbodyseg.errors import InputError, VideoError
from upperbodyseg.video.encoding import ALPHA_CONTAINERS, CONTAINERS
from upperbodyseg.video.format import Layout

__all__ = [
    "CHANNELS",
    "check_is_another",
    "check_source",
    "check_target",
    "is_sequence",
    "part_name",
    "partial_name",
    "split_sequence",
]

CHANNELS: dict[str, tuple[int, ...]] = {"bgr": (3,), "grey": (), "bgra": (4,)}
"""The last dimension of a picture in each :data:`~upperbodyseg.video.format.Layout`."""


def check_target(target: str | os.PathLike[str], layout: Layout = "bgr") -> None:
    """Refuse, before anything is read, a target that :func:`segment_video` can't write.

    Raises:
        InputError: an unknown layout or ending, alpha into a container that has none, a folder that is
            missing, or in use.
    """
    target = Path(target)
    if layout not in CHANNELS:
        raise InputError(f"layout must be one of {', '.join(CHANNELS)}, got {layout!r}")
    if is_sequence(target):
        folder, _ = split_sequence(target)
        _check_folder(folder.parent)
        if folder.exists() and not folder.is_dir():
            raise InputError(f"{folder} is a file; PNG pictures need a folder")
        if folder.exists() and any(folder.iterdir()):
            raise InputError(f"{folder} is not empty: PNG pictures need a folder of their own")
        return
    suffix = target.suffix.lower()
    if suffix not in CONTAINERS:
        raise InputError(
            f"{target}: the name must end in {' '.join(CONTAINERS)}; or give a folder, or folder/%04d.png, "
            "for PNG pictures"
        )
    if layout == "bgra" and suffix not in ALPHA_CONTAINERS:
        raise InputError(
            f"{suffix} videos hold no alpha here: choose a name that ends in "
            f"{' '.join(ALPHA_CONTAINERS)}, or a folder, for PNG"
        )
    _check_folder(target.parent)
    if target.exists() and not target.is_file():
        raise InputError(f"{target} is no file that can be replaced")


def _check_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}: create it first")


def check_source(source: str | os.PathLike[str]) -> Path:
    """Refuse a source that is no file.

    Returns:
        It, as a path.

    Raises:
        InputError: it is an address, a device, a folder, a pipe, or isn't there.
    """
    text = os.fspath(source)
    path = Path(source)
    if path.is_file():
        return path
    # One slash is enough: Path takes the second away.
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", text) and not path.exists():
        raise InputError(
            f"{text} is an address and no file; only files are read: save it first, for example with "
            "'ffmpeg -i ADDRESS -c copy in.mkv', or give the frames of cv2.VideoCapture(ADDRESS) to "
            "UpperBodySegmenter.process"
        )
    is_device = path.exists() and (path.is_char_device() or path.is_block_device())
    if is_device or _looks_like_device(text, path):
        raise InputError(
            f"{text} is a device and no file; only files are read: for a camera use 'upperbodyseg "
            "webcam --camera N', or give the frames of cv2.VideoCapture(N) to UpperBodySegmenter.process"
        )
    if not path.exists():
        raise InputError(f"there is no file {source}")
    if path.is_dir():
        raise InputError(f"{source} is a folder and no file: give a video file")
    raise InputError(f"{source} is no file (a pipe, perhaps): save the video in a file first")


def _looks_like_device(text: str, path: Path) -> bool:
    """A camera's number, its name under Linux, or FFmpeg's or Windows' way to name one."""
    return not path.exists() and (
        text.isdecimal() or re.match(r"/dev/|\\\\[.?]\\|(video|audio)=", text) is not None
    )


def check_is_another(source: Path, target: Path) -> None:
    """Refuse a target that is the source.

    Raises:
        InputError: it is.
    """
    if target.exists() and target.samefile(source):
        raise InputError(f"{target} is the video to be read: choose another output")


def is_sequence(target: Path) -> bool:
    """Whether a target is a folder of PNG pictures."""
    return target.is_dir() or not target.suffix or _is_pattern(target.name)


def _is_pattern(name: str) -> bool:
    return "%" in name and name.lower().endswith(".png")


def split_sequence(target: Path) -> tuple[Path, str]:
    """The folder of a PNG sequence and the pattern of its names.

    Raises:
        InputError: the pattern has no number.
    """
    if not _is_pattern(target.name):
        return target, "%06d.png"
    try:
        if target.name % 1 == target.name % 2:
            raise ValueError
    except (ValueError, TypeError):
        raise InputError(f"{target.name}: the pattern needs one number, as in %04d.png") from None
    return target.parent, target.name


def part_name(target: Path) -> Path:
    """A hidden name beside ``target`` to write under."""
    # Short: the name may be as long as names get. The same ending: FFmpeg chooses by it.
    return target.with_name(f".{secrets.token_hex(8)}.part{target.suffix.lower()}")


def partial_name(target: Path) -> Path:
    """A free name for the part of ``target`` that was done: nothing is overwritten.

    Raises:
        VideoError: thousands of them exist.
    """
    for number in range(1, 10_000):
        path = target.with_name(f"{target.stem}.partial{number if number > 1 else ''}{target.suffix}")
        if not path.exists():
            return path
    raise VideoError(f"{target.parent} is full of partial results: clear it up")
