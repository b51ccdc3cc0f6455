"""``upperbodyseg video``: another background for the people in a video."""

from __future__ import annotations

import argparse
import signal
import sys
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from upperbodyseg.backgrounds import before_background, parse_background
from upperbodyseg.cli.engine_options import add_blur_sigma, add_engine_options, engine_options
from upperbodyseg.cli.progress import ProgressBar
from upperbodyseg.effects import cut_out
from upperbodyseg.postprocess.mask import check_blur_sigma
from upperbodyseg.video import CONTAINERS, Layout, Render, check_target, segment_video
from upperbodyseg.video.background import VideoBackground, is_video

if TYPE_CHECKING:
    from argparse import _SubParsersAction

__all__ = ["add_parser"]


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the ``video`` command."""
    parser = commands.add_parser(
        "video",
        help="give the people in a video another background",
        description="Write a video with the people of IN before another background. Sound, frame times, "
        "rotation, colours and tags stay. Needs PyAV: pip install 'upperbodyseg[video]'.",
        epilog="OUT is replaced only when it is complete. Interrupted (Ctrl-C, SIGTERM), or when a frame "
        "fails, what was done so far is kept as a playable file with .partial in its name; a second "
        "Ctrl-C while that is written, or a full disk, leaves no video. Frames that are damaged in IN are "
        "left out and counted. Sound is re-encoded only where OUT can't hold it as it is; PNG pictures and "
        ".gif have none. H.264 grows odd sizes by a pixel. Interlaced frames are deinterlaced, HDR is "
        "tone-mapped. Exit codes: 0 done, 1 IN or OUT failed, or damaged "
        "frames were left out, 2 wrong arguments, 3 models or runtime failed, "
        "130 interrupted.",
    )
    parser.add_argument("video", metavar="IN", help="a video file")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="OUT",
        required=True,
        help=f"a file that ends in {', '.join(CONTAINERS)}; or a new or empty folder, or FOLDER/%%04d.png "
        "with such a folder, for PNG pictures",
    )
    parser.add_argument(
        "--background",
        default="blur",
        metavar="blur|#00ff00|photo.jpg|beach.mp4|mask|alpha",
        help="blur it, or show a colour, a picture or a video, which is looped or cut, in its place; mask: "
        "write the mask as a grey video; alpha: write the people alone, with transparency, into .webm (VP9), "
        ".mov (ProRes 4444), .gif or PNG pictures (default: blur)",
    )
    add_blur_sigma(parser)
    parser.add_argument(
        "--light-wrap",
        type=float,
        default=0.0,
        metavar="0..1",
        help="how much of a colour's or picture's light falls on the people's edges (default: 0)",
    )
    add_engine_options(parser, max_pixels=True)
    parser.set_defaults(run=_run)


def _mask(_image: NDArray[np.uint8], mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return mask


def _render(background: str, light_wrap: float) -> tuple[Render, Layout]:
    if background == "mask":
        return _mask, "grey"
    if background == "alpha":
        return partial(cut_out, quick=True), "bgra"
    if is_video(background):
        return VideoBackground(background, light_wrap), "bgr"
    return before_background(parse_background(background), light_wrap), "bgr"


class _Interruption:
    """Ctrl-C and SIGTERM as a question that is asked between frames; the second time as an exception."""

    def __init__(self) -> None:
        self.asked = False
        self._handlers: dict[int, Any] = {}

    def __enter__(self) -> _Interruption:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._handlers[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True


def _run(args: argparse.Namespace) -> int:
    check_blur_sigma(args.blur_sigma)
    options = engine_options(args)
    render, layout = _render(args.background, args.light_wrap)
    check_target(args.output, layout)
    bar: ProgressBar | None = None

    def show(done: int, total: int | None) -> None:
        nonlocal bar
        if bar is None:
            bar = ProgressBar(total, "fps")
        bar.show(done)

    try:
        with _Interruption() as interruption:
            summary = segment_video(
                args.video,
                args.output,
                render,
                layout=layout,
                options=options,
                blur_sigma=args.blur_sigma,
                on_progress=show,
                stop=lambda: interruption.asked,
            )
    finally:
        if bar is not None:
            bar.close()
        if isinstance(render, VideoBackground):
            render.close()
    for note in summary.notes:
        print(f"note: {note}", file=sys.stderr)
    if summary.damaged:
        print(f"note: {args.video} was damaged in {summary.damaged} place(s)", file=sys.stderr)
    if not summary.complete:
        kept = (
            f"{summary.frames} frame(s) are in {summary.target}" if summary.target else "nothing was written"
        )
        print(f"upperbodyseg: interrupted: {kept}", file=sys.stderr)
        return 130
    print(f"{summary.frames} frame(s): {summary.target}")
    return 1 if summary.damaged else 0
