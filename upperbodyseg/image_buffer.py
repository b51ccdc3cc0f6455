"""Pixel layouts and the buffers that hold pixels.

A new layout starts here, in :class:`ImageType`. How its bytes become BGR stands in
:mod:`upperbodyseg.preprocess.pixel_format`.
"""

from __future__ import annotations

import enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from upperbodyseg.checks import MAX_INT32, whole_number
from upperbodyseg.errors import InputError

__all__ = ["ImageBuffer", "ImageType", "flat_bytes"]


class ImageType(enum.IntEnum):
    """How the bytes of a frame are laid out. The first five are the original SDK's, in its order.

    The 4:2:0 layouts hold BT.601 colours in limited range (luma 16-235).
    """

    BGR_888 = 0
    """Three bytes a pixel: blue, green, red. As an array ``(H, W, 3)``."""
    RGB_888 = 1
    """Three bytes a pixel: red, green, blue. As an array ``(H, W, 3)``."""
    YUV_420_888 = 2
    """NV21: H luma rows, then ceil(H / 2) rows of V, U pairs. As an array ``(H + ceil(H / 2), step)``.

    The very last byte may be missing, as it is in Android's plane of V: the last U is then the one before."""
    RGBA_8888 = 3
    """Four bytes a pixel: red, green, blue, alpha. Alpha is ignored. ``(H, W, 4)``."""
    BGRA_8888 = 4
    """Four bytes a pixel: blue, green, red, alpha. Alpha is ignored. ``(H, W, 4)``."""
    NV12 = 5
    """As YUV_420_888, with U, V pairs."""
    I420 = 6
    """H luma rows, then ceil(H / 2) rows of U, then as many of V. A chroma row is half a luma step,
    rounded up."""

    @classmethod
    def parse(cls, value: object) -> ImageType:
        """An ImageType from itself or from its number.

        Raises:
            InputError: anything else.
        """
        if (
            isinstance(value, (int, np.integer))
            and not isinstance(value, bool)
            and value in cls._value2member_map_
        ):
            return cls(int(value))
        names = ", ".join(f"ImageType.{t.name}" for t in cls)
        raise InputError(f"image_type must be one of {names}; got {value!r}")

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


