"""The queue of pictures: bounded, on as many threads as keep the engines busy."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import perf_counter

from starlette.requests import Request

from upperbodyseg.http.engines import Engines
from upperbodyseg.http.limits import Limits, RefusedError
from upperbodyseg.http.pictures import decode_background
from upperbodyseg.http.pipeline import Result, Settings, segment_picture
from upperbodyseg.http.work import work_in_time

__all__ = ["Done", "Job", "PictureQueue"]

_SHARE = 0.1  # of the newest picture in the running mean of their times


@dataclass(frozen=True)
class Job:
    """A picture and what to make of it.

    Attributes:
        content: the file.
        settings: effect, model and blur.
        background: the file of a background, for the effect "picture".
        render: makes the answer's body and media type.
    """

    content: bytes
    settings: Settings
    background: bytes | None
    render: Callable[[Result], tuple[bytes, str]]


@dataclass(frozen=True)
class Done:
    """An answer.

    Attributes:
        body: its body.
        media_type: of the body.
        result: what it was made of.
        timings_ms: milliseconds a stage, ``encode`` included.
    """

    body: bytes
    media_type: str
    result: Result
    timings_ms: dict[str, float]


class PictureQueue:
    """Pictures that wait, and those that are worked on.

    Args:
        engines: the engines by model.
        workers: how many engines a model has.
        limits: how much is taken.

    Attributes:
        pending: pictures that wait or are worked on.
    """

    def __init__(self, engines: Engines, workers: int, limits: Limits) -> None:
        self.pending = 0
        self._engines = engines
        self._workers = workers
        self._limits = limits
        # Twice as many threads as engines: while some wait for an engine, others decode and encode.
        self._executor = ThreadPoolExecutor(2 * workers, thread_name_prefix="picture")
        self._seconds = 0.1

    @property
    def full(self) -> bool:
        """Whether no further picture is taken."""
        return self.pending >= self._limits.max_requests

    def check(self) -> None:
        """Refuse a picture that would be one too many.

        Raises:
            RefusedError: the queue is full (503), with the seconds after which there should be room.
        """
        if self.full:
            wait = math.ceil(self._seconds * self.pending / self._workers)
            raise RefusedError(503, f"{self.pending} pictures are waiting already: try again later", wait)

    async def run(self, request: Request, job: Job) -> Done:
        """Work on a picture when its turn comes.

        Raises:
            RefusedError: the queue is full, the time is over, or the picture can't be used.
            InputError, ModelError: as :func:`upperbodyseg.http.pipeline.segment_picture`.
            ClientDisconnect: the client left.
        """
        self.check()
        self.pending += 1
        try:
            return await work_in_time(
                request, self._executor, self._limits.max_seconds, lambda given_up: self._work(job, given_up)
            )
        finally:
            self.pending -= 1

    def _work(self, job: Job, given_up: Callable[[], bool]) -> Done:
        start = perf_counter()
        limits = self._limits.pictures
        background = None if job.background is None else decode_background(job.background, limits)
        engine = self._engines.get(job.settings.model)
        result = segment_picture(
            engine, job.content, background, job.settings, limits, is_still=True, given_up=given_up
        )
        encoding = perf_counter()
        body, media_type = job.render(result)
        end = perf_counter()
        self._seconds += _SHARE * (end - start - self._seconds)
        return Done(body, media_type, result, {**result.timings_ms, "encode": (end - encoding) * 1000})

    def close(self) -> None:
        """Begin no more pictures, and wait for those in progress."""
        self._executor.shutdown(wait=True, cancel_futures=True)
        self._engines.close()
