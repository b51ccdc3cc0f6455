"""Checkpoint to shipped files: ``python -m training.export fast-segmenter --run R --data DATA``.

Writes into the package's folder of the model, or ``--out``, from one network:

- ``<name>_int8.tflite`` (for LiteRT, whose XNNPACK is fastest so): weights and arithmetic in int8 (static, a
  scale a channel), calibrated on training pictures; uint8 pixels less 128 in. But for the fast networks' the
  first convolution stays in float32: in int8 it alone would blunt the edges.
- ``<name>_float16.tflite`` (for tflite-runtime, which is slow in int8): float16 weights, float32 arithmetic.
- ``<name>.json``, what the package has to know of them, with their sha256.

and says how far the files' outputs are from the network's on pictures they were not calibrated on.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from training.compact import compact
from training.detectors import Detector, FastDetector
from training.exported import ExportedFile
from training.library import load_library
from training.networks import NETWORKS
from training.recipe import Recipe, read_recipe
from training.samples import samples
from training.segmenters import FastSegmenter, Segmenter
from training.train import load_average
from upperbodyseg.models.spec import MODELS
from upperbodyseg.postprocess.acceptance import Acceptance
from upperbodyseg.postprocess.detections import LOG_RANGE

CALIBRATION = 200  # pictures
CHECK = 24  # pictures
PRECISIONS = {"ai-edge-litert": "int8", "tflite-runtime": "float16"}
# Of an int8 file, by the operations' names.
STAYS_FLOAT = {
    "teacher": ".*Sequential_stem.*",
    "lite0": ".*Sequential_stem.*",
    "accurate": ".*Sequential_stem.*",
    "fast": None,
}
# Which detections of a pair count. The fast detector's boxes are wide as they are.
ACCEPTANCE = {
    "accurate": Acceptance(0.12, 0.12, 0.5, 0.08, 240, 0.13),
    "fast": Acceptance(0.12, 0.12, 0.7, 0.35, 190, 0.08),
}
LIMITS = {"float16": 0.02, "int8": 0.05}  # mean difference of the first output, a probability

U8 = NDArray[np.uint8]


class ExportedSegmenter(nn.Module):
    """NHWC BGR 0-255 in, NHWC probabilities 0-1 out, four to a cell of 2 x 2 pixels."""

    def __init__(self, network: Segmenter) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        return self.network.cells(image.permute(0, 3, 1, 2)).sigmoid().permute(0, 2, 3, 1)


class ExportedDetector(nn.Module):
    """NHWC BGR 0-255 in; out, a cell: score and share of person, 0-1, and the distances' logarithms."""

    def __init__(self, network: Detector) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        x, mask = self.network(image.permute(0, 3, 1, 2))
        # Each its own sigmoid: the logits' ranges differ, and int8 has one for a tensor.
        shares = torch.cat([x[:, :1].sigmoid(), mask.sigmoid()], 1).permute(0, 2, 3, 1)
        return shares, x[:, 1:].permute(0, 2, 3, 1).clamp(*LOG_RANGE)


def pictures(part: str, data: Path, size: int, recipe: Recipe, number: int) -> tuple[list[U8], list[U8]]:
    """A number of training samples to calibrate with, and others to check with."""
    library = load_library(data, groups=recipe.groups)
    stream = samples(library, part, size, 2024, recipe.sampling(part))
    drawn = [np.array(sample[0]) for sample in islice(stream, number + CHECK)]
    for picture in drawn[:number]:
        # The input's scale shall be exactly 1, whatever the pictures: both ends in every one.
        picture[0, 0], picture[0, 1] = 0, 255
    return drawn[:number], drawn[number:]


