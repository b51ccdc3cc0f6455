"""The log: one JSON object a line. Names and contents of pictures are not in it."""

from __future__ import annotations

import contextlib
import json
import logging
import sys
from collections.abc import Iterator
from datetime import datetime, timezone
from time import perf_counter
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from upperbodyseg.serve.metrics import Metrics

__all__ = ["JsonLines", "RequestLog", "facts", "logging_to_stderr"]

_logger = logging.getLogger("upperbodyseg.serve")


class JsonLines(logging.Formatter):
    """A record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """``time``, ``level``, ``message``, what the record's ``facts`` has, and ``error``."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            **getattr(record, "facts", {}),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line)


@contextlib.contextmanager
def logging_to_stderr() -> Iterator[None]:
    """Send the service's log, and Uvicorn's, to the standard error stream."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    loggers = [logging.getLogger(name) for name in ("upperbodyseg.serve", "uvicorn")]
    before = [(logger.level, logger.propagate) for logger in loggers]
    for logger, level in zip(loggers, (logging.INFO, logging.WARNING), strict=True):
        logger.addHandler(handler)
        logger.propagate = False
        logger.setLevel(level)
    try:
        yield
    finally:
        for logger, (level, propagate) in zip(loggers, before, strict=True):
            logger.removeHandler(handler)
            logger.setLevel(level)
            logger.propagate = propagate


def facts(scope: Scope) -> dict[str, Any]:
    """What a request's line in the log will say besides its route, status and time."""
    found: dict[str, Any] = scope.setdefault("upperbodyseg.facts", {})
    return found


class RequestLog:
    """ASGI middleware that logs and counts every answer.

    Args:
        app: the application.
        metrics: where to count.
        routes: paths that are logged as they are; any other is "other".
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, routes: frozenset[str]) -> None:
        self._app = app
        self._metrics = metrics
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (the ASGI interface)."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        start = perf_counter()
        status = 403 if scope["type"] == "websocket" else 500  # unless something else is sent

        async def send_noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            elif message["type"] == "websocket.accept":
                status = 101
            await send(message)

        noted = facts(scope)
        try:
            await self._app(scope, receive, send_noting)
        finally:
            seconds = perf_counter() - start
            route = scope["path"] if scope["path"] in self._routes else "other"
            self._metrics.request(route, status, seconds)
            method = scope.get("method", "WEBSOCKET")
            line = {
                "method": method,
                "route": route,
                "status": status,
                "ms": round(seconds * 1000, 1),
                **noted,
            }
            _logger.info("request", extra={"facts": line})
