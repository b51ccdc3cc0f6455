"""What is fuzzed: each target takes bytes, and lets nothing out but the errors that are promised.

A target for the headers of video files belongs here as soon as there is a reader of headers alone.
"""

from __future__ import annotations

import contextlib
import struct
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from fuzz import made_pictures
from upperbodyseg.demo.limits import RefusedError
from upperbodyseg.demo.messages import pack, unpack
from upperbodyseg.demo.pipeline import Settings
from upperbodyseg.errors import InputError, ModelError
from upperbodyseg.geometry import Region
from upperbodyseg.image_buffer import ImageBuffer, ImageType
from upperbodyseg.models.interpreter import RUNTIMES
from upperbodyseg.models.spec import DETECTOR, MODELS, SEGMENTER, WEIGHTS, load_spec
from upperbodyseg.pictures import PictureError, PictureLimits, decode_labels, decode_picture
from upperbodyseg.preprocess.pixel_format import open_frame

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
    region = Region(x0 % frame.width & ~1, y0 % frame.height & ~1, frame.width, frame.height)
    assert frame.read_bgr(region, 8, 8).shape == (8, 8, 3)


TARGETS: dict[str, Callable[[bytes], None]] = {
    "pictures": pictures,
    "messages": messages,
    "specs": specs,
    "buffers": buffers,
}

_FIELDS = struct.Struct("<bhhihihh")  # image type, width, height, step, channels, data size, region's corner
_FOLDERS: list[tempfile.TemporaryDirectory[str]] = []


def _folder() -> Path:
    if not _FOLDERS:
        _FOLDERS.append(tempfile.TemporaryDirectory())
    return Path(_FOLDERS[0].name)


def seeds(target: str) -> Iterator[bytes]:
    """What a target's fuzzing starts from, made here: no third party's file is among it."""
    if target == "pictures":
        y, x = np.mgrid[:24, :32]
        rgb = np.dstack([8 * x, 10 * y, 255 - 8 * x]).astype(np.uint8)
        yield from made_pictures.whole(rgb).values()
        yield made_pictures.encode(np.dstack([rgb, rgb[..., 0]]), "PNG", exif=made_pictures.exif(6))
        yield made_pictures.encode(rgb, "JPEG", exif=made_pictures.exif(5, "<"))
        yield made_pictures.malformed_apng()
        yield from (content for content in made_pictures.bombs().values() if len(content) < 2000)
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
