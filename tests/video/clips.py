"""Small videos, and what a player finds in them."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from upperbodyseg import (
    FrameInput,
    ImageBuffer,
    ImageType,
    SegmenterOptions,
    UpperBodySegmenter,
)
from upperbodyseg.video import VideoSummary, segment_video

av = pytest.importorskip("av", reason="PyAV is not installed: pip install 'upperbodyseg[video]'")


U8 = NDArray[np.uint8]
NTSC = Fraction(30000, 1001)
FAST = SegmenterOptions(model="fast")


def as_it_is(image: U8, mask: U8) -> U8:
    return image


def the_mask(image: U8, mask: U8) -> U8:
    return mask


def with_alpha(image: U8, mask: U8) -> U8:
    return np.dstack([image, mask])


def segment(picture: U8) -> U8:
    """The mask of a picture as such, by the models that the videos here are segmented with."""
    with UpperBodySegmenter(FAST) as engine:
        frame = FrameInput(ImageBuffer.view(picture), 0, ImageType.BGR_888, is_still=True)
        return engine.process(frame).mask


def make(
    path: Path,
    pictures: Sequence[U8],
    *,
    codec: str = "libx264",
    rate: Fraction = NTSC,
    times: Sequence[int] | None = None,
    time_base: Fraction | None = None,
    sound: Sequence[str] = (),
    pixel_aspect: Fraction | None = None,
    title: str = "",
    start_s: int = 0,
    full: bool = False,
    matrix: int = 2,
    options: dict[str, str] | None = None,
) -> Path:
    """A video of BGR pictures; ``times`` in units of ``time_base``, ``matrix`` as in H.273 (1, 5, 6 or 2)."""
    height, width = pictures[0].shape[:2]
    with av.open(str(path), "w") as container:
        if title:
            container.metadata["title"] = title
        stream = container.add_stream(codec, rate=rate, options=options or {})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        context = stream.codec_context
        if codec == "mjpeg":
            stream.pix_fmt = "yuvj420p"
        if time_base is not None:
            context.time_base = time_base
        if pixel_aspect is not None:
            context.sample_aspect_ratio = pixel_aspect
        if full or codec == "mjpeg":
            context.color_range = 2
        context.colorspace = matrix
        if matrix != 2:
            context.color_primaries = context.color_trc = 1 if matrix == 1 else 6
        tracks: list[Any] = []
        for name in sound:
            track = container.add_stream(name, rate=48000 if name == "libopus" else 44100, layout="stereo")
            track.metadata["language"] = "fra" if tracks else "eng"
            tracks.append(track)
        for number, track in enumerate(tracks):
            seconds = len(pictures) / float(rate)
            t = np.arange(int(track.codec_context.sample_rate * seconds)) / track.codec_context.sample_rate
            wave = (np.sin(2 * np.pi * (440 + 220 * number) * t) * 8000).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(np.repeat(wave, 2)[None], format="s16", layout="stereo")
            frame.sample_rate = track.codec_context.sample_rate
            frame.pts = round(start_s * frame.sample_rate)
            for packet in (*track.encode(frame), *track.encode(None)):
                container.mux(packet)
        for i, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(yuv(picture, matrix, full or codec == "mjpeg"), stream.pix_fmt)
            frame.time_base = 1 / rate if time_base is None else time_base
            frame.pts = (i if times is None else times[i]) + round(start_s / frame.time_base)
            for packet in stream.encode(frame):
                container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)
    return path


def yuv(bgr: U8, matrix: int = 2, full: bool = False) -> U8:
    """BGR as planar 4:2:0 by the textbook (ITU-T H.273); odd sizes are cropped to even ones."""
    bgr = bgr[: bgr.shape[0] // 2 * 2, : bgr.shape[1] // 2 * 2]
    kr, kb = (0.2126, 0.0722) if matrix == 1 else (0.299, 0.114)
    b, g, r = np.moveaxis(bgr.astype(np.float64), -1, 0)
    y = kr * r + (1 - kr - kb) * g + kb * b
    u, v = (b - y) / (2 * (1 - kb)), (r - y) / (2 * (1 - kr))
    if not full:
        y, u, v = 16 + y * 219 / 255, u * 224 / 255, v * 224 / 255
    half = [cv2.resize(c, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA) + 128 for c in (u, v)]
    height, width = bgr.shape[:2]
    planes = np.concatenate([y.ravel(), half[0].ravel(), half[1].ravel()])
    return np.clip(planes.round(), 0, 255).astype(np.uint8).reshape(height * 3 // 2, width)


def look(path: Path) -> SimpleNamespace:
    """What a player would find in a file."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        tracks = [stream, *container.streams.audio]
        packets: dict[int, list[tuple[Any, bytes]]] = {t.index: [] for t in tracks}
        frames = []
        for packet in container.demux(*tracks):
            if packet.pts is not None:
                packets[packet.stream_index].append((packet.pts * packet.time_base, bytes(packet)))
            if packet.stream_index == stream.index:
                frames += packet.decode()
        context = stream.codec_context
        return SimpleNamespace(
            codec=context.name,
            size=(context.height, context.width),
            rate=stream.average_rate,
            times=[f.pts * f.time_base for f in frames],
            luma=[plane(f, 0) for f in frames],
            chroma=[(plane(f, 1), plane(f, 2)) for f in frames],
            sound=[packets[t.index] for t in container.streams.audio],
            sound_codecs=[t.codec_context.codec.canonical_name for t in container.streams.audio],
            languages=[t.metadata.get("language") for t in container.streams.audio],
            colours=(
                context.color_range,
                context.colorspace,
                context.color_primaries,
                context.color_trc,
            ),
            pixel_aspect=stream.sample_aspect_ratio,
            title=container.metadata.get("title"),
            duration=container.duration / 1e6,
            turned=any(f.side_data.get("DISPLAYMATRIX") is not None for f in frames),
        )


def plane(frame: Any, number: int) -> U8:
    part = frame.planes[number]
    return np.frombuffer(part, np.uint8).reshape(part.height, part.line_size)[:, : part.width].copy()


def iou(one: U8, other: U8) -> float:
    person, others = one >= 128, other >= 128
    return float((person & others).sum() / (person | others).sum())


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def turn(path: Path, matrix: Sequence[int]) -> Path:
    """Ask players to turn a video: write a display matrix (a, b, c, d) into an MP4's track header."""
    content = bytearray(path.read_bytes())
    at = content.index(struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30), content.index(b"tkhd"))
    a, b, c, d = (65536 * m for m in matrix)
    content[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(content)
    return path


def run(
    source: Path, target: Path, render: Any = as_it_is, layout: Any = "bgr", **keywords: Any
) -> VideoSummary:
    return segment_video(source, target, render, layout=layout, options=FAST, **keywords)
