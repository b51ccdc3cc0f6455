"""``upperbodyseg serve``: the HTTP service."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from upperbodyseg.cli.engine_options import add_engine_options, engine_options
from upperbodyseg.serve import ServeOptions, serve

if TYPE_CHECKING:
    from argparse import _SubParsersAction

__all__ = ["add_parser"]


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the ``serve`` command."""
    parser = commands.add_parser(
        "serve",
        help="answer pictures over HTTP; clients of rembg's server work unchanged",
        description="Answer pictures over HTTP with masks, cut-outs or other backgrounds. /openapi.json "
        "describes it. If the environment has UPPERBODYSEG_TOKEN, requests must bring that token. "
        "Needs the packages of the extra: pip install 'upperbodyseg[serve]'.",
    )
    parser.add_argument("--host", default=ServeOptions.host, help="address (default: %(default)s)")
    parser.add_argument(
        "--port",
        type=int,
        default=ServeOptions.port,
        help="TCP port; 0 for any free one (default: %(default)s)",
    )
    parser.add_argument("--workers", type=int, metavar="ENGINES", help="engines (default: one for each CPU)")
    add_engine_options(parser, max_pixels=True, stills=True)
    parser.set_defaults(max_pixels=30_000_000)
    for name, unit, text in (
        ("queue", "PICTURES", "that wait or are worked on; further ones are answered with 503"),
        ("streams", "N", "WebSocket streams at once"),
        ("sockets", "N", "connections at once"),
        ("max_upload_bytes", "BYTES", "of one request"),
        ("stop_seconds", "SECONDS", "for requests in progress when it is stopped"),
    ):
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            type=int,
            default=getattr(ServeOptions, name),
            metavar=unit,
            help=f"{text} (default: %(default)s)",
        )
    parser.add_argument(
        "--max-seconds",
        type=float,
        default=ServeOptions.max_seconds,
        metavar="SECONDS",
        help="of a request, for the upload and again for the work (default: %(default)s)",
    )
    parser.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="answer requests to this name; '*' for any (default: this computer's on 127.0.0.1, else any)",
    )
    parser.add_argument(
        "--allow-origin",
        action="append",
        default=[],
        metavar="ORIGIN",
        help="let the pages of this web site ask, such as https://example.org; '*' for any (default: none)",
    )
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    serve(
        ServeOptions(
            host=args.host,
            port=args.port,
            segmenter=engine_options(args),
            workers=args.workers,
            queue=args.queue,
            streams=args.streams,
            sockets=args.sockets,
            max_upload_bytes=args.max_upload_bytes,
            max_seconds=args.max_seconds,
            stop_seconds=args.stop_seconds,
            hosts=tuple(name.lower() for name in args.allow_host),
            origins=tuple(args.allow_origin),
            token=ServeOptions.token_from_environment(),
        )
    )
    return 0
