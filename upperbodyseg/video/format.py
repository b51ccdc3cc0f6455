"""What a reader tells a writer about a video."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from upperbodyseg.video.colour import Colours

__all__ = ["Frame", "Layout", "Render", "SoundTrack", "TimedRender", "VideoFormat"]

Layout = Literal["bgr", "grey", "bgra"]
"""What a :data:`~upperbodyseg.video.format.Render` gives: ``(H, W, 3)`` BGR, ``(H, W)`` grey, ``(H, W, 4)``
BGR and straight alpha."""

Render = Callable[[NDArray[np.uint8], NDArray[np.uint8]], NDArray[np.uint8]]
"""``render(image, mask)``: an upright BGR frame ``(H, W, 3)`` and its mask ``(H, W)``, both uint8 and both
its own to change; the picture of the same height and width that is written in the frame's place."""


@runtime_checkable
class TimedRender(Protocol):
    """A :data:`~upperbodyseg.video.format.Render` that is told each frame's time."""

    def seek(self, time_s: float) -> None:
        """Prepare for the frame at a time, in seconds; times rise."""

    def __call__(self, image: NDArray[np.uint8], mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """As :data:`~upperbodyseg.video.format.Render`."""


class Frame(NamedTuple):
    """A decoded frame."""

    bgr: NDArray[np.uint8]
    """Upright, ``(H, W, 3)``; white where it is wholly transparent."""
    pts: int
    """Its time, in units of the format's ``time_base``."""
    duration: int
    """The same; 0 where the file doesn't say."""
    alpha: NDArray[np.uint8] | None = None
    """Upright, ``(H, W)``; None where nothing is transparent."""


class SoundTrack(NamedTuple):
    """A sound track of the source."""

    stream: Any
    """PyAV's, a template for the one to write."""
    first_packet: Any
    """PyAV's; None where it comes late."""


@dataclass(frozen=True)
class VideoFormat:
    """A video as its first frame shows it.

    Attributes:
        height, width: of the upright frames, in pixels.
        time_base: the unit of times, in seconds.
        rate: frames a second.
        pixel_aspect: width by height of an upright pixel; None where the file doesn't say.
        colours: what the written numbers mean.
        tags: the file's own.
        video_tags: the video track's.
        disposition: the video track's flags, such as that it is the default.
        sound: the file's sound tracks.
        chapters: PyAV's.
    """

    height: int
    width: int
    time_base: Fraction
    rate: Fraction
    pixel_aspect: Fraction | None
    colours: Colours
    tags: dict[str, str]
    video_tags: dict[str, str]
    disposition: int
    sound: tuple[SoundTrack, ...]
    chapters: tuple[Any, ...]
