"""People told apart, the main person alone, and identities: ``python -m benchmarks.people DATA``.

The scenes are composites with known masks (``benchmarks/composites.py``). Two thirds of their cut-outs are
among those that the networks learnt from; no background is. The COCO val pictures have boxes.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.composites import CutOuts, Scene, crossing, load, scenes
from benchmarks.figures import publish
from benchmarks.labelled import read_val
from upperbodyseg import DetectedPerson, FrameInput, SegmenterOptions, UpperBodySegmenter
from upperbodyseg.geometry import box_iou
from upperbodyseg.models.spec import MODELS

APART = ("two to four side by side", "couple")
MAIN = ("one near, one to three far", "portrait on the wall", "couple", "child on the lap")
FRAMES_A_MINUTE = 30 * 60
MATCHED = 0.3  # IoU of boxes from which on a person of a moving scene counts as seen

Mask = NDArray[np.bool_]


def iou(a: Mask, b: Mask) -> float:
    """Intersection over union; 1 where both are empty."""
    either = int((a | b).sum())
    return int((a & b).sum()) / either if either else 1.0


def matched(truths: Sequence[Mask], masks: Sequence[Mask]) -> list[float]:
    """The IoU of each true person with the mask that is theirs, 0 without one; the best pairs go first."""
    pairs = sorted(
        ((iou(t, m), i, k) for i, t in enumerate(truths) for k, m in enumerate(masks)), reverse=True
    )
    best = [0.0] * len(truths)
    rows: set[int] = set()
    columns: set[int] = set()
    for value, i, k in pairs:
        if i not in rows and k not in columns:
            best[i] = value
            rows.add(i)
            columns.add(k)
    return best


def still(bgr: NDArray[np.uint8]) -> FrameInput:
    """A picture as a still."""
    return FrameInput.from_image(bgr)


def masks_of(persons: Sequence[DetectedPerson]) -> list[Mask]:
    """Where each person's mask is person."""
    return [p.mask >= 128 for p in persons]


def people_apart(engine: UpperBodySegmenter, some: Sequence[Scene]) -> tuple[float, float, float]:
    """Mean IoU of true people: with ``persons``, with ``everyone``, and of those who are in ``persons``."""
    listed: list[float] = []
    everyone: list[float] = []
    for scene in some:
        output = engine.process(still(scene.bgr))
        truths = [alpha > 127 for alpha in scene.alphas]
        listed += matched(truths, masks_of(output.persons))
        everyone += matched(truths, masks_of(output.everyone))
    seen = [value for value in listed if value >= 0.5]
    return float(np.mean(listed)), float(np.mean(everyone)), float(np.mean(seen))


def main_alone(
    engine: UpperBodySegmenter, every: UpperBodySegmenter, some: Sequence[Scene]
) -> tuple[float, float, int]:
    """IoU of the main person among others, that in the picture without them, and masks without anybody."""
    among: list[float] = []
    alone: list[float] = []
    empty = 0
    for scene in some:
        assert scene.alone is not None
        truth = np.max([scene.alphas[i] for i in scene.main], 0) > 127
        whole = every.process(still(scene.alone)).mask >= 128
        mask = engine.process(still(scene.bgr)).mask >= 128
        alone.append(iou(whole, truth))
        among.append(iou(mask, truth))
        empty += bool(not mask.any() and every.process(still(scene.bgr)).mask.any())
    return float(np.mean(among)), float(np.mean(alone)), empty


def switches(engine: UpperBodySegmenter, cutouts: CutOuts, clips: int) -> tuple[float, float]:
    """Identities that change, a minute; and the share of the people who are seen."""
    changed = frames = seen = people = 0
    for seed in range(clips):
        engine.reset()
        last: dict[int, int] = {}
        for scene in crossing(cutouts, seed):
            frames += 1
            persons = engine.process(FrameInput.from_image(scene.bgr, is_still=False)).persons
            boxes = [cv2.boundingRect((alpha > 127).view(np.uint8)) for alpha in scene.alphas]
            truths = [(x, y, x + w, y + h) for x, y, w, h in boxes]
            pairs = sorted(
                ((box_iou(t, p.box), i, p.id) for i, t in enumerate(truths) for p in persons), reverse=True
            )
            done: set[int] = set()
            taken: set[int] = set()
            people += len(truths)
            for overlap, i, number in pairs:
                if overlap < MATCHED or i in done or number in taken:
                    continue
                done.add(i)
                taken.add(number)
                changed += last.get(i, number) != number
                last[i] = number
            seen += len(done)
    return changed / frames * FRAMES_A_MINUTE, seen / people


def in_own_boxes(engine: UpperBodySegmenter, data: Path) -> tuple[float, int, int, int]:
    """COCO val: share of a mask in its own labelled box, people; and portraits split, of how many."""
    shares = []
    split = portraits = 0
    for picture in read_val(data):
        output = engine.process(still(picture.bgr))
        if picture.row["set"] == "picsart":
            portraits += 1
            split += len(output.everyone) > 1
            continue
        if len(output.persons) < 2:
            continue
        for person in output.persons:
            own = max(picture.boxes, key=lambda b: box_iou(b, person.box), default=None)
            if own is None or box_iou(own, person.box) < 0.5:
                continue
            mask = (person.mask >= 128) & ~picture.ignore
            if mask.any():
                x0, y0, x1, y1 = (max(round(v), 0) for v in own)
                shares.append(float(mask[y0:y1, x0:x1].sum() / mask.sum()))
    return float(np.mean(shares)), len(shares), split, portraits


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--scenes", type=int, default=200, help="of each kind")
    parser.add_argument("--clips", type=int, default=20, help="of three seconds")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", choices=MODELS, action="append")
    parser.add_argument("--models", type=Path, help="folder of other weights")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    cutouts = load(args.data)
    models = args.model or MODELS
    engines = {}
    for model in models:
        for people in ("all", "main"):
            options = SegmenterOptions(model=model, people=people, models_dir=args.models)
            engines[model, people] = UpperBodySegmenter(options)
            engines[model, people].initialize()
    print("| composites | model | IoU per person, `everyone` | `persons` | of those who are seen |")
    print("|---|---|---|---|---|")
    for kind in APART:
        some = list(scenes(cutouts, kind, args.scenes, args.seed))
        for model in models:
            listed, everyone, seen = people_apart(engines[model, "all"], some)
            print(
                f"| {kind} | {model} | {100 * everyone:.1f} | {100 * listed:.1f} | {100 * seen:.1f} |",
                flush=True,
            )
    print("\n| composites | model | IoU of the main person | without the others | share | left empty |")
    print("|---|---|---|---|---|---|")
    for kind in MAIN:
        some = list(scenes(cutouts, kind, args.scenes, args.seed))
        for model in models:
            among, alone, empty = main_alone(engines[model, "main"], engines[model, "all"], some)
            print(
                f"| {kind} | {model} | {100 * among:.1f} | {100 * alone:.1f} | {100 * among / alone:.1f} % | "
                f"{empty} of {len(some)} |",
                flush=True,
            )
    print(
        "\n| model | identities switched a minute, crossing people | seen | "
        "COCO val: share of a mask in its own box | portraits split |"
    )
    print("|---|---|---|---|---|")
    for model in models:
        changed, seen = switches(engines[model, "all"], cutouts, args.clips)
        share, inside, split, portraits = in_own_boxes(engines[model, "all"], args.data)
        print(
            f"| {model} | {changed:.1f} | {100 * seen:.1f} % | {100 * share:.1f} % of {inside} | "
            f"{split} of {portraits} |",
            flush=True,
        )


if __name__ == "__main__":
    publish(main, "people")
