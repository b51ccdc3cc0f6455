"""The README's latency table: ``pytest benchmarks --benchmark-json FILE``, then
``python -m benchmarks.table FILE``.

Medians in milliseconds, and their ratio to the segmenter's own inference in the same run, which
says more on a machine that does other things as well.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import cv2

from upperbodyseg import __version__
from upperbodyseg.models.interpreter import available_runtimes, choose_runtime
from upperbodyseg.models.spec import MODELS, SEGMENTER


def table(results: dict[str, Any]) -> str:
    """Markdown of a pytest-benchmark result."""
    runtime = choose_runtime("auto")
    models: dict[tuple[str, str, str], float] = {}
    frames: dict[str, dict[str, dict[str, float]]] = {m: defaultdict(dict) for m in MODELS}
    imports: dict[str, float] = {}
    for entry in results["benchmarks"]:
        median = entry["stats"]["median"] * 1000
        name, parameters = entry["name"].split("[")[0], entry["params"]
        if name == "test_model":
            models[parameters["model"], parameters["name"], parameters["runtime"]] = median
        elif name == "test_frame":
            layout = entry["param"].split("-")[-1]
            frames[parameters["model"]][layout][parameters["size"]] = median
        elif name == "test_import":
            imports[parameters["modules"]] = median
    unit = models[MODELS[0], SEGMENTER, runtime]
    lines = ["| model alone | ms | ratio to the accurate segmenter |", "|---|---|---|"]
    lines += [f"| {m} {name}, {r} | {ms:.1f} | {ms / unit:.2f} |" for (m, name, r), ms in models.items()]
    for model, layouts in frames.items():
        unit = models[model, SEGMENTER, runtime]
        sizes = list(next(iter(layouts.values())))
        head = f"| {model}, whole frame, ms (ratio to its segmenter) | " + " | ".join(sizes) + " |"
        lines += ["", head, "|---" * (len(sizes) + 1) + "|"]
        for layout, by_size in layouts.items():
            cells = " | ".join(f"{by_size[s]:.1f} ({by_size[s] / unit:.2f})" for s in sizes)
            lines.append(f"| {layout} | {cells} |")
    lines.append("")
    started = ", ".join(f"`import {modules}` {ms:.0f} ms" for modules, ms in imports.items())
    lines.append(f"Starting Python and importing: {started}.")
    machine = results["machine_info"]
    cpu = machine.get("cpu", {})
    lines.append(
        f"{cpu.get('brand_raw', machine['machine'])}, {cpu.get('count', '?')} cores, one thread; "
        f"{machine['system']}, Python {machine['python_version']}, upperbodyseg {__version__}, "
        f"frames on {runtime} {available_runtimes()[runtime]}, OpenCV {cv2.__version__}; "
        f"{results['datetime'][:10]}."
    )
    return "\n".join(lines)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("results", type=Path, help="written by pytest benchmarks --benchmark-json")
    print(table(json.loads(parser.parse_args().results.read_text(encoding="utf-8"))))


if __name__ == "__main__":
    main()
