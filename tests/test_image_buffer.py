from __future__ import annotations

import numpy as np
import pytest

from upperbodyseg import ImageBuffer, ImageType, InputError


def test_a_new_buffer_is_empty() -> None:
    buffer = ImageBuffer()
    assert buffer.empty()
    assert (buffer.width, buffer.height, buffer.step, buffer.channels, buffer.data_size) == (0, 0, 0, 0, 0)
    assert buffer.data is None
    assert not buffer.owns_data
    with pytest.raises(InputError, match="empty"):
        buffer.as_array()


def test_view_shares_the_callers_memory() -> None:
    array = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    buffer = ImageBuffer.view(array)
    assert (buffer.width, buffer.height, buffer.step, buffer.channels, buffer.data_size) == (4, 2, 12, 3, 24)
    assert not buffer.owns_data
    array[1, 2, 0] = 200
    assert buffer.as_array()[1, 2, 0] == 200
    assert np.shares_memory(buffer.as_array(), array)


def test_view_of_a_slice_keeps_its_step_and_never_reaches_past_it() -> None:
    array = np.arange(10 * 8 * 4, dtype=np.uint8).reshape(10, 8, 4)
    part = array[2:5, 1:4]
    buffer = ImageBuffer.view(part)
    assert (buffer.width, buffer.height, buffer.step, buffer.channels) == (3, 3, 32, 4)
    assert buffer.data_size == 2 * 32 + 12
    np.testing.assert_array_equal(buffer.as_array(), part)
    assert np.shares_memory(buffer.as_array(), array)


def test_a_view_can_not_be_written_through() -> None:
    with pytest.raises(ValueError, match="read-only"):
        ImageBuffer.view(np.zeros((2, 2), np.uint8)).as_array()[0, 0] = 1


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((6, 4), (4, 4)), ((8, 4), (5, 4)), ((3, 2), (2, 2)), ((2, 2), (1, 2)), ((1620, 1920), (1080, 1920))],
)
def test_view_of_a_420_array_finds_the_pictures_height(
    shape: tuple[int, int], expected: tuple[int, int]
) -> None:
    buffer = ImageBuffer.view(np.zeros(shape, np.uint8), image_type=ImageType.YUV_420_888)
    assert (buffer.height, buffer.width) == expected
    assert buffer.data_size == shape[0] * shape[1]


def test_view_of_a_420_array_with_padded_rows_takes_the_width() -> None:
    buffer = ImageBuffer.view(np.zeros((9, 16), np.uint8), image_type=ImageType.NV12, width=13)
    assert (buffer.width, buffer.height, buffer.step) == (13, 6, 16)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((4, 4), np.float32), "uint8"),
        (np.zeros((4, 4, 3), bool), "uint8"),
        (np.zeros(4, np.uint8), "shape"),
        (np.zeros((1, 4, 4, 3), np.uint8), "shape"),
        (np.zeros((0, 4, 3), np.uint8), "no pixels"),
        (np.zeros((4, 0, 3), np.uint8), "no pixels"),
        (np.zeros((4, 4, 0), np.uint8), "no pixels"),
        (np.zeros((4, 4, 3), np.uint8)[:, ::-1], "ascontiguousarray"),
        (np.zeros((4, 4, 3), np.uint8)[::-1], "ascontiguousarray"),
        (np.zeros((4, 8, 3), np.uint8)[:, ::2], "ascontiguousarray"),
        (np.zeros((3, 4, 4), np.uint8).transpose(1, 2, 0), "ascontiguousarray"),
        ([[1, 2]], "numpy array"),
        (None, "numpy array"),
    ],
)
def test_view_refuses_what_it_can_not_share(array: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        ImageBuffer.view(array)  # type: ignore[arg-type]


def test_view_refuses_rows_that_are_no_420_picture() -> None:
    with pytest.raises(InputError, match="fit no H"):
        ImageBuffer.view(np.zeros((7, 4), np.uint8), image_type=ImageType.I420)
    with pytest.raises(InputError, match="shape"):
        ImageBuffer.view(np.zeros((6, 4, 3), np.uint8), image_type=ImageType.I420)
    with pytest.raises(InputError, match="columns"):
        ImageBuffer.view(np.zeros((6, 4, 3), np.uint8), width=3)


@pytest.mark.parametrize("data", [bytes(24), bytearray(24), memoryview(bytes(24)), np.zeros(24, np.uint8)])
def test_fields_by_keyword(data: object) -> None:
    buffer = ImageBuffer(width=3, height=2, step=12, channels=3, data=data, data_size=21, owns_data=False)
    assert (buffer.data_size, buffer.step) == (21, 12)
    assert buffer.as_array().shape == (2, 3, 3)
    assert buffer.data is not None
    assert buffer.data.nbytes == 21


def test_fields_without_data_are_refused() -> None:
    for fields in ({"width": 3}, {"data_size": 4}, {"step": -1}, {"height": "x"}):
        with pytest.raises(InputError):
            ImageBuffer(**fields)
    assert ImageBuffer(width=0, height=0).empty()


def test_a_released_memoryview_is_refused() -> None:
    view = memoryview(bytes(12))
    view.release()
    with pytest.raises(InputError, match="released"):
        ImageBuffer(width=4, height=3, channels=1, data=view)


def test_a_viewed_bytearray_can_not_be_resized_away() -> None:
    source = bytearray(12)
    buffer = ImageBuffer(width=4, height=3, channels=1, data=source)
    with pytest.raises(BufferError):
        source.clear()
    assert buffer.data_size == 12


def test_i420_arrays_have_no_padding() -> None:
    wide = np.zeros((6, 12), np.uint8)
    with pytest.raises(InputError, match="I420"):
        ImageBuffer.view(wide[:, :8], image_type=ImageType.I420)
    assert ImageBuffer.view(wide[:, :8], image_type=ImageType.NV12).step == 12


@pytest.mark.parametrize("image_type", ["NV12", None, 2.0, True, 7, -1, np.float32(1)])
def test_what_is_no_image_type_is_refused(image_type: object) -> None:
    with pytest.raises(InputError, match="image_type must be one of"):
        ImageType.parse(image_type)


def test_numbers_are_image_types() -> None:
    assert ImageType.parse(2) is ImageType.YUV_420_888
    assert ImageType.parse(np.int32(5)) is ImageType.NV12
    assert ImageType.parse(ImageType.I420) is ImageType.I420


def test_step_defaults_to_the_row() -> None:
    assert ImageBuffer(width=3, height=2, channels=4, data=bytes(24)).step == 12


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"width": 0}, "width"),
        ({"height": -1}, "height"),
        ({"channels": 0}, "channels"),
        ({"width": 2.0}, "whole number"),
        ({"height": True}, "whole number"),
        ({"width": None}, "whole number"),
        ({"step": 11}, "step is 11"),
        ({"step": -12}, "step"),
        ({"data": bytes(23)}, "23 bytes"),
        ({"data_size": 23}, "23 bytes"),
        ({"data_size": 25}, "only 24"),
        ({"data": None}, "None"),
        ({"data": "text"}, "bytes-like"),
        ({"data": np.zeros(24, np.int8)}, "uint8"),
        ({"data": np.zeros(48, np.uint8)[::2]}, "contiguous"),
        ({"data": memoryview(bytes(48))[::2]}, "contiguous"),
        ({"data": np.zeros(24, np.float32).data}, "format 'f'"),
        ({"data": 5}, "bytes-like"),
        ({"step": 2**31}, "step"),
        ({"width": 2**40}, "width"),
        ({"width": 2**20, "channels": 2**20, "step": 0}, "channels"),
        ({"width": np.array([1, 2])}, "whole number"),
        ({"data_size": 1.5}, "data_size"),
        ({"data": b""}, "0 bytes"),
    ],
)
def test_wrong_fields_are_named(fields: dict[str, object], message: str) -> None:
    good: dict[str, object] = {"width": 4, "height": 2, "step": 12, "channels": 3, "data": bytes(24)}
    with pytest.raises(InputError, match=message):
        ImageBuffer(**{**good, **fields})  # type: ignore[arg-type]


