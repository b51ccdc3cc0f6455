"""Frame in, mask out: the one module that knows the order of the stages."""

from __future__ import annotations

import enum
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from types import MappingProxyType, TracebackType

import numpy as np
from numpy.typing import NDArray

from upperbodyseg.errors import EngineStateError, InputError
from upperbodyseg.geometry import Region
from upperbodyseg.models.interpreter import RUNTIMES, Interpreter
from upperbodyseg.models.spec import DETECTOR, SEGMENTER, WEIGHTS, load_spec, load_weights
from upperbodyseg.postprocess.detections import decode_detections
from upperbodyseg.postprocess.mask import blur_mask, check_blur_sigma, compose_mask
from upperbodyseg.preprocess.letterbox import letterbox
from upperbodyseg.preprocess.pixel_format import Frame, open_frame
from upperbodyseg.preprocess.regions import regions_from_boxes
from upperbodyseg.types import DetectedPerson, FrameInput, ImageBuffer, ImageType, SegmentationOutput

__all__ = ["DEFAULT_BLUR_SIGMA", "SegmenterOptions", "UpperBodySegmenter", "segment"]

DEFAULT_BLUR_SIGMA = 0.5
"""Pixels; the original SDK's default."""


@dataclass(frozen=True)
class SegmenterOptions:
    """Settings of an engine; the defaults need no thought.

    Attributes:
        num_threads: threads of one inference, 1 or more.
        runtime: "ai-edge-litert", "tflite-runtime", or "auto" for the first of the two that is
            installed.
        score_threshold: detector score, 0-1, that the best find in a frame must reach to count; the
            others may stay below it by as much as the detector's description says. None is the value
            the detector was measured with. Lower finds more people and more coat racks.
        max_pixels: frames with more pixels (width x height) are refused before anything is
            allocated.
        models_dir: folder with other weights of the same form; None for those of the package.

    Raises:
        InputError: a value out of its range.
    """

    num_threads: int = 1
    runtime: str = "auto"
    score_threshold: float | None = None
    max_pixels: int = 100_000_000
    models_dir: str | os.PathLike[str] | None = None

    def __post_init__(self) -> None:
        for name in ("num_threads", "max_pixels"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise InputError(f"{name} must be a whole number of 1 or more, got {value!r}")
        if self.runtime not in ("auto", *RUNTIMES):
            raise InputError(f"runtime must be 'auto' or one of {', '.join(RUNTIMES)}, got {self.runtime!r}")
        score = self.score_threshold
        if score is not None and not (isinstance(score, (int, float)) and 0 <= score <= 1):
            raise InputError(f"score_threshold must be a number from 0 to 1, got {score!r}")


class _State(enum.Enum):
    NEW = "has not been initialized: call initialize(), or use it in a with statement"
    READY = ""
    CLOSED = "was closed: create a new one"


class UpperBodySegmenter:
    """Cuts the people out of frames.

    As a context manager, or with :meth:`initialize` and :meth:`close`. Once closed it stays
    closed. One engine may be called from several threads, which then wait for each other; engines
    of their own run side by side.

    Args:
        options: settings; None for the defaults.
    """

    def __init__(self, options: SegmenterOptions | None = None) -> None:
        if options is not None and not isinstance(options, SegmenterOptions):
            raise InputError(f"options must be SegmenterOptions, got {type(options).__name__}")
        self.options = options or SegmenterOptions()
        self._state = _State.NEW
        self._lock = threading.Lock()
        self._detector: Interpreter
        self._segmenter: Interpreter

    def initialize(self) -> None:
        """Load both models; a second call does nothing.

        Raises:
            ModelNotFoundError: a weight file or the runtime is missing.
            ModelFormatError: a weight file is damaged.
            EngineStateError: the engine was closed.
        """
        with self._lock:
            if self._state is _State.CLOSED:
                raise EngineStateError(f"the engine {self._state.value}")
            if self._state is _State.READY:
                return
            self._detector, self._segmenter = self._load(DETECTOR), self._load(SEGMENTER)
            self._state = _State.READY

    def _load(self, name: str) -> Interpreter:
        options = self.options
        spec = load_spec(name, WEIGHTS if options.models_dir is None else Path(options.models_dir))
        return Interpreter(spec, load_weights(spec), runtime=options.runtime, num_threads=options.num_threads)

    @property
    def is_initialized(self) -> bool:
        """Whether :meth:`process` can be called."""
        return self._state is _State.READY

    def close(self) -> None:
        """Let go of the models, after the frame in progress; a second call does nothing."""
        with self._lock:
            if self._state is _State.READY:
                del self._detector, self._segmenter
            self._state = _State.CLOSED

    def __enter__(self) -> UpperBodySegmenter:
        self.initialize()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def process(self, frame: FrameInput, blur_sigma: float = DEFAULT_BLUR_SIGMA) -> SegmentationOutput:
        """Segment one frame.

        Args:
            frame: the frame; its memory is only read, and not used any more afterwards.
            blur_sigma: standard deviation, in frame pixels, of the Gaussian blur of the mask: 0
                is no blur, lower is sharper with more noise, higher is smoother with less detail.

        Returns:
            The mask, of the frame's size, and what was found. Nobody in the frame is a success
            with a mask of zeros.

        Raises:
            InputError: the frame or ``blur_sigma`` can't be used (see the message).
            ImageTooLargeError: the frame has more than ``max_pixels`` pixels.
            EngineStateError: not initialized, or closed.
            InferenceError: the runtime failed.
        """
        if not isinstance(frame, FrameInput):
            raise InputError(
                f"frame must be a FrameInput, got {type(frame).__name__}; for an array, "
                "use FrameInput(frame=ImageBuffer.view(array), image_type=...), or segment(array)"
            )
        sigma = check_blur_sigma(blur_sigma)
        with self._lock:
            if self._state is not _State.READY:
                raise EngineStateError(f"the engine {self._state.value}")
            start = perf_counter()
            pixels = open_frame(frame.frame, frame.image_type, self.options.max_pixels)
            clock = _Clock(start)
            persons = self._detect(pixels, clock)
            regions = regions_from_boxes((p.box for p in persons), (pixels.height, pixels.width))
            probabilities = self._segment(pixels, regions, clock)
            mask = compose_mask(zip(regions, probabilities, strict=True), (pixels.height, pixels.width))
            mask = blur_mask(mask, sigma)
            clock.lap("postprocess")
        buffer = ImageBuffer()
        buffer.set_owned_move(mask, width=pixels.width, height=pixels.height, channels=1)
        return SegmentationOutput(True, frame.timestamp, buffer, persons, clock.timings_ms())

    def _detect(self, frame: Frame, clock: _Clock) -> tuple[DetectedPerson, ...]:
        spec = self._detector.spec
        square, fit = letterbox(frame, spec.input_shape[1])
        clock.lap("preprocess")
        output = self._detector.run(square)
        threshold = self.options.score_threshold
        if threshold is None:
            threshold = spec.score_threshold
        persons = decode_detections(
            output,
            spec.stride,
            fit,
            (frame.height, frame.width),
            threshold,
            threshold - (spec.score_threshold - spec.companion_threshold),
        )
        clock.lap("detection")
        return persons

    def _segment(self, frame: Frame, regions: Sequence[Region], clock: _Clock) -> list[NDArray[np.float32]]:
        _, height, width, _ = self._segmenter.spec.input_shape
        probabilities = []
        for region in regions:
            bgr = frame.read_bgr(region, height, width)
            clock.lap("preprocess")
            probabilities.append(self._segmenter.run(bgr))
            clock.lap("segmentation")
        return probabilities


class _Clock:
    """Adds up the time spent in each stage."""

    def __init__(self, start: float) -> None:
        self._start = self._last = start
        self._stages = dict.fromkeys(("preprocess", "detection", "segmentation", "postprocess"), 0.0)

    def lap(self, stage: str) -> None:
        now = perf_counter()
        self._stages[stage] += now - self._last
        self._last = now

    def timings_ms(self) -> MappingProxyType[str, float]:
        stages = {name: seconds * 1000 for name, seconds in self._stages.items()}
        stages["total"] = (self._last - self._start) * 1000
        return MappingProxyType(stages)


_shared: UpperBodySegmenter | None = None
_shared_lock = threading.Lock()


def _forget_shared() -> None:
    # A lock held by another thread at the moment of a fork would stay held in the child.
    global _shared, _shared_lock
    _shared, _shared_lock = None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_shared)


