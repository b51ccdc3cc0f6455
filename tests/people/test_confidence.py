"""How sure a mask is."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from upperbodyseg import FrameInput, ModelFormatError, SegmenterOptions, UpperBodySegmenter
from upperbodyseg.geometry import Region
from upperbodyseg.models.spec import DETECTOR, MODELS, WEIGHTS, load_spec
from upperbodyseg.postprocess.confidence import Confidence, softness

U8 = NDArray[np.uint8]


def confidence(engine: UpperBodySegmenter, bgr: U8) -> float:
    return engine.process(FrameInput.from_image(bgr)).confidence


@pytest.mark.parametrize("model", MODELS)
def test_a_clear_portrait_is_surer_than_a_spoilt_one(model: str, portrait: U8) -> None:
    described = load_spec(DETECTOR, "ai-edge-litert", WEIGHTS / model).confidence
    assert described is not None
    tiny = cv2.resize(portrait, (24, 24), interpolation=cv2.INTER_AREA)
    noise = np.random.default_rng(0).normal(0, 40, (331, 311, 3))
    spoilt = (cv2.resize(tiny, (311, 331)) // 4 + noise).clip(0, 255).astype(np.uint8)
    with UpperBodySegmenter(SegmenterOptions(model=model)) as engine:
        clear = confidence(engine, portrait)
        assert described.look_below < clear <= 1
        assert 0 <= confidence(engine, spoilt) < clear
        wall = np.full((120, 160, 3), 140, np.uint8)
        assert 0.8 < confidence(engine, wall) <= 1


def test_streams_have_it_too(engine: UpperBodySegmenter, webcam: U8) -> None:
    engine.reset()
    found = [engine.process(FrameInput.from_image(webcam, is_still=False)).confidence for _ in range(3)]
    engine.reset()
    assert all(0.7 < value <= 1 for value in found)


def test_it_rises_with_the_score_and_falls_with_softness() -> None:
    model = Confidence(1.4, -1.0, -1.0, -3.0, 3.0, 0.8)
    assert model.of_people(0.9, 0.05) > model.of_people(0.3, 0.05)
    assert model.of_people(0.9, 0.05) > model.of_people(0.9, 0.4)
    assert model.of_nobody(0.0) > model.of_nobody(0.5)
    assert 0 < Confidence(1e6, 0, 1e6, 0, -1e6, 0.5).of_nobody(0) < 1e-9


def test_softness_is_the_share_of_uncertain_pixels() -> None:
    mask = np.zeros((10, 10), np.uint8)
    mask[:5] = 255
    assert softness([(Region(0, 0, 20, 20), mask)]) == 0
    mask[0] = 130
    assert softness([(Region(0, 0, 20, 20), mask)]) == pytest.approx(0.2)
    assert softness([]) == 1.0


def test_models_of_ones_own_need_not_say_anything(portrait: U8, tmp_path: Path) -> None:
    folder = shutil.copytree(WEIGHTS / MODELS[0], tmp_path / "weights")
    file = folder / f"{DETECTOR}.json"
    described = json.loads(file.read_text())
    fields = described.pop("confidence")
    file.write_text(json.dumps(described))
    with UpperBodySegmenter(SegmenterOptions(models_dir=folder)) as engine:
        output = engine.process(FrameInput.from_image(portrait))
        assert output.confidence == output.persons[0].score
    wrongs: tuple[object, ...] = ({**fields, "score": "high"}, {**fields, "more": 1}, {"score": 1.0}, [], 3)
    for wrong in wrongs:
        file.write_text(json.dumps({**described, "confidence": wrong}))
        with pytest.raises(ModelFormatError, match="no model description"):
            UpperBodySegmenter(SegmenterOptions(models_dir=folder)).initialize()
