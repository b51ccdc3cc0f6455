"""Accuracy on a labelled data folder: ``python -m benchmarks.accuracy DATA --peer FILE``.

The whole pipeline, detector included, on the val pictures, scored in the original SDK's protocol
(:mod:`upperbodyseg.metrics`), and by how decided they are; the detector by itself; and the alpha of
cut-outs before rooms held out from training. ``DATA`` is a folder with ``manifest.csv`` and ``boxes.csv``
(see training/README.md); sets that it lacks are left out. With ``--peer``, MediaPipe Selfie
Segmentation is scored on the same pictures by the same code; with ``--robustness``, both are on
corrupted pictures (:mod:`benchmarks.corruptions`).
"""

from __future__ import annotations

import argparse
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.corruptions import CORRUPTIONS, held_object
from benchmarks.labelled import (
    LARGE,
    Labelled,
    count_found,
    held_out_backgrounds,
    large_people,
    large_people_alone,
    read_composites,
    read_val,
)
from upperbodyseg import (
    FrameInput,
    SegmentationOutput,
    SegmenterOptions,
    UpperBodySegmenter,
    __version__,
)
from upperbodyseg.evaluation.peers import MediaPipeSelfie
from upperbodyseg.metrics import (
    ORIGINAL_THRESHOLD,
    Coverage,
    Decidedness,
    Scores,
    alpha_error,
    coverage,
    decidedness,
    score,
)
from upperbodyseg.models.interpreter import available_runtimes, choose_runtime
from upperbodyseg.models.spec import MODELS

THRESHOLD = 128
MARKED = 0.01  # of the frame: from here on a people-free picture counts as marked
MISSED = 0.5  # IoU below which a picture counts as missed

SETS: dict[str, Callable[[Labelled], bool]] = {
    "EG1800 val": lambda p: p.row["set"] == "eg1800",
    "PicsArt val": lambda p: p.row["set"] == "picsart",
    "COCO val, upper bodies": lambda p: p.row["set"] == "coco" and "upper-body" in p.row["tags"],
    "COCO val, people on 10 % or more": lambda p: (
        p.row["set"] == "coco" and float(p.row["person_fraction"]) >= LARGE
    ),
    "COCO val, all": lambda p: p.row["set"] == "coco",
    "VOC val, people": lambda p: p.row["set"] == "voc",
}
COVERED_SETS = (
    "EG1800 val",
    "COCO val, all",
)  # where the regions have to hold people on 10 % of the frame or more
CUTOUTS = "cut-outs before rooms held out"


def mean(scores: Sequence[Scores]) -> tuple[float, float, float]:
    """Mean IoU, boundary F1 and boundary IoU, in per cent."""
    columns = zip(*((s.iou, s.boundary_f1, s.boundary_iou) for s in scores), strict=True)
    iou, f1, boundary = (100 * float(np.mean(c)) for c in columns)
    return iou, f1, boundary


def mean_decidedness(found: Sequence[Decidedness]) -> tuple[float, float, float, float]:
    """Mean interior, haze, soft and halo, in per cent, over the pictures that have each."""
    columns = zip(*((d.interior, d.haze, d.soft, d.halo) for d in found), strict=True)
    interior, haze, soft, halo = (100 * float(np.nanmean(c)) for c in columns)
    return interior, haze, soft, halo


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
    peer_original: dict[str, list[Scores]] = field(default_factory=dict)  # as peer, at ORIGINAL_THRESHOLD
    decided: dict[str, list[Decidedness]] = field(default_factory=dict)  # by set
    peer_decided: dict[str, list[Decidedness]] = field(default_factory=dict)
    coverage: dict[str, Coverage] = field(default_factory=dict)  # by set
    alpha: list[float] = field(default_factory=list)  # error of each composite, 0-1
    peer_alpha: list[float] = field(default_factory=list)

    def mean(self, name: str, threshold: int) -> tuple[float, float, float]:
        """Mean IoU, boundary F1 and boundary IoU of a set, in per cent."""
        return mean(self.scores[name][threshold])

    def missed(self, name: str, threshold: int) -> float:
        """Share of a set's pictures with IoU below one half, in per cent."""
        return missed(self.scores[name][threshold])

    @property
    def recall(self) -> float:
        """Share of the people on 10 % of the frame or more that the detector found, in per cent."""
        return 100 * self.large_found / max(self.large, 1)


def process(engine: UpperBodySegmenter, bgr: NDArray[np.uint8]) -> SegmentationOutput:
    """A still BGR picture through the engine."""
    frame = FrameInput.from_array(bgr, is_still=True)
    return engine.process(frame)


def measure(
    data: Path, options: SegmenterOptions | None = None, peer: MediaPipeSelfie | None = None
) -> Report:
    """Run the pipeline on the val pictures and the people-free pictures of ``data``."""
    report = Report({}, {}, 0, 0, {}, {})
    with UpperBodySegmenter(options) as engine:
        for picture in read_val(data):
            output = process(engine, picture.bgr)
            theirs = peer(picture.bgr) if peer else None
            for name in (name for name, belongs in SETS.items() if belongs(picture)):
                _score(report, name, picture, output, theirs)
            if picture.row["set"] == "coco":
                people = large_people(picture)
                report.large += len(people)
                report.large_found += count_found(people, output.persons)
        report.scores = {name: report.scores[name] for name in SETS if name in report.scores}
        report.decided = {name: report.decided[name] for name in SETS if name in report.decided}
        for composite in read_composites(data):
            report.alpha.append(alpha_error(process(engine, composite.bgr).mask, composite.alpha))
            if peer:
                report.peer_alpha.append(alpha_error(peer(composite.bgr), composite.alpha))
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


