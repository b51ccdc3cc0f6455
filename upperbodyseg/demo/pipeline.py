"""One picture or camera frame, from the bytes that came to the bytes that go back."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from upperbodyseg.demo.limits import RefusedError
from upperbodyseg.demo.pictures import decode_picture, encode_picture
from upperbodyseg.effects import blur_background, cut_out, replace_background
from upperbodyseg.engine import DEFAULT_BLUR_SIGMA
from upperbodyseg.models.spec import MODELS
from upperbodyseg.types import FrameInput, SegmentationOutput

__all__ = ["EFFECTS", "Engine", "Settings", "process_picture"]

EFFECTS = ("blur", "picture", "colour", "cutout", "mask")
"""What the page can show of a picture, the default first."""

_MEDIA_TYPES = {".png": "image/png", ".jpg": "image/jpeg"}


class Engine(Protocol):
    """What is needed of :class:`upperbodyseg.UpperBodySegmenter`."""

    def process(self, frame: FrameInput, blur_sigma: float = ...) -> SegmentationOutput:
        """See :meth:`upperbodyseg.UpperBodySegmenter.process`."""

    def close(self) -> None:
        """Let go of the models."""


@dataclass(frozen=True)
class Settings:
    """What the page's controls are set to.

    Attributes:
        effect: one of :data:`EFFECTS`.
        blur_sigma: of the mask, in pixels; the engine checks it.
        model: "accurate" or "fast".
        colour: background, BGR, for the effect "colour".
    """

    effect: str = EFFECTS[0]
    blur_sigma: float = DEFAULT_BLUR_SIGMA
    model: str = MODELS[0]
    colour: tuple[int, int, int] = (0, 255, 0)

    @classmethod
    def parse(cls, header: Mapping[str, Any]) -> Settings:
        """The settings in a message's header; those it lacks have their default.

        Raises:
            RefusedError: a value that the page does not send (400).
        """
        effect = header.get("effect", EFFECTS[0])
        model = header.get("model", MODELS[0])
        colour = header.get("colour", "#00ff00")
        if effect not in EFFECTS:
            raise RefusedError(400, f"effect must be one of {', '.join(EFFECTS)}, got {effect!r}")
        if model not in MODELS:
            raise RefusedError(400, f"model must be one of {', '.join(MODELS)}, got {model!r}")
        if not isinstance(colour, str) or not re.fullmatch("#[0-9a-fA-F]{6}", colour):
            raise RefusedError(400, f"colour must be written like #00ff00, got {colour!r}")
        red, green, blue = bytes.fromhex(colour[1:])
        return cls(effect, header.get("blur_sigma", DEFAULT_BLUR_SIGMA), model, (blue, green, red))


def process_picture(
    engine: Engine,
    content: bytes,
    background: NDArray[np.uint8] | None,
    settings: Settings,
    max_pixels: int,
    *,
    is_still: bool,
    timestamp: int = 0,
) -> tuple[dict[str, object], list[bytes]]:
    """Segment one encoded picture and apply the effect.

    Args:
        engine: the engine; a stream has one of its own.
        content: a JPEG, PNG or WebP file.
        background: BGR ``(H, W, 3)`` for the effect "picture".
        settings: what to make of it.
        max_pixels: refuse larger pictures.
        is_still: a picture, whose result goes back without loss, rather than a frame of a stream.
        timestamp: of a frame, in milliseconds.

    Returns:
        The header (size, effect, people found, milliseconds a stage, media type of the result) and the
        parts: the mask, always a PNG and so exactly the library's, and the result, which is left
        out where it is the mask.

    Raises:
        RefusedError: the picture or the settings can't be used.
        InputError: ``blur_sigma`` is out of range.
        ModelError: the runtime failed.
    """
    clock = [perf_counter()]
    bgr = decode_picture(content, max_pixels)
    clock.append(perf_counter())
    frame = FrameInput.from_array(bgr, timestamp=timestamp, is_still=is_still)
    output = engine.process(frame, settings.blur_sigma)
    mask = output.mask
    clock.append(perf_counter())
    result = _apply(settings, bgr, mask, background)
    clock.append(perf_counter())
    parts = [encode_picture(mask, ".png")]
    suffix = ".png" if is_still or settings.effect in ("cutout", "mask") else ".jpg"
    if result is not None:
        parts.append(encode_picture(result, suffix))
    clock.append(perf_counter())
    decode, _, effect, encode = ((b - a) * 1000 for a, b in itertools.pairwise(clock))
    header: dict[str, object] = {
        "width": mask.shape[1],
        "height": mask.shape[0],
        "effect": settings.effect,
        "persons": len(output.persons),
        "timings_ms": {"decode": decode, **output.timings_ms, "effect": effect, "encode": encode},
        "media_type": _MEDIA_TYPES[suffix],
    }
    return header, parts


def _apply(
    settings: Settings,
    bgr: NDArray[np.uint8],
    mask: NDArray[np.uint8],
    background: NDArray[np.uint8] | None,
) -> NDArray[np.uint8] | None:
    match settings.effect:
        case "blur":
            return blur_background(bgr, mask)
        case "colour":
            return replace_background(bgr, mask, settings.colour)
        case "cutout":
            return cut_out(bgr, mask)
        case "picture":
            if background is None:
                raise RefusedError(400, "choose a picture for the background first")
            return replace_background(bgr, mask, background)
    return None
