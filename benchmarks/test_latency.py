"""Latency: ``pytest benchmarks`` (add ``--benchmark-json FILE`` to keep the figures).

One thread but where two are named. Ratios within one run say more than times: machines differ, and so does
what else they are doing.
"""

from __future__ import annotations

import subprocess
import sys

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from pytest_benchmark.fixture import BenchmarkFixture
from skimage import data

from benchmarks.webcam import webcam_picture
from upperbodyseg import FrameInput, ImageBuffer, ImageType, SegmenterOptions, UpperBodySegmenter
from upperbodyseg.buffers import Buffers
from upperbodyseg.engine import DEFAULT_BLUR_SIGMA
from upperbodyseg.geometry import Region
from upperbodyseg.models.interpreter import RUNTIMES, Interpreter, available_runtimes, choose_runtime
from upperbodyseg.models.spec import DETECTOR, MODELS, SEGMENTER, WEIGHTS, load_spec, load_weights
from upperbodyseg.postprocess.detections import decode_detections
from upperbodyseg.postprocess.mask import Part, cells_to_pixels, compose_mask
from upperbodyseg.preprocess.exposure import exposed
from upperbodyseg.preprocess.letterbox import letterbox
from upperbodyseg.preprocess.pixel_format import open_frame

SIZES = {"640x480": (480, 640), "1280x720": (720, 1280), "1920x1080": (1080, 1920)}


def in_layout(bgr: NDArray[np.uint8], image_type: ImageType) -> ImageBuffer:
    """The picture in a layout; of the 4:2:0 ones by way of OpenCV's I420."""
    codes = {
        ImageType.RGB_888: cv2.COLOR_BGR2RGB,
        ImageType.RGBA_8888: cv2.COLOR_BGR2RGBA,
        ImageType.BGRA_8888: cv2.COLOR_BGR2BGRA,
    }
    if image_type is ImageType.BGR_888:
        array = bgr
    elif not image_type.is_yuv:
        array = cv2.cvtColor(bgr, codes[image_type])
    else:
        height, width = bgr.shape[:2]
        array = cv2.cvtColor(bgr, cv2.COLOR_BGR2YUV_I420)
        if image_type is not ImageType.I420:
            u, v = array[height:].reshape(2, -1)
            pairs = (v, u) if image_type is ImageType.YUV_420_888 else (u, v)
            array[height:] = np.stack(pairs, -1).reshape(-1, width)
    return ImageBuffer.view(array, image_type=image_type)


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("name", [DETECTOR, SEGMENTER])
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("num_threads", [1, 2])
@pytest.mark.benchmark(group="model alone")
def test_model(benchmark: BenchmarkFixture, num_threads: int, model: str, name: str, runtime: str) -> None:
    if runtime not in available_runtimes():
        pytest.skip(f"{runtime} is not installed")
    spec = load_spec(name, runtime, WEIGHTS / model)
    interpreter = Interpreter(spec, load_weights(spec), num_threads=num_threads)
    _, height, width, _ = spec.input_shape
    picture = cv2.resize(data.astronaut(), (width, height))
    output = benchmark(interpreter.run, picture)
    assert output.shape == spec.output_shape[1:]


# The stages round the models, as the engine calls them, on one person in a BGR frame.


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.benchmark(group="stages")
def test_letterbox(benchmark: BenchmarkFixture, size: str) -> None:
    frame = open_frame(ImageBuffer.view(webcam_picture(*SIZES[size])), ImageType.BGR_888, 10**8)
    square, _ = benchmark(letterbox, frame, 192)
    assert square.shape == (192, 192, 3)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.benchmark(group="stages")
def test_read_region(benchmark: BenchmarkFixture, size: str) -> None:
    frame = open_frame(ImageBuffer.view(webcam_picture(*SIZES[size])), ImageType.BGR_888, 10**8)
    bgr = benchmark(frame.read_bgr, person_region(*SIZES[size]), 256, 256)
    assert bgr.shape == (256, 256, 3)


@pytest.mark.benchmark(group="stages")
def test_make_brighter(benchmark: BenchmarkFixture) -> None:
    bgr = cv2.resize(webcam_picture(720, 1280), (256, 256)) // 5
    assert benchmark(exposed, bgr).mean() > 2 * bgr.mean()


@pytest.mark.benchmark(group="stages")
def test_decode(benchmark: BenchmarkFixture) -> None:
    spec = load_spec(DETECTOR, choose_runtime("auto"))
    frame = open_frame(ImageBuffer.view(webcam_picture(720, 1280)), ImageType.BGR_888, 10**8)
    square, fit = letterbox(frame, spec.input_shape[1])
    output = Interpreter(spec, load_weights(spec)).run(square)
    found = benchmark(decode_detections, output, spec.stride, spec.unit, fit, (720, 1280))
    assert found


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.benchmark(group="stages")
def test_compose_and_blur(benchmark: BenchmarkFixture, size: str) -> None:
    cells = np.random.default_rng(0).integers(0, 256, (128, 128, 4), np.uint8)
    region = person_region(*SIZES[size])

    out, buffers = np.zeros(SIZES[size], np.uint8), Buffers()

    def compose() -> None:
        compose_mask([Part(region, cells_to_pixels(cells))], DEFAULT_BLUR_SIGMA, out, buffers)

    benchmark(compose)
    assert out.any()


def person_region(height: int, width: int) -> Region:
    side = height * 9 // 10
    left = (width - side) // 2
    return Region(left, height - side, left + side, height)


@pytest.mark.parametrize("image_type", ImageType, ids=lambda t: t.name)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("kind", ["still", "stream"])
@pytest.mark.benchmark(group="whole frame")
def test_frame(benchmark: BenchmarkFixture, kind: str, model: str, size: str, image_type: ImageType) -> None:
    picture = in_layout(webcam_picture(*SIZES[size]), image_type)
    frame = FrameInput(picture, 0, image_type, is_still=kind == "still")
    with UpperBodySegmenter(SegmenterOptions(model=model, num_threads=1)) as engine:
        output = benchmark(engine.process, frame)
    assert output.mask.shape == SIZES[size]
    assert output.persons
    benchmark.extra_info["timings_ms"] = dict(output.timings_ms)


@pytest.mark.benchmark(group="import")
@pytest.mark.parametrize("modules", ["cv2, numpy", "upperbodyseg"])
def test_import(benchmark: BenchmarkFixture, modules: str) -> None:
    """A new process each time: Python's own start is part of both figures."""
    benchmark.pedantic(
        subprocess.run,
        ([sys.executable, "-c", f"import {modules}"],),
        {"check": True},
        rounds=7,
        warmup_rounds=1,
    )
