"""A video file, under a hidden name until it is finished."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from upperbodyseg.errors import UpperBodySegError, VideoError
from upperbodyseg.files import NewFile
from upperbodyseg.video.colour import FULL, LIMITED
from upperbodyseg.video.convert import SCALING, Filter, range_name
from upperbodyseg.video.encoding import encoding_of
from upperbodyseg.video.filter_graph import PALETTE
from upperbodyseg.video.format import Frame, Layout, VideoFormat
from upperbodyseg.video.libav import load_av, reason, tag_options
from upperbodyseg.video.paths import partial_name
from upperbodyseg.video.sound import CopiedTrack, EncodedTrack, add_sound

__all__ = ["FileWriter"]


class FileWriter:
    """Writes a video file.

    Args:
        target: its ending is one of :data:`~upperbodyseg.video.encoding.CONTAINERS`.
        layout: of the pictures.
        format: the source's.

    Raises:
        VideoError: the file can't be written. Its methods raise it, too.
    """

    def __init__(self, target: Path, layout: Layout, format: VideoFormat) -> None:
        self._target, self._layout, self._format = target, layout, format
        self._suffix = target.suffix.lower()
        self._encoding = encoding_of(self._suffix, layout, format.height * format.width)
        self._new: NewFile | None = None
        self._tracks: dict[int, CopiedTrack | EncodedTrack] = {}
        self._durations: dict[int, int] = {}
        self._left_out = 0
        self._last: int | None = None
        self._notes: list[str] = []
        self._container: Any = None
        try:
            # The ending, since FFmpeg chooses the container by it.
            self._new = NewFile(target, suffix=f".part{self._suffix}")
            self._container = load_av().open(f"file:{self._new.path}", "w", **tag_options())
            self._time_base = self._choose_time_base()
            with self._errors():
                self._open()
        except (OSError, ValueError) as exc:
            self.discard()
            if isinstance(exc, UpperBodySegError):
                raise
            raise VideoError(f"can't write into {target.parent}: {reason(exc)}") from exc
        except BaseException:
            self.discard()
            raise

    @property
    def damaged(self) -> int:
        """How many sound packets could not be decoded."""
        return sum(track.damaged for track in self._tracks.values())

    @property
    def notes(self) -> list[str]:
        """What was not kept as it was, a sentence each."""
        if not self._left_out:
            return self._notes
        return [*self._notes, f"{self._left_out} frame(s) were left out: {self._suffix} shows 50 a second"]

    def write(self, picture: NDArray[np.uint8], frame: Frame) -> None:
        """Write a picture in the layout, in the place of ``frame``."""
        with self._errors():
            pts = round(frame.pts * self._format.time_base / self._time_base)
            if self._last is not None and pts < self._last + self._encoding.min_step:
                self._left_out += 1
                return
            self._last = pts
            pixel_format = {"bgr": "bgr24", "grey": "gray", "bgra": "bgra"}[self._layout]
            pad_y, pad_x = self._height - picture.shape[0], self._width - picture.shape[1]
            if pad_y or pad_x:
                picture = cv2.copyMakeBorder(picture, 0, pad_y, 0, pad_x, cv2.BORDER_REPLICATE)
            given = load_av().VideoFrame.from_ndarray(picture, pixel_format)
            given.pts, given.time_base = pts, self._time_base
            self._durations[pts] = round(frame.duration * self._format.time_base / self._time_base)
            self._encode(self._filter.push(given, self._chain))

    def write_sound(self, packet: Any) -> None:
        """Write a sound packet of the source."""
        track = self._tracks.get(packet.stream.index)
        if track is not None:
            with self._errors(track.title):
                self._mux(track.convert(packet))

    def finish(self, *, complete: bool) -> Path:
        """Give the file its final name, which is returned."""
        container, new = self._container, self._new
        assert container is not None
        assert new is not None
        with self._errors():
            self._encode(self._filter.flush())
            self._mux(self._video.encode(None))
        for track in self._tracks.values():
            if isinstance(track, EncodedTrack):
                with self._errors(track.title):
                    self._mux(track.finish())
        with self._errors():
            self._container = None
            container.close()
            if complete:
                new.commit()
                return self._target
            target = partial_name(self._target)
            os.replace(new.path, target)
        return target

    def discard(self) -> None:
        """Remove what is not finished."""
        if self._container is not None:
            container, self._container = self._container, None
            with contextlib.suppress(Exception):  # closing writes, which is what may just have failed
                container.close()
        if self._new is not None:
            self._new.discard()

    def _encode(self, frames: list[Any]) -> None:
        for frame in frames:
            frame.pts, frame.time_base = round(frame.pts * frame.time_base / self._time_base), self._time_base
            duration = self._durations.pop(frame.pts, 0)
            if hasattr(frame, "duration"):
                frame.duration = duration
            self._mux(self._video.encode(frame))

    def _mux(self, packets: list[Any]) -> None:
        assert self._container is not None
        for packet in packets:
            self._container.mux_one(packet)

    @contextlib.contextmanager
    def _errors(self, part: str = "") -> Iterator[None]:
        av = load_av()
        try:
            yield
        except (av.FFmpegError, OSError, ValueError) as exc:
            if isinstance(exc, UpperBodySegError):
                raise
            where = f"{self._target}: {part}" if part else str(self._target)
            raise VideoError(f"can't write {where}: {reason(exc)}") from exc

    def _choose_time_base(self) -> Fraction:
        hertz = self._encoding.time_unit_hz
        return self._format.time_base if hertz is None else Fraction(1, hertz)

    def _open(self) -> None:
        format, container = self._format, self._container
        self._add_video()
        _copy_tags(format.tags, container.metadata)
        if not self._encoding.has_sound:
            for what, there in (("sound", format.sound), ("chapters", format.chapters)):
                if there:
                    self._notes.append(f"{self._suffix} holds no {what}: left out")
        else:
            container.set_chapters(list(format.chapters))
            for number, source in enumerate(format.sound, 1):
                track = add_sound(container, source, number, self._suffix, self._notes)
                if track is not None:
                    _copy_tags(source.stream.metadata, track.stream.metadata)
                    track.stream.disposition = source.stream.disposition.value
                    self._tracks[source.stream.index] = track
        container.start_encoding()

    def _add_video(self) -> None:
        format, encoding = self._format, self._encoding
        height, width = format.height, format.width
        self._height, self._width = height, width
        if encoding.is_even:  # 4:2:0 H.264 has no others
            self._height, self._width = height + height % 2, width + width % 2
        if (self._height, self._width) != (height, width):
            self._notes.append(
                f"H.264 takes even sizes only: {width} x {height} became {self._width} x {self._height}, "
                "the last column or row twice"
            )
        try:
            stream = self._container.add_stream(
                encoding.codec, rate=format.rate, options=dict(encoding.options)
            )
        except ValueError as exc:  # UnknownCodecError
            raise VideoError(f"this build of FFmpeg has no {encoding.codec}: install PyAV from PyPI") from exc
        with_alpha = self._layout == "bgra"
        stream.width, stream.height = self._width, self._height
        stream.pix_fmt = encoding.alpha_pixel_format if with_alpha else encoding.pixel_format
        context, colours = stream.codec_context, format.colours
        context.time_base = stream.time_base = self._time_base
        if format.pixel_aspect:
            context.sample_aspect_ratio = format.pixel_aspect
        if encoding.is_rgb:
            self._chain = [PALETTE]
        else:
            grey = self._layout == "grey"
            full = encoding.keeps_range and (grey or colours.is_full)
            context.color_range = FULL if full else colours.range if encoding.keeps_range else LIMITED
            if not grey:
                context.colorspace = colours.matrix
                context.color_primaries, context.color_trc = colours.primaries, colours.transfer
            scaling = (
                f"{SCALING}:out_color_matrix={colours.matrix_name}:in_range=pc:out_range={range_name(full)}"
            )
            self._chain = [("scale", scaling), ("format", f"pix_fmts={stream.pix_fmt}")]
        if with_alpha and self._suffix == ".webm":
            stream.metadata["alpha_mode"] = "1"  # without it, players don't look for the alpha
        _copy_tags(format.video_tags, stream.metadata)
        stream.disposition = format.disposition
        self._video = stream
        self._filter = Filter(self._time_base)


def _copy_tags(source: dict[str, str], target: dict[str, str]) -> None:
    # What describes the old file, and would be wrong of the new one.
    stale = ("brand", "encoder", "minor_version", "duration", "number_of_", "_statistics", "bps", "rotate")
    for key, value in source.items():
        # Players and FFmpeg refuse a time code of another form.
        if key.lower() == "timecode" and not re.fullmatch(r"\d\d:\d\d:\d\d[:;.]\d\d", value):
            continue
        if not any(word in key.lower() for word in stale):
            target[key] = value
