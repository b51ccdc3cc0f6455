"""Ray beside a pool and Dask, and from where on a cluster pays: ``python -m benchmarks.batch [FOLDER]``.

The same pictures become the same masks by a :class:`SegmenterPool`, by ``upperbodyseg batch`` on a cluster
that it starts, by the same on a cluster that runs already, and by Dask. They take turns, each in processes
of its own, all on the same CPUs and with as many engines. Pictures a second are counted between the first
and the ninth tenth of the results; all the rest of a turn is start and end. Memory is the proportional set
size of all processes of a turn, at its highest. Then the rates say how many pictures and machines a cluster
pays for, and what a billion pictures cost (``benchmarks.bill``).

Linux alone. Needs the extra ``[ray]``. Dask (``dask[distributed]``) is left out where it isn't installed.
Exits with 1 where the masks differ.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import importlib.util
import math
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tracemalloc
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from benchmarks import bill
from benchmarks.figures import publish
from upperbodyseg.batch.options import BatchOptions
from upperbodyseg.models.spec import MODELS
from upperbodyseg.pictures import SUFFIXES

PHOTO = Path(__file__).parent.parent / "examples" / "astronaut.jpg"
WIDTHS = (640, 960, 1280, 1600)
POOL, RAY, JOINED, DASK = (
    "SegmenterPool",
    "Ray, started by the command",
    "Ray, a cluster that runs already",
    "Dask, started by the program",
)
MACHINES = (1, 2, 4, 16, 64)
EQUAL = 1.05  # rates that differ by less count as equal
READS, WRITES = 2.0, 1.0  # requests of a picture to a bucket, and a write for each shard: a test counts them
MARK = "UPPERBODYSEG_TURN"
QUIET = 0.5  # the highest load of a machine that does nothing else


class Turn(NamedTuple):
    """One turn: pictures a second, seconds of start and end together, megabytes at the highest."""

    rate: float
    overhead: float
    memory: float


def make_pictures(folder: Path, count: int) -> None:
    """Variants of the example's photo, the same each time."""
    photo = cv2.imread(str(PHOTO))
    assert photo is not None
    noise = np.random.default_rng(0)
    for number in range(count):
        top, left = noise.integers(0, 40, 2)
        part = photo[top : top + 360, left : left + 360]
        width = WIDTHS[number % len(WIDTHS)]
        large = cv2.resize(
            part[:, :: -1 if number % 2 else 1], (width, width * 3 // 4), interpolation=cv2.INTER_CUBIC
        )
        grain = noise.normal(0, 3, large.shape)
        picture = (large + grain).clip(0, 255).astype(np.uint8)
        assert cv2.imwrite(str(folder / f"{number:06}.jpg"), picture, [cv2.IMWRITE_JPEG_QUALITY, 90])


def copy_pictures(source: Path, folder: Path, count: int) -> None:
    """The first pictures of a folder; again from the first where it has fewer."""
    found = sorted(file for file in source.rglob("*") if file.suffix.lower() in SUFFIXES)
    if not found:
        raise SystemExit(f"there is no picture in {source}")
    for number in range(count):
        file = found[number % len(found)]
        shutil.copyfile(file, folder / f"{number:06}{file.suffix}")


def listed_bytes(count: int = 20_000) -> float:
    """Bytes of memory that each picture of a job's list takes."""
    from upperbodyseg.batch.storage import list_sources  # noqa: PLC0415  (of the extra)

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "list.txt"
        file.write_text("".join(f"s3://bucket/photos/{n:05}/{n:09}.jpg\n" for n in range(count)))
        tracemalloc.start()
        found = list_sources(f"@{file}")
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    return most / len(found)


def processes(mark: str) -> Iterator[Path]:
    """Folders in /proc of the processes that a turn has started, whoever their parent is now."""
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if f"{MARK}={mark}".encode() in (folder / "environ").read_bytes():
                yield folder


def memory_mb(mark: str) -> float:
    total = 0
    for folder in processes(mark):
        with contextlib.suppress(OSError, StopIteration):
            lines = (folder / "smaps_rollup").read_text().splitlines()
            total += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total / 1024


@contextlib.contextmanager
def cluster(cpus: int, environment: dict[str, str]) -> Iterator[str]:
    """A Ray cluster's address."""
    command = [sys.executable, "-m", "benchmarks.batch_peers", "cluster", "--cpus", str(cpus)]
    with (
        tempfile.TemporaryFile("w+") as log,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, env=environment
        ) as process,
    ):
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        if not address:
            process.wait()
            log.seek(0)
            raise SystemExit(f"a Ray cluster can't be started here:\n{log.read()}")
        try:
            yield address
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait()


