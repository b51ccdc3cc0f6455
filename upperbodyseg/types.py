"""What goes into an engine and what comes out: frames, people, results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from upperbodyseg.errors import InputError
from upperbodyseg.image_buffer import ImageBuffer, ImageType
from upperbodyseg.image_source import ImageSource, is_array, open_image
from upperbodyseg.planes import join_planes

__all__ = ["PEOPLE", "DetectedPerson", "FrameInput", "SegmentationOutput", "check_people"]

PEOPLE = ("all", "main")
"""Whom a mask shows, the default first."""


def check_people(people: object) -> str:
    """One of :data:`PEOPLE`.

    Raises:
        InputError: anything else.
    """
    if isinstance(people, str) and people in PEOPLE:
        return people
    raise InputError(f"people must be one of {', '.join(PEOPLE)}, got {people!r}")


@dataclass(frozen=True)
class FrameInput:
    """One frame, as a camera or a decoder gives it.

    Attributes:
        frame: the pixels.
        timestamp: handed to the output unchanged. The unit is the caller's.
        image_type: how ``frame`` is laid out.
        is_still: a picture by itself. False: a frame of a stream, whose people are followed from the
            frame before (see :meth:`upperbodyseg.UpperBodySegmenter.process`).
        people: whom the mask shows, as in :class:`~upperbodyseg.SegmenterOptions`; None for what the engine's
            options say.

    Raises:
        InputError: ``people`` is something else.
    """

    frame: ImageBuffer
    timestamp: int = 0
    image_type: ImageType = ImageType.BGRA_8888
    is_still: bool = False
    people: str | None = None

    def __post_init__(self) -> None:
        if self.people is not None:
            check_people(self.people)

    @classmethod
    def from_image(
        cls,
        image: ImageSource,
        image_type: ImageType = ImageType.BGR_888,
        *,
        timestamp: int = 0,
        is_still: bool = True,
        people: str | None = None,
    ) -> FrameInput:
        """A frame from whatever holds a picture.

        Args:
            image: a path, the bytes of a file, a binary file, a ``PIL.Image.Image``, or an array: of
                ``image_type``, or grey ``(H, W)``. What is transparent in it counts as opaque.
            image_type: of an array, as for :meth:`from_array`; the others know their own.
            timestamp, is_still, people: as for the class.

        Raises:
            InputError: the image can't be read, or an array can't be viewed in that layout.
        """
        kind = ImageType.parse(image_type)
        if is_array(image) and (kind is not ImageType.BGR_888 or (image.ndim == 3 and image.shape[2] != 1)):
            return cls.from_array(image, kind, timestamp=timestamp, is_still=is_still, people=people)
        bgr = open_image(image).bgr
        return cls.from_array(bgr, timestamp=timestamp, is_still=is_still, people=people)

    @classmethod
    def from_array(
        cls,
        array: NDArray[np.uint8],
        image_type: ImageType = ImageType.BGR_888,
        *,
        timestamp: int = 0,
        is_still: bool = False,
        people: str | None = None,
    ) -> FrameInput:
        """A frame from an array, without a copy.

        Args:
            array: uint8. BGR_888 and RGB_888 ``(H, W, 3)``, RGBA_8888 and BGRA_8888 ``(H, W, 4)``,
                the 4:2:0 layouts ``(H + ceil(H / 2), step)``. Rows may be padded (see
                :meth:`ImageBuffer.view`).
            image_type: how ``array`` is laid out.
            timestamp, is_still, people: as for the class.

        Raises:
            InputError: ``image_type`` is none, or the array can't be viewed in that layout.
        """
        kind = ImageType.parse(image_type)
        return cls(ImageBuffer.view(array, image_type=kind), timestamp, kind, is_still, people)

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
        people: str | None = None,
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
            timestamp, is_still, people: as for the class.

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
        return cls(frame, timestamp, kind, is_still, people)


class People(Protocol):
    """Makes the masks of a frame's people, when they are asked for."""

    def of(self, number: int) -> NDArray[np.uint8]:
        """The mask ``(H, W)`` uint8 of the person of that number."""

    def everyone(self) -> tuple[DetectedPerson, ...]:
        """The persons, and those whom only a closer look tells from them."""


@dataclass(frozen=True)
class DetectedPerson:
    """A person whom the detector saw and the segmenter confirmed.

    Attributes:
        box: ``(x_min, y_min, x_max, y_max)`` in frame pixels, half-open, inside the frame.
        score: 0-1; how well the box is expected to fit a person.
        id: whose box it is. In a stream a person keeps the number, and no other person gets it. People of
            a still count from 0.
    """

    box: tuple[float, float, float, float]
    score: float
    id: int = 0
    _crowd: People | None = field(default=None, repr=False, compare=False)
    _number: int = field(default=0, repr=False, compare=False)

    @property
    def mask(self) -> NDArray[np.uint8]:
        """What of the frame's mask is this person's, ``(H, W)`` uint8; all persons' add up to it.

        It is made at the first call, which takes a few milliseconds for people who stand close to each other.
        Any thread may ask. With ``out``, ask before that array is written to again.

        Raises:
            InputError: the person comes from no engine's output.
            ModelError: the separator's weights are missing or damaged.
        """
        if self._crowd is None:
            raise InputError("this person has no mask: only the people of an engine's output have one")
        return self._crowd.of(self._number)


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
            none. In a stream those of the detector's last check, with the boxes they had then. With
            ``people="main"`` those who stay.
        confidence: 0-1; how good the mask is likely to be: the expected IoU, as measured. Without people,
            how likely nobody is there.
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
    confidence: float = 1.0
    _crowd: People | None = field(default=None, repr=False)

    @property
    def everyone(self) -> tuple[DetectedPerson, ...]:
        """``persons``, and after them people whom only a closer look tells from somebody.

        Where people stand close to each other the detector takes some for duplicates, or misses them. The
        first call looks at them, and at what of the mask is nobody's. That takes tens of milliseconds for a
        group. The masks of all of these add up to the frame's as well.
        Those who are not in ``persons`` have the id -1. With ``people="main"`` there are none.

        Raises:
            ModelError: the separator's weights are missing or damaged.
        """
        return self.persons if self._crowd is None else self._crowd.everyone()

    @property
    def mask(self) -> NDArray[np.uint8]:
        """``segmentation_mask`` as an array ``(H, W)`` uint8: the same bytes, not copied."""
        return self.segmentation_mask.as_array()