class ImageBuffer:
    """A picture in memory: its size, its step, and its bytes.

    Made from its fields by keyword, or from an array by :meth:`view`. A *view* uses the caller's
    memory without a copy, and this package never writes to it. An *owned* buffer keeps its own
    memory. Don't set a buffer in one thread while another reads it.

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

    __slots__ = ("_channels", "_data", "_height", "_owns_data", "_step", "_width")

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
            described = {"width": width, "height": height, "step": step, "channels": channels}
            if data_size is not None:
                described["data_size"] = data_size
            if any(whole_number(name, value, 0) for name, value in described.items()):
                raise InputError(
                    f"data is None but the buffer is described as {width} x {height}: "
                    "pass the bytes too, or no field at all for an empty buffer"
                )
            return
        self._set(data, width, height, step, channels, data_size, bool(owns_data))

    def _set(
        self,
        data: Any,
        width: int,
        height: int,
        step: int,
        channels: int,
        data_size: int | None,
        owns_data: bool,
        copy: bool = False,
    ) -> None:
        width = whole_number("width", width, 1)
        height = whole_number("height", height, 1)
        channels = whole_number("channels", channels, 1)
        step = whole_number("step", step, 0) or whole_number("width * channels", width * channels, 1)
        if step < width * channels:
            raise InputError(
                f"step is {step} bytes, but a row of {width} pixels with {channels} bytes each "
                f"takes {width * channels}"
            )
        flat = flat_bytes(data)
        if data_size is not None:
            size = whole_number("data_size", data_size, 0, max(flat.size, MAX_INT32))
            if size > flat.size:
                raise InputError(f"data_size is {size} bytes, but data holds only {flat.size}")
            flat = flat[:size]
        needed = step * (height - 1) + width * channels
        if flat.size < needed:
            raise InputError(f"data holds {flat.size} bytes, but {height} rows of step {step} take {needed}")
        # Only now, so that a refused call leaves the buffer as it was.
        self._data: NDArray[np.uint8] | None = flat.copy() if copy else flat
        self._width, self._height, self._step, self._channels = width, height, step, channels
        self._owns_data = owns_data

    @classmethod
    def view(
        cls, array: NDArray[np.uint8], *, image_type: ImageType | None = None, width: int | None = None
    ) -> ImageBuffer:
        """A view of an array, without a copy.

        Args:
            array: uint8, ``(H, W)`` or ``(H, W, C)``. Rows may be padded (a slice of a wider
                array), pixels may not. With a 4:2:0 ``image_type``: ``(H + ceil(H / 2), step)``,
                luma rows and chroma rows in one array, as OpenCV has them.
            image_type: only needed for the 4:2:0 layouts, to tell chroma rows from luma rows.
            width: pixels a row where the array's rows are longer than the picture's (4:2:0 only).

        Raises:
            InputError: not a uint8 array, another number of dimensions, no pixels, pixels that
                don't follow each other in memory, or rows that fit no 4:2:0 picture.
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
        kind = None if image_type is None else ImageType.parse(image_type)
        if kind is not None and kind.is_yuv:
            if channels != 1:
                raise InputError(
                    f"{kind.name} takes an array (H + ceil(H / 2), step), got shape {array.shape}"
                )
            if kind is ImageType.I420 and step != columns:
                raise InputError(
                    "the rows of an I420 array hold two chroma rows each and can't be padded; pass "
                    "numpy.ascontiguousarray(array), or describe the memory with ImageBuffer(width=...)"
                )
            width, height = columns if width is None else width, _luma_rows(height)
            return cls(width=width, height=height, step=step, channels=1, data=flat)
        if width is not None and width != columns:
            raise InputError(f"width is {width}, but the array has {columns} columns")
        return cls(width=columns, height=height, step=step, channels=channels, data=flat)

    def set_view(
        self,
        data: Any,
        *,
        width: int,
        height: int,
        step: int = 0,
        channels: int,
        data_size: int | None = None,
    ) -> None:
        """Use the caller's memory without a copy. Arguments and errors as for the class."""
        self._set(data, width, height, step, channels, data_size, owns_data=False)

    def set_owned_copy(
        self,
        data: Any,
        *,
        width: int,
        height: int,
        step: int = 0,
        channels: int,
        data_size: int | None = None,
    ) -> None:
        """Keep a copy of ``data``. Arguments and errors as for the class."""
        self._set(data, width, height, step, channels, data_size, owns_data=True, copy=True)

    def set_owned_move(
        self,
        data: Any,
        *,
        width: int | None = None,
        height: int | None = None,
        step: int = 0,
        channels: int | None = None,
        data_size: int | None = None,
    ) -> None:
        """Take ``data`` over without a copy. The caller doesn't use it any more.

        Args:
            data: bytes-like, with the fields beside it; or another ImageBuffer, which is empty
                afterwards. A buffer that only views its memory is copied.
            width, height, step, channels, data_size: as for the class; not with an ImageBuffer.
        """
        if isinstance(data, ImageBuffer):
            if data is self:
                return
            if step or any(value is not None for value in (width, height, channels, data_size)):
                raise InputError("an ImageBuffer brings its own width, height, step and channels")
            flat = data._data
            self._data = flat if flat is None or data._owns_data else flat.copy()
            self._width, self._height, self._step, self._channels = (
                data._width,
                data._height,
                data._step,
                data._channels,
            )
            self._owns_data = flat is not None
            data.clear()
            return
        if width is None or height is None or channels is None:
            raise InputError("width, height and channels are needed to take over plain bytes")
        self._set(data, width, height, step, channels, data_size, owns_data=True)

    def empty(self) -> bool:
        """Whether there is no picture in the buffer."""
        return self._data is None

    def clear(self) -> None:
        """Let go of the data. All fields are 0 afterwards."""
        self._data = None
        self._width = self._height = self._step = self._channels = 0
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
        return None if self._data is None else self._data.data

    @property
    def data_size(self) -> int:
        """How many bytes there are."""
        return 0 if self._data is None else int(self._data.size)

    @property
    def owns_data(self) -> bool:
        """Whether the bytes are the buffer's own."""
        return self._owns_data

    def as_array(self) -> NDArray[np.uint8]:
        """The pixels, not copied: ``(H, W)`` with one channel (4:2:0: the luma), else ``(H, W, C)``.

        Raises:
            InputError: the buffer is empty.
        """
        data = self._data
        if data is None:
            raise InputError("the image buffer is empty: give it data first")
        shape: tuple[int, ...] = (self._height, self._width, self._channels)
        strides: tuple[int, ...] = (self._step, self._channels, 1)
        if self._channels == 1:
            shape, strides = shape[:2], strides[:2]
        return np.lib.stride_tricks.as_strided(data, shape, strides, writeable=data.flags.writeable)

    def __repr__(self) -> str:
        if self.empty():
            return "ImageBuffer(empty)"
        return (
            f"ImageBuffer(width={self._width}, height={self._height}, step={self._step}, "
            f"channels={self._channels}, data_size={self.data_size}, owns_data={self._owns_data})"
        )


def flat_bytes(data: Any) -> NDArray[np.uint8]:
    """The memory of ``data`` as a flat array of bytes, not copied.

    Raises:
        InputError: not bytes-like, other items than bytes, or not contiguous.
    """
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
    except (TypeError, ValueError) as exc:  # ValueError: a memoryview that was released
        raise InputError(
            f"data must be bytes-like (bytes, bytearray, memoryview, uint8 ndarray), "
            f"got {type(data).__name__} ({exc})"
        ) from None
    if view.format not in ("B", "b", "c"):
        raise InputError(f"data must hold bytes, got items of format {view.format!r}")
    if not view.c_contiguous:
        raise InputError("data must be contiguous")
    if view.nbytes == 0:
        return np.zeros(0, np.uint8)
    return np.frombuffer(view.cast("B"), np.uint8)


def _luma_rows(rows: int) -> int:
    # H + ceil(H / 2) takes every value but 3k + 1, each once.
    if rows % 3 == 1:
        raise InputError(f"a 4:2:0 picture of H rows takes H + ceil(H / 2) rows in all; {rows} rows fit no H")
    return rows * 2 // 3 if rows % 3 == 0 else (rows * 2 - 1) // 3
