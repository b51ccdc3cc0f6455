"""``upperbodyseg info``: what is installed, for a bug report or an audit."""

from __future__ import annotations

import argparse
import itertools
import platform
import sys
from typing import TYPE_CHECKING

import cv2
import numpy as np
import PIL

import upperbodyseg
from upperbodyseg.errors import ModelError
from upperbodyseg.models.interpreter import RUNTIMES, available_runtimes, choose_runtime
from upperbodyseg.models.spec import DETECTOR, MODELS, SEGMENTER, WEIGHTS, load_spec, load_weights

if TYPE_CHECKING:
    from argparse import _SubParsersAction

__all__ = ["add_parser"]


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the ``info`` command."""
    parser = commands.add_parser(
        "info",
        help="versions, runtime, models and their hashes",
        description="Print versions, the TensorFlow Lite runtime in use, and the models with their "
        "sha256, checked.",
    )
    parser.set_defaults(run=_run)


def _run(_args: argparse.Namespace) -> int:
    print(f"upperbodyseg   {upperbodyseg.__version__}")
    print(f"python         {platform.python_version()} ({platform.system()} {platform.machine()})")
    print(f"numpy          {np.__version__}")
    print(f"opencv         {cv2.__version__}")
    print(f"pillow         {PIL.__version__}")
    installed = available_runtimes()
    code = 0
    try:
        chosen = choose_runtime("auto")
    except ModelError as exc:
        print(f"upperbodyseg: {exc}", file=sys.stderr)
        chosen, code = "", 3
    for name in RUNTIMES:
        version = installed.get(name, "not installed")
        print(f"{name:<14} {version}{'  (in use)' if name == chosen else ''}")
    for model, name in itertools.product(MODELS, (DETECTOR, SEGMENTER)):
        try:
            spec = load_spec(name, chosen or RUNTIMES[0], WEIGHTS / model)
            size = len(load_weights(spec))
        except ModelError as exc:
            print(f"upperbodyseg: {exc}", file=sys.stderr)
            code = 3
            continue
        _, height, width, _ = spec.input_shape
        print(f"\n{name} ({model}) version {spec.version}")
        print(f"  file         {spec.path}")
        print(f"  input        {width} x {height} BGR")
        print(f"  parameters   {spec.parameters:,} as {spec.precision}, {size:,} bytes")
        print(f"  sha256       {spec.sha256} (checked)")
    return code
