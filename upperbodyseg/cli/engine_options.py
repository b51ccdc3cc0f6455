"""The engine's settings on the command line, the same for every command that has an engine."""

from __future__ import annotations

import argparse

from upperbodyseg.engine import DEFAULT_BLUR_SIGMA, SegmenterOptions
from upperbodyseg.models.interpreter import RUNTIMES
from upperbodyseg.models.spec import MODELS

__all__ = ["add_blur_sigma", "add_engine_options", "engine_options"]


def add_engine_options(
    parser: argparse.ArgumentParser, *, max_pixels: bool = False, stills: bool = False
) -> None:
    """Add ``--model``, ``--threads``, ``--runtime``; where sizes are a stranger's, ``--max-pixels``; where
    pictures are stills, ``--test-time-augmentation``."""
    parser.add_argument(
        "--model",
        choices=MODELS,
        default=MODELS[0],
        help="'fast' takes a third to half of the time and cuts more roughly (default: %(default)s)",
    )
    parser.add_argument(
        "--threads", type=int, default=1, metavar="N", help="threads of one inference (default: %(default)s)"
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
    return SegmenterOptions(
        model=args.model,
        num_threads=args.threads,
        runtime=args.runtime,
        max_pixels=getattr(args, "max_pixels", SegmenterOptions.max_pixels),
        test_time_augmentation=getattr(args, "test_time_augmentation", False),
    )


def add_blur_sigma(parser: argparse.ArgumentParser) -> None:
    """Add ``--blur-sigma``."""
    parser.add_argument(
        "--blur-sigma",
        type=float,
        default=DEFAULT_BLUR_SIGMA,
        metavar="PIXELS",
        help="Gaussian blur of the mask: 0 none, higher smoother (default: %(default)s)",
    )
