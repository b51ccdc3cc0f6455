"""From pictures to weights in one go: ``python -m training.run DATA --out runs``.

The accurate detector and a segmenter, pseudo-labels, the fast networks, which those teach, the accurate
segmenter, twice, the second time taught by itself and the first segmenter, export, accuracy; ``DATA`` is the
data folder or the file that ``training.pack`` made of it. What is done already in ``--out`` is not done
again, and a training that was cut off goes on from its checkpoint: start the same command again. Without
``--selfie`` and ``--u2net`` the pseudo-labels are left out, unless the packed file has them.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import zipfile
from pathlib import Path

# The segmenter on Lite0 goes on, with pseudo-labels: samples and sizes, and highest learning rate of each.
LATER = (("40000x192,12000x256", 5e-4), ("11000x256", 2.5e-4), ("52000x256", 4e-4))
# And from means of what was there, with better masks of the unlabelled pictures: where from, samples and
# sizes, highest learning rate, seed, and its share in the next mean.
AGAIN = (
    ("lite0-segmenter-4", "20000x224,20000x256", 4e-4, 41, 0.5),
    ("lite0-segmenter-mean-5", "36000x256", 4e-4, 42, 0.5),
    ("lite0-segmenter-mean-5", "20000x256", 3e-4, 43, 0.33),
)
AGAIN_SHARE = 0.7  # of the last of these means in the weights; the rest is what they set out from
# The fast ones: the segmenter from the one on Lite0, which teaches it, twice, and twice on from the
# mean of what there is until then; the detector thrice, each time from where the last one ended, and then the
# mean of the last two.
FAST = (
    ("fast-segmenter", "130000x160", 6e-4, 51),
    ("fast-segmenter-2", "120000x160", 3e-4, 52),
    ("fast-segmenter-3", "110000x160", 5e-4, 61),
    ("fast-segmenter-4", "80000x160", 4e-4, 62),
)
FAST_FROM_LITE0 = 2  # of them; the others start from a mean
FAST_DETECTOR = (
    ("fast-detector-2", "240000x128", 1.5e-3, 21),
    ("fast-detector-3", "110000x128", 8e-4, 91),
)
FAST_SHARE = 0.5  # of each in the mean of it and those before
ACCURATE = ("--seed", 101, "--batch", 32)
# The accurate one goes on, taught by itself and the one on Lite0 together, and the share of that in the mean.
TAUGHT = ("--phases", "20000x224,33000x256", "--lr", 5e-4, "--seed", 111, "--batch", 32)
TAUGHT_SHARE = 0.3


def step(module: str, *arguments: object, processes: int = 1) -> None:
    shared = ("torch.distributed.run", "--nproc-per-node", processes, "-m") if processes > 1 else ()
    command = [sys.executable, "-m", *map(str, (*shared, module, *arguments))]
    print("+", *command[1:], flush=True)
    subprocess.run(command, check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("data", type=Path, help="folder with manifest.csv and boxes.csv, or packed .zip")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--selfie", type=Path, help="MediaPipe's selfie_segmentation.tflite")
    parser.add_argument("--u2net", type=Path, help="u2net.onnx")
    parser.add_argument("--workers", type=int, default=1, help="processes that make samples")
    parser.add_argument("--batch", type=int, default=24)
    parser.add_argument("--processes", type=int, default=1, help="that share a training: one a core")
    args = parser.parse_args()

    data, labels = args.data, args.out / "labels"
    if data.is_file():
        folder = args.out / "data"
        if not (folder / "manifest.csv").exists():
            with zipfile.ZipFile(data) as packed:
                packed.extractall(folder)
        data = folder
        if (folder / "labels").exists():
            labels = folder / "labels"

    loading = ("--workers", args.workers, "--batch", args.batch)

    def train(network: str, *more: object, run: str | None = None) -> None:
        out = args.out / (run or network)
        if not (out / "final.pt").exists():
            where = ("--data", data, "--out", out)
            step("training.train", network, *where, *loading, *more, processes=args.processes)

    train("lite0-segmenter")
    train("accurate-detector")

    def label(labels: Path, *teachers: Path) -> tuple[object, ...]:
        if args.selfie and args.u2net and not (labels / "done").exists():
            peers = ("--selfie", args.selfie, "--u2net", args.u2net)
            step("training.pseudo_labels", data, *peers, "--teacher", *teachers, "--out", labels)
            (labels / "done").touch()
        return ("--labels", labels) if labels.exists() else ()

    soft = label(labels, args.out / "lite0-segmenter")
    last = "lite0-segmenter"
    for i, (phases, rate) in enumerate(LATER, 2):
        schedule = ("--phases", phases, "--lr", rate, "--seed", i + 1)
        run = f"lite0-segmenter-{i}"
        train("lite0-segmenter", *soft, "--start", args.out / last, *schedule, run=run)
        last = run

    def export(network: str, run: str, folder: Path) -> Path:
        model, part = network.split("-")
        weights = folder / model
        if not (weights / f"person_{part}.json").exists():
            step("training.export", network, "--run", args.out / run, "--data", data, "--out", weights)
        return weights / f"person_{part}_int8.tflite"

    def average(run: str, other: str, share: float, mean: str) -> None:
        if not (args.out / mean / "final.pt").exists():
            runs = (args.out / run, args.out / other)
            step("training.average", *runs, "--share", share, "--out", args.out / mean)

    final = args.out / "weights"
    detector = export("accurate-detector", "accurate-detector", final)
    better = label(args.out / "labels-2", args.out / last) or soft
    finder = ("--finder", final / "accurate")
    base = last
    for i, (origin, phases, rate, seed, share) in enumerate(AGAIN, 5):
        schedule = ("--phases", phases, "--lr", rate, "--seed", seed)
        run, mean = f"lite0-segmenter-{i}", f"lite0-segmenter-mean-{i}"
        train("lite0-segmenter", *better, *finder, "--start", args.out / origin, *schedule, run=run)
        average(base, run, share, mean)
        base = mean
    lite0 = "lite0-segmenter-mean"
    average(last, base, AGAIN_SHARE, lite0)
    segmenter = export("lite0-segmenter", lite0, final)

    base = lite0
    for i, (run, phases, rate, seed) in enumerate(FAST, 1):
        schedule = ("--phases", phases, "--lr", rate, "--seed", seed)
        taught = ("--start", args.out / base, "--teacher", segmenter, *schedule)
        train("fast-segmenter", *better, *finder, *taught, run=run)
        if i >= FAST_FROM_LITE0:
            mean = f"fast-segmenter-mean-{i}"
            average(FAST[0][0] if base == lite0 else base, run, FAST_SHARE, mean)
            base = mean
    imitate = (*soft, "--teacher", detector)
    train("fast-detector", *imitate, "--start", args.out / "accurate-detector", "--seed", 13)
    last = "fast-detector"
    for run, phases, rate, seed in FAST_DETECTOR:
        before, last = last, run
        schedule = ("--phases", phases, "--lr", rate, "--seed", seed)
        train("fast-detector", *imitate, "--start", args.out / before, *schedule, run=run)
    average(before, last, FAST_SHARE, "fast-detector-mean")
    train("accurate-segmenter", *better, *finder, *ACCURATE)

    larger = export("accurate-segmenter", "accurate-segmenter", args.out / "teachers")
    best = label(args.out / "labels-3", args.out / "accurate-segmenter", args.out / lite0) or better
    taught = ("--start", args.out / "accurate-segmenter", "--teacher", larger, segmenter, *TAUGHT)
    train("accurate-segmenter", *best, *finder, *taught, run="accurate-segmenter-2")
    average("accurate-segmenter", "accurate-segmenter-2", TAUGHT_SHARE, "accurate-segmenter-mean")
    export("accurate-segmenter", "accurate-segmenter-mean", final)
    export("fast-segmenter", base, final)
    export("fast-detector", "fast-detector-mean", final)

    peer = ("--peer", args.selfie, "--robustness") if args.selfie else ()
    for model in ("accurate", "fast"):
        step("benchmarks.accuracy", data, "--models", final / model, *peer)


if __name__ == "__main__":
    main()
