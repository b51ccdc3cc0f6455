from __future__ import annotations

import asyncio
import base64
import json
import logging
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

for package in ("starlette", "uvicorn", "websockets", "python_multipart", "prometheus_client"):
    pytest.importorskip(package, reason=f"{package}, of the extra [serve], is not installed")

# ruff: noqa: E402  (what follows needs them)
from openapi_spec_validator import validate
from prometheus_client.parser import text_string_to_metric_families
from service import U8, WAIT_S, Answer, ask, encode, form, post_form, running
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from tests.stub_engine import StubEngine
from upperbodyseg import InputError, segment
from upperbodyseg.cli import main
from upperbodyseg.effects import blur_background, cut_out, portrait_blur, replace_background
from upperbodyseg.http.connection import connection_class
from upperbodyseg.http.limits import RefusedError
from upperbodyseg.http.messages import pack, unpack
from upperbodyseg.serve.app import create_app, make_limits
from upperbodyseg.serve.options import ServeOptions
from upperbodyseg.serve.v1 import choose_media_type

TOKEN = "a-token-for-these-tests"


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    with running() as address:
        yield address


# --- our own API ----------------------------------------------------------------------------------


def test_people_is_a_field_and_json_has_ids_and_confidence(service: str, portrait: U8) -> None:
    both = np.full((400, 800, 3), 140, np.uint8)
    both[:, 40:416] = cv2.resize(portrait, (376, 400))
    both[100:265, 600:755] = cv2.resize(portrait, (155, 165), interpolation=cv2.INTER_AREA)
    picture = encode(both)
    for people, count in (("all", 2), ("main", 1)):
        path = f"/v1/mask?people={people}"
        answer = ask(service, "POST", path, picture, content_type="image/png", accept="application/json")
        told = answer.json()
        assert [person["id"] for person in told["persons"]] == list(range(count))
        assert 0.5 < told["confidence"] <= 1
        answer = ask(service, "POST", path, picture, content_type="image/png")
        np.testing.assert_array_equal(answer.picture(), segment(both, people=people))
    answer = ask(service, "POST", "/v1/mask?people=nobody", picture, content_type="image/png")
    assert answer.status == 400
    assert "people must be one of all, main" in answer.json()["error"]


def test_a_body_goes_in_and_the_librarys_mask_comes_back(service: str, astronaut: U8) -> None:
    answer = ask(service, "POST", "/v1/mask", encode(astronaut), content_type="image/png")
    assert answer.status == 200
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["upperbodyseg-persons"] == "1"
    assert answer.headers["server-timing"].startswith("decode;dur=")
    np.testing.assert_array_equal(answer.picture(), segment(astronaut))


def test_a_form_is_the_same_as_a_body(service: str, portrait: U8) -> None:
    answer = post_form(service, "/v1/cutout", ("file", encode(portrait)))
    np.testing.assert_array_equal(answer.picture(), cut_out(portrait, segment(portrait)))


@pytest.mark.parametrize("name", ["blur", "portrait", "#204060", "picture"])
def test_backgrounds_are_the_librarys(service: str, portrait: U8, webcam: U8, name: str) -> None:
    mask = segment(portrait)
    expected = {
        "blur": lambda: blur_background(portrait, mask),
        "portrait": lambda: portrait_blur(portrait, mask),
        "#204060": lambda: replace_background(portrait, mask, (0x60, 0x40, 0x20)),
        "picture": lambda: replace_background(portrait, mask, webcam),
    }[name]()
    background = encode(webcam) if name == "picture" else name
    answer = post_form(service, "/v1/background", ("file", encode(portrait)), ("background", background))
    np.testing.assert_array_equal(answer.picture(), expected)


def test_the_query_counts_like_the_form(service: str, portrait: U8) -> None:
    path = "/v1/background?background=%23204060&model=fast&blur_sigma=0"
    answer = ask(service, "POST", path, encode(portrait))
    assert answer.status == 200
    assert answer.picture().shape == portrait.shape


