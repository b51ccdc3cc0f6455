"""The demo, and a Chromium with a fake webcam.

Their packages are imported where they are needed: the tests skip where one is not installed.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.chromium import CHROMIUM, FLAGS

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

U8 = NDArray[np.uint8]
WAIT_S = 60  # far beyond anything that works


@pytest.fixture(scope="module")
def demo() -> Iterator[str]:
    """The host and port of a demo that is served."""
    from demo_server import running

    with running() as host:
        yield host


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory, astronaut: U8) -> Iterator[Browser]:
    """A Chromium whose webcam shows the astronaut, 640 x 480 at 30 frames a second, swaying."""
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=WAIT_S * 1000)
    chromium = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if chromium is None:
        pytest.skip(f"no Chromium is installed: looked for {', '.join(CHROMIUM)}")
    film = tmp_path_factory.mktemp("webcam") / "astronaut.y4m"
    with film.open("wb") as file:
        file.write(b"YUV4MPEG2 W640 H480 F30:1 Ip A1:1 C420jpeg\n")
        for number in range(30):
            left = 80 + round(20 * np.sin(number / 30 * 2 * np.pi))
            picture = np.full((480, 640, 3), (150, 140, 130), np.uint8)
            picture[:, left : left + 480] = cv2.resize(astronaut, (480, 480), interpolation=cv2.INTER_AREA)
            file.write(b"FRAME\n" + cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_I420).tobytes())
    with sync_playwright() as playwright:
        chrome = playwright.chromium.launch(
            executable_path=chromium, args=[*FLAGS, f"--use-file-for-fake-video-capture={film}"]
        )
        yield chrome
        chrome.close()


@pytest.fixture
def page(browser: Browser, demo: str) -> Iterator[Page]:
    """The page, opened; it must ask nobody else for anything, and its scripts must not fail."""
    with browser.new_context() as context:
        page = context.new_page()
        asked: list[str] = []
        problems: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on(
            "console", lambda message: problems.append(message.text) if "Policy" in message.text else None
        )
        page.goto(f"http://{demo}")
        yield page
    assert asked
    assert all(url.startswith((f"http://{demo}/", f"blob:http://{demo}/")) for url in asked)
    assert problems == []
