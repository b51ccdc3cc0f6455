"""What the effects take beside the model: ``pytest benchmarks/test_effects.py``.

1280 x 720, one OpenCV thread, one person with the soft edge that the accurate model gives. The model's share
is ``test_frame`` in ``test_latency.py``.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.webcam import webcam_picture
from upperbodyseg import segment
from upperbodyseg.effects import blur_background, cut_out, portrait_blur, replace_background

U8 = NDArray[np.uint8]
HEIGHT, WIDTH = 720, 1280

ROOM = np.random.default_rng(0).integers(0, 256, (1080, 1920, 3), np.uint8)

EFFECTS: dict[str, Callable[[U8, U8, U8], U8]] = {
    "colour": lambda image, mask, out: replace_background(image, mask, (0, 255, 0), out=out),
    "picture of the frame's size": lambda image, mask, out: replace_background(
        image, mask, ROOM[:HEIGHT, :WIDTH], out=out
    ),
    "picture of 1920x1080": lambda image, mask, out: replace_background(image, mask, ROOM, out=out),
    "picture, light wrap": lambda image, mask, out: replace_background(
        image, mask, ROOM[:HEIGHT, :WIDTH], light_wrap=0.5, out=out
    ),
    "blur": lambda image, mask, out: blur_background(image, mask, out=out),
    "blur, sigma 3": lambda image, mask, out: blur_background(image, mask, 3, out=out),
    "blur, sigma 12": lambda image, mask, out: blur_background(image, mask, 12, out=out),
    "blur, sigma 100": lambda image, mask, out: blur_background(image, mask, 100, out=out),
    "portrait 0.2": lambda image, mask, out: portrait_blur(image, mask, 0.2, out=out),
    "portrait 0.5": lambda image, mask, out: portrait_blur(image, mask, 0.5, out=out),
    "portrait 1": lambda image, mask, out: portrait_blur(image, mask, 1, out=out),
    "cut-out": lambda image, mask, _: cut_out(image, mask),
}


@pytest.fixture(scope="module")
def mask() -> U8:
    return segment(webcam_picture(HEIGHT, WIDTH))


@pytest.mark.parametrize("effect", EFFECTS)
@pytest.mark.benchmark(group="effects, 1280x720")
def test_effect(benchmark: BenchmarkFixture, effect: str, mask: U8) -> None:
    image = webcam_picture(HEIGHT, WIDTH)
    out = np.empty_like(image)
    shown = benchmark(EFFECTS[effect], image, mask, out)
    assert shown.shape[:2] == (HEIGHT, WIDTH)
