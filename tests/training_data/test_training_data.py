"""Which pictures are learnt from, and the samples made of them."""

from __future__ import annotations

import shutil
import zipfile
from dataclasses import replace
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest
from sampling import GROUPS, SAMPLING

from training.held_things import drop_patches
from training.library import Library, Scene, background_files, load_library, with_arms
from training.pack import pack
from training.recipe import RecipeError
from training.samples import MAX_BOXES, samples, segmenter_sample
from training.scenes import SceneMaker
from training.targets import sharpened, target


def test_openly_licensed_pictures_alone_make_samples_too(folder: Path, labels: Path) -> None:
    library = load_library(folder, labels, open_only=True)
    assert {kind for kind, scenes in library.people.items() if scenes} == {"coco", "pseudo"}
    assert not any(library.cutouts.values())
    assert len(library.backgrounds["houses"]) == 3
    maker = SceneMaker(library, np.random.default_rng(2), SAMPLING)
    assert set(maker.shares) == {"scenes", "unlabelled", "composites", "rooms"}
    (person,) = library.people["coco"]
    assert maker.composite(GROUPS["composites"], people=2).alpha.any()
    assert len(person.boxes) == 1
    for _ in range(40):
        bgr, alpha, _ = segmenter_sample(maker, 64)
        assert bgr.shape == (64, 64, 3)
        assert alpha.shape == (64, 64)


def test_every_fifth_people_free_picture_is_held_out(folder: Path) -> None:
    held_out = background_files(folder, held_out=True)
    assert [Path(f).stem for f in held_out] == ["4", "9"]
    assert set(held_out).isdisjoint(background_files(folder, held_out=False))


def test_val_and_held_out_pictures_are_not_loaded(library: Library) -> None:
    assert {k: len(v) for k, v in library.people.items()} == {"picsart": 1, "coco": 1, "ccp": 1}
    assert len(library.backgrounds["houses"]) == 8


def test_128_is_ignored_and_no_person(library: Library) -> None:
    (scene,) = library.people["coco"]
    assert scene.ignore is not None
    assert scene.ignore[:, :10].all()
    assert not scene.alpha[:, :10].any()


def test_segmenter_samples(library: Library) -> None:
    stream = samples(library, "segmenter", 64, 1, SAMPLING)
    seen = [next(stream) for _ in range(120)]
    for bgr, alpha, weight in seen:
        assert (bgr.shape, alpha.shape, weight.shape) == ((64, 64, 3), (64, 64), (64, 64))
        assert bgr.dtype == alpha.dtype == weight.dtype == np.uint8
    assert any((a == 0).all() for _, a, _ in seen)
    assert any((a == 255).any() for _, a, _ in seen)
    assert any((w == 0).any() for _, _, w in seen)


