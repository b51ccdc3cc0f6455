"""The service's web application."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute

from upperbodyseg.http.engines import Engine, Engines
from upperbodyseg.http.errors import HANDLERS, error_response
from upperbodyseg.http.limits import Limits, RefusedError
from upperbodyseg.http.live import Streams
from upperbodyseg.http.uploads import Uploads
from upperbodyseg.pictures import FORMATS
from upperbodyseg.serve import rembg_api, v1
from upperbodyseg.serve.forms import Upload, parse_upload
from upperbodyseg.serve.gate import Gate
from upperbodyseg.serve.log import RequestLog, facts
from upperbodyseg.serve.metrics import MEDIA_TYPE, Metrics
from upperbodyseg.serve.openapi import description
from upperbodyseg.serve.options import ServeOptions
from upperbodyseg.serve.work import Done, Job, PictureQueue

__all__ = ["create_app", "make_limits"]


def make_limits(options: ServeOptions) -> Limits:
    """The limits that the options say; what is held in memory follows from them."""
    return Limits(
        max_upload_bytes=options.max_upload_bytes,
        max_pixels=options.segmenter.max_pixels,
        max_message_bytes=min(options.max_upload_bytes, 16 * 2**20),
        max_total_bytes=max(512 * 2**20, 2 * options.max_upload_bytes),
        max_requests=options.queue,
        max_connections=options.streams,
        max_sockets=options.sockets,
        max_seconds=options.max_seconds,
        idle_seconds=options.max_seconds,
        stop_seconds=options.stop_seconds,
        formats=FORMATS,
    )


def create_app(
    options: ServeOptions,
    limits: Limits,
    open_pool: Callable[[str], Engine],
    open_engine: Callable[[str], Engine],
    workers: int,
) -> Starlette:
    """The ASGI application.

    Args:
        options: the service's settings.
        limits: of :func:`make_limits`.
        open_pool: makes the engines for pictures, of a model's name; it runs off the event loop.
        open_engine: makes the engine of a stream, likewise.
        workers: how many engines a pool has.
    """
    service = _Service(options, limits, open_pool, open_engine, workers)
    routes: list[Route | WebSocketRoute] = [
        Route("/api/remove", service.remove, methods=["GET", "POST"]),
        Route("/v1/mask", service.mask, methods=["POST"]),
        Route("/v1/cutout", service.cutout, methods=["POST"]),
        Route("/v1/background", service.background, methods=["POST"]),
        WebSocketRoute("/v1/stream", service.streams.serve),
        Route("/v1/stream", service.no_websocket),
        Route("/healthz", service.healthz),
        Route("/readyz", service.readyz),
        Route("/metrics", service.metrics_text),
        Route("/openapi.json", service.openapi),
    ]
    return Starlette(
        routes=routes,
        middleware=[
            Middleware(RequestLog, service.metrics, frozenset(route.path for route in routes)),
            Middleware(Gate, options),
        ],
        exception_handlers=HANDLERS,
        lifespan=service.lifespan,
    )


class _Service:
    def __init__(
        self,
        options: ServeOptions,
        limits: Limits,
        open_pool: Callable[[str], Engine],
        open_engine: Callable[[str], Engine],
        workers: int,
    ) -> None:
        self._options = options
        self._engines = Engines(open_pool)
        self._queue = PictureQueue(self._engines, workers, limits)
        self._uploads = Uploads(limits)
        self._ready = False
        self.streams = Streams(limits, open_engine)
        self.metrics = Metrics(lambda: self._queue.pending, lambda: self.streams.count)

    @contextlib.asynccontextmanager
    async def lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        await run_in_threadpool(self._engines.get, self._options.segmenter.model)
        self._ready = True
        yield
        self._ready = False
        self.streams.close()
        await run_in_threadpool(self._queue.close)

    async def remove(self, request: Request) -> Response:
        """As rembg's server, which fetches a picture for GET: that is refused."""
        if request.method != "POST":
            return error_response(
                403,
                "the service fetches nothing: it could be made to ask for what only it can reach. "
                "Send the picture itself with POST",
            )

        def parse(upload: Upload, values: Mapping[str, str]) -> Job:
            if "file" not in upload.files:
                raise RefusedError(422, "the form must have a part 'file' with the picture")
            return rembg_api.parse_job(upload.files["file"], values, self._options.segmenter.model)

        return await self._answer(request, parse)

    async def no_websocket(self, _request: Request) -> Response:
        """A stream's address, asked for without an upgrade."""
        response = error_response(426, "frames go over a WebSocket: connect to ws://, not http://")
        response.headers.update({"upgrade": "websocket", "connection": "upgrade"})
        return response

    async def mask(self, request: Request) -> Response:
        return await self._answer(request, self._v1("mask", request))

    async def cutout(self, request: Request) -> Response:
        return await self._answer(request, self._v1("cutout", request))

    async def background(self, request: Request) -> Response:
        return await self._answer(request, self._v1("background", request))

    def _v1(self, effect: str, request: Request) -> Callable[[Upload, Mapping[str, str]], Job]:
        accept = ",".join(request.headers.getlist("accept"))
        model = self._options.segmenter.model
        return lambda upload, values: v1.parse_job(effect, upload, values, model, accept)

    async def _answer(self, request: Request, parse: Callable[[Upload, Mapping[str, str]], Job]) -> Response:
        self._queue.check()
        encoding = request.headers.get("content-encoding", "identity")
        if encoding.lower() != "identity":
            raise RefusedError(415, f"the body must come as it is, not in the encoding {encoding[:40]!r}")
        try:
            async with self._uploads.body(request) as body:
                facts(request.scope)["bytes_in"] = len(body)
                upload = parse_upload(request.headers.get("content-type", ""), body)
                done = await self._queue.run(
                    request, parse(upload, {**request.query_params, **upload.fields})
                )
        except ClientDisconnect:
            return Response(status_code=499)  # nobody is there to read it; the log and the count have it
        return self._response(request, done)

    def _response(self, request: Request, done: Done) -> Response:
        persons = len(done.result.output.persons)
        self.metrics.picture(persons, done.timings_ms)
        facts(request.scope).update(persons=persons, bytes_out=len(done.body))
        headers = {
            "upperbodyseg-persons": str(persons),
            "server-timing": ", ".join(f"{name};dur={ms:.1f}" for name, ms in done.timings_ms.items()),
            "vary": "accept",
        }
        if done.result.damaged:
            headers["upperbodyseg-damaged"] = "1"
        return Response(done.body, headers=headers, media_type=done.media_type)

    async def healthz(self, _request: Request) -> Response:
        """The process answers."""
        return JSONResponse({"status": "ok"})

    async def readyz(self, _request: Request) -> Response:
        """Pictures are taken now."""
        if not self._ready:
            return error_response(503, "the service is starting or stopping", 1)
        self._queue.check()
        return JSONResponse({"status": "ready"})

    async def metrics_text(self, _request: Request) -> Response:
        """What Prometheus collects."""
        return Response(self.metrics.text(), headers={"content-type": MEDIA_TYPE})

    async def openapi(self, _request: Request) -> Response:
        """The description of all this."""
        return JSONResponse(description(with_token=self._options.token is not None))
