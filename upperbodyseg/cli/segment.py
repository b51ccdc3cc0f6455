"""``upperbodyseg segment``: pictures in, masks, cut-outs or overlays out."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from upperbodyseg.cli.pictures import PictureError, list_pictures, read_picture, write_png
from upperbodyseg.engine import DEFAULT_BLUR_SIGMA, SegmenterOptions, UpperBodySegmenter
from upperbodyseg.errors import InputError
from upperbodyseg.models.interpreter import RUNTIMES
from upperbodyseg.postprocess.mask import check_blur_sigma
from upperbodyseg.types import FrameInput, ImageBuffer, ImageType

if TYPE_CHECKING:
    from argparse import _SubParsersAction

__all__ = ["add_parser"]

OVERLAY_COLOUR = (80, 200, 60)  # BGR


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the ``segment`` command."""
    parser = commands.add_parser(
        "segment",
        help="cut the people out of a photo or a folder of photos",
        description="Write the mask of the people in a photo (255 person, 0 background), or in every "
        "photo of a folder, as PNG of the photo's size.",
    )
    parser.add_argument("photo", type=Path, metavar="PHOTO", help="a picture file, or a folder of them")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="OUT",
        help="the PNG to write (for a folder: the folder to write into); "
        "default: PHOTO's name with _mask, _cutout or _overlay, in the current folder",
    )
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument(
        "--cutout",
        dest="kind",
        action="store_const",
        const="cutout",
        help="write the picture with the mask as its alpha channel instead of the mask",
    )
    kind.add_argument(
        "--overlay",
        dest="kind",
        action="store_const",
        const="overlay",
        help="write the picture with the mask laid over it instead of the mask",
    )
    parser.add_argument(
        "--blur-sigma",
        type=float,
        default=DEFAULT_BLUR_SIGMA,
        metavar="PIXELS",
        help="Gaussian blur of the mask: 0 none, higher smoother (default: %(default)s)",
    )
    parser.add_argument("--threads", type=int, default=1, help="threads of one inference (default: 1)")
    parser.add_argument("--runtime", choices=("auto", *RUNTIMES), default="auto")
    parser.set_defaults(run=_run, kind="mask")


def _jobs(photo: Path, output: Path | None, kind: str) -> list[tuple[Path, Path]]:
    """Which picture goes into which file."""
    if not photo.exists():
        raise InputError(f"there is no {photo}")
    if not photo.is_dir():
        target = output or Path(f"{photo.stem}_{kind}.png")
        if target.is_dir():
            target = target / f"{photo.stem}.png"
        if target.suffix.lower() != ".png":
            raise InputError(f"the output is a PNG: its name must end in .png, got {target}")
        return [(photo, target)]
    folder = output or Path(f"{photo.resolve().name}_{kind}")
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{photo} is a folder, so the output must be one too; {folder} is a file")
    pictures = list_pictures(photo)
    if not pictures:
        raise InputError(f"there is no picture in {photo}")
    stems = Counter(p.stem.lower() for p in pictures)
    return [
        (p, folder / (f"{p.stem}.png" if stems[p.stem.lower()] == 1 else f"{p.name}.png")) for p in pictures
    ]


def _render(kind: str, bgr: NDArray[np.uint8], mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if kind == "mask":
        return mask
    if kind == "cutout":
        return np.dstack([bgr, mask])
    tint = np.empty_like(bgr)
    tint[:] = OVERLAY_COLOUR
    strength = cv2.merge([mask] * 3).astype(np.float32) * (0.5 / 255)
    mixed: NDArray[np.uint8] = (bgr + (tint.astype(np.float32) - bgr) * strength).astype(np.uint8)
    return mixed


class _Progress:
    """A line on the terminal with a bar and the time left; nothing where stderr is no terminal."""

    def __init__(self, total: int) -> None:
        self.total, self.start = total, perf_counter()
        self.shown = total > 1 and sys.stderr.isatty()

    def show(self, done: int) -> None:
        if not self.shown:
            return
        left = (perf_counter() - self.start) / max(done, 1) * (self.total - done)
        bar = ("#" * (24 * done // self.total)).ljust(24)
        rest = f"  {left:.0f} s left" if done else ""
        sys.stderr.write(f"\r[{bar}] {done}/{self.total}{rest}\x1b[K")
        sys.stderr.flush()

    def close(self) -> None:
        if self.shown:
            sys.stderr.write("\r\x1b[K")


def _run(args: argparse.Namespace) -> int:
    check_blur_sigma(args.blur_sigma)
    options = SegmenterOptions(num_threads=args.threads, runtime=args.runtime)
    jobs = _jobs(args.photo, args.output, args.kind)
    for source, target in jobs:
        if target.exists() and target.samefile(source):
            raise InputError(f"{target} is the picture itself: choose another output")
    failures: list[str] = []
    people = 0
    with UpperBodySegmenter(options) as engine:
        progress = _Progress(len(jobs))
        try:
            for done, (source, target) in enumerate(jobs):
                progress.show(done)
                try:
                    bgr = read_picture(source)
                    frame = FrameInput(ImageBuffer.view(bgr), 0, ImageType.BGR_888, is_still=True)
                    output = engine.process(frame, args.blur_sigma)
                    write_png(target, _render(args.kind, bgr, output.mask))
                except (PictureError, InputError) as exc:
                    failures.append(f"{source}: {exc}")
                else:
                    people += len(output.persons)
        finally:
            progress.close()
    written = len(jobs) - len(failures)
    where = jobs[0][1] if len(jobs) == 1 else jobs[0][1].parent
    if written:
        print(f"{written} picture(s), {people} person(s) found: {where}")
    if failures:
        print(f"{len(failures)} of {len(jobs)} picture(s) failed:", file=sys.stderr)
        for line in failures:
            print(f"  {line}", file=sys.stderr)
    return 1 if failures else 0
