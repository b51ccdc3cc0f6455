"""The demo's web application: the page, one request for a picture, one WebSocket for a webcam."""

from __future__ import annotations

import asyncio
import contextlib
import mimetypes
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket, WebSocketDisconnect

from upperbodyseg.demo.limits import Limits, RefusedError
from upperbodyseg.demo.live import serve_stream
from upperbodyseg.demo.local_only import LocalOnly
from upperbodyseg.demo.messages import pack, unpack
from upperbodyseg.demo.pictures import decode_background
from upperbodyseg.demo.pipeline import Engine, Settings, process_picture
from upperbodyseg.engine import SegmenterOptions, UpperBodySegmenter
from upperbodyseg.errors import InputError, ModelError
from upperbodyseg.models.spec import MODELS

__all__ = ["MEDIA_TYPE", "STATIC", "create_app", "open_engine"]

STATIC = Path(__file__).parent / "static"

MEDIA_TYPE = "application/octet-stream"
"""Of requests and responses; no form can send it, so that a browser asks before another site may."""

_TRY_AGAIN_LATER = 1013


def open_engine(model: str) -> UpperBodySegmenter:
    """An engine that is ready, with the package's "accurate" or "fast" models."""
    engine = UpperBodySegmenter(SegmenterOptions(model=model))
    engine.initialize()
    return engine


def create_app(
    model: str = MODELS[0],
    limits: Limits | None = None,
    open_engine: Callable[[str], Engine] = open_engine,
) -> Starlette:
    """The ASGI application.

    Args:
        model: "accurate" or "fast"; the one the page starts with.
        limits: how much is taken at a time; None for the defaults.
        open_engine: makes an engine of a model's name; it runs off the event loop.
    """
    mimetypes.add_type("text/javascript", ".js")  # Windows may say otherwise; browsers run nothing else
    demo = _Demo(model, limits or Limits(), open_engine)
    return Starlette(
        routes=[
            Route("/settings", demo.settings),
            Route("/segment", demo.segment, methods=["POST"]),
            WebSocketRoute("/live", demo.live),
            Mount("/", StaticFiles(directory=STATIC, html=True)),
        ],
        middleware=[Middleware(LocalOnly)],
        exception_handlers={
            HTTPException: _http_error,
            InputError: _input_error,
            ModelError: _model_error,
            RefusedError: _refusal,
        },
        lifespan=demo.lifespan,
    )


