"""Which pictures ``segment`` reads, and where each result goes."""

from __future__ import annotations

import errno
import glob
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from upperbodyseg.errors import InputError
from upperbodyseg.pictures import SUFFIXES, list_pictures

__all__ = ["STREAM", "Job", "Jobs", "plan"]

STREAM = Path("-")
"""Standard input as a source, standard output as a target."""


class Job(NamedTuple):
    """A picture and the file its result goes into; :data:`STREAM` for standard input and output."""

    source: Path
    target: Path


class Jobs(NamedTuple):
    """What there is to do, and the files of the folders that are no pictures."""

    jobs: list[Job]
    others: list[Path]


def plan(
    inputs: Sequence[str],
    output: Path | None,
    kind: str,
    suffix: str = ".png",
    *,
    recursive: bool = False,
    background: Path | None = None,
) -> Jobs:
    """No two results go into one file, and none into a picture that is read.

    Args:
        inputs: files, folders, patterns such as ``*.jpg`` where the shell has left them, or ``-``.
        output: of one picture its file or a folder, of several a folder; None for the current folder.
        kind: ends the names of results in the current folder.
        suffix: of results whose name is made here.
        recursive: take the pictures in folders' subfolders too; their paths are kept in the output.
        background: another picture that is read.

    Raises:
        InputError: an input is not there, or an output can't be used.
    """
    given = [(text, path) for text in inputs for path in _expand(text)]
    paths = [path for _, path in given]
    if paths == [STREAM]:
        return Jobs([Job(STREAM, output or STREAM)], [])
    if STREAM in paths:
        raise InputError("'-', standard input, is one picture: it can't be given with others")
    for text, path in given:
        _check_there(text, path)
    others: list[Path] = []
    if len(paths) == 1 and not paths[0].is_dir():
        jobs = [Job(paths[0], _single_target(paths[0], output, kind, suffix))]
    else:
        jobs, others = _many(paths, output, kind, suffix, recursive)
    # Not Path.resolve, which takes a link to itself for an error of the program.
    sources = {os.path.realpath(job.source) for job in jobs}
    if background is not None:
        sources.add(os.path.realpath(background))
    for job in jobs:
        if job.target != STREAM and os.path.realpath(job.target) in sources:
            raise InputError(f"{job.target} is a picture to be read: choose another output")
    return Jobs(jobs, others)


def _check_there(text: str, path: Path) -> None:
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError) as exc:
        if path.is_symlink():
            raise InputError(f"{path} is a link that leads nowhere") from exc
        if "://" in text:
            raise InputError(
                f"{text} is a URL, and no network is used: download it, and give the file"
            ) from exc
        raise InputError(f"there is no {path}") from exc
    except OSError as exc:
        if exc.errno != errno.ELOOP:
            raise
        raise InputError(f"{path} is a link that leads nowhere") from exc


def _expand(text: str) -> Iterator[Path]:
    """The files of a pattern, which Windows' shell leaves to the program."""
    path = Path(text)
    if path.exists() or not glob.has_magic(text):
        yield path
        return
    found = sorted(glob.glob(text, recursive=True))
    if not found:
        raise InputError(f"no file fits {text}")
    yield from map(Path, found)


def _single_target(photo: Path, output: Path | None, kind: str, suffix: str) -> Path:
    if output is None:
        return Path(f"{photo.stem}_{kind}{suffix}")
    return output / f"{photo.stem}{suffix}" if output.is_dir() else output


def _many(
    paths: list[Path], output: Path | None, kind: str, suffix: str, recursive: bool
) -> tuple[list[Job], list[Path]]:
    if output == STREAM:
        raise InputError("standard output takes one picture; for several, --output names a folder")
    if output is not None and output.exists() and not output.is_dir():
        raise InputError(f"for several pictures the output must be a folder; {output} is a file")
    named: list[tuple[Path, Path]] = []  # a picture, and its name below the output
    others: list[Path] = []
    for path in paths:
        if not path.is_dir():
            named.append((path, Path(path.name)))
            continue
        if output is not None and os.path.realpath(output) == os.path.realpath(path):
            raise InputError(f"the output can't go into {path} itself: its masks would be taken for photos")
        for folder in _folders(path, recursive, output):
            pictures, rest = list_pictures(folder)
            named += [(picture, picture.relative_to(path)) for picture in pictures]
            others += rest
    if not named:
        endings = " ".join(sorted(SUFFIXES))
        raise InputError(f"there is no picture in {paths[0]} (names that end in {endings})")
    if output is None and len(paths) == 1:
        output = Path(f"{Path(os.path.realpath(paths[0])).name}_{kind}")
    # a.jpg and a.png would both become a.png; with their whole names they don't.
    stems = {str(name.with_suffix("")).lower() for _, name in named}
    plain = len(stems) == len(named)
    end = suffix if output is not None else f"_{kind}{suffix}"
    names = [(source, name.with_name((name.stem if plain else name.name) + end)) for source, name in named]
    firsts: dict[str, Path] = {}
    for source, name in names:
        first = firsts.setdefault(str(name).lower(), source)
        if first is not source:
            raise InputError(
                f"{first} and {source} have the same name, as their results would: segment them one by one"
            )
    return [Job(source, (output or Path()) / name) for source, name in names], others


def _folders(top: Path, recursive: bool, output: Path | None) -> Iterator[Path]:
    """The folder, and those in it; links to folders are not followed, nor is the output read."""
    yield top
    if recursive:
        for path in sorted(p for p in top.iterdir() if p.is_dir() and not p.is_symlink()):
            if output is None or os.path.realpath(path) != os.path.realpath(output):
                yield from _folders(path, True, output)
