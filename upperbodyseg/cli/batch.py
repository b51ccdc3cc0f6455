"""``upperbodyseg batch``: folders and buckets of pictures on a cluster."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from upperbodyseg.batch import BatchOptions, run_batch
from upperbodyseg.batch.addresses import public_address
from upperbodyseg.batch.options import KINDS, MANIFESTS
from upperbodyseg.cli.engine_options import add_blur_sigma, add_engine_options, engine_options
from upperbodyseg.pictures import PictureLimits

if TYPE_CHECKING:
    from argparse import _SubParsersAction

__all__ = ["add_parser"]


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the ``batch`` command."""
    parser = commands.add_parser(
        "batch",
        help="segment folders and buckets of pictures on a cluster (Ray)",
        description="Write the mask or cut-out of every picture of a folder or bucket, and a manifest. "
        "What the manifest has already is not done again. Needs the packages of the extra: "
        "pip install 'upperbodyseg[ray]'.",
    )
    parser.add_argument(
        "source",
        metavar="INPUT",
        help="a folder, a glob (quoted, for the shell), an address such as s3://bucket/folder, or @FILE for "
        "a list of them, one a line",
    )
    parser.add_argument("target", metavar="OUTPUT", help="a folder or an address for results and manifest")
    parser.add_argument("--kind", choices=KINDS, default=KINDS[0], help="default: %(default)s")
    parser.add_argument("--manifest", choices=MANIFESTS, default=MANIFESTS[0], help="default: %(default)s")
    parser.add_argument("--workers", type=int, metavar="ENGINES", help="engines (default: one for each CPU)")
    parser.add_argument(
        "--shard",
        type=int,
        default=BatchOptions.shard,
        metavar="PICTURES",
        help="whose rows are written together (default: %(default)s)",
    )
    parser.add_argument("--address", help="of a Ray cluster to join (default: one is started here)")
    add_blur_sigma(parser)
    add_engine_options(parser, max_pixels=True, stills=True)
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    options = BatchOptions(
        source=args.source,
        target=args.target,
        kind=args.kind,
        segmenter=engine_options(args),
        limits=PictureLimits(max_pixels=args.max_pixels),
        blur_sigma=args.blur_sigma,
        workers=args.workers,
        shard=args.shard,
        manifest=args.manifest,
        address=args.address,
    )
    done = run_batch(options)
    print(
        f"{done.written} picture(s), {done.persons} person(s) found, {done.failed} failed, "
        f"{done.skipped} done before: {public_address(args.target)}",
        flush=True,
    )
    return 1 if done.failed else 0
