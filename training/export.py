"""Checkpoint to shipped files: ``python -m training.export segmenter --run runs/segmenter``.

Writes ``<name>.tflite`` (float16 weights, float32 arithmetic, so that both tflite-runtime and
LiteRT run it through XNNPACK) and ``<name>.json`` (what the package has to know of it, with the
file's sha256) into ``--out``, after checking that the file gives what the network gives.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from training.networks import Detector, Segmenter


class ExportedSegmenter(nn.Module):
    """NHWC BGR 0-255 in, NHWC probability 0-1 out."""

    def __init__(self, network: Segmenter) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        n = self.network
        s2, s4, s8, _, s16, s32 = n.backbone(image.permute(0, 3, 1, 2))
        x = n.merge2(n.merge4(n.merge8(n.merge16(s32, s16), s8), s4), s2)
        x = n.head(x).sigmoid().permute(0, 2, 3, 1)
        _, h, w, _ = x.shape
        # Pixel shuffle in four dimensions, which every TFLite runtime can transpose.
        x = x.reshape(h, w, 2, 2).permute(0, 2, 1, 3)
        return x.reshape(1, 2 * h, 2 * w, 1)


class ExportedDetector(nn.Module):
    """NHWC BGR 0-255 in; out, a cell: score 0-1, distances left, top, right, bottom in pixels."""

    def __init__(self, network: Detector) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        x, _ = self.network(image.permute(0, 3, 1, 2))
        x = x.permute(0, 2, 3, 1)
        distances = x[..., 1:].clamp(-6.0, 3.0).exp() * self.network.unit
        return torch.cat([x[..., :1].sigmoid(), distances], -1)


def load(kind: str, run: Path) -> nn.Module:
    network: nn.Module = Segmenter() if kind == "segmenter" else Detector()
    file = run / "final.pt"
    if not file.exists():
        file = run / "checkpoint.pt"
    state = torch.load(file, map_location="cpu", weights_only=True)["average"]
    network.load_state_dict({k: v.float() if v.dtype == torch.float16 else v for k, v in state.items()})
    return network.eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("network", choices=["segmenter", "detector"])
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("upperbodyseg/models/weights"))
    parser.add_argument("--version", default="1")
    parser.add_argument("--score-threshold", type=float, default=0.36, help="of the detector")
    parser.add_argument("--companion-threshold", type=float, default=0.25, help="of the detector")
    args = parser.parse_args()

    import litert_torch
    from ai_edge_litert.interpreter import Interpreter
    from ai_edge_quantizer import quantizer, recipe_manager
    from ai_edge_quantizer.qtyping import OpQuantizationConfig, TensorQuantizationConfig, TFLOperationName

    network = load(args.network, args.run)
    size = network.size
    wrapped = (ExportedSegmenter if args.network == "segmenter" else ExportedDetector)(network).eval()
    example = torch.from_numpy(
        np.random.default_rng(0).uniform(0, 255, (1, size, size, 3)).astype(np.float32)
    )
    with torch.no_grad():
        expected = wrapped(example).numpy()

    args.out.mkdir(parents=True, exist_ok=True)
    name = "person_segmenter" if args.network == "segmenter" else "person_detector"
    float32 = args.run / f"{name}_float32.tflite"
    litert_torch.convert(wrapped, (example,)).export(str(float32))

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
    q = quantizer.Quantizer(str(float32), recipe.get_quantization_recipe())
    file = args.out / f"{name}.tflite"
    data = bytes(q.quantize().quantized_model)
    file.write_bytes(data)

    interpreter = Interpreter(str(file), num_threads=1)
    interpreter.allocate_tensors()
    (i,), (o,) = interpreter.get_input_details(), interpreter.get_output_details()
    interpreter.set_tensor(i["index"], example.numpy())
    interpreter.invoke()
    error = float(np.abs(interpreter.get_tensor(o["index"]) - expected).max())
    limit = 0.03 if args.network == "segmenter" else 3.0
    print(f"{file}: {len(data)} bytes, largest difference from the network {error:.5f}")
    if error > limit:
        raise SystemExit(f"the exported file differs from the network by {error}, more than {limit}")

    spec = {
        "name": name,
        "version": args.version,
        "file": file.name,
        "sha256": hashlib.sha256(data).hexdigest(),
        "input_shape": [int(n) for n in i["shape"]],
        "output_shape": [int(n) for n in o["shape"]],
        "parameters": sum(p.numel() for p in network.parameters()),
        "recipe": json.loads((args.run / "recipe.json").read_text()),
    }
    if args.network == "detector":
        spec["stride"] = network.stride
        spec["score_threshold"] = args.score_threshold
        spec["companion_threshold"] = args.companion_threshold
    file.with_suffix(".json").write_text(json.dumps(spec, indent=2) + "\n")


if __name__ == "__main__":
    main()
