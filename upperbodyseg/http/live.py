"""Streams of frames over a WebSocket: the newest frame wins."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray
from starlette.websockets import WebSocket, WebSocketDisconnect

from upperbodyseg.errors import InputError, ModelError
from upperbodyseg.http.engines import Engine
from upperbodyseg.http.limits import Limits, RefusedError
from upperbodyseg.http.messages import pack, unpack
from upperbodyseg.http.pictures import decode_background
from upperbodyseg.http.pipeline import Settings, process_picture

__all__ = ["NewestFrame", "Streams"]

_POLICY_VIOLATION = 1008
_INTERNAL_ERROR = 1011
_TRY_AGAIN_LATER = 1013


class Streams:
    """The streams of a server, each with an engine of its own.

    Args:
        limits: of their number, and of each.
        open_engine: makes an engine of a model's name; it runs off the event loop.

    Attributes:
        count: streams that are open now.
    """

    def __init__(self, limits: Limits, open_engine: Callable[[str], Engine]) -> None:
        self.count = 0
        self._limits = limits
        self._open_engine = open_engine
        # Not the one for pictures: those nobody waits for any more would keep streams waiting.
        self._workers = ThreadPoolExecutor(limits.max_connections, thread_name_prefix="stream")

    async def serve(self, websocket: WebSocket) -> None:
        """Accept a connection, and answer its frames until it ends: see :func:`_serve_stream`."""
        # Cancelled, where the server stops and has waited for long enough: Uvicorn would print a traceback.
        with contextlib.suppress(WebSocketDisconnect, asyncio.CancelledError):
            await websocket.accept()
            if self.count >= self._limits.max_connections:
                await websocket.send_json(
                    {"error": f"{self.count} stream(s) are open already: close one first, in another tab say"}
                )
                await websocket.close(_TRY_AGAIN_LATER)
                return
            self.count += 1
            try:
                await _serve_stream(websocket, self._open_engine, self._workers, self._limits)
            finally:
                self.count -= 1

    def close(self) -> None:
        """Begin no more frames."""
        self._workers.shutdown(wait=False, cancel_futures=True)


class NewestFrame:
    """One place for a frame to wait in; a newer one takes it, and the older is dropped.

    Attributes:
        dropped: frames that were dropped so far.
    """

    def __init__(self) -> None:
        self.dropped = 0
        self._waiting: tuple[dict[str, Any], bytes] | None = None
        self._changed = asyncio.Event()
        self._closed = False

    def put(self, header: dict[str, Any], content: bytes) -> None:
        """Let a frame wait, in place of any that does."""
        if self._waiting is not None:
            self.dropped += 1
        self._waiting = header, content
        self._changed.set()

    def close(self) -> None:
        """No frame will come any more, and one that waits is not wanted."""
        self._closed = True
        self._changed.set()

    async def take(self) -> tuple[dict[str, Any], bytes] | None:
        """The newest frame, once there is one; None after :meth:`close`."""
        await self._changed.wait()
        self._changed.clear()
        if self._closed:
            return None
        frame, self._waiting = self._waiting, None
        return frame


class _Stream:
    """What one connection keeps from frame to frame; its methods run off the event loop."""

    def __init__(self, open_engine: Callable[[str], Engine], limits: Limits) -> None:
        self._open_engine = open_engine
        self._limits = limits
        self._engine: Engine | None = None
        self._model = ""
        self._encoded_background: bytes | None = None
        self._background: NDArray[np.uint8] | None = None

    def process(
        self, header: dict[str, Any], content: bytes, background: bytes | None
    ) -> tuple[dict[str, object], list[bytes]]:
        settings = Settings.parse(header)
        timestamp = header.get("timestamp_ms", 0)
        for name in ("timestamp_ms", "frame"):
            if not isinstance(header.get(name, 0), int):  # 1e999, say, couldn't be sent back
                raise RefusedError(400, f"{name} must be a whole number, got {header[name]!r}")
        if self._engine is None or self._model != settings.model:
            self.close()
            self._engine, self._model = self._open_engine(settings.model), settings.model
        if background is not None and background is not self._encoded_background:
            self._background = decode_background(background, self._limits.pictures)
            self._encoded_background = background
        return process_picture(
            self._engine,
            content,
            self._background,
            settings,
            self._limits.pictures,
            is_still=False,
            timestamp=timestamp,
        )

    def close(self) -> None:
        if self._engine is not None:
            self._engine.close()
            self._engine = None


async def _serve_stream(
    websocket: WebSocket, open_engine: Callable[[str], Engine], executor: Executor, limits: Limits
) -> None:
    """Answer an accepted connection's frames until it ends.

    The client sends messages of ``{"kind": "frame", "frame": number, "timestamp_ms": ..., settings}``
    with one encoded frame, at any time ``{"kind": "background"}`` with a picture; it gets a
    message for each frame that was processed, with the frame's number and how many were dropped
    so far, or ``{"error": ...}`` as text. Frames go through the engine in the order they came.

    Raises:
        WebSocketDisconnect: the page is gone; so are its frames.
    """
    inbox = _Inbox()
    stream = _Stream(open_engine, limits)
    reader = asyncio.create_task(inbox.read(websocket))
    try:
        await _answer_frames(websocket, inbox, stream, executor, limits)
    except RefusedError as exc:
        await websocket.send_json({"error": str(exc)})
        await websocket.close(_POLICY_VIOLATION)
    except ModelError as exc:
        await websocket.send_json({"error": str(exc)})
        await websocket.close(_INTERNAL_ERROR)
    finally:
        reader.cancel()
        await asyncio.to_thread(stream.close)  # waits for a frame in progress


async def _answer_frames(
    websocket: WebSocket, inbox: _Inbox, stream: _Stream, executor: Executor, limits: Limits
) -> None:
    loop = asyncio.get_running_loop()
    not_before = loop.time()
    while True:
        # Waiting before a frame is taken, not after: meanwhile a newer one may replace it.
        await asyncio.sleep(not_before - loop.time())
        try:
            taken = await asyncio.wait_for(inbox.frames.take(), limits.idle_seconds)
        except asyncio.TimeoutError as exc:
            raise RefusedError(408, f"no frame came within {limits.idle_seconds:g} seconds") from exc
        if taken is None:
            break
        not_before = loop.time() + 1 / limits.max_fps
        header, content = taken
        try:
            answer, parts = await loop.run_in_executor(
                executor, stream.process, header, content, inbox.background
            )
        except (RefusedError, InputError) as exc:
            await websocket.send_json({"error": str(exc)})
        else:
            answer |= {"frame": header.get("frame"), "dropped": inbox.frames.dropped}
            await websocket.send_bytes(pack(answer, *parts))
    if inbox.refusal is not None:
        raise inbox.refusal


class _Inbox:
    """Takes a connection's messages as they come, so that the newest frame is always known.

    Attributes:
        frames: closed once no message will come any more.
        background: the newest, as it came.
        refusal: why the messages ended, where it was not the page that ended them.
    """

    def __init__(self) -> None:
        self.frames = NewestFrame()
        self.background: bytes | None = None
        self.refusal: RefusedError | None = None

    async def read(self, websocket: WebSocket) -> None:
        try:
            while True:
                message = await websocket.receive()
                if message["type"] == "websocket.disconnect":
                    break
                header, parts = unpack(message.get("bytes") or b"")
                kind = header.get("kind")
                if kind not in ("frame", "background") or len(parts) != 1:
                    raise RefusedError(400, f"a message must be one frame or one background, got {kind!r}")
                if kind == "frame":
                    self.frames.put(header, parts[0])
                else:
                    self.background = parts[0]
        except RefusedError as exc:
            self.refusal = exc
        finally:
            self.frames.close()
