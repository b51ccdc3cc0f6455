"""The engine's life: initialize, process one frame at a time, close; and :func:`segment` on a shared one."""

from __future__ import annotations

import enum
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from upperbodyseg.errors import EngineStateError, InputError
from upperbodyseg.fork import renew_in_child
from upperbodyseg.image_buffer import ImageType
from upperbodyseg.image_source import ImageSource, grey_as_bgr, is_array, open_image
from upperbodyseg.locks import Lock
from upperbodyseg.models.spec import MODELS
from upperbodyseg.options import SegmenterOptions
from upperbodyseg.pipeline import Pipeline
from upperbodyseg.postprocess.mask import check_blur_sigma
from upperbodyseg.preprocess.pixel_format import check_size
from upperbodyseg.types import PEOPLE, FrameInput, SegmentationOutput, check_people

__all__ = ["DEFAULT_BLUR_SIGMA", "SegmenterOptions", "UpperBodySegmenter", "close_shared", "segment"]

DEFAULT_BLUR_SIGMA = 0.5
"""Pixels; the original SDK's default."""

_parents_pipelines: list[Pipeline] = []


class _State(enum.Enum):
    NEW = "has not been initialized: call initialize(), or use it in a with statement"
    READY = ""
    CLOSED = "was closed: create a new one"


class UpperBodySegmenter:
    """Cuts the people out of frames.

    As a context manager, or with :meth:`initialize` and :meth:`close`. Once closed it stays
    closed. Several threads may call one engine and then wait for each other. Several engines run
    side by side. In a forked child an engine loads models of its own.

    A signal handler may raise in the middle of any call (a time limit, Ctrl-C): the call ends and the
    engine stays usable. It must not call an engine's methods itself, which would wait for the very
    call that it interrupts.

    Args:
        options: settings; None for the defaults.

    Raises:
        InputError: ``options`` is something else.
    """

    def __init__(self, options: SegmenterOptions | None = None) -> None:
        if options is not None and not isinstance(options, SegmenterOptions):
            raise InputError(f"options must be SegmenterOptions, got {type(options).__name__}")
        self.options = options or SegmenterOptions()
        self._state = _State.NEW
        self._pipeline: Pipeline | None = None
        self._lock = Lock()
        renew_in_child(self)

    def renew(self) -> None:
        """In a forked child: let go of what other threads held. The next frame loads the models."""
        # Never freed: freeing an interpreter joins its threads, which the child doesn't have.
        if self._pipeline is not None:
            _parents_pipelines.append(self._pipeline)
            self._pipeline = None
        self._lock = Lock()

    def initialize(self) -> None:
        """Load both models. A second call does nothing.

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
            self._pipeline = Pipeline(self.options)
            self._state = _State.READY

    @property
    def is_initialized(self) -> bool:
        """Whether :meth:`process` can be called."""
        return self._state is _State.READY

    def close(self) -> None:
        """Let go of the models, after the frame in progress. A second call does nothing."""
        with self._lock:
            self._state = _State.CLOSED
            self._pipeline = None

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
        """End the stream: the next frame starts a new one. Waits for the frame in progress."""
        with self._lock:
            if self._pipeline is not None:
                self._pipeline.forget_stream()

    def process(
        self,
        frame: FrameInput,
        blur_sigma: float = DEFAULT_BLUR_SIGMA,
        out: NDArray[np.uint8] | None = None,
    ) -> SegmentationOutput:
        """Segment one frame.

        A still frame (``is_still``) stands by itself and leaves nothing behind. The others form a
        stream. Its people are followed from frame to frame, the detector checks every few frames, and
        temporal smoothing steadies the mask. A frame of another size or layout starts a new stream, and
        so does :meth:`reset`. Two streams at a time need two engines.

        Args:
            frame: the frame. Its memory is only read, and not used any more afterwards.
            blur_sigma: standard deviation, in frame pixels, of the Gaussian blur of the mask. 0 is no
                blur. Lower is sharper with more noise, higher is smoother with less detail.
            out: ``(H, W)`` uint8 array of the frame's size that receives the mask; its rows may be
                padded. None: a new mask, which is the caller's own.

        Returns:
            The mask, of the frame's size, and the people. A frame without people is a success with a
            mask of zeros.

        Raises:
            InputError: the frame, ``blur_sigma`` or ``out`` can't be used (see the message).
            ImageTooLargeError: the frame has more than ``max_pixels`` pixels.
            EngineStateError: not initialized, or closed.
            InferenceError: the runtime failed; a stream then starts anew.
        """
        if not isinstance(frame, FrameInput):
            raise InputError(
                f"frame must be a FrameInput, got {type(frame).__name__}; "
                "for an array, use FrameInput.from_array(array), or segment(array)"
            )
        sigma = check_blur_sigma(blur_sigma)
        with self._lock:
            if self._state is not _State.READY:
                raise EngineStateError(f"the engine {self._state.value}")
            if self._pipeline is None:  # in a forked child
                self._pipeline = Pipeline(self.options)
            return self._pipeline.run(frame, sigma, out)


class _SharedEngines:
    """The engines of :func:`segment`, one a model, made when it is first needed."""

    def __init__(self) -> None:
        self._engines: dict[str, UpperBodySegmenter] = {}
        self._lock = Lock()
        renew_in_child(self)

    def renew(self) -> None:
        """In a forked child: the parent's lock may be held for ever."""
        self._lock = Lock()

    def get(self, model: str) -> UpperBodySegmenter:
        """The engine of a model, initialized."""
        with self._lock:
            if model not in self._engines:
                engine = UpperBodySegmenter(SegmenterOptions(model=model))
                engine.initialize()
                self._engines[model] = engine
            return self._engines[model]

    def close(self) -> None:
        """Let go of the engines, after the frames in progress."""
        with self._lock:
            engines, self._engines = self._engines, {}
        for engine in engines.values():
            engine.close()


