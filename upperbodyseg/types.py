"""What goes in and what comes out: pixel layouts, image buffers, frames, results."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from upperbodyseg.errors import InputError

__all__ = ["DetectedPerson", "FrameInput", "ImageBuffer", "ImageType", "SegmentationOutput"]


class ImageType(enum.IntEnum):
    """How the bytes of a frame are laid out. The first five are the original SDK's, in its order.

    For the 4:2:0 layouts the colours are read as BT.601, limited range (luma 16-235).
    """

    BGR_888 = 0
    """Three bytes a pixel: blue, green, red. As an array ``(H, W, 3)``."""
    RGB_888 = 1
    """Three bytes a pixel: red, green, blue. As an array ``(H, W, 3)``."""
    YUV_420_888 = 2
    """NV21: H luma rows, then ceil(H / 2) rows of V, U pairs. As an array ``(H + ceil(H / 2), step)``."""
    RGBA_8888 = 3
    """Four bytes a pixel: red, green, blue, alpha; alpha is not looked at. ``(H, W, 4)``."""
    BGRA_8888 = 4
    """Four bytes a pixel: blue, green, red, alpha; alpha is not looked at. ``(H, W, 4)``."""
    NV12 = 5
    """As YUV_420_888, the pairs being U, V."""
    I420 = 6
    """H luma rows, then ceil(H / 2) rows of U, then as many of V, each of half the luma step
    (rounded up)."""

    @property
    def channels(self) -> int:
        """Bytes a pixel of the first plane: 3, 4, or 1 for the 4:2:0 layouts."""
        return _CHANNELS[self]

    @property
    def is_yuv(self) -> bool:
        """Whether luma and chroma lie in separate planes (4:2:0)."""
        return self.channels == 1


_CHANNELS = {
    ImageType.BGR_888: 3,
    ImageType.RGB_888: 3,
    ImageType.YUV_420_888: 1,
    ImageType.RGBA_8888: 4,
    ImageType.BGRA_8888: 4,
    ImageType.NV12: 1,
    ImageType.I420: 1,
}


def _whole(name: str, value: Any, least: int) -> int:
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
        raise InputError(f"{name} must be a whole number, got {value!r}")
    if value < least:
        raise InputError(f"{name} must be {least} or more, got {value}")
    return int(value)


def _as_bytes(data: Any) -> NDArray[np.uint8]:
    """The memory of ``data`` as a flat array of bytes, not copied."""
    if isinstance(data, np.ndarray):
        if data.dtype != np.uint8:
            raise InputError(f"data must hold bytes (dtype uint8), got dtype {data.dtype}")
        if not data.flags.c_contiguous:
            raise InputError(
                "data must be contiguous; use ImageBuffer.view(array) for an array with padded rows"
            )
        return data.reshape(-1)
    try:
        view = memoryview(data)
    except TypeError:
        raise InputError(
            f"data must be bytes-like (bytes, bytearray, memoryview, uint8 ndarray), "
            f"got {type(data).__name__}"
        ) from None
    if not view.c_contiguous:
        raise InputError("data must be contiguous")
    if view.nbytes == 0:
        return np.zeros(0, np.uint8)
    return np.frombuffer(view.cast("B"), np.uint8)


class ImageBuffer:
    """A picture in memory: its size, the bytes of a row, and the bytes themselves.

    Made from its fields by keyword, or from an array by :meth:`view`. A *view* uses the caller's
    memory without a copy, and nothing in this package writes to it; an *owned* buffer keeps its
    own.

    Args:
        width: pixels a row.
        height: rows of the picture; for the 4:2:0 layouts those of the luma plane.
        step: bytes from one row to the next, padding included; 0 means ``width * channels``.
        channels: bytes a pixel; 1 for masks and for the 4:2:0 layouts, whose chroma rows follow
            the luma rows with the same step (I420: half of it).
        data: bytes-like object that holds the rows, or None for an empty buffer.
        data_size: bytes of ``data`` to use, all of it when None.
        owns_data: True hands ``data`` over (a move): the buffer is then the only one to use it.

    Raises:
        InputError: a size below 1, a step too small for a row, data that is not bytes, that is
            shorter than ``data_size`` or too short for ``height`` rows.
    """

    __slots__ = ("_bytes", "_channels", "_height", "_owns_data", "_step", "_width")

    def __init__(
        self,
        *,
        width: int = 0,
        height: int = 0,
        step: int = 0,
        channels: int = 0,
        data: Any = None,
        data_size: int | None = None,
        owns_data: bool = False,
    ) -> None:
        self.clear()
        if data is None:
            if any((width, height, step, channels, data_size)):
                raise InputError(
                    f"data is None but the buffer is described as {width} x {height}: "
                    "pass the bytes too, or no field at all for an empty buffer"
                )
            return
        self._set(data, width, height, step, channels, data_size)
        self._owns_data = bool(owns_data)

    def _set(
        self, data: Any, width: int, height: int, step: int, channels: int, data_size: int | None
    ) -> None:
        width = _whole("width", width, 1)
        height = _whole("height", height, 1)
        channels = _whole("channels", channels, 1)
        step = _whole("step", step, 0) or width * channels
        if step < width * channels:
            raise InputError(
                f"step is {step} bytes, but a row of {width} pixels with {channels} bytes each "
                f"takes {width * channels}"
            )
        flat = _as_bytes(data)
        if data_size is not None:
            size = _whole("data_size", data_size, 0)
            if size > flat.size:
                raise InputError(f"data_size is {size} bytes, but data holds only {flat.size}")
            flat = flat[:size]
        needed = step * (height - 1) + width * channels
        if flat.size < needed:
            raise InputError(f"data holds {flat.size} bytes, but {height} rows of step {step} take {needed}")
        self._width, self._height, self._step, self._channels = width, height, step, channels
        self._bytes: NDArray[np.uint8] | None = flat
        self._owns_data = False

    @classmethod
    def view(
        cls, array: NDArray[np.uint8], *, image_type: ImageType | None = None, width: int | None = None
    ) -> ImageBuffer:
        """A view of an array, without a copy.

        Args:
            array: uint8, ``(H, W)`` or ``(H, W, C)``; rows may be padded (a slice of a wider
                array), pixels may not. With a 4:2:0 ``image_type``: ``(H + ceil(H / 2), step)``,
                luma rows and chroma rows in one array, as OpenCV has them.
            image_type: only needed for the 4:2:0 layouts, to tell chroma rows from luma rows.
            width: pixels a row where the array's rows are longer than the picture's (4:2:0 only).

        Raises:
            InputError: not a uint8 array, another number of dimensions, no pixels, pixels that
                don't follow each other in memory, or rows that are no 4:2:0 picture's.
        """
        if not isinstance(array, np.ndarray):
            raise InputError(f"expected a numpy array, got {type(array).__name__}")
        if array.dtype != np.uint8:
            raise InputError(
                f"expected an array of dtype uint8 (0-255), got {array.dtype}; "
                "convert it first, scaling floats from 0-1 to 0-255"
            )
        if array.ndim not in (2, 3):
            raise InputError(f"expected an array (H, W) or (H, W, C), got shape {array.shape}")
        if 0 in array.shape:
            raise InputError(f"the array has no pixels: shape {array.shape}")
        height, columns = array.shape[:2]
        channels = array.shape[2] if array.ndim == 3 else 1
        # A dimension of length 1 has a stride that is never used and may be anything.
        row_bytes = columns * channels
        step = array.strides[0] if height > 1 else row_bytes
        packed = (channels == 1 or array.strides[2] == 1) and (columns == 1 or array.strides[1] == channels)
        if not packed or step < row_bytes:
            raise InputError(
                f"pixels must follow each other in memory, got strides {array.strides} for shape "
                f"{array.shape}; pass numpy.ascontiguousarray(array)"
            )
        size = step * (height - 1) + row_bytes
        flat = np.lib.stride_tricks.as_strided(array, (size,), (1,), writeable=False)
        if image_type is not None and ImageType(image_type).is_yuv:
            if channels != 1:
                raise InputError(
                    f"{ImageType(image_type).name} takes an array (H + ceil(H / 2), step), "
                    f"got shape {array.shape}"
                )
            width, height = columns if width is None else width, _luma_rows(height)
            return cls(width=width, height=height, step=step, channels=1, data=flat)
        if width is not None and width != columns:
            raise InputError(f"width is {width}, but the array has {columns} columns")
        return cls(width=columns, height=height, step=step, channels=channels, data=flat)

    def set_view(self, data: Any, *, width: int, height: int, step: int = 0, channels: int) -> None:
        """Use the caller's memory, not copied. Arguments and errors as for the class."""
        self._set(data, width, height, step, channels, None)

    def set_owned_copy(self, data: Any, *, width: int, height: int, step: int = 0, channels: int) -> None:
        """Keep a copy of ``data``. Arguments and errors as for the class."""
        self._set(data, width, height, step, channels, None)
        assert self._bytes is not None
        self._bytes = self._bytes.copy()
        self._owns_data = True

    def set_owned_move(
        self,
        data: Any,
        *,
        width: int | None = None,
        height: int | None = None,
        step: int | None = None,
        channels: int | None = None,
    ) -> None:
        """Take ``data`` over without a copy; the caller doesn't use it any more.

        Args:
            data: bytes-like, with the fields beside it; or another ImageBuffer, whose fields are
                taken over as well and which is empty afterwards.
            width, height, step, channels: as for the class; not with an ImageBuffer.
        """
        if isinstance(data, ImageBuffer):
            if data is self:
                return
            if any(value is not None for value in (width, height, step, channels)):
                raise InputError("an ImageBuffer brings its own width, height, step and channels")
            for name in self.__slots__:
                setattr(self, name, getattr(data, name))
            self._owns_data = self._bytes is not None
            data.clear()
            return
        if width is None or height is None or channels is None:
            raise InputError("width, height and channels are needed to take over plain bytes")
        self._set(data, width, height, step or 0, channels, None)
        self._owns_data = True

    def empty(self) -> bool:
        """Whether there is no picture in the buffer."""
        return self._bytes is None

    def clear(self) -> None:
        """Let go of the data; all fields are 0 afterwards."""
        self._width = self._height = self._step = self._channels = 0
        self._bytes = None
        self._owns_data = False

    @property
    def width(self) -> int:
        """Pixels a row."""
        return self._width

    @property
    def height(self) -> int:
        """Rows of the picture (4:2:0: of its luma plane)."""
        return self._height

    @property
    def step(self) -> int:
        """Bytes from one row to the next."""
        return self._step

    @property
    def channels(self) -> int:
        """Bytes a pixel (4:2:0: 1)."""
        return self._channels

    @property
    def data(self) -> memoryview | None:
        """The bytes, not copied; None when empty."""
        return None if self._bytes is None else self._bytes.data

    @property
    def data_size(self) -> int:
        """How many bytes there are."""
        return 0 if self._bytes is None else int(self._bytes.size)

    @property
    def owns_data(self) -> bool:
        """Whether the bytes are the buffer's own."""
        return self._owns_data

    def as_array(self) -> NDArray[np.uint8]:
        """The pixels, not copied: ``(H, W)`` with one channel (4:2:0: the luma), else ``(H, W, C)``.

        Raises:
            InputError: the buffer is empty.
        """
        if self._bytes is None:
            raise InputError("the image buffer is empty: give it data first")
        shape: tuple[int, ...] = (self._height, self._width, self._channels)
        strides: tuple[int, ...] = (self._step, self._channels, 1)
        if self._channels == 1:
            shape, strides = shape[:2], strides[:2]
        return np.lib.stride_tricks.as_strided(
            self._bytes, shape, strides, writeable=self._bytes.flags.writeable
        )

    def __repr__(self) -> str:
        if self._bytes is None:
            return "ImageBuffer(empty)"
        return (
            f"ImageBuffer(width={self._width}, height={self._height}, step={self._step}, "
            f"channels={self._channels}, data_size={self.data_size}, owns_data={self._owns_data})"
        )


