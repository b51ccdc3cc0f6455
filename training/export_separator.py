"""The separator's checkpoint to its files: ``python -m training.export_separator DATA --run R --out FOLDER``.

As of the other networks there is one in int8 for LiteRT, calibrated on training closeups, and one with
float16 weights for tflite-runtime.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from training.export import multiply_accumulates, write_files
from training.separator import SIDE, STRIDE, Separator
from training.separator_samples import draw
from upperbodyseg.models.spec import SEPARATOR, SEPARATOR_CHANNELS

CALIBRATION = 200  # closeups
CALIBRATION_SEED = 2024
CHECK = 40  # closeups
LIMITS = {"float16": 0.005, "int8": 0.03}  # mean difference of the shares


class ExportedSeparator(nn.Module):
    """NHWC closeup, 0-255, in; NHWC cells out: the share of each of their pixels, 0-1, and the fit."""

    def __init__(self, network: Separator) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        return self.network(image.permute(0, 3, 1, 2)).sigmoid().permute(0, 2, 3, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--version", default="1")
    args = parser.parse_args()

    import litert_torch

    recipe = json.loads((args.run / "recipe.json").read_text())
    network = Separator(recipe["width"]).eval()
    network.load_state_dict(torch.load(args.run / "final.pt"))
    wrapped = ExportedSeparator(network).eval()
    float32 = args.run / "separator_float32.tflite"
    litert_torch.convert(wrapped, (torch.zeros(1, SIDE, SIDE, SEPARATOR_CHANNELS),)).export(str(float32))
    drawn = draw(args.data, CALIBRATION_SEED, CALIBRATION + CHECK)[0].transpose(0, 2, 3, 1)
    closeups = [np.ascontiguousarray(x) for x in drawn]
    for picture in closeups[:CALIBRATION]:
        # The input's scale shall be exactly 1.
        picture[0, 0], picture[0, 1] = 0, 255
    args.out.mkdir(parents=True, exist_ok=True)
    with torch.no_grad():
        expected = [
            wrapped(torch.from_numpy(x[None].astype(np.float32))).numpy()[0] for x in closeups[CALIBRATION:]
        ]
    files = write_files(
        args.out / SEPARATOR,
        float32,
        closeups[:CALIBRATION],
        list(zip(closeups[CALIBRATION:], expected, strict=True)),
        LIMITS,
    )
    spec = {
        "name": SEPARATOR,
        "version": args.version,
        "files": files,
        "input_shape": [1, SIDE, SIDE, SEPARATOR_CHANNELS],
        "output_shape": [1, SIDE // STRIDE, SIDE // STRIDE, STRIDE**2 + 1],
        "stride": STRIDE,
        "parameters": sum(p.numel() for p in network.parameters()),
        "multiply_accumulates": multiply_accumulates(wrapped, SIDE, SEPARATOR_CHANNELS),
        "recipe": recipe,
    }
    (args.out / f"{SEPARATOR}.json").write_text(json.dumps(spec, indent=2) + "\n")


if __name__ == "__main__":
    main()
