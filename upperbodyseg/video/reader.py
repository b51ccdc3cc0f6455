"""A video file: its frames, upright, and its sound packets, in the file's order."""

from __future__ import annotations

import tempfile
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from upperbodyseg.errors import ImageTooLargeError, VideoError
from upperbodyseg.video.colour import read_colours
from upperbodyseg.video.convert import SCALING, Filter, range_name
from upperbodyseg.video.encoding import LARGE_PIXELS
from upperbodyseg.video.format import Frame, SoundTrack, VideoFormat
from upperbodyseg.video.libav import load_av, reason, tag_options
from upperbodyseg.video.orientation import Orientation
from upperbodyseg.video.times import FileClock, FrameTimes, Timeline
from upperbodyseg.video.tonemap import write_table

__all__ = ["Reader"]

# Names, of FFmpeg's containers, whose clocks don't start at 0 and may jump (its AVFMT_TS_DISCONT).
_RUNNING_CLOCKS = {"mpegts", "mpeg", "mpegtsraw"}

_GENERATE_PTS = 1  # FFmpeg's AVFMT_FLAG_GENPTS, which PyAV sets
_TAKES_OPTIONS = 18  # PyAV: earlier ones crash where options meet a container without a list of its tracks
_MOST_FPS = 1000  # more is the unit of the file's times, which FFmpeg takes for the rate, and no rate
_FRAMES_AHEAD = 4
"""Frames after the first in which the first packet of each sound track is looked for."""


