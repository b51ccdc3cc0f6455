"""``upperbodyseg webcam``: a camera with another background, in a window or as a virtual camera."""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from upperbodyseg.backgrounds import before_background, parse_background
from upperbodyseg.cli.engine_options import add_blur_sigma, add_engine_options, engine_options
from upperbodyseg.errors import InputError
from upperbodyseg.postprocess.mask import check_blur_sigma
from upperbodyseg.video.background import VideoBackground, is_video
from upperbodyseg.webcam import Background, FrameSource, Output, VirtualCamera, Window, run_live

if TYPE_CHECKING:
    from argparse import _SubParsersAction

__all__ = ["add_parser"]

_DEFAULT_BACKGROUNDS = ("blur", "#00b140")  # the second: the green of screens


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the ``webcam`` command."""
    parser = commands.add_parser(
        "webcam",
        help="show a camera with another background, live",
        description="Show a camera with another background in a window (needs pip install "
        "'upperbodyseg[webcam]') or give it to other programs as a virtual camera (needs pip install "
        "'upperbodyseg[virtual-camera]', whose licence is GPL-2.0).",
        epilog="Keys: b next background, + and - (or ] and [) blur of the mask, m mirror, q or Esc quit. "
        "Exit codes: 0 done, 1 camera, display or virtual camera failed, 2 wrong arguments, "
        "3 models or runtime failed, 130 interrupted.",
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--camera", type=int, default=0, metavar="N", help="which camera (default: 0)")
    where.add_argument("--input", metavar="FILE", help="a video file in its place, over and over")
    parser.add_argument(
        "--background",
        action="append",
        metavar="blur|#00ff00|photo.jpg|beach.mp4",
        help="blur it, or show a colour, a picture or a looped video; may be given several times: key b goes "
        "through them, then shows the camera as it is (default: blur, then a green screen)",
    )
    parser.add_argument("--virtual-camera", action="store_true", help="give the pictures to other programs")
    parser.add_argument("--no-window", action="store_true", help="with --virtual-camera: open no window")
    parser.add_argument("--mirror", action="store_true", help="exchange left and right, in all outputs")
    for name, kind in (("width", int), ("height", int), ("fps", float)):
        parser.add_argument(f"--{name}", type=kind, metavar="N", help=f"{name} to ask of the camera")
    add_blur_sigma(parser)
    parser.add_argument("--frames", type=int, metavar="N", help="stop after so many frames")
    add_engine_options(parser)
    parser.set_defaults(run=_run)


def _as_it_is(image: NDArray[np.uint8], _mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return image


def _background(text: str, closing: ExitStack) -> Background:
    name = text if text.startswith("#") else Path(text).name
    if is_video(text):
        return Background(name, closing.enter_context(VideoBackground(text)))
    return Background(name, before_background(parse_background(text)))


def _run(args: argparse.Namespace) -> int:
    sigma = check_blur_sigma(args.blur_sigma)
    if args.no_window and not args.virtual_camera:
        raise InputError("--no-window leaves nothing to show frames in: give --virtual-camera with it")
    for name in ("width", "height", "fps", "frames"):
        value = getattr(args, name)
        if value is not None and not value > 0:
            raise InputError(f"--{name} must be above 0, got {value}")
    if args.camera < 0:
        raise InputError(f"--camera must be 0 or more, got {args.camera}")
    options = engine_options(args)
    with ExitStack() as closing:
        backgrounds = [_background(text, closing) for text in args.background or _DEFAULT_BACKGROUNDS]
        backgrounds.append(Background("as it is", _as_it_is))
        outputs: list[Output] = []
        if not args.no_window:
            outputs.append(Window())
            closing.callback(outputs[-1].close)
        where = args.camera if args.input is None else args.input
        source = closing.enter_context(FrameSource(where, width=args.width, height=args.height, fps=args.fps))
        if args.virtual_camera:
            outputs.append(VirtualCamera(source.fps))
            closing.callback(outputs[-1].close)
        summary = run_live(
            source,
            outputs,
            backgrounds,
            options=options,
            blur_sigma=sigma,
            mirror=args.mirror,
            max_frames=args.frames,
        )
    print(f"{summary.frames} frame(s), at last {summary.fps:.1f} fps, {summary.latency_ms:.0f} ms a frame")
    return 0