class _Demo:
    def __init__(self, model: str, limits: Limits, open_engine: Callable[[str], Engine]) -> None:
        self._model = model
        self._limits = limits
        self._open_engine = open_engine
        # Apart, so that pictures nobody waits for any more don't keep streams waiting.
        self._picture_workers = ThreadPoolExecutor(limits.max_requests, thread_name_prefix="picture")
        self._stream_workers = ThreadPoolExecutor(limits.max_connections, thread_name_prefix="stream")
        self._still_engines: dict[str, Engine] = {}
        self._still_engines_lock = threading.Lock()
        self._requests = 0
        self._connections = 0

    @contextlib.asynccontextmanager
    async def lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        yield
        for workers in (self._picture_workers, self._stream_workers):
            workers.shutdown(wait=False, cancel_futures=True)

    async def settings(self, _request: Request) -> Response:
        """What the page must know before anything is sent."""
        return JSONResponse({"model": self._model, "max_upload_bytes": self._limits.max_upload_bytes})

    async def segment(self, request: Request) -> Response:
        """A message of settings, a picture and, if there is one, a background; the result comes back."""
        if request.headers.get("content-type") != MEDIA_TYPE:
            raise RefusedError(415, f"the content type must be {MEDIA_TYPE}")
        if self._requests >= self._limits.max_requests:
            raise RefusedError(429, "the demo is busy with other pictures: try again in a moment")
        self._requests += 1
        try:
            header, parts = unpack(await self._body_in_time(request))
            if len(parts) not in (1, 2):
                raise RefusedError(400, "the message must hold a picture and at most one background")
            answer, results = await self._process_in_time(request, header, parts)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody is there to read it
        finally:
            self._requests -= 1
        return Response(pack(answer, *results), media_type=MEDIA_TYPE)

    async def _body_in_time(self, request: Request) -> bytes:
        seconds = self._limits.max_seconds
        try:
            return await asyncio.wait_for(self._body(request), seconds)
        except asyncio.TimeoutError as exc:
            raise RefusedError(408, f"the picture did not arrive within {seconds:g} seconds") from exc

    async def _process_in_time(
        self, request: Request, header: dict[str, object], parts: list[bytes]
    ) -> tuple[dict[str, object], list[bytes]]:
        """Process on a worker, until it is done, the time is over, or nobody waits any more."""
        given_up = threading.Event()
        work = asyncio.get_running_loop().run_in_executor(
            self._picture_workers, self._process, header, parts, given_up
        )
        left = asyncio.create_task(_until_left(request))
        try:
            both: set[asyncio.Future[Any]] = {work, left}
            await asyncio.wait(both, timeout=self._limits.max_seconds, return_when="FIRST_COMPLETED")
            if work.done():
                return work.result()
            if left.done():
                raise ClientDisconnect
            raise RefusedError(503, f"that took longer than {self._limits.max_seconds:g} seconds")
        finally:
            given_up.set()
            left.cancel()
            # One that waits for a worker is taken back; one at work ends with its stage, unheard.
            if not work.cancel() and not work.cancelled():
                work.exception()

    async def _body(self, request: Request) -> bytes:
        most = self._limits.max_upload_bytes
        body = bytearray()
        if int(request.headers.get("content-length", 0)) <= most:
            async for chunk in request.stream():
                body += chunk
                if len(body) > most:
                    break
            else:
                return bytes(body)
        raise RefusedError(413, f"that is too large: the demo takes {most / 2**20:g} MiB at a time")

    def _process(
        self, header: dict[str, object], parts: list[bytes], given_up: threading.Event
    ) -> tuple[dict[str, object], list[bytes]]:
        settings = Settings.parse(header)
        limits = self._limits.pictures
        background = None
        if len(parts) == 2 and settings.effect == "picture":
            background = decode_background(parts[1], limits)
        engine = self._still_engine(settings.model)
        return process_picture(
            engine, parts[0], background, settings, limits, is_still=True, given_up=given_up.is_set
        )

    def _still_engine(self, model: str) -> Engine:
        with self._still_engines_lock:
            if model not in self._still_engines:
                self._still_engines[model] = self._open_engine(model)
            return self._still_engines[model]

    async def live(self, websocket: WebSocket) -> None:
        """See :func:`upperbodyseg.demo.live.serve_stream`."""
        with contextlib.suppress(WebSocketDisconnect):
            await websocket.accept()
            if self._connections >= self._limits.max_connections:
                await websocket.send_json(
                    {"error": f"{self._connections} webcams are live already: stop one in another tab"}
                )
                await websocket.close(_TRY_AGAIN_LATER)
                return
            self._connections += 1
            try:
                await serve_stream(websocket, self._open_engine, self._stream_workers, self._limits)
            finally:
                self._connections -= 1


async def _until_left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _error(status: int, message: str) -> JSONResponse:
    return JSONResponse({"error": message}, status)


async def _refusal(_request: Request, exc: Exception) -> Response:
    assert isinstance(exc, RefusedError)
    return _error(exc.status, str(exc))


async def _input_error(_request: Request, exc: Exception) -> Response:
    return _error(400, str(exc))


async def _model_error(_request: Request, exc: Exception) -> Response:
    return _error(500, str(exc))


async def _http_error(_request: Request, exc: Exception) -> Response:
    assert isinstance(exc, HTTPException)
    return _error(exc.status_code, exc.detail)
