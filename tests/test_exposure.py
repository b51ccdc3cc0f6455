from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from upperbodyseg import FrameInput, ImageType, SegmenterOptions, UpperBodySegmenter
from upperbodyseg.preprocess.exposure import BRIGHT, MAX_GAIN, exposed
from upperbodyseg.preprocess.letterbox import PADDING, letterbox
from upperbodyseg.preprocess.pixel_format import Frame

U8 = NDArray[np.uint8]


@pytest.fixture(scope="module")
def fast_engine() -> Iterator[UpperBodySegmenter]:
    with UpperBodySegmenter(SegmenterOptions(model="fast")) as engine:
        yield engine


def brightest(bgr: U8) -> float:
    return float(np.percentile(bgr.max(2), 98))


def test_a_dark_pictures_lights_become_bright(astronaut: U8) -> None:
    dark = astronaut // 5
    seen = exposed(dark)
    assert brightest(dark) < 60
    assert abs(brightest(seen) - BRIGHT) < 10
    factor = seen.astype(float).sum() / dark.sum()
    unclipped = seen.max(2) < 255
    assert np.abs(seen - dark * factor)[unclipped].mean() < 4


def test_a_bright_picture_stays_the_same(astronaut: U8) -> None:
    assert exposed(astronaut) is astronaut


def test_a_lamp_in_the_dark_is_not_the_picture(astronaut: U8) -> None:
    dark = astronaut // 5
    with_lamp = dark.copy()
    with_lamp[100:150, 60:110] = 255  # one pixel in a hundred
    away = np.s_[200:, 200:]
    assert np.abs(exposed(with_lamp)[away].astype(int) - exposed(dark)[away]).max() < 25


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (200, 2)])
def test_black_pictures_of_any_size_stay_black(size: tuple[int, int]) -> None:
    assert not exposed(np.zeros((*size, 3), np.uint8)).any()
    assert exposed(np.ones((*size, 3), np.uint8)).max() == MAX_GAIN


def test_the_bars_of_the_letterbox_stay_grey() -> None:
    square, fit = letterbox(Frame(100, 300, ImageType.BGR_888, (np.full((100, 300, 3), 20, np.uint8),)), 192)
    assert (square[: fit.top] == PADDING).all()
    assert (square[fit.top : fit.top + fit.height] == BRIGHT).all()


@pytest.mark.parametrize("still", [True, False])
@pytest.mark.parametrize("divisor", [5, 12])
def test_the_fast_model_sees_a_person_in_the_dark(
    astronaut: U8, fast_engine: UpperBodySegmenter, divisor: int, still: bool
) -> None:
    def person(bgr: U8) -> NDArray[np.bool_]:
        frame = FrameInput.from_array(bgr, is_still=still)
        fast_engine.reset()
        return fast_engine.process(frame).mask >= 128

    bright, dark = person(astronaut), person(astronaut // divisor)
    assert (bright & dark).sum() / (bright | dark).sum() > 0.85


def test_the_callers_frame_is_not_touched(astronaut: U8, fast_engine: UpperBodySegmenter) -> None:
    """Nor when it has the size of a network's input, so that nothing has to be resized."""
    dark = np.ascontiguousarray(astronaut[:256, 90:346] // 5)
    before = dark.copy()
    exposed(dark)
    fast_engine.process(FrameInput.from_array(dark, is_still=True))
    assert (dark == before).all()
