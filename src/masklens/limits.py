"""Bounds of the numbers that users choose, in Python and on the command line, and the cores.

It imports next to nothing, because the command line shows its options before anything is loaded.
"""

from __future__ import annotations

import os
from math import ceil, inf
from pathlib import Path

#: Where Linux keeps the limits of groups of processes (cgroup v2; below cpu/ v1).
_GROUPS = Path("/sys/fs/cgroup")

#: More threads than any machine has cores only take memory, each of them, in each network.
MAX_THREADS = 256

#: Of the face finder, in pixels. Working sizes beyond it take gigabytes.
LONG_SIDES = (32, 8192)

#: Of the test part of a data set, which is dealt out in twentieths or larger parts.
TEST_SHARES = (0.05, 0.95)


def cores() -> int:
    """The cores that this process may use: a container may have been given fewer than there are.

    Either fewer of them, or a share of their time (``docker run --cpus``, a limit of Kubernetes,
    ``CPUQuota`` of systemd), which is rounded up to whole cores.
    """
    if hasattr(os, "sched_getaffinity"):
        there = len(os.sched_getaffinity(0))
    else:
        there = os.cpu_count() or 1
    return ceil(min(there, _quota()))


def _quota(of_this: Path = Path("/proc/self/cgroup"), groups: Path = _GROUPS) -> float:
    """The processor time that Linux gives this process at most, in cores; inf without a limit."""
    try:
        lines = of_this.read_text(encoding="utf-8").splitlines()
    except OSError:
        return inf
    found = inf
    for line in lines:
        _, kinds, path = line.split(":", 2)
        if kinds and "cpu" not in kinds.split(","):
            continue
        root = groups / "cpu" if kinds else groups
        names = ("cpu.cfs_quota_us", "cpu.cfs_period_us") if kinds else ("cpu.max",)
        # The limit of a group holds for all groups in it.
        group = root / path.removeprefix("/")
        for above in (group, *group.parents):
            try:
                texts = [(above / name).read_text(encoding="ascii") for name in names]
                time, period = map(int, " ".join(texts).split())  # "max" is no number: no limit
            except (OSError, ValueError):
                continue
            if time > 0:  # v1 says -1
                found = min(found, time / period)
    return found
