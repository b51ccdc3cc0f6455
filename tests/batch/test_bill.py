"""What the benchmark of batches works out on paper."""

from __future__ import annotations

import math

import pytest

from benchmarks.batch import Turn, crossover
from benchmarks.bill import Assumptions, Measured, costs, limits

POOL = Turn(rate=10, overhead=2, memory=0)


def test_a_cluster_ends_first_from_the_number_that_makes_both_take_as_long() -> None:
    cluster = Turn(rate=8, overhead=20, memory=0)
    number = crossover(POOL, cluster, 2)
    assert POOL.overhead + number / 10 == pytest.approx(cluster.overhead + number / 16)
    assert crossover(POOL, cluster, 4) < number
    assert math.isinf(crossover(POOL, cluster, 1))
    assert math.isinf(crossover(POOL, Turn(rate=10.2, overhead=0, memory=0), 1))  # as fast, but for noise
    assert crossover(POOL, Turn(rate=20, overhead=1, memory=0), 1) == 0


MEASURED = Measured(rate=20, cpus=2, shard=100, bytes_in=1e6, bytes_out=1e5, gets=2, puts=1.01, listed=400)
ASSUMED = Assumptions(
    machines=10, vcpus=8, vcpu_hour=0.05, put=0.005, get=0.0004, gbit=1, puts_second=3500, gets_second=5500
)


def test_the_smallest_rate_is_the_bottleneck() -> None:
    allowed = limits(MEASURED, ASSUMED)
    assert allowed["CPU"] == 10 * 8 * 20 / 2
    assert allowed["network, in"] == pytest.approx(10 * 1e9 / 8 / 1e6)
    assert allowed["requests that read"] == 2750
    assert allowed["tasks of one job"] == ASSUMED.tasks_second * 100
    assert min(allowed, key=lambda name: allowed[name]) == "CPU"


def test_machines_that_wait_for_the_bottleneck_are_paid() -> None:
    paid = costs(MEASURED, ASSUMED)
    assert paid["CPU"] == pytest.approx(1e6 / 800 / 3600 * 80 * 0.05)
    assert paid["requests that write"] == pytest.approx(1e6 * 1.01 * 0.005 / 1000)
    slow = Assumptions(machines=1000, vcpus=8, vcpu_hour=0.05)  # which the bucket holds up
    assert costs(MEASURED, slow)["CPU"] == pytest.approx(1e6 / 2750 / 3600 * 8000 * 0.05)
