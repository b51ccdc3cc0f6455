"""The demo's page with a fake webcam."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

for package in ("starlette", "uvicorn", "websockets", "playwright"):
    pytest.importorskip(package, reason=f"{package}, of the extras [demo] and [test], is not installed")

# ruff: noqa: E402  (what follows needs them)
from demo_page import TIMES, canvas, choose, png, wait_for, wait_until_sample, wait_until_webcam
from demo_server import running
from playwright.sync_api import Browser, Page, expect

U8 = NDArray[np.uint8]


def test_a_webcam_goes_on_and_on(page: Page) -> None:
    received: list[str | bytes] = []

    def count(message: str | bytes) -> None:
        received.append(message)

    def watch(socket: Any) -> None:
        assert socket.url.startswith("ws://127.0.0.1:")
        socket.on("framereceived", count)

    page.on("websocket", watch)
    page.get_by_role("button", name="Use the webcam").click()
    wait_until_webcam(page)
    wait_for(page, lambda: len(received) >= 20)
    expect(page.locator("#error")).to_be_hidden()
    page.locator("[name=effect][value=mask]").check()
    before = len(received)
    wait_for(page, lambda: len(received) >= before + 10)
    assert all(isinstance(message, bytes) for message in received)  # text would be an error
    mask = canvas(page, "mask")
    assert mask.shape == (480, 640, 4)
    assert mask[60:120, 285:325, 0].mean() > 200  # the astronaut's face sways about there
    assert mask[:, :40, 0].mean() < 20
    page.get_by_role("button", name="Stop the webcam").click()
    expect(page.locator("#status")).to_contain_text(f"420 {TIMES} 400 pixels")
    assert page.evaluate("document.getElementById('video').srcObject") is None


def test_a_sample_that_came_during_the_webcam_is_shown_after_it(browser: Browser, demo: str) -> None:
    held: list[Any] = []

    def hold(route: Any) -> None:  # Playwright marks what it calls, which a list's append does not take
        held.append(route)

    with browser.new_context() as context:
        page = context.new_page()
        page.route("**/sample.jpg", hold)
        page.goto(f"http://{demo}")
        page.get_by_role("button", name="Use the webcam").click()
        wait_until_webcam(page)
        wait_for(page, lambda: bool(held))
        with page.expect_response("**/sample.jpg"):
            held[0].continue_()
        page.wait_for_timeout(300)
        page.get_by_role("button", name="Stop the webcam").click()
        expect(page.locator("#status")).to_contain_text(f"420 {TIMES} 400 pixels")


def test_a_stream_has_the_background_that_was_chosen(page: Page) -> None:
    green = np.full((90, 120, 3), (40, 200, 40), np.uint8)
    page.locator("[name=effect][value=picture]").check()
    page.set_input_files("#background", png(green))
    page.get_by_role("button", name="Use the webcam").click()
    wait_until_webcam(page)
    page.wait_for_function(
        """() => {
            const canvas = document.getElementById("result");
            const [r, g, b] = canvas.getContext("2d").getImageData(5, 5, 1, 1).data;
            return g > 180 && r < 70 && b < 70;
        }""",
        timeout=60_000,
    )
    expect(page.locator("#error")).to_be_hidden()


def test_a_stopped_server_is_told(browser: Browser, portrait: U8) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        with running() as host:
            page.goto(f"http://{host}")
            wait_until_sample(page)
            page.get_by_role("button", name="Use the webcam").click()
            wait_until_webcam(page)
        expect(page.get_by_role("alert")).to_contain_text("server has stopped")
        choose(page, png(portrait))
        expect(page.get_by_role("alert")).to_contain_text("does not answer")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("NotAllowedError", "not allowed"),
        ("NotFoundError", "No webcam"),
        ("NotReadableError", "can't be read"),
    ],
)
def test_a_webcam_that_is_not_to_be_had_is_told(page: Page, name: str, text: str) -> None:
    page.evaluate(
        """(name) => {
            navigator.mediaDevices.getUserMedia = async () => { throw new DOMException("", name); };
        }""",
        name,
    )
    page.get_by_role("button", name="Use the webcam").click()
    expect(page.get_by_role("alert")).to_contain_text(text)
    expect(page.get_by_role("button", name="Use the webcam")).to_be_visible()
    wait_until_sample(page)  # which may come before or after
    expect(page.get_by_role("alert")).to_contain_text(text)
