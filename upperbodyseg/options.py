"""Settings of an engine."""

from __future__ import annotations

import os
from dataclasses import dataclass

from upperbodyseg import checks
from upperbodyseg.errors import InputError
from upperbodyseg.models.interpreter import RUNTIMES
from upperbodyseg.models.spec import MODELS
from upperbodyseg.preprocess.pixel_format import MAX_SIDE
from upperbodyseg.types import PEOPLE, check_people

__all__ = ["SegmenterOptions"]

MAX_THREADS = 256


@dataclass(frozen=True)
class SegmenterOptions:
    """Settings of an engine. The defaults need no thought.

    Attributes:
        model: "accurate" or "fast". The fast model takes a third to half of the time and cuts more
            roughly.
        num_threads: threads of one inference, 1 to 256.
        runtime: "ai-edge-litert", "tflite-runtime", or "auto" for the first of the two that is
            installed.
        score_threshold: detector score, 0-1, that the best detection in a frame reaches, after the
            uncertainty penalty. Others may score lower, as the detector's description says. None is
            the measured value. With a lower one more people count, and more false positives.
        refine: let the mask's edges follow the frame's own, at its resolution. It takes one to two
            milliseconds at 1280 x 720. None: on, but off for stream frames with the fast model, where
            it would add a quarter to a half of the time.
        test_time_augmentation: segment each region of a still twice, the second time mirrored, and
            average both masks. Edges get better, and the segmenter takes twice the time. Stream frames
            are segmented once all the same.
        people: "all", or "main" for the main person alone, with whoever is close to them: see the
            documentation's page "People apart". It takes more time.
        temporal_smoothing: in streams, let the mask change only where the picture does.
        max_pixels: frames with more pixels (width x height), or with a side beyond 32,766, are refused
            before anything is allocated.
        models_dir: folder with other weights of the same form, in ``model``'s place. None: those of
            the package.

    Raises:
        InputError: a value out of its range.
    """

    model: str = MODELS[0]
    num_threads: int = 1
    runtime: str = "auto"
    score_threshold: float | None = None
    refine: bool | None = None
    test_time_augmentation: bool = False
    people: str = PEOPLE[0]
    temporal_smoothing: bool = True
    max_pixels: int = 100_000_000
    models_dir: str | os.PathLike[str] | None = None

    def __post_init__(self) -> None:
        if self.model not in MODELS:
            raise InputError(f"model must be one of {', '.join(MODELS)}, got {self.model!r}")
        checks.whole_number("num_threads", self.num_threads, 1, MAX_THREADS)
        checks.whole_number("max_pixels", self.max_pixels, 1, MAX_SIDE**2)
        if self.runtime not in ("auto", *RUNTIMES):
            raise InputError(f"runtime must be 'auto' or one of {', '.join(RUNTIMES)}, got {self.runtime!r}")
        if self.score_threshold is not None:
            checks.number("score_threshold", self.score_threshold, 1)
        if self.refine is not None:
            checks.switch("refine", self.refine, ", or None")
        checks.switch("test_time_augmentation", self.test_time_augmentation)
        check_people(self.people)
        checks.switch("temporal_smoothing", self.temporal_smoothing)
        if self.models_dir is not None and not isinstance(self.models_dir, (str, os.PathLike)):
            raise InputError(f"models_dir must be a path, got {self.models_dir!r}")
