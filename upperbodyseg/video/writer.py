"""A video file, under a hidden name until it is finished."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from upperbodyseg.errors import UpperBodySegError, VideoError
from upperbodyseg.video.colour import FULL
from upperbodyseg.video.convert import Converter, range_name
from upperbodyseg.video.format import Frame, Layout, VideoFormat
from upperbodyseg.video.libav import load_av, reason, tag_options
from upperbodyseg.video.paths import part_name, partial_name

__all__ = ["FileWriter"]

# Half the time of the preset "fast", and no larger at this quality.
_H264 = ("libx264", {"crf": "18", "preset": "veryfast"})
# cpu-used 4 takes a fifth of the time of the default, 1, for a few per cent more bytes.
_VP9 = ("libvpx-vp9", {"crf": "24", "b": "0", "deadline": "good", "cpu-used": "4", "row-mt": "1"})
_SOUND = {".webm": ("libopus", 48000)}  # 48 kHz is what Opus works at
_OTHER_SOUND = ("aac", None)


class FileWriter:
    """Writes a video file.

    Args:
        target: its ending is one of :data:`upperbodyseg.video.CONTAINERS`.
        layout: of the pictures.
        format: the source's.

    Attributes:
        damaged: how many sound packets could not be decoded.
        notes: what was not kept as it was, a sentence each.

    Raises:
        VideoError: the file can't be written. Its methods raise it, too.
    """

    def __init__(self, target: Path, layout: Layout, format: VideoFormat) -> None:
        av = load_av()
        self._target, self._layout, self._format = target, layout, format
        self._part = part_name(target)
        self.damaged = 0
        self.notes: list[str] = []
        try:
            self._container: Any = av.open(f"file:{self._part}", "w", **tag_options())
        except (OSError, ValueError) as exc:
            raise VideoError(f"can't write into {target.parent}: {reason(exc)}") from exc
        try:
            with self._errors():
                self._open()
        except BaseException:
            self.discard()
            raise

    def write(self, picture: NDArray[np.uint8], frame: Frame) -> None:
        """Write a picture in the layout, in the place of ``frame``."""
        with self._errors():
            pixel_format = {"bgr": "bgr24", "grey": "gray", "bgra": "bgra"}[self._layout]
            pad_y, pad_x = self._height - picture.shape[0], self._width - picture.shape[1]
            if pad_y or pad_x:
                picture = cv2.copyMakeBorder(picture, 0, pad_y, 0, pad_x, cv2.BORDER_REPLICATE)  # type: ignore[assignment]
            out = self._converter.convert(load_av().VideoFrame.from_ndarray(picture, pixel_format))
            out.pts, out.time_base = frame.pts, self._format.time_base
            if hasattr(out, "duration"):
                out.duration = frame.duration
            self._mux(self._video.encode(out))

    def write_sound(self, packet: Any) -> None:
        """Write a sound packet of the source."""
        with self._errors():
            track = self._tracks.get(packet.stream_index)
            if track is None:
                return
            stream, copied = track
            if copied:
                packet.stream = stream
                self._mux([packet])
                return
            try:
                frames = packet.decode()
            except load_av().FFmpegError:
                self.damaged += 1
                return
            for frame in frames:
                self._mux(stream.encode(frame))

    def finish(self, *, complete: bool) -> Path:
        """Give the file its final name, which is returned."""
        container = self._container
        assert container is not None
        with self._errors():
            self._mux(self._video.encode(None))
            for stream, copied in self._tracks.values():
                if not copied:
                    self._mux(stream.encode(None))
            self._container = None
            container.close()
            target = self._target if complete else partial_name(self._target)
            self._part.replace(target)
        return target

    def discard(self) -> None:
        """Remove what is not finished."""
        if self._container is not None:
            container, self._container = self._container, None
            with contextlib.suppress(Exception):  # closing writes, which is what may just have failed
                container.close()
        with contextlib.suppress(OSError):
            self._part.unlink(missing_ok=True)

    def _mux(self, packets: list[Any]) -> None:
        assert self._container is not None
        for packet in packets:
            self._container.mux_one(packet)

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        av = load_av()
        try:
            yield
        except (av.FFmpegError, OSError) as exc:
            if isinstance(exc, UpperBodySegError):
                raise
            raise VideoError(f"can't write {self._target}: {reason(exc)}") from exc

    def _open(self) -> None:
        av, format, container = load_av(), self._format, self._container
        suffix = self._target.suffix.lower()
        # 4:2:0 H.264 has even sizes only; VP9 has any.
        even = suffix != ".webm"
        height, width = format.height, format.width
        self._height, self._width = (height + height % 2, width + width % 2) if even else (height, width)
        if (self._height, self._width) != (height, width):
            self.notes.append(
                f"H.264 takes even sizes only: {width} x {height} became {self._width} x {self._height}, "
                "the last column or row twice"
            )
        codec, codec_options = _VP9 if suffix == ".webm" else _H264
        try:
            stream = container.add_stream(codec, rate=format.rate, options=dict(codec_options))
        except ValueError as exc:  # UnknownCodecError
            raise VideoError(f"this build of FFmpeg has no {codec}: install PyAV from PyPI") from exc
        grey = self._layout == "grey"
        stream.width, stream.height = self._width, self._height
        stream.pix_fmt = "yuva420p" if self._layout == "bgra" else "yuv420p"
        context, colours = stream.codec_context, format.colours
        context.time_base = stream.time_base = format.time_base
        if format.pixel_aspect:
            context.sample_aspect_ratio = format.pixel_aspect
        context.color_range = FULL if grey else colours.range
        if not grey:
            context.colorspace = colours.matrix
            context.color_primaries, context.color_trc = colours.primaries, colours.transfer
        if self._layout == "bgra":
            stream.metadata["alpha_mode"] = "1"  # without it, players don't look for the alpha
        self._video = stream
        out_range = range_name(grey or colours.is_full)
        self._converter = Converter(
            self._width,
            self._height,
            stream.pix_fmt,
            f"out_color_matrix={colours.matrix_name}:in_range=pc:out_range={out_range}",
        )
        _copy_tags(format.tags, container.metadata)
        _copy_tags(format.video_tags, stream.metadata)
        self._tracks: dict[int, tuple[Any, bool]] = {}
        for track in format.sound:
            added = self._add_sound(container, track, suffix)
            if added is not None:
                _copy_tags(track.metadata, added[0].metadata)
                self._tracks[track.index] = added
        try:
            container.start_encoding()
        except (av.FFmpegError, ValueError) as exc:
            raise VideoError(f"can't write {self._target}: {reason(exc)}") from exc

    def _add_sound(self, container: Any, track: Any, suffix: str) -> tuple[Any, bool] | None:
        number = self._format.sound.index(track) + 1
        if track.codec_context is None:
            self.notes.append(f"sound track {number} was left out: FFmpeg doesn't know its codec")
            return None
        name = track.codec_context.codec.canonical_name
        if name in container.supported_codecs:
            return container.add_stream_from_template(track), True
        codec, rate = _SOUND.get(suffix, _OTHER_SOUND)
        self.notes.append(f"sound track {number} was re-encoded: {suffix} can't hold {name}")
        return container.add_stream(
            codec, rate=rate or track.codec_context.sample_rate, layout=track.layout
        ), False


def _copy_tags(source: dict[str, str], target: dict[str, str]) -> None:
    # What describes the old file, and would be wrong of the new one.
    stale = ("brand", "encoder", "minor_version", "duration", "number_of_", "_statistics", "bps", "rotate")
    for key, value in source.items():
        if not any(word in key.lower() for word in stale):
            target[key] = value
