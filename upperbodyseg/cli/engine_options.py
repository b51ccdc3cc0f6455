"""The engine's settings on the command line, the same for every command that has an engine."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator

from upperbodyseg.engine import DEFAULT_BLUR_SIGMA, SegmenterOptions
from upperbodyseg.errors import InputError
from upperbodyseg.models.interpreter import RUNTIMES
from upperbodyseg.models.spec import MODELS
from upperbodyseg.types import PEOPLE

__all__ = ["add_blur_sigma", "add_engine_options", "engine_options", "said_as_options"]


def add_engine_options(
    parser: argparse.ArgumentParser, *, max_pixels: bool = False, stills: bool = False
) -> None:
    """Add ``--model``, ``--threads``, ``--people``, ``--runtime``; where sizes are a stranger's,
    ``--max-pixels``; where pictures are stills, ``--test-time-augmentation``."""
    parser.add_argument(
        "--model",
        choices=MODELS,
        default=MODELS[0],
        help="'fast' takes about a third of the time and cuts more roughly (default: %(default)s)",
    )
    parser.add_argument(
        "--threads", type=int, default=1, metavar="N", help="threads of one inference (default: %(default)s)"
    )
    parser.add_argument(
        "--people",
        choices=PEOPLE,
        default=PEOPLE[0],
        help="'main' keeps the main person and whoever is close to them (default: %(default)s)",
    )
    parser.add_argument("--runtime", choices=("auto", *RUNTIMES), default="auto")
    if max_pixels:
        parser.add_argument(
            "--max-pixels",
            type=int,
            default=SegmenterOptions.max_pixels,
            metavar="N",
            help="refuse larger pictures (default: %(default)s)",
        )

    if stills:
        parser.add_argument(
            "--test-time-augmentation",
            action="store_true",
            help="mean of two masks, of the picture and of its mirror image: better edges, more time",
        )


def engine_options(args: argparse.Namespace) -> SegmenterOptions:
    """What the options of :func:`add_engine_options` say.

    Raises:
        InputError: a value out of its range.
    """
    with said_as_options(num_threads="threads"):
        return SegmenterOptions(
            model=args.model,
            num_threads=args.threads,
            runtime=args.runtime,
            people=args.people,
            max_pixels=getattr(args, "max_pixels", SegmenterOptions.max_pixels),
            test_time_augmentation=getattr(args, "test_time_augmentation", False),
        )


@contextlib.contextmanager
def said_as_options(**names: str) -> Iterator[None]:
    """Let errors name the option that was given, not the argument it became.

    Args:
        names: of arguments whose option has another name, without its dashes.
    """
    try:
        yield
    except InputError as exc:
        argument, space, rest = str(exc).partition(" ")
        if not argument.isidentifier() or not space:
            raise
        option = names.get(argument, argument).replace("_", "-")
        raise InputError(f"--{option} {rest}") from exc


def add_blur_sigma(parser: argparse.ArgumentParser) -> None:
    """Add ``--blur-sigma``."""
    parser.add_argument(
        "--blur-sigma",
        type=float,
        default=DEFAULT_BLUR_SIGMA,
        metavar="PIXELS",
        help="Gaussian blur of the mask: 0 none, higher smoother (default: %(default)s)",
    )
