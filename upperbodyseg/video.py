"""Videos in, videos out: every frame segmented, everything else kept as it was.

Needs PyAV (``pip install 'upperbodyseg[video]'``), which brings FFmpeg's libraries.

>>> from upperbodyseg.effects import blur_background
>>> from upperbodyseg.video import segment_video
>>> segment_video("talk.mp4", "blurred.mp4", blur_background)  # doctest: +SKIP
"""

from __future__ import annotations

import contextlib
import itertools
import os
import struct
import uuid
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from upperbodyseg.engine import DEFAULT_BLUR_SIGMA, SegmenterOptions, UpperBodySegmenter
from upperbodyseg.errors import InputError, MissingDependencyError, UpperBodySegError, VideoError
from upperbodyseg.types import FrameInput

__all__ = ["CONTAINERS", "Layout", "Render", "VideoSummary", "check_target", "segment_video"]

Layout = Literal["bgr", "grey", "bgra"]
"""What a :data:`Render` gives: ``(H, W, 3)`` BGR, ``(H, W)`` grey, ``(H, W, 4)`` BGR and straight alpha."""

Render = Callable[[NDArray[np.uint8], NDArray[np.uint8]], NDArray[np.uint8]]
"""``render(image, mask)``: an upright BGR frame ``(H, W, 3)`` and its mask ``(H, W)``, both uint8 and both
its own to change; the picture of the same height and width that is written in the frame's place."""

CONTAINERS = (".m4v", ".mkv", ".mov", ".mp4", ".webm")
"""The endings of the files that can be written; VP9 in .webm, H.264 in the others."""

# Half the time of the preset "fast", and no larger at this quality.
_H264 = ("libx264", {"crf": "18", "preset": "veryfast"})
# cpu-used 4 takes a fifth of the time of the default, 1, for a few per cent more bytes.
_VP9 = ("libvpx-vp9", {"crf": "24", "b": "0", "deadline": "good", "cpu-used": "4", "row-mt": "1"})
_SOUND = {".webm": ("libopus", 48000)}  # 48 kHz is what Opus works at
_OTHER_SOUND = ("aac", None)

# AVCOL_RANGE_*, AVCOL_SPC_* and AVCOL_TRC_* of FFmpeg's libavutil/pixfmt.h, which are ITU-T H.273's.
_LIMITED, _FULL = 1, 2
_UNSPECIFIED = 2
_MATRICES = {1: "bt709", 4: "fcc", 5: "bt601", 6: "bt601", 7: "smpte240m", 9: "bt2020", 10: "bt2020"}
_BT709, _BT601 = 1, 6
_HDR = (16, 18)  # PQ, HLG
_HD_HEIGHT = 720

_CLOCK_ANEW_S = 0.2
"""A time that lies so far before the last one was not shuffled: its clock began anew."""

# Names, of FFmpeg's containers, whose clocks don't start at 0 (its AVFMT_TS_DISCONT).
_RUNNING_CLOCKS = {"mpegts", "mpeg", "mpegtsraw"}


@dataclass(frozen=True)
class VideoSummary:
    """What :func:`segment_video` did.

    Attributes:
        target: what was written: the file or folder asked for, or, where ``complete`` is False, the part
            that was done, beside it under a name with ``.partial`` in it. None: stopped before the
            first frame, nothing was written.
        frames: how many frames were written.
        damaged: how many times the decoder found the video damaged; such frames are left out or, where
            the decoder could patch them, patched.
        complete: False where ``stop`` ended it.
        notes: what could not be kept as it was, a sentence each.
    """

    target: Path | None
    frames: int
    damaged: int
    complete: bool
    notes: tuple[str, ...]


class _Frame(NamedTuple):
    bgr: NDArray[np.uint8]  # upright
    pts: int  # in units of the reader's time base
    duration: int  # the same; 0 where the file doesn't say


