"""The training's samples, on pictures made here: no data folder, no PyTorch."""

from __future__ import annotations

import csv
import shutil
import zipfile
from dataclasses import replace
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest

from training.held_things import count_object, drop_patches, left_out
from training.library import Library, Scene, background_files, load_library, with_arms
from training.pack import pack
from training.recipe import Group, RecipeError, Sampling, Views
from training.samples import MAX_BOXES, samples, segmenter_sample, taught_detector_sample
from training.scenes import SceneMaker
from training.targets import TEACHER_ALONE, sharpened, target
from training.teachers import DetectorTeacher, Finder, SegmenterTeacher
from upperbodyseg.models.spec import WEIGHTS

GROUPS = {
    group.name: group
    for group in (
        Group("portraits", "photos", {"picsart": 0.0}, one_person=True),
        Group("scenes", "photos", {"coco": 0.0}, held_things=False),
        Group("fashion", "photos", {"ccp": 0.0}, weight=0.3, held_things=False, instead="scenes"),
        Group("unlabelled", "photos", {"pseudo": 0.0}, instead="portraits"),
        Group("composites", "cutouts", {"viton": 0.5, "headshots": 0.2, "picsart": 0.2, "coco": 0.2}),
        Group("rooms", "empty", {"houses": 0.0}, parts_of="coco"),
    )
}
SAMPLING = Sampling(GROUPS, dict(zip(GROUPS, (0.27, 0.25, 0.02, 0.15, 0.19, 0.12), strict=True)))
VIEWS = Views(margin=(0.05, 0.3), dropped=0.0)


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


class Grey:
    """A segmenter that gives every picture one mask, the same value everywhere."""

    def __init__(self, value: int = 200, size: int = 32) -> None:
        self.value, self.size = value, size
        self.seen: list[np.ndarray] = []

    def __call__(self, bgr: np.ndarray) -> np.ndarray:
        self.seen.append(bgr.copy())
        return np.full(bgr.shape[:2], self.value, np.uint8)


def taught(library: Library, seed: int, teacher: Grey, views: Views) -> tuple[np.ndarray, ...]:
    maker = SceneMaker(library, np.random.default_rng(seed), SAMPLING)
    return segmenter_sample(maker, 64, views, teacher)  # type: ignore[arg-type]


def test_a_teacher_has_its_share_at_the_edge_and_all_of_it_where_the_label_is_silent(
    library: Library,
) -> None:
    views = replace(VIEWS, held=0.0, sharpen=1.0, teacher_share=0.5)
    teacher = Grey(100)
    silent = edges = empty = 0
    for seed in range(60):
        maker = SceneMaker(library, np.random.default_rng(seed), SAMPLING)
        _, _, known = segmenter_sample(maker, 64, views)
        asked = len(teacher.seen)
        bgr, alpha, weight = taught(library, seed, teacher, views)
        if len(teacher.seen) == asked:  # a people-free picture: there the label knows better than any network
            np.testing.assert_array_equal(alpha, 0)
            empty += 1
            continue
        assert bgr.shape == teacher.seen[-1].shape == (64, 64, 3)
        np.testing.assert_array_equal(alpha[known == 0], 100)
        np.testing.assert_array_equal(weight[known == 0], TEACHER_ALONE)
        told = alpha[known > 0]
        soft = (told > 0) & (told < 255)
        assert ((told[soft] >= 50) & (told[soft] <= 178)).all()  # half of the label, and half of 100
        silent += int((known == 0).any())
        edges += int(soft.any())
    assert silent > 5
    assert edges > 10
    assert 0 < empty < 20


def test_a_segmenters_teacher_sees_the_picture_at_its_own_size(library: Library) -> None:
    teacher = Grey(200, size=96)
    for seed in range(10):
        bgr, alpha, weight = taught(library, seed, teacher, VIEWS)
        assert bgr.shape == (64, 64, 3)
        assert alpha.shape == weight.shape == (64, 64)
    assert {picture.shape for picture in teacher.seen} == {(96, 96, 3)}


def test_a_teacher_sees_the_picture_before_anything_is_laid_over_it(library: Library) -> None:
    plain, covered = Grey(), Grey()
    changed = 0
    for seed in range(40):
        one, _, _ = taught(library, seed, plain, replace(VIEWS, held=0.0))
        two, _, _ = taught(library, seed, covered, replace(VIEWS, held=1.0))
        changed += int((one != two).any())
    np.testing.assert_array_equal(plain.seen, covered.seen)
    assert changed > 20


def test_a_label_that_leaves_held_things_out_is_silent_where_a_teacher_marks_one(library: Library) -> None:
    (scene,) = library.people["coco"]
    mask = np.zeros_like(scene.alpha)
    mask[:, 75:90] = 255  # reaches beyond the disc, which ends at 80
    doubted = left_out(scene.alpha, mask)
    assert doubted[60, 82:89].all()
    assert not doubted[:10].any()  # far from the person the label is right
    assert not doubted[scene.alpha > 0].any()
    assert library.people["picsart"][0].held_things
    assert not scene.held_things


def test_an_object_over_the_body_is_held_and_one_beside_it_is_not() -> None:
    label = np.zeros((80, 80), np.uint8)
    label[20:, 20:60] = 255
    for left, expected in ((30, 255), (0, 0), (12, None)):
        where = np.zeros((80, 80), bool)
        where[40:60, left : left + 16] = True
        assert count_object(where, label) == expected


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


