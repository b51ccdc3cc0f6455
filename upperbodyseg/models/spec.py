"""What is known of a model file, and loading it only if it is that file."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from upperbodyseg.checks import number, whole_number
from upperbodyseg.errors import ModelFormatError, ModelNotFoundError
from upperbodyseg.postprocess.acceptance import Acceptance
from upperbodyseg.postprocess.confidence import Confidence

__all__ = [
    "DETECTOR",
    "MODELS",
    "SEGMENTER",
    "SEPARATOR",
    "SHIPPED",
    "WEIGHTS",
    "ModelSpec",
    "load_spec",
    "load_weights",
]

WEIGHTS = Path(__file__).parent / "weights"
"""Folder of the weights that come with the package, a subfolder for each of :data:`MODELS`."""

MODELS = ("accurate", "fast")
"""Pairs of a detector and a segmenter that come with the package, the default first."""

DETECTOR = "person_detector"
SEGMENTER = "person_segmenter"
SEPARATOR = "person_separator"

SHIPPED = (
    *((WEIGHTS / model, name) for model in MODELS for name in (DETECTOR, SEGMENTER)),
    (WEIGHTS / "separator", SEPARATOR),
)
"""Folder and name of each model that comes with the package. One separator serves both pairs."""

SEPARATOR_CHANNELS = 5
"""Of a separator's input: blue, green, red, mask, and the boxes of others."""

_MAX_UNIT = 1e6


@dataclass(frozen=True)
class ModelSpec:
    """The description that stands beside the model files, as ``<name>.json``.

    A model comes as one file a runtime: the same network in the arithmetic that the runtime is fast in.

    Attributes:
        name, version: which model it is.
        runtime: which of the runtimes this file is for.
        precision: of the file's weights and arithmetic: "int8", or "float16" (weights alone).
        path: the .tflite file.
        sha256: of that file, in hexadecimal.
        input_shape: NHWC; BGR, and a separator's further channels, 0-255.
        output_shape: what the file's outputs hold, one behind the other along the last axis.
        parameters: number of weights.
        stride: input pixels a cell of the output, each way.
        unit: input pixels that a logarithmic distance of 0 stands for (detector).
        acceptance: which of the detector's detections count beside this pair's segmenter; None for others.
        confidence: how good this pair's masks are likely to be; None for others, and where a folder of
            one's own says nothing of it.
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
    acceptance: Acceptance | None = None
    confidence: Confidence | None = None


def load_spec(name: str, runtime: str, folder: Path = WEIGHTS / MODELS[0]) -> ModelSpec:
    """Read a model's description.

    Args:
        name: :data:`DETECTOR`, :data:`SEGMENTER` or :data:`SEPARATOR`.
        runtime: the runtime that is to run it, by its package's name.
        folder: where the description and the files are.

    Raises:
        ModelNotFoundError: there is none of that name in the folder, or none for that runtime.
        ModelFormatError: it can't be read, or describes no model of that name.
    """
    file = folder / f"{name}.json"
    try:
        fields: dict[str, Any] = json.loads(
            _read(file).decode("utf-8"), parse_float=_finite, parse_constant=_finite
        )
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
            input_shape=tuple(whole_number("input_shape", n, 1) for n in fields["input_shape"]),
            output_shape=tuple(whole_number("output_shape", n, 1) for n in fields["output_shape"]),
            parameters=whole_number("parameters", fields["parameters"], 0),
            stride=whole_number("stride", fields["stride"], 1),
            unit=number("unit", fields["unit"], _MAX_UNIT) if name == DETECTOR else 1.0,
            acceptance=_acceptance(fields["acceptance"]) if name == DETECTOR else None,
            confidence=_confidence(fields.get("confidence")) if name == DETECTOR else None,
        )
    except FileNotFoundError as exc:
        raise ModelNotFoundError(
            f"no model description at {file}: reinstall upperbodyseg, or check models_dir"
        ) from exc
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as exc:
        raise ModelFormatError(f"{file} is no model description ({exc!r}): reinstall upperbodyseg") from exc
    if not _makes_sense(spec, name):
        raise ModelFormatError(f"{file} does not describe a {name}: {spec}")
    return spec


def _finite(text: str) -> float:
    """A number of the JSON, which has no NaN and no infinity, whatever Python reads."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"expected finite numbers, got {text}")
    return value


def _acceptance(fields: dict[str, Any]) -> Acceptance:
    shares = {
        name: number(name, fields[name], 1)
        for name in (
            "high_threshold",
            "low_threshold",
            "relative_threshold",
            "uncertainty_penalty",
            "margin",
        )
    }
    acceptance = Acceptance(
        certain_level=whole_number("certain_level", fields["certain_level"], 128, 255), **shares
    )
    if acceptance.low_threshold > acceptance.high_threshold:
        raise ValueError("expected a low_threshold of at most the high_threshold")
    if len(fields) != len(shares) + 1:
        raise ValueError(f"expected no more than {[*shares, 'certain_level']}, got {[*fields]}")
    return acceptance


def _confidence(fields: dict[str, Any] | None) -> Confidence | None:
    if fields is None:
        return None
    names = ("score", "softness", "bias", "nobody_score", "nobody_bias")
    if set(fields) != {*names, "look_below"}:
        raise ValueError(f"expected {[*names, 'look_below']} under confidence, got {[*fields]}")
    return Confidence(
        **{name: number(name, fields[name], _MAX_UNIT, "a number", least=-_MAX_UNIT) for name in names},
        look_below=number("look_below", fields["look_below"], 1),
    )


def _makes_sense(spec: ModelSpec, name: str) -> bool:
    if spec.name != name or len(spec.input_shape) != 4:
        return False
    batch, height, width, channels = spec.input_shape
    outputs = {DETECTOR: 6, SEGMENTER: spec.stride**2, SEPARATOR: spec.stride**2 + 1}[name]
    return (
        (batch, channels) == (1, SEPARATOR_CHANNELS if name == SEPARATOR else 3)
        and height == width
        and spec.output_shape == (1, height // spec.stride, width // spec.stride, outputs)
        and spec.unit > 0
    )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        loader: Any = getattr(__spec__, "loader", None)
        if getattr(loader, "archive", None) is None or not path.is_relative_to(WEIGHTS):
            raise
        # The package is in a zip: a wheel on PYTHONPATH, a zipapp.
        content: bytes = loader.get_data(str(path))
        return content


def load_weights(spec: ModelSpec) -> bytes:
    """Read a model file and check its hash.

    Raises:
        ModelNotFoundError: it is not there or can't be read.
        ModelFormatError: its sha256 is not the spec's.
    """
    try:
        content = _read(spec.path)
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
