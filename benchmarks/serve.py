"""How many pictures a second the service answers: ``python -m benchmarks.serve``.

wrk posts one photo of 420 x 400 pixels to ``/api/remove``, on 1, 8 and 64 connections. With
``--rembg PROGRAM`` rembg's own server takes turns with the service in the same run, with its model u2netp,
which has to be in ``U2NET_HOME``. Then the service answers many requests for a small picture, and its memory
is looked at. Servers and wrk share the CPUs, so figures of one run compare with each other alone. Percentiles
are of the answers that came within the turn: a server that is asked for more than it can do looks better than
it is. Exits with 1 where an answer is an error, or the memory grows.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import cv2

from benchmarks.figures import publish

PHOTO = Path(__file__).parent.parent / "examples" / "astronaut.jpg"
CLIENTS = (1, 8, 64)
BOUNDARY = "b0undary"
GROWTH = 30.0  # MB that the memory may grow by
START_S = 120


class Answers(NamedTuple):
    """What wrk saw: answers a second, the latency's percentiles in milliseconds, answers that were errors."""

    rate: float
    p50: float
    p99: float
    failed: int

    def cells(self, seconds: float) -> str:
        """Of the table; a turn of so many seconds may have been too short for any answer."""
        if not self.rate:
            return f"none in {seconds:g} s | | |"
        return f"{self.rate:.1f} | {self.p50:.0f} | {self.p99:.0f} |"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


@contextlib.contextmanager
def running(command: list[str], port: int, environment: dict[str, str]) -> Iterator[int]:
    """A server's process number, once it answers."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **environment})
        try:
            deadline = time.monotonic() + START_S
            while True:
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/openapi.json", timeout=5).close()
                    break
                except OSError:
                    if process.poll() is not None or time.monotonic() > deadline:
                        log.seek(0)
                        raise SystemExit(f"{command[0]} does not answer:\n{log.read().decode()}") from None
                    time.sleep(0.2)
            yield process.pid
        finally:
            process.terminate()
            process.wait()


def form(content: bytes) -> bytes:
    """A form as rembg's clients send it."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="'
    model = f'{head}model"\r\n\r\nu2netp\r\n'
    file = f'{head}file"; filename="a.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
    return (model + file).encode() + content + f"\r\n--{BOUNDARY}--\r\n".encode()


def ask(port: int, body: bytes, clients: int, seconds: float) -> Answers:
    """Let wrk ask for so many seconds."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "body").write_bytes(body)
        script = Path(folder) / "post.lua"
        script.write_text(
            f'local file = io.open("{folder}/body", "rb")\n'
            'wrk.method = "POST"\n'
            f'wrk.headers["Content-Type"] = "multipart/form-data; boundary={BOUNDARY}"\n'
            'wrk.body = file:read("*all")\n'
        )
        command = ["wrk", "--latency", "-t1", f"-c{clients}", f"-d{seconds:g}s", "--timeout", "60s"]
        command += ["-s", str(script), f"http://127.0.0.1:{port}/api/remove"]
        out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    failed = sum(map(int, re.findall(r"Non-2xx or 3xx responses: (\d+)", out)))
    failed += sum(map(int, re.findall(r"(?:connect|read|write|timeout) (\d+)", out)))
    rate = re.search(r"Requests/sec: +([\d.]+)", out)
    p50, p99 = (re.search(rf"{percent}% +([\d.]+)(us|ms|s|m)\b", out) for percent in (50, 99))
    assert rate, out
    assert p50, out
    assert p99, out
    return Answers(float(rate[1]), milliseconds(*p50.groups()), milliseconds(*p99.groups()), failed)


def milliseconds(number: str, unit: str) -> float:
    """A time as wrk writes it."""
    return float(number) * {"us": 0.001, "ms": 1, "s": 1000, "m": 60_000}[unit]


def settle(port: int, body: bytes) -> None:
    """Wait until a server has done what wrk left behind, or the next turn would share its CPUs."""
    kind = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/api/remove", body, kind)
    try:
        urllib.request.urlopen(request, timeout=600).close()
    except urllib.error.HTTPError as exc:
        raise SystemExit(f"the server on port {port} answers {exc}: is its model there?") from exc


def resident_mb(pid: int) -> float:
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def small_picture() -> bytes:
    photo = cv2.imread(str(PHOTO))
    assert photo is not None
    small = cv2.resize(photo, (128, 128), interpolation=cv2.INTER_AREA)
    encoded: bytes = cv2.imencode(".jpg", small)[1].tobytes()
    return encoded


def main() -> None:
    """Print the table and the memory."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--rembg", metavar="PROGRAM", help="of rembg's command line")
    parser.add_argument("--seconds", type=float, default=20.0, help="a turn")
    parser.add_argument("--requests", type=int, default=10_000, help="before the memory is looked at again")
    args = parser.parse_args()

    program = [sys.executable, "-m", "upperbodyseg", "serve", "--port"]
    ports = [free_port() for _ in range(3)]
    commands = {
        "upperbodyseg, fast": [*program, str(ports[0]), "--model", "fast"],
        "upperbodyseg, accurate": [*program, str(ports[1]), "--model", "accurate"],
    }
    if args.rembg:
        options = ["s", "-h", "127.0.0.1", "-p", str(ports[2]), "--no-ui", "-l", "error"]
        commands["rembg, u2netp"] = [args.rembg, *options]
    body, failed = form(PHOTO.read_bytes()), 0
    with contextlib.ExitStack() as stack:
        pids = [
            stack.enter_context(running(command, port, {"BROWSER": "true"}))
            for command, port in zip(commands.values(), ports, strict=False)
        ]
        for port in ports[: len(pids)]:
            ask(port, body, 2, 3)  # the first pictures take longer
            settle(port, body)
        print("| server | clients | answers a second | p50, ms | p99, ms |\n|---|---|---|---|---|")
        for clients in CLIENTS:
            for name, port in zip(commands, ports, strict=False):
                seen = ask(port, body, clients, args.seconds)
                settle(port, body)
                failed += seen.failed
                print(f"| {name} | {clients} | {seen.cells(args.seconds)}", flush=True)
        print(f"\n{args.seconds:g} s a turn. {failed} answers were errors.")
        before, done = 0.0, 0.0
        small = form(small_picture())
        while done < args.requests:
            seen = ask(ports[0], small, 8, 10)
            failed += seen.failed
            done += seen.rate * 10
            if not before and done > args.requests / 10:
                before, first = resident_mb(pids[0]), done
        grown = resident_mb(pids[0]) - before
        print(f"\nMemory: {before:.0f} MB after {first:.0f} requests, {grown:+.1f} MB after {done:.0f}.")
    if failed or grown > GROWTH:
        raise SystemExit(1)


if __name__ == "__main__":
    publish(main, "serve")
