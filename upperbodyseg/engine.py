"""Frame in, mask out: the one module that knows the order of the stages."""

from __future__ import annotations

import enum
import os
import threading
import weakref
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from types import TracebackType

import cv2
import numpy as np
from numpy.typing import NDArray

from upperbodyseg import checks
from upperbodyseg.buffers import Buffers
from upperbodyseg.errors import EngineStateError, InputError
from upperbodyseg.geometry import Region
from upperbodyseg.image_buffer import ImageBuffer, ImageType
from upperbodyseg.models.interpreter import RUNTIMES, Interpreter, choose_runtime
from upperbodyseg.models.spec import DETECTOR, MODELS, SEGMENTER, WEIGHTS, load_spec, load_weights
from upperbodyseg.postprocess.agreement import KEPT_SCORE, Doubts, best_score, confirm_persons
from upperbodyseg.postprocess.detections import (
    MIN_CELL_SCORE,
    Thresholds,
    decode_detections,
    distinct_persons,
)
from upperbodyseg.postprocess.mask import (
    Part,
    cells_to_pixels,
    check_blur_sigma,
    compose_mask,
    probability_to_mask,
)
from upperbodyseg.postprocess.refine import Guide
from upperbodyseg.preprocess.exposure import exposed
from upperbodyseg.preprocess.letterbox import letterbox
from upperbodyseg.preprocess.pixel_format import MAX_SIDE, Frame, check_size, open_frame
from upperbodyseg.preprocess.regions import group_persons, grown
from upperbodyseg.stream import Stream
from upperbodyseg.types import DetectedPerson, FrameInput, SegmentationOutput

__all__ = ["DEFAULT_BLUR_SIGMA", "SegmenterOptions", "UpperBodySegmenter", "segment"]

MAX_THREADS = 256

DEFAULT_BLUR_SIGMA = 0.5
"""Pixels; the original SDK's default."""


@dataclass(frozen=True)
class SegmenterOptions:
    """Settings of an engine; the defaults need no thought.

    Attributes:
        model: "accurate", or "fast", with which a frame takes a third to half of the time and is cut
            more roughly.
        num_threads: threads of one inference, 1 to 256.
        runtime: "ai-edge-litert", "tflite-runtime", or "auto" for the first of the two that is
            installed.
        score_threshold: detector score, 0-1, that the best find in a frame must reach to count, after
            what the segmenter's doubts take from it; the others may stay below it by as much as the
            detector's description says. None is the value the detector was measured with. Lower finds
            more people and more coat racks.
        refine: let the mask's edges follow the frame's own, at its resolution, for one to two milliseconds
            at 1280 x 720. None: yes, but for stream frames with the fast model, whose time it would
            lengthen by a quarter to a half.
        test_time_augmentation: in still frames, let the segmenter see every region once more as in a mirror
            and take the mean of both masks, which errs less than either, at the edges above all (the fast
            model's portraits stay as they are); it takes the segmenter's time twice. Frames of streams are
            seen once all the same.
        temporal_smoothing: in streams, hold the mask still where the picture is.
        max_pixels: frames with more pixels (width x height), or with a side beyond 32,766, are
            refused before anything is allocated.
        models_dir: folder with other weights of the same form, in ``model``'s place; None for those
            of the package.

    Raises:
        InputError: a value out of its range.
    """

    model: str = MODELS[0]
    num_threads: int = 1
    runtime: str = "auto"
    score_threshold: float | None = None
    refine: bool | None = None
    test_time_augmentation: bool = False
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
        checks.switch("temporal_smoothing", self.temporal_smoothing)
        if self.models_dir is not None and not isinstance(self.models_dir, (str, os.PathLike)):
            raise InputError(f"models_dir must be a path, got {self.models_dir!r}")


_engines: weakref.WeakSet[UpperBodySegmenter] = weakref.WeakSet()
_parents_models: list[object] = []


class _State(enum.Enum):
    NEW = "has not been initialized: call initialize(), or use it in a with statement"
    READY = ""
    CLOSED = "was closed: create a new one"


