"""What a frame has to cost on this machine at the very least: ``python -m benchmarks.floor``.

A network: its multiply-accumulates over the processor's peak, which is measured with a matrix product in
float32 and taken as four times that in int8 (AVX-512 VNNI does four in the place of one). The rest of a
frame: the bytes that it must touch over the memory's bandwidth, measured with a copy. One thread; CPU time.
"""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable
from time import process_time

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):  # before NumPy is imported
    os.environ[name] = "1"

import json  # noqa: E402

import cv2  # noqa: E402
import numpy as np  # noqa: E402

from benchmarks.figures import publish  # noqa: E402
from benchmarks.test_latency import person_region  # noqa: E402
from upperbodyseg.models.interpreter import Interpreter, choose_runtime  # noqa: E402
from upperbodyseg.models.spec import DETECTOR, MODELS, SEGMENTER, WEIGHTS, load_spec, load_weights  # noqa: E402


def seconds(call: Callable[[], object], times: int) -> float:
    call()
    taken = []
    for _ in range(times):
        start = process_time()
        call()
        taken.append(process_time() - start)
    return statistics.median(taken)


def main() -> None:
    a = np.random.default_rng(0).random((1024, 1024), np.float32)
    float32 = 1024**3 / seconds(lambda: a @ a, 15) / 1e9
    block = np.zeros(256 * 2**20, np.uint8)
    other = np.zeros_like(block)
    bandwidth = 2 * block.size / seconds(lambda: np.copyto(other, block), 7) / 1e9
    print(f"measured: {float32:.0f} billion multiply-accumulates a second in float32, {bandwidth:.0f} GB/s\n")
    print("| network | million multiply-accumulates | floor, ms | measured, ms | of the peak |")
    print("|---|---|---|---|---|")
    runtime = choose_runtime("auto")
    for model in MODELS:
        for name in (SEGMENTER, DETECTOR):
            spec = load_spec(name, runtime, WEIGHTS / model)
            macs = json.loads((WEIGHTS / model / f"{name}.json").read_text())["multiply_accumulates"]
            peak = float32 * (4 if spec.precision == "int8" else 1) * 1e9
            interpreter = Interpreter(spec, load_weights(spec))
            interpreter.run(np.zeros(spec.input_shape[1:], np.uint8))
            measured = seconds(interpreter._interpreter.invoke, 60)
            print(
                f"| {model} {name}, {spec.precision} | {macs / 1e6:.0f} | {macs / peak * 1e3:.2f} | "
                f"{measured * 1e3:.2f} | {macs / peak / measured:.0%} |"
            )
    print("\n| one person in a BGR frame | bytes touched, million | floor, ms |\n|---|---|---|")
    for height, width in ((720, 1280), (1080, 1920)):
        region = person_region(height, width)
        # The region is read; its mask is written, read and written blurred; the frame's mask is cleared.
        touched = region.area * (3 + 3) + height * width
        print(f"| {width} x {height} | {touched / 1e6:.1f} | {touched / bandwidth / 1e6:.2f} |")


if __name__ == "__main__":
    cv2.setNumThreads(1)
    publish(main, "floor")
