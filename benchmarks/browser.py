"""The browser's package in a headless Chromium: ``python -m benchmarks.browser``.

It times the fast segmenter beside MediaPipe Selfie's model, in turn, each in a worker of its own, both in
LiteRT.js. In one worker LiteRT.js gives the second thread to some of several models alone. It times whole
frames of a 1280 x 720 stream, and prints what a page loads. It needs Chromium, and ``npm ci``
and ``npm run runtime`` in ``web/``. Times are medians: take them on a quiet machine.
"""

from __future__ import annotations

import argparse
import base64
import gzip
import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from playwright.sync_api import sync_playwright

from benchmarks.figures import publish
from tests.chromium import CHROMIUM, FLAGS
from tests.web.web_server import CSP, ISOLATED, WEB, serving

ROOT = Path(__file__).parent.parent

SEGMENTER = "../weights/fast/person_segmenter_float_io.tflite"
DETECTOR = "../weights/fast/person_detector_float_io.tflite"
PEER = "../node_modules/@mediapipe/selfie_segmentation/selfie_segmentation.tflite"

MODEL = """async ([url, runs, threads]) => {
    const { runModel } = await import("/benchmarks/latency.js");
    return runModel(url, runs, threads);
}"""
STREAM = """async ([frames, width, height, count, options]) => {
    const { runStream } = await import("/benchmarks/latency.js");
    const decoded = frames.map((text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)));
    return runStream(decoded, width, height, count, options);
}"""


def loaded_bytes() -> dict[str, int]:
    """Gzipped bytes of what a page loads, by what it is."""

    def gzipped(*files: Path) -> int:
        return sum(len(gzip.compress(file.read_bytes(), 9)) for file in files)

    return {
        "LiteRT.js": gzipped(*(WEB / "wasm").glob("litert*")),
        "fast weights": gzipped(*(WEB / "weights" / "fast").iterdir()),
        "modules": gzipped(*(WEB / "src").glob("*.js"), WEB / "index.js", WEB / "original.js"),
    }


def package_bytes() -> int:
    """Bytes of the package as npm packs it, which is gzipped."""
    packed = subprocess.run(
        ["npm", "pack", "--dry-run", "--json", "--ignore-scripts"], cwd=WEB, capture_output=True, check=True
    )
    return int(json.loads(packed.stdout)[0]["size"])


def film(width: int, height: int) -> list[NDArray[np.uint8]]:
    """A portrait that sways before a plain wall, RGBA."""
    portrait = cv2.imread(str(ROOT / "examples" / "astronaut.jpg"))
    assert portrait is not None
    large = cv2.resize(portrait, (height, height))
    frames = []
    for number in range(10):
        left = (width - height) // 2 + round(8 * np.sin(number / 10 * 2 * np.pi))
        frame = np.full((height, width, 3), (150, 140, 130), np.uint8)
        frame[:, left : left + height] = large
        frames.append(cv2.cvtColor(frame, cv2.COLOR_BGR2RGBA))
    return frames


QUANTILES = (0.5, 0.05, 0.95)
ROUNDS = 6  # workers a model, as a worker's threads are now and then slow from the start
WARM_UP = 5  # runs of each that don't count


def quantiles(times: list[float]) -> str:
    return " | ".join(f"{np.quantile(times, q):.1f}" for q in QUANTILES)


def timed(page: Any, urls: Sequence[str], runs: int, threads: int) -> list[list[float]]:
    """Milliseconds of so many runs of each model, in turn in workers of their own."""
    times: list[list[float]] = [[] for _ in urls]
    for _ in range(ROUNDS):
        for url, of_model in zip(urls, times, strict=True):
            found = page.evaluate(MODEL, [url, runs // ROUNDS + WARM_UP, threads])
            of_model.extend(found[WARM_UP:])
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--runs", type=int, default=300)
    args = parser.parse_args()

    chromium = next(filter(None, map(shutil.which, CHROMIUM)), None)
    frames = [base64.b64encode(frame.tobytes()).decode() for frame in film(1280, 720)]
    headers = {"Content-Security-Policy": CSP, **ISOLATED}
    with serving(headers) as host, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        page: Any = browser.new_page()
        page.goto(f"{host}/blank")
        print(f"Chromium {browser.version}, headless.\n")
        print("| | threads | median | 5 % | 95 % |\n|---|---|---|---|---|")
        for threads in (1, 2):
            ours, detector, peer = timed(page, (SEGMENTER, DETECTOR, PEER), args.runs, threads)
            print(f"| fast segmenter, ms | {threads} | {quantiles(ours)} |")
            print(f"| fast detector, ms | {threads} | {quantiles(detector)} |")
            print(f"| MediaPipe Selfie, ms | {threads} | {quantiles(peer)} |")
            ratio = [np.quantile(ours, q) / np.quantile(peer, q) for q in QUANTILES]
            print(f"| segmenter to Selfie | {threads} | {' | '.join(f'{r:.2f}' for r in ratio)} |")
        for threads in (1, 2):
            given = [frames, 1280, 720, args.runs, {"threads": threads}]
            result = page.evaluate(STREAM, given)
            assert result["people"] == args.runs
            # The first frames load and compile.
            print(f"| 720p frame, call to mask, ms | {threads} | {quantiles(result['whole'][20:])} |")
            print(f"| 720p frame, in the worker, ms | {threads} | {quantiles(result['stages'][20:])} |")
        browser.close()
    sizes = loaded_bytes()
    print("\n| gzipped, loaded by a page | MB |\n|---|---|")
    for name, size in {**sizes, "all": sum(sizes.values()), "the npm package": package_bytes()}.items():
        print(f"| {name} | {size / 1e6:.2f} |")


if __name__ == "__main__":
    publish(main, "browser")
