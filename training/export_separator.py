"""The separator's checkpoint to its shipped file: ``python -m training.export_separator --run R``.

One file for every runtime: float16 weights, float32 arithmetic. The network is so small that int8 would save
no time worth its errors.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from training.compact import compact
from training.export import to_float16
from training.exported import ExportedFile
from training.separator import SIDE, STRIDE, Separator
from upperbodyseg.models.spec import SEPARATOR, SEPARATOR_CHANNELS

LIMIT = 0.005  # mean difference of the shares


class ExportedSeparator(nn.Module):
    """NHWC closeup, 0-255, in; NHWC out: the person's share of each pixel, 0-1, 2 x 2 pixels a cell."""

    def __init__(self, network: Separator) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        return self.network(image.permute(0, 3, 1, 2)).sigmoid().permute(0, 2, 3, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
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
    content = compact(to_float16(float32))
    exported = ExportedFile(content)
    rng = np.random.default_rng(0)
    errors = []
    for _ in range(20):
        picture = rng.integers(0, 256, (SIDE, SIDE, SEPARATOR_CHANNELS), np.uint8)
        with torch.no_grad():
            expected = wrapped(torch.from_numpy(picture[None].astype(np.float32))).numpy()[0]
        errors.append(float(np.abs(exported.run(picture)[0] - expected).mean()))
    if np.mean(errors) > LIMIT:
        raise SystemExit(f"the file differs from the network by {np.mean(errors):.4f}, more than {LIMIT}")
    args.out.mkdir(parents=True, exist_ok=True)
    file = args.out / f"{SEPARATOR}_float16.tflite"
    file.write_bytes(content)
    entry = {"file": file.name, "precision": "float16", "sha256": hashlib.sha256(content).hexdigest()}
    spec = {
        "name": SEPARATOR,
        "version": args.version,
        "files": {"ai-edge-litert": entry, "tflite-runtime": entry},
        "input_shape": [1, SIDE, SIDE, SEPARATOR_CHANNELS],
        "output_shape": [1, SIDE // STRIDE, SIDE // STRIDE, STRIDE**2],
        "stride": STRIDE,
        "parameters": sum(p.numel() for p in network.parameters()),
        "multiply_accumulates": sum(_macs(wrapped)),
        "recipe": recipe,
    }
    (args.out / f"{SEPARATOR}.json").write_text(json.dumps(spec, indent=2) + "\n")
    print(f"{file}: {len(content)} bytes, mean difference from the network {np.mean(errors):.5f}")


def _macs(wrapped: nn.Module) -> list[int]:
    counts: list[int] = []
    hooks = [
        m.register_forward_hook(lambda layer, _, y: counts.append(y.numel() * layer.weight[0].numel()))
        for m in wrapped.modules()
        if isinstance(m, nn.Conv2d)
    ]
    with torch.no_grad():
        wrapped(torch.zeros(1, SIDE, SIDE, SEPARATOR_CHANNELS))
    for hook in hooks:
        hook.remove()
    return counts


if __name__ == "__main__":
    main()
