"""What networks learn from beside labels, or in their place: the accurate ones' exported files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from training.exported import ExportedFile
from upperbodyseg import ImageBuffer, ImageType
from upperbodyseg.detector import PersonDetector
from upperbodyseg.geometry import resize
from upperbodyseg.preprocess.pixel_format import open_frame

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]


class SegmenterTeacher:
    """Masks of pictures of any size: BGR ``(H, W, 3)`` -> 0-255 ``(H, W)``.

    Args:
        paths: exported segmenters, whose mean it is.

    Attributes:
        size: side of the largest pictures that they take; others are made so.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._files = [ExportedFile(path.read_bytes()) for path in paths]
        self.size = max(file.size for file in self._files)

    def __call__(self, bgr: U8) -> U8:
        masks = [self._mask(file, bgr) for file in self._files]
        levels = (np.mean(masks, axis=0) * 255).clip(0, 255).round().astype(np.uint8)
        return resize(levels, *bgr.shape[:2])

    def _mask(self, file: ExportedFile, bgr: U8) -> F32:
        """0-1, ``(size, size)``."""
        (cells,) = file.run(resize(bgr, file.size, file.size))
        n = len(cells)
        mask = cells.reshape(n, n, 2, 2).transpose(0, 2, 1, 3).reshape(2 * n, 2 * n)
        return cv2.resize(mask, (self.size, self.size), interpolation=cv2.INTER_LINEAR)


class Finder:
    """Where a detector, rightly or wrongly, sees people: BGR ``(H, W, 3)`` -> boxes ``(n, 4)`` in pixels.

    Args:
        folder: of an exported pair.
    """

    LEAST = 0.1  # of a score: below what any model accepts
    MOST = 6

    def __init__(self, folder: Path) -> None:
        self._detector = PersonDetector.load(folder, "ai-edge-litert")

    def __call__(self, bgr: U8) -> F32:
        frame = open_frame(ImageBuffer.view(bgr), ImageType.BGR_888, bgr.size)
        detections = self._detector.detect(frame)
        boxes = [person.box for person in detections if person.score >= self.LEAST]
        return np.asarray(boxes[: self.MOST], np.float32).reshape(-1, 4)


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
