"""Pictures that are sent to the demo, and what is refused."""

from __future__ import annotations

import contextlib
import json
import threading

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

for package in ("starlette", "uvicorn", "websockets"):
    pytest.importorskip(package, reason=f"{package}, of the extra [demo], is not installed")

# ruff: noqa: E402  (what follows needs them)
from demo_client import WAIT_S, ask, damaged_png, encode, frame, live, receive, send
from demo_server import running

from tests.stub_engine import StubEngine
from upperbodyseg import FrameInput, segment
from upperbodyseg.demo.app import open_engine
from upperbodyseg.effects import blur_background, cut_out, replace_background
from upperbodyseg.http.limits import Limits, RefusedError
from upperbodyseg.http.messages import pack, unpack

U8 = NDArray[np.uint8]


@pytest.mark.parametrize("people", ["all", "main"])
def test_people_is_passed_on(demo: str, portrait: U8, people: str) -> None:
    both = np.full((400, 800, 3), 140, np.uint8)
    both[:, 40:416] = cv2.resize(portrait, (376, 400))
    both[100:265, 600:755] = cv2.resize(portrait, (155, 165), interpolation=cv2.INTER_AREA)
    answer, (mask,) = send(demo, {"effect": "mask", "people": people}, encode(both))
    assert answer["persons"] == (2 if people == "all" else 1)
    assert 0.5 < answer["confidence"] <= 1
    np.testing.assert_array_equal(mask, segment(both, people=people))


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
        ({"people": "nobody"}, 400, "people must be one of all, main"),
        ({"people": ["main"]}, 400, "people must be one of all, main"),
    ],
)
def test_settings_the_page_would_not_send_are_refused(
    demo: str, portrait: U8, header: dict[str, object], status: int, message: str
) -> None:
    got, body, headers = ask(demo, "POST", "/segment", pack(header, encode(portrait)))
    assert got == status
    assert headers["content-type"] == "application/json"
    assert message in json.loads(body)["error"]


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
