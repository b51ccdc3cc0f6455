"""The original SDK's C structures, and conversions from and to ours.

A program that holds such a structure hands it over as it is; the memory behind its pointers is
used in place or copied, as the caller chooses. Field order and types are the original's; padding
is the platform's.
"""

from __future__ import annotations

import ctypes
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from upperbodyseg.checks import whole_number
from upperbodyseg.errors import InputError
from upperbodyseg.image_buffer import ImageBuffer, ImageType
from upperbodyseg.types import FrameInput, SegmentationOutput

__all__ = [
    "CFrameInput",
    "CImageBuffer",
    "CSegmentationOutput",
    "frame_input_from_c",
    "frame_input_to_c",
    "image_buffer_from_c",
    "image_buffer_to_c",
    "output_from_c",
    "output_to_c",
]


class CImageBuffer(ctypes.Structure):
    """``{int32 width, height, step, channels; uint8 *data; size_t dataSize; int32 ownsData}``."""

    _fields_ = (
        ("width", ctypes.c_int32),
        ("height", ctypes.c_int32),
        ("step", ctypes.c_int32),
        ("channels", ctypes.c_int32),
        ("data", ctypes.POINTER(ctypes.c_uint8)),
        ("dataSize", ctypes.c_size_t),
        ("ownsData", ctypes.c_int32),
    )


class CFrameInput(ctypes.Structure):
    """``{uint32 timestamp; uint8 *data; size_t dataSize; int32 width, height, stride, imageType;
    bool isStill}``."""

    _fields_ = (
        ("timestamp", ctypes.c_uint32),
        ("data", ctypes.POINTER(ctypes.c_uint8)),
        ("dataSize", ctypes.c_size_t),
        ("width", ctypes.c_int32),
        ("height", ctypes.c_int32),
        ("stride", ctypes.c_int32),
        ("imageType", ctypes.c_int32),
        ("isStill", ctypes.c_bool),
    )


class CSegmentationOutput(ctypes.Structure):
    """``{uint32 timestamp; bool success; CImageBuffer mask}``."""

    _fields_ = (
        ("timestamp", ctypes.c_uint32),
        ("success", ctypes.c_bool),
        ("mask", CImageBuffer),
    )


def _check(struct: object, kind: type[ctypes.Structure]) -> None:
    if not isinstance(struct, kind):
        raise InputError(f"expected a {kind.__name__}, got {type(struct).__name__}")


def _memory(struct: Any, copy: bool) -> NDArray[np.uint8]:
    """The bytes that ``struct.data`` points at; they keep the structure, its owner, alive."""
    size = int(struct.dataSize)
    if not struct.data:
        raise InputError(f"the structure's data pointer is null, but {size} bytes are announced")
    if size > sys.maxsize:
        raise InputError(f"the structure's dataSize is {size} bytes, more than any memory")
    memory: Any = (ctypes.c_uint8 * size).from_address(ctypes.addressof(struct.data.contents))
    memory._owner = struct
    array = np.frombuffer(memory, np.uint8) if size else np.zeros(0, np.uint8)
    try:
        return array.copy() if copy else array
    except MemoryError:
        raise InputError(f"the structure's dataSize is {size} bytes, too many to copy") from None


def image_buffer_from_c(struct: CImageBuffer, copy: bool = False) -> ImageBuffer:
    """An :class:`ImageBuffer` from a C image buffer.

    Args:
        struct: a null pointer with ``dataSize`` 0 makes an empty buffer.
        copy: False uses the memory in place: it must outlive the buffer, and stays the caller's to
            free, whatever ``ownsData`` says. True copies it.

    Raises:
        InputError: not that structure, or its fields describe no picture (see :class:`ImageBuffer`).
    """
    _check(struct, CImageBuffer)
    if not struct.data and not struct.dataSize:
        return ImageBuffer()
    return ImageBuffer(
        width=struct.width,
        height=struct.height,
        step=struct.step,
        channels=struct.channels,
        data=_memory(struct, copy),
        owns_data=copy,
    )


