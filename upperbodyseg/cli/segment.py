"""``upperbodyseg segment``: pictures in, masks, cut-outs, overlays or other backgrounds out."""

from __future__ import annotations

import argparse
import contextlib
import functools
import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from upperbodyseg.backgrounds import before_background, compose, parse_background
from upperbodyseg.checks import number, whole_number
from upperbodyseg.cli import console
from upperbodyseg.cli.engine_options import (
    add_blur_sigma,
    add_engine_options,
    engine_options,
    said_as_options,
)
from upperbodyseg.cli.picture_jobs import STREAM, Job, plan
from upperbodyseg.cli.picture_workshop import Render, Result, Settings, Workshop
from upperbodyseg.cli.progress import ProgressBar
from upperbodyseg.cli.raw_frames import RawFormat, segment_raw
from upperbodyseg.cpus import available_cpus
from upperbodyseg.effects import cut_out
from upperbodyseg.engine import UpperBodySegmenter
from upperbodyseg.errors import InputError
from upperbodyseg.options import SegmenterOptions
from upperbodyseg.pictures import (
    Picture,
    PictureLimits,
    flatten,
    lift_pillows_limit,
)
from upperbodyseg.postprocess.mask import check_blur_sigma
from upperbodyseg.types import SegmentationOutput

if TYPE_CHECKING:
    from argparse import _SubParsersAction

__all__ = ["add_parser"]

OVERLAY_COLOUR = (80, 200, 60)  # BGR

_MAX_JOBS = 256
_NAMED = 10  # of the files that are passed over