def segment_video(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    render: Render,
    *,
    layout: Layout = "bgr",
    options: SegmenterOptions | None = None,
    blur_sigma: float = DEFAULT_BLUR_SIGMA,
    on_progress: Callable[[int, int | None], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> VideoSummary:
    """Segment every frame of a video and write what ``render`` makes of it.

    Sound tracks are copied packet by packet (re-encoded only where the container can't hold their codec);
    frame times, frame rate, pixel aspect ratio, colour range, primaries, transfer and matrix, the title
    and other tags stay. A rotation that the file asks for is applied to the pixels. Frames are written with
    8 bits. In ``grey`` videos the luma bytes are the mask (full range) before compression.

    The result is written under a hidden name beside ``target`` and renamed when it is complete; until
    then ``target`` is as it was. When ``stop`` says so, or ``render``, the engine or ``on_progress``
    raises, what was done so far is finished into a playable file named with ``.partial``. A full disk leaves
    no video; a process that is killed outright leaves the hidden file.

    Args:
        source: a video file. Of several video tracks the first is taken.
        target: a file with an ending of :data:`CONTAINERS`; or, for PNG pictures, a folder, or in it a
            pattern such as ``folder/%04d.png``. A folder must be new or empty and its parent must
            exist; without a pattern the pictures are named ``000001.png`` and so on.
        render: see :data:`Render`; for example :func:`upperbodyseg.effects.blur_background`.
        layout: what ``render`` gives: ``"bgr"``, ``"grey"`` or ``"bgra"``. Alpha goes into .webm (VP9)
            and PNG only.
        options: of the engine; None for the defaults.
        blur_sigma: see :meth:`upperbodyseg.UpperBodySegmenter.process`.
        on_progress: called before the first frame and after each with the number of frames written and
            the number expected (None where the file doesn't say).
        stop: asked before each frame; True ends the work.

    Returns:
        What was written and what was not kept.

    Raises:
        InputError: arguments that can't be used; nothing was written.
        VideoError: ``source`` can't be read as a video, holds no frame, or ``target`` can't be written (a
            full disk, for one). Also raised from an error of the engine after the first frame; the message
            then says what was kept.
        MissingDependencyError: PyAV is not installed.
        ModelError: the weights or the runtime failed on the first frame.
    """
    source, target = Path(source), Path(target)
    check_target(target, layout)
    _check_paths(source, target)
    _av()
    with UpperBodySegmenter(options) as engine, _Reader(source) as reader:
        sink: _Sink = _PictureSink(target) if _is_sequence(target) else _FileSink(target, layout, reader)
        done, stopped, finishing = 0, False, False
        try:
            if on_progress is not None:
                on_progress(0, reader.expected_frames)
            for item in reader.read():
                if not isinstance(item, _Frame):
                    sink.write_sound(item)
                    continue
                stopped = stop is not None and stop()
                if stopped:
                    break
                timestamp_ms = round(item.pts * reader.time_base * 1000)
                frame = FrameInput.from_array(item.bgr, timestamp=timestamp_ms)
                mask = engine.process(frame, blur_sigma).mask
                height, width = mask.shape
                picture = render(item.bgr, mask)
                _check_picture(picture, layout, height, width)
                sink.write(np.ascontiguousarray(picture), item)
                done += 1
                if on_progress is not None:
                    on_progress(done, reader.expected_frames)
            if not done and not stopped:
                raise VideoError(f"no frame of {source} could be decoded")
            finishing = True
            kept = sink.finish(complete=not stopped) if done else None
        except BaseException as exc:
            if finishing or not done:
                raise
            kept = None
            with contextlib.suppress(VideoError):  # a full disk: the error that began it is the one to report
                kept = sink.finish(complete=False)
            if not isinstance(exc, UpperBodySegError):
                raise
            where = f"the {done} frame(s) before it are in {kept}" if kept else "nothing was kept"
            raise VideoError(f"frame {done + 1} of {source} failed: {exc}; {where}") from exc
        finally:
            sink.discard()
        return VideoSummary(kept, done, reader.damaged, not stopped, (*reader.notes, *sink.notes))


def check_target(target: str | os.PathLike[str], layout: Layout = "bgr") -> None:
    """Refuse, before anything is read, a target that :func:`segment_video` can't write.

    Raises:
        InputError: an unknown layout or ending, alpha into a container that has none, a folder that is
            missing, or in use.
    """
    target = Path(target)
    if layout not in _CHANNELS:
        raise InputError(f"layout must be one of {', '.join(_CHANNELS)}, got {layout!r}")
    if _is_sequence(target):
        folder, _ = _sequence(target)
        _check_folder(folder.parent)
        if folder.exists() and not folder.is_dir():
            raise InputError(f"{folder} is a file; PNG pictures need a folder")
        if folder.exists() and any(folder.iterdir()):
            raise InputError(f"{folder} is not empty: PNG pictures need a folder of their own")
        return
    suffix = target.suffix.lower()
    if suffix not in CONTAINERS:
        raise InputError(
            f"{target}: the name must end in {' '.join(CONTAINERS)}; or give a folder, or folder/%04d.png, "
            "for PNG pictures"
        )
    if layout == "bgra" and suffix != ".webm":
        raise InputError(
            f"{suffix} videos hold no alpha here: choose a name that ends in .webm, or a folder, for PNG"
        )
    _check_folder(target.parent)
    if target.exists() and not target.is_file():
        raise InputError(f"{target} is no file that can be replaced")


_CHANNELS: dict[str, tuple[int, ...]] = {"bgr": (3,), "grey": (), "bgra": (4,)}


def _check_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}: create it first")


def _check_paths(source: Path, target: Path) -> None:
    if not source.exists():
        raise InputError(f"there is no {source}")
    if not source.is_file():  # a pipe or a device would be waited for
        raise InputError(f"{source} is no file")
    if target.exists() and target.samefile(source):
        raise InputError(f"{target} is the video to be read: choose another output")


def _check_picture(picture: Any, layout: Layout, height: int, width: int) -> None:
    expected = (height, width, *_CHANNELS[layout])
    if not isinstance(picture, np.ndarray) or picture.dtype != np.uint8 or picture.shape != expected:
        got = (
            f"{picture.dtype} {picture.shape}" if isinstance(picture, np.ndarray) else type(picture).__name__
        )
        raise InputError(f"render must give a uint8 array {expected}, got {got}")


def _is_sequence(target: Path) -> bool:
    return target.is_dir() or not target.suffix or _is_pattern(target.name)


def _is_pattern(name: str) -> bool:
    return "%" in name and name.lower().endswith(".png")


def _sequence(target: Path) -> tuple[Path, str]:
    """The folder of a PNG sequence and the pattern of its names."""
    if not _is_pattern(target.name):
        return target, "%06d.png"
    try:
        if target.name % 1 == target.name % 2:
            raise ValueError
    except (ValueError, TypeError):
        raise InputError(f"{target.name}: the pattern needs one number, as in %04d.png") from None
    return target.parent, target.name


def _av() -> Any:
    """PyAV; untyped, since its annotations are not the same from one release to the next."""
    try:
        import av  # noqa: PLC0415
    except ImportError as exc:
        raise MissingDependencyError(
            "videos need PyAV, which is not installed: pip install 'upperbodyseg[video]'"
        ) from exc
    return av


def _tag_options() -> dict[str, str]:
    """For av.open: tags that are no UTF-8 are handed on as they are, as PyAV does by itself from 19 on."""
    return {"metadata_errors": "surrogateescape"} if int(_av().__version__.split(".")[0]) < 19 else {}


def _reason(exc: BaseException) -> str:
    return getattr(exc, "strerror", None) or str(exc)


class _Converter:
    """Pixels from one format, matrix and range to another, by FFmpeg's scale filter.

    With accurate_rnd, since without it each conversion makes the picture darker by a level or two.
    Not VideoFrame.reformat: up to PyAV 17 it takes the colour range's number for a flag, so that limited
    range is read as full.
    """

    def __init__(self, width: int, height: int, pixel_format: str, settings: str) -> None:
        self._to = width, height, pixel_format, settings
        self._graph: Any = None
        self._from: tuple[int, int, str] | None = None

    def convert(self, frame: Any) -> Any:
        source = frame.width, frame.height, frame.format.name
        if source != self._from:
            self._open(source)
            self._from = source
        self._graph.push(frame)
        return self._graph.pull()

    def _open(self, source: tuple[int, int, str]) -> None:
        av = _av()
        width, height, pixel_format, settings = self._to
        graph = av.filter.Graph()
        chain = (
            graph.add_buffer(
                width=source[0],
                height=source[1],
                format=av.VideoFormat(source[2], source[0], source[1]),
                time_base=Fraction(1, 1000),  # not used: frames are numbered afterwards
            ),
            graph.add("scale", f"{width}:{height}:flags=bilinear+accurate_rnd:{settings}"),
            graph.add("format", f"pix_fmts={pixel_format}"),
            graph.add("buffersink"),
        )
        for one, next_one in itertools.pairwise(chain):
            one.link_to(next_one)
        graph.configure()
        self._graph = graph


class _Timeline:
    """Times of one track, which containers want to rise from each frame to the next."""

    def __init__(self) -> None:
        self.moves = 0
        self._last: int | None = None
        self._offset = 0

    def place(self, time: int | None, step: int, time_base: Fraction) -> int:
        """The time to write for one that was read; None follows the last by ``step``."""
        last = self._last
        if time is None:
            placed = 0 if last is None else last + step
        else:
            placed = time + self._offset
            if last is not None and placed <= last:
                self.moves += 1
                # A clock that began anew moves all that follows; a stray frame only itself.
                anew = (last - placed) * time_base > _CLOCK_ANEW_S
                if anew:
                    self._offset += last + step - placed
                placed = last + (step if anew else 1)
        self._last = placed
        return placed


class _Reader:
    """A video file: its frames, upright, and its sound packets, in the file's order."""

    def __init__(self, path: Path) -> None:
        av = _av()
        self.path = path
        self.damaged = 0
        self.notes: list[str] = []
        try:
            # "file:" since FFmpeg takes what stands before a colon in a name for a protocol.
            self.container: Any = av.open(f"file:{path}", **_tag_options())
        except (av.FFmpegError, ValueError) as exc:  # ValueError: a codec that PyAV doesn't know
            raise VideoError(f"{path} can't be opened as a video: {_reason(exc)}") from exc
        try:
            self._choose_streams()
        except BaseException:
            self.container.close()
            raise

    def _choose_streams(self) -> None:
        av = _av()
        videos = [s for s in self.container.streams.video if not _is_cover(s)]
        if not videos:
            raise VideoError(f"{self.path} has no video track")
        self.stream = videos[0]
        if self.stream.codec_context is None:
            raise VideoError(f"{self.path}: FFmpeg has no decoder for its video track")
        self.stream.thread_type = "AUTO"
        self.time_base: Fraction = self.stream.time_base or Fraction(1, av.time_base)
        self.sound = list(self.container.streams.audio)
        if len(videos) > 1:
            self.notes.append(f"the file has {len(videos)} video tracks; the first was taken")
        if self.container.streams.subtitles:
            self.notes.append("subtitles were not copied")
        self.rate = self.stream.average_rate or self.stream.guessed_rate or Fraction(30)
        # The clock of broadcasts starts anywhere; FFmpeg's own tools start it at 0, too.
        start = self.container.start_time or 0
        running = bool(_RUNNING_CLOCKS & set(self.container.format.name.split(",")))
        self._start = Fraction(start, av.time_base) if running else Fraction(0)

    def __enter__(self) -> _Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self.container.close()

    @property
    def expected_frames(self) -> int | None:
        """How many frames the file says it has, or its duration lets expect."""
        if self.stream.frames:
            return int(self.stream.frames)
        duration = self.stream.duration
        seconds = duration * self.time_base if duration else Fraction(self.container.duration or 0, 1_000_000)
        return round(seconds * self.rate) or None

    def read(self) -> Iterator[_Frame | Any]:
        """Frames, and sound packets between them."""
        av = _av()
        packets = self.container.demux(self.stream, *self.sound)
        timelines: dict[int, _Timeline] = defaultdict(_Timeline)
        while True:
            try:
                packet = next(packets, None)
            except av.FFmpegError as exc:
                self.notes.append(f"the file can't be read to its end ({_reason(exc)})")
                packet = None
                self.damaged += 1
            if packet is None:
                break
            if packet.stream_index != self.stream.index:
                if packet.dts is not None:  # the last one of each track only says that it ended
                    start = round(self._start / packet.time_base)
                    time = packet.dts - start
                    moved = timelines[packet.stream_index].place(time, packet.duration or 1, packet.time_base)
                    if packet.pts is not None:
                        packet.pts += moved - packet.dts
                    packet.dts = moved
                    yield packet
                continue
            step = max(round(1 / (self.rate * self.time_base)), 1)
            for frame in self._decode(packet):
                time = None if frame.pts is None else frame.pts - round(self._start / self.time_base)
                pts = timelines[self.stream.index].place(time, step, self.time_base)
                yield _Frame(self._upright_bgr(frame), pts, getattr(frame, "duration", None) or 0)
        moves = timelines[self.stream.index].moves
        if moves:
            self.notes.append(
                f"{moves} time(s) the frames' times went backwards; they were moved to follow on"
            )

    def _decode(self, packet: Any) -> list[Any]:
        try:
            frames: list[Any] = packet.decode()
        except _av().FFmpegError:
            self.damaged += 1
            return []
        self.damaged += sum(bool(f.is_corrupt) for f in frames)
        return frames

    def _upright_bgr(self, frame: Any) -> NDArray[np.uint8]:
        if not hasattr(self, "_converter"):
            self._learn(frame)
        try:
            bgr: NDArray[np.uint8] = self._converter.convert(frame).to_ndarray()
        except _av().FFmpegError as exc:
            raise VideoError(
                f"{self.path}: {frame.format.name} frames can't be read: {_reason(exc)}"
            ) from exc
        if self.swapped:
            bgr = cv2.transpose(bgr)  # type: ignore[assignment]
        if self._flip is not None:
            bgr = cv2.flip(bgr, self._flip)  # type: ignore[assignment]
        return bgr

    def _learn(self, frame: Any) -> None:
        """Take colours and orientation from the first frame; later frames are brought to its size."""
        context = self.stream.codec_context
        name = frame.format.name
        rgb = frame.format.is_rgb or name.startswith(("gray", "pal8", "mono"))
        self.primaries, self.transfer = context.color_primaries, context.color_trc
        matrix = frame.colorspace if frame.colorspace in _MATRICES else context.colorspace
        range_ = frame.color_range or context.color_range
        self.swapped, self._flip = _orientation(frame)
        height, width = (frame.width, frame.height) if self.swapped else (frame.height, frame.width)
        self.height, self.width = height, width
        # What the numbers mean where the file doesn't say, as players guess it: by the picture's height.
        guess = _BT709 if min(height, width) >= _HD_HEIGHT else _BT601
        known = matrix if matrix in _MATRICES and not rgb else guess
        full = range_ == _FULL or name.startswith("yuvj")
        settings = "" if rgb else f"in_color_matrix={_MATRICES[known]}:in_range={_range(full)}:"
        self._converter = _Converter(frame.width, frame.height, "bgr24", settings + "out_range=pc")
        # What the output is marked with: the same; RGB becomes limited-range YUV and is marked as that.
        self.full = full and not rgb
        self.matrix_name = _MATRICES[known]
        if rgb:
            self.matrix, self.range = guess, _LIMITED
        else:
            self.matrix = matrix if matrix in _MATRICES else _UNSPECIFIED
            self.range = _FULL if full else range_
        self.pixel_aspect = self.stream.sample_aspect_ratio
        if self.swapped and self.pixel_aspect:
            self.pixel_aspect = 1 / self.pixel_aspect
        if frame.format.components[0].bits > 8:
            hdr = " (it is HDR: backgrounds come out in its colours)" if self.transfer in _HDR else ""
            self.notes.append(f"{frame.format.components[0].bits} bits a colour became 8{hdr}")
        if frame.interlaced_frame:
            self.notes.append("the video is interlaced; its frames were taken as they are")


def _is_cover(stream: Any) -> bool:
    return bool(stream.disposition & type(stream.disposition).attached_pic)


def _range(full: bool) -> str:
    return "pc" if full else "tv"


def _orientation(frame: Any) -> tuple[bool, int | None]:
    """Whether to transpose a frame, and cv2.flip's code to apply then, to have it upright.

    FFmpeg's display matrix has x' = a x + c y, y' = b x + d y (libavutil/display.h); of angles that are no
    multiples of 90 degrees the nearest is taken.
    """
    data = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return False, None
    a, b, _, c, d, *_ = struct.unpack("=9i", bytes(data))
    swapped = abs(c) > abs(a)
    x, y = (c, b) if swapped else (a, d)
    return swapped, {(False, False): None, (True, False): 1, (False, True): 0, (True, True): -1}[x < 0, y < 0]


class _Sink(Protocol):
    notes: list[str]

    def write(self, picture: NDArray[np.uint8], frame: _Frame) -> None: ...
    def write_sound(self, packet: Any) -> None: ...
    def finish(self, *, complete: bool) -> Path: ...
    def discard(self) -> None: ...


def _part_name(target: Path) -> Path:
    # Short: the name may be as long as names get. The same ending: FFmpeg chooses by it.
    return target.with_name(f".{uuid.uuid4().hex[:12]}.part{target.suffix.lower()}")


def _partial_name(target: Path) -> Path:
    """A free name for the part of ``target`` that was done: nothing is overwritten."""
    for number in range(1, 10_000):
        path = target.with_name(f"{target.stem}.partial{number if number > 1 else ''}{target.suffix}")
        if not path.exists():
            return path
    raise VideoError(f"{target.parent} is full of partial results: clear it up")


class _FileSink:
    """A video file, under a hidden name until it is finished."""

    def __init__(self, target: Path, layout: Layout, reader: _Reader) -> None:
        av = _av()
        self._target, self._layout, self._reader = target, layout, reader
        self._part = _part_name(target)
        self.notes: list[str] = []
        self._waiting: deque[Any] = deque()
        self._tracks: dict[int, tuple[Any, bool]] | None = None
        try:
            self._container: Any = av.open(f"file:{self._part}", "w", **_tag_options())
        except (OSError, ValueError) as exc:
            raise VideoError(f"can't write into {target.parent}: {_reason(exc)}") from exc

    def write(self, picture: NDArray[np.uint8], frame: _Frame) -> None:
        av, reader = _av(), self._reader
        with self._errors():
            if self._tracks is None:
                self._open(*picture.shape[:2])
            pixel_format = {"bgr": "bgr24", "grey": "gray", "bgra": "bgra"}[self._layout]
            pad_y, pad_x = self._height - picture.shape[0], self._width - picture.shape[1]
            if pad_y or pad_x:
                picture = cv2.copyMakeBorder(picture, 0, pad_y, 0, pad_x, cv2.BORDER_REPLICATE)  # type: ignore[assignment]
            out = self._converter.convert(av.VideoFrame.from_ndarray(picture, pixel_format))
            out.pts, out.time_base = frame.pts, reader.time_base
            if hasattr(out, "duration"):
                out.duration = frame.duration
            self._mux(self._video.encode(out))

    def write_sound(self, packet: Any) -> None:
        if self._tracks is None:
            self._waiting.append(packet)
            return
        with self._errors():
            self._write_sound(packet)

    def _write_sound(self, packet: Any) -> None:
        assert self._tracks is not None
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
        except _av().FFmpegError:
            self._reader.damaged += 1
            return
        for frame in frames:
            self._mux(stream.encode(frame))

    def finish(self, *, complete: bool) -> Path:
        container = self._container
        assert container is not None
        with self._errors():
            self._mux(self._video.encode(None))
            for stream, copied in (self._tracks or {}).values():
                if not copied:
                    self._mux(stream.encode(None))
            self._container = None
            container.close()
            target = self._target if complete else _partial_name(self._target)
            self._part.replace(target)
        return target

    def discard(self) -> None:
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
        av = _av()
        try:
            yield
        except (av.FFmpegError, OSError) as exc:
            if isinstance(exc, UpperBodySegError):
                raise
            raise VideoError(f"can't write {self._target}: {_reason(exc)}") from exc

    def _open(self, height: int, width: int) -> None:
        """Begin the file, once the first frame has told what the video is like."""
        av, reader = _av(), self._reader
        container = self._container
        assert container is not None
        suffix = self._target.suffix.lower()
        # 4:2:0 H.264 has even sizes only; VP9 has any.
        even = suffix != ".webm"
        self._height, self._width = (height + height % 2, width + width % 2) if even else (height, width)
        if (self._height, self._width) != (height, width):
            self.notes.append(
                f"H.264 takes even sizes only: {width} x {height} became {self._width} x {self._height}, "
                "the last column or row twice"
            )
        codec, codec_options = _VP9 if suffix == ".webm" else _H264
        try:
            stream = container.add_stream(codec, rate=reader.rate, options=dict(codec_options))
        except ValueError as exc:  # UnknownCodecError
            raise VideoError(f"this build of FFmpeg has no {codec}: install PyAV from PyPI") from exc
        grey = self._layout == "grey"
        stream.width, stream.height = self._width, self._height
        stream.pix_fmt = "yuva420p" if self._layout == "bgra" else "yuv420p"
        context = stream.codec_context
        context.time_base = stream.time_base = reader.time_base
        if reader.pixel_aspect:
            context.sample_aspect_ratio = reader.pixel_aspect
        context.color_range = _FULL if grey else reader.range
        if not grey:
            context.colorspace = reader.matrix
            context.color_primaries, context.color_trc = reader.primaries, reader.transfer
        if self._layout == "bgra":
            stream.metadata["alpha_mode"] = "1"  # without it, players don't look for the alpha
        self._video = stream
        self._converter = _Converter(
            self._width,
            self._height,
            stream.pix_fmt,
            f"out_color_matrix={reader.matrix_name}:in_range=pc:out_range={_range(grey or reader.full)}",
        )
        _copy_tags(reader.container.metadata, container.metadata)
        _copy_tags(reader.stream.metadata, stream.metadata)
        self._tracks = {}
        for track in reader.sound:
            added = self._add_sound(container, track, suffix)
            if added is not None:
                _copy_tags(track.metadata, added[0].metadata)
                self._tracks[track.index] = added
        try:
            container.start_encoding()
        except (av.FFmpegError, ValueError) as exc:
            raise VideoError(f"can't write {self._target}: {_reason(exc)}") from exc
        while self._waiting:
            self._write_sound(self._waiting.popleft())

    def _add_sound(self, container: Any, track: Any, suffix: str) -> tuple[Any, bool] | None:
        number = self._reader.sound.index(track) + 1
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


class _PictureSink:
    """A folder of PNG pictures, under a hidden name until it is finished."""

    def __init__(self, target: Path) -> None:
        self._folder, self._pattern = _sequence(target)
        self.notes: list[str] = []
        self._part = _part_name(self._folder)
        self._count = 0
        try:
            self._part.mkdir()
        except OSError as exc:
            raise VideoError(f"can't write into {self._folder.parent}: {_reason(exc)}") from exc

    def write(self, picture: NDArray[np.uint8], frame: _Frame) -> None:
        # Level 1: PNG's time is the compression, and folders of pictures are for further work.
        done, data = cv2.imencode(".png", picture, [cv2.IMWRITE_PNG_COMPRESSION, 1])
        if not done:
            raise VideoError("a frame can't be encoded as PNG")
        self._count += 1
        path = self._part / (self._pattern % self._count)
        try:
            path.write_bytes(data.tobytes())
        except OSError as exc:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)  # cut short; the others are whole
            raise VideoError(f"can't write into {self._folder}: {_reason(exc)}") from exc

    def write_sound(self, packet: Any) -> None:
        if not self.notes:
            self.notes.append("PNG pictures have no sound: it was left out")

    def finish(self, *, complete: bool) -> Path:
        target = self._folder if complete else _partial_name(self._folder)
        try:
            if target.exists():
                target.rmdir()  # empty, or this fails
            self._part.rename(target)
        except OSError as exc:
            raise VideoError(f"can't write {target}: {_reason(exc)}") from exc
        return target

    def discard(self) -> None:
        if self._part.exists():
            for picture in self._part.iterdir():
                picture.unlink(missing_ok=True)
            self._part.rmdir()
