"""A camera, or a video file in its place, shown live with every frame segmented.

OpenCV reads the camera, PyAV a file (``pip install 'upperbodyseg[video]'``). The window needs pygame-ce
(``pip install 'upperbodyseg[webcam]'``; the OpenCV that this package depends on has no windows). The virtual
camera needs pyvirtualcam (``pip install 'upperbodyseg[virtual-camera]'``; GPL-2.0).
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from time import monotonic
from typing import Any, NamedTuple, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from upperbodyseg.engine import DEFAULT_BLUR_SIGMA, UpperBodySegmenter
from upperbodyseg.errors import InputError, MissingDependencyError, UpperBodySegError, VideoError
from upperbodyseg.image_buffer import ImageType
from upperbodyseg.options import SegmenterOptions
from upperbodyseg.types import FrameInput
from upperbodyseg.video.paths import check_source
from upperbodyseg.video.reader import Reader

__all__ = [
    "Background",
    "FrameSource",
    "LiveSummary",
    "Output",
    "VirtualCamera",
    "Window",
    "run_live",
]

FRAME_TIMEOUT_S = 5.0
"""How long a camera may give no frame before it is taken to have failed."""

MAX_BLUR_SIGMA = 10.0
BLUR_SIGMA_STEP = 0.5
_RECENT_FRAMES = 30


class Background(NamedTuple):
    """One of the backgrounds that a key goes through."""

    name: str
    """Shown on screen."""
    render: Callable[[NDArray[np.uint8], NDArray[np.uint8]], NDArray[np.uint8]]
    """``render(image, mask)``: BGR ``(H, W, 3)`` and its mask ``(H, W)``, uint8; what to show, BGR."""


class CapturedFrame(NamedTuple):
    """A frame as :meth:`FrameSource.read` gives it."""

    bgr: NDArray[np.uint8]
    time_s: float
    """When it came, on :func:`time.monotonic`'s clock."""


@dataclass(frozen=True)
class LiveSummary:
    """What :func:`run_live` did.

    Attributes:
        frames: how many frames were shown.
        fps: frames shown a second, of the last ones; 0.0 below two frames.
        latency_ms: median time from a frame's arrival to its being shown, of the last ones, in milliseconds.
    """

    frames: int
    fps: float
    latency_ms: float


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


class Output(Protocol):
    """Where frames are shown."""

    def show(self, bgr: NDArray[np.uint8], status: str) -> Sequence[str]:
        """Show a frame ``(H, W, 3)``; the keys pressed since the last one: characters, or "quit"."""

    def close(self) -> None:
        """Close it."""


