"""Video files in a camera's place."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from clips import U8, make, turn

from upperbodyseg import InputError
from upperbodyseg.webcam import FrameSource


@pytest.mark.parametrize(
    ("matrix", "lay"),
    [
        ((0, 1, -1, 0), lambda p: np.rot90(p, 1)),
        ((0, -1, 1, 0), lambda p: np.rot90(p, -1)),
        ((-1, 0, 0, -1), lambda p: np.rot90(p, 2)),
    ],
    ids=["90", "-90", "180"],
)
def test_turned_files_are_shown_upright(
    matrix: tuple[int, ...], lay: Any, tmp_path: Path, pictures: list[U8]
) -> None:
    upright = np.ascontiguousarray(pictures[0][:, :128])
    held = [np.ascontiguousarray(lay(upright))] * 3
    source = turn(make(tmp_path / "in.mp4", held, rate=Fraction(100)), matrix)
    with FrameSource(source) as frames:
        for _ in range(5):  # into the second round
            shown = frames.read().bgr
            assert shown.shape == upright.shape
            assert cv2.PSNR(np.ascontiguousarray(shown), upright) > 28


def test_files_with_too_many_pixels_are_refused(tmp_path: Path, pictures: list[U8]) -> None:
    source = make(tmp_path / "in.mp4", pictures[:2])
    with pytest.raises(InputError, match="160 x 120"):
        FrameSource(source, max_pixels=10_000)
