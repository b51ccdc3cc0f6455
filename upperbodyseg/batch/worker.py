"""One engine on one machine of the cluster, which takes a shard of pictures at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import PurePosixPath
from time import perf_counter, sleep

import cv2

from upperbodyseg.batch.addresses import public_address
from upperbodyseg.batch.manifest import Row, write_rows
from upperbodyseg.batch.options import BatchOptions
from upperbodyseg.batch.storage import Storage
from upperbodyseg.effects import cut_out
from upperbodyseg.engine import UpperBodySegmenter
from upperbodyseg.errors import InputError
from upperbodyseg.pictures import Picture, PictureError, PictureTooLargeError, decode_picture, encode_picture
from upperbodyseg.types import FrameInput

__all__ = ["Worker"]

_AHEAD = 4  # pictures that are read while one is worked on
_TRIES = 3  # of a read, for a bucket may be out of reach for a moment
_WAIT_S = 0.5


class Worker:
    """Does shards of pictures.

    Args:
        options: the batch's.

    Raises:
        ModelError: the weights or the runtime are missing or damaged.
    """

    def __init__(self, options: BatchOptions) -> None:
        cv2.setNumThreads(1)  # every CPU has a worker
        self._options = options
        self._target = Storage(options.target)
        self._sources: dict[str, Storage] = {}
        self._engine = UpperBodySegmenter(options.segmenter)
        self._engine.initialize()
        self._reader = ThreadPoolExecutor(_AHEAD)

    def work(self, shard: Sequence[tuple[str, str]]) -> list[Row]:
        """Do a shard: results first, then its file of the manifest.

        Args:
            shard: pictures as :func:`upperbodyseg.batch.storage.list_sources` has them.

        Returns:
            A row each.

        Raises:
            OSError: results can't be written: the target is full or gone.
            ModelError: the runtime failed.
        """
        readings = self._read_ahead(shard)
        rows = [
            self._row(public_address(address), name, reading)
            for (address, name), reading in zip(shard, readings, strict=True)
        ]
        write_rows(self._target, rows, self._options.manifest)
        return rows

    def _row(self, address: str, name: str, reading: Future[Picture]) -> Row:
        start = perf_counter()
        try:
            picture = reading.result()
            output = self._engine.process(
                FrameInput.from_array(picture.bgr, is_still=True), self._options.blur_sigma
            )
            mask = picture.without_transparent(output.mask)
            content = encode_picture(mask if self._options.kind == "mask" else cut_out(picture.bgr, mask))
        except (InputError, MemoryError) as exc:
            why = "is too large for the machine's memory" if isinstance(exc, MemoryError) else str(exc)
            return Row(input=address, output=None, persons=None, milliseconds=None, error=why)
        place = f"{name}.png"
        self._target.write(f"{self._target.path}/{place}", content)
        milliseconds = round((perf_counter() - start) * 1000, 2)
        error = "is damaged; what could be decoded was used" if picture.damaged else None
        return Row(
            input=address, output=place, persons=len(output.persons), milliseconds=milliseconds, error=error
        )

    def _read_ahead(self, shard: Sequence[tuple[str, str]]) -> Iterator[Future[Picture]]:
        ahead: deque[Future[Picture]] = deque()
        for address, _ in shard:
            ahead.append(self._reader.submit(self._read, address))
            if len(ahead) > _AHEAD:
                yield ahead.popleft()
        yield from ahead

    def _read(self, address: str) -> Picture:
        limits = self._options.limits
        base, name = _parted(address)
        if base not in self._sources:
            self._sources[base] = Storage(base)
        storage = self._sources[base]
        for left in reversed(range(_TRIES)):
            try:
                content = storage.read(str(PurePosixPath(storage.path) / name), limits.max_bytes)
                break
            except FileNotFoundError as exc:
                raise PictureError("is not there") from exc
            except OSError as exc:
                if not left:
                    raise PictureError(f"can't be read: {exc}") from exc
                sleep(_WAIT_S)
        if len(content) > limits.max_bytes:
            raise PictureTooLargeError(f"is larger than {limits.max_bytes} bytes, the most that is read")
        return decode_picture(content, limits)


def _parted(address: str) -> tuple[str, str]:
    """The place of a file, with the options of an address, and its name there."""
    plain, question, options = address.partition("?") if "://" in address else (address, "", "")
    base, slash, name = plain.rpartition("/")
    if not slash:
        return ".", name
    return (base or "/") + question + options, name
