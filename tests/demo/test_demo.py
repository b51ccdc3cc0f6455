from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

for package in ("starlette", "uvicorn", "websockets"):
    pytest.importorskip(package, reason=f"{package}, of the extra [demo], is not installed")

# ruff: noqa: E402  (what follows needs them)
from demo_server import running
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

import upperbodyseg.demo
from upperbodyseg import (
    FrameInput,
    ImageBuffer,
    ImageType,
    InferenceError,
    SegmentationOutput,
    UpperBodySegmenter,
    segment,
)
from upperbodyseg.cli import main
from upperbodyseg.demo.app import MEDIA_TYPE, STATIC, open_engine
from upperbodyseg.effects import blur_background, cut_out, replace_background
from upperbodyseg.http.limits import Limits, RefusedError
from upperbodyseg.http.live import NewestFrame
from upperbodyseg.http.messages import pack, unpack

U8 = NDArray[np.uint8]

WAIT_S = 60  # far beyond anything that works


@pytest.fixture(scope="module")
def demo() -> Iterator[str]:
    with running() as host:
        yield host


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


class StubEngine:
    """An engine that takes as long as it is told to, and finds nobody."""

    def __init__(self) -> None:
        self.started = threading.Semaphore(0)
        self.may_go_on = threading.Event()
        self.closed = False

    def process(self, frame: FrameInput, blur_sigma: float = 0.5) -> SegmentationOutput:
        self.started.release()
        assert self.may_go_on.wait(WAIT_S)
        mask = np.zeros((frame.frame.height, frame.frame.width), np.uint8)
        stages = ("preprocess", "detection", "segmentation", "postprocess", "total")
        return SegmentationOutput(
            True, frame.timestamp, ImageBuffer.view(mask), (), dict.fromkeys(stages, 0.0)
        )

    def close(self) -> None:
        self.closed = True


# --- a picture -----------------------------------------------------------------------------------


def test_a_picture_goes_in_and_the_librarys_mask_comes_back(demo: str, astronaut: U8) -> None:
    answer, (mask, result) = send(demo, {"effect": "cutout"}, encode(astronaut))
    np.testing.assert_array_equal(mask, segment(astronaut))
    np.testing.assert_array_equal(result, cut_out(astronaut, mask))
    assert (answer["height"], answer["width"]) == mask.shape
    assert answer["persons"] >= 1
    assert answer["media_type"] == "image/png"
    stages = ["decode", "preprocess", "detection", "segmentation", "postprocess", "total", "effect", "encode"]
    assert list(answer["timings_ms"]) == stages
    assert all(time >= 0 for time in answer["timings_ms"].values())


def test_every_effect_is_the_librarys(demo: str, portrait: U8, webcam: U8) -> None:
    picture, mask = encode(portrait), segment(portrait)
    _, (_, blurred) = send(demo, {"effect": "blur"}, picture)
    np.testing.assert_array_equal(blurred, blur_background(portrait, mask))
    _, (_, coloured) = send(demo, {"effect": "colour", "colour": "#ff8000"}, picture)
    np.testing.assert_array_equal(coloured, replace_background(portrait, mask, (0, 128, 255)))
    _, (_, replaced) = send(demo, {"effect": "picture"}, picture, encode(webcam))
    np.testing.assert_array_equal(replaced, replace_background(portrait, mask, webcam))
    _, results = send(demo, {"effect": "mask"}, picture)
    assert len(results) == 1
    np.testing.assert_array_equal(results[0], mask)


def test_blur_sigma_and_model_are_passed_on(demo: str, portrait: U8) -> None:
    _, (mask, *_) = send(demo, {"blur_sigma": 6}, encode(portrait))
    np.testing.assert_array_equal(mask, segment(portrait, blur_sigma=6))
    _, (mask, *_) = send(demo, {"model": "fast"}, encode(portrait))
    with open_engine("fast") as engine:
        still = FrameInput.from_array(np.array(portrait), is_still=True)
        np.testing.assert_array_equal(mask, engine.process(still).mask)


def test_a_damaged_background_is_told_from_the_picture(demo: str, portrait: U8) -> None:
    with live(demo) as connection:
        connection.send(pack({"kind": "background"}, b"no"))
        connection.send(frame(1, encode(portrait)))
        assert receive(connection)[0]["error"].startswith("the background: ")
    status, body, _ = ask(demo, "POST", "/segment", pack({"effect": "picture"}, encode(portrait), b"no"))
    assert status == 415
    assert json.loads(body)["error"].startswith("the background: ")


