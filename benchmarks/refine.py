"""Edge refinement: what it gains and what it costs: ``python -m benchmarks.refine DATA``.

Scores at the pictures' own resolution on the val pictures of a folder as training/README.md describes it, at
threshold 128; and the time that it
adds to a frame in CPU time, alternated in one run.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path
from time import process_time

import cv2
import numpy as np

from benchmarks.accuracy import process
from benchmarks.figures import publish
from benchmarks.labelled import read_val
from benchmarks.webcam import webcam_picture
from upperbodyseg import FrameInput, SegmenterOptions, UpperBodySegmenter
from upperbodyseg.metrics import boundary_iou, davis_f
from upperbodyseg.models.spec import MODELS

SIZES = {"640 x 480": (480, 640), "1280 x 720": (720, 1280), "1920 x 1080": (1080, 1920)}


def accuracy(data: Path, model: str, refine: bool) -> dict[str, list[float]]:
    rows: dict[str, list[list[float]]] = {}
    with UpperBodySegmenter(SegmenterOptions(model=model, refine=refine)) as engine:
        for picture in read_val(data):
            truth, ignore = picture.truth, picture.ignore
            mask = process(engine, picture.bgr).mask
            predicted, true = (mask >= 128) & ~ignore, (truth > 0) & ~ignore
            union = int((predicted | true).sum())
            figures = [
                int((predicted & true).sum()) / union if union else 1.0,
                davis_f(mask, truth, 128, ignore=ignore),
                boundary_iou(mask, truth, 128, ignore=ignore),
            ]
            kind = "PicsArt val" if picture.row["set"] == "picsart" else "COCO val"
            rows.setdefault(kind, []).append(figures)
    return {
        kind: [100 * float(np.mean(column)) for column in zip(*r, strict=True)] for kind, r in rows.items()
    }


def cost(model: str, size: tuple[int, int], rounds: int = 40) -> tuple[float, float]:
    """Milliseconds of CPU time of a stream frame without and with refinement, medians."""
    frame = FrameInput.from_array(webcam_picture(*size))
    engines = [UpperBodySegmenter(SegmenterOptions(model=model, refine=refine)) for refine in (False, True)]
    times: tuple[list[float], list[float]] = ([], [])
    for engine in engines:
        engine.initialize()
    for i in range(rounds):
        for engine, taken in zip(engines, times, strict=True):
            start = process_time()
            output = engine.process(frame)
            if i > 5 and not output.timings_ms["detection"]:
                taken.append(process_time() - start)
    return statistics.median(times[0]) * 1000, statistics.median(times[1]) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    print("| pictures | model | refined | IoU | boundary F (DAVIS) | Boundary IoU |")
    print("|---|---|---|---|---|---|")
    for model in MODELS:
        for refine in (False, True):
            for kind, f in accuracy(args.data, model, refine).items():
                name = "yes" if refine else "no"
                print(
                    f"| {kind} | {model} | {name} | {f[0]:.2f} | {f[1]:.2f} | {f[2]:.2f} |",
                    flush=True,
                )
    print("\n| stream frame | model | ms without | ms with | added |\n|---|---|---|---|---|")
    for name, size in SIZES.items():
        for model in MODELS:
            without, with_ = cost(model, size)
            print(f"| {name} | {model} | {without:.2f} | {with_:.2f} | {with_ - without:.2f} |", flush=True)


if __name__ == "__main__":
    publish(main, "refine")