def to_float16(float32: Path) -> bytes:
    """The same model with float16 weights that are widened when it is loaded."""
    from ai_edge_quantizer import quantizer, recipe_manager
    from ai_edge_quantizer.qtyping import OpQuantizationConfig, TensorQuantizationConfig, TFLOperationName

    recipe = recipe_manager.RecipeManager()
    recipe.add_quantization_config(
        regex=".*",
        operation_name=TFLOperationName.ALL_SUPPORTED,
        op_config=OpQuantizationConfig(
            weight_tensor_config=TensorQuantizationConfig(num_bits=16, dtype="FLOAT"),
            explicit_dequantize=True,
            compute_precision="FLOAT",
        ),
        algorithm_key="float_casting",
    )
    return bytes(
        quantizer.Quantizer(str(float32), recipe.get_quantization_recipe()).quantize().quantized_model
    )


def to_int8(float32: Path, calibration: list[U8], stays_float: str | None, extremes: bool) -> bytes:
    """The same in int8.

    Args:
        float32: the model's file.
        calibration: pictures that the tensors' ranges are taken from.
        stays_float: names of the operations that stay in float32, a regular expression.
        extremes: take every picture's range whole. Else ranges are means over the pictures, which suits
            masks; but a detector's score is high in few cells of some pictures, and would end at 0.5.
    """
    from ai_edge_litert.interpreter import Interpreter
    from ai_edge_quantizer import quantizer, recipe

    signatures = Interpreter(str(float32)).get_signature_list()
    (signature,) = signatures
    (name,) = signatures[signature]["inputs"]
    rules = list(recipe.static_wi8_ai8())
    if stays_float:
        rules.append({**rules[0], "regex": stays_float, "algorithm_key": "no_quantize"})
    q = quantizer.Quantizer(str(float32), rules)
    if not extremes:
        ranges = q.calibrate({signature: [{name: p[None].astype(np.float32)} for p in calibration]})
    else:
        ranges = {}
        for picture in calibration:
            found = q.calibrate({signature: [{name: picture[None].astype(np.float32)}]})
            for tensor, span in found.items():
                before = ranges.setdefault(tensor, span)
                before["min"] = np.minimum(before["min"], span["min"])
                before["max"] = np.maximum(before["max"], span["max"])
    return bytes(q.quantize(ranges).quantized_model)


def multiply_accumulates(wrapped: torch.nn.Module, size: int, channels: int = 3) -> int:
    """How many its convolutions take for one picture."""
    total = 0

    def count(layer: torch.nn.Module, _: Any, output: Tensor) -> None:
        nonlocal total
        assert isinstance(layer, torch.nn.Conv2d)
        total += output.numel() * layer.weight[0].numel()

    hooks = [m.register_forward_hook(count) for m in wrapped.modules() if isinstance(m, torch.nn.Conv2d)]
    with torch.no_grad():
        wrapped(torch.zeros(1, size, size, channels))
    for hook in hooks:
        hook.remove()
    return total


def write_files(
    stem: Path,
    float32: Path,
    calibration: list[U8],
    check: list[tuple[U8, NDArray[np.float32]]],
    limits: dict[str, float] | None,
    stays_float: str | None = None,
    extremes: bool = False,
) -> dict[str, dict[str, str]]:
    """Write a network's ``.tflite`` files.

    Args:
        stem: folder and first part of the files' names.
        float32: the network's file in float32.
        calibration, stays_float, extremes: as for :func:`to_int8`.
        check: pictures and the network's first output of each.
        limits: by precision, how far a file's outputs may be from those, in the mean; None for any.

    Returns:
        What the package has to know of each runtime's file.

    Raises:
        SystemExit: a file's outputs differ by more. It is not written.
    """
    files = {}
    for runtime, precision in PRECISIONS.items():
        if precision == "int8":
            content = to_int8(float32, calibration, stays_float, extremes)
        else:
            content = to_float16(float32)
        content = compact(content)
        file = stem.with_name(f"{stem.name}_{precision}.tflite")
        exported = ExportedFile(content)
        error = float(np.mean([np.abs(exported.run(x)[0] - expected).mean() for x, expected in check]))
        print(f"{file}: {len(content)} bytes, mean difference from the network {error:.5f}")
        if limits is not None and error > limits[precision]:
            raise SystemExit(f"{file} differs from the network by more than {limits[precision]}")
        file.write_bytes(content)
        files[runtime] = {
            "file": file.name,
            "precision": precision,
            "sha256": hashlib.sha256(content).hexdigest(),
        }
    return files


