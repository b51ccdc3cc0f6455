"""``upperbodyseg completion``: a script for the shell that completes commands and options."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from upperbodyseg.extras import needs_extra

if TYPE_CHECKING:
    from argparse import _SubParsersAction

__all__ = ["add_parser"]


def add_parser(
    commands: _SubParsersAction[argparse.ArgumentParser], program: argparse.ArgumentParser
) -> None:
    """Add the ``completion`` command.

    Args:
        commands: where to.
        program: whose commands and options are completed.
    """
    parser = commands.add_parser(
        "completion",
        help="a script with which the shell completes commands and options",
        description="Print a script with which the shell completes commands and options. For bash: "
        "upperbodyseg completion bash > ~/.local/share/bash-completion/completions/upperbodyseg. Needs the "
        "package of the extra: pip install 'upperbodyseg[completion]'.",
    )
    parser.add_argument("shell", choices=("bash", "zsh", "fish", "tcsh"))
    parser.set_defaults(run=_run, program=program)


def _run(args: argparse.Namespace) -> int:
    with needs_extra("completion", "completion"):
        import shtab  # noqa: PLC0415
    print(shtab.complete(args.program, args.shell))
    return 0
