"""What the fast networks learn from beside labels, or in their place: the accurate ones' exported files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from training.exported import ExportedFile
from upperbodyseg.geometry import resize

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]


class SegmenterTeacher:
    """Masks of pictures of any size: BGR ``(H, W, 3)`` -> 0-255 ``(H, W)``.

    With a second opinion the mask is two thirds the segmenter's, which then sees the picture's mirror image
    every other time: the mean over many pictures is that of all three views, which errs less than any of
    them (training/RESULTS.md), at the cost of two.

    Args:
        path: exported segmenter.
        second: another network's masks, of the same form.
    """

    def __init__(self, path: Path, second: Callable[[U8], U8] | None = None) -> None:
        self._file = ExportedFile(path.read_bytes())
        self._second = second
        self._mirrored = False

    def __call__(self, bgr: U8) -> U8:
        if self._second is None:
            return self._segment(bgr)
        self._mirrored = not self._mirrored
        if self._mirrored:
            ours = self._segment(np.ascontiguousarray(bgr[:, ::-1]))[:, ::-1]
        else:
            ours = self._segment(bgr)
        mean: U8 = cv2.addWeighted(ours, 2 / 3, self._second(bgr), 1 / 3, 0)  # type: ignore[assignment]
        return mean

    def _segment(self, bgr: U8) -> U8:
        side = self._file.size
        (cells,) = self._file.run(resize(bgr, side, side))
        n = len(cells)
        mask = cells.reshape(n, n, 2, 2).transpose(0, 2, 1, 3).reshape(2 * n, 2 * n)
        levels = (mask * 255).clip(0, 255).round().astype(np.uint8)
        return resize(levels, *bgr.shape[:2])


class DetectorTeacher:
    """A detector's opinion of a square picture, as it would be of the picture made smaller.

    Attributes:
        size: of the pictures that it takes.
    """

    STRIDE = 8

    def __init__(self, path: Path) -> None:
        self._file = ExportedFile(path.read_bytes())
        self.size = self._file.size

    def __call__(self, bgr: U8, size: int) -> F32:
        """Score and share of person, 0-1, and the distances' logarithms: ``(size / 8, size / 8, 6)``.

        Args:
            bgr: ``(self.size, self.size, 3)``.
            size: of the smaller picture.
        """
        cells = np.concatenate(self._file.run(bgr), -1)
        # From cell to cell the distances themselves vary evenly, not their logarithms.
        cells[..., 2:] = np.exp(cells[..., 2:]) * (size / self.size)
        n = size // self.STRIDE
        smaller = cv2.resize(cells, (n, n), interpolation=cv2.INTER_LINEAR)
        smaller[..., 2:] = np.log(smaller[..., 2:])
        return smaller.astype(np.float32)
