"""Where pictures come from and results go: folders, buckets, and whatever fsspec reaches."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from pyarrow import fs

from upperbodyseg.batch.addresses import ADDRESS, public_address
from upperbodyseg.errors import InputError
from upperbodyseg.files import write_file
from upperbodyseg.pictures import SUFFIXES

__all__ = ["Storage", "list_sources"]

_OPTIONS = {
    "s3": "allow_delayed_open=true",  # a result takes one request, not three: they cost more than the CPUs
    "gs": "retry_limit_seconds=30",  # Arrow would try for 15 minutes
}
_CHUNK = 2**22  # bytes; Arrow takes the memory of a read before it knows how much there is
_GLOB = re.compile(r"[*?\[]")


class Storage:
    """A place to read from or write to.

    Args:
        address: a path or an address such as ``s3://bucket/folder``. Arrow opens it, or else fsspec. Arrow's
            options may follow ``?``, as ``endpoint_override``.

    Attributes:
        path: the place in its file system.

    Raises:
        InputError: there is no file system for it.
    """

    def __init__(self, address: str) -> None:
        self._address = public_address(address)
        try:
            if not ADDRESS.match(address):
                self._files: fs.FileSystem = fs.LocalFileSystem()
                self.path = Path(address).absolute().as_posix()
            else:
                self._files, self.path = _open_address(address)
        except (OSError, ValueError, ImportError) as exc:
            raise InputError(f"can't use {self._address}: {exc}") from exc
        self.is_local = isinstance(self._files, fs.LocalFileSystem)

    def read(self, path: str, most: int) -> bytes:
        """The content of a file, or its first ``most + 1`` bytes.

        Raises:
            OSError: it can't be read.
        """
        content = bytearray()
        with self._files.open_input_stream(path) as file:
            while len(content) <= most and (chunk := file.read(min(_CHUNK, most + 1 - len(content)))):
                content += chunk
        return bytes(content)

    def write(self, path: str, content: bytes) -> None:
        """Write a file whole or not at all.

        A bucket shows an object once all of it is there. A folder's file is first written beside its place.

        Raises:
            OSError: it can't be written.
        """
        if self.is_local:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            write_file(Path(path), content)
            return
        with self._files.open_output_stream(path) as file:
            file.write(content)

    def walk(self, folder: str) -> Iterator[str]:
        """The files below a folder, at any depth; none if it isn't there.

        Raises:
            InputError: the place can't be reached.
        """
        selector = fs.FileSelector(folder, recursive=True, allow_not_found=True)
        yield from sorted(info.path for info in self._info(selector) if info.is_file)

    def kind(self, path: str) -> str:
        """``"file"``, ``"folder"`` or ``"nothing"``.

        Raises:
            InputError: the place can't be reached.
        """
        (found,) = self._info([path])
        return {fs.FileType.File: "file", fs.FileType.Directory: "folder"}.get(found.type, "nothing")

    def _info(self, what: fs.FileSelector | list[str]) -> list[fs.FileInfo]:
        try:
            return self._files.get_file_info(what)
        except OSError as exc:
            raise InputError(f"can't look into {self._address}: {exc}") from exc


def _open_address(address: str) -> tuple[fs.FileSystem, str]:
    scheme, options = address.lower().partition("://")[0], address.partition("?")[2]
    name, _, value = _OPTIONS.get(scheme, "").partition("=")
    if name and f"{name}=" not in options:
        address += f"{'&' if '?' in address else '?'}{name}={value}"
    try:
        files, path = fs.FileSystem.from_uri(address)
    except ValueError:  # pyarrow.ArrowInvalid: no such scheme
        import fsspec  # noqa: PLC0415  (few addresses need it)

        other, path = fsspec.core.url_to_fs(address)
        files = fs.PyFileSystem(fs.FSSpecHandler(other))
    if not path.strip("/"):
        raise ValueError("it names no bucket or folder")
    return files, path.rstrip("/")


def list_sources(source: str) -> list[tuple[str, str]]:
    """The pictures of a batch, as (address, name of the result without its suffix), sorted.

    Args:
        source: see :class:`~upperbodyseg.batch.options.BatchOptions`.

    Raises:
        InputError: there are none, or two have the same name.
    """
    found = list(_listed(Path(source[1:])) if source.startswith("@") else _expanded(source))
    if not found:
        endings = " ".join(sorted(SUFFIXES))
        raise InputError(f"there is no picture in {public_address(source)} (names that end in {endings})")
    seen: dict[str, str] = {}
    for address, name in found:
        if name in seen:
            both = f"{public_address(seen[name])} and {public_address(address)}"
            raise InputError(f"{both} would both become {name}.png")
        seen[name] = address
    return sorted(found)


def _listed(file: Path) -> Iterator[tuple[str, str]]:
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeError) as exc:
        raise InputError(f"can't read the list {file}: {exc}") from exc
    for line in dict.fromkeys(line.strip() for line in lines):
        if line:
            yield line, _inside(PurePosixPath(ADDRESS.sub("", line.partition("?")[0])))


def _expanded(source: str) -> Iterator[tuple[str, str]]:
    plain, question, options = source.partition("?") if ADDRESS.match(source) else (source, "", "")
    parts = plain.split("/")
    at = next((n for n, part in enumerate(parts) if _GLOB.search(part)), None)
    base = plain if at is None else "/".join(parts[:at]) or ("/" if plain.startswith("/") else ".")
    storage = Storage(base + question + options)
    kind = storage.kind(storage.path)
    if kind == "file":
        yield source, PurePosixPath(storage.path).name
        return
    if kind == "nothing":
        raise InputError(f"there is no {public_address(source)}")
    pattern = None if at is None else "/".join(parts[at:])
    for path in storage.walk(storage.path):
        name = path[len(storage.path) :].lstrip("/")
        chosen = PurePosixPath(path).suffix.lower() in SUFFIXES if pattern is None else _fits(name, pattern)
        if chosen and not PurePosixPath(path).name.startswith("._"):
            yield f"{base.rstrip('/')}/{name}{question}{options}", name


def _fits(name: str, pattern: str) -> bool:
    """Whether a path fits a glob; ``**`` stands for any folders."""
    if "**" in pattern:
        return fnmatch.fnmatchcase(name, pattern) or fnmatch.fnmatchcase(name, pattern.replace("**/", ""))
    return name.count("/") == pattern.count("/") and fnmatch.fnmatchcase(name, pattern)


def _inside(path: PurePosixPath) -> str:
    """A path below the target, whatever a list says."""
    return "/".join(part for part in path.parts if part not in ("/", "..", "."))
