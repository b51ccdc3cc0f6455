from __future__ import annotations

import hashlib
import itertools
import json
import re
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from upperbodyseg import (
    FrameInput,
    InferenceError,
    InputError,
    ModelError,
    ModelFormatError,
    ModelNotFoundError,
    SegmentationOutput,
    SegmenterOptions,
    UpperBodySegmenter,
)
from upperbodyseg.geometry import Region
from upperbodyseg.models.interpreter import RUNTIMES, Interpreter, available_runtimes, choose_runtime
from upperbodyseg.models.spec import DETECTOR, MODELS, SEGMENTER, SHIPPED, WEIGHTS, load_spec, load_weights
from upperbodyseg.preprocess.pixel_format import Frame
from upperbodyseg.preprocess.regions import region_around
from upperbodyseg.segmenter import PersonSegmenter

NAMES = (DETECTOR, SEGMENTER)


@pytest.fixture
def models_dir(tmp_path: Path) -> Path:
    """A copy of the weights to damage."""
    return Path(shutil.copytree(WEIGHTS / MODELS[0], tmp_path / "weights"))


def start(folder: Path, runtime: str = "auto") -> None:
    UpperBodySegmenter(SegmenterOptions(models_dir=folder, runtime=runtime)).initialize()


def test_the_weights_of_the_package_are_what_their_descriptions_say() -> None:
    files = set()
    limits = {
        ("fast", "int8"): 1_200_000,
        ("accurate", "int8"): 5_000_000,
        ("fast", "float16"): 2_200_000,
        ("accurate", "float16"): 9_200_000,
    }
    for model, runtime in itertools.product(MODELS, RUNTIMES):
        total = 0
        for name in NAMES:
            spec = load_spec(name, runtime, WEIGHTS / model)
            total += len(load_weights(spec))
            files.add(spec.path)
            card = (WEIGHTS / model / f"{name}.md").read_text(encoding="utf-8")
            told = ("Trained on", "licence", "recipe", "Scores", "accuracy.md", "Known limits", spec.sha256)
            assert [what for what in told if what not in card] == []
            assert str(list(spec.input_shape)) in card
            assert str(list(spec.output_shape)) in card
        assert total < limits[model, spec.precision]
    folder, name = SHIPPED[-1]
    for runtime in RUNTIMES:
        spec = load_spec(name, runtime, folder)
        assert len(load_weights(spec)) < 400_000
        files.add(spec.path)
        card = (folder / f"{name}.md").read_text(encoding="utf-8")
        told = ("Trained on", "licence", "recipe", "Scores", "accuracy.md", "Known limits", spec.sha256)
        assert [what for what in told if what not in card] == []
        assert str(list(spec.input_shape)) in card
        assert str(list(spec.output_shape)) in card
    assert set(WEIGHTS.rglob("*.tflite")) == files
    assert len(files) == 10


def test_each_runtime_gets_the_arithmetic_it_is_fast_in() -> None:
    for name, model in itertools.product(NAMES, MODELS):
        assert load_spec(name, "ai-edge-litert", WEIGHTS / model).precision == "int8"
        assert load_spec(name, "tflite-runtime", WEIGHTS / model).precision == "float16"


def test_both_files_of_a_model_say_the_same(astronaut: np.ndarray) -> None:
    if len(available_runtimes()) < len(RUNTIMES):
        pytest.skip("needs both runtimes")
    for model, name in itertools.product(MODELS, NAMES):
        outputs = []
        for runtime in RUNTIMES:
            spec = load_spec(name, runtime, WEIGHTS / model)
            size = spec.input_shape[1]
            picture = cv2.resize(astronaut, (size, size), interpolation=cv2.INTER_AREA)
            outputs.append(Interpreter(spec, load_weights(spec)).run(picture))
        first, second = (o[..., : 1 if name == DETECTOR else None] for o in outputs)
        assert np.abs(first - second).mean() < 0.03, (model, name)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("model", MODELS)
def test_models_load_and_run_in_each_runtime(model: str, name: str, runtime: str) -> None:
    spec = load_spec(name, runtime, WEIGHTS / model)
    interpreter = Interpreter(spec, load_weights(spec))
    _, height, width, _ = spec.input_shape
    output = interpreter.run(np.zeros((height, width, 3), np.uint8))
    assert output.shape == spec.output_shape[1:]
    assert np.isfinite(output).all()
    scores = output[..., : 1 if name == DETECTOR else None]
    assert 0 <= scores.min() <= scores.max() <= 1


def test_copied_weights_work(models_dir: Path) -> None:
    start(models_dir)


