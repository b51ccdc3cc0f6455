"""How many more frames a second a pool gives: ``python -m benchmarks.pool``.

One engine called in a loop, a pool of one and a pool of as many as there are CPUs take turns in one
process, so that a machine's moods meet them alike. All turns have the same number of 1280 x 720 BGR
frames; the ratios are medians over the rounds, each to the single engine of the same round. One
thread an inference, and one for OpenCV. Turns take more than a second: until the system has spread
the threads over the CPUs, which on a machine that does other things too takes some hundred
milliseconds, a pool is slower.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from contextlib import ExitStack
from itertools import repeat
from time import perf_counter

import cv2
import numpy as np

from benchmarks.compare import HEIGHT, WIDTH
from benchmarks.figures import publish
from benchmarks.webcam import webcam_picture
from upperbodyseg import FrameInput, SegmenterOptions, UpperBodySegmenter
from upperbodyseg.models.spec import MODELS
from upperbodyseg.pool import SegmenterPool


def seconds(call: Callable[[], object]) -> float:
    start = perf_counter()
    call()
    return perf_counter() - start


def measure(model: str, size: int, turn: float, rounds: int) -> dict[str, list[float]]:
    """Frames a second by name, one figure a round; the single engine takes ``turn`` seconds a turn."""
    frame = FrameInput.from_array(webcam_picture(HEIGHT, WIDTH), is_still=True)
    options = SegmenterOptions(model=model)
    with ExitStack() as stack:
        engine = stack.enter_context(UpperBodySegmenter(options))
        engine.process(frame)
        frames = max(round(turn * 10 / seconds(lambda: [engine.process(frame) for _ in range(10)])), 10)
        pools = {n: stack.enter_context(SegmenterPool(options, n)) for n in (1, size)}

        def alone() -> None:
            for _ in range(frames):
                engine.process(frame)

        calls: dict[str, Callable[[], object]] = {"one engine": alone}
        for n, pool in pools.items():

            def through(pool: SegmenterPool = pool) -> None:
                for _ in pool.map(repeat(frame, frames)):
                    pass  # masks are let go of one by one, as the loop above does

            calls[f"SegmenterPool(size={n})"] = through
        found: dict[str, list[float]] = {name: [] for name in calls}
        for n in range(rounds + 1):
            for name, call in calls.items():
                rate = frames / seconds(call)
                if n:
                    found[name].append(rate)
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--size", type=int, default=os.cpu_count() or 1, help="engines of the larger pool")
    parser.add_argument("--seconds", type=float, default=1.5, help="of the single engine's turn")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()

    cv2.setNumThreads(1)
    print("| 1280 x 720 BGR frames | frames a second | ratio | lowest and highest ratio |\n|---|---|---|---|")
    for model in MODELS:
        found = measure(model, args.size, args.seconds, args.rounds)
        base = np.array(found["one engine"])
        for name, rates in found.items():
            ratios = np.array(rates) / base
            print(
                f"| {model}, {name} | {np.median(rates):.1f} | {np.median(ratios):.2f} | "
                f"{ratios.min():.2f}-{ratios.max():.2f} |",
                flush=True,
            )
    print(f"\nMedians of {args.rounds} rounds of {args.seconds:g} s a turn.")


if __name__ == "__main__":
    publish(main, "pool")
