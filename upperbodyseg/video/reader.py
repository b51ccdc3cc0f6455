"""A video file: its frames, upright, and its sound packets, in the file's order."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from upperbodyseg.errors import VideoError
from upperbodyseg.video.colour import read_colours
from upperbodyseg.video.convert import Converter, range_name
from upperbodyseg.video.format import Frame, VideoFormat
from upperbodyseg.video.libav import load_av, reason, tag_options
from upperbodyseg.video.orientation import Orientation
from upperbodyseg.video.times import Timeline

__all__ = ["Reader"]

# Names, of FFmpeg's containers, whose clocks don't start at 0 (its AVFMT_TS_DISCONT).
_RUNNING_CLOCKS = {"mpegts", "mpeg", "mpegtsraw"}

_HDR = (16, 18)  # PQ, HLG


class Reader:
    """Reads a video file; to be used in a ``with`` statement.

    Args:
        path: the file. Of several video tracks the first is taken.

    Attributes:
        format: what the video is like.
        damaged: how many times the decoder has found it damaged.
        notes: what was not read as it is, a sentence each.

    Raises:
        VideoError: it can't be read as a video, or holds no frame.
    """

    format: VideoFormat

    def __init__(self, path: Path) -> None:
        av = load_av()
        self.path = path
        self.damaged = 0
        self.notes: list[str] = []
        try:
            # "file:" since FFmpeg takes what stands before a colon in a name for a protocol.
            self._container: Any = av.open(f"file:{path}", **tag_options())
        except (av.FFmpegError, ValueError) as exc:  # ValueError: a codec that PyAV doesn't know
            raise VideoError(f"{path} can't be opened as a video: {reason(exc)}") from exc
        try:
            self._choose_streams()
            self._items = self._read()
            # Up to the first frame, which shows the format.
            self._read_ahead: deque[Frame | Any] = deque()
            for item in self._items:
                self._read_ahead.append(item)
                if isinstance(item, Frame):
                    break
            else:
                raise VideoError(f"no frame of {path} could be decoded")
        except BaseException:
            self._container.close()
            raise

    def _choose_streams(self) -> None:
        av = load_av()
        videos = [s for s in self._container.streams.video if not _is_cover(s)]
        if not videos:
            raise VideoError(f"{self.path} has no video track")
        self._stream = videos[0]
        if self._stream.codec_context is None:
            raise VideoError(f"{self.path}: FFmpeg has no decoder for its video track")
        self._stream.thread_type = "AUTO"
        self._time_base: Fraction = self._stream.time_base or Fraction(1, av.time_base)
        self._sound = tuple(self._container.streams.audio)
        if len(videos) > 1:
            self.notes.append(f"the file has {len(videos)} video tracks; the first was taken")
        if self._container.streams.subtitles:
            self.notes.append("subtitles were not copied")
        self._rate = self._stream.average_rate or self._stream.guessed_rate or Fraction(30)
        # The clock of broadcasts starts anywhere; FFmpeg's own tools start it at 0, too.
        start = self._container.start_time or 0
        running = bool(_RUNNING_CLOCKS & set(self._container.format.name.split(",")))
        self._start = Fraction(start, av.time_base) if running else Fraction(0)

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self._container.close()

    @property
    def expected_frames(self) -> int | None:
        """How many frames the file says it has, or its duration lets expect."""
        if self._stream.frames:
            return int(self._stream.frames)
        duration = self._stream.duration
        seconds = (
            duration * self._time_base if duration else Fraction(self._container.duration or 0, 1_000_000)
        )
        return round(seconds * self._rate) or None

    def read(self) -> Iterator[Frame | Any]:
        """Frames, and sound packets between them; once."""
        while self._read_ahead:
            yield self._read_ahead.popleft()
        yield from self._items

    def _read(self) -> Iterator[Frame | Any]:
        av = load_av()
        packets = self._container.demux(self._stream, *self._sound)
        timelines: dict[int, Timeline] = defaultdict(Timeline)
        while True:
            try:
                packet = next(packets, None)
            except av.FFmpegError as exc:
                self.notes.append(f"the file can't be read to its end ({reason(exc)})")
                packet = None
                self.damaged += 1
            if packet is None:
                break
            if packet.stream_index != self._stream.index:
                if packet.dts is not None:  # the last one of each track only says that it ended
                    start = round(self._start / packet.time_base)
                    time = packet.dts - start
                    moved = timelines[packet.stream_index].place(time, packet.duration or 1, packet.time_base)
                    if packet.pts is not None:
                        packet.pts += moved - packet.dts
                    packet.dts = moved
                    yield packet
                continue
            step = max(round(1 / (self._rate * self._time_base)), 1)
            for frame in self._decode(packet):
                time = None if frame.pts is None else frame.pts - round(self._start / self._time_base)
                pts = timelines[self._stream.index].place(time, step, self._time_base)
                yield Frame(self._upright_bgr(frame), pts, getattr(frame, "duration", None) or 0)
        moves = timelines[self._stream.index].moves
        if moves:
            self.notes.append(
                f"{moves} time(s) the frames' times went backwards; they were moved to follow on"
            )

    def _decode(self, packet: Any) -> list[Any]:
        try:
            frames: list[Any] = packet.decode()
        except load_av().FFmpegError:
            self.damaged += 1
            return []
        self.damaged += sum(bool(f.is_corrupt) for f in frames)
        return frames

    def _upright_bgr(self, frame: Any) -> NDArray[np.uint8]:
        if not hasattr(self, "format"):
            self._learn(frame)
        try:
            bgr: NDArray[np.uint8] = self._converter.convert(frame).to_ndarray()
        except load_av().FFmpegError as exc:
            raise VideoError(f"{self.path}: {frame.format.name} frames can't be read: {reason(exc)}") from exc
        return self._orientation.apply(bgr)

    def _learn(self, frame: Any) -> None:
        """Take colours and orientation from the first frame; later frames are brought to its size."""
        colours = read_colours(frame, self._stream.codec_context)
        self._orientation = Orientation.of(frame)
        swapped = self._orientation.transpose
        settings = (
            ""
            if colours.is_rgb
            else f"in_color_matrix={colours.matrix_name}:in_range={range_name(colours.is_full)}:"
        )
        self._converter = Converter(frame.width, frame.height, "bgr24", settings + "out_range=pc")
        pixel_aspect = self._stream.sample_aspect_ratio or None
        if swapped and pixel_aspect:
            pixel_aspect = 1 / pixel_aspect
        bits = frame.format.components[0].bits
        if bits > 8:
            hdr = " (it is HDR: backgrounds come out in its colours)" if colours.transfer in _HDR else ""
            self.notes.append(f"{bits} bits a colour became 8{hdr}")
        if frame.interlaced_frame:
            self.notes.append("the video is interlaced; its frames were taken as they are")
        self.format = VideoFormat(
            height=frame.width if swapped else frame.height,
            width=frame.height if swapped else frame.width,
            time_base=self._time_base,
            rate=self._rate,
            pixel_aspect=pixel_aspect,
            colours=colours,
            tags=dict(self._container.metadata),
            video_tags=dict(self._stream.metadata),
            sound=self._sound,
        )


def _is_cover(stream: Any) -> bool:
    return bool(stream.disposition & type(stream.disposition).attached_pic)