class Window:
    """A window on the screen, by pygame-ce (SDL 2); must be used in the main thread.

    Raises:
        MissingDependencyError: pygame-ce is not installed.
        VideoError: there is no display.
    """

    def __init__(self, title: str = "upperbodyseg") -> None:
        os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
        try:
            import pygame  # noqa: PLC0415
        except ImportError as exc:
            raise MissingDependencyError(
                "a window needs pygame-ce, which is not installed: pip install 'upperbodyseg[webcam]'"
            ) from exc
        self._pygame: Any = pygame
        try:
            pygame.display.init()
            driver = pygame.display.get_driver()
        except pygame.error as exc:
            raise VideoError(f"there is no display for a window: {exc}") from exc
        # Without a display SDL draws into memory that nobody sees.
        if driver in ("offscreen", "dummy") and "SDL_VIDEODRIVER" not in os.environ:
            pygame.display.quit()
            raise VideoError(
                "there is no display for a window (on Linux: DISPLAY and WAYLAND_DISPLAY are not set)"
            )
        pygame.display.set_caption(title)
        self._surface: Any = None

    def show(self, bgr: NDArray[np.uint8], status: str) -> Sequence[str]:
        """Show a frame with a line of text; the keys pressed since the last one.

        Args:
            bgr: ``(H, W, 3)`` uint8; drawn as large as the window allows.
            status: drawn at the top.

        Returns:
            Characters as typed, or "quit" for Escape and the window's own button.
        """
        pygame = self._pygame
        height, width = bgr.shape[:2]
        if self._surface is None:
            most = pygame.display.get_desktop_sizes()[0]
            scale = min(1.0, 0.9 * most[0] / width, 0.9 * most[1] / height)
            size = max(round(width * scale), 1), max(round(height * scale), 1)
            try:
                self._surface = pygame.display.set_mode(size, pygame.RESIZABLE)
            except pygame.error as exc:
                raise VideoError(f"no window can be opened: {exc}") from exc
        keys = [self._key(event) for event in pygame.event.get()]
        surface = pygame.display.get_surface()  # another one after the window was resized
        across, down = surface.get_size()
        scale = min(across / width, down / height)
        width, height = max(round(width * scale), 1), max(round(height * scale), 1)
        shown = bgr.copy() if (height, width) == bgr.shape[:2] else cv2.resize(bgr, (width, height))
        _draw_text(shown, status)
        surface.fill((0, 0, 0))
        picture = pygame.image.frombuffer(shown, (width, height), "BGR")
        surface.blit(picture, ((across - width) // 2, (down - height) // 2))
        pygame.display.flip()
        return [key for key in keys if key]

    def _key(self, event: Any) -> str:
        pygame = self._pygame
        if event.type == pygame.QUIT:
            return "quit"
        if event.type != pygame.KEYDOWN:
            return ""
        return "quit" if event.key == pygame.K_ESCAPE else str(event.unicode)

    def close(self) -> None:
        """Close the window."""
        self._pygame.display.quit()


def _draw_text(bgr: NDArray[np.uint8], text: str) -> None:
    size = max(bgr.shape[0] / 900, 0.4)
    thickness = max(round(2 * size), 1)
    at = (round(10 * size), round(30 * size))
    text = text.encode("ascii", "replace").decode()  # OpenCV's font has no other letters
    for colour, width in (((0, 0, 0), thickness * 3), ((255, 255, 255), thickness)):
        cv2.putText(bgr, text, at, cv2.FONT_HERSHEY_SIMPLEX, size, colour, width, cv2.LINE_AA)


class VirtualCamera:
    """A camera that other programs can choose, by pyvirtualcam; opened with the first frame.

    Args:
        fps: frames a second that it is said to give.

    Raises:
        MissingDependencyError: pyvirtualcam is not installed.
    """

    def __init__(self, fps: float) -> None:
        try:
            import pyvirtualcam  # noqa: PLC0415
        except ImportError as exc:
            raise MissingDependencyError(
                "a virtual camera needs pyvirtualcam, which is not installed (its licence is GPL-2.0): "
                "pip install 'upperbodyseg[virtual-camera]'"
            ) from exc
        self._module: Any = pyvirtualcam
        self._fps = fps
        self._camera: Any = None

    def show(self, bgr: NDArray[np.uint8], status: str) -> Sequence[str]:
        """Send a frame ``(H, W, 3)`` uint8; nothing is drawn into it, and no keys come back.

        Raises:
            VideoError: there is no device for a virtual camera, or it can't be written.
        """
        height, width = bgr.shape[:2]
        try:
            if self._camera is None:
                self._camera = self._module.Camera(
                    width=width, height=height, fps=self._fps, fmt=self._module.PixelFormat.BGR
                )
            self._camera.send(np.ascontiguousarray(bgr))
        except (RuntimeError, OSError) as exc:
            raise VideoError(
                f"the virtual camera can't be used: {exc} (Linux: load v4l2loopback; others: install OBS)"
            ) from exc
        return ()

    def close(self) -> None:
        """Take the camera away."""
        if self._camera is not None:
            self._camera.close()


def run_live(
    source: FrameSource,
    outputs: Sequence[Output],
    backgrounds: Sequence[Background],
    *,
    options: SegmenterOptions | None = None,
    blur_sigma: float = DEFAULT_BLUR_SIGMA,
    mirror: bool = False,
    max_frames: int | None = None,
) -> LiveSummary:
    """Segment a source's frames and show them, until a key or ``max_frames`` ends it.

    Keys: ``b`` the next background, ``+`` or ``]`` and ``-`` or ``[`` more and less ``blur_sigma``, ``m``
    mirror, ``q`` or Escape the end.

    Args:
        source: where frames come from; not closed.
        outputs: where they go; not closed.
        backgrounds: those that ``b`` goes through; the first is shown first.
        options: of the engine; None for the defaults.
        blur_sigma: see :meth:`upperbodyseg.UpperBodySegmenter.process`; keys keep it from 0 to 10.
        mirror: show left and right exchanged.
        max_frames: stop after so many.

    Raises:
        InputError: no backgrounds or outputs.
        VideoError: the source has no more frames, or an output can't show them.
        ModelError: the weights or the runtime failed.
    """
    if not backgrounds or not outputs:
        raise InputError("at least one background and one output are needed")
    chosen, frames = 0, 0
    shown: deque[float] = deque(maxlen=_RECENT_FRAMES)
    latencies_ms: deque[float] = deque(maxlen=_RECENT_FRAMES)
    fps = latency_ms = 0.0
    with UpperBodySegmenter(options) as engine:
        while max_frames is None or frames < max_frames:
            captured = source.read()
            bgr: NDArray[np.uint8] = captured.bgr
            if mirror:
                bgr = cv2.flip(bgr, 1)
            timestamp_ms = round(captured.time_s * 1000)
            frame = FrameInput.from_array(bgr, ImageType.BGR_888, timestamp=timestamp_ms)
            mask = engine.process(frame, blur_sigma).mask
            picture = backgrounds[chosen].render(bgr, mask)
            status = (
                f"{fps:.1f} fps  {latency_ms:.0f} ms  {backgrounds[chosen].name}  mask blur {blur_sigma:g}"
            )
            keys = [key for output in outputs for key in output.show(picture, status)]
            now = monotonic()
            frames += 1
            shown.append(now)
            latencies_ms.append((now - captured.time_s) * 1000)
            latency_ms = median(latencies_ms)
            if len(shown) > 1:
                fps = (len(shown) - 1) / max(shown[-1] - shown[0], 1e-6)
            for key in keys:
                if key in ("q", "Q", "quit"):
                    return LiveSummary(frames, fps, latency_ms)
                if key in ("b", "B"):
                    chosen = (chosen + 1) % len(backgrounds)
                elif key in ("m", "M"):
                    mirror = not mirror
                elif key in ("+", "=", "]"):
                    blur_sigma = min(blur_sigma + BLUR_SIGMA_STEP, max(blur_sigma, MAX_BLUR_SIGMA))
                elif key in ("-", "["):
                    blur_sigma = max(blur_sigma - BLUR_SIGMA_STEP, 0.0)
    return LiveSummary(frames, fps, latency_ms)
