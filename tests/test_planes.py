"""Frames described plane by plane, as Android, GStreamer, V4L2 and picamera2 have them."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from frames import bgr_to_yuv
from numpy.typing import NDArray

from upperbodyseg import FrameInput, ImageBuffer, ImageType, InputError, UpperBodySegmenter
from upperbodyseg.c_structs import frame_input_from_c, frame_input_to_c
from upperbodyseg.preprocess.pixel_format import Frame, open_frame

U8 = NDArray[np.uint8]
SIZES = [(64, 48), (63, 47), (2, 2), (1, 1), (1, 5), (5, 1)]
PAIRS = [ImageType.NV12, ImageType.YUV_420_888]


def opened(frame: FrameInput) -> Frame:
    return open_frame(frame.frame, frame.image_type, 10**6)


def shared(frame: FrameInput, memory: U8) -> bool:
    return np.shares_memory(np.frombuffer(frame.frame.data, np.uint8), memory)  # type: ignore[arg-type]


def samples(frame: Frame) -> tuple[U8, U8, U8]:
    """The Y, U and V planes of an opened frame."""
    luma, *chroma = frame.planes
    if frame.image_type is ImageType.I420:
        return luma, chroma[0], chroma[1]
    first, second = chroma[0][..., 0], chroma[0][..., 1]
    return (luma, first, second) if frame.image_type is ImageType.NV12 else (luma, second, first)


def padded(rows: U8, step: int, filler: int = 99) -> U8:
    """Rows with padding, but for the last one's, as Android has them."""
    out = np.full((rows.shape[0], step), filler, np.uint8)
    out[:, : rows.shape[1]] = rows
    return out.reshape(-1)[: step * (rows.shape[0] - 1) + rows.shape[1]].copy()


def spread(plane: U8, step: int) -> U8:
    """A plane of pixel stride 2: a byte of something else between samples, and none behind the last."""
    rows = np.full((plane.shape[0], 2 * plane.shape[1]), 55, np.uint8)
    rows[:, ::2] = plane
    return padded(rows, step)[:-1]


def planes_of(astronaut: U8, size: tuple[int, int]) -> tuple[U8, U8, U8]:
    width, height = size
    return bgr_to_yuv(astronaut[100 : 100 + height, 150 : 150 + width])


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("pixel_stride", [1, 2])
def test_androids_planes_are_read_to_the_last_byte(
    size: tuple[int, int], pixel_stride: int, astronaut: U8
) -> None:
    width, height = size
    y, u, v = planes_of(astronaut, size)
    steps = [width + 6, u.shape[1] * pixel_stride + 4, v.shape[1] * pixel_stride + 8]
    make = spread if pixel_stride == 2 else padded
    memories = [padded(y, steps[0]), make(u, steps[1]), make(v, steps[2])]
    frame = FrameInput.from_planes(
        memories, width=width, height=height, steps=steps, pixel_stride=pixel_stride, timestamp=7
    )
    assert (frame.timestamp, frame.is_still, frame.image_type) == (7, False, ImageType.I420)
    for got, plane in zip(samples(opened(frame)), (y, u, v), strict=True):
        np.testing.assert_array_equal(got, plane)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("first", ["u", "v"])
def test_androids_views_of_one_memory_are_used_as_they_are(
    size: tuple[int, int], first: str, astronaut: U8
) -> None:
    width, height = size
    y, u, v = planes_of(astronaut, size)
    step = width + width % 2 + 6
    pairs = np.stack([u, v] if first == "u" else [v, u], -1).reshape(u.shape[0], -1)
    memory = np.concatenate([np.resize(padded(y, step), step * height), padded(pairs, step)])
    # Each view ends with its own last sample: the other's last byte is in the other's view alone.
    front, back = memory[step * height : -1], memory[step * height + 1 :]
    views = [memory[: step * height], *((front, back) if first == "u" else (back, front))]
    frame = FrameInput.from_planes(views, width=width, height=height, steps=[step] * 3, pixel_stride=2)
    assert frame.image_type is (ImageType.NV12 if first == "u" else ImageType.YUV_420_888)
    assert shared(frame, memory)
    for got, plane in zip(samples(opened(frame)), (y, u, v), strict=True):
        np.testing.assert_array_equal(got, plane)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, np.asarray])
