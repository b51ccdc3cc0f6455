"""Batches on a local cluster of two nodes, with a worker killed in the middle and a bucket served locally."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from buckets import s3
from numpy.typing import NDArray

pytest.importorskip("ray", reason="ray, of the extra [ray], is not installed")
if sys.platform != "linux":
    pytest.skip("a cluster of several nodes on one machine needs Linux", allow_module_level=True)

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

# Ray and moto warn of their own matters.
pytestmark = pytest.mark.filterwarnings("ignore")

U8 = NDArray[np.uint8]
WAIT_S = 300  # far beyond anything that works


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """A cluster's address; of two nodes with a CPU each."""
    from ray.cluster_utils import Cluster

    # Not 127.0.0.1, for which Ray takes the machine's other address.
    node = {"num_cpus": 1, "node_ip_address": "127.0.0.2", "object_store_memory": 100 * 2**20}
    made = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
    try:
        made.add_node(**node)
        made.wait_for_nodes()
        yield made.address
    finally:
        made.shutdown()


def batch(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "upperbodyseg", "batch", *arguments, "--model", "fast"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str], code: int) -> str:
    out, err = process.communicate(timeout=WAIT_S)
    assert process.returncode == code, err
    return out


def rows(target: Path) -> list[dict[str, object]]:
    files = (target / "manifest").glob("*.jsonl")
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def workers() -> list[int]:
    """Processes of the cluster that have an engine."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if b"ray::" in (line := file.read_bytes()) and b"MapWorker" in line:
                found.append(int(file.parent.name))
    return found


def test_a_killed_worker_loses_nothing_and_nothing_is_done_twice(
    cluster: str, tmp_path: Path, portrait: U8
) -> None:
    source, target = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    for number in range(60):
        assert cv2.imwrite(str(source / f"{number:02}.jpg"), portrait)
    (source / "07.jpg").write_bytes(b"\xff\xd8\xff broken")
    before = set(workers())
    process = batch(str(source), str(target), "--address", cluster, "--shard", "3")
    deadline = time.monotonic() + WAIT_S
    while not list(target.glob("manifest/*.jsonl")):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.02)
    killed = [number for number in workers() if number not in before][:1]
    for number in killed:
        os.kill(number, signal.SIGKILL)
    assert killed
    assert "59 picture(s), 59 person(s) found, 1 failed" in finish(process, 1)
    inputs = Counter(str(row["input"]) for row in rows(target))
    assert inputs == Counter(str(source / f"{number:02}.jpg") for number in range(60))
    errors = [row for row in rows(target) if row["error"]]
    assert [Path(str(row["input"])).name for row in errors] == ["07.jpg"]
    assert len(list(target.glob("*.png"))) == 59
    times = {file: file.stat().st_mtime_ns for file in target.rglob("*") if file.is_file()}
    # What the manifest has is not done again; what is new is.
    assert cv2.imwrite(str(source / "new.jpg"), portrait)
    out = finish(batch(str(source), str(target), "--address", cluster), 0)
    assert "1 picture(s), 1 person(s) found, 0 failed, 60 done before" in out
    assert all(file.stat().st_mtime_ns == at for file, at in times.items())


def test_a_bucket_in_and_a_bucket_out(cluster: str, portrait: U8) -> None:
    encoded = cv2.imencode(".png", portrait)[1].tobytes()
    with s3() as bucket:
        for number in range(5):
            with bucket.files.open_output_stream(f"photos/summer/{number}.png") as file:
                file.write(encoded)
        # The cluster's workers have no keys of their own: the addresses bring them.
        places = bucket.address("photos/summer"), bucket.address("masks/summer")
        arguments = (*places, "--address", cluster, "--shard", "2", "--manifest", "parquet")
        out = finish(batch(*arguments), 0)
        assert "5 picture(s), 5 person(s) found, 0 failed" in out
        assert "secret" not in out
        assert "5 done before" in finish(batch(*arguments), 0)
        from pyarrow import dataset, fs

        found = bucket.files.get_file_info(fs.FileSelector("masks/summer", recursive=True))
        names = sorted(info.base_name for info in found if info.extension == "png")
        assert names == [f"{number}.png.png" for number in range(5)]
        table = dataset.dataset("masks/summer/manifest", filesystem=bucket.files, format="parquet").to_table()
        assert sorted(table["input"].to_pylist()) == [
            f"s3://photos/summer/{number}.png" for number in range(5)
        ]


def test_without_an_address_a_cluster_is_started_and_stopped(tmp_path: Path, portrait: U8) -> None:
    assert cv2.imwrite(str(tmp_path / "a.png"), portrait)
    out = finish(batch(str(tmp_path), str(tmp_path / "out"), "--workers", "1"), 0)
    assert out.startswith("1 picture(s), 1 person(s) found, 0 failed, 0 done before")


def test_a_cluster_that_is_not_there_is_exit_code_2(tmp_path: Path, portrait: U8) -> None:
    assert cv2.imwrite(str(tmp_path / "a.png"), portrait)
    process = batch(str(tmp_path), str(tmp_path / "out"), "--address", "127.0.0.2:1")
    _, err = process.communicate(timeout=WAIT_S)
    assert process.returncode == 2, err
    assert "127.0.0.2:1" in err
