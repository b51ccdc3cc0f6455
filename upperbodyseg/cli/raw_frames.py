"""``segment --raw``: frames without any header from a pipe, as FFmpeg's ``-f rawvideo`` writes them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import BinaryIO, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from upperbodyseg.engine import UpperBodySegmenter
from upperbodyseg.errors import InputError, VideoError
from upperbodyseg.image_buffer import ImageBuffer, ImageType
from upperbodyseg.types import FrameInput, SegmentationOutput

__all__ = ["RawFormat", "segment_raw"]

_LAYOUTS = {
    "bgr24": (ImageType.BGR_888, None),
    "rgb24": (ImageType.RGB_888, cv2.COLOR_RGB2BGR),
    "bgra": (ImageType.BGRA_8888, cv2.COLOR_BGRA2BGR),
    "rgba": (ImageType.RGBA_8888, cv2.COLOR_RGBA2BGR),
    "nv12": (ImageType.NV12, cv2.COLOR_YUV2BGR_NV12),
    "nv21": (ImageType.YUV_420_888, cv2.COLOR_YUV2BGR_NV21),
    "yuv420p": (ImageType.I420, cv2.COLOR_YUV2BGR_I420),
}
"""By FFmpeg's name: the layout, and how OpenCV makes BGR of it."""


class RawFormat(NamedTuple):
    """Size and layout of each frame.

    Attributes:
        width, height: pixels.
        name: FFmpeg's, of the layout.
    """

    width: int
    height: int
    name: str

    @classmethod
    def parse(cls, text: str) -> RawFormat:
        """A format from ``WIDTHxHEIGHT:LAYOUT``.

        Raises:
            InputError: it is none, or a size that the layout can't have.
        """
        match = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4}):(\w+)", text, re.ASCII)
        if match is None or match[3] not in _LAYOUTS:
            layouts = ", ".join(_LAYOUTS)
            raise InputError(
                f"--raw must be WIDTHxHEIGHT:LAYOUT such as 1280x720:bgr24, of {layouts}; got {text!r}"
            )
        raw = cls(int(match[1]), int(match[2]), match[3])
        if raw.image_type.is_yuv and (raw.width % 2 or raw.height % 2):
            raise InputError(f"--raw: {raw.name} must have an even width and height, got {text!r}")
        return raw

    @property
    def image_type(self) -> ImageType:
        """The layout."""
        return _LAYOUTS[self.name][0]

    @property
    def shape(self) -> tuple[int, ...]:
        """Of a frame as an array of uint8."""
        if self.image_type.is_yuv:
            return (self.height * 3 // 2, self.width)
        return (self.height, self.width, self.image_type.channels)

    def frames(self, file: BinaryIO) -> Iterator[NDArray[np.uint8]]:
        """The frames of a file until it ends; each is good until the next.

        Raises:
            VideoError: the file ends within a frame.
        """
        array = np.empty(self.shape, np.uint8)
        memory = memoryview(array.data).cast("B")
        count = 0
        while True:
            filled = 0
            while filled < len(memory):
                got = file.readinto(memory[filled:])  # type: ignore[attr-defined]
                if not got:
                    break
                filled += got
            if filled == 0:
                return
            if filled < len(memory):
                raise VideoError(
                    f"the input ends within frame {count + 1}, after {filled} of its {len(memory)} bytes: "
                    "check the size and layout of --raw"
                )
            count += 1
            yield array

    def to_bgr(self, array: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A frame as BGR ``(H, W, 3)``."""
        conversion = _LAYOUTS[self.name][1]
        if conversion is None:
            return array
        return cv2.cvtColor(array, conversion)

    def view(self, array: NDArray[np.uint8], number: int) -> FrameInput:
        """A frame of a stream for the engine, without a copy."""
        buffer = ImageBuffer.view(array, image_type=self.image_type)
        return FrameInput(buffer, number, self.image_type)


def segment_raw(
    engine: UpperBodySegmenter,
    raw: RawFormat,
    source: BinaryIO,
    target: BinaryIO,
    render: Callable[[NDArray[np.uint8], NDArray[np.uint8]], NDArray[np.uint8]] | None,
    blur_sigma: float,
    report: Callable[[int, SegmentationOutput], None],
) -> int:
    """Segment a stream of frames.

    Args:
        engine: initialized.
        raw: what the frames are.
        source, target: read from and written to.
        render: makes of a BGR frame and its mask what is written; None writes the mask, grey.
        blur_sigma: of the mask.
        report: is told of each frame that was written, by its number from 1.

    Returns:
        How many frames there were.

    Raises:
        VideoError: the source ends within a frame; the frames before it are written.
    """
    number = 0
    for number, array in enumerate(raw.frames(source), 1):
        output = engine.process(raw.view(array, number), blur_sigma)
        shown = output.mask if render is None else render(raw.to_bgr(array), output.mask)
        target.write(np.ascontiguousarray(shown).data)
        target.flush()
        report(number, output)
    return number
