"""The example page on a fake webcam, under a strict policy."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from conftest import decoded
from numpy.typing import NDArray

pytest.importorskip("playwright.sync_api", reason="playwright, of the extra [test], is not installed")

from playwright.sync_api import expect

U8 = NDArray[np.uint8]

PIXELS = """() => {
    const canvas = document.getElementById("result");
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    let letters = "";
    for (let i = 0; i < data.length; i += 4096) letters += String.fromCharCode(...data.subarray(i, i + 4096));
    return btoa(letters);
}"""


@pytest.fixture
def example(browser: Any, site: str) -> Iterator[Any]:
    with browser.new_context() as context:
        page = context.new_page()
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on(
            "console", lambda message: problems.append(message.text) if "Policy" in message.text else None
        )
        page.goto(f"{site}/examples/webcam.html")
        page.get_by_role("button", name="Use the webcam").click()
        expect(page.get_by_role("status")).to_contain_text("frames a second", timeout=120_000)
        yield page
    assert problems == []


def shown(page: Any, name: str) -> U8:
    """The canvas as RGB, after a while; written to UPPERBODYSEG_SCREENSHOTS, if that is set."""
    page.wait_for_timeout(1500)
    if "UPPERBODYSEG_SCREENSHOTS" in os.environ:
        page.screenshot(
            path=Path(os.environ["UPPERBODYSEG_SCREENSHOTS"]) / f"webcam-{name}.png", full_page=True
        )
    return decoded(page.evaluate(PIXELS), 720, 1280, 4)[..., :3]


def test_the_background_is_replaced_and_the_person_stays(example: Any, astronaut: U8) -> None:
    example.locator("[name=background][value=none]").check()
    plain = shown(example, "none").astype(int)
    face = np.s_[100:160, 600:640]  # she sways by 4 pixels
    wall = np.s_[40:300, 20:200]
    assert np.abs(plain[wall] - (130, 140, 150)).mean() < 12

    example.locator("[name=background][value=colour]").check()
    example.locator("[name=colour]").fill("#00ff00")
    green = shown(example, "colour").astype(int)
    assert np.abs(green[wall] - (0, 255, 0)).mean() < 8
    assert np.abs(green[face].mean((0, 1)) - plain[face].mean((0, 1))).max() < 25
    assert 0.1 < (np.abs(green - (0, 255, 0)).sum(-1) > 60).mean() < 0.6

    red = cv2.imencode(".png", np.full((90, 90, 3), (0, 0, 255), np.uint8))[1].tobytes()
    example.set_input_files("[name=picture]", {"name": "red.png", "mimeType": "image/png", "buffer": red})
    picture = shown(example, "picture").astype(int)
    assert np.abs(picture[wall] - (255, 0, 0)).mean() < 8
    assert np.abs(picture[face].mean((0, 1)) - plain[face].mean((0, 1))).max() < 25


def test_the_background_is_blurred(example: Any) -> None:
    example.locator("[name=background][value=none]").check()
    plain = shown(example, "none")
    example.locator("[name=background][value=blur]").check()
    blurred = shown(example, "blur")

    def detail(picture: U8, part: Any) -> float:
        return float(cv2.Laplacian(cv2.cvtColor(picture[part], cv2.COLOR_RGB2GRAY), cv2.CV_32F).std())

    rocket, face = np.s_[60:660, 830:990], np.s_[60:260, 560:680]
    assert detail(blurred, rocket) < 0.5 * detail(plain, rocket)
    assert detail(blurred, face) > 0.7 * detail(plain, face)


def test_the_webcam_can_be_stopped_and_used_again(example: Any) -> None:
    example.get_by_role("button", name="Stop the webcam").click()
    expect(example.get_by_role("status")).to_have_text("The webcam is off.")
    example.get_by_role("button", name="Use the webcam").click()
    expect(example.get_by_role("status")).to_contain_text("frames a second", timeout=60_000)


def test_a_file_that_is_no_picture_is_told(example: Any) -> None:
    example.get_by_role("button", name="Stop the webcam").click()
    broken = {"name": "notes.png", "mimeType": "image/png", "buffer": b"no picture"}
    example.set_input_files("[name=picture]", broken)
    expect(example.get_by_role("status")).to_have_text("notes.png is no picture.")
