"""What a billion pictures cost, on paper: from a rate that was measured and assumptions that are printed."""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass, fields
from typing import NamedTuple

MILLION = 1_000_000


@dataclass(frozen=True)
class Assumptions:
    """What no measurement on one machine says. Every field is an option of the command.

    Prices are list prices in dollars, on demand, of Amazon's region us-east-1 in 2025. They hold for a c7a
    instance (EPYC of family 25, model 17) and S3 Standard. The limits of requests are those that S3's
    documentation names for a prefix.
    """

    pictures: float = 1e9
    machines: int = 16
    vcpus: int = 8
    """Of each machine, each as fast as a CPU of the machine that was measured."""
    vcpu_hour: float = 0.0513
    """Dollars."""
    put: float = 0.005
    """Dollars for 1,000 requests that write."""
    get: float = 0.0004
    """Dollars for 1,000 requests that read."""
    gigabytes_month: float = 0.023
    """Dollars to keep a gigabyte for a month."""
    gbit: float = 2.5
    """Gbit/s of each machine, in each direction."""
    puts_second: float = 3500.0
    """Requests of a prefix."""
    gets_second: float = 5500.0
    """Requests of a prefix."""
    prefixes: int = 1
    """Folders of the bucket that pictures and results are spread over."""
    tasks_second: float = 90.0
    """That one job hands out: counted with empty tasks, Ray 2.60 and the two CPUs of a c7a instance."""


class Measured(NamedTuple):
    """What was measured.

    Attributes:
        rate: pictures a second.
        cpus: on so many.
        shard: pictures of a task.
        bytes_in, bytes_out: of a picture and its mask.
        gets, puts: requests to a bucket for a picture.
        listed: bytes of memory that a picture takes in the list of a job.
    """

    rate: float
    cpus: int
    shard: int
    bytes_in: float
    bytes_out: float
    gets: float
    puts: float
    listed: float


def add_options(parser: argparse.ArgumentParser) -> None:
    """An option for every assumption."""
    group = parser.add_argument_group("assumptions of the calculation on paper")
    for field in fields(Assumptions):
        name, default = field.name.replace("_", "-"), field.default
        group.add_argument(f"--{name}", type=type(default), default=default, metavar="NUMBER")


def read_options(args: argparse.Namespace) -> Assumptions:
    return Assumptions(**{field.name: getattr(args, field.name) for field in fields(Assumptions)})


def limits(measured: Measured, on: Assumptions) -> dict[str, float]:
    """Pictures a second that each resource allows."""
    bytes_second = on.machines * on.gbit * 1e9 / 8
    return {
        "CPU": on.machines * on.vcpus * measured.rate / measured.cpus,
        "network, in": bytes_second / measured.bytes_in,
        "network, out": bytes_second / measured.bytes_out,
        "requests that read": on.gets_second * on.prefixes / measured.gets,
        "requests that write": on.puts_second * on.prefixes / measured.puts,
        "tasks of one job": on.tasks_second * measured.shard,
    }


def costs(measured: Measured, on: Assumptions) -> dict[str, float]:
    """Dollars for a million pictures."""
    rate = min(limits(measured, on).values())
    return {
        "CPU": MILLION / rate / 3600 * on.machines * on.vcpus * on.vcpu_hour,
        "requests that read": MILLION * measured.gets * on.get / 1000,
        "requests that write": MILLION * measured.puts * on.put / 1000,
        "results, kept for a month": MILLION * measured.bytes_out / 1e9 * on.gigabytes_month,
    }


def show(measured: Measured, on: Assumptions) -> None:
    """Print the calculation."""
    allowed, paid = limits(measured, on), costs(measured, on)
    bottleneck = min(allowed, key=lambda name: allowed[name])
    print(f"{on.pictures:,.0f} pictures, on paper.\n")
    print(
        f"Measured: {measured.rate:.1f} pictures a second with Ray on {measured.cpus} CPUs. A picture has "
        f"{measured.bytes_in / 1000:.0f} kB, its mask {measured.bytes_out / 1000:.1f} kB. A bucket gets "
        f"{measured.gets:.2f} requests that read and {measured.puts:.2f} that write for each.\n"
    )
    print(
        f"Assumed: {on.machines} machines of {on.vcpus} vCPUs, each as fast as a CPU here, and {on.gbit:g} "
        f"Gbit/s in each direction. {on.prefixes} prefix(es) with {on.gets_second:,.0f} reads and "
        f"{on.puts_second:,.0f} writes a second. Dollars, list prices on demand of 2025: "
        f"{on.vcpu_hour:g} for a vCPU hour, {on.get:g} for 1,000 reads, {on.put:g} for 1,000 writes, "
        f"{on.gigabytes_month:g} for a gigabyte and month. A job hands out {on.tasks_second:g} tasks a "
        f"second, of {measured.shard} pictures each.\n"
    )
    print("| resource | pictures a second | hours | dollars a million |\n|---|---|---|---|")
    for name in {**allowed, **paid}:
        cells = ["", "", ""]
        if name in allowed:
            cells[:2] = f"{allowed[name]:,.0f}", f"{on.pictures / allowed[name] / 3600:,.1f}"
        if name in paid:
            cells[2] = f"{paid[name]:.2f}"
        print(f"| {name} | {' | '.join(cells)} |")
    running = {name: dollars for name, dollars in paid.items() if name in allowed}
    total = sum(running.values())
    hours = on.pictures / allowed[bottleneck] / 3600
    largest = max(running, key=lambda name: running[name])
    print(
        f"\nThe bottleneck: {bottleneck}. {on.machines} machines take {hours:,.1f} hours. A million pictures "
        f"cost {total:,.2f} dollars, all of them {total * on.pictures / MILLION:,.0f}, without keeping the "
        f"results. The largest part: {largest}."
    )
    by_machines = ("CPU", "network, in", "network, out")
    fixed = {name: rate for name, rate in allowed.items() if name not in by_machines}
    first = min(fixed, key=lambda name: fixed[name])
    machines = math.ceil(fixed[first] / min(allowed[name] for name in by_machines) * on.machines)
    print(
        f"More than {machines:,} machines are of no use: {first} would hold them up. Larger shards, several "
        f"jobs and more prefixes move that. A job's list takes {measured.listed:.0f} bytes of memory a "
        f"picture: {measured.listed * on.pictures / 1e9:,.0f} GB for all in one job."
    )
