"""Whole stream frames beside the segmenter's own ``invoke()``: ``python -m benchmarks.frame``.

One person in the frame, one thread, warm; ten frames and ten ``invoke()`` of the same network in turn, so
that neither finds its memory pushed out of the caches by the other. CPU time, so that other programs' load
does not count. Medians; the mean holds the frames that the detector checks, too. The stages are the engine's
own timings, as shares of the frame.
"""

from __future__ import annotations

import argparse
import statistics
from time import process_time

import cv2

from benchmarks.figures import publish
from benchmarks.test_latency import in_layout
from benchmarks.webcam import webcam_picture
from upperbodyseg import FrameInput, ImageType, SegmenterOptions, UpperBodySegmenter
from upperbodyseg.models.interpreter import Interpreter, choose_runtime
from upperbodyseg.models.spec import MODELS, SEGMENTER, WEIGHTS, load_spec, load_weights

SIZES = {"1280 x 720": (720, 1280), "1920 x 1080": (1080, 1920)}


TURN = 10

Times = dict[str, list[float]]


def measure(model: str, size: tuple[int, int], rounds: int) -> tuple[float, Times, list[dict[str, float]]]:
    """CPU milliseconds of ``invoke()``, of every image type's frames, and the stages of the BGR ones."""
    spec = load_spec(SEGMENTER, choose_runtime("auto"), WEIGHTS / model)
    alone = Interpreter(spec, load_weights(spec))
    picture = webcam_picture(*size)
    alone.run(cv2.resize(picture, spec.input_shape[1:3]))
    invoke = alone._interpreter.invoke  # the runtime's own, without filling the input
    times: Times = {}
    stages, alone_times = [], []
    for image_type in ImageType:  # one after the other: a camera gives one kind
        frame = FrameInput(in_layout(picture, image_type), 0, image_type)
        with UpperBodySegmenter(SegmenterOptions(model=model)) as engine:
            for i in range(rounds + 1):
                for _ in range(TURN):
                    start = process_time()
                    output = engine.process(frame)
                    taken = process_time() - start
                    if i:
                        times.setdefault(image_type.name, []).append(taken * 1000)
                        if image_type is ImageType.BGR_888:
                            stages.append(output.timings_ms)
                for _ in range(TURN):
                    start = process_time()
                    invoke()
                    if i:
                        alone_times.append((process_time() - start) * 1000)
    return statistics.median(alone_times), times, stages


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=8, help="of ten frames each")
    parser.add_argument("--model", choices=MODELS, action="append")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    for model in args.model or MODELS:
        print(f"\n| {model} | " + " | ".join(f"{s}: ms | mean ms | x invoke | x BGR" for s in SIZES) + " |")
        print("|---|" + "---|" * 4 * len(SIZES))
        columns: dict[str, list[str]] = {t.name: [] for t in ImageType}
        parts = {}
        for name, size in SIZES.items():
            alone, times, stages = measure(model, size, args.rounds)
            bgr = statistics.median(times["BGR_888"])
            for image_type, taken in times.items():
                middle = statistics.median(taken)
                columns[image_type].append(
                    f"{middle:.2f} | {statistics.mean(taken):.2f} | {middle / alone:.2f} | {middle / bgr:.2f}"
                )
            parts[name] = {k: statistics.median(s[k] / s["total"] for s in stages) for k in stages[0]}
        for image_type, cells in columns.items():
            print(f"| {image_type} | " + " | ".join(cells) + " |")
        for name, stage in parts.items():
            print(f"\n{name}, BGR, share of a stage: " + ", ".join(f"{k} {v:.0%}" for k, v in stage.items()))


if __name__ == "__main__":
    publish(main, "frame")
