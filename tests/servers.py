"""Servers that run in a thread of the tests."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from upperbodyseg.http.limits import Limits


@contextmanager
def in_thread(serve: Callable[[], object], stop: Callable[[], object]) -> Iterator[None]:
    """Run what serves until it is stopped."""
    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        stop()
        thread.join()


@contextmanager
def running_app(app: ASGIApp, limits: Limits) -> Iterator[str]:
    """Serve an application; gives the host and port."""
    from upperbodyseg.http.server import bind, make_server  # of the extras [demo] and [serve]

    with bind("127.0.0.1", 0) as listener:
        server = make_server(app, limits, log_config=None)

        def stop() -> None:
            server.should_exit = True

        with in_thread(lambda: server.run([listener]), stop):
            yield f"127.0.0.1:{listener.getsockname()[1]}"
