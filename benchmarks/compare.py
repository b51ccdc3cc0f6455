"""Ours beside others, in one run: ``python -m benchmarks.compare --selfie selfie_segmentation.tflite``.

- Models alone, and whole frames of 1280 x 720 from BGR to mask, one thread each. All take their turn
  in every round of one process. Times are CPU time, so that other programs' load does not count: in one
  thread on an idle machine it is the time that passes. Medians; ratios to MediaPipe Selfie Segmentation
  (general) are medians of the ratios within a round. The CPU share at 30 frames a second is as the original
  SDK defines it: milliseconds x 30 / 1000 / cores.
- Starting: time to import, memory after a first frame, and what is installed, each in a fresh process.

Rivals are the user's to bring: ``--selfie`` is the file in the npm package
``@mediapipe/selfie_segmentation``, ``--u2net`` any of rembg's ``u2net*.onnx`` (needs ``onnxruntime``); the
Python package ``mediapipe`` takes part where it is installed. ``--write docs/figures`` writes the tables
there as ``compare.md``; ``--plot FILE`` draws the whole frames (needs matplotlib).
"""

from __future__ import annotations

import argparse
import functools
import importlib.metadata
import importlib.util
import itertools
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from time import process_time

import cv2
import numpy as np
from skimage import data

from benchmarks.figures import publish
from benchmarks.webcam import webcam_picture
from training.u2net import U2Net
from upperbodyseg import FrameInput, SegmenterOptions, UpperBodySegmenter
from upperbodyseg.evaluation.peers import MediaPipeSelfie
from upperbodyseg.models.interpreter import Interpreter, available_runtimes
from upperbodyseg.models.spec import DETECTOR, MODELS, SEGMENTER, WEIGHTS, load_spec, load_weights

Calls = dict[str, Callable[[], object]]
HEIGHT, WIDTH = 720, 1280


def time_in_turn(calls: Calls, rounds: int) -> dict[str, list[float]]:
    """Milliseconds of CPU time of each call in each of ``rounds`` rounds, after ten to warm up."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for n in range(rounds + 10):
        for name, call in calls.items():
            start = process_time()
            call()
            if n >= 10:
                times[name].append((process_time() - start) * 1000)
    return times


def models_alone(selfie: Path) -> tuple[Calls, dict[str, int]]:
    """Each model file's inference by itself, and the file's size in bytes."""
    picture = cv2.cvtColor(data.astronaut(), cv2.COLOR_RGB2BGR)
    peer = MediaPipeSelfie(selfie)
    peer.load(cv2.resize(picture, (256, 256)))
    calls: Calls = {f"{peer.name}, ai-edge-litert": peer.invoke}
    sizes = {next(iter(calls)): selfie.stat().st_size}
    for runtime in available_runtimes():
        for model, name in itertools.product(MODELS, (DETECTOR, SEGMENTER)):
            spec = load_spec(name, runtime, WEIGHTS / model)
            interpreter = Interpreter(spec, load_weights(spec))
            interpreter.run(cv2.resize(picture, spec.input_shape[2:0:-1]))
            title = f"{model} {name}, {spec.precision}, {runtime}"
            calls[title] = interpreter._interpreter.invoke
            sizes[title] = spec.path.stat().st_size
    return calls, sizes


def whole_frames(selfie: Path, u2net: Path | None) -> Calls:
    """From a BGR frame of 1280 x 720 to its mask."""
    bgr = webcam_picture(HEIGHT, WIDTH)
    peer = MediaPipeSelfie(selfie)
    calls: Calls = {f"{peer.name}, ai-edge-litert": lambda: peer(bgr)}
    frame = FrameInput.from_array(bgr, is_still=True)
    streamed = FrameInput.from_array(bgr)
    for model, runtime in itertools.product(MODELS, available_runtimes()):
        for name, given, augmented in (
            ("", frame, False),
            (", test-time augmentation", frame, True),
            (", a stream's frame", streamed, False),
        ):
            options = SegmenterOptions(model=model, runtime=runtime, test_time_augmentation=augmented)
            engine = UpperBodySegmenter(options)
            engine.initialize()
            calls[f"upperbodyseg {model}, {runtime}{name}"] = functools.partial(engine.process, given)
    if importlib.util.find_spec("mediapipe"):
        import mediapipe  # noqa: PLC0415 (not ours to require)

        solution = mediapipe.solutions.selfie_segmentation.SelfieSegmentation(model_selection=0)
        version = importlib.metadata.version("mediapipe")
        calls[f"mediapipe {version} (Python package)"] = lambda: solution.process(
            cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
        )
    if u2net:
        net = U2Net(u2net)
        calls[f"rembg's {u2net.stem}, onnxruntime"] = lambda: net(bgr)
    return calls


# --- starting -----------------------------------------------------------------------------------

FIRST_FRAME = {
    "upperbodyseg": "from upperbodyseg import segment; segment(frame)",
    "mediapipe": "import mediapipe as m; "
    "m.solutions.selfie_segmentation.SelfieSegmentation(model_selection=0).process(frame)",
}


def in_fresh_process(code: str) -> list[float]:
    """The numbers that ``code`` prints in a Python of its own."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return [float(x) for x in done.stdout.split()]


