from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from frames import make_frame
from numpy.typing import NDArray

from upperbodyseg import FrameInput, ImageBuffer, ImageType, InputError, UpperBodySegmenter
from upperbodyseg.c_structs import (
    CFrameInput,
    CImageBuffer,
    CSegmentationOutput,
    frame_input_from_c,
    frame_input_to_c,
    image_buffer_from_c,
    image_buffer_to_c,
    output_from_c,
    output_to_c,
)

WORD = ctypes.sizeof(ctypes.c_void_p)


def test_the_layout_is_the_originals() -> None:
    names = [f[0] for f in CImageBuffer._fields_]
    assert names == ["width", "height", "step", "channels", "data", "dataSize", "ownsData"]
    assert [getattr(CImageBuffer, n).offset for n in names] == [0, 4, 8, 12, 16, 16 + WORD, 16 + 2 * WORD]
    names = [f[0] for f in CFrameInput._fields_]
    assert names == ["timestamp", "data", "dataSize", "width", "height", "stride", "imageType", "isStill"]
    start = 3 * WORD
    assert [getattr(CFrameInput, n).offset for n in names] == [
        0,
        WORD,
        2 * WORD,
        *range(start, start + 17, 4),
    ]
    assert CFrameInput.isStill.size == 1
    names = [f[0] for f in CSegmentationOutput._fields_]
    assert names == ["timestamp", "success", "mask"]
    assert CSegmentationOutput.success.offset == 4


@pytest.fixture
def memory() -> ctypes.Array[ctypes.c_uint8]:
    """What a C program would hold: 3 rows of 4 pixels of 3 bytes, each row of 16 bytes."""
    return (ctypes.c_uint8 * 48)(*range(48))


@pytest.fixture
def c_buffer(memory: ctypes.Array[ctypes.c_uint8]) -> CImageBuffer:
    pointer = ctypes.cast(memory, ctypes.POINTER(ctypes.c_uint8))
    return CImageBuffer(4, 3, 16, 3, pointer, 48, 0)


def test_a_view_uses_the_programs_memory(
    c_buffer: CImageBuffer, memory: ctypes.Array[ctypes.c_uint8]
) -> None:
    buffer = image_buffer_from_c(c_buffer)
    assert (buffer.width, buffer.height, buffer.step, buffer.channels, buffer.data_size) == (4, 3, 16, 3, 48)
    assert not buffer.owns_data
    memory[17] = 200
    assert buffer.as_array()[1, 0, 1] == 200


def test_a_copy_is_independent(c_buffer: CImageBuffer, memory: ctypes.Array[ctypes.c_uint8]) -> None:
    buffer = image_buffer_from_c(c_buffer, copy=True)
    memory[17] = 200
    assert buffer.owns_data
    assert buffer.as_array()[1, 0, 1] == 17


def test_an_empty_buffer_goes_both_ways() -> None:
    struct = image_buffer_to_c(ImageBuffer())
    assert not struct.data
    assert struct.ownsData == 0
    assert image_buffer_from_c(struct).empty()


def test_null_with_a_size_and_impossible_fields_are_refused(c_buffer: CImageBuffer) -> None:
    with pytest.raises(InputError, match="null"):
        image_buffer_from_c(CImageBuffer(4, 3, 16, 3, None, 48, 0))
    for field, value in (("width", -4), ("height", 0), ("step", 11), ("dataSize", 40)):
        struct = CImageBuffer.from_buffer_copy(c_buffer)
        setattr(struct, field, value)
        with pytest.raises(InputError):
            image_buffer_from_c(struct)


@pytest.mark.parametrize("copy", [False, True])
@pytest.mark.parametrize("source", [bytes(range(12)), bytearray(range(12))])
def test_to_c_and_back(source: bytes, copy: bool) -> None:
    buffer = ImageBuffer(width=4, height=3, channels=1, data=source)
    struct = image_buffer_to_c(buffer, copy)
    assert struct.ownsData == 0  # the memory is Python's: a C program must not free it
    assert struct.dataSize == 12
    address = ctypes.addressof(struct.data.contents)
    mine = np.frombuffer(buffer.data, np.uint8).ctypes.data  # type: ignore[arg-type]
    assert (address == mine) is (not copy)
    del buffer
    gc.collect()
    np.testing.assert_array_equal(image_buffer_from_c(struct).as_array().ravel(), np.arange(12))


