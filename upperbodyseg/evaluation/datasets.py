"""Readers of labelled data sets, each in the layout its authors publish it in.

A reader lists pairs of a picture and a mask; what is listed there and missing on the disk is
reported, not fatal. Reading a mask gives the foreground and the pixels that are to be left out.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from upperbodyseg.errors import InputError
from upperbodyseg.pictures import PictureError, decode_labels, list_pictures, read_file

__all__ = ["LAYOUTS", "Dataset", "MaskError", "Pair", "Truth", "read_dataset", "read_truth"]

_HARD_LEVELS = 16  # most values that a hard mask has: classes, or a few greys by mistake


class MaskError(Exception):
    """A mask can't be read; the message says why, without the path."""


@dataclass(frozen=True)
class Pair:
    """A picture and its mask; ``name`` is the picture's, below the data set's folder."""

    name: str
    image: Path
    mask: Path


@dataclass(frozen=True)
class Truth:
    """A mask's ground truth.

    Attributes:
        foreground: ``(H, W)`` uint8, 0 or 255.
        ignore: ``(H, W)`` bool, True where it isn't known; None where all is.
        alpha: ``(H, W)`` uint8, soft, where the mask is; None where it is hard.
    """

    foreground: NDArray[np.uint8]
    ignore: NDArray[np.bool_] | None = None
    alpha: NDArray[np.uint8] | None = None


@dataclass
class Dataset:
    """What a reader found.

    Attributes:
        layout, split: how and which part was read.
        pairs: in a fixed order.
        missing: pictures or masks that should be there and are not, each with the reason.
    """

    layout: str
    split: str
    pairs: list[Pair] = field(default_factory=list)
    missing: list[tuple[str, str]] = field(default_factory=list)

    def add(self, root: Path, image: Path, mask: Path) -> None:
        """Take a pair, or note what of it is missing."""
        name = image.relative_to(root).as_posix() if image.is_relative_to(root) else str(image)
        if not image.is_file():
            self.missing.append((name, "no picture there"))
        elif not mask.is_file():
            self.missing.append((name, f"no mask at {mask}"))
        else:
            self.pairs.append(Pair(name, image, mask))


def _lines(file: Path) -> list[str]:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as exc:
        raise InputError(f"can't read the list {file}: {exc}") from exc
    return [line.strip() for line in text.splitlines() if line.strip()]


def _inside(root: Path, relative: str) -> Path:
    return root / relative.replace("\\", "/").lstrip("/")


def _read_eg1800(root: Path, split: str) -> Dataset:
    """PortraitNet's lists ``eg1800_train.txt`` and ``eg1800_test.txt``, ``Images/``, ``Labels/``."""
    parts = ("train", "test") if split == "all" else (split,)
    found = Dataset("eg1800", split)
    for part in parts:
        for line in _lines(root / f"eg1800_{part}.txt"):
            name = Path(line.split()[0]).name
            found.add(root, root / "Images" / name, root / "Labels" / f"{Path(name).stem}.png")
    return found


def _read_pphumanseg14k(root: Path, split: str) -> Dataset:
    """``train.txt``, ``val.txt``: lines of a picture and a mask, below the folder."""
    found = Dataset("pphumanseg14k", split)
    for line in _lines(root / f"{split}.txt"):
        parts = line.split()
        if len(parts) < 2:
            found.missing.append((parts[0], "the list names no mask for it"))
            continue
        found.add(root, _inside(root, parts[0]), _inside(root, parts[1]))
    return found


def _read_easyportrait(root: Path, split: str) -> Dataset:
    """``images/<split>/*.jpg`` and ``annotations/<split>/*.png``."""
    return _match_folders(
        Dataset("easyportrait", split), root, root / "images" / split, root / "annotations" / split
    )


def _read_folder(root: Path, split: str) -> Dataset:
    """``images/`` and ``masks/``, pictures and PNG masks of the same names."""
    return _match_folders(Dataset("folder", split), root, root / "images", root / "masks")


def _match_folders(found: Dataset, root: Path, images: Path, masks: Path) -> Dataset:
    for folder in (images, masks):
        if not folder.is_dir():
            raise InputError(f"the layout {found.layout} needs a folder {folder}; there is none")
    pictures, _ = list_pictures(images)
    for image in pictures:
        found.add(root, image, masks / f"{image.stem}.png")
    stems = {p.stem for p in pictures}
    for mask in sorted(masks.glob("*.png")):
        if mask.stem not in stems and not mask.name.startswith("._"):
            found.missing.append((mask.relative_to(root).as_posix(), "a mask without its picture"))
    return found


