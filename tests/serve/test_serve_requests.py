"""Requests that are unusual but allowed, and what is answered to those that are not."""

from __future__ import annotations

import gzip
import json
import socket
from collections.abc import Iterator

import pytest

for package in ("starlette", "uvicorn", "websockets", "python_multipart", "prometheus_client"):
    pytest.importorskip(package, reason=f"{package}, of the extra [serve], is not installed")

# ruff: noqa: E402  (what follows needs them)
from service import U8, WAIT_S, ask, encode, post_form, running
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.stub_engine import StubEngine
from upperbodyseg import InputError
from upperbodyseg.http.messages import pack, unpack
from upperbodyseg.http.server import bind
from upperbodyseg.serve.gate import Gate
from upperbodyseg.serve.options import ServeOptions


def idle_engine(_model: str) -> StubEngine:
    engine = StubEngine()
    engine.may_go_on.set()
    return engine


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    with running(open_pool=idle_engine) as address:
        yield address


# --- HTTP -----------------------------------------------------------------------------------------


def test_requests_may_follow_each_other_before_their_answers(service: str, portrait: U8) -> None:
    """Also one whose body was refused, and one that was refused without a look at its body."""
    picture = encode(portrait)
    bodies = [
        (b"/v1/mask", picture),
        (b"/v1/mask", b"no picture"),
        (b"/nothing", b"x"),
        (b"/v1/mask", picture),
    ]
    with socket.create_connection(("127.0.0.1", int(service.split(":")[1])), timeout=WAIT_S) as connection:
        for path, body in bodies:
            head = b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n"
            connection.sendall(head % (path, len(body)) + body)
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
    statuses = [int(part[:3]) for part in received.split(b"HTTP/1.1 ")[1:]]
    assert statuses == [200, 415, 404, 200, 200]


def test_http_1_0_is_answered_and_closed(service: str) -> None:
    with socket.create_connection(("127.0.0.1", int(service.split(":")[1])), timeout=WAIT_S) as connection:
        connection.sendall(b"GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n")
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
    assert received.endswith(b'{"status":"ok"}')


def test_a_compressed_body_is_415(service: str, portrait: U8) -> None:
    body = gzip.compress(encode(portrait))
    answer = ask(service, "POST", "/v1/mask", body, content_encoding="gzip")
    assert answer.status == 415
    assert "gzip" in answer.json()["error"]
    assert ask(service, "POST", "/v1/mask", encode(portrait), content_encoding="identity").status == 200


def test_two_pictures_of_a_name_are_400(service: str, portrait: U8) -> None:
    picture = encode(portrait)
    for path in ("/v1/mask", "/api/remove"):
        answer = post_form(service, path, ("file", picture), ("file", picture))
        assert answer.status == 400
        assert "two pictures 'file'" in answer.json()["error"]


@pytest.mark.parametrize(
    ("path", "methods"), [("/v1/mask", {"POST"}), ("/api/remove", {"GET", "HEAD", "POST"})]
)
def test_a_wrong_method_is_405_and_told_the_right_ones(service: str, path: str, methods: set[str]) -> None:
    for method in ("PUT", "DELETE", "OPTIONS", "PATCH"):
        answer = ask(service, method, path)
        assert answer.status == 405
        assert answer.headers["content-type"] == "application/json"
        assert {name.strip() for name in answer.headers["allow"].split(",")} == methods


def test_a_head_has_no_body(service: str) -> None:
    for path, status in (("/healthz", 200), ("/api/remove", 403), ("/v1/mask", 405)):
        answer = ask(service, "HEAD", path)
        assert (answer.status, answer.body) == (status, b"")


# --- streams --------------------------------------------------------------------------------------


def test_a_stream_that_is_asked_for_without_an_upgrade_is_426(service: str) -> None:
    answer = ask(service, "GET", "/v1/stream")
    assert answer.status == 426
    assert answer.headers["upgrade"] == "websocket"
    assert "ws://" in answer.json()["error"]


def test_a_stream_without_frames_gives_its_place_to_another(portrait: U8) -> None:
    """Whatever else it sends: else a few silent clients would keep all others out."""
    options = ServeOptions(port=0, streams=1)
    with running(options, open_pool=idle_engine, idle_seconds=0.3) as address:
        with connect(f"ws://{address}/v1/stream") as silent:
            silent.send(pack({"kind": "background"}, encode(portrait)))
            assert "0.3 seconds" in json.loads(silent.recv(timeout=WAIT_S))["error"]
            with pytest.raises(ConnectionClosed):
                silent.recv(timeout=WAIT_S)
        with connect(f"ws://{address}/v1/stream", max_size=None) as stream:
            stream.send(pack({"kind": "frame", "frame": 7, "effect": "mask"}, encode(portrait)))
            answer = stream.recv(timeout=WAIT_S)
            assert isinstance(answer, bytes)
            assert unpack(answer)[0]["frame"] == 7


# --- who is answered ------------------------------------------------------------------------------


def test_pages_that_may_ask_can_read_the_headers(portrait: U8) -> None:
    site = "https://app.example"
    with running(ServeOptions(port=0, origins=(site,)), open_pool=idle_engine) as address:
        answer = ask(address, "POST", "/v1/mask", encode(portrait), origin=site)
    assert {name.strip().lower() for name in answer.headers["vary"].split(",")} == {"accept", "origin"}
    exposed = answer.headers["access-control-expose-headers"]
    assert {"retry-after", "upperbodyseg-damaged", "upperbodyseg-persons"} <= set(exposed.split(", "))


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", {"localhost", "127.0.0.1", "[::1]"}),
        ("127.0.0.2", {"localhost", "127.0.0.1", "127.0.0.2", "[::1]"}),
        ("::1", {"localhost", "127.0.0.1", "[::1]"}),
        ("0.0.0.0", {"*"}),
        ("server.example", {"*"}),
    ],
)
def test_the_names_are_this_computers_where_others_cannot_reach_it(host: str, expected: set[str]) -> None:
    async def app(*_: object) -> None: ...

    assert set(Gate(app, ServeOptions(host=host))._hosts) == expected


def test_an_empty_host_is_no_host() -> None:
    with pytest.raises(InputError, match=r"0\.0\.0\.0"):
        bind("", 0)
