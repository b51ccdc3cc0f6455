from __future__ import annotations

import cv2
import numpy as np
import pytest
from frames import bgr_to_yuv, make_frame, make_yuv_frame, yuv_to_bgr
from numpy.typing import NDArray

from upperbodyseg import ImageBuffer, ImageTooLargeError, ImageType, InputError
from upperbodyseg.geometry import Region, resize
from upperbodyseg.preprocess.pixel_format import open_frame

LIMIT = 10_000_000
YUV = [t for t in ImageType if t.is_yuv]
SIZES = [(64, 48), (65, 48), (64, 47), (63, 49), (2, 2), (1, 1), (3, 1), (1, 4)]


def difference(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> NDArray[np.int_]:
    assert a.shape == b.shape
    return np.abs(a.astype(int) - b.astype(int))


@pytest.mark.parametrize("padding", [0, 1, 5, 16])
@pytest.mark.parametrize("image_type", ImageType)
def test_conversion_agrees_with_the_standard(
    image_type: ImageType, padding: int, astronaut: NDArray[np.uint8]
) -> None:
    bgr = astronaut[40:104, 180:260]
    frame = open_frame(make_frame(bgr, image_type, padding), image_type, LIMIT)
    got = frame.read_bgr(frame.whole, *bgr.shape[:2])
    if image_type.is_yuv:
        # Chroma is interpolated where the reference repeats it, so edges differ; flat parts don't.
        levels = difference(got, yuv_to_bgr(*bgr_to_yuv(bgr)))
        assert levels.mean() < 1.5
        assert np.median(levels) <= 1
    else:
        np.testing.assert_array_equal(got, bgr)


@pytest.mark.parametrize("image_type", YUV)
def test_saturated_colours_agree_with_the_standard(image_type: ImageType) -> None:
    corners = np.array([[b, g, r] for b in (0, 255) for g in (0, 255) for r in (0, 255)], np.uint8)
    for colour in corners:
        bgr = np.full((6, 4, 3), colour, np.uint8)
        frame = open_frame(make_frame(bgr, image_type), image_type, LIMIT)
        assert difference(frame.read_bgr(frame.whole, 6, 4), bgr).max() <= 2


@pytest.mark.parametrize("image_type", YUV)
def test_every_code_agrees_with_the_standard(image_type: ImageType) -> None:
    rng = np.random.default_rng(5)
    for y, u, v in rng.integers(0, 256, (300, 3)):
        planes = np.full((4, 4), y, np.uint8), np.full((2, 2), u, np.uint8), np.full((2, 2), v, np.uint8)
        frame = open_frame(make_yuv_frame(*planes, image_type), image_type, LIMIT)
        assert difference(frame.read_bgr(frame.whole, 4, 4), yuv_to_bgr(*planes)).max() <= 1


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("image_type", ImageType)
def test_any_size_is_read_whole(
    image_type: ImageType, size: tuple[int, int], astronaut: NDArray[np.uint8]
) -> None:
    width, height = size
    bgr = cv2.GaussianBlur(astronaut, (0, 0), 3)[100 : 100 + height, 200 : 200 + width]
    frame = open_frame(make_frame(bgr, image_type, padding=3), image_type, LIMIT)
    got = frame.read_bgr(frame.whole, 16, 16)
    expected = cv2.resize(
        yuv_to_bgr(*bgr_to_yuv(bgr)) if image_type.is_yuv else bgr,
        (16, 16),
        interpolation=cv2.INTER_AREA if height * width > 256 else cv2.INTER_LINEAR,
    )
    assert difference(got, expected).mean() < 2.5


@pytest.mark.parametrize(("zoom", "mean", "worst"), [(1, 1.8, 10), (3, 0.8, 5)])
@pytest.mark.parametrize("image_type", YUV)
def test_resizing_planes_first_gives_the_picture_that_converting_first_does(
    image_type: ImageType, zoom: int, mean: float, worst: int, astronaut: NDArray[np.uint8]
) -> None:
    bgr = cv2.resize(astronaut[:511], None, fx=zoom, fy=zoom, interpolation=cv2.INTER_CUBIC)
    region = Region(60 * zoom, 20 * zoom, 500 * zoom, 511 * zoom)
    frame = open_frame(make_frame(bgr, image_type), image_type, LIMIT)
    got = frame.read_bgr(region, 256, 256)
    full = yuv_to_bgr(*bgr_to_yuv(bgr))[20 * zoom : 511 * zoom, 60 * zoom : 500 * zoom]
    levels = difference(got, resize(full, 256, 256))
    assert levels.mean() < mean
    assert np.percentile(levels, 99) <= worst


@pytest.mark.parametrize("image_type", ImageType)
def test_regions_are_cut_where_they_are(image_type: ImageType) -> None:
    bgr = np.zeros((40, 60, 3), np.uint8)
    bgr[10:30, 20:50] = (40, 90, 200)
    frame = open_frame(make_frame(bgr, image_type, padding=7), image_type, LIMIT)
    inside = frame.read_bgr(Region(20, 10, 50, 30), 8, 8)
    assert difference(inside, np.full_like(inside, (40, 90, 200))).max() <= 3
    assert frame.read_bgr(Region(0, 30, 60, 40), 8, 8).max() <= 3


@pytest.mark.parametrize("image_type", ImageType)
def test_padding_is_not_looked_at(image_type: ImageType, astronaut: NDArray[np.uint8]) -> None:
    bgr = astronaut[:31, :45]
    pictures = []
    for filler in (0, 255):
        frame = open_frame(make_frame(bgr, image_type, 9, filler), image_type, LIMIT)
        pictures.append(frame.read_bgr(frame.whole, 30, 44))
    np.testing.assert_array_equal(pictures[0], pictures[1])


@pytest.mark.parametrize("image_type", ImageType)
def test_one_byte_less_than_needed_is_refused(image_type: ImageType, astronaut: NDArray[np.uint8]) -> None:
    for height, width in ((8, 6), (7, 5)):
        whole = make_frame(astronaut[:height, :width], image_type, padding=4)
        assert whole.data is not None
        if image_type is ImageType.I420:
            row, needed = (whole.step + 1) // 2, (width + 1) // 2
        elif image_type.is_yuv:
            row, needed = whole.step, 2 * ((width + 1) // 2)
        else:
            row, needed = whole.step, width * image_type.channels
        # Rows up to the last pixel are enough; the last row's padding may be missing, and of pairs the last
        # byte.
        pairs = image_type in (ImageType.NV12, ImageType.YUV_420_888)
        least = whole.data_size - (row - needed) - pairs
        fields = {"width": width, "height": height, "step": whole.step, "channels": whole.channels}
        buffer = ImageBuffer(**fields, data=whole.data[:least])
        assert open_frame(buffer, image_type, LIMIT).width == width
        with pytest.raises(InputError, match="bytes"):
            open_frame(
                ImageBuffer(**fields, data=whole.data[: least - 1]),
                image_type,
                LIMIT,
            )


def test_luma_rows_alone_are_no_420_frame() -> None:
    buffer = ImageBuffer.view(np.zeros((48, 64), np.uint8))
    with pytest.raises(InputError, match="image_type=") as caught:
        open_frame(buffer, ImageType.YUV_420_888, LIMIT)
    assert "4608" in str(caught.value)


def test_chroma_pairs_need_an_even_step() -> None:
    buffer = ImageBuffer(width=5, height=2, step=5, channels=1, data=bytes(16))
    with pytest.raises(InputError, match="chroma row of 3 pairs takes 6"):
        open_frame(buffer, ImageType.NV12, LIMIT)
    assert open_frame(buffer, ImageType.I420, LIMIT).planes[1].shape == (1, 3)


@pytest.mark.parametrize(
    ("channels", "image_type"),
    [
        (1, ImageType.BGR_888),
        (4, ImageType.RGB_888),
        (3, ImageType.RGBA_8888),
        (3, ImageType.YUV_420_888),
        (2, ImageType.BGRA_8888),
    ],
)
def test_another_layouts_channels_are_refused(channels: int, image_type: ImageType) -> None:
    buffer = ImageBuffer(width=8, height=8, channels=channels, data=bytes(8 * 8 * 4))
    with pytest.raises(InputError, match=f"the frame has {channels}"):
        open_frame(buffer, image_type, LIMIT)


def test_what_is_no_frame_is_refused() -> None:
    good = ImageBuffer.view(np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(InputError, match="empty"):
        open_frame(ImageBuffer(), ImageType.BGR_888, LIMIT)
    with pytest.raises(InputError, match=r"ImageBuffer\.view"):
        open_frame(np.zeros((4, 4, 3), np.uint8), ImageType.BGR_888, LIMIT)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="BGR_888"):
        open_frame(good, 99, LIMIT)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="BGR_888"):
        open_frame(good, None, LIMIT)  # type: ignore[arg-type]


def test_too_many_pixels_are_refused_by_their_number_alone() -> None:
    row = np.zeros(3_000_000, np.uint8)
    # A picture of 10^6 rows that all are the same memory: reading it would take for ever.
    array = np.lib.stride_tricks.as_strided(row, (1000, 1000, 3), (3000, 3, 1))
    with pytest.raises(ImageTooLargeError, match="max_pixels"):
        open_frame(ImageBuffer.view(array), ImageType.BGR_888, 999_999)
    assert open_frame(ImageBuffer.view(array), ImageType.BGR_888, 1_000_000).height == 1000
    with pytest.raises(ImageTooLargeError, match="a side"):
        open_frame(
            ImageBuffer(width=40_000, height=1, channels=3, data=bytes(120_000)), ImageType.BGR_888, LIMIT
        )


@pytest.mark.parametrize("image_type", ImageType)
def test_what_is_read_is_never_the_callers_memory(image_type: ImageType) -> None:
    bgr = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    frame = open_frame(make_frame(bgr, image_type), image_type, LIMIT)
    read = frame.read_bgr(frame.whole, 64, 64)
    assert not any(np.shares_memory(read, plane) for plane in frame.planes)


@pytest.mark.parametrize("image_type", [ImageType.NV12, ImageType.YUV_420_888])
@pytest.mark.parametrize("size", [(64, 48), (63, 47), (64, 2), (2, 2), (1, 1), (2, 48), (1, 5)])
def test_pairs_without_the_very_last_byte_repeat_the_one_beside_it(
    image_type: ImageType, size: tuple[int, int], astronaut: NDArray[np.uint8]
) -> None:
    width, height = size
    whole = make_frame(astronaut[100 : 100 + height, 200 : 200 + width], image_type, padding=6)
    assert whole.data is not None
    row, pairs = 2 * ((width + 1) // 2), (height + 1) // 2
    end = whole.step * (height + pairs - 1) + row
    expected = bytearray(whole.data)
    expected[end - 1] = expected[end - 3] if row > 2 else expected[end - 1 - whole.step] if pairs > 1 else 128
    fields = {"width": width, "height": height, "step": whole.step, "channels": 1}
    short = open_frame(ImageBuffer(**fields, data=whole.data[: end - 1]), image_type, LIMIT)
    repeated = open_frame(ImageBuffer(**fields, data=expected), image_type, LIMIT)
    for got, plane in zip(short.planes, repeated.planes, strict=True):
        np.testing.assert_array_equal(got, plane)


# What cameras give for 638 x 480 (V4L2: rows and planes aligned; picamera2: rows of a multiple of 64), and
# what the message has to name when it is described without padding.
@pytest.mark.parametrize(
    ("image_type", "size", "named"),
    [
        (ImageType.NV12, 640 * 720, "step=640"),
        (ImageType.NV12, 704 * 719 + 638, "step=704"),
        (ImageType.YUV_420_888, 1024 * 720, "step=1024"),
        (ImageType.I420, 640 * 480 + 2 * 320 * 240, "step=640"),
        (ImageType.I420, 704 * 480 + 2 * 352 * 240, "step=704"),
        (ImageType.I420, 700 * 480 + 2 * 350 * 240, "step=700"),
        (ImageType.I420, 640 * 480 + 2 * 384 * 240, "steps=[640, 384, 384]"),
        (ImageType.NV12, 640 * 512 * 3 // 2, "offsets=[0, 327680], steps=[640, 640]"),
        (ImageType.I420, 640 * 512 * 3 // 2, "offsets=[0, 327680, 409600], steps=[640, 320, 320]"),
    ],
)
def test_a_buffer_longer_than_described_names_what_it_probably_holds(
    image_type: ImageType, size: int, named: str
) -> None:
    buffer = ImageBuffer(width=638, height=480, channels=1, data=bytes(size))
    with pytest.raises(InputError) as caught:
        open_frame(buffer, image_type, LIMIT)
    assert named in str(caught.value)
    assert f"holds {size} bytes" in str(caught.value)
    assert "data_size=459360" in str(caught.value)


@pytest.mark.parametrize("image_type", YUV)
def test_bytes_behind_the_picture_are_left_out_by_data_size(image_type: ImageType) -> None:
    end = 640 * 480 * 3 // 2
    page_aligned = np.zeros(-(-end // 4096) * 4096, np.uint8)
    fields = {"width": 640, "height": 480, "channels": 1, "data": page_aligned}
    with pytest.raises(InputError, match=f"data_size={end}"):
        open_frame(ImageBuffer(**fields), image_type, LIMIT)  # type: ignore[arg-type]
    buffer = ImageBuffer(**fields, data_size=end)  # type: ignore[arg-type]
    assert open_frame(buffer, image_type, LIMIT).size == (480, 640)


def test_a_shorter_buffer_names_the_step_too() -> None:
    buffer = ImageBuffer(width=640, height=480, step=704, channels=1, data=bytes(656 * 720))
    with pytest.raises(InputError, match=r"takes 506816; its length fits step=656"):
        open_frame(buffer, ImageType.NV12, LIMIT)


@pytest.mark.parametrize("last_padding", [0, 2])
def test_packed_rows_of_a_wider_step_are_refused_and_other_bytes_behind_them_ignored(
    last_padding: int,
) -> None:
    fields = {"width": 638, "height": 480, "channels": 3}
    rows = bytes(1916 * 480 - last_padding)
    with pytest.raises(InputError, match=r"fits step=1916.*data_size=918720"):
        open_frame(ImageBuffer(**fields, data=rows), ImageType.BGR_888, LIMIT)  # type: ignore[arg-type]
    for data in (
        {"data": rows, "step": 1916},
        {"data": rows, "data_size": 918720},
        {"data": rows + b"behind"},
    ):
        open_frame(ImageBuffer(**fields, **data), ImageType.BGR_888, LIMIT)  # type: ignore[arg-type]
