"""How many CPUs this process may use: by its affinity, and by the quota of its container."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

__all__ = ["available_cpus"]


def available_cpus(root: Path = Path("/")) -> int:
    """CPUs that the process may use at once, 1 at least.

    A container's quota counts in whole CPUs, rounded up: 1.5 of them keep two threads busy in turn.

    Args:
        root: of the file system that has ``proc`` and ``sys``.
    """
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([cpus, *map(math.ceil, _quotas(root))]))


def _quotas(root: Path) -> Iterator[float]:
    """CPUs that each control group round the process may use, of those that have a limit."""
    mount = root / "sys/fs/cgroup"
    for controllers, group in _groups(root):
        # Version 2 has one tree and no controllers here, version 1 one for each set of them.
        if controllers == "":
            top, read = mount, _quota_of_version_2
        elif "cpu" in controllers.split(","):
            top, read = mount / "cpu", _quota_of_version_1
            if not top.exists():
                top = mount / controllers
        else:
            continue
        # In a container the mount begins at its own group, which /proc may name by the host's path.
        inside = [top / group, *(top / group).parents]
        for folder in [f for f in inside if f.is_relative_to(top) and f.is_dir()] or [top]:
            quota = read(folder)
            if quota is not None:
                yield quota


def _groups(root: Path) -> Iterator[tuple[str, str]]:
    """Controllers and path of each control group that the process is in."""
    for line in _lines(root / "proc/self/cgroup"):
        fields = line.split(":", 2)
        if len(fields) == 3 and ".." not in fields[2].split("/"):
            yield fields[1], fields[2].lstrip("/")


def _quota_of_version_2(folder: Path) -> float | None:
    """``cpu.max`` holds a quota, or "max", and a period, both in microseconds."""
    return _ratio(" ".join(_lines(folder / "cpu.max")).split())


def _quota_of_version_1(folder: Path) -> float | None:
    """A quota of -1 is none."""
    names = ("cpu.cfs_quota_us", "cpu.cfs_period_us")
    return _ratio([" ".join(_lines(folder / name)) for name in names])


def _ratio(values: list[str]) -> float | None:
    if len(values) != 2 or not all(value.isdecimal() for value in values) or int(values[1]) == 0:
        return None
    return int(values[0]) / int(values[1]) or None


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
