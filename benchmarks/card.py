"""Model cards: ``python -m benchmarks.card DATA`` writes them from the shipped weights and the data folder.

Each card stands beside its ``.tflite`` file. It states what the file is, what it was trained on, under which
terms, and its known limits. Scores are not the card's: they stand in docs/figures.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from training.library import background_files
from training.web import card_row
from upperbodyseg.models.interpreter import RUNTIMES
from upperbodyseg.models.spec import DETECTOR, MODELS, SEGMENTER, SEPARATOR, WEIGHTS, ModelSpec, load_spec

WHAT = {
    DETECTOR: "Finds people in a whole frame, as boxes.",
    SEGMENTER: "Says for every pixel of a region round a person how likely it shows a person.",
}
INPUT = {
    DETECTOR: "the whole frame, letterboxed into a square with grey (114) bars, a dark one made brighter",
    SEGMENTER: "a region round one or several people, stretched to a square, a dark one made brighter",
}
OUTPUT = {
    DETECTOR: "a cell of {stride} x {stride} input pixels, in two tensors: score 0-1 (the IoU its box is "
    "expected to have with a person) and the share of the cell that shows a person, 0-1; and the "
    "logarithms of the distances, in {unit:g} input pixels, from the cell's centre to the box's left, top, "
    "right and bottom edge. A detection's score is a mean of its cell's score and of the shares in its box. "
    "A frame shows people if one detection reaches the high threshold, {high_threshold}. Then all count that "
    "reach the low threshold, {low_threshold}, and the relative threshold, {relative_threshold} of the best "
    "score{penalty}",
    SEGMENTER: "probability 0-1 that the pixel shows a person, a cell of {stride} x {stride} input pixels, "
    "row by row",
}

IMAGENET = "from the ImageNet weights of {} (Apache-2.0)"
ORIGIN = {
    ("accurate", DETECTOR): IMAGENET.format("EfficientNet-Lite0"),
    ("accurate", SEGMENTER): IMAGENET.format("EfficientNet-Lite2"),
    (
        "fast",
        DETECTOR,
    ): "from the backbone of the accurate detector, by distillation of its scores, boxes and masks alone",
    ("fast", SEGMENTER): "from a larger segmenter, itself "
    + IMAGENET.format("EfficientNet-Lite0")
    + ", of which it has most layers, and whose masks were half of its target",
}

# Whose masks of unlabelled pictures the shipped weights learnt from.
TEACHERS = {
    ("accurate", SEGMENTER): "MediaPipe Selfie and MODNet",
    ("fast", DETECTOR): "MediaPipe Selfie, U2Net and MODNet",
    ("fast", SEGMENTER): "MediaPipe Selfie, U2Net and MODNet",
}

# Facts of the data folder's own description; the counts come from its manifest.
SOURCES = (
    (
        "people/picsart",
        "selfies and portraits with masks",
        "2018 PicsArt hackathon set; terms unknown",
    ),
    (
        "people/coco",
        "COCO val2017 photos with people; masks and boxes",
        "annotations CC BY 4.0; photos from Flickr, each under its own licence (below)",
    ),
    (
        "people/ccp",
        "street fashion with masks, at low weight",
        "Clothing Co-Parsing; repository Apache-2.0, photos unclear",
    ),
    (
        "unlabelled",
        "selfies, portraits, hair, webcams and groups, with masks made by this package's earlier models, "
        "{teachers} (Apache-2.0)",
        "CC0 (100), CC BY 4.0 (210), COCO (240), research sets and unknown terms (1,000)",
    ),
    ("cutouts/viton", "women, upper body, studio, as cut-outs", "VITON; licence unknown"),
    ("cutouts/headshots", "men, head and shoulders, as cut-outs", "league photos; no licence"),
    ("backgrounds/houses", "rooms without people", "Houses data set (Ahmed and Moustafa, 2016); no licence"),
    ("backgrounds/coco", "COCO photos without people", "COCO; per photo"),
    ("backgrounds/davis", "DAVIS-2016 frames without people", "CC BY 4.0"),
    ("backgrounds/dghant", "landscapes without people", "none stated"),
)

LIMITS = """\
- The women among the cut-outs are fashion models, the men athletes; headsets, wheelchairs, children,
  darkness and side views are rare. Expect worse masks there.
