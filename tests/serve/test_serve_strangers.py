"""What strangers do to a service: slow and endless, malformed and too large, too many, and a stop under load.

``UPPERBODYSEG_SLOW_CLIENTS`` is how many slow clients there are; the default is few, for the sake of time.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Iterator

import numpy as np
import pytest

for package in ("starlette", "uvicorn", "websockets", "python_multipart", "prometheus_client"):
    pytest.importorskip(package, reason=f"{package}, of the extra [serve], is not installed")

# ruff: noqa: E402  (what follows needs them)
from hypothesis import given
from hypothesis import strategies as st
from service import U8, WAIT_S, Answer, ask, encode, form, post_form, running
from websockets.sync.client import connect

from tests.stub_engine import StubEngine
from upperbodyseg.http.limits import RefusedError
from upperbodyseg.serve.forms import parse_upload
from upperbodyseg.serve.options import ServeOptions

SLOW_CLIENTS = int(os.environ.get("UPPERBODYSEG_SLOW_CLIENTS", "200"))
SMALL = 200_000  # bytes of an upload


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    with running(ServeOptions(port=0, max_upload_bytes=SMALL)) as address:
        yield address


def dial(address: str) -> socket.socket:
    host, port = address.split(":")
    return socket.create_connection((host, int(port)), timeout=WAIT_S)


def read_all(connection: socket.socket) -> bytes:
    received = b""
    with contextlib.suppress(ConnectionError):
        while chunk := connection.recv(65536):
            received += chunk
    return received


# --- slow -----------------------------------------------------------------------------------------


def test_many_slow_clients_keep_nobody_waiting(portrait: U8) -> None:
    head = b"POST /v1/mask HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n"
    beginnings = (b"", b"POST /v1/ma", head, head + b"\r\n", head + b"\r\n" + b"x" * 1000)
    with (
        running(ServeOptions(port=0, max_seconds=600), header_seconds=600) as address,
        contextlib.ExitStack() as stack,
    ):
        slow = []
        for number in range(SLOW_CLIENTS):
            connection = stack.enter_context(dial(address))
            connection.sendall(beginnings[number % len(beginnings)])
            slow.append(connection)
        for _ in range(3):
            assert ask(address, "POST", "/v1/mask", encode(portrait)).status == 200
        for connection in slow[:: len(slow) // 20]:  # a byte each now and then
            connection.sendall(b"x")
        assert ask(address, "GET", "/readyz").status == 200
        assert ask(address, "POST", "/v1/mask", encode(portrait)).status == 200


@pytest.mark.parametrize("beginning", [b"", b"POST /v1/mask HTTP/1.1\r\nHost: local"])
def test_a_header_that_does_not_come_is_408(beginning: bytes) -> None:
    with (
        running(open_pool=lambda _: StubEngine(), header_seconds=0.3) as address,
        dial(address) as connection,
    ):
        connection.sendall(beginning)
        answer = read_all(connection)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert "0.3 seconds" in json.loads(answer.split(b"\r\n\r\n")[1])["error"]


def test_a_body_that_does_not_come_is_408() -> None:
    options = ServeOptions(port=0, max_seconds=0.3)
    with running(options, lambda _: StubEngine()) as address, dial(address) as connection:
        connection.sendall(b"POST /v1/mask HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nx")
        answer = connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 408 ")


def test_an_answer_that_is_not_read_is_given_up(portrait: U8) -> None:
    """The connection is closed though its client never reads, and its memory is free again."""
    large = np.random.default_rng(0).integers(0, 256, (1500, 1500, 3), np.uint8)
    engine = StubEngine()
    engine.may_go_on.set()
    body, kind = form(("file", encode(large, ".jpg")), ("background", encode(large, ".jpg")))
    head = f"POST /v1/background HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n"
    options = ServeOptions(port=0, max_seconds=3)
    with running(options, lambda _: engine) as address, socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(WAIT_S)
        host, port = address.split(":")
        connection.connect((host, int(port)))
        connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        assert engine.started.acquire(timeout=WAIT_S)
        received = 0
        time.sleep(8)  # longer than the service waits for its reader
        with contextlib.suppress(ConnectionError):
            while chunk := connection.recv(65536):
                received += len(chunk)
    assert 0 < received < large.nbytes


# --- endless and too large ------------------------------------------------------------------------


@pytest.mark.parametrize("chunked", [True, False])
def test_a_body_that_never_ends_is_413(service: str, chunked: bool) -> None:
    length = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: 99999999999999"
    piece = b"x" * 10_000
    if chunked:
        piece = b"%x\r\n%s\r\n" % (len(piece), piece)
    sent = 0
    with dial(service) as connection:
        connection.sendall(b"POST /v1/mask HTTP/1.1\r\nHost: localhost\r\n" + length + b"\r\n\r\n")
        with contextlib.suppress(ConnectionError, TimeoutError):
            while sent < 3 * SMALL:
                connection.sendall(piece)
                sent += len(piece)
        answer = connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert ask(service, "GET", "/readyz").status == 200


def test_uploads_together_are_bounded(portrait: U8) -> None:
    head = b"POST /v1/mask HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000\r\n\r\n"
    with running(open_pool=lambda _: StubEngine(), max_total_bytes=100_000) as address:
        with dial(address) as first, dial(address) as second:
            first.sendall(head + b"x" * 55_000)
            time.sleep(0.5)
            second.sendall(head + b"x" * 55_000)
            assert second.recv(65536).startswith(b"HTTP/1.1 503 ")
        deadline = time.monotonic() + WAIT_S  # until both are seen to have left
        while ask(address, "POST", "/v1/mask", b"x" * 90_000).status == 503:
            assert time.monotonic() < deadline


def bomb(side: int) -> bytes:
    """A PNG of side x side pixels in few bytes."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        crc = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", crc)

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("path", ["/v1/mask", "/v1/background?background=blur", "/api/remove"])
@pytest.mark.parametrize("side", [6000, 60_000, 2**31 - 1])
def test_bombs_are_refused_before_they_are_decoded(service: str, path: str, side: int) -> None:
    answer = post_form(service, path, ("file", bomb(side)))
    assert answer.status == 413
    assert "million" in answer.json()["error"]


