"""Serving the demo on this computer's own address."""

from __future__ import annotations

import os
import socket
import threading
import webbrowser

import uvicorn
import websockets  # noqa: F401  (uvicorn would look for it only once it runs)
from starlette.applications import Starlette

from upperbodyseg.demo.app import create_app, open_engine
from upperbodyseg.demo.limits import Limits
from upperbodyseg.errors import InputError

__all__ = ["ADDRESS", "bind", "make_server", "run"]

ADDRESS = "127.0.0.1"

_MAX_SOCKETS = 64  # browsers open half a dozen at a time


def run(port: int, model: str, *, open_browser: bool) -> None:
    """See :func:`upperbodyseg.demo.serve`."""
    with bind(port) as listener:
        open_engine(model).close()  # weights or a runtime that are missing are better told now
        url = f"http://{ADDRESS}:{listener.getsockname()[1]}"
        print(f"upperbodyseg demo: {url} (only from this computer; Ctrl-C stops it)", flush=True)
        if open_browser:
            # In a thread, for some browsers are waited for; the listener lets the page wait.
            threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()
        limits = Limits()
        make_server(create_app(model, limits), limits).run([listener])


def bind(port: int) -> socket.socket:
    """A listening socket on 127.0.0.1.

    Raises:
        InputError: the port is out of range, taken, or not to be had by this user.
    """
    if not 0 <= port <= 65535:
        raise InputError(f"the port must be from 1 to 65535, or 0 for any that is free, got {port}")
    # Named, for asyncio asks for it: without it, each answer waits for the client's delayed acknowledgement.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":  # elsewhere it would let two servers listen on one port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((ADDRESS, port))
        listener.listen()
        return listener
    except OSError as exc:
        listener.close()
        raise InputError(
            f"can't listen on port {port}: {exc.strerror}; choose another with --port, or 0 for any free one"
        ) from exc


def make_server(app: Starlette, limits: Limits) -> uvicorn.Server:
    """A server of an application made with these limits, to be run on a socket of :func:`bind`."""
    return uvicorn.Server(
        uvicorn.Config(
            app,
            # Named, so that it is the same server whatever else is installed.
            loop="asyncio",
            http="h11",
            ws="websockets-sansio",
            ws_max_size=limits.max_message_bytes,
            ws_per_message_deflate=False,  # pictures are compressed already
            limit_concurrency=_MAX_SOCKETS,
            timeout_graceful_shutdown=1,
            log_level="warning",
            access_log=False,
            proxy_headers=False,
            server_header=False,
        )
    )