- A held object counts as person in the portraits and mostly not in the COCO pictures, so the
  segmenter is inconsistent about it.
- COCO's hand-drawn outlines are coarse; edges learnt from them are softer than those of portraits.
- Not made for, and not to be used for, telling who somebody is."""


def training_rows(data: Path) -> list[dict[str, str]]:
    """The manifest's rows that are trained on.

    Raises:
        SystemExit: the folder holds pictures that :data:`SOURCES` doesn't know.
    """
    with open(data / "manifest.csv", newline="", encoding="utf-8") as f:
        rows = [r for r in csv.DictReader(f) if r["split"] in ("train", "unlabelled")]
    folders = tuple(folder for folder, _, _ in SOURCES)
    strange = sorted({r["set"] for r in rows if not r["file"].startswith(folders)})
    if strange:
        raise SystemExit(
            f"expected sets that SOURCES of benchmarks/card.py describes, got {', '.join(strange)}: "
            "add their origin and licence there"
        )
    return rows


def provenance(data: Path, teachers: str = "", without: tuple[str, ...] = ()) -> str:
    """What a network was trained on, with origin and licence, but for some of the folders.

    Args:
        data: the data folder.
        teachers: networks whose masks of unlabelled pictures it learnt from; none if empty.
        without: folders.
    """
    rows = training_rows(data)
    held_out = set(background_files(data, held_out=True))
    lines = ["| pictures | number | origin and licence |", "|---|---|---|"]
    for folder, what, licence in SOURCES:
        if folder in without or (folder == "unlabelled" and not teachers):
            continue
        number = sum(r["file"].startswith(folder) and r["file"] not in held_out for r in rows)
        if number:
            lines.append(f"| {what.format(teachers=teachers)} | {number:,} | {licence} |")
    names = {
        "1": "CC BY-NC-SA",
        "2": "CC BY-NC",
        "3": "CC BY-NC-ND",
        "4": "CC BY",
        "5": "CC BY-SA",
        "6": "CC BY-ND",
        "7": "none known",
        "?": "not recorded",
        "coco per image": "not recorded here (COCO's annotations have it)",
    }
    coco = Counter(r["licence"].rsplit("-", 1)[-1] for r in rows if r["file"].startswith("people/coco"))
    lines.append("")
    lines.append(
        "Licences of the COCO photos with people: "
        + ", ".join(f"{n:,} {names.get(k, k)}" for k, n in sorted(coco.items()))
        + "."
    )
    return "\n".join(lines)


def file_rows(specs: Iterable[ModelSpec]) -> str:
    """The table's lines about a network's files."""
    return "\n".join(
        f"| for {s.runtime} | `{s.path.name}`, {s.path.stat().st_size:,} bytes, {s.precision}, "
        f"sha256 `{s.sha256}` |"
        for s in specs
    )


def card(folder: Path, name: str, data: Path) -> str:
    """The card of one network in a model's folder."""
    model = folder.name
    specs = [load_spec(name, runtime, folder) for runtime in RUNTIMES]
    spec = specs[0]
    _, height, width, _ = spec.input_shape
    values: dict[str, Any] = {
        "stride": spec.stride,
        "unit": spec.unit,
    }
    if spec.acceptance is not None:
        penalty = spec.acceptance.uncertainty_penalty
        values |= asdict(spec.acceptance)
        values["penalty"] = (
            f". The uncertainty penalty takes up to {penalty} off a score where the segmenter is uncertain"
            if penalty
            else ""
        )
    recipe = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))["recipe"]
    sources = provenance(data, TEACHERS[model, name] if recipe["pseudo_labels"] else "")
    phases = ", then ".join(
        f"{int(n):,} samples at {size} x {size}"
        for n, size in (phase.split("x") for phase in recipe["phases"].split(","))
    )
    earlier = (
        "the last training: from earlier weights, "
        if recipe["start"].startswith(f"{model}-{name.removeprefix('person_')}")
        else ""
    )
    mean = ", and then a mean with those of other trainings" if "share" in recipe else ""
    files = f"{file_rows(specs)}\n{card_row(model, name)}"
    return f"""# {spec.name} ({model}), version {spec.version}

{WHAT[spec.name]} Trained for upperbodyseg, {ORIGIN[model, name]}.
The recipe is in `training/experiments/lineage.md`. The files are licensed as the package is, Apache-2.0.
Whether training on the pictures below restricts their use is for the user to judge.

| | |
|---|---|
{files}
| parameters | {spec.parameters:,} |
| input | `{list(spec.input_shape)}`, BGR 0-255, as int8 less 128: {INPUT[spec.name]} ({width} x {height}) |
| output | `{list(spec.output_shape)}`: {OUTPUT[spec.name].format(**values)} |
| recipe | {earlier}{phases}, stopped at {recipe["stop"]:,}; AdamW, batch {recipe["batch"]}, \
learning rate {recipe["learning_rate"]} falling to 0 along a cosine; the \
weights' exponential moving average{mean}; seed {recipe["seed"]}, PyTorch \
{recipe["torch"]} on {recipe["device"]} |

## Trained on

The weights were trained in part on pictures of unknown or non-commercial terms.
`training/experiments/open-pictures.md` says what openly licensed pictures alone give. Origin and licence:

{sources}

## Scores

`docs/figures/accuracy.md` has the scores of both models together, by `python -m benchmarks.accuracy_tables`.

## Known limits

{LIMITS}
"""