# --- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "status", "message"),
    [
        ({"effect": "sparkle"}, 400, "effect"),
        ({"effect": ["blur"]}, 400, "effect"),
        ({"model": "../../etc"}, 400, "model"),
        ({"colour": "reddish"}, 400, "colour"),
        ({"blur_strength": 2}, 400, "blur_strength"),
        ({"blur_strength": "much"}, 400, "blur_strength"),
        ({"colour": 7}, 400, "colour"),
        ({"blur_sigma": -1}, 400, "blur_sigma"),
        ({"blur_sigma": float("nan")}, 400, "blur_sigma"),
        ({"blur_sigma": "soft"}, 400, "blur_sigma"),
        ({"effect": "picture"}, 400, "background"),
    ],
)
def test_settings_the_page_would_not_send_are_refused(
    demo: str, portrait: U8, header: dict[str, object], status: int, message: str
) -> None:
    got, body, headers = ask(demo, "POST", "/segment", pack(header, encode(portrait)))
    assert got == status
    assert headers["content-type"] == "application/json"
    assert message in json.loads(body)["error"]


def damaged_png(width: int, height: int) -> bytes:
    content = bytearray(encode(np.zeros((8, 8, 3), np.uint8)))
    content[16:24] = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    return bytes(content)


@pytest.mark.parametrize(
    ("content", "status", "message"),
    [
        (b"", 415, "JPEG, PNG and WebP"),
        (b"<svg/>", 415, "JPEG, PNG and WebP"),
        (b"GIF89a" + bytes(100), 415, "JPEG, PNG and WebP"),
        (encode(np.zeros((8, 8, 3), np.uint8), ".bmp"), 415, "JPEG, PNG and WebP"),
        (b"\xff\xd8\xff", 415, "damaged"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(40), 415, "damaged"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", 415, "damaged"),
        (damaged_png(8, 8)[:40], 415, "damaged"),
        (damaged_png(0, 8), 415, "damaged"),
        (damaged_png(60_000, 60_000), 413, "60000 x 60000"),
        (damaged_png(6_001, 5_000), 413, "30 million"),
    ],
)
def test_what_is_no_usable_picture_is_refused(demo: str, content: bytes, status: int, message: str) -> None:
    got, body, _ = ask(demo, "POST", "/segment", pack({}, content))
    assert got == status
    assert message in json.loads(body)["error"]


@given(st.binary(max_size=80) | st.builds(lambda b: pack({}, b)[:-1], st.binary(max_size=9)))
def test_no_bytes_crash_the_reading_of_messages(message: bytes) -> None:
    with contextlib.suppress(RefusedError):
        header, parts = unpack(message)
        assert [len(part) for part in parts] == header["parts"]


@given(st.lists(st.binary(max_size=20), max_size=4))
def test_messages_come_back_as_they_were_packed(parts: list[bytes]) -> None:
    header, unpacked = unpack(pack({"colour": "grün"}, *parts))
    assert header["colour"] == "grün"
    assert unpacked == parts


def test_no_other_host_name_and_no_other_site_is_answered(demo: str, portrait: U8) -> None:
    body = pack({}, encode(portrait))
    port = demo.split(":")[1]
    for host in (
        "evil.example",
        f"evil.example:{port}",
        "localhost.evil.example",
        "127.0.0.1.nip.io",
        "0.0.0.0",
    ):
        for method, path in (("GET", "/"), ("GET", "/settings"), ("POST", "/segment")):
            status, text, _ = ask(demo, method, path, body, host=host, origin=f"http://{host}")
            assert status == 403
            assert b"localhost" in text
    for origin in (
        "http://evil.example",
        "null",
        "",
        f"https://{demo}",
        "http://127.0.0.1:1",
        "http://localhost",
    ):
        status, text, _ = ask(demo, "POST", "/segment", body, origin=origin)
        assert status == 403
        assert b"own page" in text
    localhost = f"localhost:{port}"
    assert ask(demo, "POST", "/segment", body, host=localhost, origin=f"http://{localhost}")[0] == 200
    assert ask(demo, "GET", "/", origin="")[0] == 200


def test_no_other_host_name_and_no_other_site_gets_a_stream(demo: str) -> None:
    for origin in ("http://evil.example", "null", None):
        with pytest.raises(InvalidStatus) as caught, live(demo, origin=origin):
            pass
        assert caught.value.response.status_code == 403
    handshake = {
        "host": "evil.example",
        "origin": "http://evil.example",
        "connection": "Upgrade",
        "upgrade": "websocket",
        "sec_websocket_version": "13",
        "sec_websocket_key": "AAAAAAAAAAAAAAAAAAAAAA==",
    }
    assert ask(demo, "GET", "/live", **handshake)[0] == 403


def test_only_the_pages_content_type_is_taken(demo: str, portrait: U8) -> None:
    for kind in ("", "text/plain", "multipart/form-data; boundary=x", "image/png"):
        status, body, _ = ask(demo, "POST", "/segment", pack({}, encode(portrait)), content_type=kind)
        assert status == 415
        assert MEDIA_TYPE in json.loads(body)["error"]


def test_no_more_bytes_are_taken_than_the_limit(portrait: U8) -> None:
    picture = encode(portrait)
    message = pack({}, picture)
    with running(Limits(max_upload_bytes=len(message))) as host:
        assert ask(host, "POST", "/segment", message)[0] == 200
        # Announced as too large; the server does not wait for it.
        status, body, _ = ask(host, "POST", "/segment", b"", content_length=str(2**40))
        assert status == 413
        assert "MiB" in json.loads(body)["error"]
        # Not announced, and too large once it has come.
        chunks = iter((message, b"x"))
        assert ask(host, "POST", "/segment", chunks)[0] == 413


def test_malformed_messages_are_refused(demo: str, portrait: U8) -> None:
    message = pack({}, encode(portrait))
    for body in (b"", b"\0", message[:-1], message + b"x", b"\xff" * 100, pack({}), pack({}, b"", b"", b"")):
        status, text, _ = ask(demo, "POST", "/segment", body)
        assert status == 400
        assert "message" in json.loads(text)["error"]


def test_more_pictures_at_once_than_the_limit_are_told_to_wait(portrait: U8) -> None:
    engine = StubEngine()
    message = pack({"effect": "mask"}, encode(portrait))
    with running(Limits(max_requests=1), lambda _: engine) as host:
        first: list[int] = []
        thread = threading.Thread(target=lambda: first.append(ask(host, "POST", "/segment", message)[0]))
        thread.start()
        assert engine.started.acquire(timeout=WAIT_S)
        status, body, _ = ask(host, "POST", "/segment", message)
        assert status == 429
        assert "busy" in json.loads(body)["error"]
        engine.may_go_on.set()
        thread.join()
        assert first == [200]
        assert ask(host, "POST", "/segment", message)[0] == 200


# --- what is served ------------------------------------------------------------------------------


def test_the_page_and_its_assets_are_served_with_strict_headers(demo: str) -> None:
    assert {path.name for path in STATIC.iterdir()} >= {"index.html", "page.css", "page.js"}
    for path in ("/", *(f"/{file.name}" for file in STATIC.iterdir())):
        status, body, headers = ask(demo, "GET", path)
        assert status == 200
        assert body == (STATIC / (path[1:] or "index.html")).read_bytes()
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["content-security-policy"].startswith("default-src 'self'; ")
        assert "unsafe" not in headers["content-security-policy"]
        if path.endswith(".js"):
            assert headers["content-type"].startswith("text/javascript")


def test_the_page_names_no_other_site() -> None:
    for file in STATIC.iterdir():
        if file.suffix == ".jpg":
            continue
        links = set(re.findall(r"(?:https?:)?//[\w.-]+\.\w+[^\s\"']*", file.read_text(encoding="utf-8")))
        assert links <= {"http://www.w3.org/2000/svg"}, file  # a namespace, never fetched


def test_nothing_beside_the_page_is_served(demo: str) -> None:
    for path in ("/static", "/../app.py", "/%2e%2e/app.py", "/..%5capp.py", "//etc/passwd", "/nothing"):
        status, body, _ = ask(demo, "GET", path)
        assert status == 404
        assert json.loads(body)["error"]
    assert ask(demo, "GET", "/segment")[0] == 404
    assert ask(demo, "POST", "/")[0] == 405


opened: list[tuple[Any, ...]] = []
watching = False


def watch(event: str, args: tuple[Any, ...]) -> None:
    if watching and event == "open":
        path, _, flags = args
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC):
            opened.append((path, flags))