def test_people_free_pictures_are_cut_where_a_detector_sees_somebody(library: Library) -> None:
    marked = Library(library.people, library.cutouts, {"houses": [np.zeros((200, 300, 3), np.uint8)]})
    marked.backgrounds["houses"][0][60:140, 90:150] = 255

    def finder(bgr: np.ndarray) -> np.ndarray:
        x, y, w, h = cv2.boundingRect((bgr[..., 0] > 128).astype(np.uint8))
        return np.array([[x, y, x + w, y + h]], np.float32)

    bright = {}
    for how in (None, finder):
        cut = []
        for seed in range(300):
            maker = SceneMaker(marked, np.random.default_rng(seed), SAMPLING)
            bgr, alpha, _ = segmenter_sample(maker, 64, VIEWS, None, how)
            if not alpha.any() and np.median(bgr[28:36, 28:36]) > 60:
                cut.append((bgr > 60).mean())
        bright[how] = cut
    # Most of the region is what was found, as it is round a person.
    assert len(bright[finder]) > len(bright[None])
    assert np.median(bright[finder]) > 0.35 > np.median(bright[None])


class OneOpinion:
    """A detector that has one opinion of every picture."""

    size = 64

    def __call__(self, bgr: np.ndarray, size: int) -> np.ndarray:
        assert bgr.shape == (self.size, self.size, 3)
        return np.full((size // 8, size // 8, 6), 0.5, np.float32)


def test_a_taught_detectors_pictures_keep_fitting_their_labels(library: Library) -> None:
    scenes = [scene for kind in library.people.values() for scene in kind]
    before = [scene.bgr.copy() for scene in scenes]
    for seed in range(60):
        maker = SceneMaker(library, np.random.default_rng(seed), SAMPLING)
        taught_detector_sample(maker, 96, OneOpinion())  # type: ignore[arg-type]
        # After every sample: mirrored twice, a picture would be as it was.
        for picture, scene in zip(before, scenes, strict=True):
            np.testing.assert_array_equal(scene.bgr, picture)


def test_a_detectors_teacher_sees_what_a_held_object_hides(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Teacher(OneOpinion):
        def __call__(self, bgr: np.ndarray, size: int) -> np.ndarray:
            self.seen = bgr
            return super().__call__(bgr, size)

    def flat(bgr: np.ndarray, *_: object) -> tuple[np.ndarray, np.ndarray]:
        return np.full_like(bgr, 128), np.ones(bgr.shape[:2], bool)

    teacher, hidden = Teacher(), 0
    shown: dict[str, list[np.ndarray]] = {}
    for how in ("as it is", "flat"):
        for seed in range(60):
            maker = SceneMaker(library, np.random.default_rng(seed), SAMPLING)
            bgr, _ = taught_detector_sample(maker, 64, teacher)  # type: ignore[arg-type]
            shown.setdefault(how, []).append(bgr)
            shown.setdefault(f"teacher, {how}", []).append(teacher.seen)
        monkeypatch.setattr("training.samples.lay_object", flat)
    for plain, covered in zip(shown["as it is"], shown["flat"], strict=True):
        hidden += int((plain != covered).any())
    np.testing.assert_array_equal(shown["teacher, as it is"], shown["teacher, flat"])
    assert 4 < hidden < 25


def test_a_finder_sees_the_person(astronaut: np.ndarray) -> None:
    pytest.importorskip("ai_edge_litert")
    boxes = Finder(WEIGHTS / "accurate")(astronaut)
    x0, y0, x1, y1 = boxes[0]
    assert x0 < 120
    assert y0 < 60
    assert x1 > 340
    assert y1 > 480
    assert Finder(WEIGHTS / "accurate")(np.zeros((90, 160, 3), np.uint8)).shape == (0, 4)


def test_teachers_see_the_person(astronaut: np.ndarray) -> None:
    pytest.importorskip("ai_edge_litert")
    mask = SegmenterTeacher([WEIGHTS / "accurate" / "person_segmenter_int8.tflite"])(astronaut)
    assert mask.shape == astronaut.shape[:2]
    assert mask[200:300, 180:260].min() > 200
    assert mask[:60, :60].max() < 64
    teacher = DetectorTeacher(WEIGHTS / "accurate" / "person_detector_int8.tflite")
    picture = cv2.resize(astronaut, (teacher.size, teacher.size), interpolation=cv2.INTER_AREA)
    boxes = []
    for size in (teacher.size, 128):
        cells = teacher(picture, size)
        assert cells.shape == (size // 8, size // 8, 6)
        row, column = np.unravel_index(cells[..., 0].argmax(), cells.shape[:2])
        score, person, *logarithms = cells[row, column]
        assert score > 0.5
        assert person > 0.5
        left, top, right, bottom = 32 * np.exp(logarithms)
        x, y = 8 * column + 4, 8 * row + 4
        boxes.append(np.array([x - left, y - top, x + right, y + bottom]) / size)
    # In parts of the picture the same box, whatever the size it is asked for.
    np.testing.assert_allclose(boxes[0], boxes[1], atol=0.05)


def test_several_teachers_teach_the_mean_of_their_masks(astronaut: np.ndarray) -> None:
    pytest.importorskip("ai_edge_litert")
    accurate, fast = (WEIGHTS / model / "person_segmenter_int8.tflite" for model in ("accurate", "fast"))
    picture = cv2.resize(astronaut, (256, 256), interpolation=cv2.INTER_AREA)
    alone = [SegmenterTeacher([path])(picture).astype(float) for path in (accurate, fast)]
    both = SegmenterTeacher([accurate, fast])
    assert both.size == 256
    # The fast one's mask is made larger before or after it is rounded.
    np.testing.assert_allclose(both(picture), np.mean(alone, axis=0), atol=2)
    assert np.abs(alone[0] - alone[1]).max() > 20


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