def separator_card(folder: Path, data: Path) -> str:
    """The card of the separator."""
    specs = [load_spec(SEPARATOR, runtime, folder) for runtime in RUNTIMES]
    spec = specs[0]
    recipe = json.loads((folder / f"{SEPARATOR}.json").read_text(encoding="utf-8"))["recipe"]
    sources = provenance(data, without=("people/ccp",))
    trainings = [recipe]
    while "start" in trainings[0]:
        trainings.insert(0, trainings[0]["start"])
    phases = ", then ".join(
        f"{r['samples']:,} samples, {r['steps']:,} steps of {r['batch']} at a learning rate of "
        f"{r['learning_rate']} (seed {r['seed']})"
        for r in trainings
    )
    return f"""# {spec.name}, version {spec.version}

Says which of a mask's pixels are one person's, beside other people, and how well a box fits a person. It
serves both models. Trained for upperbodyseg, from nothing. The recipe is in
`training/train_separator.py`. The files are licensed as the package is, Apache-2.0. Whether training on the
pictures below restricts their use is for the user to judge.

| | |
|---|---|
{file_rows(specs)}
| parameters | {spec.parameters:,} |
| input | `{list(spec.input_shape)}`, 0-255, as int8 less 128: the box of a person and a quarter more on \
each side, as BGR, the mask there, and how deep in others' boxes a pixel lies, times how sure these are |
| output | `{list(spec.output_shape)}`: the person's share of each pixel, 0-1, a cell of \
{spec.stride} x {spec.stride} input pixels, row by row; last the box's expected IoU with a person's, 0-1, in \
the mean over all cells |
| recipe | {phases}; AdamW, each learning rate falling to 0 along a cosine; the weights' exponential moving \
average; PyTorch {recipe["torch"]} on {recipe["device"]} |

## Trained on

The weights were trained in part on pictures of unknown or non-commercial terms. Three quarters of the samples
are composites of cut-outs and portraits before people-free pictures. Boxes and masks in them are what both
models see. Origin and licence:

{sources}

## Scores

`docs/figures/people.md` has them, by `python -m benchmarks.people`. `docs/accuracy.md` has those of the
masks.

## Known limits

- People of whom the detector gives one box alone are told apart only where it gave weaker ones, too.
- In photos the labels don't say whose pixels are whose where boxes overlap. People who embrace were seen as
  composites alone.
- Not made for, and not to be used for, telling who somebody is.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("data", type=Path, help="folder with manifest.csv and boxes.csv")
    parser.add_argument("--weights", type=Path, default=WEIGHTS, help="folder of both models' folders")
    parser.add_argument("--check", action="store_true", help="only whether the sets' origins are known")
    args = parser.parse_args()
    if args.check:
        training_rows(args.data)
        return
    for model in MODELS:
        folder = args.weights / model
        for name in (DETECTOR, SEGMENTER):
            (folder / f"{name}.md").write_text(card(folder, name, args.data), encoding="utf-8")
    folder = args.weights / "separator"
    (folder / f"{SEPARATOR}.md").write_text(separator_card(folder, args.data), encoding="utf-8")


if __name__ == "__main__":
    main()