def test_uploads_are_never_written_to_disk(
    demo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, webcam: U8
) -> None:
    global watching  # noqa: PLW0603
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    sys.addaudithook(watch)
    noise = np.random.default_rng(0).integers(0, 256, (1500, 2000, 3), np.uint8)
    content = encode(noise)
    assert len(content) > 8 * 2**20
    opened.clear()
    watching = True
    try:
        send(demo, {"effect": "picture"}, content, encode(webcam))
        with live(demo) as connection:
            connection.send(pack({"kind": "background"}, encode(webcam)))
            connection.send(frame(1, encode(webcam, ".jpg"), effect="picture"))
            assert receive(connection)[0]["frame"] == 1
        assert opened == []
        (tmp_path / "seen").touch()
        assert len(opened) == 1  # the watch would have seen it
    finally:
        watching = False
    assert [file.name for file in tmp_path.iterdir()] == ["seen"]


# --- a stream ------------------------------------------------------------------------------------


def test_a_streams_masks_are_the_librarys(demo: str, webcam: U8) -> None:
    with live(demo) as connection, UpperBodySegmenter() as engine:
        for number in range(3):
            content = encode(np.roll(webcam, 8 * number, axis=1), ".jpg")
            connection.send(frame(number, content, effect="blur", blur_sigma=1.5))
            answer, (mask, result) = receive(connection)
            bgr = decode(content)
            buffer = ImageBuffer.view(bgr)
            expected = engine.process(FrameInput(buffer, 33 * number, ImageType.BGR_888), 1.5).mask
            np.testing.assert_array_equal(decode(mask), expected)
            blurred = blur_background(bgr, expected)
            assert cv2.PSNR(decode(result), blurred) > 30
            assert answer["media_type"] == "image/jpeg"
            assert (answer["frame"], answer["dropped"]) == (number, 0)