_shared = _SharedEngines()


def segment(
    image: ImageSource,
    image_type: ImageType = ImageType.BGR_888,
    blur_sigma: float = DEFAULT_BLUR_SIGMA,
    *,
    model: str = MODELS[0],
    people: str = PEOPLE[0],
) -> NDArray[np.uint8]:
    """The mask of the people in one picture.

    The first call loads the models, which stay until :func:`close_shared`. Calls from several threads wait
    for each other. For settings, streams and details use :class:`UpperBodySegmenter`.

    Args:
        image: a path; the bytes of a picture file; a binary file; a ``PIL.Image.Image``; or a uint8 array:
            BGR ``(H, W, 3)`` as ``cv2.imread`` gives it, grey ``(H, W)``, or another layout, which
            ``image_type`` names. What is transparent in a picture is 0 in its mask.
        image_type: how an array is laid out: RGB_888 ``(H, W, 3)``, RGBA_8888 and BGRA_8888 ``(H, W, 4)``,
            the 4:2:0 layouts ``(H + ceil(H / 2), step)``. Any strides. The others know their own layout.
        blur_sigma: see :meth:`UpperBodySegmenter.process`.
        model: "accurate" or "fast".
        people: "all", or "main" for the main person alone, with whoever is close to them.

    Returns:
        ``(H, W)`` uint8: 255 person, 0 background, 1-254 soft edge.

    Raises:
        InputError: ``image``, ``blur_sigma``, ``model`` or ``people`` can't be used (see the message).
        ModelError: the weights or the runtime are missing or damaged.
    """
    image_type, people = ImageType.parse(image_type), check_people(people)
    picture = None
    if not is_array(image):
        picture = open_image(image, SegmenterOptions.max_pixels)
        image, image_type = picture.bgr, ImageType.BGR_888
    if image.ndim in (2, 3) and image.size:
        rows, width = image.shape[:2]
        # Before a copy is made: strides of 0 make any array look enormous.
        check_size(rows * 2 // 3 if image_type.is_yuv else rows, width, SegmenterOptions.max_pixels)
        if image_type is ImageType.BGR_888:
            image = grey_as_bgr(image)
        if not _is_viewable(image, image_type):
            image = np.ascontiguousarray(image)
    frame = FrameInput.from_array(image, image_type, is_still=True, people=people)
    while True:
        engine = _shared.get(model)
        try:
            mask = engine.process(frame, blur_sigma).mask
            return mask if picture is None else picture.without_transparent(mask)
        except EngineStateError:
            if engine.is_initialized:  # else another thread has closed it meanwhile
                raise


def close_shared() -> None:
    """Let go of the models and the memory that :func:`segment` keeps, after the frame in progress.

    The next :func:`segment` loads the models again. Without a call of :func:`segment` before, this does
    nothing. Any thread may call it at any time.
    """
    _shared.close()


def _is_viewable(image: NDArray[np.uint8], image_type: ImageType) -> bool:
    if image_type is ImageType.I420:
        return bool(image.flags.c_contiguous)
    row = image[0]
    return bool(row.flags.c_contiguous) and (len(image) == 1 or image.strides[0] >= row.nbytes)
