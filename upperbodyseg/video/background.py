"""A video as the background of another: it runs at its own pace and starts again at its end."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from upperbodyseg.effects import cover, replace_background
from upperbodyseg.options import SegmenterOptions
from upperbodyseg.video.paths import check_source
from upperbodyseg.video.pipeline import ReadAhead, queue_size
from upperbodyseg.video.reader import Reader

__all__ = ["VIDEO_ENDINGS", "VideoBackground", "is_video"]

VIDEO_ENDINGS = [
    ".avi",
    ".flv",
    ".gif",
    ".m2ts",
    ".m4v",
    ".mkv",
    ".mov",
    ".mp4",
    ".mpeg",
    ".mpg",
    ".mts",
    ".mxf",
    ".ogv",
    ".ts",
    ".webm",
    ".wmv",
]
"""Endings of names that are taken for videos rather than pictures."""


_FRAMES_AHEAD = 3
_ROUNDING_S = 0.0005  # of times in whole milliseconds


def is_video(name: str | os.PathLike[str]) -> bool:
    """Whether a file's name is that of a video."""
    return os.path.splitext(os.fspath(name))[1].lower() in VIDEO_ENDINGS


class VideoBackground:
    """Puts people before a video; a :class:`upperbodyseg.video.format.TimedRender`.

    Close it, or use it in a ``with`` statement.

    Args:
        source: a video file. It is cut where the other video ends, and looped where it goes on.
        light_wrap: see :func:`upperbodyseg.effects.replace_background`.
        max_pixels: a video with larger frames is refused.

    Raises:
        InputError: the source is no file, or its frames are too large.
        MissingDependencyError: PyAV is not installed.
        VideoError: it can't be read as a video. Its methods raise it, too.
    """

    def __init__(
        self,
        source: str | os.PathLike[str],
        light_wrap: float = 0.0,
        max_pixels: int = SegmenterOptions.max_pixels,
    ) -> None:
        path = check_source(source)
        self._light_wrap = light_wrap
        reader = Reader(path, max_pixels, sound=False)
        size = queue_size(reader.format.height, reader.format.width, _FRAMES_AHEAD)
        self._frames = self._play(path, max_pixels, reader)
        self._ahead = ReadAhead(self._frames, size)
        self._ahead.__enter__()
        self._upcoming = iter(self._ahead)
        _, self._current = next(self._upcoming)
        self._next = next(self._upcoming)
        self._origin: float | None = None
        self._fitting = self._current

    def __enter__(self) -> VideoBackground:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file; a second call does nothing."""
        self._ahead.__exit__()
        self._frames.close()

    def seek(self, time_s: float) -> None:
        """Go to the frame of a time, in seconds of the other video; times rise."""
        if self._origin is None:
            self._origin = time_s
        while self._next[0] <= time_s - self._origin + _ROUNDING_S:
            self._current = self._fitting = self._next[1]
            self._next = next(self._upcoming)

    def __call__(self, image: NDArray[np.uint8], mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """As :data:`~upperbodyseg.video.format.Render`."""
        if self._fitting.shape != image.shape:
            self._fitting = cover(self._current, *image.shape[:2])
        return replace_background(image, mask, self._fitting, light_wrap=self._light_wrap)

    @staticmethod
    def _play(
        path: Path, max_pixels: int, reader: Reader
    ) -> Generator[tuple[float, NDArray[np.uint8]], None, None]:
        """Times, in seconds from the first frame, and frames, over and over."""
        start = 0.0
        while True:
            with reader:
                unit, step = reader.format.time_base, float(1 / reader.format.rate)
                first, end = None, 0.0
                for frame in reader.read():
                    first = frame.pts if first is None else first
                    time = float((frame.pts - first) * unit)
                    end = time + (float(frame.duration * unit) or step)
                    yield start + time, frame.bgr
            start += end
            reader = Reader(path, max_pixels, sound=False)
