"""Scoring every picture of a data set, one after the other, so that it can be cut off and resumed."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from upperbodyseg.errors import InputError
from upperbodyseg.evaluation.datasets import Dataset, MaskError, Pair, Truth, read_truth
from upperbodyseg.files import write_file
from upperbodyseg.metrics import (
    ORIGINAL_THRESHOLD,
    Confusion,
    Coverage,
    alpha_error,
    boundary_iou,
    confusion,
    coverage,
    davis_f,
    decidedness,
    score,
)
from upperbodyseg.pictures import PictureError, read_picture

__all__ = [
    "CSV_NAME",
    "HALF",
    "Method",
    "PictureFigures",
    "Prediction",
    "Progress",
    "evaluate",
]

HALF = 128
"""The middle of the soft mask; the other threshold is the original's."""

CSV_NAME = "per_picture.csv"
_SETTINGS_NAME = "settings.json"


class Prediction(NamedTuple):
    """What a method says of a picture.

    Attributes:
        mask: ``(H, W)`` uint8, soft.
        regions: ``(x_min, y_min, x_max, y_max)`` in pixels, half-open: what of the picture was segmented;
            None for all of it.
    """

    mask: NDArray[np.uint8]
    regions: tuple[tuple[int, int, int, int], ...] | None = None


Method = Callable[[NDArray[np.uint8]], Prediction]
"""BGR ``(H, W, 3)`` in, mask and regions out."""

Progress = Callable[[int], None]


@dataclass(frozen=True)
class PictureFigures:
    """One method's figures on one picture, 0-1 where nothing else is said.

    Attributes:
        name, method: the picture, and whose mask.
        iou_35, boundary_f1_35, boundary_iou_35: the original's protocol at its threshold.
        iou_128, boundary_f1_128, boundary_iou_128: the same at 128.
        boundary_iou_2021: Boundary IoU of Cheng et al., at 128.
        davis_f: the boundary measure of DAVIS, at 128.
        interior, haze, soft, halo: :class:`~upperbodyseg.metrics.Decidedness`; NaN where a picture lacks
            pixels of the kind.
        alpha_error: :func:`~upperbodyseg.metrics.alpha_error`, against the soft ground truth where there
            is one, else against the hard one; NaN without an edge.
        covered, person: person pixels inside the segmented regions, and all.
        true_positive, false_positive, false_negative, true_negative: pixels at 128.
        milliseconds: from the decoded picture to its mask.
    """

    name: str
    method: str
    iou_35: float
    boundary_f1_35: float
    boundary_iou_35: float
    iou_128: float
    boundary_f1_128: float
    boundary_iou_128: float
    boundary_iou_2021: float
    davis_f: float
    interior: float
    haze: float
    soft: float
    halo: float
    alpha_error: float
    covered: int
    person: int
    true_positive: int
    false_positive: int
    false_negative: int
    true_negative: int
    milliseconds: float

    @property
    def confusion(self) -> Confusion:
        """The numbers of pixels, to be added up."""
        return Confusion(self.true_positive, self.false_positive, self.false_negative, self.true_negative)

    @property
    def coverage(self) -> Coverage:
        """The numbers of person pixels, to be added up."""
        return Coverage(self.covered, self.person)


_FIELDS = tuple(f.name for f in fields(PictureFigures))
_TYPES = {f.name: {"str": str, "float": float, "int": int}[str(f.type)] for f in fields(PictureFigures)}


_MAY_LACK = frozenset(("interior", "haze", "soft", "halo", "alpha_error"))
"""The figures that may be NaN."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "'")


def _cell(text: str) -> str:
    """A cell of a CSV that no table calculator takes for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def _figures(name: str, method: str, found: Prediction, truth: Truth, ms: float) -> PictureFigures:
    arguments = (found.mask, truth.foreground)
    original = score(*arguments, ORIGINAL_THRESHOLD, truth.ignore)
    half = score(*arguments, HALF, truth.ignore)
    decided = decidedness(*arguments, truth.ignore)
    alpha = truth.foreground if truth.alpha is None else truth.alpha
    height, width = found.mask.shape
    regions = ((0, 0, width, height),) if found.regions is None else found.regions
    held = coverage(regions, truth.foreground, truth.ignore)
    counts = confusion(*arguments, HALF, truth.ignore)
    return PictureFigures(
        name=name,
        method=method,
        iou_35=round(original.iou, 6),
        boundary_f1_35=round(original.boundary_f1, 6),
        boundary_iou_35=round(original.boundary_iou, 6),
        iou_128=round(half.iou, 6),
        boundary_f1_128=round(half.boundary_f1, 6),
        boundary_iou_128=round(half.boundary_iou, 6),
        boundary_iou_2021=round(boundary_iou(*arguments, HALF, truth.ignore), 6),
        davis_f=round(davis_f(*arguments, HALF, truth.ignore), 6),
        interior=round(decided.interior, 6),
        haze=round(decided.haze, 6),
        soft=round(decided.soft, 6),
        halo=round(decided.halo, 6),
        alpha_error=round(alpha_error(found.mask, alpha, truth.ignore), 6),
        covered=held.inside,
        person=held.total,
        true_positive=counts.true_positive,
        false_positive=counts.false_positive,
        false_negative=counts.false_negative,
        true_negative=counts.true_negative,
        milliseconds=round(ms, 3),
    )


