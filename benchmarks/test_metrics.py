"""How fast the metrics are: all figures of one 256 x 256 picture, as `upperbodyseg evaluate` takes them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from upperbodyseg.metrics import ORIGINAL_THRESHOLD, Scores, boundary_iou, confusion, davis_f, score


@pytest.mark.benchmark(group="metrics")
def test_all_figures(benchmark: BenchmarkFixture) -> None:
    rng = np.random.default_rng(0)
    soft = cv2.GaussianBlur(rng.normal(size=(256, 256)).astype(np.float32), (0, 0), 20)
    mask = np.where(soft > 0, 255, 0).astype(np.uint8)
    truth = np.roll(mask, 4, 1)

    def figures() -> Scores:
        confusion(mask, truth)
        boundary_iou(mask, truth)
        davis_f(mask, truth)
        score(mask, truth)
        return score(mask, truth, ORIGINAL_THRESHOLD)

    assert 0.5 < benchmark(figures).iou < 1
