"""What the tests of the demo's page share."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
from demo_client import WAIT_S
from numpy.typing import NDArray
from playwright.sync_api import Page, expect

U8 = NDArray[np.uint8]
TIMES = "\N{MULTIPLICATION SIGN}"


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
    expect(page.locator("#stage")).to_have_attribute("aria-busy", "false")


def choose(page: Page, picture: Any) -> None:
    page.set_input_files("#file", picture)
    wait_until_shown(page)


def wait_until_sample(page: Page) -> None:
    expect(page.locator("#status")).to_contain_text(f"420 {TIMES} 400 pixels")
    wait_until_shown(page)


def wait_until_webcam(page: Page) -> None:
    """The result of a webcam's frame is shown."""
    expect(page.locator("#status")).to_contain_text(f"640 {TIMES} 480 pixels")


def wait_for(page: Page, condition: Callable[[], bool]) -> None:
    """Wait for what the test sees, and not the page."""
    for _ in range(WAIT_S * 20):
        if condition():
            return
        page.wait_for_timeout(50)
    pytest.fail(f"it did not come within {WAIT_S} seconds")
