"""The demo's web application: the page, one request for a picture, one WebSocket for a webcam."""

from __future__ import annotations

import contextlib
import mimetypes
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles

from upperbodyseg.demo.local_only import LocalOnly
from upperbodyseg.engine import SegmenterOptions, UpperBodySegmenter
from upperbodyseg.http.engines import Engine, Engines
from upperbodyseg.http.errors import HANDLERS
from upperbodyseg.http.limits import Limits, RefusedError
from upperbodyseg.http.live import Streams
from upperbodyseg.http.messages import pack, unpack
from upperbodyseg.http.pictures import decode_background
from upperbodyseg.http.pipeline import Settings, process_picture
from upperbodyseg.http.uploads import Uploads
from upperbodyseg.http.work import work_in_time
from upperbodyseg.models.spec import MODELS

__all__ = ["MEDIA_TYPE", "STATIC", "create_app", "open_engine"]

STATIC = Path(__file__).parent / "static"

MEDIA_TYPE = "application/octet-stream"
"""Of requests and responses; no form can send it, so that a browser asks before another site may."""


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
            WebSocketRoute("/live", demo.streams.serve),
            Mount("/", StaticFiles(directory=STATIC, html=True)),
        ],
        middleware=[Middleware(LocalOnly)],
        exception_handlers=HANDLERS,
        lifespan=demo.lifespan,
    )


class _Demo:
    def __init__(self, model: str, limits: Limits, open_engine: Callable[[str], Engine]) -> None:
        self._model = model
        self._limits = limits
        # Apart, so that pictures nobody waits for any more don't keep streams waiting.
        self._picture_workers = ThreadPoolExecutor(limits.max_requests, thread_name_prefix="picture")
        self.streams = Streams(limits, open_engine)
        self._still_engines = Engines(open_engine)
        self._uploads = Uploads(limits)
        self._requests = 0

    @contextlib.asynccontextmanager
    async def lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        yield
        self._picture_workers.shutdown(wait=False, cancel_futures=True)
        self.streams.close()

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
            async with self._uploads.body(request) as message:
                header, parts = unpack(message)
                if len(parts) not in (1, 2):
                    raise RefusedError(400, "the message must hold a picture and at most one background")
                answer, results = await work_in_time(
                    request,
                    self._picture_workers,
                    self._limits.max_seconds,
                    lambda given_up: self._process(header, parts, given_up),
                )
        except ClientDisconnect:
            return Response(status_code=400)  # nobody is there to read it
        finally:
            self._requests -= 1
        return Response(pack(answer, *results), media_type=MEDIA_TYPE)

    def _process(
        self, header: dict[str, object], parts: list[bytes], given_up: Callable[[], bool]
    ) -> tuple[dict[str, object], list[bytes]]:
        settings = Settings.parse(header)
        limits = self._limits.pictures
        background = None
        if len(parts) == 2 and settings.effect == "picture":
            background = decode_background(parts[1], limits)
        engine = self._still_engines.get(settings.model)
        return process_picture(
            engine, parts[0], background, settings, limits, is_still=True, given_up=given_up
        )
