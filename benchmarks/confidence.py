"""How sure a mask is: ``python -m benchmarks.confidence DATA``; with ``--fit`` the constants are set anew.

On the val pictures, masks at threshold 128. Confidence is fitted to the IoU itself, which a logistic model
can: the IoU is a share. Figures come from ten-fold cross-validation; what is written is fitted to all
pictures. The risk of a mask is 1 less its IoU. The area under the risk-coverage curve (Geifman et al. 2018,
AURC) is its mean over the most confident pictures, averaged over how many are taken; lower is better.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.figures import publish
from benchmarks.labelled import held_out_backgrounds, read_val
from upperbodyseg import FrameInput, ImageBuffer, ImageType, SegmenterOptions
from upperbodyseg.clock import Clock
from upperbodyseg.engine import DEFAULT_BLUR_SIGMA
from upperbodyseg.models.spec import DETECTOR, MODELS, WEIGHTS
from upperbodyseg.pipeline import Pipeline
from upperbodyseg.postprocess.confidence import LEAST_SOFTNESS, softness
from upperbodyseg.preprocess.pixel_format import open_frame

F64 = NDArray[np.float64]
FOLDS = 10
BAD = 0.8  # IoU below which a mask is bad
MISSED = 0.05  # of the masks that nobody looks at may be bad
BINS = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


@dataclass
class Observed:
    """What was seen in the val pictures and the held-out people-free ones.

    Attributes:
        people: a picture with accepted people each: best score, logarithm of the softness.
        iou: the masks' IoU, 0-1.
        scores: a picture without each: best score that did not suffice.
        nobody: whether nobody is there.
    """

    people: F64
    iou: F64
    scores: F64
    nobody: F64


def observe(data: Path, folder: Path) -> Observed:
    """Run the pair of models of a folder."""
    pipeline = Pipeline(SegmenterOptions(models_dir=folder))
    people: list[tuple[float, float]] = []
    iou: list[float] = []
    scores: list[float] = []
    nobody: list[float] = []

    def look(bgr: NDArray[np.uint8], truth: NDArray[np.bool_], ignore: NDArray[np.bool_]) -> None:
        frame = open_frame(ImageBuffer.view(bgr), ImageType.BGR_888, bgr.size)
        _, found = pipeline.segment_still(frame, Clock())
        if not found.persons:
            scores.append(found.overlapping[0].score if found.overlapping else 0.0)
            nobody.append(not truth.any())
            return
        soft = softness((seen.region, seen.mask) for seen in found.views)
        people.append((found.persons[0].score, math.log(soft + LEAST_SOFTNESS)))
        mask = pipeline.run(FrameInput.from_image(bgr), DEFAULT_BLUR_SIGMA, None).mask
        marked = (mask >= 128) & ~ignore
        union = int((marked | truth).sum())
        iou.append(int((marked & truth).sum()) / union if union else 1.0)

    for picture in read_val(data):
        look(picture.bgr, (picture.truth > 0) & ~picture.ignore, picture.ignore)
    for file, _, held_out in held_out_backgrounds(data):
        bgr = cv2.imread(str(data / file), cv2.IMREAD_COLOR) if held_out else None
        if bgr is not None:
            look(bgr, np.zeros(bgr.shape[:2], bool), np.zeros(bgr.shape[:2], bool))
    return Observed(np.array(people), np.array(iou), np.array(scores)[:, None], np.array(nobody, float))


def fit(features: F64, wanted: F64, penalty: float = 0.1) -> F64:
    """Weights and bias of a logistic model, by Newton's method; ``wanted`` 0-1."""
    x = np.column_stack([features, np.ones(len(features))])
    w = np.zeros(x.shape[1])
    ridge = penalty * np.diag([*np.ones(x.shape[1] - 1), 0.0])
    for _ in range(50):
        p = 1 / (1 + np.exp(-x @ w))
        slope = x.T @ (p - wanted) + ridge @ w
        w -= np.linalg.solve((x.T * (p * (1 - p) + 1e-9)) @ x + ridge + 1e-9 * np.eye(len(w)), slope)
    return w


