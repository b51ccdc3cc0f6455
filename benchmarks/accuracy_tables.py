"""The documentation's tables of accuracy: ``python -m benchmarks.accuracy_tables DATA --peer FILE``.

Both models beside MediaPipe Selfie, scored by :mod:`benchmarks.accuracy` on the same pictures in one run.
``--write docs/figures`` writes ``accuracy.md``, ``robustness.md`` and ``augmentation.md`` there.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.accuracy import (
    THRESHOLD,
    Report,
    mean,
    mean_decidedness,
    measure,
    measure_robustness,
    missed,
)
from benchmarks.figures import write
from upperbodyseg import SegmenterOptions
from upperbodyseg.evaluation.peers import MediaPipeSelfie
from upperbodyseg.metrics import Scores
from upperbodyseg.models.spec import MODELS


def rows(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table."""
    table = [heads, ["---"] * len(heads), *lines]
    return ["| " + " | ".join(line) + " |" for line in table] + [""]


def three(scores: Sequence[Scores]) -> str:
    """IoU, boundary F1 and boundary IoU in one cell, in per cent."""
    return " / ".join(f"{value:.2f}" for value in mean(scores))


def share(part: int, whole: int) -> str:
    """A count with its share in per cent."""
    return f"{part} of {whole}, {100 * part / max(whole, 1):.1f} %"


def decidedness_lines(reports: dict[str, Report], peer: str) -> list[str]:
    """How decided the masks are, by set and whose they are."""
    first = reports[MODELS[0]]
    lines = []
    for name in first.decided:
        of = [(model, report.decided[name]) for model, report in reports.items()]
        if name in first.peer_decided:
            of.append((peer, first.peer_decided[name]))
        lines += [[name, who, *(f"{value:.2f}" for value in mean_decidedness(found))] for who, found in of]
    return rows(["pictures", "masks", "interior", "haze", "soft", "halo"], lines)


def accuracy_table(reports: dict[str, Report], peer: str) -> str:
    """Masks by set, whose they are and threshold; then detections and people-free pictures."""
    first = reports[MODELS[0]]
    masks = []
    for name, by_threshold in first.scores.items():
        pictures = f"{name} ({len(by_threshold[THRESHOLD])})"
        of = [(model, t, report.scores[name][t]) for model, report in reports.items() for t in by_threshold]
        if first.peer:
            of.append((peer, THRESHOLD, first.peer[name]))
        for who, threshold, scores in of:
            values = [f"{value:.2f}" for value in mean(scores)]
            masks.append([pictures, who, str(threshold), *values, f"{missed(scores):.1f} %"])
    heads = [
        "pictures",
        "masks",
        "threshold",
        "mean IoU",
        "boundary F1",
        "boundary IoU",
        "missed (IoU < 0.5)",
    ]
    lines = rows(heads, masks)
    lines += decidedness_lines(reports, peer)
    counts = [
        ["people of COCO val on 10 % of the frame or more, detected (IoU >= 0.5)"]
        + [share(report.large_found, report.large) for report in reports.values()]
        + [""]
    ]
    for name in first.coverage:
        held = [f"{100 * report.coverage[name].share:.2f} %" for report in reports.values()]
        counts.append([f"{name}, people on 10 % of the frame or more: pixels inside the regions", *held, ""])
    if first.alpha:
        errors = [f"{100 * np.nanmean(report.alpha):.2f} %" for report in reports.values()]
        theirs = f"{100 * np.nanmean(first.peer_alpha):.2f} %" if first.peer_alpha else ""
        counts.append(["cut-outs: mean absolute error of the alpha near the edge", *errors, theirs])
    for name, (n, *_) in first.backgrounds.items():
        found = [share(report.backgrounds[name][1], n) for report in reports.values()]
        marked = [share(report.backgrounds[name][2], n) for report in reports.values()]
        theirs = share(first.peer_backgrounds[name][1], n) if first.peer_backgrounds else ""
        counts.append([f"people-free, {name}: with a detection", *found, ""])
        counts.append([f"people-free, {name}: more than 1 % of the mask >= {THRESHOLD}", *marked, theirs])
    return "\n".join(lines + rows(["detections and people-free pictures", *reports, peer], counts))


def robustness_table(found: dict[str, dict[str, dict[str, dict[str, list[Scores]]]]]) -> str:
    """IoU on corrupted pictures and its loss against clean ones; ``found`` by model, set, corruption."""
    lines = []
    for name, kinds in found[MODELS[0]].items():
        whose = [(model, "upperbodyseg", model) for model in found]
        whose += [(MODELS[0], who, who) for who in kinds["none"] if who != "upperbodyseg"]
        table = []
        for kind in (k for k in kinds if k != "none"):  # the clean ones stand in the table of accuracy
            cells = [kind]
            for model, who, _ in whose:
                scores = found[model][name]
                iou = mean(scores[kind][who])[0]
                cells.append(f"{iou:.2f} ({mean(scores['none'][who])[0] - iou:.2f})")
            table.append(cells)
        lines += rows([f"{name}, IoU (lost)", *(title for *_, title in whose)], table)
    return "\n".join(lines)


def augmentation_table(reports: dict[str, Report], augmented: dict[str, Report]) -> str:
    """Masks with test-time augmentation, and the IoU that they gain by it."""
    lines = []
    for name in reports[MODELS[0]].scores:
        cells = [name]
        for model, report in augmented.items():
            scores = report.scores[name][THRESHOLD]
            gain = mean(scores)[0] - mean(reports[model].scores[name][THRESHOLD])[0]
            cells.append(f"{three(scores)} ({gain:+.2f})")
        lines.append(cells)
    return "\n".join(rows(["IoU / boundary F1 / boundary IoU (IoU gained)", *augmented], lines))


def main() -> None:
    """Print the tables, and write them where asked."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("data", type=Path, help="folder with manifest.csv and boxes.csv")
    parser.add_argument("--peer", type=Path, required=True, help="MediaPipe's selfie_segmentation.tflite")
    parser.add_argument("--write", type=Path, metavar="FOLDER", help="write the tables there, as Markdown")
    args = parser.parse_args()
    peer = MediaPipeSelfie(args.peer)
    options = {model: SegmenterOptions(model=model) for model in MODELS}
    once = {model: peer if model == MODELS[0] else None for model in MODELS}
    reports = {model: measure(args.data, options[model], once[model]) for model in MODELS}
    tables = {"accuracy": accuracy_table(reports, peer.name)}
    print(tables["accuracy"], flush=True)
    worse = {model: measure_robustness(args.data, options[model], once[model]) for model in MODELS}
    tables["robustness"] = robustness_table(worse)
    print(tables["robustness"], flush=True)
    augmented = {
        model: measure(args.data, SegmenterOptions(model=model, test_time_augmentation=True))
        for model in MODELS
    }
    tables["augmentation"] = augmentation_table(reports, augmented)
    print(tables["augmentation"])
    if args.write:
        for name, table in tables.items():
            write(args.write, name, table)


if __name__ == "__main__":
    main()
