"""Where frames are shown: a window, or a virtual camera for other programs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from upperbodyseg.errors import MissingDependencyError, VideoError

__all__ = ["Output", "VirtualCamera", "Window"]


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