@pytest.mark.parametrize("copy", [False, True])
@pytest.mark.parametrize("image_type", ImageType)
def test_frames_of_every_layout_go_to_c_and_back(
    image_type: ImageType, copy: bool, astronaut: NDArray[np.uint8], engine: UpperBodySegmenter
) -> None:
    frame = FrameInput(make_frame(astronaut[:301, :401], image_type, 5), 2**32 - 1, image_type, True)
    struct = frame_input_to_c(frame, copy)
    assert (struct.timestamp, struct.width, struct.height) == (2**32 - 1, 401, 301)
    assert (struct.imageType, struct.isStill) == (int(image_type), True)
    back = frame_input_from_c(struct, copy)
    assert (back.timestamp, back.image_type, back.is_still) == (2**32 - 1, image_type, True)
    np.testing.assert_array_equal(engine.process(back).mask, engine.process(frame).mask)


def test_an_unknown_image_type_is_refused(memory: ctypes.Array[ctypes.c_uint8]) -> None:
    pointer = ctypes.cast(memory, ctypes.POINTER(ctypes.c_uint8))
    with pytest.raises(InputError, match="42"):
        frame_input_from_c(CFrameInput(0, pointer, 48, 4, 3, 16, 42, False))


@pytest.mark.parametrize("timestamp", [-1, 2**32, 1.5, None])
def test_a_timestamp_that_does_not_fit_is_refused(timestamp: object) -> None:
    frame = FrameInput(ImageBuffer.view(np.zeros((2, 2, 3), np.uint8)), timestamp)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="32-bit"):
        frame_input_to_c(frame)


@pytest.mark.parametrize("copy", [False, True])
def test_an_output_goes_to_c_and_back(
    copy: bool, astronaut: NDArray[np.uint8], engine: UpperBodySegmenter
) -> None:
    output = engine.process(FrameInput.from_array(astronaut, timestamp=40))
    expected = output.mask.copy()
    struct = output_to_c(output, copy)
    assert (struct.timestamp, struct.success) == (40, True)
    assert (struct.mask.width, struct.mask.channels, struct.mask.ownsData) == (512, 1, 0)
    del output
    gc.collect()
    back = output_from_c(struct, copy)
    assert (back.timestamp, back.success) == (40, True)
    np.testing.assert_array_equal(back.mask, expected)


def test_a_view_keeps_the_memory_of_its_structure_alive(engine: UpperBodySegmenter) -> None:
    made = image_buffer_to_c(
        ImageBuffer(width=4096, height=1024, channels=1, data=bytes([7]) * (1 << 22)), copy=True
    )
    buffer = image_buffer_from_c(made)
    mask = output_to_c(
        engine.process(FrameInput(ImageBuffer.view(np.full((999, 999, 3), 9, np.uint8)), 1, ImageType(0)))
    ).mask
    zeros = image_buffer_from_c(mask)
    del made, mask
    gc.collect()
    noise = [np.full(1 << 22, 200, np.uint8) for _ in range(4)]
    assert (buffer.as_array() == 7).all()
    assert not zeros.as_array().any()
    assert len(noise) == 4


def test_an_empty_frame_goes_both_ways() -> None:
    struct = frame_input_to_c(FrameInput(ImageBuffer(), 5, ImageType.NV12))
    back = frame_input_from_c(struct)
    assert back.frame.empty()
    assert (back.timestamp, back.image_type) == (5, ImageType.NV12)


def test_other_things_are_refused() -> None:
    converters: tuple[Callable[[Any], object], ...] = (
        image_buffer_from_c,
        image_buffer_to_c,
        frame_input_from_c,
        frame_input_to_c,
        output_from_c,
        output_to_c,
    )
    for convert in converters:
        for thing in (None, 1, CImageBuffer if convert is not image_buffer_from_c else CFrameInput()):
            with pytest.raises(InputError, match="expected"):
                convert(thing)
    huge = CImageBuffer(4, 3, 16, 3, ctypes.pointer(ctypes.c_uint8()), 2**63 + 5, 0)
    with pytest.raises(InputError, match="dataSize"):
        image_buffer_from_c(huge)
    frame = FrameInput(ImageBuffer.view(np.zeros((2, 2, 3), np.uint8)), image_type="BGR")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="image_type"):
        frame_input_to_c(frame)
