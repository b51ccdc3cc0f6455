"""Accuracy on a labelled data folder: ``python -m benchmarks.accuracy DATA --peer FILE``.

The whole pipeline, detector included, on the val pictures, scored in the original SDK's protocol
(:mod:`upperbodyseg.metrics`); and the detector by itself. ``DATA`` is a folder with
``manifest.csv`` and ``boxes.csv`` (see training/README.md). With ``--peer``, MediaPipe Selfie
Segmentation is scored on the same pictures by the same code; with ``--robustness``, both are on
pictures made worse (:mod:`benchmarks.corruptions`).
"""

from __future__ import annotations

import argparse
import csv
import platform
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.corruptions import CORRUPTIONS, held_object
from training.library import background_files
from upperbodyseg import (
    DetectedPerson,
    FrameInput,
    SegmentationOutput,
    SegmenterOptions,
    UpperBodySegmenter,
    __version__,
)
from upperbodyseg.evaluation.peers import MediaPipeSelfie
from upperbodyseg.metrics import ORIGINAL_THRESHOLD, Scores, score
from upperbodyseg.models.interpreter import available_runtimes, choose_runtime
from upperbodyseg.models.spec import MODELS

THRESHOLD = 128
LARGE = 0.10  # of the frame: people that the detector has to find
MARKED = 0.01  # of the frame: from here on a people-free picture counts as marked
# Sets of people-free pictures that show rooms, streets and landscapes above all. What others show, animals
# close to the camera, is harder: counted together, the many rooms would hide how often they are marked.
ROOM_SETS = frozenset({"houses", "coco-negatives", "davis", "dghant"})
MISSED = 0.5  # IoU below which a picture counts as missed

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Labelled:
    """A val picture with its labels."""

    file: str
    bgr: NDArray[np.uint8]
    truth: NDArray[np.uint8]
    ignore: NDArray[np.bool_]
    boxes: tuple[Box, ...]
    row: dict[str, str]


def _rows(file: Path) -> list[dict[str, str]]:
    with open(file, newline="", encoding="utf-8") as f:
        return list(csv.DictReader(f))


def read_val(data: Path) -> Iterator[Labelled]:
    """The labelled pictures of the val split."""
    boxes: dict[str, list[Box]] = defaultdict(list)
    for row in _rows(data / "boxes.csv"):
        x0, y0, x1, y1 = (float(row[k]) for k in ("x_min", "y_min", "x_max", "y_max"))
        if row["source"] == "annotation":
            boxes[row["file"]].append((x0, y0, x1, y1))
    for row in _rows(data / "manifest.csv"):
        if row["split"] != "val":
            continue
        bgr = cv2.imread(str(data / row["file"]), cv2.IMREAD_COLOR)
        label = cv2.imread(str(data / row["mask"]), cv2.IMREAD_GRAYSCALE)
        if bgr is None or label is None:
            raise SystemExit(f"can't read {row['file']} or its mask in {data}")
        truth = np.where(label == 255, 255, 0).astype(np.uint8)
        yield Labelled(row["file"], bgr, truth, label == 128, tuple(boxes[row["file"]]), row)


def held_out_backgrounds(data: Path) -> list[tuple[str, str, bool]]:
    """The people-free pictures: path, "rooms" or "animals", and whether it is held out from training."""
    sets = {row["file"]: row["set"] for row in _rows(data / "manifest.csv")}
    return [
        (file, "rooms" if sets[file] in ROOM_SETS else "animals", held_out)
        for held_out in (False, True)
        for file in background_files(data, held_out)
    ]


