from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest
from sampling import GROUPS

from training.library import Library, load_library


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder of the real one's layout: discs for people, noise for rooms."""
    root = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(3)
    rows, boxes = [], []

    def save(name: str, picture: np.ndarray) -> str:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(path), picture)
        return name

    def add(file: str, mask: str, kind: str, split: str, licence: str = "unknown") -> None:
        rows.append({"file": file, "mask": mask, "set": kind, "split": split, "licence": licence})

    for kind, split in (("picsart", "train"), ("coco", "train"), ("ccp", "train"), ("coco", "val")):
        picture = rng.integers(0, 256, (120, 100, 3), dtype=np.uint8)
        mask = np.zeros((120, 100), np.uint8)
        cv2.circle(mask, (50, 60), 30, 255, -1)
        if kind == "coco":
            mask[:, :10] = 128
        file = save(f"people/{kind}/images/{split}.png", picture)
        licence = "coco-licence-4" if kind == "coco" else "unknown"
        add(file, save(f"people/{kind}/masks/{split}.png", mask), kind, split, licence)
        boxes.append([file, 20, 30, 81, 91, "annotation"])
    for kind in ("viton", "headshots", "headshots-caps"):
        cut = rng.integers(0, 256, (60, 50, 4), dtype=np.uint8)
        cut[..., 3] = 0
        cv2.circle(cut, (25, 30), 20, (90, 90, 200, 255), -1)
        add(save(f"cutouts/{kind}/a.png", cut), "alpha channel", kind, "train")
    for i in range(10):
        room = rng.integers(0, 256, (90, 160, 3), dtype=np.uint8)
        licence = "CC BY 4.0" if i < 3 else "please cite; no licence"
        add(save(f"backgrounds/houses/images/{i}.png", room), "", "houses", "train", licence)
    for name in ("wide", "nobody"):
        wide = rng.integers(0, 256, (300, 600, 3), dtype=np.uint8)
        add(save(f"unlabelled/lfw/images/{name}.png", wide), "", "lfw", "unlabelled", "CC0")
    with open(root / "manifest.csv", "w", newline="") as f:
        writer = csv.DictWriter(f, ["file", "mask", "set", "split", "licence", "width", "height"])
        writer.writeheader()
        writer.writerows(rows)
    with open(root / "boxes.csv", "w", newline="") as f:
        writer_ = csv.writer(f)
        writer_.writerow(["file", "x_min", "y_min", "x_max", "y_max", "source"])
        writer_.writerows(boxes)
    return root


@pytest.fixture(scope="module")
def labels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A soft mask for one of the unlabelled pictures: a disc, uncertain at the left."""
    root = tmp_path_factory.mktemp("labels")
    alpha = np.zeros((300, 600), np.uint8)
    cv2.circle(alpha, (300, 150), 90, 240, -1)
    weight = np.full((300, 600), 255, np.uint8)
    weight[:, :30] = 0
    assert cv2.imwrite(str(root / "lfw-wide.png"), np.vstack([alpha, weight]))
    return root


@pytest.fixture(scope="module")
def library(folder: Path) -> Library:
    return load_library(folder, groups=GROUPS)
