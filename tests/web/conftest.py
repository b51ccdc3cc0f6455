from __future__ import annotations

import base64
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from web_server import CSP, ISOLATED, WEB, serving

from tests.chromium import CHROMIUM, FLAGS

try:
    from playwright.sync_api import sync_playwright
except ImportError:
    sync_playwright = None  # type: ignore[assignment]  # the extra [test] is not installed

U8 = NDArray[np.uint8]

HELPERS = """
globalThis.bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
globalThis.text = (data) => {
    let letters = "";
    for (let i = 0; i < data.length; i += 4096) letters += String.fromCharCode(...data.subarray(i, i + 4096));
    return btoa(letters);
};
globalThis.segmenters = {};
globalThis.segmenter = async (options) => {
    const { UpperBodySegmenter } = await import("/index.js");
    return (segmenters[JSON.stringify(options)] ??= await UpperBodySegmenter.create(options));
};
globalThis.errorOf = async (work) => {
    try { return ["", String(await work())]; } catch (error) { return [error.name, error.message]; }
};
"""


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory, astronaut: U8) -> Iterator[Any]:
    """A Chromium whose webcam shows the astronaut, 1280 x 720 at 30 frames a second, swaying."""
    if sync_playwright is None:
        pytest.skip("playwright, of the extra [test], is not installed")
    chromium = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if chromium is None:
        pytest.skip(f"no Chromium is installed: looked for {', '.join(CHROMIUM)}")
    if not (WEB / "wasm" / "litert_core.js").exists():
        pytest.skip("LiteRT.js is not there: run npm ci and npm run runtime in web/")
    film = tmp_path_factory.mktemp("webcam") / "astronaut.y4m"
    write_film(film, astronaut)
    with sync_playwright() as started:
        chrome = started.chromium.launch(
            executable_path=chromium, args=[*FLAGS, f"--use-file-for-fake-video-capture={film}"]
        )
        yield chrome
        chrome.close()


def write_film(file: Path, astronaut: U8) -> None:
    large = cv2.resize(astronaut, (720, 720), interpolation=cv2.INTER_AREA)
    with file.open("wb") as film:
        film.write(b"YUV4MPEG2 W1280 H720 F30:1 Ip A1:1 C420jpeg\n")
        for number in range(15):
            left = 280 + round(4 * np.sin(number / 15 * 2 * np.pi))
            picture = np.full((720, 1280, 3), (150, 140, 130), np.uint8)
            picture[:, left : left + 720] = large
            film.write(b"FRAME\n" + cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_I420).tobytes())


@pytest.fixture(scope="session")
def site() -> Iterator[str]:
    """A site with a strict policy, where threads are not to be had."""
    with serving({"Content-Security-Policy": CSP}) as host:
        yield host


@pytest.fixture(scope="session")
def isolated_site() -> Iterator[str]:
    """The same, cross-origin isolated."""
    with serving({"Content-Security-Policy": CSP, **ISOLATED}) as host:
        yield host


def opened(browser: Any, site: str) -> Iterator[Any]:
    with browser.new_context() as context:
        page = context.new_page()
        asked: list[str] = []
        problems: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        page.goto(f"{site}/blank")
        page.evaluate(HELPERS)
        yield page
    assert all(url.startswith((f"{site}/", f"blob:{site}/")) for url in asked)
    assert [p for p in problems if "favicon" not in p and "404" not in p] == []


@pytest.fixture(scope="module")
def page(browser: Any, site: str) -> Iterator[Any]:
    """An empty page of the strict site. It must ask nobody else, and its scripts must not fail."""
    yield from opened(browser, site)


@pytest.fixture(scope="module")
def isolated_page(browser: Any, isolated_site: str) -> Iterator[Any]:
    """The same of the isolated site."""
    yield from opened(browser, isolated_site)


def encoded(data: bytes | U8) -> str:
    return base64.b64encode(data if isinstance(data, bytes) else data.tobytes()).decode()


def decoded(text: str, *shape: int) -> U8:
    return np.frombuffer(base64.b64decode(text), np.uint8).reshape(shape)
