"""Who is answered: the names the service has, the web sites that may ask, and the token."""

from __future__ import annotations

import hmac
import ipaddress

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from upperbodyseg.http.gate import host_name, refusal
from upperbodyseg.serve.options import ServeOptions

__all__ = ["OPEN_PATHS", "Gate"]

OPEN_PATHS = ("/healthz", "/readyz")
"""Answered without a token."""

_LOCAL = ("localhost", "127.0.0.1", "[::1]")
_EXPOSED = "retry-after, server-timing, upperbodyseg-damaged, upperbodyseg-persons"


class Gate:
    """ASGI middleware.

    A browser names the site a request comes of in Origin, and sends it with every POST and WebSocket. Other
    clients send none. So a request with an Origin is refused unless that site was allowed. A foreign Host is
    a foreign name that was made to point here (DNS rebinding).
    """

    def __init__(self, app: ASGIApp, options: ServeOptions) -> None:
        self._app = app
        self._hosts = options.hosts or _own_names(options.host)
        self._origins = options.origins
        self._token = options.token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or refuse, one request (the ASGI interface)."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        origin = headers.get("origin")
        app = self._refusal(scope, headers, origin)
        if app is None and scope.get("method") == "OPTIONS" and origin is not None:
            app = Response(status_code=204)
            app.headers.update(
                {
                    "access-control-allow-methods": "GET, POST",
                    "access-control-allow-headers": "authorization, content-type",
                    "access-control-max-age": "600",
                }
            )
        elif app is None and not self._has_token(scope, headers):
            app = refusal(scope, 401, "the request must bring the service's token: Authorization: Bearer ...")
            if isinstance(app, Response):
                app.headers["www-authenticate"] = "Bearer"

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = MutableHeaders(scope=message)
                own.update({"x-content-type-options": "nosniff", "cache-control": "no-store"})
                if origin is not None and self._may_ask(origin):
                    own["access-control-allow-origin"] = origin
                    own["access-control-expose-headers"] = _EXPOSED
                    own.add_vary_header("origin")
            await send(message)

        await (app or self._app)(scope, receive, send_guarded)

    def _refusal(self, scope: Scope, headers: Headers, origin: str | None) -> ASGIApp | None:
        host = host_name(headers.get("host", ""))
        if "*" not in self._hosts and host not in self._hosts:
            return refusal(scope, 403, "the service doesn't have that name; --allow-host gives it another")
        if origin is not None and not self._may_ask(origin):
            return refusal(scope, 403, "pages of that web site may not ask; --allow-origin lets them")
        return None

    def _may_ask(self, origin: str) -> bool:
        return "*" in self._origins or origin in self._origins

    def _has_token(self, scope: Scope, headers: Headers) -> bool:
        if self._token is None or (scope["type"] == "http" and scope["path"] in OPEN_PATHS):
            return True
        kind, _, given = headers.get("authorization", "").partition(" ")
        same = hmac.compare_digest(given.strip().encode(), self._token.encode())
        return kind.lower() == "bearer" and same


def _own_names(host: str) -> tuple[str, ...]:
    """The names to answer to where none was given: this computer's, or any if others can reach it."""
    try:
        is_local = ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_local = host == "localhost"
    return (*_LOCAL, f"[{host}]" if ":" in host else host) if is_local else ("*",)
