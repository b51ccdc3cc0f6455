"""Folders and buckets of pictures on a cluster; what runs them, Ray Data, is the extra ``[ray]``."""

from __future__ import annotations

from upperbodyseg.batch.options import BatchOptions, BatchSummary
from upperbodyseg.errors import MissingDependencyError

__all__ = ["BatchOptions", "BatchSummary", "run_batch"]


def run_batch(options: BatchOptions) -> BatchSummary:
    """Segment every picture that the manifest doesn't have yet.

    Raises:
        MissingDependencyError: the packages of the extra ``[ray]`` are not installed.
        InputError: the input or output can't be used.
        ModelError: the weights or the runtime are missing or damaged.
    """
    try:
        from upperbodyseg.batch.job import run  # noqa: PLC0415
    except ImportError as exc:
        if (exc.name or "").split(".")[0] == "upperbodyseg":
            raise
        raise MissingDependencyError(
            f"batch needs the package {exc.name}: pip install 'upperbodyseg[ray]'"
        ) from exc
    return run(options)
