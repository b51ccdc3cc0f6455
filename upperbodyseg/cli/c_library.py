"""``upperbodyseg c-library``: build the shared library with the original SDK's C and C++ API."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from upperbodyseg.c_library.build import build, find_built
from upperbodyseg.c_library.errors import BuildError
from upperbodyseg.cli import console

if TYPE_CHECKING:
    from argparse import _SubParsersAction

__all__ = ["add_parser"]

DEFAULT_FOLDER = Path("upperbodyseg-c")


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the ``c-library`` command."""
    parser = commands.add_parser(
        "c-library",
        help="build a shared library for C and C++ programs",
        description="Build a shared library with the original SDK's C and C++ API. It runs this Python "
        "environment inside the program; the variable UPPERBODYSEG_PYTHON names another. Exit code 1: the "
        "library can't be built here.",
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    building = actions.add_parser(
        "build",
        help="compile the library and write its headers, pkg-config file and CMake config",
        description="Compile the library, try it, and write it with headers, pkg-config file and CMake "
        "config. Needs a C compiler. CFLAGS and LDFLAGS are passed on.",
    )
    flags = actions.add_parser(
        "flags",
        help="print what to compile a program with",
        description="Print the arguments for the compiler and the linker, as a shell reads them.",
    )
    for action in (building, flags):
        action.add_argument(
            "-o",
            "--output",
            type=Path,
            default=DEFAULT_FOLDER,
            metavar="DIR",
            help="folder of the library (default: %(default)s)",
        )
    building.add_argument(
        "--compiler", metavar="COMMAND", help="C compiler (default: CC, else the first of the usual names)"
    )
    flags.add_argument("--cflags", action="store_true", help="only those for the compiler")
    flags.add_argument("--libs", action="store_true", help="only those for the linker")
    building.set_defaults(run=_build)
    flags.set_defaults(run=_flags)


def _build(args: argparse.Namespace) -> int:
    try:
        library = build(args.output, args.compiler)
    except BuildError as exc:
        return _failed(exc)
    print(f"{library.binary}\nflags: {shlex.join([*library.compile_flags, *library.link_flags])}")
    return 0


def _flags(args: argparse.Namespace) -> int:
    try:
        library = find_built(args.output)
    except BuildError as exc:
        return _failed(exc)
    both = args.cflags == args.libs
    flags = [
        *(library.compile_flags if args.cflags or both else []),
        *(library.link_flags if args.libs or both else []),
    ]
    print(shlex.join(flags))
    return 0


def _failed(exc: BuildError) -> int:
    console.warn(f"upperbodyseg: {exc}")
    return 1