def apply(w: F64, features: F64) -> F64:
    """The confidence of each row."""
    confidence: F64 = 1 / (1 + np.exp(-(features @ w[:-1] + w[-1])))
    return confidence


def cross_validated(features: F64, wanted: F64) -> F64:
    """The confidence of each row by a model that has not seen it."""
    order = np.random.default_rng(0).permutation(len(wanted))
    confidence = np.zeros(len(wanted))
    for fold in range(FOLDS):
        test = order[fold::FOLDS]
        train = np.setdiff1d(order, test)
        confidence[test] = apply(fit(features[train], wanted[train]), features[test])
    return confidence


def risk_coverage_area(confidence: F64, risk: F64) -> float:
    """Area under the risk-coverage curve."""
    in_order = risk[np.argsort(-confidence, kind="stable")]
    return float((in_order.cumsum() / np.arange(1, len(in_order) + 1)).mean())


def look_below(confidence: F64, iou: F64) -> float:
    """The lowest confidence from which on at most :data:`MISSED` of the masks are bad."""
    for threshold in np.arange(0.3, 0.99, 0.01):
        trusted = iou[confidence >= threshold]
        if trusted.size and (trusted < BAD).mean() <= MISSED:
            return round(float(threshold), 2)
    return 0.99


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--fit", action="store_true", help="write the constants to the descriptions")
    parser.add_argument("--weights", type=Path, default=WEIGHTS, help="folder of both models' folders")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    areas, constants, bins = [], [], []
    for model in MODELS:
        seen = observe(args.data, args.weights / model)
        confidence = cross_validated(seen.people, seen.iou)
        risk = 1 - seen.iou
        below = look_below(confidence, seen.iou)
        bad = seen.iou < BAD
        areas.append(
            f"| {model} | {100 * risk_coverage_area(confidence, risk):.2f} | "
            f"{100 * risk_coverage_area(seen.people[:, 0], risk):.2f} | "
            f"{100 * risk_coverage_area(seen.iou, risk):.2f} | {below:.2f} | "
            f"{100 * (confidence < below).mean():.0f} % | "
            f"{100 * (bad & (confidence < below)).sum() / bad.sum():.0f} % | "
            f"{100 * bad[confidence >= below].mean():.1f} % |"
        )
        for low, high in itertools.pairwise(BINS):
            inside = (confidence >= low) & (confidence < high)
            if inside.any():
                bins.append(
                    f"| {model} | {low:.1f} to {high:.1f} | {inside.sum()} | "
                    f"{100 * confidence[inside].mean():.1f} | "
                    f"{100 * seen.iou[inside].mean():.1f} |"
                )
        w, v = fit(seen.people, seen.iou), fit(seen.scores, seen.nobody)
        names = ("score", "softness", "bias", "nobody_score", "nobody_bias")
        fitted = {n: round(float(x), 4) for n, x in zip(names, (*w, *v), strict=True)} | {"look_below": below}
        constants.append(f"| {model} | " + " | ".join(str(x) for x in fitted.values()) + " |")
        if args.fit:
            file = args.weights / model / f"{DETECTOR}.json"
            described = json.loads(file.read_text(encoding="utf-8"))
            described["confidence"] = fitted
            file.write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")
    print(
        "| model | AURC, confidence | AURC, detector's score | AURC, the IoU itself | look below | "
        f"masks below | of the masks of IoU below {BAD} | such masks above |\n" + "|---" * 8 + "|"
    )
    print("\n".join(areas))
    print("\n| model | confidence | pictures | mean confidence, % | mean IoU |\n|---|---|---|---|---|")
    print("\n".join(bins))
    print(f"\n| constants | {' | '.join(fitted)} |\n|---|" + "---|" * len(fitted))
    print("\n".join(constants))


if __name__ == "__main__":
    publish(main, "confidence")