@pytest.mark.parametrize(
    ("accept", "magic"),
    [("image/jpeg", b"\xff\xd8"), ("image/webp;q=0.9, image/png;q=0.1", b"RIFF"), ("*/*", b"\x89PNG")],
)
def test_accept_chooses_the_format(service: str, portrait: U8, accept: str, magic: bytes) -> None:
    answer = ask(service, "POST", "/v1/mask", encode(portrait), accept=accept)
    assert answer.body.startswith(magic)


def test_json_has_the_people_and_the_picture(service: str, portrait: U8) -> None:
    answer = ask(service, "POST", "/v1/mask", encode(portrait), accept="application/json").json()
    assert (answer["height"], answer["width"]) == portrait.shape[:2]
    assert len(answer["persons"]) == 1
    assert len(answer["persons"][0]["box"]) == 4
    mask = cv2.imdecode(np.frombuffer(base64.b64decode(answer["image"]), np.uint8), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(mask, segment(portrait))


@pytest.mark.parametrize(
    ("accept", "transparent", "expected"),
    [
        ("", False, "image/png"),
        ("image/*", True, "image/png"),
        ("image/*, image/png;q=0", False, "image/webp"),
        ("text/html, */*;q=0.1", False, "image/png"),
        ("application/json, image/png;q=0.5", True, "application/json"),
        ("image/jpeg, image/webp;q=0.2", True, "image/webp"),
    ],
)
def test_accept_is_read_as_http_says(accept: str, transparent: bool, expected: str) -> None:
    assert choose_media_type(accept, transparent=transparent) == expected


@pytest.mark.parametrize("accept", ["text/html", "image/png;q=0", "image/jpeg", "image/png;q=nan"])
def test_a_cutout_that_nothing_accepts_is_406(accept: str) -> None:
    with pytest.raises(RefusedError, match="Accept") as caught:
        choose_media_type(accept, transparent=True)
    assert caught.value.status == 406


def refused(answer: Answer, status: int, *words: str) -> None:
    assert answer.status == status
    assert answer.headers["content-type"] == "application/json"
    message = answer.json()["error"]
    assert all(word in message for word in words), message


def test_what_cannot_be_used_is_refused_in_words(service: str, portrait: U8) -> None:
    picture = encode(portrait)
    refused(ask(service, "POST", "/v1/mask"), 400, "send a picture")
    refused(ask(service, "POST", "/v1/mask", b"no picture"), 415, "JPEG")
    refused(ask(service, "POST", "/v1/mask", b"a=1", content_type="text/plain"), 415, "multipart/form-data")
    refused(ask(service, "POST", "/v1/mask?model=best", picture), 400, "accurate", "best")
    refused(ask(service, "POST", "/v1/mask?blur_sigma=nan", picture), 400, "blur_sigma")
    refused(ask(service, "POST", "/v1/mask?blur_sigma=-1", picture), 400, "blur_sigma")
    refused(ask(service, "POST", "/v1/background", picture), 400, "portrait", "#00ff00")
    refused(ask(service, "POST", "/v1/mask", picture, accept="text/html"), 406, "image/png")
    refused(ask(service, "GET", "/v1/mask"), 405)
    refused(ask(service, "GET", "/nothing"), 404)


def test_the_description_is_openapi_and_has_every_route() -> None:
    options = ServeOptions(token=TOKEN)
    app = create_app(options, make_limits(options), lambda _: StubEngine(), lambda _: StubEngine(), 1)
    from starlette.routing import Route

    from upperbodyseg.serve.openapi import description

    for with_token in (True, False):
        validate(description(with_token=with_token))
    routes = {
        (route.path, method.lower())
        for route in app.routes
        if isinstance(route, Route)
        for method in route.methods or ()
        if method != "HEAD"
    }
    document = description(with_token=True)
    assert routes == {(path, method) for path, methods in document["paths"].items() for method in methods}


def test_answers_are_what_the_description_says(service: str, portrait: U8) -> None:
    document = ask(service, "GET", "/openapi.json").json()
    for path in ("/v1/mask", "/v1/cutout", "/v1/background?background=blur"):
        answers = document["paths"][path.split("?")[0]]["post"]["responses"]["200"]["content"]
        for media_type in answers:
            answer = ask(service, "POST", path, encode(portrait), accept=media_type)
            assert answer.headers["content-type"] == media_type


# --- a stream -------------------------------------------------------------------------------------


def test_a_stream_answers_frames(service: str, webcam: U8) -> None:
    with connect(f"ws://{service}/v1/stream", max_size=None) as stream:
        for number in (1, 2):
            header = {"kind": "frame", "frame": number, "timestamp_ms": 33 * number, "effect": "mask"}
            stream.send(pack(header, encode(webcam, ".jpg")))
            answer, parts = unpack(stream.recv(timeout=WAIT_S))  # type: ignore[arg-type]
            assert answer["frame"] == number
            assert answer["persons"] == 1
            assert len(parts) == 1
        stream.send(pack({"kind": "frame", "effect": "nothing"}, b""))
        assert "effect must be" in json.loads(stream.recv(timeout=WAIT_S))["error"]


# --- health and metrics ---------------------------------------------------------------------------


def test_metrics_count_what_was_answered(portrait: U8) -> None:
    with running() as address:
        assert ask(address, "GET", "/healthz").json() == {"status": "ok"}
        assert ask(address, "GET", "/readyz").json() == {"status": "ready"}
        for _ in range(3):
            ask(address, "POST", "/v1/mask", encode(portrait))
        ask(address, "POST", "/v1/mask", b"no picture")
        ask(address, "GET", "/../../etc/passwd")
        text = ask(address, "GET", "/metrics").body.decode()
    values = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert values["upperbodyseg_pictures_total",] == 3
    assert values["upperbodyseg_persons_total",] == 3
    assert values["upperbodyseg_requests_total", "/v1/mask", "200"] == 3
    assert values["upperbodyseg_requests_total", "/v1/mask", "415"] == 1
    assert values["upperbodyseg_requests_total", "404", "other"] == 1
    assert values["upperbodyseg_stage_seconds_total", "segmentation"] > 0
    assert values["upperbodyseg_pending",] == 0


def test_the_log_has_no_names_and_no_queries(
    service: str, portrait: U8, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "upperbodyseg.serve"):
        post_form(service, "/v1/mask?secret=query", ("file", encode(portrait)))
        ask(service, "GET", "/secret")
        deadline = 200
        while len(caplog.records) < 2 and deadline:  # the answer comes before its line
            threading.Event().wait(0.05)
            deadline -= 1
    from upperbodyseg.serve.log import JsonLines

    lines = [json.loads(JsonLines().format(record)) for record in caplog.records]
    assert [(line["route"], line["status"]) for line in lines] == [("/v1/mask", 200), ("other", 404)]
    assert lines[0]["persons"] == 1
    assert lines[0]["bytes_out"] > 0
    assert "secret" not in json.dumps(lines)


# --- who is answered ------------------------------------------------------------------------------


def test_foreign_hosts_and_origins_are_refused(service: str, portrait: U8) -> None:
    picture = encode(portrait)
    refused(ask(service, "POST", "/v1/mask", picture, host="evil.example"), 403, "--allow-host")
    refused(ask(service, "GET", "/metrics", host="evil.example:7000"), 403)
    refused(
        ask(service, "POST", "/v1/mask", picture, origin=Origin("https://evil.example")),
        403,
        "--allow-origin",
    )
    refused(ask(service, "POST", "/v1/mask", picture, origin=f"http://{service}"), 403)
    refused(ask(service, "POST", "/v1/mask", picture, origin="null"), 403)
    with pytest.raises(InvalidStatus) as caught:
        connect(f"ws://{service}/v1/stream", origin=Origin("https://evil.example"))
    assert caught.value.response.status_code == 403


def test_sites_and_names_that_are_allowed_are_answered(portrait: U8) -> None:
    site = "https://app.example"
    with running(ServeOptions(port=0, hosts=("seg.example",), origins=(site,), token=TOKEN)) as address:
        preflight = ask(
            address,
            "OPTIONS",
            "/v1/mask",
            host="seg.example",
            origin=site,
            access_control_request_method="POST",
        )
        assert preflight.status == 204
        assert preflight.headers["access-control-allow-origin"] == site
        answer = ask(
            address,
            "POST",
            "/v1/mask",
            encode(portrait),
            host="seg.example:443",
            origin=site,
            authorization=f"Bearer {TOKEN}",
        )
        assert answer.status == 200
        assert answer.headers["access-control-allow-origin"] == site
        refused(ask(address, "GET", "/healthz"), 403)


@pytest.mark.parametrize("given", ["", "Bearer", "Bearer wrong", f"Basic {TOKEN}", f"Bearer {TOKEN}x"])
def test_a_token_is_asked_for(given: str, portrait: U8) -> None:
    with running(ServeOptions(port=0, token=TOKEN), lambda _: StubEngine()) as address:
        headers = {"authorization": given} if given else {}
        answer = ask(address, "POST", "/api/remove", encode(portrait), **headers)
        refused(answer, 401, "token")
        assert answer.headers["www-authenticate"] == "Bearer"
        refused(ask(address, "GET", "/metrics", **headers), 401)
        assert ask(address, "GET", "/healthz").status == 200
        with pytest.raises(InvalidStatus):
            connect(f"ws://{address}/v1/stream")


@pytest.mark.parametrize("token", ["short", "with a space in its middle", "ümlaut-umlaut-umlaut"])
def test_a_token_that_no_header_can_bring_is_refused_at_once(token: str) -> None:
    with pytest.raises(InputError, match="16 characters"):
        ServeOptions(token=token)


# --- the process ----------------------------------------------------------------------------------


def test_no_upload_touches_the_disk(service: str, astronaut: U8) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (1000, 1000, 3), np.uint8)  # a PNG of 3 MB
    opened: list[Any] = []
    watching = threading.Event()

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if watching.is_set() and event in ("open", "tempfile.mkstemp"):
            opened.append(arguments[0])

    sys.addaudithook(watch)
    watching.set()
    try:
        answer = post_form(service, "/v1/mask", ("file", encode(noise)))
    finally:
        watching.clear()
    assert answer.status == 200
    temporary = Path(tempfile.gettempdir())
    assert not [name for name in opened if isinstance(name, str) and temporary in Path(name).parents]


