"""Reading picture files of 12 megapixels, alone and in a whole run, beside OpenCV's own reader.

``pytest benchmarks/test_pictures.py``; the figures are milliseconds a photo, but of the folder.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from pytest_benchmark.fixture import BenchmarkFixture
from skimage import data

from upperbodyseg.cli import main
from upperbodyseg.pictures import decode_picture, encode_picture

U8 = NDArray[np.uint8]
SIZE = 4000, 3000
PHOTOS = 4


@pytest.fixture(scope="module")
def photo() -> U8:
    """The astronaut at 12 megapixels, with a sensor's noise."""
    large = cv2.resize(data.astronaut()[..., ::-1], SIZE, interpolation=cv2.INTER_CUBIC)
    noise = np.random.default_rng(0).normal(0, 4, (*large.shape[:2], 1))
    return (large + noise).clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def jpeg(photo: U8) -> bytes:
    return encode_picture(photo, ".jpg", quality=92)


def test_decode(benchmark: BenchmarkFixture, jpeg: bytes) -> None:
    picture = benchmark.pedantic(decode_picture, (jpeg,), rounds=10, warmup_rounds=1)
    assert picture.bgr.shape == (*SIZE[::-1], 3)


def test_decode_with_opencv(benchmark: BenchmarkFixture, jpeg: bytes) -> None:
    content = np.frombuffer(jpeg, np.uint8)
    picture = benchmark.pedantic(cv2.imdecode, (content, cv2.IMREAD_COLOR), rounds=10, warmup_rounds=1)
    np.testing.assert_array_equal(picture, decode_picture(jpeg).bgr)


def test_segment_a_folder(benchmark: BenchmarkFixture, jpeg: bytes, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(PHOTOS):
        (photos / f"{number}.jpg").write_bytes(jpeg)
    arguments = ["segment", str(photos), "-o", str(tmp_path / "masks")]
    code = benchmark.pedantic(main, (arguments,), rounds=3, warmup_rounds=1)
    assert code == 0
    assert len(list((tmp_path / "masks").iterdir())) == PHOTOS
