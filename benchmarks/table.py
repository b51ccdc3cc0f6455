"""The latency tables: ``pytest benchmarks --benchmark-json FILE``, then ``python -m benchmarks.table FILE``.

``--benchmark-timer=time.process_time`` measures CPU time, so that other programs' load does not count.
Medians in milliseconds, and their ratio to the segmenter's own inference in the same run, which
says more on a machine that does other things as well.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

from benchmarks.figures import publish
from upperbodyseg.models.interpreter import choose_runtime
from upperbodyseg.models.spec import SEGMENTER


def table(results: dict[str, Any]) -> str:
    """Markdown of a pytest-benchmark result."""
    runtime = choose_runtime("auto")
    models: dict[tuple[str, str, str], dict[int, float]] = defaultdict(dict)
    stages: dict[str, dict[str, float]] = defaultdict(dict)
    frames: dict[tuple[str, str], dict[str, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
    effects: dict[str, float] = {}
    imports: dict[str, float] = {}
    on_cpu = False  # whether CPU time was measured, which adds up threads and leaves out other processes
    for entry in results["benchmarks"]:
        median = entry["stats"]["median"] * 1000
        on_cpu |= "process_time" in entry["options"]["timer"]
        name, parameters = entry["name"].split("[")[0], entry["params"] or {}
        if name == "test_model":
            key = parameters["model"], parameters["name"], parameters["runtime"]
            models[key][parameters["num_threads"]] = median
        elif name == "test_frame":
            layout = entry["param"].split("-")[-1]
            frames[parameters["model"], parameters["kind"]][layout][parameters["size"]] = median
        elif name == "test_import":
            imports[parameters["modules"]] = median
        elif name == "test_effect":
            effects[parameters["effect"]] = median
        elif entry["group"] == "stages":
            stages[name.removeprefix("test_").replace("_", " ")][parameters.get("size", "1280x720")] = median
    threads = {1: "one thread, ms"} if on_cpu else {1: "one thread, ms", 2: "two threads, ms"}
    lines = ["| model alone | " + " | ".join(threads.values()) + " |", "|---|" + "---|" * len(threads)]
    for (m, name, r), ms in models.items():
        lines.append(f"| {m} {name}, {r} | " + " | ".join(f"{ms[n]:.1f}" for n in threads) + " |")
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
    lines += ["", "| effect at 1280 x 720 | ms |", "|---|---|"]
    lines += [f"| {effect} | {ms:.1f} |" for effect, ms in effects.items()]
    lines.append("")
    if not on_cpu:
        started = ", ".join(f"`import {modules}` {ms:.0f} ms" for modules, ms in imports.items())
        lines.append(f"Starting Python and importing: {started}.")
    lines.append(
        f"Frames on {runtime}, one thread, {'CPU time, ' * on_cpu}measured on {results['datetime'][:10]}."
    )
    return "\n".join(lines)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("results", type=Path, help="written by pytest benchmarks --benchmark-json")
    print(table(json.loads(parser.parse_args().results.read_text(encoding="utf-8"))))


if __name__ == "__main__":
    publish(main, "latency")
