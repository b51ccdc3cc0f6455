"""The pictures made worse for the robustness table."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from benchmarks.corruptions import CORRUPTIONS, held_object


@pytest.fixture(scope="module")
def picture(astronaut: np.ndarray) -> np.ndarray:
    return np.asarray(cv2.resize(astronaut, (240, 320), interpolation=cv2.INTER_AREA))


def sharpness(bgr: np.ndarray) -> float:
    return float(cv2.Laplacian(cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY), cv2.CV_32F).var())


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_corruption_changes_the_picture_and_is_the_same_every_time(name: str, picture: np.ndarray) -> None:
    before = picture.copy()
    first = CORRUPTIONS[name](picture)
    np.testing.assert_array_equal(picture, before)
    np.testing.assert_array_equal(first, CORRUPTIONS[name](picture))
    assert first.dtype == np.uint8
    shape = (160, 120, 3) if name == "half resolution" else picture.shape
    assert first.shape == shape
    if name != "half resolution":
        assert np.abs(first.astype(int) - picture).mean() > 1


@pytest.mark.parametrize("name", ["motion blur", "defocus"])
def test_blurs_take_detail_and_keep_the_light(name: str, picture: np.ndarray) -> None:
    blurred = CORRUPTIONS[name](picture)
    assert sharpness(blurred) < 0.5 * sharpness(picture)
    assert abs(float(blurred.mean()) - float(picture.mean())) < 2


def test_less_light_is_darker_each_time(picture: np.ndarray) -> None:
    means = [float(CORRUPTIONS[f"light 1/{n}"](picture).mean()) for n in (4, 10, 30)]
    assert picture.mean() > means[0] > means[1] > means[2] > 0


def test_a_held_object_lies_on_the_person_and_is_marked(picture: np.ndarray) -> None:
    truth = np.zeros(picture.shape[:2], np.uint8)
    truth[100:300, 60:200] = 255
    spoilt, where = held_object(picture, truth)
    assert 0.05 < (where & (truth > 0)).sum() / (truth > 0).sum() < 0.3
    np.testing.assert_array_equal(spoilt[~where], picture[~where])
    assert np.abs(spoilt[where].astype(int) - picture[where]).mean() > 5


def test_without_a_person_nothing_is_held(picture: np.ndarray) -> None:
    spoilt, where = held_object(picture, np.zeros(picture.shape[:2], np.uint8))
    np.testing.assert_array_equal(spoilt, picture)
    assert not where.any()
