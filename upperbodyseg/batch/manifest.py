"""What became of each picture: files of rows beside the results.

A shard's rows are one file, whose name follows from the shard's pictures. A shard that is done again, because
its worker was killed after the file was there, writes the same file again. So no picture has two rows.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Sequence
from typing import TypedDict

import pyarrow as pa
import pyarrow.parquet as pq

from upperbodyseg.batch.storage import Storage
from upperbodyseg.errors import InputError

__all__ = ["FOLDER", "Row", "done_inputs", "write_rows"]

FOLDER = "manifest"
"""Below the target."""

_SCHEMA = pa.schema(
    [
        ("input", pa.string()),
        ("output", pa.string()),
        ("persons", pa.int32()),
        ("milliseconds", pa.float64()),
        ("error", pa.string()),
    ]
)


class Row(TypedDict):
    """One picture: ``output``, ``persons`` and ``milliseconds``, or ``error``."""

    input: str
    output: str | None
    persons: int | None
    milliseconds: float | None
    error: str | None


def write_rows(storage: Storage, rows: Sequence[Row], manifest: str) -> None:
    """Write the file of a shard, whole or not at all.

    Raises:
        OSError: it can't be written.
    """
    digest = hashlib.sha256("\n".join(row["input"] for row in rows).encode()).hexdigest()[:32]
    if manifest == "parquet":
        buffer = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(list(rows), schema=_SCHEMA), buffer)
        content = buffer.getvalue()
    else:
        content = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    storage.write(f"{storage.path}/{FOLDER}/{digest}.{manifest}", content)


def done_inputs(storage: Storage) -> set[str]:
    """The pictures that have a row.

    Raises:
        InputError: a file of the manifest is none.
    """
    return {name for path in storage.walk(f"{storage.path}/{FOLDER}") for name in _inputs(storage, path)}


def _inputs(storage: Storage, path: str) -> Iterator[str]:
    if not path.endswith((".jsonl", ".parquet")):
        return
    content = storage.read(path, 2**40)
    try:
        if path.endswith(".parquet"):
            yield from pq.read_table(io.BytesIO(content), columns=["input"])["input"].to_pylist()
        else:
            yield from (json.loads(line)["input"] for line in content.decode().splitlines())
    except (ValueError, KeyError, TypeError, pa.ArrowException) as exc:
        raise InputError(
            f"{path} is no file of a manifest: {exc}; remove it to do its pictures again"
        ) from exc
