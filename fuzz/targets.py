"""What is fuzzed: each target takes bytes, and lets nothing out but the errors that are promised."""

from __future__ import annotations

import contextlib
import struct
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fuzz import made_bombs, made_pictures, made_videos
from upperbodyseg.engine import SegmenterOptions
from upperbodyseg.errors import InputError, ModelError, VideoError
from upperbodyseg.geometry import Region
from upperbodyseg.http.limits import RefusedError
from upperbodyseg.http.messages import pack, unpack
from upperbodyseg.http.pipeline import Settings
from upperbodyseg.image_buffer import ImageBuffer, ImageType
from upperbodyseg.models.interpreter import RUNTIMES
from upperbodyseg.models.spec import DETECTOR, MODELS, SEGMENTER, WEIGHTS, load_spec
from upperbodyseg.pictures import PictureError, PictureLimits, decode_labels, decode_picture
from upperbodyseg.preprocess.pixel_format import Frame, open_frame
from upperbodyseg.types import FrameInput
from upperbodyseg.video import segment_video

__all__ = ["TARGETS", "seeds"]

_LIMITS = PictureLimits(max_pixels=1_000_000)


def pictures(data: bytes) -> None:
    """Bytes of a picture file."""
    for decode in (decode_picture, decode_labels):
        with contextlib.suppress(PictureError):
            decode(data, _LIMITS)


def messages(data: bytes) -> None:
    """A message of the page, and the settings in it."""
    with contextlib.suppress(RefusedError):
        header, parts = unpack(data)
        assert [len(part) for part in parts] == header["parts"]
        Settings.parse(header)


def specs(data: bytes) -> None:
    """The description of a model."""
    for name in (DETECTOR, SEGMENTER):
        file = _folder() / f"{name}.json"
        file.write_bytes(data)
        with contextlib.suppress(ModelError):
            load_spec(name, RUNTIMES[0], _folder())


def buffers(data: bytes) -> None:
    """The fields of an image buffer, then its bytes: see :data:`_FIELDS`."""
    if len(data) < _FIELDS.size:
        return
    kind, width, height, step, channels, size, y0, x0 = _FIELDS.unpack_from(data)
    content = data[_FIELDS.size :]
    try:
        image_type = ImageType.parse(kind)
        buffer = ImageBuffer(
            width=width, height=height, step=step, channels=channels, data=content, data_size=size or None
        )
        frame = open_frame(buffer, image_type, 1_000_000)
    except InputError:
        return
    _read(frame, y0, x0)


def planes(data: bytes) -> None:
    """The fields of a frame described plane by plane, then its bytes: see :data:`_PLANES`."""
    if len(data) < _PLANES.size:
        return
    kind, parts, width, height, pixel_stride, *numbers = _PLANES.unpack_from(data)
    content = data[_PLANES.size :]
    steps, offsets = numbers[:3], numbers[3:]
    # Parts above 0: a list of so many objects, each with its place in the bytes; else one with offsets.
    memory = [content[max(offset, 0) :] for offset in offsets[:parts]] if parts > 0 else content
    count = 3 if kind == ImageType.I420 else 2
    try:
        frame = FrameInput.from_planes(
            memory,
            width=width,
            height=height,
            steps=steps[:count],
            offsets=None if parts > 0 else offsets[:count],
            pixel_stride=pixel_stride,
            image_type=ImageType.parse(kind),
        )
        opened = open_frame(frame.frame, frame.image_type, 1_000_000)
    except InputError:
        return
    _read(opened, *steps[:2])


def _read(frame: Frame, y0: int, x0: int) -> None:
    region = Region(x0 % frame.width & ~1, y0 % frame.height & ~1, frame.width, frame.height)
    assert frame.read_bgr(region, 8, 8).shape == (8, 8, 3)


def videos(data: bytes) -> None:
    """A video file, as far as its first frame."""
    source, target = _folder() / "video", _folder() / "out.mp4"
    source.write_bytes(data)
    with contextlib.suppress(VideoError, InputError):
        segment_video(
            source,
            target,
            lambda image, _mask: image,
            options=SegmenterOptions(max_pixels=1_000_000),
            stop=lambda: True,
        )
    assert not target.exists()


TARGETS: dict[str, Callable[[bytes], None]] = {
    "pictures": pictures,
    "messages": messages,
    "specs": specs,
    "buffers": buffers,
    "planes": planes,
    "videos": videos,
}

_FIELDS = struct.Struct("<bhhihihh")  # image type, width, height, step, channels, data size, region's corner
_PLANES = struct.Struct("<bbhhb3i3i")  # image type, parts, width, height, pixel stride, steps, offsets
_FOLDERS: list[tempfile.TemporaryDirectory[str]] = []


def _folder() -> Path:
    if not _FOLDERS:
        _FOLDERS.append(tempfile.TemporaryDirectory())
    return Path(_FOLDERS[0].name)


def seeds(target: str) -> Iterator[bytes]:
    """What a target's fuzzing starts from, made here: no third party's file is among it."""
    if target == "pictures":
        rgb = _gradient()
        yield from made_pictures.whole(rgb).values()
        yield made_pictures.encode(np.dstack([rgb, rgb[..., 0]]), "PNG", exif=made_pictures.exif(6))
        yield made_pictures.encode(rgb, "JPEG", exif=made_pictures.exif(5, "<"))
        yield made_pictures.malformed_apng()
        yield made_pictures.heic(rgb) or b""
        yield from (content for content in made_bombs.bombs().values() if len(content) < 2000)
    elif target == "messages":
        yield pack({"effect": "colour", "colour": "#00ff00", "blur_sigma": 0.5, "model": "fast"}, b"picture")
        yield pack({"kind": "frame", "frame": 1, "timestamp_ms": 33}, b"picture", b"background")
        for text in ('{"parts": [1e999]}', '{"parts": [NaN]}', "[" * 1000):
            yield len(text).to_bytes(4, "little") + text.encode()
    elif target == "specs":
        for model in MODELS:
            for name in (DETECTOR, SEGMENTER):
                yield (WEIGHTS / model / f"{name}.json").read_bytes()
        yield b'{"files": {"tflite-runtime": {}}, "stride": 1e999}'
    elif target == "buffers":
        for image_type in ImageType:
            rows = 12 if image_type.is_yuv else 8
            width, channels = 8, image_type.channels
            head = _FIELDS.pack(int(image_type), width, rows, width * channels, channels, 0, 2, 2)
            yield head + bytes(range(256))[: rows * width * channels] + bytes(rows * width * channels)
    elif target == "planes":
        yield from _described_planes()
    elif target == "videos":
        yield from made_videos.clips(_gradient())


def _gradient() -> NDArray[np.uint8]:
    y, x = np.mgrid[:24, :32]
    return np.dstack([8 * x, 10 * y, 255 - 8 * x]).astype(np.uint8)


def _described_planes() -> Iterator[bytes]:
    content = bytes(range(256)) * 2
    for parts in (0, 3, 2):
        # As I420 has it, with steps of their own, and with U and V interleaved.
        yield _PLANES.pack(ImageType.I420, parts, 8, 8, 1, 8, 4, 4, 0, 64, 80) + content[:96]
        yield _PLANES.pack(ImageType.I420, parts, 7, 7, 1, 9, 5, 6, 3, 80, 120) + content
        yield _PLANES.pack(ImageType.I420, parts, 8, 8, 2, 8, 8, 8, 0, 65, 64) + content[:96]
        for image_type in (ImageType.NV12, ImageType.YUV_420_888):
            yield _PLANES.pack(image_type, parts, 8, 8, 1, 8, 8, 0, 0, 64, 0) + content[:95]
