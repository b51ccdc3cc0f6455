"""Every frame of a video: read, segmented, rendered, written."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from upperbodyseg.engine import DEFAULT_BLUR_SIGMA, SegmenterOptions, UpperBodySegmenter
from upperbodyseg.errors import InputError, UpperBodySegError, VideoError
from upperbodyseg.types import FrameInput, ImageBuffer, ImageType
from upperbodyseg.video.format import Frame, Layout, Render
from upperbodyseg.video.libav import load_av
from upperbodyseg.video.paths import CHANNELS, check_source, check_target, is_sequence
from upperbodyseg.video.pictures import PictureWriter
from upperbodyseg.video.reader import Reader
from upperbodyseg.video.writer import FileWriter

__all__ = ["VideoSummary", "segment_video"]


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
    check_source(source, target)
    load_av()
    with UpperBodySegmenter(options) as engine, Reader(source) as reader:
        writer: PictureWriter | FileWriter
        writer = PictureWriter(target) if is_sequence(target) else FileWriter(target, layout, reader.format)
        done, stopped, finishing = 0, False, False
        try:
            if on_progress is not None:
                on_progress(0, reader.expected_frames)
            for item in reader.read():
                if not isinstance(item, Frame):
                    writer.write_sound(item)
                    continue
                stopped = stop is not None and stop()
                if stopped:
                    break
                timestamp_ms = round(item.pts * reader.format.time_base * 1000)
                frame = FrameInput(ImageBuffer.view(item.bgr), timestamp_ms, ImageType.BGR_888)
                mask = engine.process(frame, blur_sigma).mask
                height, width = mask.shape
                picture = render(item.bgr, mask)
                _check_picture(picture, layout, height, width)
                writer.write(np.ascontiguousarray(picture), item)
                done += 1
                if on_progress is not None:
                    on_progress(done, reader.expected_frames)
            finishing = True
            kept = writer.finish(complete=not stopped) if done else None
        except BaseException as exc:
            if finishing or not done:
                raise
            kept = None
            with contextlib.suppress(VideoError):  # a full disk: the error that began it is the one to report
                kept = writer.finish(complete=False)
            if not isinstance(exc, UpperBodySegError):
                raise
            where = f"the {done} frame(s) before it are in {kept}" if kept else "nothing was kept"
            raise VideoError(f"frame {done + 1} of {source} failed: {exc}; {where}") from exc
        finally:
            writer.discard()
        damaged = reader.damaged + writer.damaged
        return VideoSummary(kept, done, damaged, not stopped, (*reader.notes, *writer.notes))


def _check_picture(picture: Any, layout: Layout, height: int, width: int) -> None:
    expected = (height, width, *CHANNELS[layout])
    if not isinstance(picture, np.ndarray) or picture.dtype != np.uint8 or picture.shape != expected:
        got = (
            f"{picture.dtype} {picture.shape}" if isinstance(picture, np.ndarray) else type(picture).__name__
        )
        raise InputError(f"render must give a uint8 array {expected}, got {got}")