def test_a_background_stays_for_the_frames_that_follow(demo: str, webcam: U8, portrait: U8) -> None:
    content = encode(webcam, ".jpg")
    with live(demo) as connection:
        connection.send(frame(1, content, effect="picture"))
        assert "background" in receive(connection)[0]["error"]
        connection.send(pack({"kind": "background"}, encode(portrait)))
        for number in (2, 3):
            connection.send(frame(number, content, effect="picture"))
            _, (mask, result) = receive(connection)
            expected = replace_background(decode(content), decode(mask), portrait)
            assert cv2.PSNR(decode(result), expected) > 30


@pytest.fixture
def frames_put(monkeypatch: pytest.MonkeyPatch) -> threading.Semaphore:
    """Released for every frame that a stream's reader has put down."""
    put, count = NewestFrame.put, threading.Semaphore(0)

    def counted(self: NewestFrame, header: dict[str, Any], content: bytes) -> None:
        put(self, header, content)
        count.release()

    monkeypatch.setattr(NewestFrame, "put", counted)
    return count


def test_the_newest_frame_wins(frames_put: threading.Semaphore, webcam: U8) -> None:
    engine = StubEngine()
    content = encode(webcam, ".jpg")
    with running(Limits(max_fps=1e9), lambda _: engine) as host, live(host) as connection:
        connection.send(frame(1, content))
        assert engine.started.acquire(timeout=WAIT_S)
        for number in range(2, 8):
            connection.send(frame(number, content))
        for _ in range(7):
            assert frames_put.acquire(timeout=WAIT_S)
        engine.may_go_on.set()
        answers = [receive(connection)[0] for _ in range(2)]
        assert [answer["frame"] for answer in answers] == [1, 7]
        assert [answer["dropped"] for answer in answers] == [5, 5]
        connection.send(frame(8, content))
        answer = receive(connection)[0]
        assert (answer["frame"], answer["dropped"]) == (8, 5)


