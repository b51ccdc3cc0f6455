"""The run over a data set, its report, and the command."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import numpy as np
import pytest
from labelled import photo, square, write
from PIL import Image

from fuzz.made_pictures import exif
from upperbodyseg import InputError, ModelFormatError, ModelNotFoundError
from upperbodyseg.cli import main
from upperbodyseg.evaluation.datasets import read_dataset, read_truth
from upperbodyseg.evaluation.peers import MediaPipeSelfie
from upperbodyseg.evaluation.report import bootstrap, markdown, write_page
from upperbodyseg.evaluation.run import CSV_NAME, Method, Prediction, evaluate
from upperbodyseg.pictures import FORMATS

SETTINGS = {"models": "made up"}


def the_square(bgr: np.ndarray) -> Prediction:
    return Prediction(square(shape=bgr.shape[:2]))


def test_every_picture_is_scored_and_written(folder: Path, tmp_path: Path) -> None:
    dataset = read_dataset(folder, "folder")
    seen: list[int] = []
    rows, problems = evaluate(dataset, {"right": the_square}, tmp_path / "out", SETTINGS, seen.append)
    assert problems == []
    assert seen == [1, 2, 3, 4, 5, 6]
    assert [(r.name, r.iou_35, r.iou_128, r.davis_f) for r in rows] == [
        (f"images/{i}.png", 1, 1, 1) for i in range(6)
    ]
    assert rows[0].confusion.mean_iou == 1
    lines = (tmp_path / "out" / CSV_NAME).read_text().splitlines()
    assert len(lines) == 7
    assert lines[0].startswith("name,method,iou_35,")


def test_soft_figures_and_coverage_stand_beside_the_others(folder: Path, tmp_path: Path) -> None:
    dataset = read_dataset(folder, "folder")

    def half_seen(bgr: np.ndarray) -> Prediction:
        grey = square(100, bgr.shape[:2])
        return Prediction(grey, ((0, 0, 30, 40),))

    methods: dict[str, Method] = {"right": the_square, "grey": half_seen}
    rows, problems = evaluate(dataset, methods, tmp_path / "out", SETTINGS)
    right, grey = rows[:2]
    assert (right.interior, right.haze, right.halo) == (1, 0, 0)
    assert right.soft == pytest.approx(0, abs=0.03)
    assert (grey.interior, grey.haze) == (0, 0)
    assert grey.soft > 0.15
    assert grey.alpha_error > 0.25 > right.alpha_error
    assert (right.coverage.share, grey.coverage.share) == (1, 0.5)
    text = markdown(dataset, rows, problems)
    assert "| masks | interior | haze | soft | halo | alpha error | coverage |" in text
    assert re.search(r"^\| grey \| 0\.00 .* \| 50\.00 \|$", text, re.MULTILINE)


def test_a_soft_mask_is_an_alpha_and_a_picture_without_an_edge_has_no_error(
    folder: Path, tmp_path: Path
) -> None:
    ramp = np.tile(np.clip(np.arange(60) * 8 - 100, 0, 255).astype(np.uint8), (40, 1))
    write(folder / "masks/0.png", ramp)
    for i in range(1, 6):
        write(folder / f"masks/{i}.png", np.zeros((40, 60), np.uint8))
    dataset = read_dataset(folder, "folder")
    truth = read_truth(dataset.pairs[0], "folder")
    np.testing.assert_array_equal(truth.alpha, ramp)
    assert read_truth(dataset.pairs[1], "folder").alpha is None

    def method(bgr: np.ndarray) -> Prediction:
        return Prediction(ramp)

    out = tmp_path / "out"
    rows, problems = evaluate(dataset, {"ramp": method}, out, SETTINGS)
    assert rows[0].alpha_error == 0
    assert all(np.isnan(row.alpha_error) and np.isnan(row.interior) for row in rows[1:])
    again, _ = evaluate(dataset, {"ramp": method}, out, SETTINGS)
    assert str(again) == str(rows)  # NaN is no equal of itself
    assert "| 0.00 (0.00-0.00) | 100.00 |" in markdown(dataset, rows, problems)
    assert "| none | none |" in markdown(dataset, rows[1:], problems)


def test_what_cannot_be_scored_is_listed_and_the_rest_done(folder: Path, tmp_path: Path) -> None:
    (folder / "images/1.png").write_bytes(b"no picture")
    (folder / "masks/2.png").write_bytes(b"")
    write(folder / "masks/3.png", square(shape=(40, 61)))
    (folder / "masks/4.png").unlink()
    dataset = read_dataset(folder, "folder")
    rows, problems = evaluate(dataset, {"right": the_square}, tmp_path / "out", SETTINGS)
    assert [r.name for r in rows] == ["images/0.png", "images/5.png"]
    assert dict(problems) == {
        "images/1.png": f"the picture is in none of the formats that are read: {', '.join(FORMATS[:-1])} "
        f"and {FORMATS[-1]}",
        "images/2.png": "the mask is empty",
        "images/3.png": "the mask is 61 x 40 pixels, the picture 60 x 40",
    }
    text = markdown(dataset, rows, problems)
    assert "5 pictures with a mask, 2 scored, 3 not, 1 missing" in text
    assert "images/4.png: no mask at" in text


def test_an_interrupted_run_goes_on_where_it_was(folder: Path, tmp_path: Path) -> None:
    dataset = read_dataset(folder, "folder")
    out = tmp_path / "out"
    whole, _ = evaluate(dataset, {"right": the_square}, tmp_path / "other", SETTINGS)
    calls: list[int] = []

    def until_the_fourth(bgr: np.ndarray) -> Prediction:
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return the_square(bgr)

    with pytest.raises(KeyboardInterrupt):
        evaluate(dataset, {"right": until_the_fourth}, out, SETTINGS)
    file = out / CSV_NAME
    file.write_text(file.read_text() + "images/3.png,right,0.5,0.")  # cut off in the middle of a line
    calls.clear()
    rows, _ = evaluate(dataset, {"right": the_square, "again": the_square}, out, SETTINGS)
    assert [r.name for r in rows if r.method == "right"] == [r.name for r in whole]
    assert [r.iou_35 for r in rows if r.method == "right"] == [1] * 6
    assert len([r for r in rows if r.method == "again"]) == 6
    assert len(file.read_text().splitlines()) == 13


def test_results_of_other_settings_are_not_mixed(folder: Path, tmp_path: Path) -> None:
    dataset = read_dataset(folder, "folder")
    evaluate(dataset, {"right": the_square}, tmp_path, SETTINGS)
    with pytest.raises(InputError, match="another evaluation"):
        evaluate(dataset, {"right": the_square}, tmp_path, {"models": "others"})
    (tmp_path / CSV_NAME).write_text("name,method\nx,y\n")
    with pytest.raises(InputError, match="delete it"):
        evaluate(dataset, {"right": the_square}, tmp_path, SETTINGS)


@pytest.mark.parametrize("figure", ["nan", "1e999", "-inf", "x" * 200_000])
def test_figures_that_are_none_are_not_taken_up_again(figure: str, folder: Path, tmp_path: Path) -> None:
    dataset = read_dataset(folder, "folder")
    evaluate(dataset, {"right": the_square}, tmp_path, SETTINGS)
    with open(tmp_path / CSV_NAME, newline="", encoding="utf-8") as file:
        head, *rows = csv.reader(file)
    rows[0][head.index("iou_35")] = figure
    with open(tmp_path / CSV_NAME, "w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([head, *rows])
    with pytest.raises(InputError, match="delete it"):
        evaluate(dataset, {"right": the_square}, tmp_path, SETTINGS)


@pytest.mark.parametrize("settings", ["[" * 100_000, '{"models": 1e999}', "NaN", "not json", ""])
def test_settings_that_are_none_are_another_evaluation(settings: str, folder: Path, tmp_path: Path) -> None:
    dataset = read_dataset(folder, "folder")
    evaluate(dataset, {"right": the_square}, tmp_path, SETTINGS)
    (tmp_path / "settings.json").write_text(settings)
    with pytest.raises(InputError, match="another evaluation"):
        evaluate(dataset, {"right": the_square}, tmp_path, SETTINGS)


FORMULAS = ("=1+1.png", "+1.png", "-1.png", "@sum.png", "'quoted.png", "\ttab.png", "plain.png")


def test_no_name_is_a_formula_and_all_come_back_as_they_are(tmp_path: Path) -> None:
    for name in FORMULAS:
        write(tmp_path / name, photo(0))
    write(tmp_path / "mask.png", square())
    lines = [f'"{name}",mask.png' for name in FORMULAS]
    (tmp_path / "manifest.csv").write_text("\n".join(["image,mask", *lines]))
    dataset = read_dataset(tmp_path, "manifest")
    rows, _ = evaluate(dataset, {"=cmd": the_square}, tmp_path / "out", SETTINGS)
    assert [(r.name, r.method) for r in rows] == [(name, "=cmd") for name in FORMULAS]
    with open(tmp_path / "out" / CSV_NAME, newline="", encoding="utf-8") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in cells)
    again, _ = evaluate(dataset, {"=cmd": the_square}, tmp_path / "out", SETTINGS)
    assert again == rows


def test_resource_forks_are_neither_pictures_nor_masks(folder: Path) -> None:
    (folder / "images/._0.png").touch()
    (folder / "masks/._0.png").touch()
    found = read_dataset(folder, "folder")
    assert len(found.pairs) == 6
    assert found.missing == []


def test_pictures_are_read_as_their_masks_are_stored(folder: Path) -> None:
    picture = Image.fromarray(photo(1)[..., ::-1])
    file = io.BytesIO()
    picture.save(file, "PNG", exif=exif(6))
    (folder / "images/0.png").write_bytes(file.getvalue())
    (folder / "images/1.png").write_bytes(file.getvalue()[:-5000])
    dataset = read_dataset(folder, "folder")
    seen: list[np.ndarray] = []

    def method(bgr: np.ndarray) -> Prediction:
        seen.append(bgr)
        return the_square(bgr)

    _, problems = evaluate(dataset, {"right": method}, folder / "out", SETTINGS)
    np.testing.assert_array_equal(seen[0], photo(1))
    assert problems == [("images/1.png", "the picture is damaged")]


def test_bootstrap_intervals() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(0.8, 0.1, 400)
    interval = bootstrap(values.tolist())
    assert interval == bootstrap(values.tolist())
    assert interval.mean == pytest.approx(100 * values.mean())
    # The normal approximation of the mean's interval.
    half = 196 * values.std() / 20
    assert interval.low == pytest.approx(interval.mean - half, abs=0.15)
    assert interval.high == pytest.approx(interval.mean + half, abs=0.15)
    assert bootstrap([0.5]) == bootstrap([0.5, 0.5])


def test_published_figures_stand_beside_their_data_set(tmp_path: Path) -> None:
    write(tmp_path / "images/test/a.jpg", photo(0))
    write(tmp_path / "annotations/test/a.png", square(1))
    dataset = read_dataset(tmp_path, "easyportrait")
    rows, problems = evaluate(dataset, {"right": the_square}, tmp_path / "out", SETTINGS)
    assert "| 97.28 | 95.13 | 83.24 |" in markdown(dataset, rows, problems)


def test_the_page_needs_no_other_file(folder: Path, tmp_path: Path) -> None:
    for i in range(6, 30):
        write(folder / f"images/{i}.png", photo(i))
        write(folder / f"masks/{i}.png", square())
    dataset = read_dataset(folder, "folder")
    methods: dict[str, Method] = {"right <b>": the_square}
    rows, problems = evaluate(dataset, methods, tmp_path, SETTINGS)
    file = tmp_path / "page.html"
    write_page(file, "a & b", markdown(dataset, rows, problems), dataset, rows, methods)
    page = file.read_text(encoding="utf-8")
    assert set(re.findall(r'(?:src|href)="([^",]{0,22})', page)) == {"data:image/jpeg;base64"}
    assert page.count("<figure>") == 24
    assert "<h1>a &amp; b</h1>" in page
    assert "right &lt;b&gt;" in page
    assert "right <b>" not in page
    assert page.count("<rect ") == 20
    assert "<th>threshold</th>" in page


@pytest.fixture
def portraits(tmp_path: Path, portrait: np.ndarray, engine) -> Path:  # type: ignore[no-untyped-def]
    root = tmp_path / "portraits"
    write(root / "images/a.png", portrait)
    write(root / "masks/a.png", np.where(upper_body(portrait) >= 128, 255, 0).astype(np.uint8))
    return root


def upper_body(bgr: np.ndarray) -> np.ndarray:
    from upperbodyseg import segment

    return segment(bgr)


def test_the_command_prints_the_table_and_writes_the_files(
    portraits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "results"
    assert main(["evaluate", str(portraits), "--layout", "folder", "-o", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "| upperbodyseg accurate | 128 | 1 | 100.00 (100.00-100.00) |" in printed
    assert {p.name for p in out.iterdir()} == {
        "per_picture.csv",
        "settings.json",
        "summary.md",
        "report.html",
    }
    assert (out / "summary.md").read_text().strip() == printed.strip()
    before = (out / CSV_NAME).read_bytes()
    (out / "summary.md").rename(tmp_path / "elsewhere.md")
    (out / "summary.md").symlink_to(tmp_path / "elsewhere.md")
    assert main(["evaluate", str(portraits), "--layout", "folder", "-o", str(out)]) == 0
    assert (out / "summary.md").is_symlink()
    assert (out / CSV_NAME).read_bytes() == before


def test_the_commands_exit_codes(portraits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = ["evaluate", str(portraits), "--layout", "folder"]
    assert main([*base, "-o", str(tmp_path / "one"), "--split", "val"]) == 2
    assert main([*base, "-o", str(tmp_path / "one"), "--peer", "mediapipe"]) == 2
    assert "--peer-model" in capsys.readouterr().err
    assert main([*base, "-o", str(portraits / "images/a.png")]) == 2
    (portraits / "images/b.png").write_bytes(b"")
    write(portraits / "masks/b.png", square())
    assert main([*base, "-o", str(tmp_path / "two")]) == 1
    (portraits / "images/a.png").write_bytes(b"")
    assert main([*base, "-o", str(tmp_path / "three")]) == 2
    assert "no picture could be scored" in capsys.readouterr().err


def test_a_peer_that_is_not_there_or_another_model_is_named(tmp_path: Path) -> None:
    pytest.importorskip("ai_edge_litert")
    with pytest.raises(ModelNotFoundError, match="nowhere"):
        MediaPipeSelfie(tmp_path / "nowhere.tflite")
    other = tmp_path / "other.tflite"
    other.write_bytes(b"no model")
    with pytest.raises(ModelFormatError, match="can't be loaded"):
        MediaPipeSelfie(other)
    from upperbodyseg.models.spec import DETECTOR, load_spec

    with pytest.raises(ModelFormatError, match=r"selfie_segmentation\.tflite"):
        MediaPipeSelfie(load_spec(DETECTOR, "ai-edge-litert").path)
