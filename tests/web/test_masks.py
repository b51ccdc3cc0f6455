"""The browser's masks beside Python's, of the same weights."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import pytest
from conftest import HELPERS, decoded, encoded
from frames import make_frame
from numpy.typing import NDArray
from pictures import pictures, stream
from web_server import CSP, ISOLATED, WEB, serving

from training.web import pair
from upperbodyseg import FrameInput, ImageBuffer, ImageType, SegmenterOptions, UpperBodySegmenter
from upperbodyseg.geometry import resize

pytest.importorskip("ai_edge_litert", reason="needs the extra litert: LiteRT.js runs the same int8 weights")

U8 = NDArray[np.uint8]

PROCESS = """async ([options, data, frame]) => {
    const seg = await segmenter(options);
    const result = await seg.process({ data: bytes(data), ...frame });
    return { ...result, mask: text(result.mask), threads: seg.threads };
}"""


@pytest.fixture(scope="module")
def python() -> Iterator[UpperBodySegmenter]:
    with UpperBodySegmenter(SegmenterOptions(model="fast", runtime="ai-edge-litert")) as engine:
        yield engine


def in_browser(page: Any, frame: ImageBuffer, image_type: ImageType, options: Any = None, **more: Any) -> Any:
    assert frame.data is not None
    description = {
        "width": frame.width,
        "height": frame.height,
        "stride": frame.step,
        "imageType": int(image_type),
        **more,
    }
    result = page.evaluate(PROCESS, [options or {}, encoded(bytes(frame.data)), description])
    result["mask"] = decoded(result["mask"], frame.height, frame.width)
    return result


def assert_alike(mask: U8, expected: U8) -> None:
    assert mask.shape == expected.shape
    assert np.abs(mask.astype(int) - expected).mean() <= 1
    marked, wanted = mask >= 128, expected >= 128
    assert (marked & wanted).sum() >= 0.99 * (marked | wanted).sum()


def assert_same_persons(found: Any, expected: Any) -> None:
    assert len(found) == len(expected)
    for person, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(person["box"], other.box, atol=2)
        assert person["score"] == pytest.approx(other.score, abs=0.02)


def test_stills_are_pythons(page: Any, python: UpperBodySegmenter, astronaut: U8) -> None:
    frames = pictures(astronaut)
    assert len(frames) == 20
    people = 0
    for bgr in frames.values():
        frame = make_frame(bgr, ImageType.BGR_888)
        got = in_browser(page, frame, ImageType.BGR_888, isStill=True, timestamp=7)
        expected = python.process(FrameInput(frame, 7, ImageType.BGR_888, is_still=True))
        assert (got["success"], got["timestamp"]) == (True, 7)
        assert_alike(got["mask"], expected.mask)
        assert_same_persons(got["persons"], expected.persons)
        people += len(expected.persons)
    assert people >= 20


@pytest.mark.parametrize(
    ("smoothing", "refine", "noise"), [(True, False, 1.5), (False, False, 1.5), (True, True, 14)]
)
def test_streams_are_pythons(page: Any, astronaut: U8, smoothing: bool, refine: bool, noise: float) -> None:
    chosen = SegmenterOptions(
        model="fast", runtime="ai-edge-litert", temporal_smoothing=smoothing, refine=refine
    )
    options = {"temporalSmoothing": smoothing, "refine": refine}
    shown = 0
    with UpperBodySegmenter(chosen) as python:
        for number, bgr in enumerate(stream(astronaut, 40, noise)):
            frame = make_frame(bgr, ImageType.I420)
            got = in_browser(page, frame, ImageType.I420, options, timestamp=number)
            expected = python.process(FrameInput(frame, number, ImageType.I420))
            assert_alike(got["mask"], expected.mask)
            assert_same_persons(got["persons"], expected.persons)
            shown += bool(expected.persons)
    assert 20 < shown < 40


@pytest.mark.parametrize("image_type", list(ImageType))
@pytest.mark.parametrize("padding", [0, 12])
def test_every_layout(
    page: Any, python: UpperBodySegmenter, webcam: U8, image_type: ImageType, padding: int
) -> None:
    for bgr in (webcam, webcam[:357, :633]):
        frame = make_frame(bgr, image_type, padding)
        for still in (True, False):
            got = in_browser(page, frame, image_type, isStill=still)
            expected = python.process(FrameInput(frame, 0, image_type, is_still=still))
            assert expected.persons
            assert_alike(got["mask"], expected.mask)


@pytest.mark.parametrize("sigma", [0, 0.1, 1.7, 4, 9, 60])
def test_blur_sigma(page: Any, python: UpperBodySegmenter, webcam: U8, sigma: float) -> None:
    frame = make_frame(webcam, ImageType.RGBA_8888)
    got = in_browser(page, frame, ImageType.RGBA_8888, isStill=True, blurSigma=sigma)
    expected = python.process(FrameInput(frame, 0, ImageType.RGBA_8888, is_still=True), sigma)
    assert_alike(got["mask"], expected.mask)


@pytest.mark.parametrize(
    ("options", "python_options"),
    [
        ({"refine": True}, {"refine": True}),
        ({"refine": False}, {"refine": False}),
        ({"testTimeAugmentation": True}, {"test_time_augmentation": True}),
        ({"scoreThreshold": 0}, {"score_threshold": 0}),
        ({"scoreThreshold": 0.9}, {"score_threshold": 0.9}),
    ],
)
def test_options(page: Any, astronaut: U8, options: Any, python_options: Any) -> None:
    python = UpperBodySegmenter(SegmenterOptions(model="fast", runtime="ai-edge-litert", **python_options))
    with python:
        for still in (True, False):
            frame = make_frame(pictures(astronaut)["two"], ImageType.BGRA_8888)
            got = in_browser(page, frame, ImageType.BGRA_8888, options, isStill=still)
            expected = python.process(FrameInput(frame, 0, ImageType.BGRA_8888, is_still=still))
            assert_alike(got["mask"], expected.mask)
            assert len(got["persons"]) == len(expected.persons)


def test_threads_are_used_where_the_page_is_isolated(
    page: Any, isolated_page: Any, python: UpperBodySegmenter, webcam: U8
) -> None:
    frame = make_frame(webcam, ImageType.RGB_888)
    expected = python.process(FrameInput(frame, 0, ImageType.RGB_888, is_still=True))
    for where, threads in ((page, 1), (isolated_page, 2)):
        got = in_browser(where, frame, ImageType.RGB_888, {"threads": 2}, isStill=True)
        assert got["threads"] == threads
        assert_alike(got["mask"], expected.mask)


# As Safari and Firefox: they lack the one, the other, or both.
OTHER_BROWSER = b"WebAssembly.validate = () => false; delete self.GPUBuffer;\n"


@pytest.mark.parametrize("headers", [{}, ISOLATED])
def test_browsers_without_relaxed_simd_and_webgpu_give_the_same_masks(
    browser: Any, python: UpperBodySegmenter, astronaut: U8, headers: dict[str, str]
) -> None:
    worker = OTHER_BROWSER + (WEB / "src" / "worker.js").read_bytes()
    files = {"/src/worker.js": worker}
    with (
        serving({"Content-Security-Policy": CSP, **headers}, files) as host,
        browser.new_context() as context,
    ):
        page = context.new_page()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url.rpartition(".")[-1]))
        page.goto(f"{host}/blank")
        page.evaluate(HELPERS)
        for bgr in list(pictures(astronaut).values())[::4]:
            frame = make_frame(bgr, ImageType.BGR_888)
            got = in_browser(page, frame, ImageType.BGR_888, isStill=True)
            expected = python.process(FrameInput(frame, 0, ImageType.BGR_888, is_still=True))
            assert got["threads"] == 1
            assert_alike(got["mask"], expected.mask)
            assert_same_persons(got["persons"], expected.persons)
        assert "strict" in asked


PICTURE = """async ([data, width, height, kind]) => {
    const { UpperBodySegmenter } = await import("/index.js");
    const seg = await UpperBodySegmenter.create();
    const image = new ImageData(Uint8ClampedArray.from(bytes(data)), width, height);
    let picture = image;
    if (kind === "ImageBitmap") picture = await createImageBitmap(image);
    const init = { codedWidth: width, codedHeight: height, timestamp: 0 };
    if (kind === "VideoFrame") picture = new VideoFrame(image.data, { format: "RGBA", ...init });
    if (kind === "I420" || kind === "NV12") {
        const colorSpace = { matrix: "smpte170m", fullRange: false };
        picture = new VideoFrame(bytes(data), { format: kind, colorSpace, ...init });
    }
    const first = await seg.process(picture, { isStill: true, timestamp: 3 });
    const again = await seg.process(picture, { isStill: true, timestamp: 3 });  // still the caller's
    picture.close?.();
    await seg.close();
    const same = text(again.mask) === text(first.mask);
    return [text(first.mask), first.width, first.height, first.timestamp, same];
}"""


@pytest.mark.parametrize("kind", ["ImageData", "ImageBitmap", "VideoFrame", "I420", "NV12"])
def test_the_browsers_own_pictures(page: Any, python: UpperBodySegmenter, webcam: U8, kind: str) -> None:
    image_type = ImageType[kind] if kind in ("I420", "NV12") else ImageType.RGBA_8888
    frame = make_frame(webcam, image_type)
    height, width = webcam.shape[:2]
    if image_type.is_yuv:
        script = PICTURE.replace(
            "Uint8ClampedArray.from(bytes(data))", "new Uint8ClampedArray(4 * width * height)"
        )
    else:
        script = PICTURE
    mask, *size, timestamp, same = page.evaluate(script, [encoded(bytes(frame.data)), width, height, kind])
    expected = python.process(FrameInput(frame, 0, image_type, is_still=True))
    assert (size, timestamp, same) == ([width, height], 3, True)
    assert_alike(decoded(mask, height, width), expected.mask)


def test_a_video_frame_of_another_colour_space_is_read_by_it(page: Any, webcam: U8) -> None:
    height, width = webcam.shape[:2]
    frame = make_frame(webcam, ImageType.I420)
    script = PICTURE.replace(
        "Uint8ClampedArray.from(bytes(data))", "new Uint8ClampedArray(4 * width * height)"
    )
    wide = script.replace('matrix: "smpte170m", fullRange: false', 'matrix: "bt709", fullRange: true')
    mask, *_ = page.evaluate(wide, [encoded(bytes(frame.data)), width, height, "I420"])
    assert (decoded(mask, height, width) >= 128).mean() > 0.1


def test_the_accurate_pair_from_another_folder(browser: Any, webcam: U8) -> None:
    files = {f"/pairs/accurate/{name}": content for name, content in pair("accurate").items()}
    with serving({"Content-Security-Policy": CSP}, files) as host, browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{host}/blank")
        page.evaluate(HELPERS)
        options = {"model": "accurate", "weightsPath": "/pairs"}
        frame = make_frame(webcam, ImageType.RGBA_8888)
        with UpperBodySegmenter(SegmenterOptions(runtime="ai-edge-litert")) as python:
            for still in (True, False):
                got = in_browser(page, frame, ImageType.RGBA_8888, options, isStill=still)
                expected = python.process(FrameInput(frame, 0, ImageType.RGBA_8888, is_still=still))
                assert_alike(got["mask"], expected.mask)


RESIZE = """async ([data, width, height, channels, toWidth, toHeight, quick]) => {
    const { packed, resize } = await import("/src/resize.js");
    const order = [...Array(channels).keys()];
    const out = new Uint8Array(toWidth * toHeight * channels);
    return text(resize(packed(bytes(data), width, height, channels), toWidth, toHeight, out, order, quick));
}"""


@pytest.mark.parametrize("quick", [False, True])
@pytest.mark.parametrize(
    "size", [(160, 160), (72, 128), (512, 512), (700, 900), (300, 64), (31, 1001), (2, 2)]
)
def test_resizing_is_opencvs(page: Any, astronaut: U8, size: tuple[int, int], quick: bool) -> None:
    height, width = size
    for picture in (astronaut, astronaut[:77, :131], astronaut[:1, :9], astronaut[:9, :1]):
        whole = np.ascontiguousarray(picture)
        given = [encoded(whole), whole.shape[1], whole.shape[0], 3, width, height, quick]
        got = decoded(page.evaluate(RESIZE, given), height, width, 3)
        expected = resize(whole, height, width, quick=quick)
        assert np.abs(got.astype(int) - expected).max() <= 1


BLUR = """async ([data, width, height, sigma]) => {
    const { packed } = await import("/src/resize.js");
    const { gaussianBlur } = await import("/src/blur.js");
    const out = new Uint8Array(width * height);
    const radius = Math.ceil(3 * sigma - 0.5);
    gaussianBlur(packed(bytes(data), width, height), packed(out, width, height), sigma, radius);
    return text(out);
}"""


@pytest.mark.parametrize("sigma", [0.5, 1, 2.3, 4])
def test_blurring_is_opencvs(page: Any, astronaut: U8, sigma: float) -> None:
    for grey in (astronaut[..., 1], astronaut[:1, :40, 0], astronaut[:40, :1, 0]):
        plane = np.ascontiguousarray(grey)
        height, width = plane.shape
        got = decoded(page.evaluate(BLUR, [encoded(plane), width, height, sigma]), height, width)
        side = 2 * int(np.ceil(3 * sigma - 0.5)) + 1
        expected = cv2.GaussianBlur(plane, (side, side), sigma, borderType=cv2.BORDER_REPLICATE)
        assert np.abs(got.astype(int) - expected).max() <= 1
