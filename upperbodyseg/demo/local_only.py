"""The page is for the person at this computer: no other site may use it through their browser."""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from upperbodyseg.http.gate import host_name, refusal

__all__ = ["LocalOnly"]

_LOCAL_HOSTS = ("localhost", "127.0.0.1")


class LocalOnly:
    """ASGI middleware that refuses what other sites ask for through this computer's browser.

    A Host header other than localhost's comes of a foreign name that was made to point here (DNS
    rebinding). Whatever changes or computes something (all but GET and HEAD, and WebSockets, which
    know no same-origin policy) must come from the page: its Origin has to be the host's own.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or refuse, one request (the ASGI interface)."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        safe = scope["type"] == "http" and scope["method"] in ("GET", "HEAD")
        why = ""
        if host_name(host) not in _LOCAL_HOSTS:
            why, host = "the demo answers only as localhost or 127.0.0.1", "localhost"
        elif not safe and headers.get("origin") != f"http://{host}":
            why = "only the demo's own page may ask for that"
        app = self._app
        if why:
            app = refusal(scope, 403, why)

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_security_headers(host))
            await send(message)

        await app(scope, receive, send_guarded)


def _security_headers(host: str) -> dict[str, str]:
    policy = (
        f"default-src 'self'; img-src 'self' blob:; connect-src 'self' ws://{host}; "
        "object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return {
        "content-security-policy": policy,
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "permissions-policy": "camera=(self), microphone=(), geolocation=()",
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
        # The next version's page must not be mixed with this one's scripts; results are nobody's to keep.
        "cache-control": "no-store",
    }
