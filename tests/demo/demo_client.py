"""A client of the demo, for its tests."""

from __future__ import annotations

import http.client
import json
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from upperbodyseg.demo.app import MEDIA_TYPE
from upperbodyseg.http.messages import pack, unpack

U8 = NDArray[np.uint8]
WAIT_S = 60  # far beyond anything that works


def ask(address: str, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, bytes, Any]:
    """An answer's status, body and headers. Headers are named with _ for -; an empty one isn't sent."""
    connection = http.client.HTTPConnection(address, timeout=WAIT_S)
    try:
        given = {"Origin": f"http://{address}", "Content-Type": MEDIA_TYPE}
        given.update({name.replace("_", "-").title(): value for name, value in headers.items()})
        connection.request(method, path, body, {name: value for name, value in given.items() if value})
        response = connection.getresponse()
        return response.status, response.read(), response.headers
    finally:
        connection.close()


def send(host: str, header: dict[str, object], *parts: bytes) -> tuple[dict[str, Any], list[U8]]:
    """The answer to a picture that is taken: its header, and its parts decoded."""
    status, body, headers = ask(host, "POST", "/segment", pack(header, *parts))
    assert status == 200, body
    assert headers["content-type"] == MEDIA_TYPE
    answer, results = unpack(body)
    return answer, [decode(part) for part in results]


def decode(content: bytes) -> U8:
    picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    assert picture is not None
    return picture


def encode(picture: U8, suffix: str = ".png") -> bytes:
    done, data = cv2.imencode(suffix, picture)
    assert done
    return data.tobytes()


def live(host: str, origin: str | None = "its own") -> ClientConnection:
    origin = f"http://{host}" if origin == "its own" else origin
    return connect(f"ws://{host}/live", origin=Origin(origin) if origin else None, max_size=None)


def frame(number: int, content: bytes, **settings: object) -> bytes:
    return pack({"kind": "frame", "frame": number, "timestamp_ms": 33 * number, **settings}, content)


def receive(connection: ClientConnection) -> tuple[dict[str, Any], list[bytes]]:
    message = connection.recv(timeout=WAIT_S)
    return unpack(message) if isinstance(message, bytes) else (json.loads(message), [])


def damaged_png(width: int, height: int) -> bytes:
    content = bytearray(encode(np.zeros((8, 8, 3), np.uint8)))
    content[16:24] = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    return bytes(content)
