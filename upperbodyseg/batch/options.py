"""Settings of a batch, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from upperbodyseg import checks
from upperbodyseg.engine import DEFAULT_BLUR_SIGMA
from upperbodyseg.errors import InputError
from upperbodyseg.options import SegmenterOptions
from upperbodyseg.pictures import PictureLimits

__all__ = ["KINDS", "MANIFESTS", "BatchOptions", "BatchSummary"]

KINDS = ("mask", "cutout")
"""What is written of a picture."""

MANIFESTS = ("jsonl", "parquet")
"""Formats of the manifest."""


@dataclass(frozen=True)
class BatchOptions:
    """Settings of a batch.

    Attributes:
        source: a folder, a glob, a bucket's address (``s3://bucket/folder``), or ``@FILE`` for a list of
            paths and addresses, one a line.
        target: the folder or address for the results and the manifest.
        kind: one of :data:`KINDS`.
        segmenter: settings of the engines.
        limits: of each picture.
        blur_sigma: of the masks, in pixels.
        workers: engines; None for as many as the cluster has CPUs for.
        shard: pictures whose rows are written together. A worker that is killed loses so many at most.
        manifest: one of :data:`MANIFESTS`.
        address: of a Ray cluster; None starts one on this machine.

    Raises:
        InputError: a value that can't be used.
    """

    source: str
    target: str
    kind: str = KINDS[0]
    segmenter: SegmenterOptions = field(default_factory=SegmenterOptions)
    limits: PictureLimits = field(default_factory=PictureLimits)
    blur_sigma: float = DEFAULT_BLUR_SIGMA
    workers: int | None = None
    shard: int = 32
    manifest: str = MANIFESTS[0]
    address: str | None = None

    def __post_init__(self) -> None:
        for name, value, choices in (("kind", self.kind, KINDS), ("manifest", self.manifest, MANIFESTS)):
            if value not in choices:
                raise InputError(f"{name} must be one of {', '.join(choices)}, got {value!r}")
        checks.whole_number("shard", self.shard, 1, 100_000)
        if self.workers is not None:
            checks.whole_number("workers", self.workers, 1, 1_000_000, ", or None")


@dataclass(frozen=True)
class BatchSummary:
    """What came of a batch.

    Attributes:
        written: pictures whose result is in the target now.
        failed: pictures that are in the manifest with their error.
        skipped: pictures that the manifest had already.
        persons: people in those that were written.
    """

    written: int
    failed: int
    skipped: int
    persons: int
