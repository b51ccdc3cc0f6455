"""The labelled pictures to measure on: the val split of a data folder, and what is made of it.

The folder has ``manifest.csv`` and ``boxes.csv`` (see training/README.md). A set that it lacks is left out.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from training.library import background_files
from upperbodyseg import DetectedPerson
from upperbodyseg.geometry import Box, box_iou

LARGE = 0.10  # of the frame: people that the detector has to find
# Sets of people-free pictures that show rooms, streets and landscapes above all. What others show, animals
# close to the camera, is harder: counted together, the many rooms would hide how often they are marked.
ROOM_SETS = frozenset({"houses", "coco-negatives", "davis", "dghant"})
# Sets of pictures whose mask is a soft alpha: their people are cut out with it.
ALPHA_SETS = frozenset({"congress"})
BACKGROUNDS_EACH = 2  # behind each cut-out


@dataclass(frozen=True)
class Labelled:
    """A val picture with its labels."""

    file: str
    bgr: NDArray[np.uint8]
    truth: NDArray[np.uint8]
    ignore: NDArray[np.bool_]
    boxes: tuple[Box, ...]
    row: dict[str, str]


def _rows(file: Path) -> list[dict[str, str]]:
    with open(file, newline="", encoding="utf-8") as f:
        return list(csv.DictReader(f))


def _is_cutout(data: Path, row: dict[str, str]) -> bool:
    return row["set"] in ALPHA_SETS or not (data / row["mask"]).is_file()


def read_val(data: Path) -> Iterator[Labelled]:
    """The labelled pictures of the val split."""
    boxes: dict[str, list[Box]] = defaultdict(list)
    for row in _rows(data / "boxes.csv"):
        x0, y0, x1, y1 = (float(row[k]) for k in ("x_min", "y_min", "x_max", "y_max"))
        if row["source"] == "annotation":
            boxes[row["file"]].append((x0, y0, x1, y1))
    for row in _rows(data / "manifest.csv"):
        if row["split"] != "val" or _is_cutout(data, row):
            continue
        bgr = cv2.imread(str(data / row["file"]), cv2.IMREAD_COLOR)
        label = cv2.imread(str(data / row["mask"]), cv2.IMREAD_GRAYSCALE)
        if bgr is None or label is None:
            raise SystemExit(f"can't read {row['file']} or its mask in {data}")
        truth = np.where(label == 255, 255, 0).astype(np.uint8)
        yield Labelled(row["file"], bgr, truth, label == 128, tuple(boxes[row["file"]]), row)


def held_out_backgrounds(data: Path) -> list[tuple[str, str, bool]]:
    """The people-free pictures: path, "rooms" or "animals", and whether it is held out from training."""
    sets = {row["file"]: row["set"] for row in _rows(data / "manifest.csv")}
    return [
        (file, "rooms" if sets[file] in ROOM_SETS else "animals", held_out)
        for held_out in (False, True)
        for file in background_files(data, held_out)
    ]


@dataclass(frozen=True)
class Composite:
    """Somebody cut out of a val picture, laid over a background that is held out from training."""

    file: str
    background: str
    bgr: NDArray[np.uint8]
    alpha: NDArray[np.uint8]


def _read_cutout(data: Path, row: dict[str, str]) -> NDArray[np.uint8]:
    """BGRA of a val picture that has an alpha, in itself or as its mask."""
    picture = cv2.imread(str(data / row["file"]), cv2.IMREAD_UNCHANGED)
    if picture is not None and picture.ndim == 3 and picture.shape[2] == 4:
        return picture
    alpha = cv2.imread(str(data / row["mask"]), cv2.IMREAD_GRAYSCALE)
    if picture is None or picture.ndim != 3 or alpha is None or alpha.shape != picture.shape[:2]:
        raise SystemExit(
            f"expected {row['file']} in {data} with an alpha or a soft mask of its size, got none"
        )
    return np.dstack([picture, alpha])


def _behind(picture: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """The middle of a picture, scaled so that it just covers the size."""
    h, w = picture.shape[:2]
    scale = max(height / h, width / w)
    ch, cw = min(round(height / scale), h), min(round(width / scale), w)
    y, x = (h - ch) // 2, (w - cw) // 2
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return cv2.resize(picture[y : y + ch, x : x + cw], (width, height), interpolation=how)


def read_composites(data: Path) -> Iterator[Composite]:
    """Every cut-out of the val split before two rooms that are held out, the same ones in every run.

    Cut-outs in the manifest's order take the rooms in theirs, each the next two.
    """
    rooms = [file for file, what, held_out in held_out_backgrounds(data) if held_out and what == "rooms"]
    cutouts = [r for r in _rows(data / "manifest.csv") if r["split"] == "val" and _is_cutout(data, r)]
    for number, row in enumerate(cutouts if rooms else ()):
        cut = _read_cutout(data, row)
        alpha = np.ascontiguousarray(cut[..., 3])
        share = alpha[..., None].astype(np.float32) / 255
        for each in range(BACKGROUNDS_EACH):
            room = rooms[(number * BACKGROUNDS_EACH + each) % len(rooms)]
            picture = cv2.imread(str(data / room), cv2.IMREAD_COLOR)
            if picture is None:
                raise SystemExit(f"can't read {data / room}")
            behind = _behind(picture, *alpha.shape)
            bgr = np.rint(cut[..., :3] * share + behind * (1 - share)).astype(np.uint8)
            yield Composite(row["file"], room, bgr, alpha)


def large_people(picture: Labelled) -> list[Box]:
    """Boxes that take up a tenth of the frame or more."""
    frame = picture.truth.size
    return [b for b in picture.boxes if (b[2] - b[0]) * (b[3] - b[1]) >= LARGE * frame]


def large_people_alone(picture: Labelled) -> NDArray[np.uint8]:
    """The ground truth of the people on a tenth of the frame or more; of one without boxes, by its mask."""
    if not picture.boxes:
        return picture.truth if (picture.truth > 0).mean() >= LARGE else np.zeros_like(picture.truth)
    out = np.zeros_like(picture.truth)
    for box in large_people(picture):
        x0, y0, x1, y1 = (max(round(side), 0) for side in box)
        out[y0:y1, x0:x1] = picture.truth[y0:y1, x0:x1]
    return out


def count_found(people: list[Box], found: tuple[DetectedPerson, ...]) -> int:
    """How many of the people have a box of their own with IoU 0.5 or more."""
    pairs = sorted(
        ((box_iou(p, d.box), i, j) for i, p in enumerate(people) for j, d in enumerate(found)), reverse=True
    )
    done_i: set[int] = set()
    done_j: set[int] = set()
    for iou, i, j in pairs:
        if iou >= 0.5 and i not in done_i and j not in done_j:
            done_i.add(i)
            done_j.add(j)
    return len(done_i)
