"""The segmenter: a region of a frame in, the region's mask out."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from upperbodyseg.buffers import Buffers
from upperbodyseg.clock import Clock
from upperbodyseg.geometry import Region, resize
from upperbodyseg.models.interpreter import Interpreter, load_interpreter
from upperbodyseg.models.spec import SEGMENTER
from upperbodyseg.postprocess.mask import cells_to_pixels, probability_to_mask
from upperbodyseg.preprocess.exposure import exposed
from upperbodyseg.preprocess.pixel_format import Frame
from upperbodyseg.preprocess.side import Side, mirror

__all__ = ["PersonSegmenter", "SegmentedRegion"]


class SegmentedRegion(NamedTuple):
    """A region and its mask.

    Attributes:
        region: where in the frame.
        bgr: ``(h, w, 3)`` uint8, the region in the segmenter's input size.
        mask: ``(h, w)`` uint8, 255 person, 0 background.
    """

    region: Region
    bgr: NDArray[np.uint8]
    mask: NDArray[np.uint8]


class PersonSegmenter:
    """Marks the people in a region. Not for several threads at a time.

    Args:
        interpreter: a segmenter's.
    """

    def __init__(self, interpreter: Interpreter) -> None:
        self._interpreter = interpreter

    @classmethod
    def load(cls, folder: Path, runtime: str = "auto", num_threads: int = 1) -> PersonSegmenter:
        """The segmenter of a pair; arguments and errors as for :meth:`PersonDetector.load`."""
        return cls(load_interpreter(SEGMENTER, folder, runtime, num_threads))

    def segment(
        self,
        frame: Frame,
        region: Region,
        quick: bool = False,
        buffers: Buffers | None = None,
        clock: Clock | None = None,
        side: Side | None = None,
    ) -> SegmentedRegion:
        """Segment one region.

        Args:
            frame: what it is a region of.
            region: inside the frame.
            quick: read the frame as :func:`~upperbodyseg.geometry.resize` does with ``quick``.
            buffers: scratch memory.
            clock: gets the laps "preprocess" and "segmentation".
            side: of the frame, where the region is to be seen beside its mirror image.

        Raises:
            InferenceError: the runtime failed.
        """
        clock = clock or Clock()
        _, height, width, _ = self._interpreter.spec.input_shape
        if side is None:
            bgr = frame.read_bgr(region, height, width, buffers, quick)
            clock.lap("preprocess")
            return SegmentedRegion(region, bgr, self._mask(bgr, clock))
        half = frame.read_bgr(region, height, width // 2, buffers, quick)
        both = mirror(half, side)
        clock.lap("preprocess")
        mask = self._mask(both, clock)
        mask = mask[:, width // 2 :] if side == "left" else mask[:, : width // 2]
        return SegmentedRegion(region, resize(half, height, width), resize(mask, height, width))

    def augmented(self, seen: SegmentedRegion, clock: Clock | None = None) -> SegmentedRegion:
        """The same region with the mean of its mask and of its mirror image's mask.

        Args:
            seen: what :meth:`segment` returned.
            clock: gets the lap "segmentation".

        Raises:
            InferenceError: the runtime failed.
        """
        mirrored: NDArray[np.uint8] = cv2.flip(seen.bgr, 1)
        other = cv2.flip(self._mask(mirrored, clock or Clock()), 1)
        mean: NDArray[np.uint8] = cv2.addWeighted(seen.mask, 0.5, other, 0.5, 0)
        return seen._replace(mask=mean)

    def _mask(self, bgr: NDArray[np.uint8], clock: Clock) -> NDArray[np.uint8]:
        mask = cells_to_pixels(self._interpreter.run_levels(exposed(bgr), probability_to_mask))
        clock.lap("segmentation")
        return mask