def test_one_memory_in_the_layouts_order_is_a_view(kind: Any) -> None:
    memory = kind(np.arange(16 * 8 * 3 // 2, dtype=np.uint8))
    flat = np.frombuffer(memory, np.uint8)
    layouts: tuple[tuple[ImageType, Any, Any], ...] = (
        (ImageType.NV12, [0, 128], [16, 16]),
        (ImageType.I420, (0, 128, 160), np.array([16, 8, 8])),
    )
    for image_type, offsets, steps in layouts:
        frame = FrameInput.from_planes(
            memory, width=14, height=8, steps=steps, offsets=offsets, image_type=image_type
        )
        assert frame.image_type is image_type
        assert not frame.frame.owns_data
        assert shared(frame, flat)
        assert [plane.reshape(-1)[0] for plane in opened(frame).planes] == list(offsets)


def test_the_memory_lives_as_long_as_the_frame() -> None:
    memory = np.full(96, 9, np.uint8)
    frame = FrameInput.from_planes(
        [memory[:64], memory[64:]], width=8, height=8, steps=[8, 8], image_type=ImageType.NV12
    )
    assert shared(frame, memory)
    del memory
    noise = [np.zeros(96, np.uint8) for _ in range(100)]
    assert all((plane == 9).all() for plane in opened(frame).planes)
    assert len(noise) == 100


# GStreamer's I420 of 322 x 243 (GstVideoInfo rounds luma rows up to 4 bytes, chroma rows likewise, and the
# height to 2), V4L2's NV12 with planes of whole macroblocks, and an order that no layout has.
@pytest.mark.parametrize(
    ("image_type", "steps", "offsets"),
    [
        (ImageType.I420, [324, 164, 164], [0, 324 * 244, 324 * 244 + 164 * 122]),
        (ImageType.NV12, [384, 384], [0, 384 * 256]),
        (ImageType.YUV_420_888, [324, 352], [64, 324 * 243 + 64]),
        (ImageType.I420, [324, 164, 164], [0, 324 * 244 + 164 * 122, 324 * 244]),
    ],
)
def test_places_and_steps_of_their_own(
    image_type: ImageType, steps: list[int], offsets: list[int], astronaut: U8
) -> None:
    y, u, v = planes_of(astronaut, (322, 243))
    pair = (v, u) if image_type is ImageType.YUV_420_888 else (u, v)
    parts = [y, u, v] if image_type is ImageType.I420 else [y, np.stack(pair, -1).reshape(u.shape[0], -1)]
    memory = np.full(offsets[0] + 400 * 400, 33, np.uint8)
    for part, step, offset in zip(parts, steps, offsets, strict=True):
        rows = memory[offset : offset + step * part.shape[0]].reshape(-1, step)
        rows[:, : part.shape[1]] = part
    frame = FrameInput.from_planes(
        memory, width=322, height=243, steps=steps, offsets=offsets, image_type=image_type
    )
    assert frame.image_type is image_type
    assert not shared(frame, memory)
    for got, plane in zip(samples(opened(frame)), (y, u, v), strict=True):
        np.testing.assert_array_equal(got, plane)


@pytest.mark.parametrize("image_type", PAIRS)
def test_the_very_last_byte_of_a_plane_of_pairs_may_be_missing(image_type: ImageType) -> None:
    pairs = np.arange(7, dtype=np.uint8)
    for luma in (np.zeros(16, np.uint8), np.zeros((4, 4), np.uint8)):
        frame = FrameInput.from_planes([luma, pairs], width=4, height=4, steps=[4, 4], image_type=image_type)
        assert opened(frame).planes[1].reshape(-1).tolist() == [0, 1, 2, 3, 4, 5, 6, 5]
    with pytest.raises(InputError, match="holds 6 bytes, but 2 rows of step 4 take 8"):
        FrameInput.from_planes([luma, pairs[:-1]], width=4, height=4, steps=[4, 4], image_type=image_type)


def test_a_wrong_step_and_pixel_stride_are_named() -> None:
    luma, chroma = np.zeros(640 * 480, np.uint8), np.zeros(384 * 239 + 320, np.uint8)
    fields: dict[str, Any] = {"width": 640, "height": 480}
    with pytest.raises(InputError, match=r"plane U holds .* its step is probably 384"):
        FrameInput.from_planes([luma, chroma, chroma], **fields, steps=[640, 320, 320])
    FrameInput.from_planes([luma, chroma, chroma], **fields, steps=[640, 384, 384])
    whole_pages = np.zeros(320 * 240 + 1000, np.uint8)
    FrameInput.from_planes([luma, whole_pages, whole_pages], **fields, steps=[640, 320, 320])
    interleaved = np.zeros(640 * 239 + 639, np.uint8)
    with pytest.raises(InputError, match="pixel_stride=2"):
        FrameInput.from_planes([luma, interleaved, interleaved], **fields, steps=[640] * 3)
    FrameInput.from_planes([luma, interleaved, interleaved], **fields, steps=[640] * 3, pixel_stride=2)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"planes": [bytes(16), bytes(4)]}, "3 planes"),
        ({"planes": None}, "offsets="),
        ({"planes": bytes(24)}, "offsets="),
        ({"planes": [bytes(16), bytes(4), "text"]}, "bytes-like"),
        ({"planes": [bytes(16), bytes(4), bytes(3)]}, "plane V holds 3 bytes"),
        ({"planes": bytes(24), "offsets": [0, 16, 21]}, "plane V holds 3 bytes"),
        ({"planes": bytes(24), "offsets": [0, 16, 2**40]}, "plane V holds 0 bytes"),
        ({"offsets": [0, 0]}, "3 offsets"),
        ({"offsets": [0, -1, 0]}, "offset of plane U"),
        ({"steps": [4, 2]}, "3 steps"),
        ({"steps": 4}, "3 steps"),
        ({"steps": [4, 2, 2.0]}, "step of plane V"),
        ({"steps": [3, 2, 2]}, "step of plane Y is 3 bytes, but its rows take 4"),
        ({"steps": [4, 1, 2]}, "step of plane U"),
        ({"pixel_stride": 3}, "pixel_stride"),
        ({"pixel_stride": 2}, "step of plane U"),
        ({"pixel_stride": 2, "image_type": ImageType.NV12}, "pixel_stride"),
        ({"image_type": ImageType.BGR_888}, "4:2:0"),
        ({"image_type": "I420"}, "image_type"),
        ({"image_type": ImageType.NV12}, "2 planes"),
        ({"width": 0}, "width"),
        ({"height": 2.5}, "height"),
        ({"height": 2**31 - 1}, "holds"),
    ],
)
def test_wrong_planes_are_named(fields: dict[str, Any], message: str) -> None:
    good: dict[str, Any] = {
        "planes": [bytes(16), bytes(4), bytes(4)],
        "width": 4,
        "height": 4,
        "steps": [4, 2, 2],
    }
    FrameInput.from_planes(**good)
    with pytest.raises(InputError, match=message):
        FrameInput.from_planes(**{**good, **fields})