def test_frames_a_second_are_bounded(
    frames_put: threading.Semaphore, webcam: U8, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, sleep, time_has_passed = StubEngine(), asyncio.sleep, threading.Event()
    engine.may_go_on.set()

    async def wait(delay: float, *args: Any) -> None:
        while delay > 60 and not time_has_passed.is_set():
            await sleep(0.01)
        await sleep(min(delay, 0.1))

    monkeypatch.setattr(asyncio, "sleep", wait)
    content = encode(webcam, ".jpg")
    with running(Limits(max_fps=1 / 3600), lambda _: engine) as host, live(host) as connection:
        connection.send(frame(1, content))
        assert receive(connection)[0]["frame"] == 1
        for number in range(2, 6):
            connection.send(frame(number, content))
        for _ in range(5):
            assert frames_put.acquire(timeout=WAIT_S)
        assert engine.started.acquire(blocking=False)
        assert not engine.started.acquire(blocking=False)  # only the first has been looked at
        time_has_passed.set()
        answer = receive(connection)[0]
        assert (answer["frame"], answer["dropped"]) == (5, 3)


def test_each_stream_has_an_engine_of_its_own_and_closes_it(webcam: U8) -> None:
    engines: list[tuple[str, StubEngine]] = []

    def open_stub(model: str) -> StubEngine:
        engine = StubEngine()
        engine.may_go_on.set()
        engines.append((model, engine))
        return engine

    content = encode(webcam, ".jpg")
    with running(open_engine=open_stub) as host, live(host) as one, live(host) as other:
        for connection, models in ((one, ("accurate", "accurate", "fast")), (other, ("accurate",))):
            for number, model in enumerate(models):
                connection.send(frame(number, content, model=model))
                assert receive(connection)[0]["frame"] == number
    assert [model for model, _ in engines] == ["accurate", "fast", "accurate"]
    assert all(engine.closed for _, engine in engines)


def test_more_streams_than_the_limit_are_refused_with_a_reason(demo: str) -> None:
    with running(Limits(max_connections=1)) as host, live(host), live(host) as second:
        assert "another tab" in receive(second)[0]["error"]
        with pytest.raises(ConnectionClosed) as caught:
            second.recv(timeout=WAIT_S)
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1013


def test_a_frame_that_can_not_be_used_does_not_end_the_stream(demo: str, webcam: U8) -> None:
    content = encode(webcam, ".jpg")
    with live(demo) as connection:
        for bad in (
            frame(1, b"no picture"),
            frame(2, content, blur_sigma=-1),
            frame(3, content, effect="sparkle"),
            frame(4, content, timestamp_ms="now"),
            frame(5, damaged_png(20_000, 20_000)),
        ):
            connection.send(bad)
            assert receive(connection)[0]["error"]
        connection.send(frame(6, content))
        assert receive(connection)[0]["frame"] == 6


@pytest.mark.parametrize(
    "message",
    ["text", b"", b"\xff" * 50, pack({"kind": "frame"}), pack({"kind": "else"}, b""), pack({}, b"", b"")],
)
def test_what_is_no_message_ends_the_stream(demo: str, message: str | bytes) -> None:
    with live(demo) as connection:
        connection.send(message)
        assert "message" in receive(connection)[0]["error"]
        with pytest.raises(ConnectionClosed) as caught:
            connection.recv(timeout=WAIT_S)
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1008


def test_too_large_a_message_ends_the_stream() -> None:
    with running(Limits(max_message_bytes=1000)) as host, live(host) as connection:
        connection.send(frame(1, bytes(2000)))
        with pytest.raises(ConnectionClosed) as caught:
            connection.recv(timeout=WAIT_S)
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1009


def test_a_failing_model_is_told_in_its_own_words(webcam: U8) -> None:
    class Broken(StubEngine):
        def process(self, frame: FrameInput, blur_sigma: float = 0.5) -> SegmentationOutput:
            raise InferenceError("the runtime failed on purpose")

    with running(open_engine=lambda _: Broken()) as host:
        status, body, _ = ask(host, "POST", "/segment", pack({}, encode(webcam)))
        assert status == 500
        assert "on purpose" in json.loads(body)["error"]
        with live(host) as connection:
            connection.send(frame(1, encode(webcam, ".jpg")))
            assert "on purpose" in receive(connection)[0]["error"]
            with pytest.raises(ConnectionClosed) as caught:
                connection.recv(timeout=WAIT_S)
            assert caught.value.rcvd is not None
            assert caught.value.rcvd.code == 1011


def test_a_page_that_goes_away_leaves_no_error_and_makes_room(
    webcam: U8, caplog: pytest.LogCaptureFixture
) -> None:
    engine = StubEngine()
    with running(Limits(max_connections=1), lambda _: engine) as host:
        with live(host) as connection:
            connection.send(frame(1, encode(webcam, ".jpg")))
            assert engine.started.acquire(timeout=WAIT_S)
        engine.may_go_on.set()
        for _ in range(WAIT_S * 10):
            with live(host) as connection, contextlib.suppress(ConnectionClosed):
                connection.send(frame(1, encode(webcam, ".jpg")))
                if "error" not in receive(connection)[0]:
                    break
            time.sleep(0.1)
        else:
            pytest.fail("the first stream was never ended")
        with socket.create_connection(("127.0.0.1", int(host.split(":")[1]))) as client:
            head = f"POST /segment HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\n"
            client.sendall(f"{head}Content-Type: {MEDIA_TYPE}\r\nContent-Length: 9999\r\n\r\n".encode())
        assert ask(host, "POST", "/segment", pack({}, encode(webcam)))[0] == 200
    assert caplog.records == []


# --- the command ---------------------------------------------------------------------------------


def test_a_taken_port_is_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["demo", "--port", str(port), "--no-browser"]) == 2
    error = capsys.readouterr().err
    assert f"port {port}" in error
    assert "--port" in error


