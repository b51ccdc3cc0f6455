"""What the browser's package takes from here: ``python -m training.web``.

Writes into ``web/``:

- ``weights/<model>/``: each shipped int8 file once more, with float32 inputs and outputs, which LiteRT.js
  wants, and its description. Only the fast pair comes with the package; ``--model accurate`` makes the other.
- ``src/constants.js``: the constants of the Python modules that both languages need.

Run it again whenever weights or constants change; a test holds both equal.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import inspect
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from training.float_io import with_float_io
from upperbodyseg import buffers, engine, likely_layout, motion, options, stream
from upperbodyseg.image_buffer import ImageType
from upperbodyseg.models import spec
from upperbodyseg.models.spec import DETECTOR, MODELS, SEGMENTER, WEIGHTS
from upperbodyseg.postprocess import acceptance, detections, mask, refine, temporal
from upperbodyseg.preprocess import exposure, letterbox, pixel_format, regions

WEB = Path(__file__).parent.parent / "web"
RUNTIME = "litert.js"
PRECISION = "int8, float32 in and out"
SHIPPED = "fast"
MODULES = (
    buffers,
    exposure,
    letterbox,
    pixel_format,
    likely_layout,
    regions,
    detections,
    acceptance,
    mask,
    refine,
    temporal,
    motion,
    stream,
    spec,
    engine,
    options,
)
HEADER = "// Written by `python -m training.web` from the Python modules of these names: change them there.\n"


def constants() -> dict[str, dict[str, Any]]:
    """The modules' constants, by the module's name; a private one's without its underscore."""
    found = {module.__name__.rsplit(".", 1)[-1]: _of(module) for module in MODULES}
    found["options"]["MAX_PIXELS"] = options.SegmenterOptions().max_pixels
    found["types"] = {
        "ImageType": {kind.name: int(kind) for kind in ImageType},
        "CHANNELS": {kind.name: kind.channels for kind in ImageType},
    }
    return found


def _of(module: ModuleType) -> dict[str, Any]:
    """What the module itself sets, not what it imports."""
    lines = ast.parse(inspect.getsource(module)).body
    targets = [target for line in lines for target in _targets(line) if target.isupper()]
    found = [(name.lstrip("_"), getattr(module, name)) for name in targets]
    values = {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in found}
    return {name: value for name, value in values.items() if _is_plain(value)}


def _targets(line: ast.stmt) -> list[str]:
    if not isinstance(line, (ast.Assign, ast.AnnAssign)):
        return []
    targets = line.targets if isinstance(line, ast.Assign) else [line.target]
    return [node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)]


def _is_plain(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(_is_plain(v) for v in value)
    return type(value) in (int, float, str)


def constants_module() -> str:
    """The text of ``src/constants.js``."""
    return f"{HEADER}export default {json.dumps(constants(), indent=2)};\n"


def pair(model: str) -> dict[str, bytes]:
    """The files of one pair by their names: each model's weights and description."""
    files = {}
    for name in (DETECTOR, SEGMENTER):
        fields = json.loads((WEIGHTS / model / f"{name}.json").read_text(encoding="utf-8"))
        fields.pop("confidence", None)  # the browser's package has none
        source = fields["files"]["ai-edge-litert"]["file"]
        content = with_float_io((WEIGHTS / model / source).read_bytes())
        file = f"{name}_float_io.tflite"
        fields["files"] = {
            RUNTIME: {"file": file, "precision": PRECISION, "sha256": hashlib.sha256(content).hexdigest()}
        }
        files[file] = content
        files[f"{name}.json"] = (json.dumps(fields, indent=2) + "\n").encode()
    return files


def card_row(model: str, name: str) -> str:
    """The line of a model's card about its file for the browser."""
    files = pair(model)
    entry = json.loads(files[f"{name}.json"])["files"][RUNTIME]
    made = "" if model == SHIPPED else f", made by `python -m training.web --model {model}`"
    size = len(files[entry["file"]])
    return (
        f"| for LiteRT.js | `{entry['file']}`, {size:,} bytes, {entry['precision']}{made}, "
        f"sha256 `{entry['sha256']}` |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--model", choices=MODELS, default=SHIPPED, help="which pair (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=WEB, help="the package's folder (default: %(default)s)")
    args = parser.parse_args()
    folder = args.out / "weights" / args.model
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in pair(args.model).items():
        (folder / name).write_bytes(content)
        print(f"{folder / name}: {len(content):,} bytes")
    (args.out / "src" / "constants.js").write_text(constants_module(), encoding="utf-8")


if __name__ == "__main__":
    main()