def weight_file(folder: Path, name: str, runtime: str) -> Path:
    return load_spec(name, runtime, folder).path


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_file_is_named(models_dir: Path, name: str, runtime: str) -> None:
    file = weight_file(models_dir, name, runtime)
    file.unlink()
    with pytest.raises(ModelNotFoundError, match=re.escape(file.name)):
        start(models_dir, runtime)


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_description_is_named(models_dir: Path, name: str) -> None:
    (models_dir / f"{name}.json").unlink()
    with pytest.raises(ModelNotFoundError, match=rf"{name}\.json"):
        start(models_dir)


def test_a_description_without_a_file_for_the_runtime_says_so(models_dir: Path, runtime: str) -> None:
    description = models_dir / "person_detector.json"
    files = json.loads(description.read_text())["files"]
    del files[runtime]
    edit(description, files=files)
    with pytest.raises(ModelNotFoundError, match=f"no file for {runtime}"):
        start(models_dir, runtime)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match="nowhere"):
        start(tmp_path / "nowhere")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "text"])
def test_a_damaged_file_is_refused_by_its_hash(
    models_dir: Path, name: str, damage: str, runtime: str
) -> None:
    file = weight_file(models_dir, name, runtime)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(
        {"flip": bytes(content), "cut": bytes(content[:1000]), "empty": b"", "text": b"<html>"}[damage]
    )
    with pytest.raises(ModelFormatError, match="sha256"):
        start(models_dir, runtime)


def edit(file: Path, **fields: object) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **fields}))


def replace_file(folder: Path, runtime: str, content: bytes, name: str = DETECTOR) -> None:
    """Another model file, and the description says it is the right one."""
    weight_file(folder, name, runtime).write_bytes(content)
    description = folder / f"{name}.json"
    files = json.loads(description.read_text())["files"]
    files[runtime]["sha256"] = hashlib.sha256(content).hexdigest()
    edit(description, files=files)


def test_garbage_with_the_right_hash_is_refused_by_each_runtime(models_dir: Path, runtime: str) -> None:
    replace_file(models_dir, runtime, b"no model at all" * 100)
    with pytest.raises(ModelFormatError, match=f"{runtime} can't load"):
        start(models_dir, runtime)


def test_another_model_under_its_name_is_refused(models_dir: Path, runtime: str) -> None:
    replace_file(models_dir, runtime, weight_file(models_dir, SEGMENTER, runtime).read_bytes())
    with pytest.raises(ModelFormatError, match="192, 192, 3"):
        start(models_dir, runtime)


def test_another_models_tensors_are_refused(models_dir: Path) -> None:
    edit(models_dir / "person_detector.json", input_shape=[1, 224, 224, 3], output_shape=[1, 28, 28, 5])
    with pytest.raises(ModelFormatError, match="224"):
        start(models_dir)


@pytest.mark.parametrize("text", ["", "{}", "[]", "not json", '{"name": 1}'])
def test_a_damaged_description_is_refused(models_dir: Path, text: str) -> None:
    (models_dir / "person_segmenter.json").write_text(text)
    with pytest.raises(ModelFormatError, match=r"person_segmenter\.json"):
        start(models_dir)


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "person_segmenter"},
        {"stride": 0},
        {"stride": 4},
        {"unit": 0},
        {"files": None},
        {"stride": 8.5},
        {"unit": float("nan")},
        {"unit": float("inf")},
        {"parameters": True},
        {"acceptance": None},
        {"acceptance": {}},
        {"acceptance": {"high_threshold": 0.5}},
        {"output_shape": [1, 24, 24, 1]},
        {"input_shape": [192, 192, 3]},
    ],
)
def test_a_description_that_makes_no_sense_is_refused(models_dir: Path, fields: dict[str, object]) -> None:
    edit(models_dir / "person_detector.json", **fields)
    with pytest.raises(ModelFormatError, match=r"person_detector\.json"):
        start(models_dir)


@pytest.mark.parametrize(
    "fields",
    [
        {"high_threshold": float("nan")},
        {"high_threshold": "0.5"},
        {"high_threshold": 1.5},
        {"low_threshold": 0.99},
        {"relative_threshold": 1.5},
        {"uncertainty_penalty": -0.1},
        {"certain_level": 127},
        {"certain_level": 256},
        {"margin": -0.1},
        {"margin": float("inf")},
        {"thershold": 0.5},
    ],
)
def test_an_acceptance_that_makes_no_sense_is_refused(models_dir: Path, fields: dict[str, object]) -> None:
    edit_acceptance(models_dir, **fields)
    with pytest.raises(ModelFormatError, match=r"person_detector\.json"):
        start(models_dir)


@pytest.mark.parametrize("text", ["1e999", "-1e999", "NaN", "Infinity", "1" + "0" * 400])
def test_a_number_that_is_none_is_a_damaged_description(models_dir: Path, text: str) -> None:
    description = models_dir / "person_detector.json"
    content = description.read_text()
    for field in ('"unit": 32.0', '"margin": 0.13', '"stride": 8', '"parameters": 604518'):
        assert field in content
        name, _ = field.split(": ")
        description.write_text(content.replace(field, f"{name}: {text}"))
        with pytest.raises(ModelFormatError, match=r"person_detector\.json"):
            start(models_dir)


