"""Where frames come from: a camera, or a video file that runs in its place."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from time import monotonic
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from upperbodyseg.errors import UpperBodySegError, VideoError
from upperbodyseg.options import SegmenterOptions
from upperbodyseg.video.paths import check_source
from upperbodyseg.video.reader import Reader

__all__ = ["CapturedFrame", "FrameSource"]

FRAME_TIMEOUT_S = 5.0
"""How long a camera may give no frame before it is taken to have failed."""


class CapturedFrame(NamedTuple):
    """A frame as :meth:`FrameSource.read` gives it."""

    bgr: NDArray[np.uint8]
    time_s: float
    """When it came, on :func:`time.monotonic`'s clock."""


class FrameSource:
    """A camera or a video file, read in a thread of its own; only the newest frame is kept.

    A file runs at its own pace, upright, and starts again at its end. Use it in a ``with`` statement, or
    close it.

    Args:
        source: the number of a camera, or a video file.
        width, height, fps: asked of a camera, which may give others; not for files. None for its own.
        timeout_s: how long :meth:`read` waits for a frame.
        max_pixels: a file with larger frames is refused.

    Raises:
        InputError: what is given is no file (the message says what it seems to be), or its frames are too
            large.
        MissingDependencyError: a file is given, and PyAV is not installed.
        VideoError: the camera or the file can't be opened, or the file holds no frame.
    """

    def __init__(
        self,
        source: int | str | os.PathLike[str],
        *,
        width: int | None = None,
        height: int | None = None,
        fps: float | None = None,
        timeout_s: float = FRAME_TIMEOUT_S,
        max_pixels: int = SegmenterOptions.max_pixels,
    ) -> None:
        self._name = f"camera {source}" if isinstance(source, int) else str(source)
        self._timeout_s, self._max_pixels = timeout_s, max_pixels
        if isinstance(source, int):
            self._capture = _open_camera(source, self._name)
            for code, value in (
                (cv2.CAP_PROP_FRAME_WIDTH, width),
                (cv2.CAP_PROP_FRAME_HEIGHT, height),
                (cv2.CAP_PROP_FPS, fps),
            ):
                if value is not None:
                    self._capture.set(code, value)
            given = self._capture.get(cv2.CAP_PROP_FPS)
            run = self._read_camera
        else:
            # Not by OpenCV, which turns phones' videos upright or not, depending on its release.
            self._reader = Reader(check_source(source), max_pixels, sound=False)
            given = float(self._reader.format.rate)
            run = self._read_file
        self.fps = float(given) if 1 <= given <= 1000 else 30.0
        """Frames a second that the source says it gives; 30.0 where it doesn't."""
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self._newest: CapturedFrame | None = None
        self._ended = ""
        # A daemon: a driver that never returns from a read must not keep the program from ending.
        self._thread = threading.Thread(
            target=self._run, args=(run,), name=f"frames of {self._name}", daemon=True
        )
        self._thread.start()

    def __enter__(self) -> FrameSource:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def read(self) -> CapturedFrame:
        """The newest frame, once for each; waits for it.

        Raises:
            VideoError: none came within ``timeout_s``, the file holds none, or the source was closed.
        """
        with self._changed:
            came = self._changed.wait_for(lambda: self._newest is not None or self._ended, self._timeout_s)
            frame, self._newest = self._newest, None
            if frame is not None:
                return frame
            if came:
                raise VideoError(f"{self._name} {self._ended}")
        raise VideoError(
            f"{self._name} has given no frame for {self._timeout_s:g} s: is it unplugged, or used by another "
            "program?"
        )

    def close(self) -> None:
        """Stop reading and let go of the camera; a second call does nothing."""
        self._end("is closed")
        self._stop.set()
        self._thread.join(1.0)  # longer only in a driver that hangs
        with self._changed:
            self._newest = None

    def _end(self, why: str) -> None:
        with self._changed:
            self._ended = self._ended or why
            self._changed.notify_all()

    def _run(self, read: Callable[[], None]) -> None:
        try:
            read()
        except cv2.error as exc:
            self._end(f"can't be read: {exc.err}")
        except UpperBodySegError as exc:
            self._end(f"can't be read: {exc}")

    def _give(self, bgr: NDArray[np.uint8]) -> None:
        with self._changed:
            self._newest = CapturedFrame(bgr, monotonic())
            self._changed.notify_all()

    def _read_camera(self) -> None:
        try:
            while not self._stop.is_set():
                done, bgr = self._capture.read()
                if done:
                    self._give(bgr)
                else:
                    self._stop.wait(0.01)
        finally:
            self._capture.release()

    def _read_file(self) -> None:
        reader = self._reader
        while True:
            with reader:
                start, first, unit = monotonic(), None, reader.format.time_base
                for frame in reader.read():
                    first = frame.pts if first is None else first
                    self._stop.wait(max(start + (frame.pts - first) * unit - monotonic(), 0))
                    if self._stop.is_set():
                        return
                    self._give(frame.bgr)
            self._stop.wait(1 / self.fps)  # the last frame's own time
            if self._stop.is_set():
                return
            # Opened anew: not every container can be wound back.
            reader = Reader(reader.path, self._max_pixels, sound=False)


def _open_camera(number: int, name: str) -> cv2.VideoCapture:
    anywhere: Any = cv2
    log = anywhere if hasattr(cv2, "setLogLevel") else anywhere.utils.logging  # the latter from OpenCV 5 on
    level = log.getLogLevel()
    log.setLogLevel(0)  # every backend that doesn't have the camera would print a line about it
    try:
        capture = cv2.VideoCapture(number)
    except cv2.error as exc:
        raise VideoError(f"{name} can't be opened: {exc.err}") from exc
    finally:
        log.setLogLevel(level)
    if not capture.isOpened():
        raise VideoError(f"{name} can't be opened: is there a camera, and may this program use it?")
    return capture