def _read_manifest(root: Path, split: str) -> Dataset:
    """``manifest.csv`` with the columns ``image`` (or ``file``) and ``mask``, and maybe ``split``."""
    found = Dataset("manifest", split)
    file = root / "manifest.csv"
    try:
        with open(file, newline="", encoding="utf-8-sig") as f:
            reader = csv.DictReader(f)
            columns = reader.fieldnames or []
            image = "image" if "image" in columns else "file"
            if image not in columns or "mask" not in columns:
                raise InputError(f"{file} needs the columns image (or file) and mask, it has: {columns}")
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as exc:
        raise InputError(f"can't read {file}: {exc}") from exc
    for row in rows:
        wanted = split == "all" or "split" not in columns or row["split"] == split
        if wanted and row[image] and row["mask"]:
            found.add(root, _inside(root, row[image]), _inside(root, row["mask"]))
    return found


# --- masks --------------------------------------------------------------------------------------


def _labels(file: Path) -> NDArray[np.uint8]:
    """A mask's values, of a palette PNG the indices, ``(H, W)`` uint8."""
    try:
        return decode_labels(read_file(file))
    except PictureError as exc:
        raise MaskError(f"the mask {exc}") from exc


def _any_class(labels: NDArray[np.uint8]) -> Truth:
    return Truth(np.where(labels > 0, np.uint8(255), np.uint8(0)))


def _any_class_but_255(labels: NDArray[np.uint8]) -> Truth:
    """Person is index 1, which other tools read as grey 38; 255 is to be left out."""
    ignore = labels == 255
    return Truth(
        np.where((labels > 0) & ~ignore, np.uint8(255), np.uint8(0)), ignore if ignore.any() else None
    )


def _upper_half(labels: NDArray[np.uint8]) -> Truth:
    """From 128 on; masks of zeros and ones alone are taken for labels, those of many values for alphas."""
    least = 1 if labels.max() <= 1 else 128
    soft = np.count_nonzero(np.bincount(labels.ravel(), minlength=256)) > _HARD_LEVELS
    foreground = np.where(labels >= least, np.uint8(255), np.uint8(0))
    return Truth(foreground, alpha=labels if soft else None)


def _with_unknown(labels: NDArray[np.uint8]) -> Truth:
    """255 person, 0 background, 128 unknown; other values go by the half they lie in."""
    ignore = labels == 128
    truth = _upper_half(np.where(ignore, np.uint8(0), labels))
    return Truth(truth.foreground, ignore if ignore.any() else None)


@dataclass(frozen=True)
class _Layout:
    read: Callable[[Path, str], Dataset]
    truth: Callable[[NDArray[np.uint8]], Truth]
    splits: tuple[str, ...]  # the default first; empty: any


LAYOUTS = {
    "eg1800": _Layout(_read_eg1800, _any_class, ("all", "train", "test")),
    "pphumanseg14k": _Layout(_read_pphumanseg14k, _any_class_but_255, ("val", "train", "test")),
    "easyportrait": _Layout(_read_easyportrait, _any_class, ("test", "val", "train")),
    "folder": _Layout(_read_folder, _upper_half, ("all",)),
    "manifest": _Layout(_read_manifest, _with_unknown, ()),
}
"""Layouts by name: how they are read, what their masks mean, and their parts, the default first."""


def read_dataset(folder: Path, layout: str, split: str | None = None) -> Dataset:
    """List a data set's pairs.

    Args:
        folder: the data set's own folder.
        layout: one of :data:`LAYOUTS`.
        split: which part; None for the layout's default: EG1800 all, PP-HumanSeg14K val (its test
            labels are withheld), EasyPortrait test, manifest all.

    Raises:
        InputError: no such layout or part, or the folder is not laid out so.
    """
    if layout not in LAYOUTS:
        raise InputError(f"layout must be one of {', '.join(LAYOUTS)}, got {layout!r}")
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}")
    splits = LAYOUTS[layout].splits
    if split is None:
        split = splits[0] if splits else "all"
    elif splits and split not in splits:
        raise InputError(f"the layout {layout} has the parts {', '.join(splits)}, not {split!r}")
    found = LAYOUTS[layout].read(folder, split)
    if not found.pairs:
        hint = f"; {len(found.missing)} listed ones are missing" if found.missing else ""
        raise InputError(f"no picture with a mask in {folder}, layout {layout}, part {split}{hint}")
    return found


def read_truth(pair: Pair, layout: str) -> Truth:
    """Read a pair's mask.

    Raises:
        MaskError: it can't be read.
    """
    return LAYOUTS[layout].truth(_labels(pair.mask))
