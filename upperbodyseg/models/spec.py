"""What is known of a model file, and loading it only if it is that file."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from upperbodyseg.errors import ModelFormatError, ModelNotFoundError

__all__ = ["DETECTOR", "MODELS", "SEGMENTER", "WEIGHTS", "ModelSpec", "load_spec", "load_weights"]

WEIGHTS = Path(__file__).parent / "weights"
"""Folder of the weights that come with the package, a subfolder for each of :data:`MODELS`."""

MODELS = ("accurate", "fast")
"""Pairs of a detector and a segmenter that come with the package, the default first."""

DETECTOR = "person_detector"
SEGMENTER = "person_segmenter"


@dataclass(frozen=True)
class ModelSpec:
    """The description that stands beside the model files, as ``<name>.json``.

    A model comes as one file a runtime, the same network in the arithmetic that runtime is fast in.

    Attributes:
        name, version: which model it is.
        runtime: which of the runtimes this file is for.
        precision: of the file's weights and arithmetic: "int8", or "float16" (weights alone).
        path: the .tflite file.
        sha256: of that file, in hexadecimal.
        input_shape: NHWC; BGR, 0-255.
        output_shape: what the file's outputs hold, one behind the other along the last axis.
        parameters: number of weights.
        stride: input pixels a cell of the output, each way.
        unit: input pixels that a logarithmic distance of 0 stands for (detector).
        score_threshold: score that the best find must reach (detector).
        companion_threshold: score that suffices for the others once it does (detector).
        companion_share: share of the best find's score that they must reach, too (detector).
        doubt_weight: by how much a segmenter in full doubt lowers a find's score (detector).
        certain_level: value of the mask from which on that segmenter is certain (detector).
        margin: share of a box's sides that its region is wider and higher by on each side (detector).
    """

    name: str
    version: str
    runtime: str
    precision: str
    path: Path
    sha256: str
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    parameters: int
    stride: int
    unit: float = 1.0
    score_threshold: float = 0.5
    companion_threshold: float = 0.5
    companion_share: float = 0.0
    doubt_weight: float = 0.0
    certain_level: int = 240
    margin: float = 0.15


def load_spec(name: str, runtime: str, folder: Path = WEIGHTS / MODELS[0]) -> ModelSpec:
    """Read a model's description.

    Args:
        name: :data:`DETECTOR` or :data:`SEGMENTER`.
        runtime: the runtime that is to run it, by its package's name.
        folder: where the description and the files are.

    Raises:
        ModelNotFoundError: there is none of that name in the folder, or none for that runtime.
        ModelFormatError: it can't be read.
    """
    file = folder / f"{name}.json"
    try:
        fields: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        files: dict[str, Any] = fields["files"]
        if runtime not in files:
            raise ModelNotFoundError(f"{file} lists no file for {runtime}, only for: {', '.join(files)}")
        spec = ModelSpec(
            name=str(fields["name"]),
            version=str(fields["version"]),
            runtime=runtime,
            precision=str(files[runtime]["precision"]),
            path=folder / str(files[runtime]["file"]),
            sha256=str(files[runtime]["sha256"]),
            input_shape=tuple(int(n) for n in fields["input_shape"]),
            output_shape=tuple(int(n) for n in fields["output_shape"]),
            parameters=int(fields["parameters"]),
            stride=int(fields["stride"]),
            unit=float(fields.get("unit", 1)),
            score_threshold=float(fields.get("score_threshold", 0.5)),
            companion_threshold=float(fields.get("companion_threshold", fields.get("score_threshold", 0.5))),
            companion_share=float(fields.get("companion_share", 0)),
            doubt_weight=float(fields.get("doubt_weight", 0)),
            certain_level=int(fields.get("certain_level", 240)),
            margin=float(fields.get("margin", 0.15)),
        )
    except FileNotFoundError as exc:
        raise ModelNotFoundError(
            f"no model description at {file}: reinstall upperbodyseg, or check models_dir"
        ) from exc
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as exc:
        raise ModelFormatError(f"{file} is no model description ({exc!r}): reinstall upperbodyseg") from exc
    if not _makes_sense(spec, name):
        raise ModelFormatError(f"{file} does not describe a {name}: {spec}")
    return spec


def _makes_sense(spec: ModelSpec, name: str) -> bool:
    if spec.name != name or len(spec.input_shape) != 4 or spec.stride < 1:
        return False
    batch, height, width, channels = spec.input_shape
    outputs = 6 if name == DETECTOR else spec.stride**2
    return (
        (batch, channels) == (1, 3)
        and height == width
        and spec.output_shape == (1, height // spec.stride, width // spec.stride, outputs)
        and spec.unit > 0
        and 0 <= spec.companion_threshold <= spec.score_threshold <= 1
        and 0 <= spec.companion_share <= 1
        and 0 <= spec.doubt_weight <= 1
        and 128 <= spec.certain_level <= 255
        and 0 <= spec.margin <= 1
    )


def load_weights(spec: ModelSpec) -> bytes:
    """Read a model file and check its hash.

    Raises:
        ModelNotFoundError: it is not there or can't be read.
        ModelFormatError: its sha256 is not the spec's.
    """
    try:
        content = spec.path.read_bytes()
    except OSError as exc:
        raise ModelNotFoundError(
            f"can't read the model file {spec.path} ({exc.strerror}): "
            "reinstall upperbodyseg, or check models_dir"
        ) from exc
    found = hashlib.sha256(content).hexdigest()
    if found != spec.sha256:
        raise ModelFormatError(
            f"{spec.path} is damaged or another file: expected sha256 {spec.sha256}, got {found} "
            f"({len(content)} bytes); reinstall upperbodyseg"
        )
    return content