def box_iou(a: Box, b: Box) -> float:
    """Intersection over union of two boxes."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    both = max(width, 0.0) * max(height, 0.0)
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both
    return both / union if union else 0.0


def large_people(picture: Labelled) -> list[Box]:
    """Boxes that take up a tenth of the frame or more."""
    frame = picture.truth.size
    return [b for b in picture.boxes if (b[2] - b[0]) * (b[3] - b[1]) >= LARGE * frame]


def count_found(people: list[Box], found: tuple[DetectedPerson, ...]) -> int:
    """How many of the people have a box of their own with IoU 0.5 or more."""
    pairs = sorted(
        ((box_iou(p, d.box), i, j) for i, p in enumerate(people) for j, d in enumerate(found)), reverse=True
    )
    done_i: set[int] = set()
    done_j: set[int] = set()
    for iou, i, j in pairs:
        if iou >= 0.5 and i not in done_i and j not in done_j:
            done_i.add(i)
            done_j.add(j)
    return len(done_i)


SETS: dict[str, Callable[[Labelled], bool]] = {
    "PicsArt val": lambda p: p.row["set"] == "picsart",
    "COCO val, upper bodies": lambda p: p.row["set"] == "coco" and "upper-body" in p.row["tags"],
    "COCO val, people on 10 % or more": lambda p: (
        p.row["set"] == "coco" and float(p.row["person_fraction"]) >= LARGE
    ),
    "COCO val, all": lambda p: p.row["set"] == "coco",
}


def mean(scores: Sequence[Scores]) -> tuple[float, float, float]:
    """Mean IoU, boundary F1 and boundary IoU, in per cent."""
    columns = zip(*((s.iou, s.boundary_f1, s.boundary_iou) for s in scores), strict=True)
    iou, f1, boundary = (100 * float(np.mean(c)) for c in columns)
    return iou, f1, boundary


def missed(scores: Sequence[Scores]) -> float:
    """Share of the pictures with IoU below one half, in per cent."""
    return 100 * float(np.mean([s.iou < MISSED for s in scores]))


@dataclass
class Report:
    """What :func:`measure` found; masks' figures by set and threshold, in per cent."""

    scores: dict[str, dict[int, list[Scores]]]
    peer: dict[str, list[Scores]]  # MediaPipe Selfie's at THRESHOLD, by set; empty without one
    large: int
    large_found: int
    backgrounds: dict[str, tuple[int, int, int]]  # pictures, with a detection, with a marked mask
    peer_backgrounds: dict[str, tuple[int, int]]  # pictures, marked ones

    def mean(self, name: str, threshold: int) -> tuple[float, float, float]:
        """Mean IoU, boundary F1 and boundary IoU of a set, in per cent."""
        return mean(self.scores[name][threshold])

    def missed(self, name: str, threshold: int) -> float:
        """Share of a set's pictures with IoU below one half, in per cent."""
        return missed(self.scores[name][threshold])

    @property
    def recall(self) -> float:
        """Share of the large people that the detector found, in per cent."""
        return 100 * self.large_found / max(self.large, 1)


def process(engine: UpperBodySegmenter, bgr: NDArray[np.uint8]) -> SegmentationOutput:
    """A still BGR picture through the engine."""
    frame = FrameInput.from_array(bgr, is_still=True)
    return engine.process(frame)


def measure(
    data: Path, options: SegmenterOptions | None = None, peer: MediaPipeSelfie | None = None
) -> Report:
    """Run the pipeline on the val pictures and the people-free pictures of ``data``."""
    report = Report(
        {name: {THRESHOLD: [], ORIGINAL_THRESHOLD: []} for name in SETS},
        {name: [] for name in SETS} if peer else {},
        0,
        0,
        {},
        {},
    )
    with UpperBodySegmenter(options) as engine:
        for picture in read_val(data):
            output = process(engine, picture.bgr)
            theirs = peer(picture.bgr) if peer else None
            for name, belongs in SETS.items():
                if belongs(picture):
                    for threshold, scores in report.scores[name].items():
                        scores.append(score(output.mask, picture.truth, threshold, picture.ignore))
                    if theirs is not None:
                        report.peer[name].append(score(theirs, picture.truth, THRESHOLD, picture.ignore))
            if picture.row["set"] == "coco":
                people = large_people(picture)
                report.large += len(people)
                report.large_found += count_found(people, output.persons)
        counts: dict[str, list[int]] = {}
        for file, what, held_out in held_out_backgrounds(data):
            bgr = cv2.imread(str(data / file), cv2.IMREAD_COLOR)
            if bgr is None:
                raise SystemExit(f"can't read {data / file}")
            output = process(engine, bgr)
            facts = (True, bool(output.persons), is_marked(output.mask), peer and is_marked(peer(bgr)))
            for name in (f"{what}, held out", f"{what}, all")[0 if held_out else 1 :]:
                count = counts.setdefault(name, [0, 0, 0, 0])
                for i, fact in enumerate(facts):
                    count[i] += bool(fact)
        report.backgrounds = {name: (n, found, marked) for name, (n, found, marked, _) in counts.items()}
        if peer:
            report.peer_backgrounds = {name: (n, marked) for name, (n, _, _, marked) in counts.items()}
    return report


def is_marked(mask: NDArray[np.uint8]) -> bool:
    """Whether a people-free picture's mask marks more than a trace of it."""
    return float(np.mean(mask >= THRESHOLD)) > MARKED


ROBUSTNESS_SETS = ("PicsArt val", "COCO val, upper bodies")


def measure_robustness(
    data: Path, options: SegmenterOptions | None, peer: MediaPipeSelfie | None
) -> dict[str, dict[str, dict[str, list[Scores]]]]:
    """Scores at ``THRESHOLD`` by set, corruption ("none" first) and whose they are."""
    found: dict[str, dict[str, dict[str, list[Scores]]]] = {name: {} for name in ROBUSTNESS_SETS}
    with UpperBodySegmenter(options) as engine:
        methods: dict[str, Callable[[NDArray[np.uint8]], NDArray[np.uint8]]] = {
            "upperbodyseg": lambda bgr: process(engine, bgr).mask
        }
        if peer:
            methods[peer.name] = peer
        for picture in read_val(data):
            names = [n for n in ROBUSTNESS_SETS if SETS[n](picture)]
            if not names:
                continue
            worse = {"none": (picture.bgr, picture.ignore)}
            worse |= {kind: (spoil(picture.bgr), picture.ignore) for kind, spoil in CORRUPTIONS.items()}
            held, where = held_object(picture.bgr, picture.truth)
            worse["held object"] = (held, picture.ignore | where)
            for kind, (bgr, ignore) in worse.items():
                for who, method in methods.items():
                    mask = method(bgr)
                    if mask.shape != picture.truth.shape:
                        mask = cv2.resize(mask, picture.truth.shape[::-1], interpolation=cv2.INTER_LINEAR)  # type: ignore[assignment]
                    for name in names:
                        scores = found[name].setdefault(kind, {}).setdefault(who, [])
                        scores.append(score(mask, picture.truth, THRESHOLD, ignore))
    return found


