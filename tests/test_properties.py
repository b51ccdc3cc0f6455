"""Whatever comes in: a mask of the frame's size, or an InputError."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from upperbodyseg import FrameInput, ImageBuffer, ImageType, InputError, UpperBodySegmenter, segment
from upperbodyseg.preprocess.pixel_format import open_frame

thorough = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
image_types = st.sampled_from(ImageType)
sides = st.integers(-2, 90)


def longest(image_type: ImageType, width: int, height: int, step: int, size: int) -> bool:
    """Whether no byte lies behind the rows, their padding included (packed layouts: whether it matters)."""
    h2 = -(-height // 2)
    if image_type is ImageType.I420:
        return size <= step * height + 2 * -(-step // 2) * h2
    if image_type.is_yuv:
        return size <= step * (height + h2)
    row = width * image_type.channels
    wider = {-(-row // 2**k) * 2**k for k in range(2, 10)}
    fits_wider = any(s > step and size in (s * height, s * (height - 1) + row) for s in wider)
    return size <= step * height or not fits_wider


def required_bytes(image_type: ImageType, width: int, height: int, step: int) -> int:
    """From the layout's definition: the end of its last row."""
    w2, h2 = -(-width // 2), -(-height // 2)
    if image_type is ImageType.I420:
        half = -(-step // 2)
        return max(step * (height - 1) + width, step * height + half * (2 * h2 - 1) + w2)
    if image_type.is_yuv:
        return step * height + step * (h2 - 1) + 2 * w2
    return step * (height - 1) + width * image_type.channels


@st.composite
def frames(draw: st.DrawFn) -> dict[str, Any]:
    """Mostly possible frames, each field now and then wrong."""
    image_type = draw(image_types)
    width, height = draw(sides), draw(sides)
    channels = draw(st.sampled_from([image_type.channels] * 6 + [0, 1, 2, 3, 4, 5]))
    natural = max(width, 0) * image_type.channels
    if image_type in (ImageType.YUV_420_888, ImageType.NV12):
        natural += natural % 2
    step = max(natural + draw(st.integers(-3, 40)), 0)
    size = max(required_bytes(image_type, max(width, 0), max(height, 0), step), 0)
    size = max(size + draw(st.sampled_from([0, 0, 0, 0, 1, 100, -1, -7, -size])), 0)
    seed = draw(st.integers(0, 2**32 - 1))
    data = np.random.default_rng(seed).integers(0, 256, size, dtype=np.uint8)
    return {
        "image_type": image_type,
        "fields": {"width": width, "height": height, "step": step, "channels": channels, "data": data},
    }


@thorough
@given(frames(), st.sampled_from([0, 0.5, 3.0, 60.0]))
def test_any_frame_gives_a_mask_of_its_size_or_an_input_error(
    eager: UpperBodySegmenter, frame: dict[str, Any], blur_sigma: float
) -> None:
    f, image_type = frame["fields"], frame["image_type"]
    w, h, step = f["width"], f["height"], f["step"] or f["width"] * f["channels"]
    row = w * image_type.channels
    pairs = image_type in (ImageType.YUV_420_888, ImageType.NV12)
    if pairs:
        row += row % 2
    possible = (
        w >= 1
        and h >= 1
        and f["channels"] == image_type.channels
        and step >= row
        and f["data"].size >= required_bytes(image_type, w, h, step) - pairs
        and longest(image_type, w, h, step, f["data"].size)
    )
    try:
        output = eager.process(FrameInput(ImageBuffer(**f), image_type=image_type), blur_sigma)
    except InputError:
        assert not possible
    else:
        assert possible
        assert output.mask.shape == (h, w)
        assert output.mask.dtype == np.uint8


shapes = st.one_of(
    st.lists(st.integers(0, 20), min_size=0, max_size=4),
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.tuples(st.integers(1, 40), st.integers(1, 40), st.integers(3, 4)),
)


@thorough
@given(
    shapes,
    st.sampled_from(["u1", "u1", "u1", "i1", "u2", "f4", "f8", "?", "c8", "O", "S1"]),
    image_types,
    st.lists(
        st.sampled_from([slice(None), slice(None, None, -1), slice(None, None, 2), slice(1, None)]),
        max_size=3,
    ),
)
def test_any_array_gives_a_mask_or_an_input_error(
    shape: Sequence[int], dtype: str, image_type: ImageType, cuts: list[slice]
) -> None:
    array = np.zeros(shape, dtype)
    array = np.asarray(array[tuple(cuts[: array.ndim])])
    possible = array.dtype == np.uint8 and array.size > 0
    if image_type.is_yuv:
        possible = possible and array.ndim == 2 and array.shape[0] % 3 != 1
        # The second byte of an odd width's last pair lies in the rows' padding, where there is some.
        even = array.ndim == 2 and array.shape[1] % 2 == 0
        padded = array.ndim == 2 and array.strides[0] > array.shape[1]
        padded = padded and (array.shape[1] == 1 or array.strides[1] == 1)
        possible = possible and (even or (padded and image_type is not ImageType.I420))
    else:
        grey = array.shape[2:] in ((), (1,)) and array.ndim >= 2 and image_type is ImageType.BGR_888
        possible = possible and (grey or (array.ndim == 3 and array.shape[2] == image_type.channels))
    try:
        mask = segment(array, image_type)
    except InputError:
        assert not possible
        return
    assert possible
    assert mask.dtype == np.uint8
    assert mask.shape[1] == array.shape[1]
    if image_type.is_yuv:
        assert mask.shape[0] + -(-mask.shape[0] // 2) == array.shape[0]
    else:
        assert mask.shape == array.shape[:2]


@given(st.one_of(st.none(), st.text(), st.integers(), st.binary(), st.lists(st.integers()), st.floats()))
def test_what_is_no_array_is_an_input_error(thing: object) -> None:
    with pytest.raises(InputError):
        segment(thing)
    with pytest.raises(InputError):
        ImageBuffer.view(thing)  # type: ignore[arg-type]


@thorough
@given(frames())
def test_nothing_beyond_the_buffer_is_read(frame: dict[str, Any]) -> None:
    f, image_type = frame["fields"], frame["image_type"]
    # The same bytes with different neighbours in memory.
    pictures = []
    for filler in (0, 255):
        room = np.full(f["data"].size + 512, filler, np.uint8)
        data = room[256 : 256 + f["data"].size]
        data[:] = f["data"]
        try:
            opened = open_frame(ImageBuffer(**{**f, "data": data}), image_type, 10**6)
        except InputError:
            return
        pictures.append(opened.read_bgr(opened.whole, 24, 24))
    np.testing.assert_array_equal(pictures[0], pictures[1])
