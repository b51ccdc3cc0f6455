"""A demo that is served, for its tests."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from tests.servers import running_app
from upperbodyseg.demo.app import create_app, open_engine
from upperbodyseg.http.engines import Engine
from upperbodyseg.http.limits import Limits


def running(
    limits: Limits | None = None, open_engine: Callable[[str], Engine] = open_engine
) -> AbstractContextManager[str]:
    """Serve a demo; gives its host and port."""
    limits = limits or Limits()
    return running_app(create_app("accurate", limits, open_engine), limits)