def test_a_cameras_mask_is_that_of_the_same_frame_without_padding(
    engine: UpperBodySegmenter, webcam: U8
) -> None:
    height, width = webcam.shape[:2]
    packed = cv2.cvtColor(webcam, cv2.COLOR_BGR2YUV_I420)
    expected = engine.process(FrameInput.from_array(packed, ImageType.I420, is_still=True)).mask
    assert expected.max() == 255
    y = packed[:height].reshape(-1)
    u, v = packed[height:].reshape(2, height // 2, width // 2)
    memory = np.zeros(640 * 384 + 2 * 384 * 192, np.uint8)
    offsets, steps = [0, 640 * 384, 640 * 384 + 384 * 192], [640, 384, 384]
    for part, step, offset in zip((y.reshape(height, width), u, v), steps, offsets, strict=True):
        memory[offset : offset + step * part.shape[0]].reshape(-1, step)[:, : part.shape[1]] = part
    fields: dict[str, Any] = {"width": width, "height": height, "is_still": True}
    camera = FrameInput.from_planes(memory, offsets=offsets, steps=steps, **fields)
    np.testing.assert_array_equal(engine.process(camera).mask, expected)
    android = FrameInput.from_planes(
        [y, spread(u, 640), spread(v, 640)], steps=[640] * 3, pixel_stride=2, **fields
    )
    np.testing.assert_array_equal(engine.process(android).mask, expected)
    # The same memory without its description is no silent wrong mask.
    wrong = FrameInput(
        ImageBuffer(width=width, height=height, channels=1, data=memory), image_type=ImageType.I420
    )
    with pytest.raises(InputError, match=r"FrameInput.from_planes with offsets=\[0, 245760, 319488\]"):
        engine.process(wrong)


def test_a_c_structure_says_by_its_size_where_the_picture_ends(engine: UpperBodySegmenter) -> None:
    data = np.full(640 * 480 * 3 // 2 + 2048, 128, np.uint8)
    buffer = ImageBuffer(width=640, height=480, channels=1, data=data)
    struct = frame_input_to_c(FrameInput(buffer, image_type=ImageType.NV12, is_still=True))
    with pytest.raises(InputError, match="data_size=460800"):
        engine.process(frame_input_from_c(struct))
    struct.dataSize = 640 * 480 * 3 // 2
    assert engine.process(frame_input_from_c(struct)).mask.shape == (480, 640)
    planes = [data[: 640 * 480], data[-640 * 240 :]]
    described = FrameInput.from_planes(
        planes, width=640, height=480, steps=[640, 640], image_type=ImageType.NV12, is_still=True
    )
    assert engine.process(frame_input_from_c(frame_input_to_c(described))).mask.shape == (480, 640)
