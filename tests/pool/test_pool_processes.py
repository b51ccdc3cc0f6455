"""Pools where Python ends, and in forked children."""

from __future__ import annotations

import gc
import itertools
import multiprocessing
import multiprocessing.connection
import subprocess
import sys
import threading

import numpy as np
import pytest
from gate import FAST, PATIENCE, bgr_frame, ends
from numpy.typing import NDArray

from upperbodyseg import EngineStateError
from upperbodyseg.pool import OrderedResults, SegmenterPool

U8 = NDArray[np.uint8]


@pytest.mark.parametrize(
    "ending", ["", "del pool", "pool.submit(frame)", "results = pool.map([frame] * 9); next(results)"]
)
def test_python_ends_without_close(ending: str) -> None:
    code = (
        "import numpy as np\n"
        "from upperbodyseg import FrameInput\n"
        "from upperbodyseg.pool import SegmenterPool\n"
        "pool = SegmenterPool(size=2)\n"
        "pool.initialize()\n"
        "picture = np.zeros((64, 64, 3), np.uint8)\n"
        "frame = FrameInput.from_array(picture)\n"
        "pool.submit(frame).result()\n" + ending
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    assert "Error" not in done.stderr


def test_a_forgotten_pool_ends_its_threads() -> None:
    pool = SegmenterPool(FAST, size=2)
    pool.initialize()
    frame = bgr_frame(np.zeros((64, 64, 3), np.uint8))
    list(pool.map([frame] * 4))
    workers = pool._workers
    assert workers is not None
    assert workers._at_work == 2
    del pool
    gc.collect()
    assert ends(workers.wait)
    assert workers._at_work == 0


def _work_in_child(
    connection: multiprocessing.connection.Connection,
    pool: SegmenterPool,
    results: OrderedResults,
    picture: U8,
) -> None:
    frame = bgr_frame(picture)
    masks = [
        pool.process(frame).mask,
        pool.submit(frame).result().mask,
        *(o.mask for o in pool.map([frame] * 5)),
    ]
    try:
        next(results)
    except EngineStateError as exc:
        refusal = str(exc)
    del results
    gc.collect()
    pool.close()
    connection.send((masks, refusal))


@pytest.mark.skipif(sys.platform != "linux", reason="fork is only the way on Linux")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_pool_goes_on_in_a_forked_child(webcam: U8) -> None:
    context = multiprocessing.get_context("fork")
    stop = threading.Event()
    with SegmenterPool(FAST, size=2) as pool:
        expected = pool.process(bgr_frame(webcam)).mask
        results = pool.map(itertools.repeat(bgr_frame(webcam)))
        next(results)

        def work() -> None:
            while not stop.is_set():
                pool.process(bgr_frame(webcam))

        # Engines and locks are held by these threads at nearly any moment, the fork's included.
        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads:
            thread.start()
        try:
            here, there = context.Pipe()
            child = context.Process(target=_work_in_child, args=(there, pool, results, webcam))
            child.start()
            assert here.poll(PATIENCE)
            masks, refusal = here.recv()
            child.join(PATIENCE)
            assert child.exitcode == 0
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        assert len(masks) == 7
        for mask in masks:
            np.testing.assert_array_equal(mask, expected)
        assert "parent" in refusal
        np.testing.assert_array_equal(next(results).mask, expected)
