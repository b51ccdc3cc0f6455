"""The original SDK's C structures, and conversions from and to ours.

A program that holds such a structure hands it over as it is; the memory behind its pointers is
used in place or copied, as the caller chooses. Field order and types are the original's; padding
is the platform's.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from upperbodyseg.errors import InputError
from upperbodyseg.types import FrameInput, ImageBuffer, ImageType, SegmentationOutput

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


def _memory(pointer: Any, size: int, copy: bool) -> np.ndarray[Any, np.dtype[np.uint8]]:
    if not pointer:
        raise InputError(f"the structure's data pointer is null, but {size} bytes are announced")
    array = np.ctypeslib.as_array(pointer, (size,))
    return array.copy() if copy else array


def image_buffer_from_c(struct: CImageBuffer, copy: bool = False) -> ImageBuffer:
    """An :class:`ImageBuffer` from a C image buffer.

    Args:
        struct: a null pointer with ``dataSize`` 0 makes an empty buffer.
        copy: False uses the memory in place: it must outlive the buffer, whose owner stays the
            caller, whatever ``ownsData`` says. True copies it.

    Raises:
        InputError: the fields describe no picture (see :class:`ImageBuffer`).
    """
    if not struct.data and not struct.dataSize:
        return ImageBuffer()
    return ImageBuffer(
        width=struct.width,
        height=struct.height,
        step=struct.step,
        channels=struct.channels,
        data=_memory(struct.data, struct.dataSize, copy),
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
        copy: False points at the buffer's own memory, with ``ownsData`` 0; True at a copy, with
            ``ownsData`` 1.

    Returns:
        The structure. The memory it points at lives as long as the structure object (not a C
        copy of it) does.
    """
    pointer, keep = _pointer(buffer, copy)
    struct = CImageBuffer(
        buffer.width,
        buffer.height,
        buffer.step,
        buffer.channels,
        pointer,
        buffer.data_size,
        int(copy and not buffer.empty()),
    )
    struct._keep = keep
    return struct


def frame_input_from_c(struct: CFrameInput, copy: bool = False) -> FrameInput:
    """A :class:`FrameInput` from a C frame input; ``copy`` as for :func:`image_buffer_from_c`.

    Raises:
        InputError: ``imageType`` is no :class:`ImageType`, or the fields describe no picture.
    """
    try:
        image_type = ImageType(struct.imageType)
    except ValueError:
        types = ", ".join(f"{t.value} {t.name}" for t in ImageType)
        raise InputError(f"imageType must be one of {types}; got {struct.imageType}") from None
    buffer = ImageBuffer(
        width=struct.width,
        height=struct.height,
        step=struct.stride,
        channels=image_type.channels,
        data=_memory(struct.data, struct.dataSize, copy),
        owns_data=copy,
    )
    return FrameInput(buffer, int(struct.timestamp), image_type, bool(struct.isStill))


def frame_input_to_c(frame: FrameInput, copy: bool = False) -> CFrameInput:
    """A C frame input from a :class:`FrameInput`; lifetime as for :func:`image_buffer_to_c`.

    Raises:
        InputError: the timestamp is no unsigned 32-bit number.
    """
    pointer, keep = _pointer(frame.frame, copy)
    struct = CFrameInput(
        _timestamp(frame.timestamp),
        pointer,
        frame.frame.data_size,
        frame.frame.width,
        frame.frame.height,
        frame.frame.step,
        int(frame.image_type),
        frame.is_still,
    )
    struct._keep = keep
    return struct


def output_from_c(struct: CSegmentationOutput, copy: bool = False) -> SegmentationOutput:
    """A :class:`SegmentationOutput` from a C output; ``copy`` as for :func:`image_buffer_from_c`.

    Raises:
        InputError: the mask's fields describe no picture.
    """
    return SegmentationOutput(
        bool(struct.success), int(struct.timestamp), image_buffer_from_c(struct.mask, copy)
    )


def output_to_c(output: SegmentationOutput, copy: bool = False) -> CSegmentationOutput:
    """A C output from a :class:`SegmentationOutput`; lifetime as for :func:`image_buffer_to_c`.

    Raises:
        InputError: the timestamp is no unsigned 32-bit number.
    """
    mask = image_buffer_to_c(output.segmentation_mask, copy)
    struct = CSegmentationOutput(_timestamp(output.timestamp), output.success, mask)
    # The structure holds a copy of the mask's fields, so it has to keep the memory itself.
    struct._keep = mask._keep
    return struct


def _timestamp(value: object) -> int:
    if not isinstance(value, (int, np.integer)) or not 0 <= value < 2**32:
        raise InputError(f"the C structure's timestamp is an unsigned 32-bit number, got {value!r}")
    return int(value)
