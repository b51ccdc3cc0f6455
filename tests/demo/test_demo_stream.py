"""The demo's stream of a webcam's frames."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
import time
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

for package in ("starlette", "uvicorn", "websockets"):
    pytest.importorskip(package, reason=f"{package}, of the extra [demo], is not installed")

# ruff: noqa: E402  (what follows needs them)
from demo_client import WAIT_S, ask, damaged_png, decode, encode, frame, live, receive
from demo_server import running
from websockets.exceptions import ConnectionClosed

from tests.stub_engine import StubEngine
from upperbodyseg import (
    FrameInput,
    ImageBuffer,
    ImageType,
    InferenceError,
    SegmentationOutput,
    UpperBodySegmenter,
)
from upperbodyseg.demo.app import MEDIA_TYPE
from upperbodyseg.effects import blur_background, replace_background
from upperbodyseg.http.limits import Limits
from upperbodyseg.http.live import NewestFrame
from upperbodyseg.http.messages import pack

U8 = NDArray[np.uint8]


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
