"""Pictures on the demo's page, in a headless Chromium."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

for package in ("starlette", "uvicorn", "websockets", "playwright"):
    pytest.importorskip(package, reason=f"{package}, of the extras [demo] and [test], is not installed")

# ruff: noqa: E402  (what follows needs them)
from demo_page import (
    TIMES,
    assert_mask_is,
    assert_result_is,
    canvas,
    choose,
    png,
    wait_for,
    wait_until_sample,
    wait_until_shown,
)
from playwright.sync_api import Browser, Page, expect

from upperbodyseg import segment
from upperbodyseg.effects import blur_background, cut_out, portrait_blur, replace_background

U8 = NDArray[np.uint8]
ROOT = Path(__file__).parents[2]


def test_a_picture_goes_in_and_the_mask_on_the_canvas_is_the_librarys(page: Page, astronaut: U8) -> None:
    choose(page, png(astronaut))
    mask = segment(astronaut)
    assert_mask_is(page, mask)
    assert_result_is(page, blur_background(astronaut, mask))
    expect(page.locator("#status")).to_contain_text(f"512 {TIMES} 512 pixels")
    expect(page.locator("#error")).to_be_hidden()
    times = page.locator("#timings td:last-child").all_text_contents()
    assert len(times) == 8
    assert all(float(time) >= 0 for time in times)


def test_every_control_changes_what_is_shown(page: Page, portrait: U8, webcam: U8) -> None:
    choose(page, png(portrait))
    mask = segment(portrait)
    page.locator("[name=effect][value=mask]").check()
    wait_until_shown(page)
    assert_result_is(page, np.dstack([mask] * 3))
    page.locator("[name=effect][value=colour]").check()
    page.fill("#colour", "#ff8000")
    wait_until_shown(page)
    assert_result_is(page, replace_background(portrait, mask, (0, 128, 255)))
    page.locator("[name=effect][value=picture]").check()
    page.set_input_files("#background", png(webcam, "office.png"))
    wait_until_shown(page)
    assert_result_is(page, replace_background(portrait, mask, webcam))
    expect(page.locator("#background-name")).to_have_text("office.png")
    page.locator("[name=effect][value=blur]").check()
    page.fill("#blur-sigma", "6")
    wait_until_shown(page)
    mask = segment(portrait, blur_sigma=6)
    assert_mask_is(page, mask)
    assert_result_is(page, blur_background(portrait, mask))
    page.locator("[name=model][value=fast]").check()
    wait_until_shown(page)
    assert (canvas(page, "mask")[..., 0] != mask).any()


def test_the_result_is_downloaded_without_loss(page: Page, portrait: U8, tmp_path: Path) -> None:
    choose(page, png(portrait, "eileen.png"))
    page.locator("[name=effect][value=cutout]").check()
    wait_until_shown(page)
    with page.expect_download() as download:
        page.click("#download")
    assert download.value.suggested_filename == "eileen_cutout.png"
    download.value.save_as(tmp_path / "cut.png")
    cut = cv2.imread(str(tmp_path / "cut.png"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(cut, cut_out(portrait, segment(portrait)))


@pytest.mark.parametrize("how", ["drop", "paste"])
def test_a_picture_can_be_dropped_and_pasted(page: Page, portrait: U8, how: str) -> None:
    content = base64.b64encode(png(portrait)["buffer"]).decode()
    page.evaluate(
        """([how, content]) => {
            const bytes = Uint8Array.from(atob(content), (c) => c.charCodeAt(0));
            const transfer = new DataTransfer();
            transfer.items.add(new File([bytes], "a.png", { type: "image/png" }));
            const event = how === "drop"
                ? new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true })
                : new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true });
            document.getElementById("stage").dispatchEvent(event);
        }""",
        [how, content],
    )
    wait_until_shown(page)
    assert_mask_is(page, segment(portrait))


def test_a_refusal_is_shown_and_the_last_picture_stays(page: Page, portrait: U8, tmp_path: Path) -> None:
    bad = {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"no picture"}
    choose(page, bad)
    expect(page.get_by_role("alert")).to_contain_text(re.compile("notes.txt: .*JPEG, PNG and WebP"))
    choose(page, png(portrait))
    expect(page.locator("#error")).to_be_hidden()
    assert_mask_is(page, segment(portrait))
    choose(page, bad)
    expect(page.get_by_role("alert")).to_contain_text(re.compile("notes.txt: .*JPEG, PNG and WebP"))
    page.get_by_label("Close the message").click()
    expect(page.locator("#error")).to_be_hidden()
    page.fill("#blur-sigma", "4")
    wait_until_shown(page)
    assert_mask_is(page, segment(portrait, blur_sigma=4))
    large = tmp_path / "large.png"
    large.write_bytes(bytes(33 * 2**20))
    choose(page, large)
    expect(page.get_by_role("alert")).to_contain_text("32 MiB")


def test_the_sample_comes_too_late_for_whoever_opened_something(browser: Browser, demo: str) -> None:
    held: list[Any] = []

    def hold(route: Any) -> None:
        held.append(route)

    with browser.new_context() as context:
        page = context.new_page()
        page.route("**/sample.jpg", hold)
        page.goto(f"http://{demo}")
        wait_for(page, lambda: bool(held))
        choose(page, {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"no picture"})
        expect(page.get_by_role("alert")).to_contain_text("JPEG, PNG and WebP")
        with page.expect_response("**/sample.jpg"):
            held[0].continue_()
        page.wait_for_timeout(300)
        expect(page.get_by_role("alert")).to_contain_text("JPEG, PNG and WebP")
        expect(page.locator("#pair")).to_be_hidden()


def test_a_sample_is_shown_with_its_result_at_the_start(page: Page) -> None:
    wait_until_sample(page)
    sample = cv2.imread(str(ROOT / "examples" / "astronaut.jpg"))
    assert_mask_is(page, segment(sample))
    assert_result_is(page, blur_background(sample, segment(sample)))


def test_a_click_on_the_drop_area_asks_for_a_file(page: Page, portrait: U8) -> None:
    with page.expect_file_chooser() as chooser:
        page.get_by_text("Drop a picture here").click()
    chooser.value.set_files(png(portrait))
    expect(page.locator("#status")).to_contain_text(f"311 {TIMES} 331 pixels")
    assert_mask_is(page, segment(portrait))


def test_the_blur_has_a_strength_and_a_lens(page: Page, portrait: U8) -> None:
    choose(page, png(portrait))
    mask = segment(portrait)
    page.locator("[name=effect][value=portrait]").check()
    wait_until_shown(page)
    assert_result_is(page, portrait_blur(portrait, mask))
    page.fill("#blur-strength", "1")
    wait_until_shown(page)
    assert_result_is(page, portrait_blur(portrait, mask, 1.0))
    expect(page.locator("#blur-strength-value")).to_have_text("100 %")
    page.locator("[name=effect][value=mask]").check()
    expect(page.locator("#blur-strength")).to_be_hidden()


def test_the_slider_shows_the_picture_as_it_was(page: Page) -> None:
    wait_until_sample(page)
    page.wait_for_function("document.getElementById('before').naturalWidth === 420")
    before, result = page.locator("#before").bounding_box(), page.locator("#result").bounding_box()
    assert before == result
    page.fill("#compare", "30")
    assert "70%" in page.evaluate("document.getElementById('before').style.clipPath")


def test_a_built_in_background_is_one_click(page: Page) -> None:
    wait_until_sample(page)
    page.locator("[name=effect][value=picture]").check()
    page.get_by_role("button", name="Background Night").click()
    expect(page.locator("#background-name")).to_have_text("Night")
    wait_until_shown(page)
    page.wait_for_function(
        """() => {
            const canvas = document.getElementById("result");
            const [r, g, b] = canvas.getContext("2d").getImageData(410, 60, 1, 1).data;
            return r < 200 && document.getElementById("status").textContent.includes("1 person");
        }""",
        timeout=60_000,
    )
    expect(page.locator("#error")).to_be_hidden()


def test_the_result_is_copied(page: Page, portrait: U8) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    choose(page, png(portrait))
    page.locator("[name=effect][value=cutout]").check()
    wait_until_shown(page)
    page.get_by_role("button", name="Copy").click()
    expect(page.locator("#status")).to_contain_text("in the clipboard")
    width = page.evaluate(
        """async () => {
            const [item] = await navigator.clipboard.read();
            return (await createImageBitmap(await item.getType("image/png"))).width;
        }"""
    )
    assert width == 311
