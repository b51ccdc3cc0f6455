"""Pictures from their files to their results, several at a time."""

from __future__ import annotations

import contextlib
import json
import queue
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from upperbodyseg.backgrounds import Background
from upperbodyseg.cli.picture_jobs import STREAM, Job
from upperbodyseg.cli.progress import ProgressBar
from upperbodyseg.crop import crop_box
from upperbodyseg.engine import UpperBodySegmenter
from upperbodyseg.errors import InputError
from upperbodyseg.files import reason, write_file
from upperbodyseg.options import SegmenterOptions
from upperbodyseg.pictures import (
    Picture,
    PictureError,
    PictureFile,
    PictureLimits,
    encode_picture,
    keep_pillows_memory,
    read_file,
)
from upperbodyseg.types import FrameInput, SegmentationOutput

__all__ = ["Render", "Result", "Settings", "Workshop"]

_PIXELS_AT_ONCE = 100_000_000
"""Of all pictures that are worked on at a time, so that many CPUs don't take memory without bound: about
30 bytes a pixel. One picture may have more."""

Render: TypeAlias = Callable[[Picture, NDArray[np.uint8]], NDArray[np.uint8]]
"""A picture and its mask in, the result out."""


@dataclass(frozen=True)
class Settings:
    """What is done with every picture.

    Attributes:
        kind: "mask", "cutout", "overlay" or "background"; names results.
        render: makes the result.
        limits: of what is read.
        blur_sigma: of the mask.
        crop, margin, aspect: whether to crop, and how: see :func:`upperbodyseg.crop.crop_box`.
        background, blur_strength: of the kind "background".
    """

    kind: str
    render: Render
    limits: PictureLimits
    blur_sigma: float
    crop: bool
    margin: float
    aspect: float | None
    background: Background | None
    blur_strength: float


@dataclass
class Result:
    """What became of one picture."""

    job: Job
    error: str | None = None
    damaged: bool = False
    size: tuple[int, int] | None = None
    output: SegmentationOutput | None = None
    crop: tuple[int, int, int, int] | None = None
    content: bytes | None = None  # for standard output

    def as_json(self) -> str:
        """One line."""
        found = self.output
        line: dict[str, Any] = {
            "input": str(self.job.source),
            "output": None if self.error else str(self.job.target),
            "persons": len(found.persons) if found else 0,
            "boxes": [[round(x, 1) for x in p.box] for p in found.persons] if found else [],
            "scores": [round(p.score, 4) for p in found.persons] if found else [],
            "ids": [p.id for p in found.persons] if found else [],
            "confidence": round(found.confidence, 4) if found else None,
            "milliseconds": round(found.timings_ms["total"], 2) if found else None,
            "size": self.size,
            "crop": self.crop,
            "damaged": self.damaged,
            "error": self.error,
        }
        return json.dumps(line)


