"""``upperbodyseg info``: what is installed, for a bug report or an audit."""

from __future__ import annotations

import argparse
import importlib.metadata
import platform
from typing import TYPE_CHECKING

import cv2
import numpy as np
import PIL

import upperbodyseg
from upperbodyseg.cli import console
from upperbodyseg.errors import ModelError
from upperbodyseg.models.interpreter import RUNTIMES, available_runtimes, choose_runtime, import_runtime
from upperbodyseg.models.spec import SEPARATOR, SHIPPED, load_spec, load_weights

if TYPE_CHECKING:
    from argparse import _SubParsersAction

__all__ = ["add_parser"]


_OPENCV = (
    "opencv-contrib-python",
    "opencv-contrib-python-headless",
    "opencv-python",
    "opencv-python-headless",
)
"""Packages with the same module, the fuller one first."""


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
        console.warn(f"upperbodyseg: {exc}")
        chosen, code = "", 3
    for name in RUNTIMES:
        print(f"{name:<14} {installed.get(name, 'not installed')}{'  (in use)' if name == chosen else ''}")
    for name in installed:
        try:
            import_runtime(name)
        except ModelError as exc:
            console.warn(f"upperbodyseg: {exc}")
            code = 3 if name == chosen else code
    if len(wheels := _opencv_wheels()) > 1:
        console.warn(
            f"upperbodyseg: {len(wheels)} packages of OpenCV share the folder cv2: {', '.join(wheels)}; "
            f"which one runs is chance. pip uninstall -y {' '.join(wheels)} && "
            f"pip install {_preferred(wheels)}"
        )
    for folder, name in SHIPPED:
        try:
            spec = load_spec(name, chosen or RUNTIMES[0], folder)
            size = len(load_weights(spec))
        except ModelError as exc:
            console.warn(f"upperbodyseg: {exc}")
            code = 3
            continue
        _, height, width, _ = spec.input_shape
        print(f"\n{name} ({folder.name}) version {spec.version}")
        print(f"  file         {spec.path}")
        more = " and more" if name == SEPARATOR else ""
        print(f"  input        {width} x {height} BGR{more}")
        print(f"  parameters   {spec.parameters:,} as {spec.precision}, {size:,} bytes")
        print(f"  sha256       {spec.sha256} (checked)")
    return code


def _opencv_wheels() -> list[str]:
    found = []
    for name in _OPENCV:
        try:
            importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        found.append(name)
    return found


def _preferred(wheels: list[str]) -> str:
    """The one that has all that the others have: with windows, if any has them."""
    contrib = "contrib-" if any("contrib" in name for name in wheels) else ""
    headless = "-headless" if all(name.endswith("headless") for name in wheels) else ""
    return f"opencv-{contrib}python{headless}"
