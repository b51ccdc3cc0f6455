"""A service that runs in the tests' process, and what its clients need."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from tests.servers import running_app
from upperbodyseg import SegmenterOptions, UpperBodySegmenter
from upperbodyseg.http.engines import Engine
from upperbodyseg.pool import SegmenterPool
from upperbodyseg.serve.app import create_app, make_limits
from upperbodyseg.serve.options import ServeOptions

U8 = NDArray[np.uint8]
WAIT_S = 60  # far beyond anything that works


def open_pool(model: str) -> Engine:
    pool = SegmenterPool(SegmenterOptions(model=model), 1)
    pool.initialize()
    return pool


def open_engine(model: str) -> Engine:
    engine = UpperBodySegmenter(SegmenterOptions(model=model))
    engine.initialize()
    return engine


def running(
    options: ServeOptions | None = None,
    open_pool: Callable[[str], Engine] = open_pool,
    workers: int = 1,
    **limits: Any,
) -> AbstractContextManager[str]:
    """Serve; gives the host and port."""
    options = options or ServeOptions(port=0)
    chosen = make_limits(options)
    for name, value in limits.items():
        object.__setattr__(chosen, name, value)
    return running_app(create_app(options, chosen, open_pool, open_engine, workers), chosen)


@dataclass
class Answer:
    status: int
    body: bytes
    headers: http.client.HTTPMessage

    def json(self) -> Any:
        return json.loads(self.body)

    def picture(self) -> U8:
        decoded = cv2.imdecode(np.frombuffer(self.body, np.uint8), cv2.IMREAD_UNCHANGED)
        assert decoded is not None, self.body[:200]
        return decoded


def ask(address: str, method: str, path: str, body: Any = None, **headers: str) -> Answer:
    """An answer. Headers are named with _ for -."""
    connection = http.client.HTTPConnection(address, timeout=WAIT_S)
    try:
        given = {name.replace("_", "-").title(): value for name, value in headers.items()}
        connection.request(method, path, body, given)
        response = connection.getresponse()
        return Answer(response.status, response.read(), response.headers)
    finally:
        connection.close()


def form(*parts: tuple[str, bytes | str], boundary: str = "b0undary") -> tuple[bytes, str]:
    """A multipart form and its content type; parts of bytes are files."""
    body = bytearray()
    for name, value in parts:
        file = '; filename="a secret name.png"\r\nContent-Type: image/png' if isinstance(value, bytes) else ""
        body += f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode()
        body += (value if isinstance(value, bytes) else value.encode()) + b"\r\n"
    body += f"--{boundary}--\r\n".encode()
    return bytes(body), f"multipart/form-data; boundary={boundary}"


def post_form(address: str, path: str, *parts: tuple[str, bytes | str], **headers: str) -> Answer:
    body, kind = form(*parts)
    return ask(address, "POST", path, body, content_type=kind, **headers)


def encode(picture: U8, suffix: str = ".png") -> bytes:
    done, data = cv2.imencode(suffix, picture)
    assert done
    return data.tobytes()
