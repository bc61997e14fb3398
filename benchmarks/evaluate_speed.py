"""Time and memory of `masklens evaluate`: scenes, and a full report on 2,000 pictures.

    python benchmarks/evaluate_speed.py [--bundle DIR] [--pictures N]

Each row is one run of the command in a process of its own, from a cold start: the scenes of
``scenes/val`` with every score, and 2,000 portraits of ``crops`` with the report in all three
formats (data audit, worst mistakes and heat maps included). Memory is the largest resident size of
the process. On a busy machine the processor time says more than the time on the clock.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import data_root, machine, print_table, scenes


def measured(*arguments: str) -> tuple[float, float, float]:
    """Seconds on the clock, processor seconds, and megabytes, of one run of the command."""
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "masklens", "evaluate", *arguments], stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"masklens evaluate {' '.join(arguments)} failed.")
    return (
        time.perf_counter() - start,
        usage.ru_utime + usage.ru_stime,
        usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 1024),
    )


def pick(source: Path, target: Path, number: int) -> None:
    """Links to the first pictures of each label, so many in all."""
    labels = ("with_mask", "without_mask")
    for label in labels:
        (target / label).mkdir(parents=True)
        pictures = sorted(p for p in (source / label).iterdir() if p.is_file())
        for picture in pictures[: number // len(labels)]:
            (target / label / picture.name).symlink_to(picture.resolve())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bundle", default="default")
    parser.add_argument("--pictures", type=int, default=2000)
    options = parser.parse_args()
    data = data_root() / "data"
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        pick(data / "crops", work / "portraits", options.pictures)
        street = str(scenes("val"))
        for name, bar, arguments in (
            ("scenes/val, all scores", "< 60 s", [street]),
            ("scenes/val, report", "", [street, "--report", str(work / "a"), "--format",
                                        "html,md,pdf"]),
            (f"{options.pictures:,} portraits, report", "< 180 s, < 1,500 MB",
             [str(work / "portraits"), "--report", str(work / "b"), "--format", "html,md,pdf"]),
        ):  # fmt: skip
            seconds, processor, memory = measured(options.bundle, *arguments)
            rows.append([name, f"{seconds:.0f} s", f"{processor:.0f} s", f"{memory:,.0f} MB", bar])
    load = ", ".join(f"{x:.1f}" for x in os.getloadavg())
    print(f"{machine()}; load at the end {load}\n")
    print_table(["run", "clock", "processor", "memory", "bar"], rows)


if __name__ == "__main__":
    main()
