"""Fuzz a target, or all of them in turn, with libFuzzer by way of Atheris.

    python -m fuzz.run pictures --seconds 600
    python -m fuzz.run all --runs 20000

An input that crashes a target is written to the folder of ``--crashes``; ``python -m fuzz.run TARGET
--replay FILE`` runs it again. The exit code is 1 where any target crashed.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

NAMES = ("pictures", "messages", "specs", "buffers", "planes", "videos")
_MOST_BYTES = 8192
_MOST_MEGABYTES = 2048
_MOST_SECONDS = 10  # of one input


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m fuzz.run", description="Fuzz what strangers can send.")
    parser.add_argument("target", choices=(*NAMES, "all"))
    parser.add_argument("--seconds", type=int, default=0, help="of each target (default: no limit)")
    parser.add_argument("--runs", type=int, default=0, help="cases of each target (default: no limit)")
    parser.add_argument("--seed", type=int, default=1, help="of the random changes (default: %(default)s)")
    parser.add_argument("--corpus", type=Path, help="folder to go on from and to keep new cases in")
    parser.add_argument("--crashes", type=Path, default=Path("build/fuzz"), help="(default: %(default)s)")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="run this one input alone")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    try:
        import atheris  # noqa: PLC0415
    except ImportError:
        print("fuzzing needs Atheris: pip install '.[fuzz]' (Linux, CPython)", file=sys.stderr)
        return 2
    if not args.worker:
        if not (args.seconds or args.runs or args.replay):
            parser.error("give --seconds or --runs")
        return max([_supervise(name, args) for name in (NAMES if args.target == "all" else [args.target])])
    with atheris.instrument_imports(include=["upperbodyseg", "PIL"]):
        from fuzz.targets import TARGETS  # noqa: PLC0415
    options = [str(args.replay)] if args.replay else [str(args.corpus), f"-runs={args.runs or -1}"]
    atheris.Setup(
        [
            sys.argv[0],
            *options,
            f"-max_total_time={args.seconds}",
            f"-seed={args.seed}",
            f"-max_len={_MOST_BYTES}",
            f"-rss_limit_mb={_MOST_MEGABYTES}",
            f"-timeout={_MOST_SECONDS}",
            f"-artifact_prefix={args.crashes}/{args.target}-",
            "-print_final_stats=1",
        ],
        TARGETS[args.target],
    )
    atheris.Fuzz()  # ends the process
    return 0


def _supervise(name: str, args: argparse.Namespace) -> int:
    """Fuzz one target in a process of its own, and say in a line how it went."""
    from fuzz.targets import seeds  # noqa: PLC0415

    args.crashes.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as made:
        corpus = (args.corpus or Path(made)) / name
        corpus.mkdir(parents=True, exist_ok=True)
        for number, content in enumerate(seeds(name)):
            (corpus / f"seed{number:03}").write_bytes(content)
        command = [sys.executable, "-W", "ignore", "-m", "fuzz.run", name, "--worker"]
        command += ["--seconds", str(args.seconds), "--runs", str(args.runs), "--seed", str(args.seed)]
        command += ["--corpus", str(corpus), "--crashes", str(args.crashes)]
        command += ["--replay", str(args.replay)] if args.replay else []
        # One pipe for both: Atheris prints the traceback on one, libFuzzer its figures on the other.
        done = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
    found = re.search(r"stat::number_of_executed_units:\s*(\d+)", done.stdout)
    cases = int(found[1]) if found else 0
    if done.returncode:
        print(done.stdout[-5000:], file=sys.stderr)
    print(f"{name}: {cases} cases, {'CRASHED' if done.returncode else 'no crash'}", flush=True)
    return int(done.returncode != 0)


if __name__ == "__main__":
    raise SystemExit(main())
