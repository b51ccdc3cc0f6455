"""Serving the demo on this computer's own address."""

from __future__ import annotations

import threading
import webbrowser

from upperbodyseg.demo.app import create_app, open_engine
from upperbodyseg.http.limits import Limits
from upperbodyseg.http.server import bind, make_server

__all__ = ["ADDRESS", "run"]

ADDRESS = "127.0.0.1"


def run(port: int, model: str, *, open_browser: bool) -> None:
    """See :func:`upperbodyseg.demo.serve`."""
    with bind(ADDRESS, port) as listener:
        open_engine(model).close()  # weights or a runtime that are missing are better told now
        url = f"http://{ADDRESS}:{listener.getsockname()[1]}"
        print(f"upperbodyseg demo: {url} (only from this computer; Ctrl-C stops it)", flush=True)
        if open_browser:
            # In a thread, for some browsers are waited for; the listener lets the page wait.
            threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()
        limits = Limits()
        make_server(create_app(model, limits), limits).run([listener])
