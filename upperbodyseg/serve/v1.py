"""``/v1/mask``, ``/v1/cutout`` and ``/v1/background``: what is asked for, and how it is answered."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping

from upperbodyseg.backgrounds import parse_colour
from upperbodyseg.engine import DEFAULT_BLUR_SIGMA
from upperbodyseg.http.limits import RefusedError
from upperbodyseg.http.pipeline import MEDIA_TYPES, Result, Settings
from upperbodyseg.models.spec import MODELS
from upperbodyseg.pictures import encode_picture
from upperbodyseg.serve.forms import Upload
from upperbodyseg.serve.work import Job
from upperbodyseg.types import PEOPLE

__all__ = ["ANSWERS", "choose_media_type", "parse_job"]

JSON = "application/json"
ANSWERS = ("image/png", "image/webp", "image/jpeg", JSON)
"""Media types of an answer; of those that a client likes equally, the first."""

_SUFFIXES = {media_type: suffix for suffix, media_type in MEDIA_TYPES.items()}


def parse_job(effect: str, upload: Upload, values: Mapping[str, str], model: str, accept: str) -> Job:
    """What a request asks for.

    Args:
        effect: "mask", "cutout" or "background".
        upload: its files.
        values: fields of the query and of the form.
        model: the service's own.
        accept: the Accept header.

    Raises:
        RefusedError: a value that can't be used (400), no picture (400), or no media type fits (406).
    """
    if "file" not in upload.files:
        raise RefusedError(400, "send a picture as the body, or as the form's part 'file'")
    media_type = choose_media_type(accept, transparent=effect == "cutout")
    name = values.get("model", model)
    if name not in MODELS:
        raise RefusedError(400, f"model must be one of {', '.join(MODELS)}, got {name[:40]!r}")
    people = values.get("people")
    if people is not None and people not in PEOPLE:
        raise RefusedError(400, f"people must be one of {', '.join(PEOPLE)}, got {people[:40]!r}")
    colour, background = (0, 0, 0), upload.files.get("background")
    if effect == "background":
        effect, colour = _background(values.get("background", ""), background)
    sigma = _blur_sigma(values.get("blur_sigma", ""))
    settings = Settings(effect=effect, blur_sigma=sigma, model=name, colour=colour, people=people)

    def render(result: Result) -> tuple[bytes, str]:
        pixels = result.mask if result.pixels is None else result.pixels
        if media_type != JSON:
            return encode_picture(pixels, _SUFFIXES[media_type]), media_type
        content = {
            "width": pixels.shape[1],
            "height": pixels.shape[0],
            "persons": [{"box": list(p.box), "score": p.score, "id": p.id} for p in result.output.persons],
            "confidence": result.output.confidence,
            "damaged": result.damaged,
            "timings_ms": result.timings_ms,
            "media_type": "image/png",
            "image": base64.b64encode(encode_picture(pixels)).decode(),
        }
        return json.dumps(content).encode(), JSON

    return Job(upload.files["file"], settings, background if effect == "picture" else None, render)


def _background(text: str, picture: bytes | None) -> tuple[str, tuple[int, int, int]]:
    if picture is not None:
        return "picture", (0, 0, 0)
    if text in ("blur", "portrait"):
        return text, (0, 0, 0)
    colour = parse_colour(text)
    if colour is None:
        raise RefusedError(
            400,
            "background must be 'blur', 'portrait', a colour such as '#00ff00', or a picture in the form's "
            f"part 'background', got {text[:40]!r}",
        )
    return "colour", colour


def _blur_sigma(text: str) -> float:
    try:
        sigma = float(text or DEFAULT_BLUR_SIGMA)
    except ValueError:
        sigma = math.nan
    if not math.isfinite(sigma):
        raise RefusedError(400, f"blur_sigma must be a number of pixels, got {text[:40]!r}")
    return sigma


def choose_media_type(accept: str, *, transparent: bool) -> str:
    """The media type of :data:`ANSWERS` that an Accept header likes best (RFC 9110, section 12.5.1).

    Args:
        accept: the header; "" accepts all.
        transparent: JPEG, which has no alpha, is left out.

    Raises:
        RefusedError: none is accepted (406).
    """
    offered = [answer for answer in ANSWERS if not (transparent and answer == "image/jpeg")]
    ranges = [_media_range(part) for part in accept.split(",") if part.strip()] or [("*/*", 1.0)]
    best, best_quality = "", 0.0
    for answer in offered:
        kind = answer.split("/")[0]
        quality = 0.0
        for pattern in ("*/*", f"{kind}/*", answer):  # the narrowest counts
            for media_range, given in ranges:
                if media_range == pattern:
                    quality = given
        if quality > best_quality:
            best, best_quality = answer, quality
    if not best:
        raise RefusedError(406, f"the answer can be {', '.join(offered)}; Accept lets none of them")
    return best


def _media_range(text: str) -> tuple[str, float]:
    name, *parameters = (part.strip().lower() for part in text.split(";"))
    quality = 1.0
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                quality = min(max(float(parameter[2:]), 0.0), 1.0)
            except ValueError:
                quality = 0.0
    return name, quality if quality == quality else 0.0  # noqa: PLR0124  (NaN)