_OPAQUE = (".png", ".jpg", ".jpeg", ".webp")


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the ``segment`` command."""
    parser = commands.add_parser(
        "segment",
        help="cut the people out of photos",
        description="Write the mask of the people in each photo (255 person, 0 background), of the photo's "
        "size. What is transparent in a photo stays so in masks and cut-outs; before a background it shows "
        "the background, blurred or in an overlay white.",
    )
    parser.add_argument(
        "photos",
        nargs="*",
        metavar="PHOTO",
        help="picture files, folders of them, or patterns such as 'in/*.jpg'; - is standard input",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="OUT",
        help="of one photo the file to write, of several the folder; - is standard output; default: PHOTO's "
        "name with _mask, _cutout, _overlay or _background, in the current folder. Masks and cut-outs are "
        "PNG; the others may be .jpg or .webp too",
    )
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument(
        "--cutout",
        dest="kind",
        action="store_const",
        const="cutout",
        help="write the people alone, with the mask as alpha, instead of the mask",
    )
    kind.add_argument(
        "--overlay",
        dest="kind",
        action="store_const",
        const="overlay",
        help="write the picture with the mask laid over it instead of the mask",
    )
    kind.add_argument(
        "--background",
        metavar="COLOUR|PICTURE|blur|portrait",
        help="write the people before another background instead of the mask: a colour such as green or "
        "'#00ff00' (quoted, for the shell), a picture file, or their own background blurred; portrait blurs "
        "as a wide-open lens does",
    )
    parser.add_argument(
        "--blur-strength",
        type=float,
        metavar="0..1",
        help="of --background blur and portrait (default: 0.5)",
    )
    parser.add_argument("--crop", action="store_true", help="crop the result to the people")
    parser.add_argument(
        "--crop-margin",
        type=float,
        default=0.1,
        metavar="SHARE",
        help="kept round the people by --crop, as a share of their larger side (default: %(default)s)",
    )
    parser.add_argument(
        "--crop-aspect", metavar="W:H", help="width and height of what --crop keeps, such as 1:1 or 3:4"
    )
    parser.add_argument(
        "--format",
        choices=("png", "jpg", "webp"),
        help="of results whose names are made here (default: png)",
    )
    parser.add_argument("--recursive", action="store_true", help="take the pictures of subfolders too")
    parser.add_argument("--skip-existing", action="store_true", help="leave results alone that are there")
    parser.add_argument(
        "--jobs",
        type=int,
        metavar="N",
        help="pictures at a time (default: one for each CPU); each has models of its own",
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help="print a line of JSON for each picture: input, output, persons, boxes, scores, ids, "
        "confidence, milliseconds, error; on standard error where results go to standard output",
    )
    parser.add_argument(
        "--raw",
        metavar="WxH:LAYOUT",
        help="read frames without header from PHOTO, such as 1280x720:bgr24, and write such frames: masks "
        "gray, cut-outs bgra, the others bgr24; - to - by default; layouts: bgr24, rgb24, bgra, rgba, nv12, "
        "nv21, yuv420p",
    )
    add_blur_sigma(parser)
    add_engine_options(parser, max_pixels=True, stills=True)
    for name, unit, what in (("max_side", "PIXELS", "wider or higher"), ("max_bytes", "BYTES", "larger")):
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            type=int,
            default=getattr(PictureLimits, name),
            metavar=unit,
            help=f"refuse picture files that are {what} (default: %(default)s)",
        )
    parser.set_defaults(run=_run, kind="mask", parser=parser)


def _mask(_picture: Picture, mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return mask


def _cutout(picture: Picture, mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return cut_out(picture.bgr, mask)


def _overlay(picture: Picture, mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    bgr = flatten(picture)
    tint = np.empty_like(bgr)
    tint[:] = OVERLAY_COLOUR
    strength = cv2.merge([mask] * 3).astype(np.float32) * (0.5 / 255)
    mixed: NDArray[np.uint8] = (bgr + (tint.astype(np.float32) - bgr) * strength).astype(np.uint8)
    return mixed


def _settings(args: argparse.Namespace) -> Settings:
    with said_as_options():
        check_blur_sigma(args.blur_sigma)
        lift_pillows_limit()
        limits = PictureLimits(args.max_pixels, args.max_side, args.max_bytes)
        strength = number("blur_strength", 0.5 if args.blur_strength is None else args.blur_strength, 1.0)
        margin = number("crop_margin", args.crop_margin, 10.0)
    if args.blur_strength is not None and args.background not in ("blur", "portrait"):
        raise InputError("--blur-strength is of --background blur or --background portrait")
    render, kind, background = _RENDERS[args.kind], args.kind, None
    if args.background is not None:
        background, kind = parse_background(args.background, limits), "background"
        render = functools.partial(compose, background=background, blur_strength=strength)
    return Settings(
        kind,
        render,
        limits,
        args.blur_sigma,
        args.crop,
        margin,
        None if args.crop_aspect is None else _aspect(args.crop_aspect),
        background,
        strength,
    )


def _aspect(text: str) -> float:
    try:
        width, height = map(float, text.split(":"))
        if 0.01 <= width / height <= 100:
            return width / height
    except (ValueError, ZeroDivisionError):
        pass
    raise InputError(f"--crop-aspect must be WIDTH:HEIGHT such as 3:4, 1:100 to 100:1, got {text!r}")


def _run(args: argparse.Namespace) -> int:
    if not args.photos and args.raw is None:
        args.parser.print_help()
        return 2
    options, settings = engine_options(args), _settings(args)
    if args.raw is not None:
        return _run_raw(args, options, settings)
    suffix = f".{args.format or 'png'}"
    read_too = Path(args.background) if isinstance(settings.background, np.ndarray) else None
    try:
        jobs, others = plan(
            args.photos,
            args.output,
            settings.kind,
            suffix,
            recursive=args.recursive,
            background=read_too,
        )
    except OSError as exc:
        raise InputError(f"can't use {exc.filename or 'the current folder'}: {exc.strerror}") from exc
    for job in jobs:
        _check_suffix(job.target, settings.kind)
    if others:
        names = ", ".join(console.one_line(path.name) for path in others[:_NAMED])
        names += ", ..." if len(others) > _NAMED else ""
        console.warn(f"{len(others)} other file(s) are passed over: {names}")
    there = [job for job in jobs if args.skip_existing and job.target != STREAM and job.target.exists()]
    if there:
        console.warn(f"{len(there)} picture(s) are done already: skipped")
        skipped = set(there)
        jobs = [job for job in jobs if job not in skipped]
        if not jobs:
            return 0
    count = min(available_cpus(), _MAX_JOBS) if args.jobs is None else args.jobs
    with said_as_options():
        count = min(whole_number("jobs", count, 1, _MAX_JOBS), len(jobs))
    report = _Report(jobs, args.json)
    progress = ProgressBar(len(jobs), "pictures/s")
    with Workshop(options, settings, count) as workshop:
        try:
            for done, result in enumerate(workshop.results(jobs, progress), 1):
                report.add(result)
                progress.show(done)
        finally:
            progress.close()
            report.summarize()
    return 1 if report.failures or report.damaged else 0


def _check_suffix(target: Path, kind: str) -> None:
    allowed = _OPAQUE if kind in ("overlay", "background") else (".png",)
    if target != STREAM and target.suffix.lower() not in allowed:
        raise InputError(
            f"--output: the name of this result must end in {', '.join(allowed)}, got {target}"
            + ("" if len(allowed) > 1 else "; masks and cut-outs need all their levels, and PNG keeps them")
        )


def _named(path: Path, stream: str = "input") -> str:
    return f"standard {stream}" if path == STREAM else str(path)


@dataclass
class _Report:
    """What is said of the results, in the order of the pictures."""

    jobs: list[Job]
    as_json: bool
    people: int = 0
    written: int = 0
    failures: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)

    def add(self, result: Result) -> None:
        source, target = result.job
        if result.content is not None:
            sys.stdout.buffer.write(result.content)
            sys.stdout.buffer.flush()
        if self.as_json:
            self._say(result.as_json())
        if result.error is not None:
            self.failures.append(f"{_named(source)}: {result.error}")
            return
        self.written += 1
        self.people += len(result.output.persons) if result.output else 0
        if result.damaged:
            told = f"{_named(source)}: is damaged; what could be decoded is in {_named(target, 'output')}"
            self.damaged.append(told)

    def summarize(self) -> None:
        for what, lines in (("are damaged", self.damaged), ("failed", self.failures)):
            if lines:
                console.warn(f"{len(lines)} of {len(self.jobs)} picture(s) {what}:")
                for line in lines:
                    console.warn(f"  {console.one_line(line)}")
        if self.written:
            target = self.jobs[0].target
            where = target if len(self.jobs) == 1 else target.parent
            named = console.one_line(_named(where, "output"))
            told = f"{self.written} picture(s), {self.people} person(s) found: {named}"
            if self.as_json:
                console.warn(told)
            else:
                self._say(told)

    def _say(self, line: str) -> None:
        if self.jobs[0].target == STREAM:
            console.warn(line)
        else:
            print(line, flush=True)


def _run_raw(args: argparse.Namespace, options: SegmenterOptions, settings: Settings) -> int:
    raw = RawFormat.parse(args.raw)
    if len(args.photos) > 1 or settings.crop:
        raise InputError("--raw takes one input, and not --crop")
    source, target = Path(args.photos[0]) if args.photos else STREAM, args.output or STREAM
    if target != STREAM and os.path.realpath(target) == os.path.realpath(source):
        raise InputError(f"{target} is to be read: choose another output")
    render = None
    if settings.background is not None:
        render = before_background(settings.background, blur_strength=settings.blur_strength)
    elif settings.kind != "mask":
        shown = settings.render

        def render(bgr: NDArray[np.uint8], mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
            return shown(Picture(bgr), mask)

    def report(frame: int, output: SegmentationOutput) -> None:
        if args.json:
            result = Result(Job(source, target), output=output, size=(raw.width, raw.height))
            line = json.dumps({"frame": frame} | json.loads(result.as_json()))
            if target == STREAM:
                console.warn(line)
            else:
                print(line, flush=True)

    with contextlib.ExitStack() as stack:
        engine = stack.enter_context(UpperBodySegmenter(options))
        # Buffered, and read until a whole frame is there; a pipe gives less at a time.
        file = sys.stdin.buffer if source == STREAM else stack.enter_context(source.open("rb"))
        out = sys.stdout.buffer if target == STREAM else stack.enter_context(target.open("wb"))
        frames = segment_raw(engine, raw, file, out, render, settings.blur_sigma, report)
    console.warn(f"{frames} frame(s)")
    return 0


_RENDERS: dict[str, Render] = {"mask": _mask, "cutout": _cutout, "overlay": _overlay}
