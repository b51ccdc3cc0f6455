"""A listening socket, and a Uvicorn that is the same whatever else is installed."""

from __future__ import annotations

import contextlib
import os
import socket
from typing import Any

import uvicorn
import websockets  # noqa: F401  (uvicorn would look for it only once it runs)
from starlette.types import ASGIApp

from upperbodyseg.errors import InputError
from upperbodyseg.http.connection import connection_class
from upperbodyseg.http.limits import Limits

__all__ = ["bind", "make_server", "raise_file_limit"]

_WAITING = 2048  # connections that the system accepts ahead


def bind(host: str, port: int) -> socket.socket:
    """A listening socket.

    Raises:
        InputError: the port is out of range, taken, or not to be had by this user; or the host is none.
    """
    if not 0 <= port <= 65535:
        raise InputError(f"the port must be from 1 to 65535, or 0 for any that is free, got {port}")
    if not host:
        raise InputError("there is no host '' to listen on; 0.0.0.0 listens on every address")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named, for asyncio asks for it: without it, each answer waits for the client's delayed acknowledgement.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":  # elsewhere it would let two servers listen on one port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_WAITING)
        return listener
    except (OSError, UnicodeError) as exc:
        listener.close()
        if isinstance(exc, (socket.gaierror, UnicodeError)):
            raise InputError(f"there is no host {host!r} to listen on") from exc
        raise InputError(
            f"can't listen on port {port}: {exc.strerror}; choose another with --port, or 0 for any free one"
        ) from exc


def make_server(app: ASGIApp, limits: Limits, **config: Any) -> uvicorn.Server:
    """A server of an application with these limits, to be run on a socket of :func:`bind`."""
    return uvicorn.Server(
        uvicorn.Config(
            app,
            # Named, so that it is the same server whatever else is installed.
            loop="asyncio",
            http=connection_class(limits),
            ws="websockets-sansio",
            ws_max_size=limits.max_message_bytes,
            ws_per_message_deflate=False,  # pictures are compressed already
            timeout_graceful_shutdown=limits.stop_seconds,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            **{"log_level": "warning", **config},
        )
    )


def raise_file_limit(sockets: int) -> int:
    """Let the process have so many connections, as far as the system lets it.

    Returns:
        How many it may have.
    """
    try:
        import resource  # noqa: PLC0415  (Windows has none, and no such limit)
    except ImportError:
        return sockets
    spare = 128  # files of other kinds
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * sockets + spare
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return sockets if soft == resource.RLIM_INFINITY else max(1, min(sockets, (soft - spare) // 2))