def test_a_bomb_as_the_background(service: str, portrait: U8) -> None:
    answer = post_form(
        service, "/v1/background", ("file", encode(portrait, ".jpg")), ("background", bomb(6000))
    )
    assert answer.status == 413
    assert "background" in answer.json()["error"]


# --- malformed ------------------------------------------------------------------------------------

GOOD, KIND = form(("file", b"picture"), ("om", "true"))


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data", GOOD),
        ("multipart/form-data; boundary=", GOOD),
        ("multipart/form-data; boundary=" + "b" * 500, GOOD),
        (KIND, b""),
        (KIND, GOOD[:-4]),
        (KIND, GOOD[:-20]),
        (KIND, GOOD.replace(b"\r\n", b"\n")),
        (KIND, b"no form at all"),
        (KIND, GOOD.replace(b"form-data; name", b"attachment; name")),
        (KIND, GOOD.replace(b'; name="om"', b"")),
        (KIND, GOOD.replace(b"Content-Disposition", b"Content Disposition")),
        (KIND, b"--b0undary\r\n" * 1000),
    ],
)
def test_malformed_forms_are_400(service: str, kind: str, body: bytes) -> None:
    answer = ask(service, "POST", "/api/remove", body, content_type=kind)
    assert answer.status in (400, 422), answer.body
    assert answer.json()["error"]


def test_too_many_parts_and_too_large_fields_are_refused(service: str) -> None:
    assert post_form(service, "/api/remove", *[("om", "true")] * 40).status == 400
    assert post_form(service, "/api/remove", ("file", b"x"), ("extras", "x" * 70_000)).status == 413


@given(st.binary(max_size=300), st.integers(0, len(GOOD)), st.integers(0, 40))
def test_no_form_is_worse_than_refused(noise: bytes, at: int, cut: int) -> None:
    body = GOOD[:at] + noise + GOOD[at + cut :]
    with contextlib.suppress(RefusedError):
        upload = parse_upload(KIND, body)
        assert sum(map(len, upload.files.values())) <= len(body)


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 10,
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /v1/mask HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/mask HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n",
        b"POST /v1/mask HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 20_000 + b"\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\n\r\n",
    ],
)
def test_what_is_no_request_is_refused(service: str, request_bytes: bytes) -> None:
    with dial(service) as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(request_bytes)
            connection.shutdown(socket.SHUT_WR)
        answer = read_all(connection)
    assert not answer or re.match(rb"HTTP/1.1 4\d\d ", answer), answer
    assert ask(service, "GET", "/healthz").status == 200


def test_noise_over_a_stream_is_refused(service: str) -> None:
    noise = random.Random(0)
    for _ in range(20):
        with connect(f"ws://{service}/v1/stream") as stream:
            stream.send(noise.randbytes(noise.randrange(200)))
            assert json.loads(stream.recv(timeout=WAIT_S))["error"]


# --- too many -------------------------------------------------------------------------------------