def _read_rows(file: Path) -> Iterator[PictureFigures]:
    """What an earlier run wrote; a last line that was cut off is not counted."""
    content = file.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if whole != content:
        write_file(file, whole)
    for row in csv.DictReader(whole.decode("utf-8").splitlines()):
        figures = PictureFigures(**{k: _TYPES[k](row[k].removeprefix("'")) for k in _FIELDS})
        for name, value in vars(figures).items():
            if isinstance(value, float) and not (
                math.isfinite(value) or (math.isnan(value) and name in _MAY_LACK)
            ):
                raise ValueError(f"{name} is {value}")
        yield figures


def _open_results(out: Path, settings: dict[str, str]) -> list[PictureFigures]:
    """Make the output folder, or take up what is in it."""
    out.mkdir(parents=True, exist_ok=True)
    file, about = out / CSV_NAME, out / _SETTINGS_NAME
    if not file.exists():
        write_file(about, f"{json.dumps(settings, indent=2)}\n".encode())
        write_file(file, f"{','.join(_FIELDS)}\n".encode())
        return []
    try:
        before = json.loads(about.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        before = None
    if before != settings:
        raise InputError(
            f"{out} holds the results of another evaluation ({before}), this one is {settings}: "
            "choose another folder, or delete that one"
        )
    try:
        return list(_read_rows(file))
    except (AttributeError, KeyError, TypeError, ValueError, OSError, csv.Error) as exc:
        raise InputError(f"{file} is not what an evaluation writes ({exc!r}): delete it") from exc


def evaluate(
    dataset: Dataset,
    methods: dict[str, Method],
    out: Path,
    settings: dict[str, str],
    progress: Progress | None = None,
) -> tuple[list[PictureFigures], list[tuple[str, str]]]:
    """Score every method on every pair, adding a line to ``per_picture.csv`` as each is done.

    Args:
        dataset: what :func:`~upperbodyseg.evaluation.datasets.read_dataset` found.
        methods: by name.
        out: folder for the results. Pictures that are in there already, from an evaluation with the
            same settings that was cut off, are not done again.
        settings: what the figures depend on.
        progress: called with the number of pictures done.

    Returns:
        All figures, those of earlier runs included, and the pictures that could not be scored, each
        with the reason.

    Raises:
        InputError: ``out`` holds the results of other settings.
    """
    rows = _open_results(out, settings)
    done = {(r.name, r.method) for r in rows}
    problems: list[tuple[str, str]] = []
    with open(out / CSV_NAME, "a", newline="", encoding="utf-8") as f:
        writer = csv.writer(f, lineterminator="\n")
        for number, pair in enumerate(dataset.pairs, 1):
            left = {name: run for name, run in methods.items() if (pair.name, name) not in done}
            if left:
                found = _score_pair(pair, dataset.layout, left)
                if isinstance(found, str):
                    problems.append((pair.name, found))
                else:
                    rows += found
                    writer.writerows([_cell(str(getattr(r, name))) for name in _FIELDS] for r in found)
                    f.flush()
            if progress:
                progress(number)
    return rows, problems


def _score_pair(pair: Pair, layout: str, methods: dict[str, Method]) -> list[PictureFigures] | str:
    """Figures, or what is wrong with the pair."""
    try:
        picture = read_picture(pair.image, upright=False)  # as its mask is stored
    except PictureError as exc:
        return f"the picture {exc}"
    if picture.damaged:
        return "the picture is damaged"
    bgr = picture.bgr
    try:
        truth = read_truth(pair, layout)
    except MaskError as exc:
        return str(exc)
    if truth.foreground.shape != bgr.shape[:2]:
        (mh, mw), (h, w) = truth.foreground.shape, bgr.shape[:2]
        return f"the mask is {mw} x {mh} pixels, the picture {w} x {h}"
    rows = []
    for name, run in methods.items():
        start = perf_counter()
        found = run(bgr)
        rows.append(_figures(pair.name, name, found, truth, (perf_counter() - start) * 1000))
    return rows
