"""A folder of PNG pictures, under a hidden name until it is finished."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from upperbodyseg.errors import VideoError
from upperbodyseg.video.format import Frame
from upperbodyseg.video.libav import reason
from upperbodyseg.video.paths import part_name, partial_name, split_sequence

__all__ = ["PictureWriter"]


class PictureWriter:
    """Writes a PNG picture a frame.

    Args:
        target: see :func:`upperbodyseg.video.paths.split_sequence`.

    Attributes:
        damaged: always 0.
        notes: what was not kept as it was, a sentence each.

    Raises:
        VideoError: the folder can't be created. Its methods raise it where they can't write.
    """

    def __init__(self, target: Path) -> None:
        self._folder, self._pattern = split_sequence(target)
        self.damaged = 0
        self.notes: list[str] = []
        self._part = part_name(self._folder)
        self._count = 0
        try:
            self._part.mkdir()
        except OSError as exc:
            raise VideoError(f"can't write into {self._folder.parent}: {reason(exc)}") from exc

    def write(self, picture: NDArray[np.uint8], frame: Frame) -> None:
        """Write a picture ``(H, W)``, ``(H, W, 3)`` or ``(H, W, 4)``."""
        # Level 1: PNG's time is the compression, and folders of pictures are for further work.
        done, data = cv2.imencode(".png", picture, [cv2.IMWRITE_PNG_COMPRESSION, 1])
        if not done:
            raise VideoError("a frame can't be encoded as PNG")
        self._count += 1
        path = self._part / (self._pattern % self._count)
        try:
            path.write_bytes(data.tobytes())
        except OSError as exc:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)  # cut short; the others are whole
            raise VideoError(f"can't write into {self._folder}: {reason(exc)}") from exc

    def write_sound(self, packet: Any) -> None:
        """Leave it out."""
        if not self.notes:
            self.notes.append("PNG pictures have no sound: it was left out")

    def finish(self, *, complete: bool) -> Path:
        """Give the folder its final name, which is returned."""
        target = self._folder if complete else partial_name(self._folder)
        try:
            if target.exists():
                target.rmdir()  # empty, or this fails
            self._part.rename(target)
        except OSError as exc:
            raise VideoError(f"can't write {target}: {reason(exc)}") from exc
        return target

    def discard(self) -> None:
        """Remove what is not finished."""
        if self._part.exists():
            for picture in self._part.iterdir():
                picture.unlink(missing_ok=True)
            self._part.rmdir()
