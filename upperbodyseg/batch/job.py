"""The batch on Ray Data: shards as rows, a pool of actors with an engine each."""

from __future__ import annotations

import logging
import os
import socket
from typing import Any

# Before Ray is loaded: no telemetry, and no warnings about its own choices.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")

import numpy as np
import ray
import ray.data
from ray.exceptions import RayTaskError

from upperbodyseg.batch.addresses import public_address
from upperbodyseg.batch.manifest import done_inputs
from upperbodyseg.batch.options import BatchOptions, BatchSummary
from upperbodyseg.batch.storage import Storage, list_sources
from upperbodyseg.batch.worker import Worker
from upperbodyseg.errors import InputError, UpperBodySegError

__all__ = ["run"]

_LOOPBACK = "127.0.0.1"
_REACH_S = 10


class _Actor:
    """A worker in a process of its own."""

    def __init__(self, options: BatchOptions) -> None:
        self._worker = Worker(options)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        found = []
        for addresses, names in zip(batch["addresses"], batch["names"], strict=True):
            rows = self._worker.work(list(zip(map(str, addresses), map(str, names), strict=True)))
            written = [row for row in rows if row["output"] is not None]
            persons = sum(row["persons"] or 0 for row in written)
            found.append((len(written), len(rows) - len(written), persons))
        counts = np.array(found, np.int64)
        return {"written": counts[:, 0], "failed": counts[:, 1], "persons": counts[:, 2]}


def run(options: BatchOptions) -> BatchSummary:
    """See :func:`upperbodyseg.batch.run_batch`."""
    sources = list_sources(options.source)
    done = done_inputs(Storage(options.target))
    left = [source for source in sources if public_address(source[0]) not in done]
    skipped = len(sources) - len(left)
    if not left:
        return BatchSummary(0, 0, skipped, 0)
    started = _connect(options.address)
    try:
        written, failed, persons = _work(options, left)
    finally:
        if started:
            ray.shutdown()
    return BatchSummary(written, failed, skipped, persons)


def _connect(address: str | None) -> bool:
    """Join a cluster or start one; whether it is for us to leave."""
    if ray.is_initialized():
        return False
    if address is not None:
        _check_reachable(address)
    settings: dict[str, Any] = {"address": address or "local", "log_to_driver": False}
    settings["logging_level"] = "error"
    if address is None:
        settings["include_dashboard"] = False
    host = (address or _LOOPBACK).partition(":")[0]
    if host.startswith("127."):
        settings["_node_ip_address"] = host  # Ray would look for this machine's other address
    try:
        ray.init(**settings)
    except (ConnectionError, ValueError, RuntimeError) as exc:
        raise InputError(f"can't join the Ray cluster at {address}: {exc}") from exc
    return True


def _check_reachable(address: str) -> None:
    """Ray tries for minutes, and then ends the process."""
    host, colon, port = address.rpartition(":")
    if "//" in address or not colon or not port.isdigit():
        return  # one that Ray finds by itself
    try:
        socket.create_connection((host, int(port)), timeout=_REACH_S).close()
    except (OSError, OverflowError) as exc:
        raise InputError(f"can't join the Ray cluster at {address}: {exc}") from exc


def _work(options: BatchOptions, left: list[tuple[str, str]]) -> tuple[int, int, int]:
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    shards = [left[n : n + options.shard] for n in range(0, len(left), options.shard)]
    rows = [{"addresses": [a for a, _ in shard], "names": [n for _, n in shard]} for shard in shards]
    threads = options.segmenter.num_threads
    cpus = max(int(ray.cluster_resources().get("CPU", 1)) // threads, 1)
    size = min(options.workers or cpus, len(shards))
    results = ray.data.from_items(rows, override_num_blocks=len(rows)).map_batches(
        _Actor,
        fn_constructor_args=(options,),
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(size=size),
        num_cpus=threads,
    )  # an actor that was killed comes back, and its shard is done again: Ray Data's own choice
    totals = np.zeros(3, np.int64)
    try:
        for row in results.iter_rows():
            totals += (row["written"], row["failed"], row["persons"])
    except RayTaskError as exc:
        cause = exc.cause
        if isinstance(cause, (UpperBodySegError, OSError)):
            raise cause from exc
        raise
    written, failed, persons = map(int, totals)
    return written, failed, persons