def export(
    name: str,
    run: Path,
    data: Path,
    folder: Path,
    version: str,
    recipe: Recipe,
    thresholds: dict[str, float] | None = None,
    trial: bool = False,
) -> None:
    """Write a network's files into a folder.

    Args:
        name: of the network.
        run: its finished run.
        data: the data folder, whose training pictures calibrate int8.
        folder: where to.
        version: of the files.
        recipe: what is drawn of the data folder.
        thresholds: of a detector, in place of the shipped ones.
        trial: calibrate with few pictures, and don't mind how far the outputs are from the network's: one
            that was hardly trained is rounded coarsely.

    Raises:
        SystemExit: the files' outputs differ from the network's by more than :data:`LIMITS`.
    """
    import litert_torch

    model, part = name.split("-")
    network = NETWORKS[name]().eval()
    network.load_state_dict(load_average(run))
    parameters = sum(p.numel() for p in network.parameters())
    if isinstance(network, (FastSegmenter, FastDetector)):
        network.fold()
    size = network.size
    wrapped = (
        ExportedSegmenter(network) if isinstance(network, Segmenter) else ExportedDetector(network)
    ).eval()
    calibration, check = pictures(part, data, size, recipe, 4 if trial else CALIBRATION)
    with torch.no_grad():
        expected = [wrapped(torch.from_numpy(p[None].astype(np.float32))) for p in check]

    folder.mkdir(parents=True, exist_ok=True)
    file_name = f"person_{part}"
    float32 = run / f"{file_name}_float32.tflite"
    litert_torch.convert(wrapped, (torch.zeros(1, size, size, 3),)).export(str(float32))

    firsts = [(t[0] if isinstance(t, tuple) else t).numpy()[0] for t in expected]
    files = write_files(
        folder / file_name,
        float32,
        calibration,
        list(zip(check, firsts, strict=True)),
        LIMITS if not trial else None,
        stays_float=STAYS_FLOAT[model],
        extremes=part == "detector",
    )

    cells = network.stride if isinstance(network, Detector) else 2
    spec: dict[str, Any] = {
        "name": file_name,
        "version": version,
        "files": files,
        "input_shape": [1, size, size, 3],
        "output_shape": [1, size // cells, size // cells, 4 if part == "segmenter" else 6],
        "stride": cells,
        "parameters": parameters,
        "multiply_accumulates": multiply_accumulates(wrapped, size),
        "recipe": json.loads((run / "recipe.json").read_text()),
    }
    if isinstance(network, Detector):
        spec["unit"] = network.unit
        spec["acceptance"] = asdict(ACCEPTANCE[model]) | (thresholds or {})
    (folder / f"{file_name}.json").write_text(json.dumps(spec, indent=2) + "\n")


def main() -> None:
    """Export the network that the command names."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("network", choices=list(NETWORKS))
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True, help="whose training pictures calibrate int8")
    parser.add_argument("--out", type=Path, help="default: the package's folder of that model, if it ships")
    parser.add_argument("--version", default="2")
    parser.add_argument("--high-threshold", type=float, help="of a detector (default: the shipped one)")
    parser.add_argument("--low-threshold", type=float, help="likewise")
    args = parser.parse_args()

    model, _ = args.network.split("-")
    if args.out is None and model not in MODELS:
        parser.error(f"{args.network} is not shipped: name a folder with --out")
    folder = args.out or Path("upperbodyseg/models/weights") / model
    given = {
        "high_threshold": args.high_threshold,
        "low_threshold": args.low_threshold,
    }
    thresholds = {key: value for key, value in given.items() if value is not None}
    export(args.network, args.run, args.data, folder, args.version, read_recipe(), thresholds)


if __name__ == "__main__":
    main()