def edit_acceptance(folder: Path, **fields: object) -> None:
    description = folder / "person_detector.json"
    edit(description, acceptance={**json.loads(description.read_text())["acceptance"], **fields})


@pytest.mark.parametrize("is_still", [True, False])
def test_a_person_counts_only_after_the_uncertainty_penalty(
    models_dir: Path, portrait: NDArray[np.uint8], is_still: bool
) -> None:
    def output(penalty: float, threshold: float, certain_level: int = 240) -> SegmentationOutput:
        edit_acceptance(models_dir, uncertainty_penalty=penalty, certain_level=certain_level)
        frame = FrameInput.from_array(portrait, is_still=is_still)
        with UpperBodySegmenter(SegmenterOptions(models_dir=models_dir, score_threshold=threshold)) as engine:
            return engine.process(frame)

    (person,) = output(0, 0.5).persons
    threshold = person.score - 0.001
    assert output(0, threshold).persons == (person,)
    penalized = output(1, threshold)  # there is always an edge, of which no segmenter is certain
    assert penalized.persons == ()
    assert not penalized.mask.any()
    # Certain of whatever it marks, it lowers no score.
    assert output(1, threshold, certain_level=128).persons == (person,)


@pytest.mark.parametrize("is_still", [True, False])
def test_a_pair_says_how_much_is_seen_round_a_box(
    models_dir: Path, webcam: NDArray[np.uint8], is_still: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    segment = PersonSegmenter.segment

    def watched(segmenter: PersonSegmenter, frame: Frame, region: Region, *more: Any) -> object:
        seen.append(region)
        return segment(segmenter, frame, region, *more)

    monkeypatch.setattr(PersonSegmenter, "segment", watched)
    for margin in (0.0, 0.3):
        edit_acceptance(models_dir, margin=margin)
        frame = FrameInput.from_array(webcam, is_still=is_still)
        with UpperBodySegmenter(SegmenterOptions(models_dir=models_dir)) as engine:
            (person,) = engine.process(frame).persons
        wanted = region_around(person.box, webcam.shape[:2], margin)
        assert seen[0] == wanted
        # A still is seen again where its region cuts somebody off; a stream's region grows in the next frame.
        assert len(seen) == 1 + (is_still and margin == 0)
        assert seen[-1].union(wanted) == seen[-1]
        seen.clear()


def test_an_engine_whose_models_failed_can_be_tried_again(models_dir: Path) -> None:
    file = weight_file(models_dir, SEGMENTER, choose_runtime("auto"))
    content = file.read_bytes()
    file.unlink()
    engine = UpperBodySegmenter(SegmenterOptions(models_dir=models_dir))
    with pytest.raises(ModelError):
        engine.initialize()
    assert not engine.is_initialized
    file.write_bytes(content)
    engine.initialize()
    assert engine.is_initialized
    engine.close()


def test_a_runtimes_failure_becomes_ours(runtime: str) -> None:
    spec = load_spec(SEGMENTER, runtime)
    interpreter = Interpreter(spec, load_weights(spec))
    picture = np.zeros((*spec.input_shape[1:3], 3), np.uint8)
    held = interpreter._interpreter.tensor(interpreter._input)()  # a held view makes invoke() fail
    with pytest.raises(InferenceError, match=runtime):
        interpreter.run(picture)
    del held
    assert interpreter.run(picture).shape == spec.output_shape[1:]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("is_still", [True, False])
def test_a_damaged_models_nan_is_an_error_and_no_empty_mask(
    models_dir: Path, portrait: NDArray[np.uint8], name: str, is_still: bool
) -> None:
    runtime = "tflite-runtime"  # its files are float; int8 knows no NaN
    if runtime not in available_runtimes():
        pytest.skip(f"{runtime} is not installed")
    content = bytearray(weight_file(models_dir, name, runtime).read_bytes())
    middle = len(content) // 4 * 2
    content[middle : middle + 4000] = b"\xff\x7f" * 2000
    replace_file(models_dir, runtime, bytes(content), name)
    with UpperBodySegmenter(SegmenterOptions(models_dir=models_dir, runtime=runtime)) as engine:
        for _ in range(2):
            with pytest.raises(InferenceError, match=f"{name} gave NaN or infinity"):
                engine.process(FrameInput.from_array(portrait, is_still=is_still))


def test_runtimes_are_chosen_by_name_or_in_order() -> None:
    installed = available_runtimes()
    assert choose_runtime("auto") == next(iter(installed))
    for name in installed:
        assert choose_runtime(name) == name
    with pytest.raises(InputError, match="'tf'"):
        choose_runtime("tf")
