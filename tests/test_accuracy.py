"""The shipped models on labelled pictures; skipped where those, or a set of them, are not to be had.

The bounds are what was measured, less half a point (or one picture).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.accuracy import THRESHOLD, Report, mean_decidedness, measure
from benchmarks.labelled import BACKGROUNDS_EACH
from upperbodyseg import SegmenterOptions
from upperbodyseg.models.interpreter import choose_runtime

# IoU, boundary F1, boundary IoU in per cent, and the share of pictures missed.
MEASURED = {
    "accurate": {
        "PicsArt val": (96.09, 92.72, 77.92, 0.0),
        "COCO val, upper bodies": (80.95, 82.34, 61.53, 5.0),
        "COCO val, people on 10 % or more": (80.69, 82.37, 62.24, 4.9),
    },
    "fast": {
        "PicsArt val": (95.52, 91.63, 75.17, 0.0),
        "COCO val, upper bodies": (77.64, 77.13, 55.90, 5.0),
        "COCO val, people on 10 % or more": (75.20, 77.10, 56.52, 9.6),
    },
}
# How many pictures a set has.
PICTURES = {"PicsArt val": 150, "COCO val, upper bodies": 41, "COCO val, people on 10 % or more": 63}
# Interior, haze, soft and halo in per cent.
DECIDED = {
    "accurate": {"PicsArt val": (98.52, 3.37, 6.35, 16.67)},
    "fast": {"PicsArt val": (98.28, 4.89, 7.11, 18.64)},
}
# Share, in per cent, of the pixels of people on 10 % of the frame or more that lie inside the regions.
COVERAGE = {"accurate": {"COCO val, all": 98.99}, "fast": {"COCO val, all": 94.93}}
RECALL = {"accurate": 83.7, "fast": 75.6}
MARKED = {
    "accurate": {"rooms, held out": 1, "rooms, all": 2},
    "fast": {"rooms, held out": 3, "rooms, all": 7},
}
# Share in per cent, on pictures of animals that the shipped weights were not taught to leave alone.
MARKED_ANIMALS = {"accurate": 15.0, "fast": 30.0}


@pytest.fixture(scope="module", params=MEASURED)
def model(request: pytest.FixtureRequest) -> str:
    if request.param == "fast" and choose_runtime("auto") != "ai-edge-litert":
        pytest.skip("the figures of the fast model are those of its int8 files, on ai-edge-litert")
    return str(request.param)


@pytest.fixture(scope="module")
def report(labelled_data: Path, model: str) -> Report:
    return measure(labelled_data, SegmenterOptions(model=model))


def need(report: Report, name: str) -> None:
    if name not in report.scores:
        pytest.skip(f"the folder has no pictures of {name}")


@pytest.mark.parametrize("name", MEASURED["accurate"])
def test_masks_hold_their_figures(report: Report, model: str, name: str) -> None:
    *figures, missed = MEASURED[model][name]
    need(report, name)
    assert len(report.scores[name][THRESHOLD]) == PICTURES[name]
    for found, expected in zip(report.mean(name, THRESHOLD), figures, strict=True):
        assert found >= expected - 0.5
    assert report.missed(name, THRESHOLD) <= missed + 0.5


@pytest.mark.parametrize("name", DECIDED["accurate"])
def test_masks_stay_decided(report: Report, model: str, name: str) -> None:
    need(report, name)
    interior, *others = mean_decidedness(report.decided[name])
    least, *most = DECIDED[model][name]
    assert interior >= least - 0.5
    for found, measured in zip(others, most, strict=True):
        assert found <= measured + 0.5


@pytest.mark.parametrize("name", COVERAGE["accurate"])
def test_regions_hold_the_large_people(report: Report, model: str, name: str) -> None:
    need(report, name)
    assert report.coverage[name].total > 1_000_000
    assert 100 * report.coverage[name].share >= COVERAGE[model][name] - 0.5


def test_the_alpha_of_cutouts_is_measured_where_there_are_any(report: Report) -> None:
    if not report.alpha:
        pytest.skip("the folder's val split has no cut-outs with an alpha")
    assert len(report.alpha) % BACKGROUNDS_EACH == 0
    assert 0 < np.nanmean(report.alpha) < 0.2


def test_large_people_are_found(report: Report, model: str) -> None:
    need(report, "COCO val, all")
    assert report.large == 86
    assert report.recall >= RECALL[model] - 0.5


@pytest.mark.parametrize("pictures", ["rooms, held out", "rooms, all"])
def test_rooms_without_people_are_left_alone(report: Report, model: str, pictures: str) -> None:
    if pictures not in report.backgrounds:
        pytest.skip("the folder has no rooms")
    n, _, marked = report.backgrounds[pictures]
    assert n > 100
    assert marked <= MARKED[model][pictures] + 1


def test_animals_are_mostly_left_alone(report: Report, model: str) -> None:
    if "animals, all" not in report.backgrounds:
        pytest.skip("the folder holds no set of animals")
    n, _, marked = report.backgrounds["animals, all"]
    assert n > 100
    assert 100 * marked / n <= MARKED_ANIMALS[model]
