"""``/api/remove``, as clients of rembg's server ask it."""

from __future__ import annotations

import math
from collections.abc import Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from upperbodyseg.http.limits import RefusedError
from upperbodyseg.http.pipeline import Result, Settings
from upperbodyseg.models.spec import MODELS
from upperbodyseg.pictures import encode_picture
from upperbodyseg.serve.work import Job

__all__ = ["FOREIGN_MODELS", "parse_job"]

FOREIGN_MODELS = frozenset(
    (
        *("atlascloud", "ben_custom", "birefnet-cod", "birefnet-dis", "birefnet-general"),
        *("birefnet-general-fp16", "birefnet-general-lite", "birefnet-hrsod", "birefnet-massive"),
        *("birefnet-portrait", "bria-rmbg", "dis_custom", "isnet-anime", "isnet-general-use", "sam"),
        *("silueta", "u2net", "u2net_cloth_seg", "u2net_custom", "u2net_human_seg", "u2netp", "withoutbg"),
    )
)
"""Models that rembg has. For each of them the service's own model answers."""

_YES, _NO = ("1", "true", "t", "yes", "y", "on"), ("0", "false", "f", "no", "n", "off")


def parse_job(content: bytes, values: Mapping[str, str], model: str) -> Job:
    """What a request asks for.

    Alpha matting and refinement of edges (``a``, ``af``, ``ab``, ``ae``, ``dc``, ``vm``) are checked and have
    no effect: the mask's edges are soft and follow the picture, and the cut-out's colours are the person's
    own already. ``extras`` is ignored.

    Args:
        content: the picture.
        values: fields of the query and of the form. An empty one counts as left out, as with rembg: pages
            send all that their forms have.
        model: the service's own.

    Raises:
        RefusedError: a value that rembg refuses too (422).
    """
    values = {name: value for name, value in values.items() if value}
    name = values.get("model", model)
    if name not in MODELS and name not in FOREIGN_MODELS:
        raise RefusedError(422, f"model must be {', '.join(MODELS)} or a model of rembg, got {name[:40]!r}")
    for switch in ("a", "dc", "vm"):
        _switch(values, switch)
    for number, most in (("af", 255), ("ab", 255), ("ae", None)):
        _number(values, number, most)
    only_mask, hard = _switch(values, "om"), _switch(values, "ppm")
    colour = _colour(values.get("bgc", ""))
    settings = Settings(effect="mask" if only_mask else "cutout", model=name if name in MODELS else model)

    def render(result: Result) -> tuple[bytes, str]:
        if result.pixels is None:
            return encode_picture(_harden(result.mask) if hard else result.mask), "image/png"
        cutout = result.pixels
        if hard:
            cutout[..., 3] = _harden(cutout[..., 3])
        return encode_picture(cutout if colour is None else _lay_on(cutout, colour)), "image/png"

    return Job(content, settings, None, render)


def _switch(values: Mapping[str, str], name: str) -> bool:
    text = values.get(name, "false").lower()
    if text not in _YES + _NO:
        raise RefusedError(422, f"{name} must be true or false, got {text[:40]!r}")
    return text in _YES


def _number(values: Mapping[str, str], name: str, most: int | None) -> None:
    text = values.get(name, "0")
    try:
        number = float(text)  # rembg takes "240.0", too
    except ValueError:
        number = math.nan
    if not (number.is_integer() and 0 <= number <= (math.inf if most is None else most)):
        upper = "" if most is None else f" to {most}"
        raise RefusedError(422, f"{name} must be a whole number from 0{upper}, got {text[:40]!r}")


def _colour(text: str) -> tuple[int, int, int, int] | None:
    """``red,green,blue`` or ``red,green,blue,alpha``."""
    if not text:
        return None
    numbers = [part.strip() for part in text.split(",")]
    if len(numbers) not in (3, 4) or not all(
        n.isascii() and n.isdigit() and len(n) < 4 and int(n) <= 255 for n in numbers
    ):
        raise RefusedError(422, f"bgc must be red,green,blue,alpha, each from 0 to 255, got {text[:40]!r}")
    red, green, blue, alpha = map(int, [*numbers, "255"][:4])
    return red, green, blue, alpha


def _harden(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return cv2.threshold(mask, 127, 255, cv2.THRESH_BINARY)[1]


def _lay_on(cutout: NDArray[np.uint8], colour: tuple[int, int, int, int]) -> NDArray[np.uint8]:
    """A cut-out over a colour, ``(H, W, 4)`` BGRA; neither is premultiplied."""
    red, green, blue, alpha = colour
    upper = cutout[..., 3:].astype(np.float32) / 255
    lower = (1 - upper) * (alpha / 255)
    total = upper + lower
    tint = np.array((blue, green, red), np.float32)
    mixed = (cutout[..., :3] * upper + tint * lower) / np.maximum(total, 1e-6)
    laid: NDArray[np.uint8] = (
        np.concatenate([mixed + 0.5, total * 255 + 0.5], axis=2).clip(0, 255).astype(np.uint8)
    )
    return laid