def test_a_full_queue_is_503_with_a_time(portrait: U8) -> None:
    engine = StubEngine()
    answers: list[int] = []
    with running(ServeOptions(port=0, queue=2), lambda _: engine) as address:

        def send() -> None:
            answers.append(ask(address, "POST", "/v1/mask", encode(portrait)).status)

        clients = [threading.Thread(target=send) for _ in range(2)]
        for client in clients:
            client.start()
        assert engine.started.acquire(timeout=WAIT_S)
        assert engine.started.acquire(timeout=WAIT_S)
        for path in ("/v1/mask", "/api/remove"):
            full = ask(address, "POST", path, encode(portrait))
            assert full.status == 503
            assert int(full.headers["retry-after"]) >= 1
            assert "2 pictures" in full.json()["error"]
        assert ask(address, "GET", "/readyz").status == 503
        assert ask(address, "GET", "/healthz").status == 200
        engine.may_go_on.set()
        for client in clients:
            client.join()
    assert answers == [200, 200]
    assert engine.closed


def test_work_that_takes_too_long_is_503(portrait: U8) -> None:
    engine = StubEngine()
    with running(ServeOptions(port=0, max_seconds=0.5), lambda _: engine) as address:
        answer = ask(address, "POST", "/v1/mask", encode(portrait))
        engine.may_go_on.set()
    assert answer.status == 503
    assert "0.5 seconds" in answer.json()["error"]


def test_too_many_connections_are_503() -> None:
    with (
        running(ServeOptions(port=0, sockets=3), lambda _: StubEngine()) as address,
        contextlib.ExitStack() as stack,
    ):
        for _ in range(3):
            connection = http.client.HTTPConnection(address, timeout=WAIT_S)
            stack.callback(connection.close)
            connection.request("GET", "/healthz")
            assert connection.getresponse().read()
        full = ask(address, "GET", "/healthz")
        assert full.status == 503
        assert "connections" in full.json()["error"]


def test_clients_that_leave_take_their_place_with_them(portrait: U8) -> None:
    engine = StubEngine()
    picture = encode(portrait)
    with running(ServeOptions(port=0, queue=1), lambda _: engine) as address:
        head = f"POST /v1/mask HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(picture)}\r\n\r\n"
        for _ in range(3):
            with dial(address) as connection:
                connection.sendall(head.encode() + picture)
                assert engine.started.acquire(timeout=WAIT_S)
            deadline = time.monotonic() + WAIT_S
            while ask(address, "GET", "/readyz").status == 503:
                assert time.monotonic() < deadline
            engine.may_go_on.set()
            assert ask(address, "POST", "/v1/mask", picture).status == 200
            assert engine.started.acquire(timeout=WAIT_S)
            engine.may_go_on.clear()
        engine.may_go_on.set()


# --- a stop ---------------------------------------------------------------------------------------


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM to send")
def test_a_stop_under_load_finishes_what_is_in_progress(portrait: U8) -> None:
    picture = encode(portrait)
    process = subprocess.Popen(
        [sys.executable, "-m", "upperbodyseg", "serve", "--port", "0", "--model", "fast", "--workers", "1"],
        stderr=subprocess.PIPE,
        text=True,
    )
    lines: list[str] = []
    listening = threading.Event()
    address = ""

    def read() -> None:
        nonlocal address
        assert process.stderr is not None
        for line in process.stderr:
            lines.append(line)
            if '"listening"' in line:
                address = f"127.0.0.1:{json.loads(line)['port']}"
                listening.set()

    reader = threading.Thread(target=read)
    reader.start()
    assert listening.wait(WAIT_S), lines
    # Sent whole before the signal: these have to be answered.
    connections = []
    for _ in range(12):
        connection = http.client.HTTPConnection(address, timeout=WAIT_S)
        connection.request("POST", "/v1/mask", picture)
        connections.append(connection)
    stopped = threading.Event()
    during: list[Answer | None] = []

    def keep_asking() -> None:
        while not stopped.is_set():
            try:
                during.append(ask(address, "POST", "/v1/mask", picture))
            except (OSError, http.client.HTTPException):
                during.append(None)
                break

    others = [threading.Thread(target=keep_asking) for _ in range(4)]
    for other in others:
        other.start()
    first = connections[0].getresponse()  # all of them were accepted by now, and most of them wait
    assert first.status == 200
    first.read()
    process.send_signal(signal.SIGTERM)
    answers = [connection.getresponse() for connection in connections[1:]]
    assert [answer.status for answer in answers] == [200] * len(answers)
    assert all(answer.read().startswith(b"\x89PNG") for answer in answers)
    assert process.wait(WAIT_S) == 0
    stopped.set()
    for thread in (*others, reader):
        thread.join()
    for connection in connections:
        connection.close()
    assert all(answer is None or answer.status == 200 for answer in during)
    assert json.loads(lines[-1])["message"] == "stopped"
    assert process.stderr is not None
    process.stderr.close()