def take_turn(name: str, source: Path, target: Path, args: argparse.Namespace) -> Turn:
    mark = uuid.uuid4().hex
    environment = {**os.environ, MARK: mark, "PYTHONWARNINGS": "ignore"}
    places, settings = [str(source), str(target)], ["--model", args.model, "--shard", str(args.shard)]
    peer = [sys.executable, "-m", "benchmarks.batch_peers"]
    batch = [sys.executable, "-m", "upperbodyseg", "batch", *places, *settings, "--workers", str(args.cpus)]
    with contextlib.ExitStack() as stack:
        if name == RAY:
            command = batch
        elif name == JOINED:
            command = [*batch, "--address", stack.enter_context(cluster(args.cpus, environment))]
        else:
            which = "pool" if name == POOL else "dask"
            command = [*peer, which, *places, *settings, "--cpus", str(args.cpus)]
        return watch(command, mark, environment, target)


def watch(command: list[str], mark: str, environment: dict[str, str], target: Path) -> Turn:
    """Run a command to its end, and see what it does."""
    memory = 0.0
    with tempfile.TemporaryFile() as log:
        began = time.time()
        # A session of its own, as Ray's processes have: Linux shares the CPUs out among sessions.
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True)
        try:
            while process.poll() is None:
                memory = max(memory, memory_mb(mark))
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(0.5)
        except BaseException:
            os.killpg(process.pid, signal.SIGTERM)
            raise
        seconds = time.time() - began
        if process.returncode:
            log.seek(0)
            raise SystemExit(f"{' '.join(command[2:4])} failed:\n{log.read().decode()}")
    times = sorted(file.stat().st_mtime for file in target.glob("*.png"))
    first, last = len(times) // 10, len(times) * 9 // 10
    rate = (last - first) / max(times[last] - times[first], 1e-6)
    return Turn(rate, max(seconds - len(times) / rate, 0.0), memory)


def digest(folder: Path) -> str:
    """Of all results."""
    found = hashlib.sha256()
    for file in sorted(folder.glob("*.png")):
        found.update(file.name.encode() + file.read_bytes())
    return found.hexdigest()


def crossover(pool: Turn, other: Turn, machines: int) -> float:
    """Pictures from which a cluster of so many machines ends before a pool on one; infinite if never."""
    if machines * other.rate < EQUAL * pool.rate:
        return math.inf
    saved = 1 / pool.rate - 1 / (machines * other.rate)
    return max((other.overhead - pool.overhead) / saved, 0.0)


