"""The weights of nearness: ``python -m benchmarks.nearness DATA``.

They say whether somebody is as near to the camera as the main person. On composites of the benchmark's kinds,
but of other seeds, every person beside the main one is measured. A logistic regression tells those who belong
to the main person from those who are far away. It prints constants for ``upperbodyseg/people/nearness.py``
and how often they are right in scenes that they were not fitted on; and how often those that are there are.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.composites import CutOuts, Scene, load, scenes
from benchmarks.people import iou
from upperbodyseg import FrameInput, SegmenterOptions, UpperBodySegmenter
from upperbodyseg.models.spec import MODELS, WEIGHTS
from upperbodyseg.people.crowd import Crowd
from upperbodyseg.people.found import Found
from upperbodyseg.people.leaving_out import OWN
from upperbodyseg.people.main_person import prominence
from upperbodyseg.people.nearness import BIAS, COEFFICIENTS, MEASURES, Figure, figure, measures
from upperbodyseg.people.ownership import Claim, are_close, claim_of
from upperbodyseg.people.separator import PersonSeparator, claimed
from upperbodyseg.people.unlisted import find_unlisted

KINDS = ("one near, one to three far", "couple", "child on the lap")
FIRST_SEED = 100  # the benchmark's is 0
SHOWN = 0.4  # IoU of somebody's pixels with a true person from which on it is them
SAME = 0.6  # share of somebody's pixels that are the main person's, too: a second box
FOLDS = 5
L2 = 0.01
STEPS = 60  # of Newton's method


class Example(NamedTuple):
    """Somebody beside the main person: which scene, their measures, and whether they are as near."""

    scene: int
    values: tuple[float, ...]
    near: bool


def examples(
    engine: UpperBodySegmenter, separator: PersonSeparator, scene: Scene, number: int
) -> Iterator[Example]:
    """Everybody beside the main person of a scene."""
    crowd = engine.process(FrameInput.from_image(scene.bgr))._crowd
    found = crowd._found if isinstance(crowd, Crowd) else None
    if found is None or not found.persons:
        return
    size = scene.bgr.shape[:2]
    persons = sorted(found.persons, key=lambda p: prominence(p.box, size), reverse=True)
    claims = [claim_of(separator, found, p.box) for p in persons]
    more, claims = find_unlisted(separator, found._replace(persons=tuple(persons)), claims)
    everybody = [*zip([*persons, *more], claims, strict=True)]
    (main, of_main), *others = everybody
    mains = claimed(of_main.share, found.views[of_main.view], OWN)
    truths = [alpha > 127 for alpha in scene.alphas]
    if nearest_to(truths, in_frame(found, of_main, mains, size))[0] not in scene.main:
        return
    one = figure(main.box, mains, found.views[of_main.view])
    for person, claim in others:
        theirs = claimed(claim.share, found.views[claim.view])
        shown = in_frame(found, claim, theirs, size)
        who, overlap = nearest_to(truths, shown)
        same = (shown & in_frame(found, of_main, mains, size)).sum() / max(shown.sum(), 1)
        if overlap < SHOWN or same >= SAME or not are_close(main.box, person.box):
            continue
        other: Figure = figure(person.box, theirs, found.views[claim.view])
        yield Example(number, measures(one, other), who in scene.main)


def in_frame(
    found: Found, claim: Claim, theirs: NDArray[np.bool_], size: tuple[int, int]
) -> NDArray[np.bool_]:
    """The same in the frame."""
    x0, y0, x1, y1 = found.views[claim.view].region.corners
    out = np.zeros(size, bool)
    shown = cv2.resize(theirs.view(np.uint8), (x1 - x0, y1 - y0), interpolation=cv2.INTER_NEAREST)
    out[y0:y1, x0:x1] = shown > 0
    return out


def nearest_to(truths: list[NDArray[np.bool_]], shown: NDArray[np.bool_]) -> tuple[int, float]:
    """Whom pixels show, and their IoU with them."""
    overlaps = [iou(shown, truth) for truth in truths]
    return int(np.argmax(overlaps)), max(overlaps)


def fit(x: NDArray[np.float64], near: NDArray[np.bool_]) -> tuple[NDArray[np.float64], float]:
    """Logistic regression with both classes of the same weight; weights and bias."""
    mean, spread = x.mean(0), x.std(0) + 1e-9
    z = np.c_[np.ones(len(x)), (x - mean) / spread]
    weight = np.where(near, 0.5 / near.mean(), 0.5 / (1 - near.mean()))
    ridge = L2 * len(x) * np.diag([0.0] + [1.0] * x.shape[1])
    b = np.zeros(z.shape[1])
    for _ in range(STEPS):
        p = 1 / (1 + np.exp(-z @ b))
        gradient = z.T @ (weight * (p - near)) + ridge @ b
        curvature = (z * (weight * p * (1 - p))[:, None]).T @ z + ridge
        b -= np.linalg.solve(curvature, gradient)
    weights = b[1:] / spread
    return weights, float(b[0] - weights @ mean)


def drawn(cutouts: CutOuts, count: int, seeds: int) -> list[Example]:
    """The examples of both models."""
    separator = PersonSeparator.load(WEIGHTS / MODELS[0])
    out: list[Example] = []
    for model in MODELS:
        with UpperBodySegmenter(SegmenterOptions(model=model)) as engine:
            for seed in range(FIRST_SEED, FIRST_SEED + seeds):
                for k, kind in enumerate(KINDS):
                    for i, scene in enumerate(scenes(cutouts, kind, count, seed)):
                        number = (seed * len(KINDS) + k) * count + i
                        out += examples(engine, separator, scene, number)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--scenes", type=int, default=60, help="of each kind and seed")
    parser.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    found = drawn(load(args.data), args.scenes, args.seeds)
    x, near = np.array([e.values for e in found]), np.array([e.near for e in found])
    fold = np.array([e.scene for e in found]) % FOLDS
    right = np.zeros(len(x), bool)
    for k in range(FOLDS):
        weights, bias = fit(x[fold != k], near[fold != k])
        right[fold == k] = (x[fold == k] @ weights + bias > 0) == near[fold == k]
    weights, bias = fit(x, near)
    print(f"{near.sum()} as near, {(~near).sum()} far; right in other scenes: ", end="")
    print(f"{100 * right[near].mean():.1f} and {100 * right[~near].mean():.1f} %")
    shipped = (x @ np.array(COEFFICIENTS) + BIAS > 0) == near
    print(f"those of the package: {100 * shipped[near].mean():.1f} and {100 * shipped[~near].mean():.1f} %")
    print(f"# {', '.join(MEASURES)}")
    print(f"COEFFICIENTS = ({', '.join(f'{w:.2f}' for w in weights)})\nBIAS = {bias:.2f}")


if __name__ == "__main__":
    main()
