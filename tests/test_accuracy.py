"""The shipped models on labelled pictures; skipped where those are not to be had."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.accuracy import THRESHOLD, Report, measure


@pytest.fixture(scope="module")
def report(labelled_data: Path) -> Report:
    return measure(labelled_data)


def test_portraits(report: Report) -> None:
    assert len(report.scores["PicsArt val"][THRESHOLD]) == 150
    assert report.mean("PicsArt val", THRESHOLD)[0] >= 93


def test_upper_bodies(report: Report) -> None:
    assert len(report.scores["COCO val, upper bodies"][THRESHOLD]) == 41
    assert report.mean("COCO val, upper bodies", THRESHOLD)[0] >= 72


def test_large_people_are_found(report: Report) -> None:
    assert report.large > 50
    assert report.recall >= 85


@pytest.mark.parametrize("pictures", ["never trained on", "all"])
def test_rooms_without_people_are_left_alone(report: Report, pictures: str) -> None:
    n, with_detection, marked = report.backgrounds[pictures]
    assert n > 100
    assert with_detection / n <= 0.05
    assert marked / n <= 0.05
