"""The data folder: reading its tables and decoding its pictures.

The folder holds ``manifest.csv`` (a row a picture) and ``boxes.csv`` (person boxes in pixels).
Masks are 255 person, 0 background, 128 ignore. Only rows of the train split are read here; of
the people-free pictures every fifth by file name is held out of training, so that false positives
are measured on rooms that the networks have never seen.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]


@dataclass
class Scene:
    """A picture with what is known of it. ``alpha`` 0-255; ``ignore`` True where unknown."""

    bgr: U8
    alpha: U8
    boxes: F32  # (n, 4) x_min, y_min, x_max, y_max in pixels
    ignore: NDArray[np.bool_] | None = None
    weight: float = 1.0


@dataclass
class Library:
    """All training pictures, decoded, by set."""

    people: dict[str, list[Scene]] = field(default_factory=lambda: defaultdict(list))
    cutouts: dict[str, list[U8]] = field(default_factory=lambda: defaultdict(list))  # BGRA
    backgrounds: dict[str, list[U8]] = field(default_factory=lambda: defaultdict(list))


def read_manifest(folder: Path) -> list[dict[str, str]]:
    with open(folder / "manifest.csv", newline="") as f:
        return list(csv.DictReader(f))


def read_boxes(folder: Path) -> dict[str, F32]:
    """Boxes by file; COCO's own annotation where there is one, else the mask's components."""
    rows: dict[str, dict[str, list[list[float]]]] = defaultdict(lambda: defaultdict(list))
    with open(folder / "boxes.csv", newline="") as f:
        for row in csv.DictReader(f):
            box = [float(row[k]) for k in ("x_min", "y_min", "x_max", "y_max")]
            rows[row["file"]][row["source"]].append(box)
    return {
        file: np.asarray(sources.get("annotation") or next(iter(sources.values())), np.float32)
        for file, sources in rows.items()
    }


def background_files(folder: Path, held_out: bool) -> list[str]:
    """The people-free pictures' paths: those held out of training, or the others.

    Every fifth by file name, within each set, is held out.
    """
    by_set: dict[str, list[str]] = defaultdict(list)
    for row in read_manifest(folder):
        if row["file"].startswith("backgrounds/"):
            by_set[row["set"]].append(row["file"])
    return [f for files in by_set.values() for i, f in enumerate(sorted(files)) if (i % 5 == 4) == held_out]


# What may be used, also changed and commercially, if its maker is named and, for the last, what is made of it
# is shared alike: as the manifest says it.
OPEN_LICENCES = ("CC0", "CC BY 4.0", "coco-licence-4", "coco-licence-5")  # these two are CC BY and CC BY-SA


def is_open(row: dict[str, str]) -> bool:
    """Whether a picture is openly licensed."""
    return row["licence"].startswith(OPEN_LICENCES)


def load_library(folder: Path, labels: Path | None = None, open_only: bool = False) -> Library:
    """Decode the train split, and the unlabelled pictures that ``labels`` has soft masks for.

    Args:
        folder: the data folder.
        labels: what ``training.pseudo_labels`` wrote.
        open_only: take openly licensed pictures alone.
    """
    library = Library()
    boxes = read_boxes(folder)
    allowed = set(background_files(folder, held_out=False))
    for row in read_manifest(folder):
        file = row["file"]
        if open_only and not is_open(row):
            continue
        if row["split"] == "unlabelled" and labels is not None:
            scene = _pseudo_labelled(folder / file, labels / label_name(file), boxes.get(file))
            if scene is not None:
                library.people["pseudo"].append(scene)
        if row["split"] != "train":
            continue
        picture = cv2.imread(str(folder / file), cv2.IMREAD_UNCHANGED)
        if picture is None:
            raise OSError(f"can't read {folder / file}")
        if file.startswith("cutouts/"):
            library.cutouts[row["set"]].append(picture)
        elif file.startswith("backgrounds/"):
            if file in allowed:
                library.backgrounds[row["set"]].append(picture[..., :3])
        else:
            mask = cv2.imread(str(folder / row["mask"]), cv2.IMREAD_GRAYSCALE)
            assert mask is not None
            ignore = mask == 128
            alpha = np.where(mask == 255, 255, 0).astype(np.uint8)
            bgr = picture if picture.ndim == 3 else cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR)
            found = boxes.get(file, np.zeros((0, 4), np.float32))
            if row["set"] == "picsart":
                # Portraits show one person, whom thin straps or a raised hand may have split.
                found = alpha_box(alpha)
            library.people[row["set"]].append(
                Scene(
                    bgr,
                    alpha,
                    found,
                    ignore if ignore.any() else None,
                    0.3 if row["set"] == "ccp" else 1.0,
                )
            )
    return library


def label_name(file: str) -> str:
    """Pseudo-label's file name: ``unlabelled/lfw/images/a.jpg`` -> ``lfw-a.png``."""
    path = Path(file)
    return f"{path.parts[1]}-{path.stem}.png"


def _pseudo_labelled(picture: Path, label: Path, boxes: F32 | None) -> Scene | None:
    if not label.exists():
        return None
    planes = cv2.imread(str(label), cv2.IMREAD_GRAYSCALE)
    bgr = cv2.imread(str(picture), cv2.IMREAD_COLOR)
    if planes is None or bgr is None:
        return None
    alpha, weight = np.split(planes, 2)
    found = alpha_box(alpha) if boxes is None else boxes
    return Scene(bgr, alpha, found, weight == 0) if len(found) else None


def alpha_box(alpha: U8) -> F32:
    ys, xs = np.nonzero(alpha.max(1) > 127)[0], np.nonzero(alpha.max(0) > 127)[0]
    if not len(xs):
        return np.zeros((0, 4), np.float32)
    return np.asarray([[xs[0], ys[0], xs[-1] + 1, ys[-1] + 1]], np.float32)