@pytest.mark.parametrize("network", ["segmenter", "detector"])
def test_dark_pictures_are_learnt_from_as_the_product_shows_them(network: str, library: Library) -> None:
    dark = Library(
        people={k: [replace(s, bgr=s.bgr // 4) for s in scenes] for k, scenes in library.people.items()},
        backgrounds={k: [room // 4 for room in rooms] for k, rooms in library.backgrounds.items()},
    )
    pictures = [sample[0] for sample in islice(samples(dark, network, 96, 5, SAMPLING), 30)]
    assert np.median([np.percentile(picture.max(2), 98) for picture in pictures]) > 180
    assert max(s.bgr.max() for scenes in dark.people.values() for s in scenes) < 64


def test_detector_samples_box_what_their_mask_shows(library: Library) -> None:
    stream = samples(library, "detector", 96, 1, SAMPLING)
    some = False
    for _ in range(120):
        bgr, boxes, alpha, ignore = next(stream)
        assert (bgr.shape, boxes.shape) == ((96, 96, 3), (MAX_BOXES, 4))
        assert alpha.shape == ignore.shape == (12, 12)
        real = boxes[(boxes != 0).any(1)]
        assert (real[:, 2:] > real[:, :2]).all()
        assert real.min(initial=0) >= 0
        assert real.max(initial=0) <= 96
        inside = np.zeros((96, 96), bool)
        for x0, y0, x1, y1 in real.round().astype(int):
            inside[max(y0 - 8, 0) : y1 + 8, max(x0 - 8, 0) : x1 + 8] = True
        person = cv2.resize(np.where(ignore, 0, alpha), (96, 96), interpolation=cv2.INTER_NEAREST) > 200
        assert not (person & ~inside).any()
        some = some or len(real) > 1
    assert some


def test_parts_of_photos_without_people_show_nobody() -> None:
    bgr = np.zeros((200, 300, 3), np.uint8)
    bgr[60:, 100:220] = 255
    alpha = bgr[..., 0].copy()
    ignore = np.zeros(alpha.shape, bool)
    ignore[:, 280:] = True
    bgr[ignore] = 128
    library = Library()
    library.people["coco"].append(
        Scene(bgr, alpha, np.array([[100, 60, 220, 200]], np.float32), ignore=ignore)
    )
    library.backgrounds["houses"].append(np.full((90, 120, 3), 7, np.uint8))
    maker = SceneMaker(library, np.random.default_rng(1), SAMPLING)
    scenes = [maker.empty(GROUPS["rooms"]) for _ in range(60)]
    assert {int(scene.bgr.max()) for scene in scenes} == {0, 7}
    assert not any(scene.alpha.any() or len(scene.boxes) for scene in scenes)


def test_a_mosaic_keeps_every_scenes_people(library: Library) -> None:
    maker = SceneMaker(library, np.random.default_rng(1), SAMPLING)
    (person,) = library.people["picsart"]
    tiles = set()
    for _ in range(12):
        scene = maker.mosaic(lambda: person)
        n = scene.alpha.size // 240**2
        tiles.add(n)
        assert len(scene.boxes) == n
        for x0, y0, x1, y1 in scene.boxes.round().astype(int):
            inside = scene.alpha[y0:y1, x0:x1]
            assert (inside > 0).mean() == pytest.approx(np.pi / 4, abs=0.05)  # the disc in its box
    assert tiles == {2, 4}


def test_dropped_patches_hide_the_body_alone(library: Library) -> None:
    (scene,) = library.people["picsart"]
    changed = []
    for seed in range(20):
        out = drop_patches(scene.bgr, scene.alpha, np.random.default_rng(seed))
        different = (out != scene.bgr).any(2)
        assert not different[scene.alpha == 0].any()
        changed.append(different.mean())
    assert 0 < np.mean(changed) < 0.1
    empty = np.zeros_like(scene.alpha)
    np.testing.assert_array_equal(drop_patches(scene.bgr, empty, np.random.default_rng(1)), scene.bgr)


def test_boxes_grow_round_the_arms_of_their_own_person() -> None:
    alpha = np.zeros((100, 200), np.uint8)
    alpha[30:90, 20:60] = alpha[40:50, 5:80] = 255  # arms spread
    alpha[30:90, 120:150] = alpha[30:90, 150:180] = 255  # two who touch
    boxes = np.array([[20, 30, 60, 90], [120, 30, 150, 90], [150, 30, 180, 90]], np.float32)
    grown = with_arms(boxes, alpha)
    np.testing.assert_array_equal(grown, [[5, 30, 80, 90], [120, 30, 150, 90], [150, 30, 180, 90]])


def test_targets_are_hard_where_the_label_is_certain_and_soft_at_its_edge() -> None:
    label = np.zeros((64, 64), np.uint8)
    label[:, 32:] = 250
    known = np.ones(label.shape, bool)
    known[:8] = False
    mask = np.full(label.shape, 90, np.uint8)
    alpha, alone = target(label, known, mask, 0.5, 1.0, 4)
    np.testing.assert_array_equal(alone, ~known)
    np.testing.assert_array_equal(alpha[:8], 90)
    assert set(np.unique(alpha[8:, :27])) == {0}
    assert set(np.unique(alpha[8:, 37:])) == {255}
    assert set(np.unique(alpha[8:, 30:34])) == {45, 170}
    sharp, _ = target(label, known, mask, 0.5, 2.0, 4)
    assert sharp[0, 0] == sharpened(mask, 2.0)[0, 0] < 90


def test_sharpening_moves_values_away_from_one_half() -> None:
    values = np.arange(256, dtype=np.uint8)[None]
    sharp = sharpened(values, 2.0).astype(int)[0]
    assert (sharp[:127] <= np.arange(127)).all()
    assert (sharp[129:] >= np.arange(129, 256)).all()
    assert (np.diff(sharp) >= 0).all()
    np.testing.assert_array_equal(sharpened(values, 1.0), values)


def test_shares_of_sets_that_are_absent_fall_back_and_say_so(library: Library) -> None:
    maker = SceneMaker(library, np.random.default_rng(1), SAMPLING)
    assert maker.shares["portraits"] == pytest.approx(0.42)  # its own and those of the unlabelled
    assert sum(maker.shares.values()) == pytest.approx(1)
    assert maker.notes == ["no picture of pseudo: the 15 % of unlabelled go to portraits"]
    bare = Library(people={"coco": library.people["coco"]})
    with pytest.raises(RecipeError, match="people-free"):
        SceneMaker(bare, np.random.default_rng(1), SAMPLING)


def test_the_same_seed_gives_the_same_samples(library: Library) -> None:
    for network, size in (("segmenter", 64), ("detector", 96)):
        one, two = (samples(library, network, size, 7, SAMPLING) for _ in range(2))
        for _ in range(10):
            for a, b in zip(next(one), next(two), strict=True):
                np.testing.assert_array_equal(a, b)


def test_soft_masks_of_unlabelled_pictures_are_learnt_from(folder: Path, labels: Path) -> None:
    (scene,) = load_library(folder, labels).people["pseudo"]
    assert scene.alpha.max() == 240
    assert scene.ignore is not None
    assert scene.ignore[:, :30].all()
    assert not scene.ignore[:, 30:].any()
    np.testing.assert_allclose(scene.boxes, [[210, 60, 391, 241]], atol=1)


def test_without_soft_masks_unlabelled_pictures_are_left_out(library: Library) -> None:
    assert "pseudo" not in library.people


def test_a_packed_folder_holds_the_same_at_a_smaller_size(folder: Path, labels: Path, tmp_path: Path) -> None:
    file = tmp_path / "data.zip"
    assert pack(folder, labels, file) == file.stat().st_size
    with zipfile.ZipFile(file) as packed:
        packed.extractall(tmp_path / "data")
    before = load_library(folder, labels)
    after = load_library(tmp_path / "data", tmp_path / "data" / "labels")
    for part in ("people", "cutouts", "backgrounds"):
        sizes = [{k: len(v) for k, v in getattr(x, part).items()} for x in (before, after)]
        assert sizes[0] == sizes[1]
    (one,), (two,) = before.people["coco"], after.people["coco"]
    np.testing.assert_array_equal(one.alpha, two.alpha)
    np.testing.assert_array_equal(one.boxes, two.boxes)
    (soft,) = after.people["pseudo"]
    assert soft.bgr.shape == (144, 288, 3)
    np.testing.assert_allclose(soft.boxes, [[101, 29, 188, 116]], atol=1.5)
    val = tmp_path / "data" / "people/coco/images/val.png"
    assert val.read_bytes() == (folder / "people/coco/images/val.png").read_bytes()
    assert [Path(f).stem for f in background_files(tmp_path / "data", held_out=True)] == ["4", "9"]


def test_an_alpha_may_lie_beside_its_picture(folder: Path, tmp_path: Path) -> None:
    root = tmp_path / "data"
    shutil.copytree(folder, root)
    ramp = np.tile(np.linspace(0, 255, 50).astype(np.uint8), (60, 1))
    for name, plane in (("a", np.full((60, 50, 3), 90, np.uint8)), ("alpha", ramp)):
        assert cv2.imwrite(str(root / f"people/coco/images/{name}.png"), plane)
    with open(root / "manifest.csv", "a", newline="") as f:
        f.write("people/coco/images/a.png,people/coco/images/alpha.png,viton,train,x,50,60\n")
        f.write("cutouts/headshots/a.png,alpha channel,viton,val,x,50,60\n")
    library = load_library(root, groups=GROUPS)
    (_, cut) = library.cutouts["viton"]
    np.testing.assert_array_equal(cut[..., 3], ramp)
    pack(root, None, tmp_path / "data.zip")
    with zipfile.ZipFile(tmp_path / "data.zip") as packed:
        packed.extractall(tmp_path / "packed")
    assert (tmp_path / "packed/cutouts/headshots/a.png").exists()  # of the val split, as it is
    (_, again) = load_library(tmp_path / "packed", groups=GROUPS).cutouts["viton"]
    np.testing.assert_allclose(again[..., 3], ramp, atol=9)
