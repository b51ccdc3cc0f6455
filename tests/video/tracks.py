"""Videos with their tracks in any order, written by PyAV."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clips import U8, yuv

av = pytest.importorskip("av", reason="PyAV is not installed: pip install 'upperbodyseg[video]'")


@dataclass
class Sound:
    """A tone of so many seconds."""

    codec: str
    seconds: float = 0.4
    rate: int = 48000
    layout: str = "stereo"
    language: str = "und"
    packet: int = 0
    """Samples of a packet; 0 for the codec's own number."""
    default: bool = False


@dataclass
class Picture:
    """Frames at 30 a second."""

    frames: Sequence[U8]
    codec: str = "libx264"
    options: dict[str, str] | None = None


def record(path: Path, *tracks: Sound | Picture, start_s: int = 0, chapters: Sequence[Any] = ()) -> Path:
    """Write a video with its tracks in the order given."""
    with av.open(str(path), "w") as container:
        streams = [_add(container, track) for track in tracks]
        if chapters:
            container.set_chapters(list(chapters))
        for track, stream in zip(tracks, streams, strict=True):
            for frame in _frames(track, stream):
                frame.pts += round(start_s / frame.time_base)
                for packet in stream.encode(frame):
                    container.mux(packet)
            for packet in stream.encode(None):
                container.mux(packet)
    return path


def _add(container: Any, track: Sound | Picture) -> Any:
    if isinstance(track, Picture):
        stream = container.add_stream(track.codec, rate=30, options=track.options or {})
        stream.height, stream.width = track.frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        return stream
    stream = container.add_stream(track.codec, rate=track.rate, layout=track.layout)
    if track.codec == "wmav2":
        stream.bit_rate = 128_000
    stream.metadata["language"] = track.language
    stream.disposition = av.stream.Disposition.default.value if track.default else 0
    return stream


def _frames(track: Sound | Picture, stream: Any) -> Any:
    if isinstance(track, Picture):
        for i, picture in enumerate(track.frames):
            frame = av.VideoFrame.from_ndarray(yuv(picture), "yuv420p")
            frame.pts, frame.time_base = i, Fraction(1, 30)
            yield frame
        return
    channels = av.AudioLayout(track.layout).nb_channels
    wave = np.sin(np.arange(round(track.seconds * track.rate)) * (2 * np.pi * 440 / track.rate)) * 8000
    samples = np.repeat(wave.astype(np.int16), channels)[None]
    step = track.packet * channels or samples.size
    for at in range(0, samples.size, step):
        frame = av.AudioFrame.from_ndarray(samples[:, at : at + step], format="s16", layout=track.layout)
        frame.sample_rate, frame.time_base = track.rate, Fraction(1, track.rate)
        frame.pts = at // channels
        yield frame


def count(path: Path) -> int:
    """How many frames a decoder without threads gives, as ffprobe -count_frames does."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "NONE"
        return sum(len(packet.decode()) for packet in container.demux(stream))


def heard(path: Path, number: int = 0) -> tuple[str, str, float, float]:
    """A sound track's codec, its layout, and when it begins and ends, in seconds, as it is decoded."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[number]
        frames = [f for packet in container.demux(stream) for f in packet.decode() if f.pts is not None]
        ends = [float(f.pts * f.time_base) + f.samples / f.sample_rate for f in frames]
        begins = float(frames[0].pts * frames[0].time_base)
        return stream.codec_context.codec.canonical_name, frames[0].layout.name, begins, ends[-1]
