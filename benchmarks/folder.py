"""How fast ``upperbodyseg segment`` does a folder: ``python -m benchmarks.folder``.

The whole command runs as a process of its own, in turns: on one CPU, then on all of them. What it takes to
start is in it. The pictures are made here, each another part of the astronaut with a noise of its own. Large
photos are also read as OpenCV reads them, all else being equal, for what the reader of picture files costs.
Wall-clock time where CPUs are compared, CPU time where readers are.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import cv2
import numpy as np
from skimage import data

from benchmarks.figures import publish
from upperbodyseg.cli import main as command_line
from upperbodyseg.pictures import Picture, PictureLimits

SMALL = 480, 640  # height, width
LARGE = 3000, 4000


class Turn(NamedTuple):
    """One run of the command."""

    wall: float  # seconds
    cpu: float


class ReadByOpenCV:
    """What the command line read picture files with before Pillow, in place of ``PictureFile``."""

    def __init__(self, content: bytes, limits: PictureLimits | None = None) -> None:
        del limits
        self._bgr = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
        self.size = self._bgr.shape[:2]

    def decode(self) -> Picture:
        """The picture."""
        return Picture(np.asarray(self._bgr, np.uint8))


def make_pictures(folder: Path, number: int, size: tuple[int, int]) -> None:
    """Write so many JPEGs, each another part of the astronaut."""
    folder.mkdir()
    bgr = np.ascontiguousarray(data.astronaut()[..., ::-1])
    for i in range(number):
        chance = np.random.default_rng(i)
        side = int(chance.integers(300, 513))
        top, left = (int(chance.integers(0, 513 - side)) for _ in range(2))
        part = bgr[top : top + side * size[0] // size[1], left : left + side]
        large = cv2.resize(part, size[::-1], interpolation=cv2.INTER_CUBIC)
        noisy = large + chance.normal(0, 4, (*size, 1))
        cv2.imwrite(
            str(folder / f"{i:04}.jpg"), noisy.clip(0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 92]
        )


def run(folder: Path, cpus: set[int], reader: str) -> Turn:
    """Segment a folder on some CPUs, in another process."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as out:
        command = [sys.executable, "-m", "benchmarks.folder", "--reader", reader, "segment", str(folder)]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        start = perf_counter()
        subprocess.run(
            [*command, "-o", out],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=lambda: os.sched_setaffinity(0, cpus),
        )
        wall = perf_counter() - start
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Turn(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def in_turns(turns: dict[str, Callable[[], Turn]], rounds: int) -> dict[str, list[Turn]]:
    """Every turn once a round."""
    found: dict[str, list[Turn]] = {name: [] for name in turns}
    for _ in range(rounds):
        for name, turn in turns.items():
            found[name].append(turn())
    return found


def ratios(above: list[float], below: list[float]) -> str:
    """Median, lowest and highest ratio of the same rounds, as cells of a table."""
    each = [a / b for a, b in zip(above, below, strict=True)]
    return f"{statistics.median(each):.2f} | {min(each):.2f}-{max(each):.2f}"


def compare_cpus(folder: Path, what: str, number: int, cpus: set[int], rounds: int) -> None:
    """Print the rows of one folder on one CPU and on all."""
    one = {min(cpus)}
    found = in_turns(
        {"one": lambda: run(folder, one, "pillow"), "all": lambda: run(folder, cpus, "pillow")}, rounds
    )
    walls = {name: [turn.wall for turn in turns] for name, turns in found.items()}
    for name, count in (("one", 1), ("all", len(cpus))):
        rate = number / statistics.median(walls[name])
        cells = ratios(walls["one"], walls[name])
        print(f"| {what} | {count} | {rate:.1f} | {cells} |", flush=True)


def compare_readers(folder: Path, number: int, cpus: set[int], rounds: int) -> None:
    """Print the rows of one folder by each reader, on one CPU."""
    one = {min(cpus)}
    found = in_turns(
        {"opencv": lambda: run(folder, one, "opencv"), "pillow": lambda: run(folder, one, "pillow")}, rounds
    )
    times = {name: [turn.cpu for turn in turns] for name, turns in found.items()}
    for name, what in (("opencv", "OpenCV, nothing checked"), ("pillow", "Pillow, checked")):
        milliseconds = statistics.median(times[name]) / number * 1000
        print(f"| {what} | {milliseconds:.0f} | {ratios(times[name], times['opencv'])} |", flush=True)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--small", type=int, default=1000, help="pictures of 640 x 480")
    parser.add_argument("--large", type=int, default=24, help="photos of 4000 x 3000")
    parser.add_argument("--rounds", type=int, default=2)
    args = parser.parse_args()

    cpus = os.sched_getaffinity(0)
    with tempfile.TemporaryDirectory() as made:
        small, large = Path(made, "small"), Path(made, "large")
        make_pictures(small, args.small, SMALL)
        make_pictures(large, args.large, LARGE)
        print(
            "| folder | CPUs | pictures a second | ratio | lowest and highest ratio |\n|---|---|---|---|---|"
        )
        compare_cpus(small, f"{args.small} pictures of 640 x 480", args.small, cpus, args.rounds)
        compare_cpus(large, f"{args.large} photos of 4000 x 3000", args.large, cpus, args.rounds)
        print("\n| photos of 4000 x 3000 read by | CPU ms a photo | ratio | lowest and highest ratio |")
        print("|---|---|---|---|")
        compare_readers(large, args.large, cpus, args.rounds)
    print(f"\nMedians of {args.rounds} round(s), the command's start included.")


def _child(reader: str, arguments: list[str]) -> int:
    if reader == "opencv":
        from upperbodyseg.cli import picture_workshop  # noqa: PLC0415

        vars(picture_workshop)["PictureFile"] = ReadByOpenCV
    return command_line(arguments)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--reader"]:
        raise SystemExit(_child(sys.argv[2], sys.argv[3:]))
    publish(main, "folder")
