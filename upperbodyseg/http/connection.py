"""Connections that can't be held by a client that is slow on purpose.

Uvicorn waits without end for a request's header, and for a client that doesn't read its answer.
"""

from __future__ import annotations

import asyncio

import h11
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from upperbodyseg.http.errors import error_response
from upperbodyseg.http.limits import Limits

__all__ = ["connection_class"]

_HEADER, _WRITTEN, _UPGRADED = "header", "written", "upgraded"


def connection_class(limits: Limits) -> type[H11Protocol]:
    """Uvicorn's connection with deadlines and a count.

    A request's header has ``header_seconds``. A request as a whole has three times ``max_seconds``: for the
    upload, the work and the answer. Beyond ``max_sockets`` connections requests are answered with 503, and
    beyond twice as many connections are closed.
    """
    request_seconds = 3 * limits.max_seconds

    class Connection(H11Protocol):
        _timer: asyncio.TimerHandle | None = None
        _phase: object = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            if len(self.connections) > 2 * limits.max_sockets:
                transport.abort()
                return
            if len(self.connections) > limits.max_sockets:
                self.app = _too_many
            self._enter(_HEADER, limits.header_seconds)

        def connection_lost(self, exc: Exception | None) -> None:
            self._cancel()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self._phase == _UPGRADED or self.transport.is_closing():
                return
            if self.cycle is not None and not self.cycle.response_complete:
                self._enter(self.cycle, request_seconds)
            else:  # of the next request, or the rest of a body that was refused
                self._enter(_HEADER, limits.header_seconds)

        def on_response_complete(self) -> None:
            self._enter(_WRITTEN, limits.max_seconds)
            super().on_response_complete()
            if self.cycle is not None and not self.cycle.response_complete:  # it had come already
                self._enter(self.cycle, request_seconds)

        def handle_websocket_upgrade(self, event: h11.Request) -> None:
            self._cancel()
            self._phase = _UPGRADED
            super().handle_websocket_upgrade(event)

        def send_400_response(self, msg: str) -> None:
            if self.cycle is None or not self.cycle.response_started:
                self.transport.write(_raw(400, "the request is no HTTP/1.1"))
            self.transport.close()

        def _enter(self, phase: object, seconds: float) -> None:
            if self._phase is phase:
                return
            self._cancel()
            self._phase = phase
            self._timer = self.loop.call_later(seconds, self._late)

        def _cancel(self) -> None:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

        def _late(self) -> None:
            unsent = self.transport.get_write_buffer_size()
            if self._phase == _WRITTEN and not unsent:
                return  # idle: for that Uvicorn has a time of its own
            if self._phase == _HEADER and not unsent and self.cycle is None:
                seconds = limits.header_seconds
                self.transport.write(_raw(408, f"the request did not arrive within {seconds:g} seconds"))
                self.transport.close()
            else:
                self.transport.abort()

    return Connection


async def _too_many(scope: Scope, receive: Receive, send: Send) -> None:
    response = error_response(503, "the server has too many connections: try again later", 1)
    response.headers["connection"] = "close"
    await response(scope, receive, send)


def _raw(status: int, message: str) -> bytes:
    response = error_response(status, message)
    head = "".join(f"{name}: {value}\r\n" for name, value in response.headers.items())
    reason = {400: "Bad Request", 408: "Request Timeout"}[status]
    return f"HTTP/1.1 {status} {reason}\r\n{head}connection: close\r\n\r\n".encode() + bytes(response.body)
