"""From pictures to weights in one go: ``python -m training.run DATA --out runs``.

The accurate networks, pseudo-labels, the fast networks, which the accurate ones teach, export, accuracy;
``DATA`` is the data folder or the file that ``training.pack`` made of it. What is done already in
``--out`` is not done again, and a training that was cut off goes on from its checkpoint: start the same
command again. Without ``--selfie`` and ``--u2net`` the pseudo-labels are left out, unless the packed file
has them.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import zipfile
from pathlib import Path

# Both segmenters go on, now both with pseudo-labels: samples, sizes and highest learning rate of each run.
LATER = {
    "accurate-segmenter": (("40000x192,12000x256", 5e-4), ("11000x256", 2.5e-4), ("52000x256", 4e-4)),
    "fast-segmenter": (("110000x192,60000x256", 1.2e-3), ("38000x256", 6e-4), ("64000x256", 8e-4)),
}
# Then the fast ones, taught by the accurate pair, and both once more.
FAST = ("--phases", "90000x256", "--lr", 8e-4, "--seed", 6)
FAST_LAST = ("--phases", "120000x256", "--lr", 9e-4, "--seed", 21)
SHARE = 0.3  # of the fast segmenter's last training in its weights
# At last the accurate segmenter goes on from means of what was there, with better masks of the unlabelled
# pictures: where from, samples and sizes, highest learning rate, seed, and its share in the next mean.
AGAIN = (
    ("accurate-segmenter-4", "20000x224,20000x256", 4e-4, 41, 0.5),
    ("accurate-segmenter-mean-5", "36000x256", 4e-4, 42, 0.5),
    ("accurate-segmenter-mean-5", "20000x256", 3e-4, 43, 0.33),
)
AGAIN_SHARE = 0.7  # of the last of these means in the weights; the rest is what they set out from
DETECTOR_LAST = ("--phases", "240000x128", "--lr", 1.5e-3, "--seed", 21)


def step(module: str, *arguments: object) -> None:
    command = [sys.executable, "-m", module, *map(str, arguments)]
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
    teacher = args.out / "accurate-segmenter"

    def train(network: str, *more: object, run: str | None = None) -> None:
        out = args.out / (run or network)
        if not (out / "final.pt").exists():
            step("training.train", network, "--data", data, "--out", out, *more, *loading)

    train("accurate-segmenter")
    train("accurate-detector")

    def label(teacher: Path, labels: Path) -> None:
        if args.selfie and args.u2net and not (labels / "done").exists():
            peers = ("--selfie", args.selfie, "--u2net", args.u2net)
            step("training.pseudo_labels", data, *peers, "--teacher", teacher, "--out", labels)
            (labels / "done").touch()

    label(teacher, labels)
    soft = ("--labels", labels) if labels.exists() else ()
    train("fast-segmenter", *soft, "--start", teacher)
    last = {network: network for network in LATER}

    for network, trainings in LATER.items():
        for i, (phases, rate) in enumerate(trainings, 2):
            schedule = ("--phases", phases, "--lr", rate, "--seed", i + 1)
            train(network, *soft, "--start", args.out / last[network], *schedule, run=f"{network}-{i}")
            last[network] = f"{network}-{i}"

    def export(network: str, run: str, folder: Path) -> Path:
        model, part = network.split("-")
        weights = folder / model
        if not (weights / f"person_{part}.json").exists():
            step("training.export", network, "--run", args.out / run, "--data", data, "--out", weights)
        return weights / f"person_{part}_int8.tflite"

    def taught(network: str, teacher: Path, start: str, run: str, *more: object) -> None:
        train(network, *soft, "--start", args.out / start, "--teacher", teacher, *more, run=run)

    first, final = args.out / "teachers", args.out / "weights"
    segmenter = export("accurate-segmenter", last["accurate-segmenter"], first)
    detector = export("accurate-detector", "accurate-detector", first)
    taught("fast-segmenter", segmenter, last["fast-segmenter"], "fast-segmenter-5", *FAST)
    taught("fast-detector", detector, "accurate-detector", "fast-detector", "--seed", 13)
    for network, run in (("fast-segmenter", "fast-segmenter-5"), ("fast-detector", "fast-detector")):
        export(network, run, first)
    second = ("--selfie", args.selfie) if args.selfie else ()
    finder = ("--finder", first / "fast")
    taught("fast-segmenter", segmenter, "fast-segmenter-5", "fast-segmenter-6", *second, *finder, *FAST_LAST)

    def average(run: str, other: str, share: float, mean: str) -> None:
        if not (args.out / mean / "final.pt").exists():
            runs = (args.out / run, args.out / other)
            step("training.average", *runs, "--share", share, "--out", args.out / mean)

    average("fast-segmenter-5", "fast-segmenter-6", SHARE, "fast-segmenter-mean")
    taught("fast-detector", detector, "fast-detector", "fast-detector-2", *DETECTOR_LAST)

    better = args.out / "labels-2"
    label(args.out / last["accurate-segmenter"], better)
    soft = ("--labels", better) if better.exists() else soft
    base = last["accurate-segmenter"]
    for i, (origin, phases, rate, seed, share) in enumerate(AGAIN, 5):
        schedule = ("--phases", phases, "--lr", rate, "--seed", seed, "--finder", first / "accurate")
        run, mean = f"accurate-segmenter-{i}", f"accurate-segmenter-mean-{i}"
        train("accurate-segmenter", *soft, "--start", args.out / origin, *schedule, run=run)
        average(base, run, share, mean)
        base = mean

    average(last["accurate-segmenter"], base, AGAIN_SHARE, "accurate-segmenter-mean")

    for network, run in (
        ("accurate-segmenter", "accurate-segmenter-mean"),
        ("accurate-detector", "accurate-detector"),
        ("fast-segmenter", "fast-segmenter-mean"),
        ("fast-detector", "fast-detector-2"),
    ):
        export(network, run, final)

    peer = ("--peer", args.selfie, "--robustness") if args.selfie else ()
    for model in ("accurate", "fast"):
        step("benchmarks.accuracy", data, "--models", final / model, *peer)


if __name__ == "__main__":
    main()
