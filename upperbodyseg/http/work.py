"""Work for a request off the event loop, for as long as somebody waits for it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request

from upperbodyseg.http.limits import RefusedError

__all__ = ["work_in_time"]

T = TypeVar("T")


async def work_in_time(
    request: Request, executor: Executor, seconds: float, work: Callable[[Callable[[], bool]], T]
) -> T:
    """Work on an executor until it is done, the time is over, or nobody waits any more.

    Args:
        request: whose body has been read.
        executor: what runs ``work``.
        seconds: that it may take, the wait for the executor included.
        work: its argument says whether it was given up. Work that waits for the executor is then taken
            back. Work that has begun should ask between its stages.

    Raises:
        RefusedError: the time is over (503).
        ClientDisconnect: the client left.
    """
    given_up = threading.Event()
    job = asyncio.get_running_loop().run_in_executor(executor, work, given_up.is_set)
    left = asyncio.create_task(_until_left(request))
    try:
        both: set[asyncio.Future[Any]] = {job, left}
        await asyncio.wait(both, timeout=seconds, return_when="FIRST_COMPLETED")
        if job.done():
            return job.result()
        if left.done():
            raise ClientDisconnect
        raise RefusedError(503, f"that took longer than {seconds:g} seconds", 1)
    finally:
        given_up.set()
        left.cancel()
        # One that waits for a worker is taken back; one at work ends with its stage, unheard.
        if not job.cancel() and not job.cancelled():
            job.exception()


async def _until_left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
