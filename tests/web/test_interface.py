"""What a page calls: errors, order, lifetime, memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from conftest import HELPERS, decoded, encoded
from frames import make_frame
from numpy.typing import NDArray
from web_server import CSP, WEB, serving

from upperbodyseg import ImageType

U8 = NDArray[np.uint8]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ("null", "options must be an object"),
        ("{ model: 'slow' }", "model must be one of accurate, fast"),
        ("{ threads: 0 }", "threads must be a whole number from 1"),
        ("{ threads: 1.5 }", "threads must be a whole number"),
        ("{ scoreThreshold: 2 }", "scoreThreshold must be a number from 0 to 1"),
        ("{ scoreThreshold: NaN }", "scoreThreshold must be a number"),
        ("{ refine: 1 }", "refine must be true, false or null"),
        ("{ temporalSmoothing: 'yes' }", "temporalSmoothing must be true or false"),
        ("{ maxPixels: -1 }", "maxPixels must be a whole number"),
        ("{ wasmPath: 'http://[' }", "wasmPath must be a folder's URL"),
        ("{ packagePath: 'http://[' }", "packagePath must be a folder's URL"),
        ("{ colour: 'red' }", "no option colour"),
    ],
)
def test_options_that_cannot_be_used(page: Any, options: str, text: str) -> None:
    script = f"""() => errorOf(async () => {{
        const {{ UpperBodySegmenter }} = await import("/index.js");
        return UpperBodySegmenter.create({options});
    }})"""
    name, message = page.evaluate(script)
    assert name == "InputError"
    assert text in message


GOOD = "{ data: new Uint8Array(4 * 8 * 6), width: 8, height: 6 }"


@pytest.mark.parametrize(
    ("frame", "text"),
    [
        ("undefined", "frame must be a picture"),
        ("'frame'", "frame must be a picture"),
        ("{}", "width must be a whole number, got undefined"),
        ("{ width: 8, height: 6 }", "data must hold bytes"),
        ("{ data: [1, 2], width: 8, height: 6 }", "data must hold bytes"),
        ("{ data: new Float32Array(192), width: 8, height: 6 }", "data must hold bytes"),
        ("{ data: new Uint8Array(192), width: 0, height: 6 }", "width must be from 1"),
        ("{ data: new Uint8Array(192), width: 8.5, height: 6 }", "width must be a whole number"),
        ("{ data: new Uint8Array(192), width: 8, height: -6 }", "height must be from 1"),
        ("{ data: new Uint8Array(191), width: 8, height: 6 }", "data holds 191 bytes"),
        ("{ data: new Uint8Array(192), width: 8, height: 6, stride: 31 }", "stride is 31 bytes"),
        ("{ data: new Uint8Array(192), width: 8, height: 6, imageType: 7 }", "imageType must be one of"),
        ("{ data: new Uint8Array(192), width: 8, height: 6, imageType: 'RGB' }", "imageType must be one of"),
        ("{ data: new Uint8Array(70), width: 8, height: 6, imageType: 2 }", "takes 72"),
        (
            "{ data: new Uint8Array(200), width: 7, height: 5, stride: 7, imageType: 5 }",
            "a chroma row of 4 pairs",
        ),
        ("{ data: new Uint8Array(71), width: 8, height: 6, imageType: 'I420' }", "takes 72"),
        (f"{{ ...{GOOD}, blurSigma: -1 }}", "blurSigma must be a number of pixels"),
        (f"{{ ...{GOOD}, blurSigma: NaN }}", "blurSigma must be a number of pixels"),
        (f"{{ ...{GOOD}, isStill: 1 }}", "isStill must be true or false"),
        (f"{{ ...{GOOD}, timestamp: 'now' }}", "timestamp must be a number"),
        ("await closedBitmap()", "ImageBitmap was closed"),
        ("await closedVideoFrame()", "VideoFrame was closed"),
    ],
)
def test_frames_that_cannot_be_used(page: Any, frame: str, text: str) -> None:
    script = f"""async () => {{
        const closedBitmap = async () => {{
            const bitmap = await createImageBitmap(new ImageData(8, 6));
            bitmap.close();
            return bitmap;
        }};
        const closedVideoFrame = async () => {{
            const init = {{ format: "RGBA", codedWidth: 8, codedHeight: 6, timestamp: 0 }};
            const frame = new VideoFrame(new Uint8Array(192), init);
            frame.close();
            return frame;
        }};
        const seg = await segmenter({{}});
        const failed = await errorOf(async () => seg.process({frame}));
        const {{ mask }} = await seg.process({GOOD});
        return [...failed, mask.length];
    }}"""
    name, message, pixels = page.evaluate(script)
    assert name == "InputError"
    assert text in message
    assert pixels == 48  # the segmenter goes on


def test_large_frames_are_refused_by_their_size_alone(page: Any) -> None:
    script = """async () => {
        const seg = await segmenter({ maxPixels: 1000 });
        const image = new ImageData(40, 30);
        return [
            await errorOf(() => seg.process(image)),
            await errorOf(async () => seg.process(await createImageBitmap(image))),
            await errorOf(() => seg.process({ ...image, data: new Uint8Array(1), width: 40000, height: 1 })),
        ];
    }"""
    for name, message in page.evaluate(script):
        assert name == "ImageTooLargeError"
        assert "at most" in message


def test_errors_are_of_their_classes(page: Any) -> None:
    script = """async () => {
        const { InputError, UpperBodySegError, UpperBodySegmenter } = await import("/index.js");
        try { await UpperBodySegmenter.create({ model: "slow" }); }
        catch (error) { return [InputError, UpperBodySegError, Error].map((Kind) => error instanceof Kind); }
    }"""
    assert page.evaluate(script) == [True, True, True]


def test_missing_and_damaged_files_are_told(browser: Any) -> None:
    weights = WEB / "weights" / "fast"
    content = {file.name: file.read_bytes() for file in weights.iterdir()}
    damaged = bytearray(content["person_segmenter_float_io.tflite"])
    damaged[5000] ^= 1
    swapped = content["person_detector.json"].replace(b'"stride": 8', b'"stride": 16')
    files = {
        **{f"/damaged/fast/{name}": data for name, data in content.items()},
        "/damaged/fast/person_segmenter_float_io.tflite": bytes(damaged),
        **{f"/other/fast/{name}": data for name, data in content.items()},
        "/other/fast/person_detector.json": swapped,
        "/text/fast/person_detector.json": b"<html>not found</html>",
    }
    cases = (
        ("packagePath: '/nowhere'", "ModelNotFoundError", "/nowhere/src/worker.js failed"),
        ("wasmPath: '/nowhere'", "ModelNotFoundError", "check wasmPath"),
        ("weightsPath: '/nowhere'", "ModelNotFoundError", "status 404"),
        ("model: 'accurate', weightsPath: '/none'", "ModelNotFoundError", "person_detector.json"),
        ("weightsPath: '/damaged'", "ModelFormatError", "expected sha256"),
        ("weightsPath: '/other'", "ModelFormatError", "person_detector"),
        ("weightsPath: '/text'", "ModelFormatError", "no model description"),
    )
    with serving({"Content-Security-Policy": CSP}, files) as host, browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{host}/blank")
        page.evaluate(HELPERS)
        for options, expected, text in cases:
            name, message = page.evaluate(
                f"""() => errorOf(async () => {{
                    const {{ UpperBodySegmenter }} = await import("/index.js");
                    return UpperBodySegmenter.create({{ {options} }});
                }})"""
            )
            assert (name, text in message) == (expected, True), message


def test_frames_keep_their_order_and_memory_stays_the_callers(page: Any, webcam: U8) -> None:
    frame = make_frame(webcam, ImageType.RGBA_8888)
    script = """async ([data, width, height]) => {
        const { UpperBodySegmenter } = await import("/index.js");
        const seg = await UpperBodySegmenter.create();
        const frame = bytes(data);
        const order = [];
        const all = [0, 1, 2, 3, 4].map(async (timestamp) => {
            const result = await seg.process({ data: frame, width, height, timestamp, isStill: true });
            order.push(result.timestamp);
            return result;
        });
        const busy = seg.isProcessing;
        frame.fill(0);  // each call has its own copy
        const results = await Promise.all(all);
        const empty = await seg.process({ data: frame, width, height, isStill: true });
        const masks = new Set(results.map(({ mask }) => text(mask)));
        await seg.close();
        return [order, busy, seg.isProcessing, masks.size, results[0].persons.length, empty.persons.length];
    }"""
    given = [encoded(bytes(frame.data)), frame.width, frame.height]
    assert page.evaluate(script, given) == [[0, 1, 2, 3, 4], True, False, 1, 1, 0]


def test_a_bundle_runs_the_package_from_another_folder(browser: Any) -> None:
    """A bundler moves index.js away from the worker, the WebAssembly and the weights."""
    bundle = (WEB / "index.js").read_text(encoding="utf-8").replace('from "./src/', 'from "/src/')
    original = (WEB / "original.js").read_text(encoding="utf-8").replace('from "./src/', 'from "/src/')
    files = {"/assets/index.js": bundle.encode(), "/assets/original.js": original.encode()}
    with serving({"Content-Security-Policy": CSP}, files) as host, browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{host}/blank")
        page.evaluate(HELPERS)
        script = f"""async () => {{
            const {{ UpperBodySegmenter }} = await import("/assets/index.js");
            const seg = await UpperBodySegmenter.create({{ packagePath: "/" }});
            const {{ mask }} = await seg.process({GOOD});
            await seg.close();
            const {{ CoreAIUpperBodySegmentation, HumanXNative }} = await import("/assets/original.js");
            const old = new CoreAIUpperBodySegmentation(await HumanXNative({{ packagePath: "/" }}));
            const [name] = await errorOf(() => UpperBodySegmenter.create());
            return [mask.length, await old.initialize(), name];
        }}"""
        assert page.evaluate(script) == [48, True, "ModelNotFoundError"]


def test_closing(page: Any) -> None:
    script = f"""async () => {{
        const {{ UpperBodySegmenter }} = await import("/index.js");
        const seg = await UpperBodySegmenter.create();
        const last = seg.process({GOOD});
        await Promise.all([seg.close(), seg.close()]);
        const done = (await last).success;
        const process = await errorOf(() => seg.process({GOOD}));
        const reset = await errorOf(() => seg.reset());
        await seg.close();
        return [done, process[0], reset[0]];
    }}"""
    assert page.evaluate(script) == [True, "EngineStateError", "EngineStateError"]


def test_a_stream_starts_anew_after_a_reset(page: Any, webcam: U8) -> None:
    frame = make_frame(webcam, ImageType.RGBA_8888)
    script = """async ([data, width, height]) => {
        const { UpperBodySegmenter } = await import("/index.js");
        const seg = await UpperBodySegmenter.create();
        const frame = { data: bytes(data), width, height };
        const first = await seg.process(frame);
        const darker = frame.data.map((level) => level >> 1);
        for (let i = 0; i < 3; i++) await seg.process({ ...frame, data: darker });
        await seg.reset();
        const again = await seg.process(frame);
        await seg.close();
        return text(first.mask) === text(again.mask);
    }"""
    assert page.evaluate(script, [encoded(bytes(frame.data)), frame.width, frame.height])


def test_two_segmenters_side_by_side(page: Any, webcam: U8) -> None:
    frame = make_frame(webcam, ImageType.RGBA_8888)
    script = """async ([data, width, height]) => {
        const { UpperBodySegmenter } = await import("/index.js");
        const both = await Promise.all([UpperBodySegmenter.create(), UpperBodySegmenter.create()]);
        const frame = { data: bytes(data), width, height };
        const results = await Promise.all(both.map((seg) => seg.process(frame)));
        await both[0].close();
        const after = await both[1].process(frame);
        await both[1].close();
        return [...results, after].map(({ persons }) => persons.length);
    }"""
    assert page.evaluate(script, [encoded(bytes(frame.data)), frame.width, frame.height]) == [1, 1, 1]


def test_memory_stays_flat_over_a_thousand_frames(isolated_page: Any, webcam: U8) -> None:
    small = np.ascontiguousarray(webcam[::2, ::2])
    frame = make_frame(small, ImageType.RGBA_8888)
    script = """async ([data, width, height]) => {
        const { UpperBodySegmenter } = await import("/index.js");
        const seg = await UpperBodySegmenter.create({ threads: 1 });
        const frame = { data: bytes(data), width, height };
        const run = async (frames) => {
            for (let i = 0; i < frames; i++) {
                frame.data[0] = i;
                await seg.process(frame);
            }
            return (await performance.measureUserAgentSpecificMemory()).bytes;
        };
        const before = await run(100);
        const after = await run(1000);
        const { persons } = await seg.process(frame);
        await seg.close();
        return [before, after, persons.length];
    }"""
    before, after, persons = isolated_page.evaluate(
        script, [encoded(bytes(frame.data)), frame.width, frame.height]
    )
    assert persons == 1
    assert before > 1_000_000
    assert after - before < 5_000_000


SAMPLE = """async ([data, width, height]) => {
    const { CoreAIUpperBodySegmentation, HumanXNative } = await import("/original.js");
    const rgbaBytes = bytes(data);

    const wasmModule = await HumanXNative({ locateFile: (path) => path });
    const seg = new CoreAIUpperBodySegmentation(wasmModule);

    const ok = await seg.initialize();
    if (!ok) throw new Error('initialize failed');

    const imageSize = width * height * 4; // RGBA
    const imagePtr = wasmModule._malloc(imageSize);
    wasmModule.HEAPU8.set(rgbaBytes, imagePtr);

    const imageType = Number(wasmModule.ImageType.RGBA_8888);
    const result = await seg.process(
        Date.now() >>> 0,
        imagePtr,
        imageSize,
        width,
        height,
        width * 4,
        imageType,
        true,
        0.5
    );

    const start = result.segmentationMask;
    const mask = wasmModule.HEAPU8.slice(start, start + result.segmentationMaskStep * height);
    wasmModule._free(imagePtr);
    seg.destroy();
    return [{ ...result }, text(mask)];
}"""


def test_the_originals_sample(page: Any, webcam: U8) -> None:
    frame = make_frame(webcam, ImageType.RGBA_8888)
    height, width = webcam.shape[:2]
    data = encoded(bytes(frame.data))
    result, mask = page.evaluate(SAMPLE, [data, width, height])
    assert result["success"] is True
    assert (result["segmentationMaskWidth"], result["segmentationMaskHeight"]) == (width, height)
    assert result["segmentationMaskStep"] == width
    assert result["segmentationMask"] > 0
    modern = page.evaluate(
        """async ([data, width, height]) => {
            const seg = await segmenter({});
            return text((await seg.process({ data: bytes(data), width, height, isStill: true })).mask);
        }""",
        [data, width, height],
    )
    np.testing.assert_array_equal(decoded(mask, height, width), decoded(modern, height, width))


def test_the_originals_misuse_never_throws(page: Any) -> None:
    script = """async () => {
        const { CoreAIUpperBodySegmentation, HumanXNative } = await import("/original.js");
        const wasmModule = await HumanXNative();
        const seg = new CoreAIUpperBodySegmentation(wasmModule);
        const pointer = wasmModule._malloc(192);
        const process = (...given) =>
            seg.process(5, ...given).then((r) => [r.success, r.segmentationMask, r.error ?? ""]);
        const early = await process(pointer, 192, 8, 6, 32, 3, true);
        const states = [await seg.isInitialized(), await seg.initialize(), await seg.initialize(),
            await seg.isInitialized(), seg.isProcessing()];
        const bad = [
            early,
            await process(0, 192, 8, 6, 32, 3, true),
            await process(pointer, 2 ** 40, 8, 6, 32, 3, true),
            await process(pointer, 192, 9, 6, 32, 3, true),
            await process(pointer, 192, 8, 6, 32, 9, true),
            await process(pointer, 192, 8, 6, 32, 3, true, NaN),
            await process(),
        ];
        const running = process(pointer, 192, 8, 6, 32, 3, false);
        const busy = seg.isProcessing();
        const good = await running;
        seg.destroy();
        seg.destroy();
        bad.push(await process(pointer, 192, 8, 6, 32, 3, true));
        wasmModule._free(pointer);
        wasmModule._free(pointer);
        wasmModule._free(12345);
        const elsewhere = await HumanXNative({ locateFile: () => "/nowhere/" });
        const missing = new CoreAIUpperBodySegmentation(elsewhere);
        const wrong = await errorOf(() => new CoreAIUpperBodySegmentation({}));
        const after = [await seg.initialize(), await missing.initialize(), missing.error.name];
        return [states, bad, busy, good, ...after, wrong[0]];
    }"""
    states, bad, busy, good, again, missing, why, wrong = page.evaluate(script)
    assert states == [False, True, True, True, False]
    assert all((success, pointer) == (False, 0) and message for success, pointer, message in bad)
    assert busy is True
    assert (good[0], good[2]) == (True, "")
    assert good[1] > 0
    assert (again, missing, why, wrong) == (False, False, "ModelNotFoundError", "InputError")


def test_the_heap_grows_and_its_memory_is_used_again(page: Any) -> None:
    script = """async () => {
        const { HumanXNative } = await import("/original.js");
        const { _malloc, _free, ...rest } = await HumanXNative();
        const wasmModule = await HumanXNative();
        const small = wasmModule._malloc(100);
        wasmModule.HEAPU8.fill(7, small, small + 100);
        const before = wasmModule.HEAPU8.length;
        const large = wasmModule._malloc(before);
        const grown = wasmModule.HEAPU8.length;
        const kept = wasmModule.HEAPU8.subarray(small, small + 100).every((level) => level === 7);
        for (let i = 0; i < 500; i++) {
            const pointers = [10, 3000, 50000].map((size) => wasmModule._malloc(size));
            for (const pointer of pointers) {
                if (pointer % 16 || pointer < small + 100) throw new Error(`pointer ${pointer}`);
                wasmModule._free(pointer);
            }
        }
        return [kept, large > 0, grown >= 2 * before, wasmModule.HEAPU8.length === grown,
            wasmModule._malloc(2 ** 33), wasmModule._malloc(-1)];
    }"""
    assert page.evaluate(script) == [True, True, True, True, 0, 0]
