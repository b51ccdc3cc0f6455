"""The loop from a source through the engine to the outputs, and its keys."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from time import monotonic
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from upperbodyseg.engine import DEFAULT_BLUR_SIGMA, UpperBodySegmenter
from upperbodyseg.errors import InputError
from upperbodyseg.image_buffer import ImageType
from upperbodyseg.options import SegmenterOptions
from upperbodyseg.types import FrameInput
from upperbodyseg.video.format import TimedRender
from upperbodyseg.webcam.outputs import Output
from upperbodyseg.webcam.source import FrameSource

__all__ = ["Background", "LiveSummary", "run_live"]

MAX_BLUR_SIGMA = 10.0
BLUR_SIGMA_STEP = 0.5
_RECENT_FRAMES = 30


class Background(NamedTuple):
    """One of the backgrounds that a key goes through."""

    name: str
    """Shown on screen."""
    render: Callable[[NDArray[np.uint8], NDArray[np.uint8]], NDArray[np.uint8]]
    """``render(image, mask)``: BGR ``(H, W, 3)`` and its mask ``(H, W)``, uint8; what to show, BGR.

    A :class:`upperbodyseg.video.format.TimedRender` is told for how long it has been shown.
    """


@dataclass(frozen=True)
class LiveSummary:
    """What :func:`run_live` did.

    Attributes:
        frames: how many frames were shown.
        fps: frames shown a second, of the last ones; 0.0 below two frames.
        latency_ms: median time from a frame's arrival to its being shown, of the last ones, in milliseconds.
    """

    frames: int
    fps: float
    latency_ms: float


def run_live(
    source: FrameSource,
    outputs: Sequence[Output],
    backgrounds: Sequence[Background],
    *,
    options: SegmenterOptions | None = None,
    blur_sigma: float = DEFAULT_BLUR_SIGMA,
    mirror: bool = False,
    max_frames: int | None = None,
) -> LiveSummary:
    """Segment a source's frames and show them, until a key or ``max_frames`` ends it.

    Keys: ``b`` the next background, ``+`` or ``]`` and ``-`` or ``[`` more and less ``blur_sigma``, ``m``
    mirror, ``q`` or Escape the end.

    Args:
        source: where frames come from; not closed.
        outputs: where they go; not closed.
        backgrounds: those that ``b`` goes through; the first is shown first.
        options: of the engine; None for the defaults.
        blur_sigma: see :meth:`upperbodyseg.UpperBodySegmenter.process`; keys keep it from 0 to 10.
        mirror: show left and right exchanged.
        max_frames: stop after so many.

    Raises:
        InputError: no backgrounds or outputs.
        VideoError: the source has no more frames, or an output can't show them.
        ModelError: the weights or the runtime failed.
    """
    if not backgrounds or not outputs:
        raise InputError("at least one background and one output are needed")
    chosen, frames = 0, 0
    shown_s = [0.0] * len(backgrounds)  # a video stands still while another background is shown
    last_s: float | None = None
    shown: deque[float] = deque(maxlen=_RECENT_FRAMES)
    latencies_ms: deque[float] = deque(maxlen=_RECENT_FRAMES)
    fps = latency_ms = 0.0
    with UpperBodySegmenter(options) as engine:
        while max_frames is None or frames < max_frames:
            captured = source.read()
            bgr: NDArray[np.uint8] = captured.bgr
            if mirror:
                bgr = cv2.flip(bgr, 1)
            timestamp_ms = round(captured.time_s * 1000)
            frame = FrameInput.from_array(bgr, ImageType.BGR_888, timestamp=timestamp_ms)
            mask = engine.process(frame, blur_sigma).mask
            if last_s is not None:
                shown_s[chosen] += captured.time_s - last_s
            last_s = captured.time_s
            render = backgrounds[chosen].render
            if isinstance(render, TimedRender):
                render.seek(shown_s[chosen])
            picture = render(bgr, mask)
            status = (
                f"{fps:.1f} fps  {latency_ms:.0f} ms  {backgrounds[chosen].name}  mask blur {blur_sigma:g}"
            )
            keys = [key for output in outputs for key in output.show(picture, status)]
            now = monotonic()
            frames += 1
            shown.append(now)
            latencies_ms.append((now - captured.time_s) * 1000)
            latency_ms = median(latencies_ms)
            if len(shown) > 1:
                fps = (len(shown) - 1) / max(shown[-1] - shown[0], 1e-6)
            for key in keys:
                if key in ("q", "Q", "quit"):
                    return LiveSummary(frames, fps, latency_ms)
                if key in ("b", "B"):
                    chosen = (chosen + 1) % len(backgrounds)
                elif key in ("m", "M"):
                    mirror = not mirror
                elif key in ("+", "=", "]"):
                    blur_sigma = min(blur_sigma + BLUR_SIGMA_STEP, max(blur_sigma, MAX_BLUR_SIGMA))
                elif key in ("-", "["):
                    blur_sigma = max(blur_sigma - BLUR_SIGMA_STEP, 0.0)
    return LiveSummary(frames, fps, latency_ms)
