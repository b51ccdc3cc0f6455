"""``upperbodyseg segment``: pictures in, masks, cut-outs, overlays or other backgrounds out."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from upperbodyseg.cli.backgrounds import Background, parse_background
from upperbodyseg.cli.engine_options import add_blur_sigma, add_engine_options, engine_options
from upperbodyseg.cli.pictures import SUFFIXES, PictureError, list_pictures, read_picture, write_png
from upperbodyseg.cli.progress import ProgressBar
from upperbodyseg.effects import blur_background, cut_out, replace_background
from upperbodyseg.engine import UpperBodySegmenter
from upperbodyseg.errors import InputError
from upperbodyseg.postprocess.mask import check_blur_sigma
from upperbodyseg.types import FrameInput

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
        "default: PHOTO's name with _mask, _cutout, _overlay or _background, in the current folder",
    )
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument(
        "--cutout",
        dest="kind",
        action="store_const",
        const="cutout",
        help="write the people alone, the mask as alpha (in place of any the picture had), not the mask",
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
        metavar="COLOUR|PICTURE|blur",
        help="write the people before another background instead of the mask: a colour such as '#00ff00' "
        "(quoted, for the shell), a picture file, or their own background blurred",
    )
    add_blur_sigma(parser)
    add_engine_options(parser, max_pixels=True, stills=True)
    parser.set_defaults(run=_run, kind="mask")


def _jobs(
    photo: Path, output: Path | None, kind: str, background: Path | None = None
) -> list[tuple[Path, Path]]:
    """Which picture goes into which file; no two into one, and none into a picture that is read."""
    if not photo.exists():
        raise InputError(f"there is no {photo}")
    if photo.is_dir():
        jobs = _folder_jobs(photo, output or Path(f"{photo.resolve().name}_{kind}"))
    else:
        target = output or Path(f"{photo.stem}_{kind}.png")
        if target.is_dir():
            target = target / f"{photo.stem}.png"
        if target.suffix.lower() != ".png":
            raise InputError(f"the output is a PNG: its name must end in .png, got {target}")
        jobs = [(photo, target)]
    sources = {source.resolve() for source, _ in jobs}
    if background is not None:
        sources.add(background.resolve())
    for _, target in jobs:
        if target.resolve() in sources:
            raise InputError(f"{target} is a picture to be read: choose another output")
    return jobs


def _folder_jobs(photos: Path, folder: Path) -> list[tuple[Path, Path]]:
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{photos} is a folder, so the output must be one too; {folder} is a file")
    if folder.resolve() == photos.resolve():
        raise InputError(f"the output can't go into {photos} itself: its masks would be taken for photos")
    pictures = list_pictures(photos)
    if not pictures:
        endings = " ".join(sorted(SUFFIXES))
        raise InputError(f"there is no picture in {photos} (names that end in {endings})")
    # a.jpg and a.png would both become a.png; with their whole names they don't.
    plain = len({p.stem.lower() for p in pictures}) == len(pictures)
    return [(p, folder / f"{p.stem if plain else p.name}.png") for p in pictures]


def _render(
    kind: str, bgr: NDArray[np.uint8], mask: NDArray[np.uint8], background: Background | None
) -> NDArray[np.uint8]:
    if isinstance(background, str):
        return blur_background(bgr, mask)
    if background is not None:
        return replace_background(bgr, mask, background)
    if kind == "mask":
        return mask
    if kind == "cutout":
        return cut_out(bgr, mask)
    tint = np.empty_like(bgr)
    tint[:] = OVERLAY_COLOUR
    strength = cv2.merge([mask] * 3).astype(np.float32) * (0.5 / 255)
    mixed: NDArray[np.uint8] = (bgr + (tint.astype(np.float32) - bgr) * strength).astype(np.uint8)
    return mixed


def _run(args: argparse.Namespace) -> int:
    check_blur_sigma(args.blur_sigma)
    options = engine_options(args)
    background = picture = None
    if args.background is not None:
        background = parse_background(args.background)
        picture = Path(args.background) if isinstance(background, np.ndarray) else None
    try:
        kind = args.kind if background is None else "background"
        jobs = _jobs(args.photo, args.output, kind, picture)
    except OSError as exc:
        raise InputError(f"can't use {exc.filename}: {exc.strerror}") from exc
    if args.photo.is_dir():
        others = len([p for p in args.photo.iterdir() if p.is_file()]) - len(jobs)
        if others:
            print(f"{others} other file(s) in {args.photo} are passed over", file=sys.stderr)
    failures: list[str] = []
    people = done = 0
    with UpperBodySegmenter(options) as engine:
        progress = ProgressBar(len(jobs))
        try:
            for source, target in jobs:
                progress.show(done)
                try:
                    bgr = read_picture(source)
                    frame = FrameInput.from_array(bgr, is_still=True)
                    output = engine.process(frame, args.blur_sigma)
                    write_png(target, _render(kind, bgr, output.mask, background))
                    people += len(output.persons)
                except (PictureError, InputError) as exc:
                    failures.append(f"{source}: {exc}")
                done += 1
        finally:
            progress.close()
            _summarize(jobs, done, people, failures)
    return 1 if failures else 0


def _summarize(jobs: list[tuple[Path, Path]], done: int, people: int, failures: list[str]) -> None:
    written = done - len(failures)
    where = jobs[0][1] if len(jobs) == 1 else jobs[0][1].parent
    if written:
        print(f"{written} picture(s), {people} person(s) found: {where}")
    if failures:
        print(f"{len(failures)} of {len(jobs)} picture(s) failed:", file=sys.stderr)
        for line in failures:
            print(f"  {line}", file=sys.stderr)
