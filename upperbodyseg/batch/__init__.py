"""Folders and buckets of pictures on a cluster; what runs them, Ray Data, is the extra ``[ray]``."""

from __future__ import annotations

from upperbodyseg.batch.options import BatchOptions, BatchSummary
from upperbodyseg.extras import needs_extra

__all__ = ["BatchOptions", "BatchSummary", "run_batch"]


def run_batch(options: BatchOptions) -> BatchSummary:
    """Segment every picture that the manifest doesn't have yet.

    Raises:
        MissingDependencyError: the packages of the extra ``[ray]`` are not installed.
        InputError: the input or output can't be used.
        ModelError: the weights or the runtime are missing or damaged.
    """
    with needs_extra("batch", "ray"):
        from upperbodyseg.batch.job import run  # noqa: PLC0415
    return run(options)
