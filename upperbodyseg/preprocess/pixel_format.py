"""Every pixel layout: an :class:`ImageType` to BGR, at the size that a model takes.

:func:`open_frame` checks a frame once, before OpenCV sees any of it. After that every read is a
slice of its planes, a resize and a colour conversion, in this order. Converting the few pixels that
a model takes is cheaper than converting the frame's millions. Both steps are linear, so the picture
is the same to within rounding.

4:2:0 frames are BT.601 in limited range: luma 16-235, chroma 16-240, as in ``cv2.cvtColor`` and most
video.

A new layout needs its :class:`ImageType`, its planes in :func:`open_frame`, and its conversions in the
tables below.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from upperbodyseg.buffers import Buffers
from upperbodyseg.errors import ImageTooLargeError, InputError
from upperbodyseg.geometry import Region, resize
from upperbodyseg.image_buffer import ImageBuffer, ImageType
from upperbodyseg.likely_layout import likely_layout, likely_step

__all__ = ["MAX_SIDE", "Frame", "check_size", "open_frame"]

MAX_SIDE = 32766
"""Longest side of a frame in pixels; OpenCV keeps coordinates in signed 16 bits in places."""

# Luma's weights of red and blue, ITU-R BT.601-7, 2.5.1; the matrix takes (Y, U, V, 1), quantised as
# in 2.5.3, to full-range B, G, R.
_KR, _KB = 0.299, 0.114
_Y_GAIN, _C_GAIN = 255 / 219, 255 / 224
_V_RED, _U_BLUE = 2 * (1 - _KR) * _C_GAIN, 2 * (1 - _KB) * _C_GAIN
_GAINS = np.array(
    [
        [_Y_GAIN, _U_BLUE, 0.0],
        [_Y_GAIN, -_KB / (1 - _KR - _KB) * _U_BLUE, -_KR / (1 - _KR - _KB) * _V_RED],
        [_Y_GAIN, 0.0, _V_RED],
    ]
)
_YUV_TO_BGR = np.hstack([_GAINS, -_GAINS @ np.array([[16.0], [128.0], [128.0]])])

# For cv2.mixChannels: which input channel becomes Y, U and V.
_YUV_ORDER = {
    ImageType.YUV_420_888: (0, 0, 2, 1, 1, 2),
    ImageType.NV12: (0, 0, 1, 1, 2, 2),
    ImageType.I420: (0, 0, 1, 1, 2, 2),
}

_PACKED = {
    ImageType.BGR_888: None,
    ImageType.RGB_888: cv2.COLOR_RGB2BGR,
    ImageType.RGBA_8888: cv2.COLOR_RGBA2BGR,
    ImageType.BGRA_8888: cv2.COLOR_BGRA2BGR,
}

_TO_GREY = {
    ImageType.BGR_888: cv2.COLOR_BGR2GRAY,
    ImageType.RGB_888: cv2.COLOR_RGB2GRAY,
    ImageType.RGBA_8888: cv2.COLOR_RGBA2GRAY,
    ImageType.BGRA_8888: cv2.COLOR_BGRA2GRAY,
}


@dataclass(frozen=True)
class Frame:
    """A checked frame: its size and its planes, which are views of the caller's memory.

    ``planes`` is ``(pixels,)`` for the packed layouts, ``(luma, chroma pairs)`` for NV21 and
    NV12, ``(luma, u, v)`` for I420.
    """

    height: int
    width: int
    image_type: ImageType
    planes: tuple[NDArray[np.uint8], ...]

    @property
    def size(self) -> tuple[int, int]:
        """``(height, width)``."""
        return self.height, self.width

    @property
    def whole(self) -> Region:
        """The region that is all of the frame."""
        return Region(0, 0, self.width, self.height)

    def read_bgr(
        self, region: Region, height: int, width: int, buffers: Buffers | None = None, quick: bool = False
    ) -> NDArray[np.uint8]:
        """A region as BGR ``(height, width, 3)`` uint8, resized.

        Args:
            region: inside the frame; for 4:2:0 frames it starts on even coordinates.
            height, width: of the result.
            buffers: scratch memory for intermediate pictures.
            quick: see :func:`resize`.
        """
        y, x = slice(region.y0, region.y1), slice(region.x0, region.x1)
        # Never the caller's own memory, not even at the same size: it may be the next frame's soon.
        own = np.empty((height, width, 3), np.uint8) if self.image_type is ImageType.BGR_888 else None
        pixels = resize(self.planes[0][y, x], height, width, buffers, own, quick)
        if not self.image_type.is_yuv:
            code = _PACKED[self.image_type]
            return pixels if code is None else cv2.cvtColor(pixels, code)
        y = slice(region.y0 // 2, (region.y1 + 1) // 2)
        x = slice(region.x0 // 2, (region.x1 + 1) // 2)
        # Chroma goes straight to the wanted size, not to half of it as a small 4:2:0 picture would
        # have it: its detail survives, and one matrix gives all three colours.
        chroma = [resize(plane[y, x], height, width, buffers, quick=quick) for plane in self.planes[1:]]
        yuv = np.empty((height, width, 3), np.uint8)
        cv2.mixChannels([pixels, *chroma], [yuv], _YUV_ORDER[self.image_type])
        return cv2.transform(yuv, _YUV_TO_BGR)

    def read_luma(
        self, region: Region, buffers: Buffers, name: str = "luma"
    ) -> tuple[NDArray[np.uint8], float, float]:
        """A region's luma at the frame's own resolution.

        Args:
            region: inside the frame.
            buffers: scratch memory; the result may lie there, under ``name``.

        Returns:
            ``(height, width)`` uint8, and the gain and offset that make full-range grey of it.
        """
        pixels = self.planes[0][region.y0 : region.y1, region.x0 : region.x1]
        if self.image_type.is_yuv:
            return pixels, _Y_GAIN, -16 * _Y_GAIN
        grey = buffers.take(name, (region.height, region.width))
        cv2.cvtColor(pixels, _TO_GREY[self.image_type], dst=grey)
        return grey, 1.0, 0.0


def _rows(
    data: NDArray[np.uint8], offset: int, height: int, step: int, shape: tuple[int, ...]
) -> NDArray[np.uint8]:
    """A plane at ``offset``: rows ``step`` bytes apart, each ``(width,)`` or ``(width, channels)``.

    The caller has checked that the bytes are there.
    """
    pixel = shape[1] if len(shape) == 2 else 1
    strides = (step, pixel, 1) if len(shape) == 2 else (step, 1)
    plane: NDArray[np.uint8] = np.ndarray((height, *shape), np.uint8, data, offset, strides)
    plane.flags.writeable = False
    return plane


def _check_length(
    buffer: ImageBuffer, image_type: ImageType, data: NDArray[np.uint8], needed: int, most: int
) -> None:
    """Refuse a 4:2:0 buffer that is not as long as described: its chroma would be read from elsewhere."""
    # Of pairs the very last byte may be missing: see _with_last_byte.
    if needed - (image_type is not ImageType.I420) <= data.size <= most:
        return
    width, height, step = buffer.width, buffer.height, buffer.step
    likely = likely_layout(data.size, width, height, step, image_type)
    message = (
        f"the buffer holds {data.size} bytes, but a {width} x {height} {image_type.name} picture of step "
        f"{step} takes {needed if data.size < needed else most}; "
    )
    if likely:
        message += f"its length fits {likely}; "
    if data.size < needed:
        message += "for an array that holds luma and chroma rows use ImageBuffer.view(array, image_type=...)"
    else:
        message += f"if the bytes behind the picture are none of it, pass data_size={most}"
    raise InputError(message)


def check_size(height: int, width: int, max_pixels: int) -> None:
    """Refuse a picture by its size alone, before its pixels are looked at.

    Raises:
        ImageTooLargeError: more than ``max_pixels`` pixels, or a side beyond :data:`MAX_SIDE`.
    """
    if height * width > max_pixels:
        raise ImageTooLargeError(
            f"the frame is {width} x {height}, {height * width:,} pixels; at most {max_pixels:,} are "
            "accepted: scale it down, or raise max_pixels"
        )
    if max(height, width) > MAX_SIDE:
        raise ImageTooLargeError(
            f"the frame is {width} x {height}; at most {MAX_SIDE:,} pixels a side are accepted: scale it down"
        )


def _open_yuv(
    buffer: ImageBuffer, image_type: ImageType, data: NDArray[np.uint8]
) -> tuple[NDArray[np.uint8], ...]:
    height, width, step = buffer.height, buffer.width, buffer.step
    half_height, half_width = (height + 1) // 2, (width + 1) // 2
    luma = _rows(data, 0, height, step, (width,))
    offset = step * height
    if image_type is not ImageType.I420:
        row = 2 * half_width
        if step < row:
            raise InputError(f"step is {step} bytes, but a chroma row of {half_width} pairs takes {row}")
        needed = offset + step * (half_height - 1) + row
        _check_length(buffer, image_type, data, needed, offset + step * half_height)
        if data.size < needed:
            data, offset = _with_last_byte(data[offset:], step, half_width), 0
        return luma, _rows(data, offset, half_height, step, (half_width, 2))
    half_step = (step + 1) // 2
    plane = half_step * half_height
    needed = offset + plane + half_step * (half_height - 1) + half_width
    _check_length(buffer, image_type, data, needed, offset + 2 * plane)
    u = _rows(data, offset, half_height, half_step, (half_width,))
    return luma, u, _rows(data, offset + plane, half_height, half_step, (half_width,))


def _with_last_byte(pairs: NDArray[np.uint8], step: int, half_width: int) -> NDArray[np.uint8]:
    """Chroma rows whose very last byte is missing, copied, with the value of the pixel beside it there.

    Android's plane of V ends with the last V. Who appends it to the luma has all of NV21 but the last U.
    """
    whole = np.empty(pairs.size + 1, np.uint8)
    whole[:-1] = pairs
    back = 2 if half_width > 1 else step  # to the left, or to the pixel above
    whole[-1] = whole[-1 - back] if back < whole.size else 128  # 128: no colour
    return whole


def _check_packed_length(buffer: ImageBuffer, size: int) -> None:
    """Refuse a packed buffer as long as rows of a wider step; other bytes behind it are ignored."""
    rows, most = buffer.height, buffer.step * buffer.height
    likely = likely_step(size, rows, buffer.width * buffer.channels, buffer.step)
    if size > most and likely is not None:
        raise InputError(
            f"the buffer holds {size} bytes, but {rows} rows of step {buffer.step} take {most}; its length "
            f"fits step={likely}; if the bytes behind the picture are none of it, pass data_size={most}"
        )


def open_frame(buffer: ImageBuffer, image_type: ImageType, max_pixels: int) -> Frame:
    """Check a buffer against its layout and cut it into planes; nothing is copied.

    Args:
        buffer: the frame's bytes.
        image_type: how they are laid out.
        max_pixels: most pixels (width x height) accepted.

    Raises:
        ImageTooLargeError: see :func:`check_size`.
        InputError: an empty buffer, a number of channels that is not the layout's, a step too
            small, a 4:2:0 buffer that is shorter or longer than described, or another one that holds
            exactly the rows of a wider step.
    """
    if not isinstance(buffer, ImageBuffer):
        raise InputError(
            f"the frame must be an ImageBuffer, got {type(buffer).__name__}; "
            "use ImageBuffer.view(array) for an array"
        )
    image_type = ImageType.parse(image_type)
    memory = buffer.data
    if memory is None:
        raise InputError("the frame's image buffer is empty: give it data first")
    height, width, channels = buffer.height, buffer.width, buffer.channels
    check_size(height, width, max_pixels)
    if channels != image_type.channels:
        raise InputError(
            f"{image_type.name} has {image_type.channels} channel(s), the frame has {channels}: "
            "pass the image_type that the frame really has, or convert it"
        )
    data = np.frombuffer(memory, np.uint8)
    if image_type.is_yuv:
        planes = _open_yuv(buffer, image_type, data)
    else:
        _check_packed_length(buffer, data.size)
        planes = (_rows(data, 0, height, buffer.step, (width, channels)),)
    return Frame(height, width, image_type, planes)
