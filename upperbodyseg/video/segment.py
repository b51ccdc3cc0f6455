"""Every frame of a video: read, segmented, rendered, written."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from upperbodyseg.engine import DEFAULT_BLUR_SIGMA, UpperBodySegmenter
from upperbodyseg.errors import InputError, UpperBodySegError, VideoError
from upperbodyseg.image_buffer import ImageType
from upperbodyseg.options import SegmenterOptions
from upperbodyseg.types import FrameInput
from upperbodyseg.video.format import Frame, Layout, Render, TimedRender
from upperbodyseg.video.libav import load_av
from upperbodyseg.video.paths import CHANNELS, check_is_another, check_source, check_target, is_sequence
from upperbodyseg.video.pictures import PictureWriter
from upperbodyseg.video.pipeline import ReadAhead, WriteBehind, queue_size
from upperbodyseg.video.reader import Reader
from upperbodyseg.video.writer import FileWriter

__all__ = ["VideoSummary", "segment_video"]

_QUEUED = 8  # frames and sound packets between two threads


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
        target: a file with an ending of :data:`~upperbodyseg.video.encoding.CONTAINERS`; or, for PNG
            pictures, a folder, or in it a pattern such as ``folder/%04d.png``. A folder must be new or empty
            and its parent must exist; without a pattern the pictures are named ``000001.png`` and so on.
        render: see :data:`~upperbodyseg.video.format.Render`; for example
            :func:`upperbodyseg.effects.blur_background`. It runs in the calling thread; decoding and encoding
            have threads of their own. One with ``seek(time_s)`` is told each frame's time.
        layout: what ``render`` gives: ``"bgr"``, ``"grey"`` or ``"bgra"``. Alpha goes into .webm (VP9),
            .mov (ProRes 4444), .gif and PNG only.
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
    target = Path(target)
    check_target(target, layout)
    path = check_source(source)
    check_is_another(path, target)
    load_av()
    options = options or SegmenterOptions()
    with Reader(path, options.max_pixels) as reader, UpperBodySegmenter(options) as engine:
        work = _Work(engine, blur_sigma, render, layout, on_progress, stop)
        return work.run(reader, target)


class _Work:
    """One video on its way through reader, engine, render and writer."""

    def __init__(
        self,
        engine: UpperBodySegmenter,
        blur_sigma: float,
        render: Render,
        layout: Layout,
        on_progress: Callable[[int, int | None], None] | None,
        stop: Callable[[], bool] | None,
    ) -> None:
        self._engine, self._blur_sigma = engine, blur_sigma
        self._render, self._layout = render, layout
        self._on_progress, self._stop = on_progress, stop

    def run(self, reader: Reader, target: Path) -> VideoSummary:
        writer: PictureWriter | FileWriter
        writer = (
            PictureWriter(target) if is_sequence(target) else FileWriter(target, self._layout, reader.format)
        )
        size = queue_size(reader.format.height, reader.format.width, _QUEUED)
        behind = _Behind(writer, size)
        finishing = False
        try:
            complete = self._write_all(reader, behind, size)
            behind.drain()
            finishing = True
            kept = writer.finish(complete=complete) if behind.frames else None
        except BaseException as exc:
            if finishing:
                raise
            kept = None
            with contextlib.suppress(VideoError):  # a full disk: the error that began it is the one to report
                behind.settle()
                kept = writer.finish(complete=False) if behind.frames else None
            if not behind.frames or not isinstance(exc, UpperBodySegError):
                raise
            where = f"the {behind.frames} frame(s) before it are in {kept}" if kept else "nothing was kept"
            raise VideoError(f"frame {behind.frames + 1} of {reader.path} failed: {exc}; {where}") from exc
        finally:
            behind.settle()
            writer.discard()
        damaged = reader.damaged + writer.damaged
        return VideoSummary(kept, behind.frames, damaged, complete, (*reader.notes, *writer.notes))

    def _write_all(self, reader: Reader, behind: _Behind, size: int) -> bool:
        """Hand all frames over to be written; False where it was stopped before the end."""
        expected, handed_over = reader.expected_frames, 0
        if self._on_progress is not None:
            self._on_progress(0, expected)
        with ReadAhead(reader.read(), size) as items:
            for item in items:
                if not isinstance(item, Frame):
                    behind.write_sound(item)
                    continue
                if self._stop is not None and self._stop():
                    return False
                behind.write(self._picture(item, item.pts * reader.format.time_base), item)
                handed_over += 1
                if self._on_progress is not None:
                    self._on_progress(handed_over, expected)
        return True

    def _picture(self, item: Frame, time_s: Fraction) -> NDArray[np.uint8]:
        """What to write in a frame's place."""
        if isinstance(self._render, TimedRender):
            self._render.seek(float(time_s))
        frame = FrameInput.from_array(item.bgr, ImageType.BGR_888, timestamp=round(time_s * 1000))
        mask = self._engine.process(frame, self._blur_sigma).mask
        if item.alpha is not None:  # what is erased stays erased
            mask = cv2.multiply(mask, item.alpha, scale=1 / 255)
        picture = self._render(item.bgr, mask)
        _check_picture(picture, self._layout, *mask.shape)
        if not (np.may_share_memory(picture, item.bgr) or np.may_share_memory(picture, mask)):
            picture = picture.copy()  # render may fill it anew while it is written
        return np.ascontiguousarray(picture)


class _Behind(WriteBehind):
    """A writer in a thread of its own, which counts the frames that are written."""

    def __init__(self, writer: PictureWriter | FileWriter, size: int) -> None:
        super().__init__(size)
        self._writer = writer
        self.frames = 0

    def write(self, picture: NDArray[np.uint8], frame: Frame) -> None:
        self.put(partial(self._write, picture, frame))

    def _write(self, picture: NDArray[np.uint8], frame: Frame) -> None:
        self._writer.write(picture, frame)
        self.frames += 1

    def write_sound(self, packet: Any) -> None:
        self.put(partial(self._writer.write_sound, packet))


def _check_picture(picture: Any, layout: Layout, height: int, width: int) -> None:
    expected = (height, width, *CHANNELS[layout])
    if not isinstance(picture, np.ndarray) or picture.dtype != np.uint8 or picture.shape != expected:
        got = (
            f"{picture.dtype} {picture.shape}" if isinstance(picture, np.ndarray) else type(picture).__name__
        )
        raise InputError(f"render must give a uint8 array {expected}, got {got}")