def robustness_markdown(found: dict[str, dict[str, dict[str, list[Scores]]]]) -> str:
    """What each corruption costs, as Markdown tables."""
    lines = []
    for name, kinds in found.items():
        whose = list(kinds["none"])
        titles = " | ".join(f"{who}: IoU / boundary F1 / boundary IoU | IoU lost" for who in whose)
        lines += [f"| {name}, made worse by | {titles} |", "|---|" + "---|---|" * len(whose)]
        for kind, by_whom in kinds.items():
            cells = []
            for who in whose:
                iou, f1, boundary = mean(by_whom[who])
                lost = mean(kinds["none"][who])[0] - iou
                cells.append(f"{iou:.2f} / {f1:.2f} / {boundary:.2f} | {lost:.2f}")
            lines.append(f"| {kind} | {' | '.join(cells)} |")
        lines.append("")
    return "\n".join(lines)


def markdown(report: Report) -> str:
    """The report as Markdown tables."""
    lines = ["| pictures | n | threshold | mean IoU | boundary F1 | boundary IoU | missed (IoU < 0.5) |"]
    lines.append("|---|---|---|---|---|---|---|")
    for name, by_threshold in report.scores.items():
        for threshold, scores in by_threshold.items():
            iou, f1, boundary = report.mean(name, threshold)
            lines.append(
                f"| {name} | {len(scores)} | {threshold} | {iou:.2f} | {f1:.2f} | {boundary:.2f} "
                f"| {report.missed(name, threshold):.1f} % |"
            )
        if name in report.peer:
            iou, f1, boundary = mean(report.peer[name])
            lines.append(
                f"| {name}: MediaPipe Selfie | {len(report.peer[name])} | {THRESHOLD} | {iou:.2f} | {f1:.2f} "
                f"| {boundary:.2f} | {missed(report.peer[name]):.1f} % |"
            )
    lines += ["", "| detector | |", "|---|---|"]
    lines.append(
        f"| people of COCO val on 10 % of the frame or more, found (IoU >= 0.5) | "
        f"{report.large_found} of {report.large}, {report.recall:.1f} % |"
    )
    for name, (n, found, marked) in report.backgrounds.items():
        lines.append(f"| people-free, {name}: with a detection | {found} of {n}, {100 * found / n:.1f} % |")
        lines.append(
            f"| people-free, {name}: more than 1 % of the mask >= 128 | "
            f"{marked} of {n}, {100 * marked / n:.1f} % |"
        )
    for name, (n, marked) in report.peer_backgrounds.items():
        lines.append(
            f"| people-free, {name}: the same, MediaPipe Selfie | {marked} of {n}, {100 * marked / n:.1f} % |"
        )
    return "\n".join(lines)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to measure, and on which pictures."""
    parser.add_argument("data", type=Path, help="folder with manifest.csv and boxes.csv")
    parser.add_argument("--runtime", default="auto")
    parser.add_argument("--model", default=MODELS[0], choices=MODELS)
    parser.add_argument("--models", type=Path, help="folder with other weights")


def main() -> None:
    """Print the report."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    add_arguments(parser)
    parser.add_argument("--score-threshold", type=float)
    parser.add_argument("--peer", type=Path, help="selfie_segmentation.tflite, to score beside ours")
    parser.add_argument("--test-time-augmentation", action="store_true", help="two views of every region")
    parser.add_argument("--robustness", action="store_true", help="also on pictures made worse")
    args = parser.parse_args()
    options = SegmenterOptions(
        model=args.model,
        runtime=args.runtime,
        models_dir=args.models,
        score_threshold=args.score_threshold,
        test_time_augmentation=args.test_time_augmentation,
    )
    runtime = choose_runtime(args.runtime)
    peer = MediaPipeSelfie(args.peer) if args.peer else None
    print(markdown(measure(args.data, options, peer)))
    if args.robustness:
        print("\n" + robustness_markdown(measure_robustness(args.data, options, peer)))
    print(
        f"\nupperbodyseg {__version__}, {runtime} {available_runtimes()[runtime]}, OpenCV {cv2.__version__}, "
        f"Python {platform.python_version()}"
    )


if __name__ == "__main__":
    main()
