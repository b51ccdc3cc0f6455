"""Buffers of another length than described: the browser's package refuses what Python does, in its words."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from conftest import decoded, encoded
from frames import make_frame
from numpy.typing import NDArray

from upperbodyseg import FrameInput, ImageBuffer, ImageType, InputError, SegmenterOptions, UpperBodySegmenter
from upperbodyseg.preprocess.pixel_format import open_frame

U8 = NDArray[np.uint8]

# Width, height, described step, and how the bytes really lie: steps of the planes, rows of the luma plane.
LAYOUTS = [
    (638, 480, 0, (640, 320), 480),
    (638, 480, 0, (640, 384), 480),
    (640, 360, 0, (640, 320), 368),
    (640, 480, 704, (656, 328), 480),
    (1366, 768, 1366, (1408, 704), 768),
    (100, 75, 100, (128, 64), 75),
    (3, 3, 4, (4, 2), 3),
    (2, 2, 2, (16, 8), 2),
]

REFUSED = """async (cases) => {
    const { checkDescription } = await import("/src/frame.js");
    return cases.map(([size, width, height, stride, imageType]) => {
        try {
            checkDescription({ data: new Uint8Array(size), width, height, stride, imageType }, 1e8);
            return null;
        } catch (error) {
            return [error.name, error.message];
        }
    });
}"""


def in_the_browsers_words(message: str) -> str:
    message = message.replace(
        "; for an array that holds luma and chroma rows use ImageBuffer.view(array, image_type=...)", ""
    )
    message = message.replace("FrameInput.from_planes", "planes").replace("step", "stride")
    return re.sub(r"pass data_size=(\d+)", r"pass the first \1 bytes alone", message)


def refused_by_python(size: int, width: int, height: int, step: int, image_type: int) -> Any:
    kind = ImageType(image_type)
    try:
        buffer = ImageBuffer(
            width=width, height=height, step=step, channels=kind.channels, data=np.zeros(size, np.uint8)
        )
        open_frame(buffer, kind, 10**8)
    except InputError as error:
        return ["InputError", in_the_browsers_words(str(error))]
    return None


def sizes(image_type: ImageType, width: int, height: int, steps: tuple[int, int], rows: int) -> set[int]:
    """Lengths round what such planes take, and round what the description says."""
    if not image_type.is_yuv:
        step = steps[0] * image_type.channels
        row = width * image_type.channels
        ends = {row * height, step * height, step * (height - 1) + row, step * height + 4096}
    else:
        planar = image_type is ImageType.I420
        chroma = steps[1] if planar else steps[0]
        plane = chroma * ((rows + 1) // 2)
        tight = (width + 1) // 2 * ((height + 1) // 2) * 2
        ends = {steps[0] * rows + plane * (2 if planar else 1), width * height + tight}
        ends |= {end - chroma + (width + 1) // 2 * (1 if planar else 2) for end in list(ends)}
    return {max(end + by, 1) for end in ends for by in (-2, -1, 0, 1)}


@pytest.mark.parametrize("image_type", list(ImageType))
def test_buffers_of_another_length_are_refused_in_pythons_words(page: Any, image_type: ImageType) -> None:
    cases = [
        [size, width, height, step * image_type.channels, int(image_type)]
        for width, height, step, steps, rows in LAYOUTS
        for size in sorted(sizes(image_type, width, height, steps, rows))
    ]
    expected = [refused_by_python(*case) for case in cases]
    assert page.evaluate(REFUSED, cases) == expected
    messages = [refused[1] for refused in expected if refused is not None]
    assert any("its length fits stride=" in message for message in messages)
    assert any("bytes alone" in message for message in messages)
    assert None in expected
    if image_type.is_yuv:
        assert any("its length fits planes with offsets=[" in message for message in messages)


def test_a_refused_buffer_leaves_the_stream_as_it_is(page: Any, webcam: U8) -> None:
    frame = make_frame(webcam, ImageType.NV12)
    script = """async ([data, width, height]) => {
        const { UpperBodySegmenter } = await import("/index.js");
        const frame = { data: bytes(data), width, height, imageType: "NV12" };
        const long = { ...frame, data: new Uint8Array(frame.data.length + 4096) };
        const masks = [];
        let refused;
        for (const between of [null, long]) {
            const seg = await UpperBodySegmenter.create();
            await seg.process(frame);
            if (between) refused = await errorOf(() => seg.process(between));
            masks.push(text((await seg.process(frame)).mask));
            await seg.close();
        }
        return [...refused, masks[0] === masks[1]];
    }"""
    name, message, same = page.evaluate(script, [encoded(bytes(frame.data)), frame.width, frame.height])
    assert (name, same) == ("InputError", True)
    assert f"pass the first {frame.data_size} bytes alone" in message


MASK = """async ([data, width, height, stride, imageType]) => {
    const seg = await segmenter({});
    const { mask, regions } = await seg.process(
        { data: bytes(data), width, height, stride, imageType, isStill: true });
    return [text(mask), regions];
}"""


@pytest.mark.parametrize("image_type", [ImageType.YUV_420_888, ImageType.NV12])
def test_the_last_byte_of_pairs_may_be_missing(page: Any, webcam: U8, image_type: ImageType) -> None:
    whole = make_frame(webcam, image_type)
    assert whole.data is not None
    short = ImageBuffer(
        width=whole.width, height=whole.height, step=whole.step, channels=1, data=whole.data[:-1]
    )
    height, width = webcam.shape[:2]
    mask, regions = page.evaluate(
        MASK, [encoded(bytes(short.data or b"")), width, height, whole.step, int(image_type)]
    )
    with UpperBodySegmenter(SegmenterOptions(model="fast", runtime="ai-edge-litert")) as python:
        expected = python.process(FrameInput(short, 0, image_type, is_still=True))
    assert np.abs(decoded(mask, height, width).astype(int) - expected.mask).mean() <= 1
    assert regions == [list(region) for region in expected.regions]


def test_the_missing_byte_is_the_pixels_beside_it(page: Any) -> None:
    script = """async (frames) => {
        const { checkDescription, copyFrame } = await import("/src/frame.js");
        return frames.map(([data, width, height, stride]) => {
            const description = { data: Uint8Array.from(data), width, height, stride, imageType: "NV12" };
            const frame = checkDescription(description, 100);
            const into = new Uint8Array(frame.needed);
            copyFrame(frame, into);
            return [...into];
        });
    }"""
    cases = [
        ([1, 1, 1, 1, 5, 6, 7], 4, 1, 4),  # to the left
        ([1, 1, 1, 1, 1, 1, 1, 1, 5, 6, 7], 2, 4, 2),  # above
        ([1, 1, 1, 1, 5], 2, 2, 2),  # none
    ]
    expected = []
    for data, width, height, step in cases:
        buffer = ImageBuffer(width=width, height=height, step=step, channels=1, data=bytes(data))
        pairs = open_frame(buffer, ImageType.NV12, 100).planes[1]
        expected.append([*data, int(pairs[-1, -1, -1])])
    assert page.evaluate(script, cases) == expected
    assert [frame[-1] for frame in expected] == [6, 6, 128]
