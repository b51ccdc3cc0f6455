"""What the demo serves, and to whom."""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

for package in ("starlette", "uvicorn", "websockets"):
    pytest.importorskip(package, reason=f"{package}, of the extra [demo], is not installed")

# ruff: noqa: E402  (what follows needs them)
from demo_client import ask, encode, frame, live, receive, send
from websockets.exceptions import InvalidStatus

from upperbodyseg.demo.app import MEDIA_TYPE, STATIC
from upperbodyseg.http.messages import pack

U8 = NDArray[np.uint8]


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
    send(demo, {"effect": "picture"}, content, encode(webcam))  # what is imported now is compiled and kept
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
