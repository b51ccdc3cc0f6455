"""The demo's page in a headless Chromium, with a fake webcam."""

from __future__ import annotations

import base64
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

for package in ("starlette", "uvicorn", "websockets", "playwright"):
    pytest.importorskip(package, reason=f"{package}, of the extras [demo] and [test], is not installed")

# ruff: noqa: E402  (what follows needs them)
from demo_server import running
from playwright.sync_api import Browser, Page, expect, sync_playwright

from upperbodyseg import segment
from upperbodyseg.effects import blur_background, cut_out, portrait_blur, replace_background

U8 = NDArray[np.uint8]

ROOT = Path(__file__).parents[2]
TIMES = "\N{MULTIPLICATION SIGN}"
CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--no-sandbox",  # Chromium refuses to run as root with one
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",  # allows the camera without asking
)


@pytest.fixture(scope="module")
def demo() -> Iterator[str]:
    with running() as host:
        yield f"http://{host}"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory, astronaut: U8) -> Iterator[Browser]:
    """A Chromium whose webcam shows the astronaut, 640 x 480 at 30 frames a second, swaying."""
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
        page.goto(demo)
        yield page
    assert asked
    assert all(url.startswith((f"{demo}/", f"blob:{demo}/")) for url in asked)
    assert problems == []


def png(picture: U8, name: str = "picture.png") -> Any:
    return {"name": name, "mimeType": "image/png", "buffer": cv2.imencode(".png", picture)[1].tobytes()}


def canvas(page: Page, name: str) -> U8:
    """The pixels of a canvas as RGBA ``(H, W, 4)``."""
    height, width, pixels = page.evaluate(
        """(name) => {
            const canvas = document.getElementById(name);
            const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            let text = "";
            for (let i = 0; i < data.length; i += 4096)
                text += String.fromCharCode(...data.subarray(i, i + 4096));
            return [canvas.height, canvas.width, btoa(text)];
        }""",
        name,
    )
    return np.frombuffer(base64.b64decode(pixels), np.uint8).reshape(height, width, 4)


def assert_mask_is(page: Page, mask: U8) -> None:
    rgba = canvas(page, "mask")
    for channel in range(3):
        np.testing.assert_array_equal(rgba[..., channel], mask)
    assert (rgba[..., 3] == 255).all()


def assert_result_is(page: Page, bgr: U8) -> None:
    np.testing.assert_array_equal(canvas(page, "result")[..., 2::-1], bgr)


def wait_until_shown(page: Page) -> None:
    expect(page.locator("#stage")).to_have_attribute("aria-busy", "false", timeout=60_000)


def choose(page: Page, picture: Any) -> None:
    page.set_input_files("#file", picture)
    wait_until_shown(page)


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
    expect(page.get_by_role("alert")).to_contain_text(re.compile("Notes.txt: .*JPEG, PNG and WebP"))
    choose(page, png(portrait))
    expect(page.locator("#error")).to_be_hidden()
    assert_mask_is(page, segment(portrait))
    choose(page, bad)
    expect(page.get_by_role("alert")).to_contain_text(re.compile("Notes.txt: .*JPEG, PNG and WebP"))
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
        page.goto(demo)
        choose(page, {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"no picture"})
        expect(page.get_by_role("alert")).to_contain_text("JPEG, PNG and WebP")
        with page.expect_response("**/sample.jpg"):
            held[0].continue_()
        page.wait_for_timeout(300)
        expect(page.get_by_role("alert")).to_contain_text("JPEG, PNG and WebP")
        expect(page.locator("#pair")).to_be_hidden()


def test_a_webcam_runs_for_five_seconds(page: Page) -> None:
    received: list[str | bytes] = []

    def count(message: str | bytes) -> None:
        received.append(message)

    def watch(socket: Any) -> None:
        assert socket.url.startswith("ws://127.0.0.1:")
        socket.on("framereceived", count)

    page.on("websocket", watch)
    page.get_by_role("button", name="Use the webcam").click()
    page.wait_for_timeout(5000)
    expect(page.locator("#status")).to_contain_text(f"640 {TIMES} 480 pixels", timeout=60_000)
    expect(page.locator("#error")).to_be_hidden()
    # How many is the machine's affair; that they go on coming isn't.
    page.locator("[name=effect][value=mask]").check()
    before = len(received)
    page.wait_for_timeout(1000)
    assert 2 <= before < len(received)
    assert all(isinstance(message, bytes) for message in received)  # text would be an error
    mask = canvas(page, "mask")
    assert mask.shape == (480, 640, 4)
    assert mask[60:120, 285:325, 0].mean() > 200  # the astronaut's face sways about there
    assert mask[:, :40, 0].mean() < 20
    page.get_by_role("button", name="Stop the webcam").click()
    expect(page.locator("#status")).to_contain_text(f"420 {TIMES} 400 pixels", timeout=60_000)
    assert page.evaluate("document.getElementById('video').srcObject") is None


def test_a_sample_that_came_during_the_webcam_is_shown_after_it(browser: Browser, demo: str) -> None:
    held: list[Any] = []
    with browser.new_context() as context:
        page = context.new_page()
        page.route("**/sample.jpg", held.append)
        page.goto(demo)
        page.get_by_role("button", name="Use the webcam").click()
        expect(page.locator("#status")).to_contain_text(f"640 {TIMES} 480 pixels", timeout=60_000)
        with page.expect_response("**/sample.jpg"):
            held[0].continue_()
        page.wait_for_timeout(300)
        page.get_by_role("button", name="Stop the webcam").click()
        expect(page.locator("#status")).to_contain_text(f"420 {TIMES} 400 pixels", timeout=60_000)


def test_a_stream_has_the_background_that_was_chosen(page: Page) -> None:
    green = np.full((90, 120, 3), (40, 200, 40), np.uint8)
    page.locator("[name=effect][value=picture]").check()
    page.set_input_files("#background", png(green))
    page.get_by_role("button", name="Use the webcam").click()
    expect(page.locator("#result")).to_be_visible(timeout=60_000)
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
            page.get_by_role("button", name="Use the webcam").click()
            expect(page.locator("#result")).to_be_visible(timeout=60_000)
        expect(page.get_by_role("alert")).to_contain_text("server has stopped")
        choose(page, png(portrait))
        expect(page.get_by_role("alert")).to_contain_text("does not answer")


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


def test_a_sample_is_shown_with_its_result_at_the_start(page: Page) -> None:
    wait_until_sample(page)
    sample = cv2.imread(str(ROOT / "examples" / "astronaut.jpg"))
    assert_mask_is(page, segment(sample))
    assert_result_is(page, blur_background(sample, segment(sample)))


def wait_until_sample(page: Page) -> None:
    expect(page.locator("#status")).to_contain_text(f"420 {TIMES} 400 pixels", timeout=60_000)
    wait_until_shown(page)


def test_a_click_on_the_drop_area_asks_for_a_file(page: Page, portrait: U8) -> None:
    with page.expect_file_chooser() as chooser:
        page.get_by_text("Drop a picture here").click()
    chooser.value.set_files(png(portrait))
    expect(page.locator("#status")).to_contain_text(f"311 {TIMES} 331 pixels", timeout=60_000)
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
