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
from upperbodyseg.models.spec import SEGMENTER


def table(results: dict[str, Any]) -> str:
    """Markdown of a pytest-benchmark result."""
    runtime = choose_runtime("auto")
    models: dict[tuple[str, str, str], dict[int, float]] = defaultdict(dict)
    stages: dict[str, dict[str, float]] = defaultdict(dict)
    frames: dict[tuple[str, str], dict[str, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
    imports: dict[str, float] = {}
    for entry in results["benchmarks"]:
        median = entry["stats"]["median"] * 1000
        name, parameters = entry["name"].split("[")[0], entry["params"] or {}
        if name == "test_model":
            key = parameters["model"], parameters["name"], parameters["runtime"]
            models[key][parameters["num_threads"]] = median
        elif name == "test_frame":
            layout = entry["param"].split("-")[-1]
            frames[parameters["model"], parameters["kind"]][layout][parameters["size"]] = median
        elif name == "test_import":
            imports[parameters["modules"]] = median
        elif entry["group"] == "stages":
            stages[name.removeprefix("test_").replace("_", " ")][parameters.get("size", "1280x720")] = median
    lines = ["| model alone | one thread, ms | two threads, ms |", "|---|---|---|"]
    lines += [f"| {m} {name}, {r} | {ms[1]:.1f} | {ms[2]:.1f} |" for (m, name, r), ms in models.items()]
    sizes = list(next(iter(next(iter(frames.values())).values())))
    rule = "|---" * (len(sizes) + 1) + "|"
    lines += ["", "| stage (BGR frame), ms | " + " | ".join(sizes) + " |", rule]
    for stage, by_size in stages.items():
        cells = " | ".join(f"{by_size[s]:.2f}" if s in by_size else "" for s in sizes)
        lines.append(f"| {stage} | {cells} |")
    for (model, kind), layouts in frames.items():
        unit = models[model, SEGMENTER, runtime][1]
        head = f"| {model}, {kind} frame, ms (ratio to its segmenter) | " + " | ".join(sizes) + " |"
        lines += ["", head, rule]
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