class Reader:
    """Reads a video file; to be used in a ``with`` statement.

    Frames of another size than the first are fitted into it and padded with black. Interlaced frames are
    deinterlaced, HDR is tone-mapped.

    Args:
        path: the file. Of several video tracks the first is taken.
        sound: whether to read the sound tracks, too.
        max_pixels: a video with larger frames is refused by its header.

    Attributes:
        format: what the video is like.
        damaged: how many times the decoder has found it damaged.
        notes: what was not read as it is, a sentence each.

    Raises:
        ImageTooLargeError: its frames have more than ``max_pixels`` pixels.
        VideoError: it can't be read as a video, or holds no frame.
    """

    format: VideoFormat

    def __init__(self, path: Path, max_pixels: int, *, sound: bool = True) -> None:
        self.path, self._max_pixels = path, max_pixels
        self.damaged = 0
        self.notes: list[str] = []
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._is_interlaced = self._is_resized = self._is_reshaped = False
        self._format: VideoFormat | None = None
        # The decoders that look at the first frames are told the limit, too.
        self._container = self._open(max_pixels=str(max_pixels))
        # It guesses the order in which AVI shows its pictures, and wrongly.
        self._container.flags &= ~_GENERATE_PTS
        try:
            self._choose_streams(sound)
            self._items = self._read()
            self._read_ahead: deque[Frame | Any] = deque()
            self._look_ahead()
        except BaseException:
            self.close()
            raise

    def _open(self, **options: str) -> Any:
        av = load_av()
        if int(av.__version__.split(".")[0]) < _TAKES_OPTIONS:
            options = {}
        try:
            # "file:" since FFmpeg takes what stands before a colon in a name for a protocol.
            return av.open(f"file:{self.path}", options=options, **tag_options())
        except (av.FFmpegError, ValueError) as exc:  # ValueError: a codec that PyAV doesn't know
            raise VideoError(f"{self.path} can't be opened as a video: {reason(exc)}") from exc

    def _choose_streams(self, sound: bool) -> None:
        av, container = load_av(), self._container
        videos = [s for s in container.streams.video if not _is_cover(s)]
        if not videos:
            raise VideoError(f"{self.path} has no video track")
        self._stream = videos[0]
        context = self._stream.codec_context
        if context is None:
            raise VideoError(f"{self.path}: FFmpeg has no decoder for its video track")
        width, height = context.width, context.height
        if not width * height:  # FFmpeg forgets sizes beyond the limit: the file's header, undecoded
            with self._open(probesize="32", analyzeduration="0") as header:
                same = header.streams[self._stream.index].codec_context
                width, height = same.width, same.height
        self._check_size(width, height)
        # Threads of one frame each would hold as many frames back, and lose those after a damaged one at the
        # end. Decoding has a thread of its own already.
        context.thread_type = "SLICE"
        if width * height > LARGE_PIXELS:  # AV1's decoder holds some frames for each thread
            context.thread_count = 1
        context.options = {"max_pixels": str(self._max_pixels)}
        self._decoder = self._choose_decoder()
        self._time_base: Fraction = self._stream.time_base or Fraction(1, av.time_base)
        self._sound = tuple(container.streams.audio) if sound else ()
        if len(videos) > 1:
            self.notes.append(f"the file has {len(videos)} video tracks; the first was taken")
        for kind, name in (
            ("subtitles", "subtitles"),
            ("data", "data tracks"),
            ("attachments", "attachments"),
        ):
            if getattr(container.streams, kind, ()):
                self.notes.append(f"{name} were not copied")
        if any(_is_cover(s) for s in container.streams.video):
            self.notes.append("the cover picture was not copied")
        stream = self._stream
        rates = (stream.average_rate, stream.guessed_rate, stream.base_rate, context.framerate)
        self._rate = next((rate for rate in rates if rate and 0 < rate <= _MOST_FPS), Fraction(30))
        # The clock of broadcasts starts anywhere; FFmpeg's own tools start it at 0, too.
        running = bool(_RUNNING_CLOCKS & set(container.format.name.split(",")))
        start = Fraction(container.start_time or 0, av.time_base) if running else Fraction(0)
        self._clock = FileClock(start, running)

    def _choose_decoder(self) -> Any:
        """The video track's own decoder; libvpx's for VP8 and VP9 with alpha, which FFmpeg's leave out."""
        av, context = load_av(), self._stream.codec_context
        name = {"vp8": "libvpx", "vp9": "libvpx-vp9"}.get(context.name)
        tags = {key.lower(): value for key, value in self._stream.metadata.items()}
        if name is None or tags.get("alpha_mode") != "1":
            return context
        try:
            decoder = av.CodecContext.create(name, "r")
        except ValueError:  # UnknownCodecError
            self.notes.append(f"this build of FFmpeg has no {name}, so the video's alpha was left out")
            return context
        decoder.extradata = context.extradata
        decoder.options = dict(context.options)
        return decoder

    def _look_ahead(self) -> None:
        """Up to the first frame and the first packet of each sound track, which show the format."""
        frames, sound = 0, dict.fromkeys((s.index for s in self._sound), None)
        for item in self._items:
            self._read_ahead.append(item)
            if isinstance(item, Frame):
                frames += 1
            elif item.size and sound[item.stream.index] is None:
                sound[item.stream.index] = item
            if frames and (None not in sound.values() or frames > _FRAMES_AHEAD):
                break
        if self._format is None:
            raise VideoError(f"no frame of {self.path} could be decoded")
        tracks = tuple(SoundTrack(stream, sound[stream.index]) for stream in self._sound)
        self.format = replace(self._format, sound=tracks)

    def _check_size(self, width: int, height: int) -> None:
        if width * height > self._max_pixels:
            raise ImageTooLargeError(
                f"the frames of {self.path} are {width} x {height}, {width * height:,} pixels; at most "
                f"{self._max_pixels:,} are accepted: scale the video down, or raise max_pixels"
            )

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file; a second call does nothing."""
        self._container.close()
        if self._folder is not None:
            self._folder.cleanup()

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
        """Frames, and sound packets between them; an empty packet ends each sound track. Once."""
        while self._read_ahead:
            yield self._read_ahead.popleft()
        yield from self._items

    def _read(self) -> Iterator[Frame | Any]:
        timeline, times = Timeline(), FrameTimes()
        step = max(round(1 / (self._rate * self._time_base)), 1)
        durations: dict[int, int] = {}
        self._filter = Filter(self._time_base)
        for packet in self._clock.run(self._packets()):
            if packet.stream.index != self._stream.index:  # not stream_index, which is 0 in the last packets
                yield packet
                continue
            shown: list[Any] = []
            for frame in self._decode(packet):
                frame.pts = timeline.place(times.of(frame), step)
                frame.time_base = self._time_base
                durations[frame.pts] = getattr(frame, "duration", None) or 0
                shown += self._filtered(frame)
            if not packet.size:
                shown += self._filter.flush()
            for frame in shown:
                pts = round(frame.pts * frame.time_base / self._time_base)
                bgr, alpha = _split_alpha(self._orientation.apply(frame.to_ndarray()))
                yield Frame(bgr, pts, durations.pop(pts, 0), alpha)
        if self._clock.jumps or timeline.moves:
            self.notes.append(
                f"{self._clock.jumps + timeline.moves} time(s) the file's clock jumped or went backwards; "
                "what follows was moved to follow on"
            )

    def _packets(self) -> Iterator[Any]:
        packets = self._container.demux(self._stream, *self._sound)
        while True:
            try:
                packet = next(packets, None)
            except load_av().FFmpegError as exc:
                self.notes.append(f"the file can't be read to its end ({reason(exc)})")
                self.damaged += 1
                return
            if packet is None:
                return
            yield packet

    def _decode(self, packet: Any) -> list[Any]:
        own = self._stream.codec_context
        try:
            if self._decoder is not own and packet.is_keyframe:
                own.decode(
                    packet
                )  # libvpx makes room before it tells a size; this one refuses what is too large
            frames: list[Any] = self._decoder.decode(packet)
        except load_av().FFmpegError:
            self.damaged += 1
            return []
        self.damaged += sum(bool(f.is_corrupt) for f in frames)
        return frames

    def _filtered(self, frame: Any) -> list[Any]:
        self._check_size(frame.width, frame.height)
        if self._format is None:
            self._learn(frame)
        if frame.interlaced_frame and not self._is_interlaced:
            self._is_interlaced = True
            self.notes.append("the video is interlaced; its frames were deinterlaced")
        pixel_aspect = self._decoder.sample_aspect_ratio
        if pixel_aspect and self._pixel_aspect != pixel_aspect and not self._is_reshaped:
            self._is_reshaped = True
            self.notes.append(
                f"the video's pixel aspect ratio changes midway, from {self._pixel_aspect} to "
                f"{pixel_aspect}; the first was kept, so what follows is stretched"
            )
        try:
            return self._filter.push(frame, self._chain(frame))
        except load_av().FFmpegError as exc:
            raise VideoError(f"{self.path}: {frame.format.name} frames can't be read: {reason(exc)}") from exc

    def _chain(self, frame: Any) -> list[tuple[str, str]]:
        """The filters from a decoded frame to BGR or BGRA of the first frame's size."""
        colours = read_colours(frame, self._stream.codec_context)
        width, height = self._decoded_size
        has_alpha = any(component.is_alpha for component in frame.format.components)
        chain = []
        if self._is_interlaced:
            # A frame in, a frame out; only those that say they are interlaced.
            chain.append(("yadif", "mode=send_frame:deint=interlaced"))
        scaling = f"{width}:{height}:{SCALING}:out_range=pc"
        if not colours.is_rgb:
            scaling += f":in_color_matrix={colours.matrix_name}:in_range={range_name(colours.is_full)}"
        fits = (frame.width, frame.height) == (width, height)
        if not fits:
            scaling += ":force_original_aspect_ratio=decrease"
            if not self._is_resized:
                self._is_resized = True
                self.notes.append(
                    f"the video's size changes midway, from {width} x {height} to {frame.width} x "
                    f"{frame.height}; such frames were fitted into the first size and padded"
                )
        chain.append(("scale", scaling))
        if colours.is_hdr:
            # Planar: into packed RGB of 16 bits, FFmpeg's scaler clips colours below 0 to a quarter of full.
            deep = "gbrap16" if has_alpha else "gbrp16"
            chain += [("format", f"pix_fmts={deep}"), ("lut3d", f"file={self._tone_table(colours.transfer)}")]
        chain.append(("format", f"pix_fmts={'bgra' if has_alpha else 'bgr24'}"))
        if not fits:
            chain.append(("pad", f"{width}:{height}:(ow-iw)/2:(oh-ih)/2"))
        return chain

    def _tone_table(self, transfer: int) -> str:
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory()
        path = Path(self._folder.name) / f"{transfer}.cube"
        if not path.exists():
            write_table(path, transfer)
        return path.as_posix().replace(":", r"\:")

    def _learn(self, frame: Any) -> None:
        """Take the format from the first frame."""
        colours = read_colours(frame, self._stream.codec_context)
        self._decoded_size = frame.width, frame.height
        self._orientation = Orientation.of(frame)
        swapped = self._orientation.transpose
        self._pixel_aspect = self._decoder.sample_aspect_ratio or Fraction(1)
        pixel_aspect = self._stream.sample_aspect_ratio or None
        if swapped and pixel_aspect:
            pixel_aspect = 1 / pixel_aspect
        bits = frame.format.components[0].bits
        if colours.is_hdr:
            self.notes.append("HDR was tone-mapped to 8 bits in BT.709")
        elif bits > 8:
            self.notes.append(f"{bits} bits a colour became 8")
        self._format = VideoFormat(
            height=frame.width if swapped else frame.height,
            width=frame.height if swapped else frame.width,
            time_base=self._time_base,
            rate=self._rate,
            pixel_aspect=pixel_aspect,
            colours=colours.written,
            tags=dict(self._container.metadata),
            video_tags=dict(self._stream.metadata),
            disposition=self._stream.disposition.value,
            sound=(),
            chapters=tuple(self._container.chapters()),
        )


def _split_alpha(picture: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
    """BGR and alpha; None where all is opaque."""
    if picture.shape[2] == 3:
        return picture, None
    bgr: NDArray[np.uint8] = cv2.cvtColor(picture, cv2.COLOR_BGRA2BGR)
    alpha = picture[..., 3].copy()
    if alpha.min() == 255:
        return bgr, None
    bgr[alpha == 0] = 255  # what is hidden there must not be seen
    return bgr, alpha


def _is_cover(stream: Any) -> bool:
    return bool(stream.disposition & type(stream.disposition).attached_pic)
