"""The page's server and pictures, messages and clients that mean no good."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from fuzz.made_bombs import bombs
from fuzz.made_pictures import encode, exif, jpeg_2000, malformed_apng

for package in ("starlette", "uvicorn", "websockets"):
    pytest.importorskip(package, reason=f"{package}, of the extra [demo], is not installed")

# ruff: noqa: E402  (what follows needs them)
from demo_client import WAIT_S
from demo_server import running
from websockets.sync.client import connect
from websockets.typing import Origin

from tests.stub_engine import StubEngine
from upperbodyseg import segment
from upperbodyseg.demo.app import MEDIA_TYPE
from upperbodyseg.http.limits import Limits
from upperbodyseg.http.messages import pack, unpack

pytestmark = pytest.mark.filterwarnings("ignore:::PIL")
U8 = NDArray[np.uint8]


@pytest.fixture(scope="module")
def demo() -> Iterator[str]:
    with running(Limits(max_connections=50)) as host:  # closed ones take a while to be seen
        yield host


def post(host: str, body: bytes) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(host, timeout=WAIT_S)
    try:
        connection.request("POST", "/segment", body, {"Origin": f"http://{host}", "Content-Type": MEDIA_TYPE})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def error(body: bytes) -> str:
    return str(json.loads(body)["error"])


def png(picture: U8) -> bytes:
    return cv2.imencode(".png", picture)[1].tobytes()


def half_a_request(host: str, length: int, body: bytes = b"") -> socket.socket:
    client = socket.create_connection(("127.0.0.1", int(host.split(":")[1])), timeout=WAIT_S)
    head = f"POST /segment HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\n"
    client.sendall(f"{head}Content-Type: {MEDIA_TYPE}\r\nContent-Length: {length}\r\n\r\n".encode() + body)
    return client


# --- pictures ------------------------------------------------------------------------------------


def test_bombs_are_refused_and_the_server_goes_on(demo: str, portrait: U8) -> None:
    for name, content in bombs().items():
        status, body = post(demo, pack({}, content))
        assert status in (413, 415), name
        assert error(body).startswith(("the picture ", "that is no picture")), name
    for content in (jpeg_2000(portrait[..., ::-1]), encode(portrait, "GIF"), encode(portrait, "TIFF")):
        status, body = post(demo, pack({}, content))
        assert status == 415
        assert "JPEG, PNG and WebP" in error(body)
    assert post(demo, pack({}, malformed_apng()))[0] == 200
    assert post(demo, pack({}, png(portrait)))[0] == 200


def test_what_is_damaged_in_part_is_done_and_says_so(demo: str, webcam: U8) -> None:
    content = cv2.imencode(".jpg", webcam)[1].tobytes()
    for length, damaged in ((len(content), False), (len(content) - 2, False), (len(content) * 3 // 4, True)):
        status, body = post(demo, pack({"effect": "mask"}, content[:length]))
        assert status == 200
        assert unpack(body)[0]["damaged"] is damaged


def test_a_picture_is_turned_and_its_erased_people_stay_so(demo: str, portrait: U8) -> None:
    alpha = np.full(portrait.shape[:2], 255, np.uint8)
    alpha[:, :150] = 0
    content = encode(np.dstack([portrait[..., ::-1], alpha]), "PNG", exif=exif(3))
    status, body = post(demo, pack({"effect": "cutout"}, content))
    assert status == 200
    mask, cut = (cv2.imdecode(np.frombuffer(part, np.uint8), -1) for part in unpack(body)[1])
    turned = np.ascontiguousarray(portrait[::-1, ::-1])
    np.testing.assert_array_equal(mask, np.where(alpha[::-1, ::-1] > 0, segment(turned), 0))
    np.testing.assert_array_equal(cut[..., 3], mask)


# --- messages ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        '{"parts": [1e999]}',
        '{"parts": [Infinity]}',
        '{"parts": [NaN]}',
        '{"parts": [1.0]}',
        '{"parts": [true]}',
        '{"parts": ["1"]}',
        '{"parts": [-1, 2]}',
        '{"parts": {"1": 1}}',
        '{"parts": 1e999}',
        '{"parts": [' + "9" * 5000 + "]}",
        "[" * 100_000,
        '{"parts": [1], "x": "' + "y" * 70_000 + '"}',
        "1e999",
    ],
)
def test_numbers_and_headers_that_are_none_are_refused(demo: str, text: str) -> None:
    status, body = post(demo, len(text).to_bytes(4, "little") + text.encode() + b"x")
    assert status == 400
    assert "message" in error(body)


@pytest.mark.parametrize("header", ['"blur_sigma": 1e999', '"blur_sigma": -1e999', '"model": 1e999'])
def test_settings_out_of_all_range_are_refused(demo: str, portrait: U8, header: str) -> None:
    picture = png(portrait)
    text = f'{{"parts": [{len(picture)}], {header}}}'.encode()
    status, body = post(demo, len(text).to_bytes(4, "little") + text + picture)
    assert status == 400
    assert header.split('"')[1] in error(body)


@pytest.mark.parametrize("name", ["frame", "timestamp_ms"])
@pytest.mark.parametrize("value", ["1e999", "NaN", '"1"', "[1]", "null"])
def test_numbers_of_frames_are_whole(demo: str, portrait: U8, name: str, value: str) -> None:
    picture = png(portrait)
    text = f'{{"kind": "frame", "parts": [{len(picture)}], "{name}": {value}}}'.encode()
    with connect(f"ws://{demo}/live", origin=Origin(f"http://{demo}"), max_size=None) as connection:
        connection.send(len(text).to_bytes(4, "little") + text + picture)
        answer: Any = connection.recv(timeout=WAIT_S)
        assert f"{name} must be a whole number" in json.loads(answer)["error"]


# --- clients -------------------------------------------------------------------------------------


def test_who_leaves_holds_no_place(portrait: U8) -> None:
    engine = StubEngine()
    message = pack({"effect": "mask"}, png(portrait))
    with running(Limits(max_requests=1), lambda _: engine) as host:
        with half_a_request(host, len(message), message):
            assert engine.started.acquire(timeout=WAIT_S)
            assert post(host, b"no message")[0] == 429
        for _ in range(WAIT_S * 20):  # until the server has seen that the client left
            status, _ = post(host, b"no message")
            if status != 429:
                break
            threading.Event().wait(0.05)
        assert status == 400
        engine.may_go_on.set()
        assert post(host, message)[0] == 200


def test_a_request_has_a_deadline(portrait: U8) -> None:
    engine = StubEngine()
    message = pack({"effect": "mask"}, png(portrait))
    with running(Limits(max_requests=1, max_seconds=0.5), lambda _: engine) as host:
        status, body = post(host, message)
        assert status == 503
        assert "0.5 seconds" in error(body)
        engine.may_go_on.set()
        with half_a_request(host, len(message), message[:100]) as slow:
            answer = slow.recv(65_536)
        assert answer.startswith(b"HTTP/1.1 408")
        for _ in range(WAIT_S):  # a busy machine may take longer than the deadline
            with contextlib.suppress(http.client.HTTPException, ConnectionError):
                if post(host, message)[0] == 200:
                    break
        else:
            pytest.fail("the server did not go on")
