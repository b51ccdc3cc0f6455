from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import settings
from numpy.typing import NDArray
from skimage import data

from upperbodyseg import SegmenterOptions, UpperBodySegmenter
from upperbodyseg.models.interpreter import RUNTIMES, available_runtimes

# How long an example takes is the machine's affair.
settings.register_profile("tests", deadline=None)
settings.load_profile("tests")

ROOT = Path(__file__).parent.parent
DATA = Path(os.environ.get("UPPERBODYSEG_DATA", ROOT.parent / "shared" / "data"))


@pytest.fixture(scope="session")
def labelled_data() -> Path:
    if not (DATA / "manifest.csv").exists():
        pytest.skip(f"no labelled pictures at {DATA}; set UPPERBODYSEG_DATA to a folder with manifest.csv")
    return DATA


@pytest.fixture(scope="session")
def astronaut() -> NDArray[np.uint8]:
    """A photograph of a woman, waist up, BGR 512 x 512 (NASA, public domain); read-only."""
    bgr: NDArray[np.uint8] = np.ascontiguousarray(data.astronaut()[..., ::-1])
    bgr.flags.writeable = False
    return bgr


@pytest.fixture(scope="session")
def portrait(astronaut: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Her head and shoulders, BGR 331 x 311, without flag, rocket and helmet."""
    return astronaut[:331, 80:391]


@pytest.fixture(scope="session")
def webcam(astronaut: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The same person at a webcam's scale and format, BGR 360 x 640."""
    frame = np.full((360, 640, 3), (150, 140, 130), np.uint8)
    frame[:, 140:500] = cv2.resize(astronaut, (360, 360), interpolation=cv2.INTER_AREA)
    frame.flags.writeable = False
    return frame


@pytest.fixture(scope="session")
def room() -> NDArray[np.uint8]:
    """A picture without people: a wall, a floor, a window and a table."""
    room = np.full((360, 640, 3), (190, 200, 205), np.uint8)
    room[260:] = (70, 100, 130)
    cv2.rectangle(room, (400, 60), (560, 180), (230, 200, 160), -1)
    cv2.rectangle(room, (80, 230), (300, 250), (40, 60, 90), -1)
    return cv2.GaussianBlur(room, (0, 0), 1)


@pytest.fixture(scope="session", params=RUNTIMES)
def runtime(request: pytest.FixtureRequest) -> str:
    if request.param not in available_runtimes():
        pytest.skip(f"{request.param} is not installed")
    return str(request.param)


@pytest.fixture(scope="session")
def runtime_engine(runtime: str) -> Iterator[UpperBodySegmenter]:
    """An engine on each installed runtime in turn."""
    with UpperBodySegmenter(SegmenterOptions(runtime=runtime)) as engine:
        yield engine


@pytest.fixture(scope="session")
def engine() -> Iterator[UpperBodySegmenter]:
    with UpperBodySegmenter() as engine:
        yield engine


@pytest.fixture(scope="session")
def eager() -> Iterator[UpperBodySegmenter]:
    """An engine that takes anything for a person."""
    with UpperBodySegmenter(SegmenterOptions(score_threshold=0)) as engine:
        yield engine


@pytest.fixture
def heeded_interrupts() -> Iterator[None]:
    """A shell that runs the tests in the background tells them, and so their children, to ignore SIGINT."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def nothing_else_to_cut() -> Iterator[None]:
    """Without what a cut would hit besides: the garbage collector's callbacks (Hypothesis has one), and the
    measuring of coverage, which would keep its lock for ever."""
    coverage = getattr(sys.modules.get("coverage"), "Coverage", None)
    measuring = coverage.current() if coverage else None
    if measuring is not None:
        measuring.stop()
    callbacks = gc.callbacks[:]
    gc.collect()
    gc.callbacks.clear()
    gc.disable()
    yield
    gc.enable()
    gc.callbacks.extend(callbacks)
    if measuring is not None:
        measuring.start()