def _pointer(buffer: ImageBuffer, copy: bool) -> tuple[Any, Any]:
    """A pointer to the buffer's bytes, and the object that keeps them alive."""
    if buffer.data is None:
        return ctypes.POINTER(ctypes.c_uint8)(), None
    flat = np.frombuffer(buffer.data, np.uint8)
    if copy:
        flat = flat.copy()
    # Through the address, because ctypes refuses read-only memory; nothing here writes to it.
    return ctypes.cast(flat.ctypes.data, ctypes.POINTER(ctypes.c_uint8)), flat


def image_buffer_to_c(buffer: ImageBuffer, copy: bool = False) -> CImageBuffer:
    """A C image buffer from an :class:`ImageBuffer`.

    Args:
        buffer: may be empty.
        copy: False points at the buffer's own memory, True at a copy of it.

    Returns:
        The structure. The memory it points at lives as long as the structure object (not a C
        copy of it) does and is Python's to free: ``ownsData`` is 0.
    """
    if not isinstance(buffer, ImageBuffer):
        raise InputError(f"expected an ImageBuffer, got {type(buffer).__name__}")
    pointer, keep = _pointer(buffer, copy)
    struct = CImageBuffer(
        buffer.width,
        buffer.height,
        buffer.step,
        buffer.channels,
        pointer,
        buffer.data_size,
        0,
    )
    struct._keep = keep
    return struct


def frame_input_from_c(struct: CFrameInput, copy: bool = False) -> FrameInput:
    """A :class:`FrameInput` from a C frame input; ``copy`` as for :func:`image_buffer_from_c`.

    Raises:
        InputError: not that structure, ``imageType`` is no :class:`ImageType`, or the fields describe
            no picture.
    """
    _check(struct, CFrameInput)
    image_type = ImageType.parse(struct.imageType)
    if not struct.data and not struct.dataSize:
        return FrameInput(ImageBuffer(), int(struct.timestamp), image_type, bool(struct.isStill))
    buffer = ImageBuffer(
        width=struct.width,
        height=struct.height,
        step=struct.stride,
        channels=image_type.channels,
        data=_memory(struct, copy),
        owns_data=copy,
    )
    return FrameInput(buffer, int(struct.timestamp), image_type, bool(struct.isStill))


def frame_input_to_c(frame: FrameInput, copy: bool = False) -> CFrameInput:
    """A C frame input from a :class:`FrameInput`; lifetime as for :func:`image_buffer_to_c`.

    Raises:
        InputError: not a FrameInput, or its timestamp is no unsigned 32-bit number.
    """
    if not isinstance(frame, FrameInput) or not isinstance(frame.frame, ImageBuffer):
        raise InputError(f"expected a FrameInput with an ImageBuffer, got {type(frame).__name__}")
    pointer, keep = _pointer(frame.frame, copy)
    struct = CFrameInput(
        _timestamp(frame.timestamp),
        pointer,
        frame.frame.data_size,
        frame.frame.width,
        frame.frame.height,
        frame.frame.step,
        int(ImageType.parse(frame.image_type)),
        bool(frame.is_still),
    )
    struct._keep = keep
    return struct


def output_from_c(struct: CSegmentationOutput, copy: bool = False) -> SegmentationOutput:
    """A :class:`SegmentationOutput` from a C output; ``copy`` as for :func:`image_buffer_from_c`.

    Raises:
        InputError: not that structure, or the mask's fields describe no picture.
    """
    _check(struct, CSegmentationOutput)
    return SegmentationOutput(
        bool(struct.success), int(struct.timestamp), image_buffer_from_c(struct.mask, copy)
    )


def output_to_c(output: SegmentationOutput, copy: bool = False) -> CSegmentationOutput:
    """A C output from a :class:`SegmentationOutput`; lifetime as for :func:`image_buffer_to_c`.

    Raises:
        InputError: the timestamp is no unsigned 32-bit number.
    """
    if not isinstance(output, SegmentationOutput):
        raise InputError(f"expected a SegmentationOutput, got {type(output).__name__}")
    mask = image_buffer_to_c(output.segmentation_mask, copy)
    struct = CSegmentationOutput(_timestamp(output.timestamp), output.success, mask)
    # The structure holds a copy of the mask's fields, so it has to keep the memory itself.
    struct._keep = mask._keep
    return struct


def _timestamp(value: object) -> int:
    return whole_number("timestamp", value, 0, 2**32 - 1, ", an unsigned 32-bit number")
