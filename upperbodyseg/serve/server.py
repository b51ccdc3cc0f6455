"""Serving: the process around the application."""

from __future__ import annotations

import logging
import os
import signal
from dataclasses import replace
from functools import partial

import cv2

from upperbodyseg.engine import UpperBodySegmenter
from upperbodyseg.http.server import bind, make_server, raise_file_limit
from upperbodyseg.options import SegmenterOptions
from upperbodyseg.pool import SegmenterPool
from upperbodyseg.serve.app import create_app, make_limits
from upperbodyseg.serve.log import logging_to_stderr
from upperbodyseg.serve.options import ServeOptions

__all__ = ["run"]

_logger = logging.getLogger("upperbodyseg.serve")


def run(options: ServeOptions) -> None:
    """See :func:`upperbodyseg.serve.serve`."""
    cv2.setNumThreads(1)  # every CPU has an engine
    options = replace(options, sockets=raise_file_limit(options.sockets))
    limits = make_limits(options)
    with bind(options.host, options.port) as listener, logging_to_stderr():
        pool = _open_pool(options.segmenter, options.workers, options.segmenter.model)
        first = [pool]  # weights or a runtime that are missing are better told before anything is served

        def open_pool(model: str) -> SegmenterPool:
            return first.pop() if first else _open_pool(options.segmenter, options.workers, model)

        open_engine = partial(_open_engine, options.segmenter)
        app = create_app(options, limits, open_pool, open_engine, pool.size)
        host, port = listener.getsockname()[:2]
        facts = {"host": host, "port": port, "pid": os.getpid(), "engines": pool.size}
        _logger.info("listening", extra={"facts": facts})
        # Uvicorn raises the signal again once it has stopped, which would end the process with an error.
        before = {number: signal.signal(number, _stopped) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            make_server(app, limits, log_config=None, log_level=None).run([listener])
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        _logger.info("stopped")


def _stopped(_number: int, _frame: object) -> None:
    pass


def _open_pool(options: SegmenterOptions, workers: int | None, model: str) -> SegmenterPool:
    pool = SegmenterPool(replace(options, model=model), workers)
    pool.initialize()
    return pool


def _open_engine(options: SegmenterOptions, model: str) -> UpperBodySegmenter:
    engine = UpperBodySegmenter(replace(options, model=model))
    engine.initialize()
    return engine