def test_a_last_row_without_its_padding_is_enough() -> None:
    buffer = ImageBuffer(width=3, height=2, step=8, channels=1, data=bytes(11))
    assert buffer.as_array().shape == (2, 3)


def test_owned_copy_is_independent_of_the_source() -> None:
    source = bytearray(range(12))
    buffer = ImageBuffer()
    buffer.set_owned_copy(source, width=4, height=3, channels=1)
    source[0] = 99
    assert buffer.owns_data
    assert buffer.as_array()[0, 0] == 0
    assert buffer.as_array()[2, 3] == 11


def test_set_view_follows_the_source() -> None:
    source = bytearray(range(12))
    buffer = ImageBuffer()
    buffer.set_view(source, width=4, height=3, channels=1)
    source[0] = 99
    assert not buffer.owns_data
    assert buffer.as_array()[0, 0] == 99


def test_owned_move_takes_the_memory_over() -> None:
    array = np.arange(12, dtype=np.uint8)
    buffer = ImageBuffer()
    buffer.set_owned_move(array, width=4, height=3, channels=1)
    assert buffer.owns_data
    assert np.shares_memory(buffer.as_array(), array)

    borrowed = ImageBuffer.view(np.full((2, 2), 3, np.uint8))
    memory = borrowed.as_array()
    mine = ImageBuffer()
    mine.set_owned_move(borrowed)
    assert borrowed.empty()
    assert mine.owns_data
    assert not np.shares_memory(mine.as_array(), memory)  # a view's memory is not its to give

    other = ImageBuffer()
    other.set_owned_move(buffer)
    assert buffer.empty()
    assert other.owns_data
    assert other.as_array()[2, 3] == 11
    other.set_owned_move(other)
    assert not other.empty()

    with pytest.raises(InputError, match="brings its own"):
        buffer.set_owned_move(other, width=2)
    with pytest.raises(InputError, match="needed"):
        buffer.set_owned_move(bytes(4), width=2)


def test_a_refused_set_leaves_the_buffer_as_it_was() -> None:
    buffer = ImageBuffer.view(np.ones((2, 3), np.uint8))
    with pytest.raises(InputError):
        buffer.set_view(bytes(3), width=2, height=2, channels=1)
    assert (buffer.width, buffer.height) == (3, 2)


def test_clear_empties() -> None:
    buffer = ImageBuffer.view(np.ones((2, 3), np.uint8))
    assert "width=3" in repr(buffer)
    buffer.clear()
    assert buffer.empty()
    assert repr(buffer) == "ImageBuffer(empty)"