@pytest.mark.parametrize("port", ["-1", "65536", "99999999999999999999"])
def test_a_port_out_of_range_is_exit_code_2(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--port", port, "--no-browser"]) == 2
    assert "65535" in capsys.readouterr().err


@pytest.mark.parametrize("package", ["starlette", "uvicorn", "websockets"])
def test_a_missing_extra_is_named(
    package: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in list(sys.modules):
        if name == package or name.startswith(("upperbodyseg.demo.", "upperbodyseg.http.", f"{package}.")):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    assert main(["demo", "--no-browser"]) == 2
    error = capsys.readouterr().err
    assert package in error
    assert "pip install 'upperbodyseg[demo]'" in error


def test_a_missing_runtime_is_exit_code_3(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("upperbodyseg.models.interpreter.available_runtimes", dict)
    assert main(["demo", "--port", "0", "--no-browser"]) == 3
    assert "pip install" in capsys.readouterr().err


@pytest.mark.parametrize("open_browser", [True, False])
def test_the_page_is_opened_in_the_browser_unless_told_not_to(
    open_browser: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown: list[str] = []
    seen = threading.Event()

    def open_page(url: str) -> None:
        shown.append(url)
        seen.set()

    monkeypatch.setattr("webbrowser.open", open_page)

    class Server:
        def run(self, listeners: list[socket.socket]) -> None:
            assert listeners[0].getsockname()[0] == "127.0.0.1"
            if open_browser:
                assert seen.wait(WAIT_S)

    monkeypatch.setattr("upperbodyseg.demo.server.make_server", lambda *_: Server())
    upperbodyseg.demo.serve(0, open_browser=open_browser)
    url = re.search(r"http://127\.0\.0\.1:\d+", capsys.readouterr().out)
    assert url is not None
    assert shown == ([url[0]] if open_browser else [])


@pytest.fixture
def heeded_interrupts() -> Iterator[None]:
    """A shell that runs the tests in the background tells them, and so their children, to ignore SIGINT."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for one process")
@pytest.mark.usefixtures("heeded_interrupts")
def test_control_c_stops_it_with_a_live_stream(webcam: U8) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "upperbodyseg", "demo", "--port", "0", "--no-browser"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            host = process.stdout.readline().split("http://")[1].split(" ")[0]
            with live(host) as connection:
                connection.send(frame(1, encode(webcam, ".jpg")))
                assert receive(connection)[0]["frame"] == 1
                connection.send(frame(2, encode(webcam, ".jpg")))
                process.send_signal(signal.SIGINT)
                _, error = process.communicate(timeout=WAIT_S)
        finally:
            process.kill()
    assert process.returncode == 130
    assert "Traceback" not in error
    assert "interrupted" in error


def test_answers_do_not_wait_for_acknowledgements() -> None:
    from upperbodyseg.demo.server import ADDRESS
    from upperbodyseg.http.server import bind

    async def no_delay() -> int:
        with bind(ADDRESS, 0) as listener:
            found: asyncio.Future[int] = asyncio.get_running_loop().create_future()

            def connected(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                connection = writer.get_extra_info("socket")
                found.set_result(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
                writer.close()

            async with await asyncio.start_server(connected, sock=listener):
                _, writer = await asyncio.open_connection(*listener.getsockname())
                result = await found
                writer.close()
                return result

    assert asyncio.run(no_delay()) != 0
