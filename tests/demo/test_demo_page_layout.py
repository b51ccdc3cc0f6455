"""What of the demo's page stands where, and what it is called."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

for package in ("starlette", "uvicorn", "websockets", "playwright"):
    pytest.importorskip(package, reason=f"{package}, of the extras [demo] and [test], is not installed")

# ruff: noqa: E402  (what follows needs them)
from demo_page import choose, png, wait_until_sample
from playwright.sync_api import Page, expect

U8 = NDArray[np.uint8]


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_nothing_sticks_out_of_the_window(page: Page, portrait: U8, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    choose(page, png(portrait))
    page.locator("[name=effect][value=picture]").check()
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_everything_can_be_reached_and_named(page: Page) -> None:
    wait_until_sample(page)
    for role, name in (
        ("button", "Choose a picture"),
        ("button", "Use the webcam"),
        ("button", "Download"),
        ("button", "Copy"),
        ("group", "Background"),
        ("radio", "Cut-out"),
        ("slider", "Softer mask edge blur_sigma"),
        ("slider", "Strength of the blur"),
        ("slider", "How much of the picture is shown as it was before"),
    ):
        assert page.get_by_role(role, name=name, exact=True).count() == 1, name  # type: ignore[arg-type]
    page.locator("[name=effect][value=blur]").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("radio", name="Portrait")).to_be_checked()


def test_the_timings_are_folded_away(page: Page) -> None:
    wait_until_sample(page)
    expect(page.locator("#timings")).to_be_hidden()
    page.get_by_text("Milliseconds a stage").click()
    expect(page.locator("#timings")).to_be_visible()


def test_on_a_phone_the_choices_stand_beside_the_picture(page: Page) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    wait_until_sample(page)
    stage, form = page.locator("#stage").bounding_box(), page.locator("#settings").bounding_box()
    assert stage is not None
    assert form is not None
    assert abs(stage["y"] - form["y"]) < 2
    assert stage["x"] + stage["width"] <= form["x"]


def test_on_a_phone_the_drop_area_follows_the_status(page: Page) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    wait_until_sample(page)
    status, drop = page.locator("#status").bounding_box(), page.locator("#drop").bounding_box()
    assert status is not None
    assert drop is not None
    assert drop["y"] - (status["y"] + status["height"]) < 30


@pytest.mark.parametrize("width", [360, 768, 1440])
def test_the_picture_is_as_wide_as_its_slider(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    wait_until_sample(page)
    page.wait_for_function("document.getElementById('before').naturalWidth === 420")
    boxes = [page.locator(name).bounding_box() for name in ("#stage", "#result", "#before")]
    assert all(box is not None for box in boxes)
    stage, *pictures = [box for box in boxes if box is not None]
    for box in pictures:
        assert abs(box["width"] - stage["width"]) < 5
