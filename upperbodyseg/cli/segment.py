"""``upperbodyseg segment``: pictures in, masks, cut-outs, overlays or other backgrounds out."""

from __future__ import annotations

import argparse
import functools
import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from upperbodyseg.backgrounds import compose, parse_background
from upperbodyseg.cli import console
from upperbodyseg.cli.engine_options import add_blur_sigma, add_engine_options, engine_options
from upperbodyseg.cli.progress import ProgressBar
from upperbodyseg.effects import cut_out
from upperbodyseg.engine import UpperBodySegmenter
from upperbodyseg.errors import InputError
from upperbodyseg.files import reason, write_file
from upperbodyseg.pictures import (
    SUFFIXES,
    Picture,
    PictureError,
    PictureLimits,
    encode_picture,
    flatten,
    lift_pillows_limit,
    list_pictures,
    read_picture,
)
from upperbodyseg.postprocess.mask import check_blur_sigma
from upperbodyseg.types import FrameInput

if TYPE_CHECKING:
    from argparse import _SubParsersAction

__all__ = ["add_parser"]

OVERLAY_COLOUR = (80, 200, 60)  # BGR

_NAMED = 10  # of the files that are passed over

_Render: TypeAlias = Callable[[Picture, NDArray[np.uint8]], NDArray[np.uint8]]


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the ``segment`` command."""
    parser = commands.add_parser(
        "segment",
        help="cut the people out of a photo or a folder of photos",
        description="Write the mask of the people in a photo (255 person, 0 background), or in every "
        "photo of a folder, as PNG of the photo's size. What is transparent in a photo stays so in masks "
        "and cut-outs; before a background it shows the background, blurred or in an overlay white.",
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
        metavar="COLOUR|PICTURE|blur",
        help="write the people before another background instead of the mask: a colour such as '#00ff00' "
        "(quoted, for the shell), a picture file, or their own background blurred",
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
    parser.set_defaults(run=_run, kind="mask")


class _Jobs(NamedTuple):
    """Which picture goes into which file, and the other files of the folder."""

    pairs: list[tuple[Path, Path]]
    others: list[Path]


def _jobs(photo: Path, output: Path | None, kind: str, background: Path | None = None) -> _Jobs:
    """No two pictures go into one file, and none into a picture that is read."""
    if not photo.exists():
        if photo.is_symlink():
            raise InputError(f"{photo} is a link that leads nowhere")
        raise InputError(f"there is no {photo}")
    if photo.is_dir():
        jobs = _folder_jobs(photo, output or Path(f"{Path(os.path.realpath(photo)).name}_{kind}"))
    else:
        target = output or Path(f"{photo.stem}_{kind}.png")
        if target.is_dir():
            target = target / f"{photo.stem}.png"
        if target.suffix.lower() != ".png":
            raise InputError(f"the output is a PNG: its name must end in .png, got {target}")
        jobs = _Jobs([(photo, target)], [])
    # Not Path.resolve, which takes a link to itself for an error of the program.
    sources = {os.path.realpath(source) for source, _ in jobs.pairs}
    if background is not None:
        sources.add(os.path.realpath(background))
    for _, target in jobs.pairs:
        if os.path.realpath(target) in sources:
            raise InputError(f"{target} is a picture to be read: choose another output")
    return jobs


def _folder_jobs(photos: Path, folder: Path) -> _Jobs:
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{photos} is a folder, so the output must be one too; {folder} is a file")
    if os.path.realpath(folder) == os.path.realpath(photos):
        raise InputError(f"the output can't go into {photos} itself: its masks would be taken for photos")
    pictures, others = list_pictures(photos)
    if not pictures:
        endings = " ".join(sorted(SUFFIXES))
        raise InputError(f"there is no picture in {photos} (names that end in {endings})")
    # a.jpg and a.png would both become a.png; with their whole names they don't.
    plain = len({p.stem.lower() for p in pictures}) == len(pictures)
    return _Jobs([(p, folder / f"{p.stem if plain else p.name}.png") for p in pictures], others)


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


def _run(args: argparse.Namespace) -> int:
    check_blur_sigma(args.blur_sigma)
    options = engine_options(args)
    lift_pillows_limit()
    limits = PictureLimits(args.max_pixels, args.max_side, args.max_bytes)
    render, kind, read_too = _RENDERS[args.kind], args.kind, None
    if args.background is not None:
        background, kind = parse_background(args.background, limits), "background"
        render = functools.partial(compose, background=background)
        read_too = Path(args.background) if isinstance(background, np.ndarray) else None
    try:
        pairs, others = _jobs(args.photo, args.output, kind, read_too)
    except OSError as exc:
        raise InputError(f"can't use {exc.filename or 'the current folder'}: {exc.strerror}") from exc
    if others:
        names = ", ".join(p.name for p in others[:_NAMED]) + (", ..." if len(others) > _NAMED else "")
        console.warn(f"{len(others)} other file(s) in {args.photo} are passed over: {names}")
    failures: list[str] = []
    damaged: list[str] = []
    people = done = 0
    with UpperBodySegmenter(options) as engine:
        progress = ProgressBar(len(pairs))
        try:
            for (source, target), reading in zip(pairs, _read_ahead(pairs, limits), strict=True):
                progress.show(done)
                try:
                    picture = reading.result()
                    frame = FrameInput.from_array(picture.bgr, is_still=True)
                    output = engine.process(frame, args.blur_sigma)
                    mask = picture.without_transparent(output.mask)
                    _write(target, encode_picture(render(picture, mask)))
                    people += len(output.persons)
                    if picture.damaged:
                        damaged.append(f"{source}: is damaged; what could be decoded is in {target}")
                except (InputError, MemoryError, cv2.error) as exc:
                    failures.append(f"{source}: {_why(exc)}")
                done += 1
        finally:
            progress.close()
            _summarize(pairs, done, people, failures, damaged)
    return 1 if failures or damaged else 0


def _read_ahead(pairs: list[tuple[Path, Path]], limits: PictureLimits) -> Iterator[Future[Picture]]:
    """The pictures in turn; while one is worked on, the next is read."""
    with ThreadPoolExecutor(1) as reader:
        ahead: deque[Future[Picture]] = deque()
        for source, _ in pairs:
            ahead.append(reader.submit(read_picture, source, limits))
            if len(ahead) > 1:
                yield ahead.popleft()
        yield from ahead


def _write(target: Path, content: bytes) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        write_file(target, content)
    except OSError as exc:
        raise PictureError(f"can't write {target}: {reason(exc)}") from exc


def _why(exc: Exception) -> str:
    """An error of one picture in words; others are this program's own."""
    if isinstance(exc, InputError):
        return str(exc)
    if isinstance(exc, MemoryError) or getattr(exc, "code", None) == cv2.Error.StsNoMem:
        return "is too large for this machine's memory"
    raise exc


def _summarize(
    pairs: list[tuple[Path, Path]], done: int, people: int, failures: list[str], damaged: list[str]
) -> None:
    written = done - len(failures)
    where = pairs[0][1] if len(pairs) == 1 else pairs[0][1].parent
    if damaged:
        console.warn(f"{len(damaged)} of {len(pairs)} picture(s) are damaged:")
        for line in damaged:
            console.warn(f"  {line}")
    if failures:
        console.warn(f"{len(failures)} of {len(pairs)} picture(s) failed:")
        for line in failures:
            console.warn(f"  {line}")
    if written:
        print(f"{written} picture(s), {people} person(s) found: {where}", flush=True)


_RENDERS: dict[str, _Render] = {"mask": _mask, "cutout": _cutout, "overlay": _overlay}
