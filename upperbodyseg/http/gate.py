"""Refusing a request before the application sees it, and what tells that it came of another site."""

from __future__ import annotations

import re

from starlette.types import ASGIApp, Scope
from starlette.websockets import WebSocketClose

from upperbodyseg.http.errors import error_response

__all__ = ["host_name", "refusal"]

_HOST = re.compile(r"([a-z0-9._-]{1,253}|\[[0-9a-f:.]{2,45}\])(?::\d{1,5})?", re.IGNORECASE | re.ASCII)


def host_name(host: str) -> str:
    """The name in a Host header, without the port, in lower case; "" if it is none."""
    found = _HOST.fullmatch(host)
    return found[1].lower() if found else ""


def refusal(scope: Scope, status: int, message: str) -> ASGIApp:
    """What answers a request or a WebSocket that is refused.

    A WebSocket that is closed before it was accepted is answered with 403, whatever ``status`` says.
    """
    return WebSocketClose() if scope["type"] == "websocket" else error_response(status, message)
