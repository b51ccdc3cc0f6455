"""Where a recipe's stages leave what they made."""

from __future__ import annotations

from pathlib import Path

from training.recipe import Stage
from upperbodyseg.models.spec import MODELS

DONE = "done"  # a file that a finished stage of labelling leaves


def finished(runs: Path, stage: Stage) -> bool:
    """Whether a stage was done to its end."""
    return (runs / stage.name / (DONE if stage.kind == "label" else "final.pt")).exists()


def export_folder(runs: Path, stage: Stage) -> Path:
    """Folder of a stage's exported files: a shipped model's two networks share one."""
    model, _ = stage.network.split("-")
    return runs / "weights" / (model if model in MODELS else stage.name)


def exported(runs: Path, stage: Stage) -> Path:
    """The int8 file of an exported stage."""
    return export_folder(runs, stage) / f"person_{stage.part}_int8.tflite"