def take_turns(
    source: Path, work: Path, args: argparse.Namespace, names: list[str]
) -> tuple[dict[str, list[Turn]], float, bool]:
    """The turns by name, the mean bytes of a result, and whether all results were the same."""
    turns: dict[str, list[Turn]] = {name: [] for name in names}
    digests, written = set(), 0.0
    for number in range(args.rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            target = work / "masks"
            target.mkdir()
            turn = take_turn(name, source, target, args)
            print(f"{name}: {turn.rate:.1f} pictures a second", file=sys.stderr, flush=True)
            results = [file.stat().st_size for file in target.glob("*.png")]
            if len(results) != args.count:
                raise SystemExit(f"{name} wrote {len(results)} masks of {args.count} pictures")
            turns[name].append(turn)
            digests.add(digest(target))
            written = float(np.mean(results))
            shutil.rmtree(target)
    return turns, written, len(digests) == 1


def show_rates(turns: dict[str, list[Turn]], found: dict[str, Turn]) -> None:
    heads = ("", "pictures a second", "ratio", "lowest and highest ratio", "start and end, s", "memory, MB")
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    for name, turn in found.items():
        ratios = [one.rate / pool.rate for one, pool in zip(turns[name], turns[POOL], strict=True)]
        print(
            f"| {name} | {turn.rate:.1f} | {np.median(ratios):.2f} | {min(ratios):.2f}-{max(ratios):.2f} | "
            f"{turn.overhead:.1f} | {turn.memory:.0f} |"
        )


def show_crossover(found: dict[str, Turn]) -> None:
    pool = found[POOL]
    others = [name for name in found if name != POOL]
    print("From how many pictures on a cluster ends before a SegmenterPool on one machine:\n")
    print(f"| machines | {' | '.join(others)} |\n|{'---|' * (len(others) + 1)}")
    for machines in MACHINES:
        numbers = [crossover(pool, found[name], machines) for name in others]
        cells = ["never" if math.isinf(number) else f"{math.ceil(number):,}" for number in numbers]
        print(f"| {machines} | {' | '.join(cells)} |")
    faster = [name for name in others if not math.isinf(crossover(pool, found[name], 1))]
    if faster:
        print(f"\nOn one machine these can end before the pool: {'; '.join(faster)}.")
    else:
        print("\nOn one machine the pool is the right tool, for any number of pictures.")
    two = crossover(pool, found[RAY], 2)
    if not math.isinf(two):
        print(
            f"Two machines with a Ray that the command starts end before it from {math.ceil(two):,} pictures "
            f"on. The pool takes {two / pool.rate + pool.overhead:.0f} s for those."
        )
    print(
        "Pictures don't depend on each other: so many machines are taken to have so many times the rate of "
        f"one. Rates that differ by less than {EQUAL - 1:.0%} count as equal."
    )


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("folder", type=Path, nargs="?", help="of pictures; without one they are generated")
    parser.add_argument("--count", type=int, default=600, help="pictures")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--model", choices=MODELS, default=MODELS[0])
    parser.add_argument("--cpus", type=int, default=2, help="engines, and CPUs that they share")
    parser.add_argument("--shard", type=int, default=BatchOptions.shard, help="pictures of a task")
    bill.add_options(parser)
    args = parser.parse_args()

    if not importlib.util.find_spec("ray"):
        raise SystemExit("Ray is not installed: pip install 'upperbodyseg[ray]'")
    load = os.getloadavg()[0]
    if load > QUIET:
        print(
            f"The machine was not quiet: its load was {load:.1f} before. Linux shares the CPUs out among "
            "sessions, and Ray has several. Its rates are too high here, and nothing follows from them.\n"
        )
    names = [POOL, RAY, JOINED]
    if importlib.util.find_spec("distributed"):
        names.append(DASK)
    else:
        print("Dask is left out: it is not installed (pip install 'dask[distributed]').\n")
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: args.cpus])  # and of all that is started here
    with tempfile.TemporaryDirectory() as work:
        source = Path(work) / "pictures"
        source.mkdir()
        if args.folder is None:
            make_pictures(source, args.count)
        else:
            copy_pictures(args.folder, source, args.count)
        read = float(np.mean([file.stat().st_size for file in source.iterdir()]))
        turns, written, same = take_turns(source, Path(work), args, names)
    found = {name: Turn(*map(float, np.median(np.array(rows), axis=0))) for name, rows in turns.items()}
    print(f"{args.count} pictures, model {args.model}, {args.cpus} engines on {args.cpus} CPUs:\n")
    show_rates(turns, found)
    print(f"\nMedians of {args.rounds} rounds. All wrote {'the same' if same else 'DIFFERENT'} masks.\n")
    show_crossover(found)
    print()
    writes = WRITES + 1 / args.shard
    measured = bill.Measured(
        found[JOINED].rate, args.cpus, args.shard, read, written, READS, writes, listed_bytes()
    )
    bill.show(measured, bill.read_options(args))
    if not same:
        raise SystemExit(1)


if __name__ == "__main__":
    publish(main, "batch")
