"""Streams that a server cancels when it stops."""

from __future__ import annotations

import asyncio
import threading
from typing import Any, ClassVar, cast

import pytest

for package in ("starlette", "uvicorn", "websockets"):
    pytest.importorskip(package, reason=f"{package}, of the extra [demo], is not installed")

# ruff: noqa: E402  (what follows needs them)
from upperbodyseg import ModelError
from upperbodyseg.http.limits import Limits
from upperbodyseg.http.live import Streams
from upperbodyseg.http.messages import pack

WAIT_S = 60  # far beyond anything that works


def test_a_stream_that_is_cancelled_with_a_frame_in_work_ends_quietly() -> None:
    """Uvicorn cancels what takes longer than the time to stop, and prints what comes of it."""
    began, go_on = threading.Event(), threading.Event()

    class Connection:
        messages: ClassVar[list[bytes]] = [pack({"kind": "frame", "frame": 1}, b"picture")]

        async def accept(self) -> None:
            pass

        async def receive(self) -> dict[str, Any]:
            if self.messages:
                return {"type": "websocket.receive", "bytes": self.messages.pop()}
            await asyncio.Event().wait()
            raise AssertionError("nothing sets that event")

    def open_engine(_model: str) -> Any:
        began.set()
        assert go_on.wait(WAIT_S)
        raise ModelError("no engine")

    async def stop() -> bool:
        streams = Streams(Limits(), open_engine)
        task = asyncio.create_task(streams.serve(cast("Any", Connection())))
        assert await asyncio.to_thread(began.wait, WAIT_S)
        task.cancel()
        go_on.set()
        await task
        return streams.count == 0

    assert asyncio.run(stop())