def importing(module: str, times: int = 5) -> float:
    """Median milliseconds of CPU time of the import statement, files in the system's cache."""
    code = f"import time; s = time.process_time(); import {module}; print((time.process_time() - s) * 1000)"
    return float(np.median([in_fresh_process(code)[0] for _ in range(times)]))


def memory_after_a_frame(module: str) -> float:
    """Highest resident memory in MB of a process that segmented one 1280 x 720 frame."""
    # Not getrusage: on Linux its maximum begins with that of the process it was forked from.
    code = (
        "import numpy as np; frame = np.zeros((720, 1280, 3), np.uint8); "
        f"{FIRST_FRAME[module]}; text = open('/proc/self/status').read(); "
        "print(float(text.split('VmHWM:')[1].split()[0]) / 1e3)"
    )
    return in_fresh_process(code)[0] if Path("/proc/self/status").exists() else float("nan")


def installed_mb(package: str) -> float:
    """Size of the installed package and of all it requires, in MB."""
    seen: set[str] = set()
    todo, total = [package], 0
    while todo:
        name = re.sub(r"[-_.]+", "-", todo.pop()).lower()
        if name in seen:
            continue
        seen.add(name)
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # of a requirement for another Python or system
        for file in distribution.files or ():
            path = Path(str(distribution.locate_file(file)))
            total += path.stat().st_size if path.is_file() else 0
        for requirement in distribution.requires or ():
            if "extra ==" not in requirement:
                todo.append(re.split(r"[\s;\[<>=!~(]", requirement, maxsplit=1)[0])
    return total / 1e6


# --- output -------------------------------------------------------------------------------------


def timing_table(title: str, found: dict[str, list[float]], sizes: dict[str, int] | None = None) -> list[str]:
    """Markdown; the first entry is what the ratios are to."""
    base = np.array(next(iter(found.values())))
    cores = os.cpu_count() or 1
    head, rule = f"| {title} | ms | ratio | CPU at 30 fps |", "|---|---|---|---|"
    lines = [head + (" bytes |" if sizes else ""), rule + ("---|" if sizes else "")]
    for name, times in found.items():
        ms, ratio = np.median(times), np.median(np.array(times) / base)
        size = f" {sizes[name]:,} |" if sizes else ""
        lines.append(f"| {name} | {ms:.2f} | {ratio:.2f} | {ms * 30 / 10 / cores:.1f} % |{size}")
    return [*lines, ""]


def plot(found: dict[str, list[float]], file: Path) -> None:
    """Bars of the whole frame's milliseconds."""
    import matplotlib as mpl  # noqa: PLC0415 (an extra)

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    names = list(found)[::-1]
    figure, axes = plt.subplots(figsize=(8, 0.45 * len(names) + 1))
    colours = ["#2a7ae2" if name.startswith("upperbodyseg") else "#999999" for name in names]
    bars = axes.barh(names, [float(np.median(found[n])) for n in names], color=colours)
    axes.bar_label(bars, fmt="%.1f", padding=3)
    axes.set_xscale("log")
    axes.set_xlabel("ms a frame of 1280 x 720, one thread,\nmedian; logarithmic scale")
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(file, dpi=110)
    plt.close(figure)


def main() -> None:
    """Print, and maybe write, the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--selfie", type=Path, required=True, help="MediaPipe's selfie_segmentation.tflite")
    parser.add_argument("--u2net", type=Path, help="one of rembg's u2net*.onnx")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--plot", type=Path, help="picture to draw, such as docs/figures/compare.png")
    args = parser.parse_args()

    cv2.setNumThreads(1)
    calls, sizes = models_alone(args.selfie)
    alone = time_in_turn(calls, args.rounds)
    frames = time_in_turn(whole_frames(args.selfie, args.u2net), max(args.rounds // 4, 10))
    lines = timing_table("model alone, one thread", alone, sizes)
    lines += timing_table("1280 x 720 BGR frame to mask, one thread", frames)
    lines += ["| starting | import, ms | memory after a frame, MB | installed with all it requires, MB |"]
    lines += ["|---|---|---|---|"]
    for module in FIRST_FRAME:
        if importlib.util.find_spec(module):
            row = (importing(module), memory_after_a_frame(module), installed_mb(module))
            lines.append(f"| {module} | " + " | ".join(f"{x:.0f}" for x in row) + " |")
        else:
            lines.append(f"| {module} | not installed | | |")
    lines.append(f"| cv2 and numpy alone | {importing('cv2, numpy'):.0f} | | |")
    lines += ["", "CPU time, medians; ratios to the first line, medians of those within a round."]
    print("\n".join(lines))
    if args.plot:
        plot(frames, args.plot)


if __name__ == "__main__":
    publish(main, "compare")
