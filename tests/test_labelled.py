"""The pictures that accuracy is measured on, and the report, on a small made folder."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.accuracy import THRESHOLD, markdown, measure
from benchmarks.labelled import Labelled, large_people_alone, read_composites, read_val

HEAD = "file,mask,set,split,tags,licence,width,height,person_fraction"


def save(root: Path, name: str, picture: np.ndarray) -> str:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(root / name), picture)
    return name


def write_tables(root: Path, rows: list[str], boxes: list[str]) -> None:
    (root / "manifest.csv").write_text("\n".join([HEAD, *rows]) + "\n")
    table = ["file,x_min,y_min,x_max,y_max,source", *boxes]
    (root / "boxes.csv").write_text("\n".join(table) + "\n")


@pytest.fixture
def rows(tmp_path: Path, portrait: np.ndarray) -> list[str]:
    """EG1800's and PicsArt's one picture each, and ten rooms of which two are held out."""
    mask = np.full(portrait.shape[:2], 0, np.uint8)
    mask[20:, 60:250] = 255
    rows = []
    for kind in ("eg1800", "picsart"):
        file = save(tmp_path, f"people/{kind}/images/a.png", portrait)
        named = save(tmp_path, f"people/{kind}/masks/a.png", mask)
        rows.append(f"{file},{named},{kind},val,portrait,x,311,331,0.5")
    for i in range(10):
        room = np.full((90, 160, 3), 20 * i, np.uint8)
        rows.append(f"{save(tmp_path, f'backgrounds/houses/{i}.png', room)},,houses,train,,x,160,90,0")
    return rows


@pytest.fixture
def cutouts(tmp_path: Path) -> list[str]:
    """Two cut-outs of the val split: one with an alpha of its own, one whose mask is the alpha."""
    alpha = np.zeros((120, 100), np.uint8)
    cv2.circle(alpha, (50, 60), 40, 255, -1)
    alpha = cv2.GaussianBlur(alpha, (0, 0), 3)
    bgr = np.full((120, 100, 3), 250, np.uint8)
    own = save(tmp_path, "cutouts/congress/own.webp", np.dstack([bgr, alpha]))
    apart = save(tmp_path, "people/congress/images/b.png", bgr)
    mask = save(tmp_path, "people/congress/masks/b.png", alpha)
    return [
        f"{own},alpha channel,congress,val,,x,100,120,0.4",
        f"{apart},{mask},congress,val,,x,100,120,0.4",
    ]


def test_a_report_has_the_sets_that_are_there_alone(tmp_path: Path, rows: list[str]) -> None:
    write_tables(tmp_path, rows, [])
    report = measure(tmp_path)
    assert list(report.scores) == list(report.decided) == ["EG1800 val", "PicsArt val"]
    assert len(report.scores["EG1800 val"][THRESHOLD]) == 1
    assert list(report.coverage) == ["EG1800 val"]
    assert 0.9 < report.coverage["EG1800 val"].share <= 1
    assert report.large == 0
    assert report.backgrounds["rooms, all"][0] == 10
    text = markdown(report)
    assert "| COCO val" not in text
    assert "| EG1800 val, people on 10 % of the frame or more: their pixels inside" in text
    assert "| EG1800 val | 1 | 35 |" in text
    assert "no cut-out with an alpha" in text


def test_the_alpha_of_cutouts_is_scored(tmp_path: Path, rows: list[str], cutouts: list[str]) -> None:
    write_tables(tmp_path, rows + cutouts, [])
    report = measure(tmp_path)
    assert len(report.alpha) == 4
    assert "| cut-outs before rooms held out | 4 |" in markdown(report)
    assert list(report.scores) == ["EG1800 val", "PicsArt val"]


def test_each_cutout_stands_before_two_rooms_that_are_held_out(
    tmp_path: Path, rows: list[str], cutouts: list[str]
) -> None:
    write_tables(tmp_path, rows + cutouts, [])
    found = list(read_composites(tmp_path))
    assert [c.file for c in found] == [cutouts[0].split(",")[0]] * 2 + [cutouts[1].split(",")[0]] * 2
    assert [Path(c.background).stem for c in found] == ["4", "9", "4", "9"]
    for composite, level in zip(found, (80, 180, 80, 180), strict=True):
        assert composite.bgr.shape == (120, 100, 3)
        assert composite.bgr[0, 0].tolist() == [level] * 3
        share = composite.alpha.astype(float) / 255
        np.testing.assert_allclose(composite.bgr[..., 0], 250 * share + level * (1 - share), atol=0.51)
        assert len(np.unique(composite.alpha)) > 16
    again = list(read_composites(tmp_path))
    for one, two in zip(found, again, strict=True):
        np.testing.assert_array_equal(one.bgr, two.bgr)


def test_a_cutout_without_an_alpha_is_named(tmp_path: Path, rows: list[str]) -> None:
    file = save(tmp_path, "cutouts/congress/a.png", np.zeros((20, 20, 3), np.uint8))
    write_tables(tmp_path, [*rows, f"{file},alpha channel,congress,val,,x,20,20,0"], [])
    with pytest.raises(SystemExit, match=r"a\.png .* with an alpha"):
        list(read_composites(tmp_path))


def test_large_people_alone_are_asked_of_the_regions(tmp_path: Path, rows: list[str]) -> None:
    write_tables(tmp_path, rows, [])
    (picture, _) = read_val(tmp_path)
    assert (large_people_alone(picture) == picture.truth).all()
    height = len(picture.truth)
    boxes = ((60.0, 20.0, 150.0, float(height)), (230.0, 300.0, 250.0, 330.0))  # one large, one small
    boxed = Labelled(picture.file, picture.bgr, picture.truth, picture.ignore, boxes, picture.row)
    alone = large_people_alone(boxed)
    assert alone[100, 100]
    assert not alone[:, 150:].any()
    small = Labelled(picture.file, picture.bgr, picture.truth // 255, picture.ignore, boxes[1:], picture.row)
    assert not large_people_alone(small).any()
