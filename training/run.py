"""From pictures to weights in one go: ``python -m training.run DATA --out runs``.

Follows ``training/recipe.toml`` stage by stage: trains, labels, exports. Last it writes the
model cards into ``runs/weights`` and measures the accuracy. ``DATA`` is the data folder or the file that
``training.pack`` made of it. A stage that is done is not done again, and a training that was cut off goes
on from its checkpoint: start the same command again. MediaPipe Selfie's file (``--selfie``) and U2Net's or
MODNet's have a say in the masks of the unlabelled pictures, where they are given.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import zipfile
from dataclasses import asdict
from pathlib import Path

from training.recipe import RECIPE, Recipe, RecipeError, Stage, read_recipe
from training.runs import DONE, export_folder, exported, finished
from upperbodyseg.models.spec import MODELS


def unpacked(data: Path, out: Path) -> Path:
    """The data folder, unpacked where it is a file."""
    if not data.is_file():
        return data
    folder = out / "data"
    if not (folder / "manifest.csv").exists():
        with zipfile.ZipFile(data) as packed:
            packed.extractall(folder)
    return folder


def check_same(runs: Path, stage: Stage) -> None:
    """Refuse to go on with what another recipe began.

    Raises:
        RecipeError: the stage's folder holds another recipe's training.
    """
    about = runs / stage.name / "recipe.json"
    if not about.exists():
        return
    begun = json.loads(about.read_text())["stage"]
    if begun != json.loads(json.dumps(asdict(stage))):
        raise RecipeError(
            f"expected {runs / stage.name} to hold this recipe's stage, got another's: "
            "delete that folder and those of the stages after it, or choose another --out"
        )


def follow(
    recipe: Recipe,
    data: Path,
    runs: Path,
    peers: dict[str, Path | None],
    workers: int = 1,
    trial: bool = False,
    apart: list[str] | None = None,
) -> None:
    """Do what of a recipe is not done yet.

    Args:
        recipe: what to do.
        data: the data folder.
        runs: folder of all stages' folders.
        peers: files of other networks that label, as ``training.pseudo_labels`` calls them.
        workers: processes that make samples.
        trial: as of :func:`training.export.export`.
        apart: a command that trains the stage whose name is put behind it, in place of this process.
    """
    from training.export import export
    from training.pseudo_labels import label_folder
    from training.train import train

    for number, stage in enumerate(recipe.stages, 1):
        what = f"stage {number} of {len(recipe.stages)}, {stage.name}"
        check_same(runs, stage)
        if finished(runs, stage):
            print(f"{what}: done before", flush=True)
        elif stage.kind == "label":
            print(f"{what}: labelling", flush=True)
            label_folder(
                data,
                [runs / name for name in stage.teachers],
                runs / stage.name,
                selfie=peers["selfie"],
                u2net=peers["u2net"],
                modnet=peers["modnet"],
            )
            (runs / stage.name / DONE).touch()
        else:
            print(f"{what}: training on {stage.samples:,} samples", flush=True)
            if apart is None:
                train(stage, recipe, data, runs, workers=workers)
            else:
                subprocess.run([*apart, stage.name], check=True)
        if stage.version and not exported(runs, stage).with_name(f"person_{stage.part}.json").exists():
            folder = export_folder(runs, stage)
            export(stage.network, runs / stage.name, data, folder, stage.version, recipe, trial=trial)


def command(name: str, *arguments: object) -> list[str]:
    """That runs a module in another process."""
    return [sys.executable, "-m", name, *map(str, arguments)]


def module(name: str, *arguments: object) -> None:
    """Run a module in another process, and stop where it fails."""
    print("+", name, *arguments, flush=True)
    if subprocess.run(command(name, *arguments), check=False).returncode:
        raise SystemExit(f"{name} failed: see above")


def main() -> None:
    """Follow the recipe, then write the cards and measure."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("data", type=Path, help="folder with manifest.csv and boxes.csv, or packed .zip")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--recipe", type=Path, default=RECIPE)
    parser.add_argument("--selfie", type=Path, help="MediaPipe's selfie_segmentation.tflite")
    third = parser.add_mutually_exclusive_group()
    third.add_argument("--u2net", type=Path, help="u2net.onnx")
    third.add_argument("--modnet", type=Path, help="MODNet's file")
    parser.add_argument("--workers", type=int, default=1, help="processes that make samples")
    parser.add_argument("--processes", type=int, default=1, help="that share a training: one a core")
    parser.add_argument("--at-most", type=int, help="samples a phase, to try the whole recipe out")
    args = parser.parse_args()

    try:
        recipe = read_recipe(args.recipe)
        if args.at_most:
            recipe = recipe.shortened(args.at_most)
        args.out.mkdir(parents=True, exist_ok=True)
        data = unpacked(args.data, args.out)
        # Before hours of training rather than after them.
        module("benchmarks.card", data, "--check")
        apart = None
        if args.processes > 1:
            shared = ("torch.distributed.run", "--nproc-per-node", args.processes, "-m", "training.train")
            apart = command(*shared, "--data", data, "--runs", args.out, "--recipe", args.recipe)
            apart += ["--workers", str(args.workers)]
            apart += ["--at-most", str(args.at_most)] if args.at_most else []
        peers = {"selfie": args.selfie, "u2net": args.u2net, "modnet": args.modnet}
        follow(recipe, data, args.out, peers, args.workers, bool(args.at_most), apart)
    except RecipeError as exc:
        parser.error(str(exc))
    if not args.at_most:
        weights = args.out / "weights"
        module("benchmarks.card", data, "--weights", weights)
        peer = ("--peer", args.selfie, "--robustness") if args.selfie else ()
        for model in MODELS:
            module("benchmarks.accuracy", data, "--model", model, "--models", weights / model, *peer)


if __name__ == "__main__":
    main()
