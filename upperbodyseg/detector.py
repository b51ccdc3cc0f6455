"""The detector: a whole frame in, detections out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from upperbodyseg.buffers import Buffers
from upperbodyseg.clock import Clock
from upperbodyseg.geometry import Letterbox
from upperbodyseg.models.interpreter import Interpreter, load_interpreter
from upperbodyseg.models.spec import DETECTOR
from upperbodyseg.postprocess.acceptance import Acceptance
from upperbodyseg.postprocess.confidence import Confidence
from upperbodyseg.postprocess.detections import MIN_CELL_SCORE, decode_detections, without_duplicates
from upperbodyseg.preprocess.letterbox import letterbox, letterbox_side
from upperbodyseg.preprocess.pixel_format import Frame
from upperbodyseg.preprocess.side import Side, persons_at_side, strip_at
from upperbodyseg.types import DetectedPerson

__all__ = ["PersonDetector"]


class PersonDetector:
    """Sees people in a frame. Not for several threads at a time.

    Args:
        interpreter: a detector's.

    Attributes:
        acceptance: which of the detections count beside this detector's segmenter.
        confidence: how good the pair's masks are likely to be; None where nobody has measured it.
    """

    def __init__(self, interpreter: Interpreter) -> None:
        self._interpreter = interpreter
        assert interpreter.spec.acceptance is not None  # a detector's description has one
        self.acceptance: Acceptance = interpreter.spec.acceptance
        self.confidence: Confidence | None = interpreter.spec.confidence

    @classmethod
    def load(cls, folder: Path, runtime: str = "auto", num_threads: int = 1) -> PersonDetector:
        """The detector of a pair.

        Args:
            folder: with the model descriptions and files.
            runtime: as for :class:`~upperbodyseg.SegmenterOptions`.
            num_threads: of one inference.

        Raises:
            ModelNotFoundError: a file or the runtime is missing.
            ModelFormatError: a file is damaged.
        """
        return cls(load_interpreter(DETECTOR, folder, runtime, num_threads))

    def detect(
        self,
        frame: Frame,
        least_score: float = MIN_CELL_SCORE,
        buffers: Buffers | None = None,
        clock: Clock | None = None,
    ) -> tuple[DetectedPerson, ...]:
        """Everything in a frame that may be a person, without duplicates of certain detections.

        Args, returns and raises as for :meth:`detect_overlapping`.
        """
        return without_duplicates(self.detect_overlapping(frame, least_score, buffers, clock))

    def detect_overlapping(
        self,
        frame: Frame,
        least_score: float = MIN_CELL_SCORE,
        buffers: Buffers | None = None,
        clock: Clock | None = None,
    ) -> tuple[DetectedPerson, ...]:
        """Everything in a frame that may be a person.

        Args:
            frame: the whole of it is looked at.
            least_score: the lowest score wanted, 0-1; above :data:`MIN_CELL_SCORE` it changes nothing.
            buffers: scratch memory.
            clock: gets the laps "preprocess" and "detection".

        Returns:
            Best first, in frame pixels. :class:`Acceptance` says which count.

        Raises:
            InferenceError: the runtime failed.
        """
        clock = clock or Clock()
        square, fit = letterbox(frame, self._interpreter.spec.input_shape[1], buffers)
        return self._run(square, fit, frame.size, least_score, clock)

    def detect_at_side(
        self,
        frame: Frame,
        side: Side,
        least_score: float = MIN_CELL_SCORE,
        buffers: Buffers | None = None,
        clock: Clock | None = None,
    ) -> tuple[DetectedPerson, ...]:
        """Everything at a frame's side that may be a person who comes in.

        Args, returns and raises as for :meth:`detect`, but only the strip at ``side`` is looked at.
        """
        clock = clock or Clock()
        square, fit = letterbox_side(frame, self._interpreter.spec.input_shape[1], side, buffers)
        strip = strip_at(side, frame.size)
        found = self._run(square, fit, (strip.height, 2 * strip.width), least_score, clock)
        return tuple(persons_at_side(without_duplicates(found), side, frame.size))

    def _run(
        self,
        square: NDArray[np.uint8],
        fit: Letterbox,
        size: tuple[int, int],
        least_score: float,
        clock: Clock,
    ) -> tuple[DetectedPerson, ...]:
        spec = self._interpreter.spec
        clock.lap("preprocess")
        output = self._interpreter.run(square)
        least = min(MIN_CELL_SCORE, least_score)
        detections = decode_detections(output, spec.stride, spec.unit, fit, size, least)
        clock.lap("detection")
        return detections
