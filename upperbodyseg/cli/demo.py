"""``upperbodyseg demo``: a page on this computer to try the library on."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from upperbodyseg.demo import serve
from upperbodyseg.models.spec import MODELS

if TYPE_CHECKING:
    from argparse import _SubParsersAction

__all__ = ["add_parser"]


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the ``demo`` command."""
    parser = commands.add_parser(
        "demo",
        help="try it on your own pictures and webcam, on a web page",
        description="Open a web page to try the library on: pictures and the webcam, with the background "
        "blurred or replaced. It runs on this computer, only this computer can reach it, and nothing "
        "is stored. Needs the packages of the extra: pip install 'upperbodyseg[demo]'.",
    )
    parser.add_argument(
        "--port", type=int, default=8000, help="TCP port; 0 for any that is free (default: %(default)s)"
    )
    parser.add_argument(
        "--model",
        choices=MODELS,
        default=MODELS[0],
        help="the one the page starts with (default: %(default)s)",
    )
    parser.add_argument("--no-browser", action="store_true", help="print the address, open nothing")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    serve(args.port, args.model, open_browser=not args.no_browser)
    return 0
