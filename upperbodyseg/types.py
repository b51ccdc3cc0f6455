"""What goes into an engine and what comes out: frames, people, results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from upperbodyseg.image_buffer import ImageBuffer, ImageType
from upperbodyseg.image_source import ImageSource, is_array, open_image
from upperbodyseg.planes import join_planes

__all__ = ["DetectedPerson", "FrameInput", "SegmentationOutput"]


@dataclass(frozen=True)
class FrameInput:
    """One frame, as a camera or a decoder gives it.

    Attributes:
        frame: the pixels.
        timestamp: handed to the output unchanged. The unit is the caller's.
        image_type: how ``frame`` is laid out.
        is_still: a picture by itself. False: a frame of a stream, whose people are followed from the
            frame before (see :meth:`upperbodyseg.UpperBodySegmenter.process`).
    """

    frame: ImageBuffer
    timestamp: int = 0
    image_type: ImageType = ImageType.BGRA_8888
    is_still: bool = False

    @classmethod
    def from_image(
        cls,
        image: ImageSource,
        image_type: ImageType = ImageType.BGR_888,
        *,
        timestamp: int = 0,
        is_still: bool = True,
    ) -> FrameInput:
        """A frame from whatever holds a picture.

        Args:
            image: a path, the bytes of a file, a binary file, a ``PIL.Image.Image``, or an array: of
                ``image_type``, or grey ``(H, W)``. What is transparent in it counts as opaque.
            image_type: of an array, as for :meth:`from_array`; the others know their own.
            timestamp, is_still: as for the class.

        Raises:
            InputError: the image can't be read, or an array can't be viewed in that layout.
        """
        kind = ImageType.parse(image_type)
        if is_array(image) and (kind is not ImageType.BGR_888 or (image.ndim == 3 and image.shape[2] != 1)):
            return cls.from_array(image, kind, timestamp=timestamp, is_still=is_still)
        return cls.from_array(open_image(image).bgr, timestamp=timestamp, is_still=is_still)

    @classmethod
    def from_array(
        cls,
        array: NDArray[np.uint8],
        image_type: ImageType = ImageType.BGR_888,
        *,
        timestamp: int = 0,
        is_still: bool = False,
    ) -> FrameInput:
        """A frame from an array, without a copy.

        Args:
            array: uint8. BGR_888 and RGB_888 ``(H, W, 3)``, RGBA_8888 and BGRA_8888 ``(H, W, 4)``,
                the 4:2:0 layouts ``(H + ceil(H / 2), step)``. Rows may be padded (see
                :meth:`ImageBuffer.view`).
            image_type: how ``array`` is laid out.
            timestamp, is_still: as for the class.

        Raises:
            InputError: ``image_type`` is none, or the array can't be viewed in that layout.
        """
        kind = ImageType.parse(image_type)
        return cls(ImageBuffer.view(array, image_type=kind), timestamp, kind, is_still)

    @classmethod
    def from_planes(
        cls,
        planes: Any,
        *,
        width: int,
        height: int,
        steps: Sequence[int],
        offsets: Sequence[int] | None = None,
        pixel_stride: int = 1,
        image_type: ImageType = ImageType.I420,
        timestamp: int = 0,
        is_still: bool = False,
    ) -> FrameInput:
        """A 4:2:0 frame from planes that each have a place and a step of their own.

        Planes in one Python object that lie as one of the layouts has them are used without a copy. Others
        are copied, 1.5 bytes a pixel.

        Args:
            planes: a list of bytes-like objects: Y, U, V for I420, Y and the pairs for NV12 and
                YUV_420_888. Or one bytes-like object that holds all of them, with ``offsets``.
            width, height: of the picture in pixels.
            steps: bytes from one row to the next, one number a plane. The last row's padding may be missing.
            offsets: bytes before the first row, one number a plane; None for 0 in each of a list.
            pixel_stride: bytes from one U to the next (and from one V to the next), 1 or 2; I420 only.
            image_type: which planes there are. Planes of pixel stride 2 that are interleaved in one object
                become an NV12 or YUV_420_888 frame.
            timestamp, is_still: as for the class.

        Raises:
            InputError: another number of planes, steps or offsets than the layout has, a plane too short
                for its rows, or one whose length tells of another step or pixel stride.
        """
        frame, kind = join_planes(
            planes,
            width=width,
            height=height,
            steps=steps,
            offsets=offsets,
            pixel_stride=pixel_stride,
            image_type=image_type,
        )
        return cls(frame, timestamp, kind, is_still)


@dataclass(frozen=True)
class DetectedPerson:
    """A person whom the detector saw and the segmenter confirmed.

    Attributes:
        box: ``(x_min, y_min, x_max, y_max)`` in frame pixels, half-open, inside the frame.
        score: 0-1; how well the box is expected to fit a person.
    """

    box: tuple[float, float, float, float]
    score: float


@dataclass(frozen=True, eq=False)
class SegmentationOutput:
    """The mask of one frame.

    Attributes:
        success: True. A frame that can't be segmented raises instead.
        timestamp: the frame's, unchanged.
        segmentation_mask: one channel, the frame's width and height: 255 person, 0 background,
            1-254 soft edge. It belongs to whoever holds the output, and the engine never writes to
            it again. With ``out`` it is a view of that array.
        persons: the people in the frame, each once, best first, 32 at most; empty when there are
            none. In a stream those of the detector's last check, with the boxes they had then.
        timings_ms: milliseconds a stage: ``preprocess``, ``detection``, ``segmentation``,
            ``postprocess`` and their ``total``.
        regions: the regions of the frame that were segmented and kept, as ``(x_min, y_min, x_max, y_max)``
            in whole frame pixels, half-open. The mask is 0 elsewhere, but for its blur. Without people
            there are none.
    """

    success: bool
    timestamp: int
    segmentation_mask: ImageBuffer
    persons: tuple[DetectedPerson, ...] = ()
    timings_ms: dict[str, float] = field(default_factory=dict)
    regions: tuple[tuple[int, int, int, int], ...] = ()

    @property
    def mask(self) -> NDArray[np.uint8]:
        """``segmentation_mask`` as an array ``(H, W)`` uint8: the same bytes, not copied."""
        return self.segmentation_mask.as_array()