def test_answers_are_sent_at_once() -> None:
    """TCP_NODELAY: else an answer's last packet waits for the client's acknowledgement."""
    seen: list[int] = []

    class Noting(connection_class(make_limits(ServeOptions()))):  # type: ignore[misc]
        def connection_made(self, transport: asyncio.Transport) -> None:
            super().connection_made(transport)
            taken = transport.get_extra_info("socket")
            seen.append(taken.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("upperbodyseg.http.server.connection_class", lambda _: Noting)
        with running(open_pool=lambda _: StubEngine()) as address:
            assert ask(address, "GET", "/healthz").status == 200
    assert seen
    assert all(seen)


@pytest.mark.parametrize("package", ["starlette", "uvicorn", "python_multipart", "prometheus_client"])
def test_a_missing_extra_is_named(
    package: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ours = ("upperbodyseg.serve.", "upperbodyseg.http.", f"{package}.")
    for name in list(sys.modules):
        if name == package or name.startswith(ours):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    assert main(["serve", "--port", "0"]) == 2
    assert "pip install 'upperbodyseg[serve]'" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["--port", "70000"],
        ["--host", "no such host"],
        ["--queue", "0"],
        ["--max-seconds", "nan"],
        ["--workers", "0"],
        ["--max-upload-bytes", "0"],
    ],
)
def test_wrong_arguments_are_exit_code_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--port", "0", *arguments]) == 2
    assert capsys.readouterr().err.startswith("upperbodyseg: ")


def test_forms_without_a_file_name_are_taken(service: str, portrait: U8) -> None:
    body, kind = form(("file", encode(portrait)))
    body = body.replace(b'; filename="a secret name.png"', b"")
    assert ask(service, "POST", "/v1/mask", body, content_type=kind).status == 200
