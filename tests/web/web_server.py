"""Serves the browser's package to a page, as a site with or without strict headers would."""

from __future__ import annotations

import http.server
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from tests.servers import in_thread

WEB = Path(__file__).parent.parent.parent / "web"

CSP = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self' 'wasm-unsafe-eval'",
        "worker-src 'self'",
        "connect-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob:",
        "media-src 'self' blob:",
    )
)

ISOLATED = {"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp"}


class _Handler(http.server.SimpleHTTPRequestHandler):
    extensions_map = {  # noqa: RUF012 (as the base class has it)
        **http.server.SimpleHTTPRequestHandler.extensions_map,
        ".wasm": "application/wasm",
        ".js": "text/javascript",
        ".mjs": "text/javascript",
    }

    def __init__(self, *args: Any, headers: dict[str, str], files: dict[str, bytes], **kwargs: Any) -> None:
        self.more = headers
        self.files = {"/blank": b"<!doctype html><title>blank</title>", **files}
        super().__init__(*args, **kwargs)

    def end_headers(self) -> None:
        for name, value in self.more.items():
            self.send_header(name, value)
        self.send_header("Cache-Control", "no-store")
        super().end_headers()

    def do_GET(self) -> None:
        content = self.files.get(self.path)
        if content is None:
            super().do_GET()
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/html" if self.path == "/blank" else self.guess_type(self.path))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args: Any) -> None:
        pass


@contextmanager
def serving(headers: dict[str, str], files: dict[str, bytes] | None = None) -> Iterator[str]:
    """A server of the package's folder with those headers. Gives its address.

    Args:
        headers: of every answer.
        files: more of them, by path; ``/blank`` is always an empty page.
    """
    handler = partial(_Handler, headers=headers, files=files or {}, directory=str(WEB))
    with (
        http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server,
        in_thread(server.serve_forever, server.shutdown),
    ):
        yield f"http://127.0.0.1:{server.server_port}"