class Workshop:
    """Threads that take a picture from its file to its result, each with an engine of its own.

    Others write the results: a thread that waits for the disk would leave its CPU idle.

    Args:
        options, settings: of every picture.
        size: number of threads.

    Raises:
        ModelError: the weights or the runtime are missing or damaged.
    """

    def __init__(self, options: SegmenterOptions, settings: Settings, size: int) -> None:
        self._settings = settings
        self._size = size
        self._engines: queue.SimpleQueue[UpperBodySegmenter] = queue.SimpleQueue()
        self._opened: list[UpperBodySegmenter] = []
        self._budget = _Budget(_PIXELS_AT_ONCE)
        self._opencv_threads = cv2.getNumThreads()
        for _ in range(size):
            engine = UpperBodySegmenter(options)
            engine.initialize()
            self._opened.append(engine)
            self._engines.put(engine)

    def __enter__(self) -> Workshop:
        if self._size > 1:
            cv2.setNumThreads(1)  # each picture has a CPU
        keep_pillows_memory(self._size)
        self._executor = ThreadPoolExecutor(self._size, thread_name_prefix="segment")
        self._writers = ThreadPoolExecutor(self._size + 1, thread_name_prefix="write")
        return self

    def __exit__(self, *_exc: object) -> None:
        self._executor.shutdown(cancel_futures=True)
        self._writers.shutdown()
        cv2.setNumThreads(self._opencv_threads)
        for engine in self._opened:
            engine.close()

    def results(self, jobs: list[Job], progress: ProgressBar) -> Iterator[Result]:
        """The results in the order of the jobs; a few jobs are under way ahead of the one waited for."""
        progress.show(0)
        ahead: deque[Future[Future[Result]]] = deque()
        for job in jobs:
            ahead.append(self._executor.submit(self._do, job))
            if len(ahead) > 2 * self._size + 1:
                yield ahead.popleft().result().result()
        while ahead:
            yield ahead.popleft().result().result()

    def _do(self, job: Job) -> Future[Result]:
        """Everything but the writing, which the future is of."""
        result, encoded = Result(job), None
        try:
            encoded = self._fill(result)
        except (InputError, MemoryError, cv2.error) as exc:
            result.error = _why(exc)
        return self._writers.submit(_finish, result, encoded)

    def _fill(self, result: Result) -> bytes:
        """Returns the result's file."""
        settings, job = self._settings, result.job
        content = _read_stream(settings.limits) if job.source == STREAM else _read(job.source, settings)
        file = PictureFile(content, settings.limits)
        height, width = file.size
        with self._budget.of(height * width), self._engine() as engine:
            picture = file.decode()
            frame = FrameInput.from_array(picture.bgr, is_still=True)
            output = engine.process(frame, settings.blur_sigma)
            mask = picture.without_transparent(output.mask)
            shown = settings.render(picture, mask)
            if settings.crop:
                result.crop = crop_box(mask, settings.margin, settings.aspect)
                if result.crop is not None:
                    left, top, right, bottom = result.crop
                    shown = np.ascontiguousarray(shown[top:bottom, left:right])
            suffix = ".png" if job.target == STREAM else job.target.suffix.lower().replace(".jpeg", ".jpg")
            result.size, result.damaged = (picture.bgr.shape[1], picture.bgr.shape[0]), picture.damaged
            result.output = output
            return encode_picture(shown, suffix)

    @contextlib.contextmanager
    def _engine(self) -> Iterator[UpperBodySegmenter]:
        engine = self._engines.get()
        try:
            yield engine
        finally:
            self._engines.put(engine)


class _Budget:
    """Room for so many pixels at a time; whoever comes when there is none waits."""

    def __init__(self, pixels: int) -> None:
        self._pixels = pixels
        self._taken = 0
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def of(self, pixels: int) -> Iterator[None]:
        """Take so much of the room; one that is larger than all of it takes it alone."""
        with self._changed:
            self._changed.wait_for(lambda: self._taken == 0 or self._taken + pixels <= self._pixels)
            self._taken += pixels
        try:
            yield
        finally:
            with self._changed:
                self._taken -= pixels
                self._changed.notify_all()


def _read(path: Path, settings: Settings) -> bytes:
    return read_file(path, settings.limits.max_bytes)


def _read_stream(limits: PictureLimits) -> bytes:
    content = sys.stdin.buffer.read(limits.max_bytes + 1)
    if not content:
        raise PictureError("is empty")
    return content


def _finish(result: Result, encoded: bytes | None) -> Result:
    """Put a result where it belongs; None where there is none."""
    target = result.job.target
    if encoded is None:
        return result
    if target == STREAM:
        result.content = encoded
        return result
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        write_file(target, encoded)
    except OSError as exc:
        result.error = f"can't write {target}: {reason(exc)}"
    return result


def _why(exc: Exception) -> str:
    """An error of one picture in words; others are this program's own."""
    if isinstance(exc, InputError):
        return str(exc)
    if isinstance(exc, MemoryError) or getattr(exc, "code", None) == cv2.Error.StsNoMem:
        return "is too large for this machine's memory"
    raise exc
