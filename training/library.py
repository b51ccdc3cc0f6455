"""The data folder: reading its tables and decoding its pictures.

The folder holds ``manifest.csv`` (a row a picture) and ``boxes.csv`` (person boxes in pixels).
Masks are 255 person, 0 background, 128 ignore. Only rows of the train split are read here; of
the people-free pictures every fifth by file name is held out of training, so that false positives
are measured on rooms that the networks have never seen.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from training.recipe import Group

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]


@dataclass
class Scene:
    """A picture with what is known of it. ``alpha`` 0-255; ``ignore`` True where unknown.

    ``weight`` 0-1 is that of its samples in the loss. ``held_things`` is False where the label leaves out
    what a person holds.
    """

    bgr: U8
    alpha: U8
    boxes: F32  # (n, 4) x_min, y_min, x_max, y_max in pixels
    ignore: NDArray[np.bool_] | None = None
    weight: float = 1.0
    held_things: bool = True


@dataclass
class Library:
    """All training pictures, decoded, by set."""

    people: dict[str, list[Scene]] = field(default_factory=lambda: defaultdict(list))
    cutouts: dict[str, list[U8]] = field(default_factory=lambda: defaultdict(list))  # BGRA
    backgrounds: dict[str, list[U8]] = field(default_factory=lambda: defaultdict(list))

    @property
    def sets(self) -> dict[str, int]:
        """Number of pictures by set."""
        kinds = (self.people, self.cutouts, self.backgrounds)
        return {name: len(some) for kind in kinds for name, some in kind.items() if some}


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


def load_library(
    folder: Path,
    labels: Path | None = None,
    open_only: bool = False,
    groups: Mapping[str, Group] | None = None,
) -> Library:
    """Decode the train split, and the unlabelled pictures that ``labels`` has soft masks for.

    Args:
        folder: the data folder.
        labels: what ``training.pseudo_labels`` wrote.
        open_only: take openly licensed pictures alone.
        groups: what the recipe knows of the sets.
    """
    of_set = {name: g for g in (groups or {}).values() if g.kind == "photos" for name in g.sets}
    cut = {name for g in (groups or {}).values() if g.kind == "cutouts" for name in g.sets} - of_set.keys()
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
        if file.startswith("backgrounds/"):
            if file in allowed:
                library.backgrounds[row["set"]].append(picture[..., :3])
        elif picture.ndim == 3 and picture.shape[2] == 4:
            library.cutouts[row["set"]].append(picture)
        else:
            mask = cv2.imread(str(folder / row["mask"]), cv2.IMREAD_GRAYSCALE)
            if mask is None:
                raise OSError(f"can't read the mask {folder / row['mask']}")
            if row["set"] in cut and picture.ndim == 3:  # an alpha apart from its picture
                library.cutouts[row["set"]].append(np.dstack([picture, mask]))
                continue
            ignore = mask == 128
            alpha = np.where(mask == 255, 255, 0).astype(np.uint8)
            bgr = picture if picture.ndim == 3 else cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR)
            group = of_set.get(row["set"])
            if group is not None and group.one_person:
                # Thin straps or a raised hand may have split the one person.
                found = alpha_box(alpha)
            else:
                found = with_arms(boxes.get(file, np.zeros((0, 4), np.float32)), alpha)
            weight, held = (group.weight, group.held_things) if group else (1.0, True)
            library.people[row["set"]].append(
                Scene(bgr, alpha, found, ignore if ignore.any() else None, weight, held)
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


OWN_SHARE = 0.7  # of a component of the mask: from here on it is the box's person's


def with_arms(boxes: F32, alpha: U8) -> F32:
    """Boxes grown round what the mask shows of their people, arms included.

    A part of the mask belongs to a box that holds most of it, where no other box meets it: people who
    touch each other keep the boxes they have.

    Args:
        boxes: ``(n, 4)``; alpha: ``(H, W)`` 0-255.
    """
    if not len(boxes):
        return boxes
    out = boxes.astype(np.float32, copy=True)
    _, parts, stats, _ = cv2.connectedComponentsWithStats((alpha > 127).astype(np.uint8))
    for part, (x, y, w, h, area) in enumerate(stats[1:], 1):
        inside = []
        for x0, y0, x1, y1 in boxes.round().astype(int):
            cut = parts[max(y0, 0) : max(y1, 0), max(x0, 0) : max(x1, 0)]
            inside.append(int(np.count_nonzero(cut == part)))
        best = int(np.argmax(inside))
        if inside[best] >= OWN_SHARE * area and np.count_nonzero(inside) == 1:
            grown = np.array([x, y, x + w, y + h], np.float32)
            out[best] = [*np.minimum(out[best, :2], grown[:2]), *np.maximum(out[best, 2:], grown[2:])]
    return out