def _shared_engine() -> UpperBodySegmenter:
    global _shared  # noqa: PLW0603
    with _shared_lock:
        if _shared is None:
            engine = UpperBodySegmenter()
            engine.initialize()
            _shared = engine
        return _shared


def segment(
    image: NDArray[np.uint8],
    image_type: ImageType = ImageType.BGR_888,
    blur_sigma: float = DEFAULT_BLUR_SIGMA,
) -> NDArray[np.uint8]:
    """The mask of the people in one picture.

    The models are loaded at the first call and kept; calls from several threads wait for each
    other. For settings, streams and details use :class:`UpperBodySegmenter`.

    Args:
        image: uint8; BGR_888 and RGB_888 ``(H, W, 3)``, RGBA_8888 and BGRA_8888 ``(H, W, 4)``,
            the 4:2:0 layouts ``(H + ceil(H / 2), step)``. Any strides.
        image_type: how ``image`` is laid out.
        blur_sigma: see :meth:`UpperBodySegmenter.process`.

    Returns:
        ``(H, W)`` uint8: 255 person, 0 background, 1-254 soft edge.

    Raises:
        InputError: ``image`` or ``blur_sigma`` can't be used (see the message).
        ModelError: the weights or the runtime are missing or damaged.
    """
    try:
        image_type = ImageType(image_type)
    except ValueError:
        names = ", ".join(t.name for t in ImageType)
        raise InputError(f"image_type must be one of {names}, got {image_type!r}") from None
    if isinstance(image, np.ndarray) and image.dtype == np.uint8 and image.ndim in (2, 3):
        rows_in_order = image.strides[0] >= image[0].nbytes if len(image) else True
        if not (rows_in_order and len(image) and image[0].flags.c_contiguous):
            image = np.ascontiguousarray(image)
    frame = FrameInput(ImageBuffer.view(image, image_type=image_type), 0, image_type, is_still=True)
    return _shared_engine().process(frame, blur_sigma).mask
