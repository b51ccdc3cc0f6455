"""``upperbodyseg demo``."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import threading

import numpy as np
import pytest
from numpy.typing import NDArray

for package in ("starlette", "uvicorn", "websockets"):
    pytest.importorskip(package, reason=f"{package}, of the extra [demo], is not installed")

# ruff: noqa: E402  (what follows needs them)
from demo_client import WAIT_S, encode, frame, live, receive

import upperbodyseg.demo
from upperbodyseg.cli import main

U8 = NDArray[np.uint8]


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
