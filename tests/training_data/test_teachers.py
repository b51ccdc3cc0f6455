"""What teachers add to the labels."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from sampling import SAMPLING, VIEWS

from training.held_things import count_object, left_out
from training.library import Library
from training.recipe import Views
from training.samples import segmenter_sample, taught_detector_sample
from training.scenes import SceneMaker
from training.targets import TEACHER_ALONE
from training.teachers import DetectorTeacher, Finder, SegmenterTeacher
from upperbodyseg.models.spec import WEIGHTS


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