def _luma_rows(rows: int) -> int:
    # H + ceil(H / 2) takes every value but 3k + 1, each once.
    if rows % 3 == 1:
        raise InputError(f"a 4:2:0 picture of H rows takes H + ceil(H / 2) rows in all; {rows} rows fit no H")
    return rows * 2 // 3 if rows % 3 == 0 else (rows * 2 - 1) // 3


@dataclass(frozen=True)
class FrameInput:
    """One frame, as a camera or a decoder gives it.

    Attributes:
        frame: the pixels.
        timestamp: anything the caller wants to find again in the output; not looked at.
        image_type: how ``frame`` is laid out.
        is_still: a single picture rather than a frame of a stream.
    """

    frame: ImageBuffer
    timestamp: int = 0
    image_type: ImageType = ImageType.BGRA_8888
    is_still: bool = False


@dataclass(frozen=True)
class DetectedPerson:
    """A person that the detector found.

    Attributes:
        box: ``(x_min, y_min, x_max, y_max)`` in frame pixels, half-open, inside the frame.
        score: 0-1; how well the box is expected to fit a person.
    """

    box: tuple[float, float, float, float]
    score: float


@dataclass(frozen=True)
class SegmentationOutput:
    """The mask of one frame.

    Attributes:
        success: True: a frame that can't be segmented raises instead.
        timestamp: the frame's, untouched.
        segmentation_mask: one channel, the frame's width and height: 255 person, 0 background,
            1-254 soft edge. Owned by whoever holds the output; never reused by the engine.
        persons: the detector's finds, best first; empty when nobody is in the frame.
        timings_ms: milliseconds a stage: ``preprocess``, ``detection``, ``segmentation``,
            ``postprocess`` and their ``total``.
    """

    success: bool
    timestamp: int
    segmentation_mask: ImageBuffer
    persons: tuple[DetectedPerson, ...] = ()
    timings_ms: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def mask(self) -> NDArray[np.uint8]:
        """``segmentation_mask`` as an array ``(H, W)`` uint8: the same bytes, not copied."""
        return self.segmentation_mask.as_array()
