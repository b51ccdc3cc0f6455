"""The readers of data sets."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from labelled import photo, square, write, write_palette

from upperbodyseg import InputError
from upperbodyseg.evaluation.datasets import LAYOUTS, MaskError, Pair, read_dataset, read_truth


def test_eg1800_reads_both_lists_and_any_value_above_zero(tmp_path: Path) -> None:
    for i, value in enumerate((1, 255, 1)):
        write(tmp_path / f"Images/{i:05}.png", photo(i))
        write(tmp_path / f"Labels/{i:05}.png", square(value))
    (tmp_path / "eg1800_train.txt").write_text("00000.png\n00001.png\n")
    (tmp_path / "eg1800_test.txt").write_text("00002.png\n00003.png\n")
    found = read_dataset(tmp_path, "eg1800")
    assert [p.name for p in found.pairs] == [f"Images/0000{i}.png" for i in range(3)]
    assert found.missing == [("Images/00003.png", "no picture there")]
    for pair in found.pairs:
        np.testing.assert_array_equal(read_truth(pair, "eg1800").foreground, square())
    assert len(read_dataset(tmp_path, "eg1800", "test").pairs) == 1


def test_pphumanseg14k_takes_palette_indices_and_leaves_255_out(tmp_path: Path) -> None:
    index = square(1)
    index[0, :7] = 255
    write(tmp_path / "data/images/a.jpg", photo(0))
    write_palette(tmp_path / "data/annotations/a.png", index)
    write(tmp_path / "data/images/b.jpg", photo(1))
    write(tmp_path / "data/annotations/b.png", index)  # the same as grey
    write(tmp_path / "data/images/c.jpg", photo(1))
    write(tmp_path / "data/annotations/c.png", square(38))  # as other tools save what they read
    lines = [f"data/images/{n}.jpg data/annotations/{n}.png" for n in "abc"]
    (tmp_path / "val.txt").write_text("\n".join([*lines, "data/images/d.jpg"]) + "\n")
    found = read_dataset(tmp_path, "pphumanseg14k")
    assert found.split == "val"
    assert found.missing == [("data/images/d.jpg", "the list names no mask for it")]
    grey = cv2.imread(str(found.pairs[0].mask), cv2.IMREAD_GRAYSCALE)
    assert set(np.unique(grey)) == {0, 38, 220}  # the trap: neither 1 nor 255
    for pair, ignored in zip(found.pairs, (7, 7, 0), strict=True):
        truth = read_truth(pair, "pphumanseg14k")
        np.testing.assert_array_equal(truth.foreground, square())
        assert (0 if truth.ignore is None else truth.ignore.sum()) == ignored


def test_easyportrait_takes_every_class_and_its_test_part(tmp_path: Path) -> None:
    classes = square(1)
    classes[12:20, 22:30] = 8
    for part in ("train", "val", "test"):
        write(tmp_path / f"images/{part}/{part}.jpg", photo(0))
        write(tmp_path / f"annotations/{part}/{part}.png", classes)
    found = read_dataset(tmp_path, "easyportrait")
    assert [p.name for p in found.pairs] == ["images/test/test.jpg"]
    np.testing.assert_array_equal(read_truth(found.pairs[0], "easyportrait").foreground, square())


def test_a_folder_of_pictures_and_masks(folder: Path) -> None:
    write(folder / "images/alone.jpg", photo(9))
    write(folder / "masks/orphan.png", square())
    write(folder / "masks/5.png", square(1))
    found = read_dataset(folder, "folder")
    assert [p.name for p in found.pairs] == [f"images/{i}.png" for i in range(6)]
    assert [name for name, _ in found.missing] == ["images/alone.jpg", "masks/orphan.png"]
    soft = np.full((40, 60), 127, np.uint8)
    soft[:, :10] = 128
    write(folder / "masks/0.png", soft)
    assert read_truth(found.pairs[0], "folder").foreground[:, :11].tolist() == [[255] * 10 + [0]] * 40
    np.testing.assert_array_equal(read_truth(found.pairs[5], "folder").foreground, square())


def test_a_manifest_with_parts_and_unknown_pixels(tmp_path: Path) -> None:
    mask = square()
    mask[:5] = 128
    for part in ("train", "val"):
        write(tmp_path / f"{part}.png", photo(0))
        write(tmp_path / f"{part}-mask.png", mask)
    (tmp_path / "manifest.csv").write_text(
        "file,mask,split\ntrain.png,train-mask.png,train\nval.png,val-mask.png,val\nroom.png,,val\n"
    )
    assert len(read_dataset(tmp_path, "manifest").pairs) == 2
    (pair,) = read_dataset(tmp_path, "manifest", "val").pairs
    truth = read_truth(pair, "manifest")
    np.testing.assert_array_equal(truth.foreground, square())
    assert truth.ignore is not None
    assert truth.ignore[:5].all()
    assert not truth.ignore[5:].any()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_folder_of_another_layout_is_refused(layout: str, tmp_path: Path) -> None:
    with pytest.raises(InputError):
        read_dataset(tmp_path, layout)


def test_arguments_of_a_reader_are_checked(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="eg1800, pphumanseg14k"):
        read_dataset(folder, "coco")
    with pytest.raises(InputError, match="the parts all"):
        read_dataset(folder, "folder", "val")
    with pytest.raises(InputError, match="no folder"):
        read_dataset(tmp_path / "nowhere", "folder")
    (tmp_path / "manifest.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="columns image"):
        read_dataset(tmp_path, "manifest")


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "empty"), (b"\x89PNG\r\n\x1a\n" + b"x" * 40, "damaged"), (b"text", "none of the formats")],
)
def test_a_damaged_mask_says_so(content: bytes, reason: str, tmp_path: Path) -> None:
    file = tmp_path / "mask.png"
    file.write_bytes(content)
    with pytest.raises(MaskError, match=reason):
        read_truth(Pair("a", file, file), "folder")


def test_masks_of_other_kinds_are_refused(tmp_path: Path) -> None:
    colour = write(tmp_path / "colour.png", photo(1))
    with pytest.raises(MaskError, match="colour"):
        read_truth(Pair("a", colour, colour), "folder")
    deep = write(tmp_path / "deep.png", square().astype(np.uint16) * 257)
    with pytest.raises(MaskError, match="8 bits"):
        read_truth(Pair("a", deep, deep), "folder")
