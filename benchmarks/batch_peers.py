"""What ``benchmarks.batch`` measures beside Ray: ``python -m benchmarks.batch_peers NAME ...``.

``pool`` and ``dask`` do a folder of pictures as ``upperbodyseg batch`` does it. ``cluster`` is a Ray cluster
that runs already: it prints its address, and ends when its input does.
"""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2

from upperbodyseg import FrameInput, SegmenterOptions
from upperbodyseg.batch.options import BatchOptions
from upperbodyseg.files import write_file
from upperbodyseg.pictures import PictureLimits, decode_picture, encode_picture, read_file
from upperbodyseg.pool import SegmenterPool


def run_pool(source: Path, target: Path, model: str, cpus: int, _shard: int) -> None:
    """A :class:`SegmenterPool`, and twice as many threads that read, decode, encode and write."""
    cv2.setNumThreads(1)
    limits = PictureLimits()
    with SegmenterPool(SegmenterOptions(model=model), cpus) as pool, ThreadPoolExecutor(2 * cpus) as threads:

        def do(file: Path) -> None:
            picture = decode_picture(read_file(file, limits.max_bytes), limits)
            output = pool.process(FrameInput.from_array(picture.bgr, is_still=True))
            content = encode_picture(picture.without_transparent(output.mask))
            write_file(target / f"{file.name}.png", content)

        for _ in threads.map(do, sorted(source.iterdir())):
            pass


def run_dask(source: Path, target: Path, model: str, cpus: int, shard: int) -> None:
    """Dask's distributed scheduler with a process for each CPU, each with the worker of a batch."""
    try:
        from distributed import Client, LocalCluster, as_completed  # noqa: PLC0415  (an optional import)
    except ImportError:
        raise SystemExit("Dask is not installed: pip install 'dask[distributed]'") from None
    options = BatchOptions(str(source), str(target), segmenter=SegmenterOptions(model=model))
    pictures = [(str(file), file.name) for file in sorted(source.iterdir())]
    shards = [pictures[n : n + shard] for n in range(0, len(pictures), shard)]
    with (
        LocalCluster(
            n_workers=cpus, threads_per_worker=1, dashboard_address=None, host="127.0.0.1"
        ) as cluster,
        Client(cluster) as client,
    ):
        futures = client.map(_do_shard, shards, options=options, pure=False)
        for future in as_completed(futures):
            future.result()


def _do_shard(shard: list[tuple[str, str]], options: BatchOptions) -> int:
    """Runs in a process of Dask, which keeps its engine from shard to shard."""
    from distributed import get_worker  # noqa: PLC0415

    from upperbodyseg.batch.worker import Worker  # noqa: PLC0415

    process: Any = get_worker()
    if not hasattr(process, "segmenter"):
        process.segmenter = Worker(options)
    return len(process.segmenter.work(shard))


def run_cluster(cpus: int) -> None:
    """A Ray cluster of one node."""
    from ray.cluster_utils import Cluster  # noqa: PLC0415

    # Not 127.0.0.1, for which Ray takes the machine's other address.
    node = {"num_cpus": cpus, "node_ip_address": "127.0.0.2", "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=node)
    try:
        print(cluster.address, flush=True)
        sys.stdin.read()
    finally:
        cluster.shutdown()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("name", choices=["pool", "dask", "cluster"])
    parser.add_argument("source", type=Path, nargs="?", default=Path())
    parser.add_argument("target", type=Path, nargs="?", default=Path())
    parser.add_argument("--model", default="accurate")
    parser.add_argument("--cpus", type=int, required=True)
    parser.add_argument("--shard", type=int, default=BatchOptions.shard)
    args = parser.parse_args()
    if args.name == "cluster":
        run_cluster(args.cpus)
    else:
        run = {"pool": run_pool, "dask": run_dask}[args.name]
        run(args.source, args.target, args.model, args.cpus, args.shard)


if __name__ == "__main__":
    main()
