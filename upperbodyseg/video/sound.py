"""Sound tracks, copied packet by packet where the container can hold them, else re-encoded."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from upperbodyseg.errors import VideoError
from upperbodyseg.video.filter_graph import FilterGraph, build_graph
from upperbodyseg.video.format import SoundTrack
from upperbodyseg.video.libav import load_av

__all__ = ["CopiedTrack", "EncodedTrack", "add_sound"]

# Names that FFmpeg gives to so many channels where a file names no layout.
_LAYOUTS = {1: "mono", 2: "stereo", 3: "2.1", 4: "4.0", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}

_EQUAL_TIMES = {"matroska", "webm"}  # containers in which several packets may have one time
_WITHOUT_PCM = {".m4v", ".mp4"}  # it has a name there since 2023, which few players know
_CODECS = {".webm": "libopus"}
_OTHER_CODEC = "aac"


def add_sound(
    container: Any, source: SoundTrack, number: int, suffix: str, notes: list[str]
) -> CopiedTrack | EncodedTrack | None:
    """Add a sound track to a file that is about to be written.

    Args:
        container: PyAV's, of the file.
        source: the track to write.
        number: of the track, from 1 on, for messages.
        suffix: the file's ending.
        notes: a sentence is added where the track can't be kept as it is.

    Returns:
        The track; None where it can't be written at all.
    """
    stream = source.stream
    context = stream.codec_context
    if context is None:
        notes.append(f"sound track {number} was left out: FFmpeg doesn't know its codec")
        return None
    name = context.codec.canonical_name
    title = f"sound track {number} ({name})"
    if _can_hold(container, source, suffix):
        return CopiedTrack(container, stream, title)
    codec = _CODECS.get(suffix, _OTHER_CODEC)
    layout = _layout_name(context.layout)
    rate = _nearest_rate(codec, context.sample_rate)
    if layout is None or not _can_encode(codec, rate, layout):
        layout = "stereo"
        notes.append(f"sound track {number} was mixed to stereo: {codec} has no such layout")
    notes.append(f"sound track {number} was re-encoded: {suffix} can't hold {name}")
    return EncodedTrack(container, stream, title, codec, rate, layout)


def _can_hold(container: Any, source: SoundTrack, suffix: str) -> bool:
    """Whether a container takes a track as it is. A file in memory tells, lists of codecs don't."""
    av, first = load_av(), source.first_packet
    name = source.stream.codec_context.codec.canonical_name
    if name not in container.supported_codecs or (name.startswith("pcm_") and suffix in _WITHOUT_PCM):
        return False
    try:
        with _quiet(), av.open(io.BytesIO(), "w", format=container.format.name) as trial:
            track = CopiedTrack(trial, source.stream, "")
            trial.start_encoding()
            if first is not None:
                packet = av.Packet(bytes(first))
                packet.pts, packet.dts, packet.time_base = first.pts, first.dts, first.time_base
                packet.duration = first.duration
                for converted in track.convert(packet):
                    trial.mux_one(converted)
    except (av.FFmpegError, ValueError):
        return False
    return True


def _can_encode(codec: str, rate: int, layout: str) -> bool:
    av = load_av()
    try:
        with _quiet():
            context = av.CodecContext.create(codec, "w")
            context.sample_rate, context.layout = rate, layout
            context.format = context.codec.audio_formats[0]
            context.time_base = Fraction(1, rate)
            context.open()
    except (av.FFmpegError, ValueError):
        return False
    return True


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without FFmpeg's lines about what is but tried."""
    logging = load_av().logging
    level = logging.get_level()
    logging.set_level(None)
    try:
        yield
    finally:
        logging.set_level(level)


def _layout_name(layout: Any) -> str | None:
    """The name of a layout, guessed by the number of channels where it has none."""
    name = str(layout.name)
    try:
        load_av().AudioLayout(name)
    except ValueError:
        return _LAYOUTS.get(layout.nb_channels)
    # "2 channels": so many in no order that is known.
    return _LAYOUTS.get(layout.nb_channels) if name.endswith(" channels") else name


def _nearest_rate(codec: str, rate: int) -> int:
    rates = load_av().codec.Codec(codec, "w").audio_rates
    return min(rates, key=lambda r: (abs(r - rate), -r)) if rates else rate


