"""One picture or camera frame, from the bytes that came to the bytes that go back."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from upperbodyseg.backgrounds import compose, parse_colour
from upperbodyseg.effects import cut_out
from upperbodyseg.engine import DEFAULT_BLUR_SIGMA
from upperbodyseg.http.engines import Engine
from upperbodyseg.http.limits import RefusedError
from upperbodyseg.http.pictures import decode_picture
from upperbodyseg.models.spec import MODELS
from upperbodyseg.pictures import Picture, PictureLimits, encode_picture
from upperbodyseg.types import PEOPLE, FrameInput, SegmentationOutput

__all__ = ["EFFECTS", "MEDIA_TYPES", "Result", "Settings", "process_picture", "segment_picture"]

EFFECTS = ("blur", "portrait", "picture", "colour", "cutout", "mask")
"""What can be made of a picture, the default first."""

MEDIA_TYPES = {".png": "image/png", ".jpg": "image/jpeg", ".webp": "image/webp"}
"""By the suffix that :func:`upperbodyseg.pictures.encode_picture` takes."""


@dataclass(frozen=True)
class Settings:
    """What to make of a picture.

    Attributes:
        effect: one of :data:`EFFECTS`.
        blur_sigma: of the mask, in pixels; the engine checks it.
        model: "accurate" or "fast".
        colour: background, BGR, for the effect "colour".
        blur_strength: 0-1, for the effects "blur" and "portrait"; the effect checks it.
        people: "all" or "main"; None for what the engine's options say.
    """

    effect: str = EFFECTS[0]
    blur_sigma: float = DEFAULT_BLUR_SIGMA
    model: str = MODELS[0]
    colour: tuple[int, int, int] = (0, 255, 0)
    blur_strength: float = 0.5
    people: str | None = None

    @classmethod
    def parse(cls, header: Mapping[str, Any]) -> Settings:
        """The settings in a message's header; those it lacks have their default.

        Raises:
            RefusedError: a value that can't be used (400).
        """
        effect = header.get("effect", EFFECTS[0])
        model = header.get("model", MODELS[0])
        colour = header.get("colour", "#00ff00")
        if effect not in EFFECTS:
            raise RefusedError(400, f"effect must be one of {', '.join(EFFECTS)}, got {effect!r}")
        if model not in MODELS:
            raise RefusedError(400, f"model must be one of {', '.join(MODELS)}, got {model!r}")
        people = header.get("people")
        if people is not None and people not in PEOPLE:
            raise RefusedError(400, f"people must be one of {', '.join(PEOPLE)}, got {people!r}")
        bgr = parse_colour(colour) if isinstance(colour, str) else None
        if bgr is None:
            raise RefusedError(400, f"colour must be written like #00ff00, got {colour!r}")
        return cls(
            effect,
            header.get("blur_sigma", DEFAULT_BLUR_SIGMA),
            model,
            bgr,
            header.get("blur_strength", 0.5),
            people,
        )


@dataclass(frozen=True, eq=False)
class Result:
    """What was made of a picture.

    Attributes:
        mask: ``(H, W)`` uint8.
        pixels: the effect's, BGR ``(H, W, 3)`` or BGRA ``(H, W, 4)``; None where it is the mask.
        output: the engine's; its mask lacks the picture's own transparency.
        damaged: the file is damaged, and a part of the picture missing.
        timings_ms: milliseconds a stage: ``decode``, the engine's, ``effect``.
    """

    mask: NDArray[np.uint8]
    pixels: NDArray[np.uint8] | None
    output: SegmentationOutput
    damaged: bool
    timings_ms: dict[str, float]


def segment_picture(
    engine: Engine,
    content: bytes,
    background: NDArray[np.uint8] | None,
    settings: Settings,
    limits: PictureLimits,
    *,
    is_still: bool,
    timestamp: int = 0,
    given_up: Callable[[], bool] = lambda: False,
) -> Result:
    """Decode and segment one encoded picture, and apply the effect.

    Args:
        engine: the engine; a stream has one of its own.
        content: the file.
        background: BGR ``(H, W, 3)`` for the effect "picture".
        settings: what to make of it.
        limits: refuse pictures beyond them.
        is_still: a picture rather than a frame of a stream.
        timestamp: of a frame, in milliseconds.
        given_up: asked between the stages: does nobody wait for the result any more?

    Raises:
        RefusedError: the picture or the settings can't be used, or it was given up.
        InputError: ``blur_sigma`` or ``blur_strength`` is out of range.
        ModelError: the runtime failed.
    """
    clock = [perf_counter()]
    picture = decode_picture(content, limits)
    clock.append(perf_counter())
    _check_awaited(given_up)
    frame = FrameInput.from_array(picture.bgr, timestamp=timestamp, is_still=is_still, people=settings.people)
    output = engine.process(frame, settings.blur_sigma)
    mask = picture.without_transparent(output.mask)
    clock.append(perf_counter())
    _check_awaited(given_up)
    pixels = _apply(settings, picture, mask, background)
    clock.append(perf_counter())
    decode, _, effect = ((b - a) * 1000 for a, b in itertools.pairwise(clock))
    timings = {"decode": decode, **output.timings_ms, "effect": effect}
    return Result(mask, pixels, output, picture.damaged, timings)


def process_picture(
    engine: Engine,
    content: bytes,
    background: NDArray[np.uint8] | None,
    settings: Settings,
    limits: PictureLimits,
    *,
    is_still: bool,
    timestamp: int = 0,
    given_up: Callable[[], bool] = lambda: False,
) -> tuple[dict[str, object], list[bytes]]:
    """A message's header and parts: what :func:`segment_picture` makes, encoded.

    Returns:
        The header (size, effect, people found, whether the file is damaged, milliseconds a stage, media
        type of the result) and the parts: the mask, always a PNG and so exactly the library's, and the
        result, which is left out where it is the mask. A still's result is encoded without loss.

    Raises:
        RefusedError, InputError, ModelError: as :func:`segment_picture`.
    """
    result = segment_picture(
        engine,
        content,
        background,
        settings,
        limits,
        is_still=is_still,
        timestamp=timestamp,
        given_up=given_up,
    )
    start = perf_counter()
    parts = [encode_picture(result.mask, ".png")]
    suffix = ".png" if is_still or settings.effect in ("cutout", "mask") else ".jpg"
    if result.pixels is not None:
        parts.append(encode_picture(result.pixels, suffix))
    header: dict[str, object] = {
        "width": result.mask.shape[1],
        "height": result.mask.shape[0],
        "effect": settings.effect,
        "persons": len(result.output.persons),
        "confidence": result.output.confidence,
        "damaged": result.damaged,
        "timings_ms": {**result.timings_ms, "encode": (perf_counter() - start) * 1000},
        "media_type": MEDIA_TYPES[suffix],
    }
    return header, parts


def _check_awaited(given_up: Callable[[], bool]) -> None:
    if given_up():
        raise RefusedError(503, "nobody waits for the picture any more")


def _apply(
    settings: Settings, picture: Picture, mask: NDArray[np.uint8], background: NDArray[np.uint8] | None
) -> NDArray[np.uint8] | None:
    match settings.effect:
        case "blur":
            return compose(picture, mask, "blur", settings.blur_strength)
        case "portrait":
            return compose(picture, mask, "portrait", settings.blur_strength)
        case "colour":
            return compose(picture, mask, settings.colour)
        case "cutout":
            return cut_out(picture.bgr, mask)
        case "picture":
            if background is None:
                raise RefusedError(400, "a picture for the background is missing: send one")
            return compose(picture, mask, background)
    return None