def _score(
    report: Report,
    name: str,
    picture: Labelled,
    output: SegmentationOutput,
    theirs: NDArray[np.uint8] | None,
) -> None:
    """Add a picture's figures to those of a set."""
    truth, ignore = picture.truth, picture.ignore
    by_threshold = report.scores.setdefault(name, {THRESHOLD: [], ORIGINAL_THRESHOLD: []})
    for threshold, scores in by_threshold.items():
        scores.append(score(output.mask, truth, threshold, ignore))
    report.decided.setdefault(name, []).append(decidedness(output.mask, truth, ignore))
    if name in COVERED_SETS:
        held = coverage(output.regions, large_people_alone(picture), ignore)
        report.coverage[name] = report.coverage.get(name, Coverage()) + held
    if theirs is not None:
        report.peer.setdefault(name, []).append(score(theirs, truth, THRESHOLD, ignore))
        report.peer_original.setdefault(name, []).append(score(theirs, truth, ORIGINAL_THRESHOLD, ignore))
        report.peer_decided.setdefault(name, []).append(decidedness(theirs, truth, ignore))


def is_marked(mask: NDArray[np.uint8]) -> bool:
    """Whether a people-free picture's mask marks more than a trace of it."""
    return float(np.mean(mask >= THRESHOLD)) > MARKED


ROBUSTNESS_SETS = ("EG1800 val", "PicsArt val", "COCO val, upper bodies")


def measure_robustness(
    data: Path, options: SegmenterOptions | None, peer: MediaPipeSelfie | None
) -> dict[str, dict[str, dict[str, list[Scores]]]]:
    """Scores at ``THRESHOLD`` by set, corruption ("none" first) and whose they are."""
    found: dict[str, dict[str, dict[str, list[Scores]]]] = {}
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
                        mask = cv2.resize(mask, picture.truth.shape[::-1], interpolation=cv2.INTER_LINEAR)
                    for name in names:
                        scores = found.setdefault(name, {}).setdefault(kind, {}).setdefault(who, [])
                        scores.append(score(mask, picture.truth, THRESHOLD, ignore))
    return found


def robustness_markdown(found: dict[str, dict[str, dict[str, list[Scores]]]]) -> str:
    """What each corruption costs, as Markdown tables."""
    lines = []
    for name, kinds in found.items():
        whose = list(kinds["none"])
        titles = " | ".join(f"{who}: IoU / boundary F1 / boundary IoU | IoU lost" for who in whose)
        lines += [f"| {name}, corrupted by | {titles} |", "|---|" + "---|---|" * len(whose)]
        for kind, by_whom in kinds.items():
            cells = []
            for who in whose:
                iou, f1, boundary = mean(by_whom[who])
                lost = mean(kinds["none"][who])[0] - iou
                cells.append(f"{iou:.2f} / {f1:.2f} / {boundary:.2f} | {lost:.2f}")
            lines.append(f"| {kind} | {' | '.join(cells)} |")
        lines.append("")
    return "\n".join(lines)


def soft_markdown(report: Report) -> list[str]:
    """How decided the masks are, and the error of the alpha, as Markdown tables."""
    lines = ["| pictures | interior | haze | soft | halo |", "|---|---|---|---|---|"]
    for name, found in report.decided.items():
        cells = " | ".join(f"{value:.2f}" for value in mean_decidedness(found))
        lines.append(f"| {name} | {cells} |")
        if name in report.peer_decided:
            cells = " | ".join(f"{value:.2f}" for value in mean_decidedness(report.peer_decided[name]))
            lines.append(f"| {name}: MediaPipe Selfie | {cells} |")
    if not report.alpha:
        return [*lines, "", "The folder's val split has no cut-out with an alpha: its error is left out."]
    lines += [
        "",
        "| alpha within 10 pixels of the edge at 256 x 256 | n | mean absolute error, % |",
        "|---|---|---|",
    ]
    lines.append(f"| {CUTOUTS} | {len(report.alpha)} | {100 * float(np.nanmean(report.alpha)):.2f} |")
    if report.peer_alpha:
        theirs = float(np.nanmean(report.peer_alpha))
        share = float(np.nanmean(report.alpha)) / theirs
        lines.append(f"| {CUTOUTS}: MediaPipe Selfie | {len(report.peer_alpha)} | {100 * theirs:.2f} |")
        lines.append(f"| {CUTOUTS}: share of MediaPipe Selfie's | | {100 * share:.1f} |")
    return lines


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
        for threshold, peers in ((THRESHOLD, report.peer), (ORIGINAL_THRESHOLD, report.peer_original)):
            if name in peers:
                iou, f1, boundary = mean(peers[name])
                lines.append(
                    f"| {name}: MediaPipe Selfie | {len(peers[name])} | {threshold} | {iou:.2f} | {f1:.2f} "
                    f"| {boundary:.2f} | {missed(peers[name]):.1f} % |"
                )
    lines += ["", *soft_markdown(report)]
    lines += ["", "| detector | |", "|---|---|"]
    if report.large:
        lines.append(
            f"| people of COCO val on 10 % of the frame or more, found (IoU >= 0.5) | "
            f"{report.large_found} of {report.large}, {report.recall:.1f} % |"
        )
    for name, held in report.coverage.items():
        lines.append(
            f"| {name}, people on 10 % of the frame or more: their pixels inside the segmented regions | "
            f"{100 * held.share:.2f} % |"
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
    parser.add_argument("--test-time-augmentation", action="store_true", help="segment the mirror image, too")
    parser.add_argument("--robustness", action="store_true", help="also on corrupted pictures")
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