class CopiedTrack:
    """A track whose packets are written as they come.

    Args:
        container: PyAV's, of the file that is written.
        source: PyAV's stream of the track to write.
        title: of the track, for messages.

    Attributes:
        stream: PyAV's, of the file that is written.
        damaged: always 0.
    """

    def __init__(self, container: Any, source: Any, title: str) -> None:
        self.stream = container.add_stream_from_template(source)
        self.title, self.damaged = title, 0
        self._step = 0 if _EQUAL_TIMES & set(container.format.name.split(",")) else 1
        self._last: int | None = None

    def convert(self, packet: Any) -> list[Any]:
        """What to write for a packet of the source."""
        if not packet.size:
            return []
        # In the new file's unit: one of a millisecond gives several short packets the same time, and moving
        # each by such a unit would make the track ever later.
        to = self.stream.time_base
        factor = packet.time_base / to
        time = packet.pts if packet.dts is None else packet.dts
        last = self._last
        if time is None:
            placed = 0 if last is None else last + self._step
        else:
            placed = round(time * factor)
            if last is not None and placed < last + self._step:
                placed = last + self._step
        pts = placed if packet.pts is None or time is None else round(packet.pts * factor)
        packet.pts, packet.dts = max(pts, placed), placed
        packet.duration = round((packet.duration or 0) * factor)
        packet.time_base = to
        packet.stream = self.stream
        self._last = placed
        return [packet]


class EncodedTrack:
    """A track that is decoded and encoded anew.

    Args:
        container: PyAV's, of the file that is written.
        source: PyAV's stream of the track to write.
        title: of the track, for messages.
        codec: FFmpeg's name of an encoder.
        rate: samples a second.
        layout: FFmpeg's name of the channels' layout.

    Attributes:
        stream: PyAV's, of the file that is written.
        damaged: how many packets could not be decoded.
    """

    def __init__(self, container: Any, source: Any, title: str, codec: str, rate: int, layout: str) -> None:
        self.title, self.damaged = title, 0
        try:
            self.stream = container.add_stream(codec, rate=rate, layout=layout)
        except ValueError as exc:  # UnknownCodecError
            raise VideoError(f"this build of FFmpeg has no {codec}: install PyAV from PyPI") from exc
        self._source, self._rate, self._layout = source, rate, layout
        self._resampler = FilterGraph()
        self._next: Fraction | None = None  # time after the last frame, in seconds
        self._any = self._ended = False

    def convert(self, packet: Any) -> list[Any]:
        """What to write for a packet of the source; an empty one ends the track."""
        if self._ended:
            return []
        try:
            frames = packet.decode()
        except load_av().FFmpegError:
            self.damaged += 1
            frames = []
        written = []
        for frame in frames:
            written += self._encode(self._resampled(frame))
        return written if packet.size else written + self.finish()

    def finish(self) -> list[Any]:
        """What is left to write; nothing comes after it."""
        if self._ended:
            return []
        self._ended = True
        written = self._encode(self._resampler.flush())
        if self._any:  # an encoder that never saw a frame has nothing to give
            written += self.stream.encode(None)
        return written

    def _encode(self, frames: list[Any]) -> list[Any]:
        written: list[Any] = []
        for frame in frames:
            self._any = True
            written += self.stream.encode(frame)
        return written

    def _resampled(self, frame: Any) -> list[Any]:
        av = load_av()
        layout = _layout_name(frame.layout)
        if layout is None:
            raise VideoError(f"{self.title} can't be re-encoded: it has {frame.layout.nb_channels} channels")
        time_base = Fraction(1, frame.sample_rate)
        time = self._next if frame.pts is None else frame.pts * frame.time_base
        if layout != frame.layout.name:
            samples = frame.to_ndarray()
            named = av.AudioFrame.from_ndarray(samples, format=frame.format.name, layout=layout)
            named.sample_rate = frame.sample_rate
            frame = named
        frame.time_base = time_base
        frame.pts = round((time or 0) / time_base)
        self._next = (frame.pts + frame.samples) * time_base
        given = frame.sample_rate, frame.format.name, layout
        return self._resampler.push(frame, given, lambda: self._build(*given))

    def _build(self, rate: int, format: str, layout: str) -> Any:
        written = (
            f"sample_fmts={self.stream.codec_context.format.name}:sample_rates={self._rate}"
            f":channel_layouts={self._layout}"
        )
        # Gaps in the source become silence, so that what follows stays in step.
        chain = (("aresample", "async=1"), ("aformat", written), ("abuffersink", ""))

        def add_source(graph: Any) -> Any:
            return graph.add_abuffer(
                sample_rate=rate, format=format, layout=layout, time_base=Fraction(1, rate)
            )

        return build_graph(add_source, chain)