class UpperBodySegmenter:
    """Cuts the people out of frames.

    As a context manager, or with :meth:`initialize` and :meth:`close`. Once closed it stays
    closed. One engine may be called from several threads, which then wait for each other; engines
    of their own run side by side. In a forked child an engine goes on with models of its own.

    Args:
        options: settings; None for the defaults.
    """

    def __init__(self, options: SegmenterOptions | None = None) -> None:
        if options is not None and not isinstance(options, SegmenterOptions):
            raise InputError(f"options must be SegmenterOptions, got {type(options).__name__}")
        self.options = options or SegmenterOptions()
        self._state = _State.NEW
        self._models: tuple[Interpreter, Interpreter] | None = None
        self._stream = Stream()
        self._buffers = Buffers()
        self._unlock()
        _engines.add(self)

    def _unlock(self) -> None:
        # Reentrant, so that a signal handler that runs in the middle of process() may close().
        self._lock = threading.RLock()
        self._processing = False

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
            self._models = self._load(DETECTOR), self._load(SEGMENTER)
            self._state = _State.READY

    def _load(self, name: str) -> Interpreter:
        options = self.options
        folder = WEIGHTS / options.model if options.models_dir is None else Path(options.models_dir)
        spec = load_spec(name, choose_runtime(options.runtime), folder)
        return Interpreter(spec, load_weights(spec), num_threads=int(options.num_threads))

    @property
    def is_initialized(self) -> bool:
        """Whether :meth:`process` can be called."""
        return self._state is _State.READY

    def close(self) -> None:
        """Let go of the models, after the frame in progress; a second call does nothing."""
        with self._lock:
            self._models = None
            self._stream, self._buffers = Stream(), Buffers()
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

    def reset(self) -> None:
        """Forget the stream: the next frame starts a new one. Waits for the frame in progress."""
        with self._lock:
            self._stream.forget()

    def process(
        self,
        frame: FrameInput,
        blur_sigma: float = DEFAULT_BLUR_SIGMA,
        out: NDArray[np.uint8] | None = None,
    ) -> SegmentationOutput:
        """Segment one frame.

        A still frame (``is_still``) is looked at by itself and leaves nothing behind. The others are
        a stream's, one after the other: the people are followed from frame to frame, the detector
        checks every few frames, and the mask is calmed where the picture does not change. A frame
        of another size or layout starts a new stream, and so does :meth:`reset`; two streams at a
        time want two engines.

        Args:
            frame: the frame; its memory is only read, and not used any more afterwards.
            blur_sigma: standard deviation, in frame pixels, of the Gaussian blur of the mask: 0
                is no blur, lower is sharper with more noise, higher is smoother with less detail.
            out: ``(H, W)`` uint8 array of the frame's size for the mask, which then isn't
                allocated; its rows may be padded. None: the mask is the caller's own.

        Returns:
            The mask, of the frame's size, and what was found. Nobody in the frame is a success
            with a mask of zeros.

        Raises:
            InputError: the frame, ``blur_sigma`` or ``out`` can't be used (see the message).
            ImageTooLargeError: the frame has more than ``max_pixels`` pixels.
            EngineStateError: not initialized, or closed; or called by a signal handler that
                interrupted this very engine.
            InferenceError: the runtime failed; a stream then starts anew.
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
            if self._processing:
                raise EngineStateError("the engine is in the middle of a frame on this very thread")
            self._processing = True
            try:
                if self._models is None:
                    self._models = self._load(DETECTOR), self._load(SEGMENTER)
                # Its own references: a signal handler may close the engine meanwhile.
                work = _Work(self.options, *self._models, self._stream, self._buffers, frame)
                mask = _mask_memory(work.frame, out)
                parts, persons = work.segment_still() if frame.is_still else work.segment_stream()
                compose_mask(parts, sigma, mask, work.buffers)
                work.clock.lap("postprocess")
            finally:
                self._processing = False
        if out is None:
            height, width = mask.shape
            buffer = ImageBuffer()
            buffer.set_owned_move(mask, width=width, height=height, channels=1)
        else:
            buffer = ImageBuffer.view(mask)
        return SegmentationOutput(True, frame.timestamp, buffer, persons, work.clock.timings_ms())


class _Work:
    """One frame on its way through the stages."""

    def __init__(
        self,
        options: SegmenterOptions,
        detector: Interpreter,
        segmenter: Interpreter,
        stream: Stream,
        buffers: Buffers,
        frame: FrameInput,
    ) -> None:
        self.clock = _Clock()
        self.options = options
        self.detector, self.segmenter = detector, segmenter
        self.stream, self.buffers = stream, buffers
        self.in_stream = not frame.is_still
        refine = options.refine
        self.refine = refine or (refine is None and (frame.is_still or options.model != "fast"))
        self.augment = options.test_time_augmentation
        self.frame = open_frame(frame.frame, frame.image_type, options.max_pixels)
        spec = detector.spec
        score = options.score_threshold
        best = spec.score_threshold if score is None else float(score)
        companion = best - (spec.score_threshold - spec.companion_threshold)
        # Who asks for weaker finds is to see them beside stronger ones, too.
        share = spec.companion_share * min(best / max(spec.score_threshold, 1e-6), 1.0)
        self.thresholds = Thresholds(best, companion, share)
        self.doubts = Doubts(spec.doubt_weight, spec.certain_level)

    def segment_still(self) -> tuple[list[Part], tuple[DetectedPerson, ...]]:
        found = self.thresholds.passing(self.detect())
        parts: list[Part] = []
        confirmed: list[DetectedPerson] = []
        best = 0.0
        size = self.frame.height, self.frame.width
        for region, members in group_persons(found, size, self.detector.spec.margin):
            bgr, mask = self.segment(region)
            seen = confirm_persons(members, region, mask)
            score = best_score(seen, region, mask, self.doubts)
            if seen and score >= KEPT_SCORE * self.thresholds.companion:
                roomier = grown(region, mask, size)
                if roomier != region:
                    region = roomier  # noqa: PLW2901
                    bgr, mask = self.segment(region)
                if self.augment:
                    mask = self.with_mirrored(bgr, mask)
                parts.append(Part(region, mask, self.guide(region, bgr, len(parts))))
                confirmed += seen
                best = max(best, score)
        if best < self.thresholds.best:
            return [], ()
        return parts, distinct_persons(confirmed)

    def segment_stream(self) -> tuple[list[Part], tuple[DetectedPerson, ...]]:
        try:
            return self._follow()
        except BaseException:
            self.stream.forget()
            raise

    def _follow(self) -> tuple[list[Part], tuple[DetectedPerson, ...]]:
        stream = self.stream
        check = stream.begin(self.frame)
        while True:
            if check:
                stream.check(self.detect(), self.thresholds, self.doubts, self.detector.spec.margin)
            tracks = list(stream.tracks)
            regions = [track.region for track in tracks]
            pictures = [self.segment(region) for region in regions]
            shown, check = stream.follow([mask for _, mask in pictures])
            if not check:
                break
        parts: list[Part] = []
        for track, region, (bgr, mask), keep in zip(tracks, regions, pictures, shown, strict=True):
            if keep:
                calm = track.smoother.smooth(bgr, mask, region) if self.options.temporal_smoothing else mask
                parts.append(Part(region, calm, self.guide(region, bgr, len(parts))))
        self.clock.lap("postprocess")
        return parts, distinct_persons(person for track in stream.tracks for person in track.persons)

    def detect(self) -> tuple[DetectedPerson, ...]:
        spec = self.detector.spec
        square, fit = letterbox(self.frame, spec.input_shape[1], self.buffers)
        self.clock.lap("preprocess")
        output = self.detector.run(square)
        persons = decode_detections(
            output,
            spec.stride,
            spec.unit,
            fit,
            (self.frame.height, self.frame.width),
            min(MIN_CELL_SCORE, self.thresholds.lowest),
        )
        self.clock.lap("detection")
        return persons

    def segment(self, region: Region) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """A region in the size in which the segmenter sees it, BGR, and the segmenter's mask of it."""
        _, height, width, _ = self.segmenter.spec.input_shape
        bgr = self.frame.read_bgr(region, height, width, self.buffers, quick=self.in_stream)
        self.clock.lap("preprocess")
        return bgr, self.mask_of(bgr)

    def mask_of(self, bgr: NDArray[np.uint8]) -> NDArray[np.uint8]:
        mask = cells_to_pixels(self.segmenter.run_levels(exposed(bgr), probability_to_mask))
        self.clock.lap("segmentation")
        return mask

    def with_mirrored(self, bgr: NDArray[np.uint8], mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The mean of the mask and of the picture's mirror image's.

        Whether somebody is there at all has been decided by the first alone: a mean is less certain, and the
        doubts that count there were measured on single masks.
        """
        other = self.mask_of(cv2.flip(bgr, 1))  # type: ignore[arg-type]
        return cv2.addWeighted(mask, 0.5, cv2.flip(other, 1), 0.5, 0)  # type: ignore[return-value]

    def guide(self, region: Region, bgr: NDArray[np.uint8], part: int) -> Guide | None:
        """What the edges of a region's mask are to follow; ``bgr`` is what the segmenter saw of it.

        All parts' guides are wanted at once, so each has memory of its own.
        """
        if not self.refine:
            return None
        grey: NDArray[np.uint8] = cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY)  # type: ignore[assignment]
        return Guide(grey, *self.frame.read_luma(region, self.buffers, f"luma {part}"))


def _mask_memory(frame: Frame, out: NDArray[np.uint8] | None) -> NDArray[np.uint8]:
    """Zeros for the frame's mask: new, or in the caller's array."""
    size = (frame.height, frame.width)
    if out is None:
        return np.zeros(size, np.uint8)
    mask = checks.result_array(out, size, packed=True, frame=frame.planes)
    mask.fill(0)
    return mask


class _Clock:
    """Adds up the time spent in each stage."""

    def __init__(self) -> None:
        self._start = self._last = perf_counter()
        self._stages = dict.fromkeys(("preprocess", "detection", "segmentation", "postprocess"), 0.0)

    def lap(self, stage: str) -> None:
        now = perf_counter()
        self._stages[stage] += now - self._last
        self._last = now

    def timings_ms(self) -> dict[str, float]:
        stages = {name: seconds * 1000 for name, seconds in self._stages.items()}
        stages["total"] = (self._last - self._start) * 1000
        return stages


_shared: UpperBodySegmenter | None = None
_shared_lock = threading.Lock()


def _after_fork() -> None:
    """In a forked child: let go of locks that other threads held, and of the parent's models."""
    global _shared_lock  # noqa: PLW0603
    _shared_lock = threading.Lock()
    for engine in list(_engines):
        # Never freed: freeing an interpreter joins its threads, which the child doesn't have.
        _parents_models.append(engine._models)
        engine._models = None
        engine._stream, engine._buffers = Stream(), Buffers()  # another thread may have been at them
        engine._unlock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


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
    image_type = ImageType.parse(image_type)
    engine = _shared_engine()
    if isinstance(image, np.ndarray) and image.ndim in (2, 3) and image.size:
        rows, width = image.shape[:2]
        # Before a copy is made: strides of 0 make any array look enormous.
        check_size(rows * 2 // 3 if image_type.is_yuv else rows, width, engine.options.max_pixels)
        if not _is_viewable(image, image_type):
            image = np.ascontiguousarray(image)
    frame = FrameInput(ImageBuffer.view(image, image_type=image_type), 0, image_type, is_still=True)
    return engine.process(frame, blur_sigma).mask


def _is_viewable(image: NDArray[np.uint8], image_type: ImageType) -> bool:
    if image_type is ImageType.I420:
        return bool(image.flags.c_contiguous)
    row = image[0]
    return bool(row.flags.c_contiguous) and (len(image) == 1 or image.strides[0] >= row.nbytes)
