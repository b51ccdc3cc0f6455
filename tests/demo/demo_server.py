"""A demo that is served, for its tests."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from upperbodyseg.demo.app import create_app, open_engine
from upperbodyseg.demo.server import ADDRESS
from upperbodyseg.http.engines import Engine
from upperbodyseg.http.limits import Limits
from upperbodyseg.http.server import bind, make_server


@contextmanager
def running(
    limits: Limits | None = None, open_engine: Callable[[str], Engine] = open_engine
) -> Iterator[str]:
    """Serve a demo; gives its host and port."""
    limits = limits or Limits()
    with bind(ADDRESS, 0) as listener:
        server = make_server(create_app("accurate", limits, open_engine), limits)
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()
