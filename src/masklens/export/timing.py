"""How long a face takes: networks are timed in turns, so that a busy machine is unfair to none.

Needs no TensorFlow and no pictures: what a network calculates does not depend on what it sees. One
thread is timed by the processor time of this process, which is the time that passes on an idle
machine and leaves out the waiting on a busy one; several threads by the time that passes, since
saving some of it is all they are for.
"""

from __future__ import annotations

import platform
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from masklens.bundle import Bundle
from masklens.classifier import MaskClassifier

#: What is timed: threads and crops per call.
SETTINGS = ((1, 1), (1, 8), (2, 1), (2, 8))

#: Rounds at most, and seconds after which a setting ends early.
ROUNDS = 60
SECONDS = 20.0

_WARM_UP = 3
_CLOCKS = {"processor": time.process_time, "wall": time.perf_counter}
_PACKAGES = ("onnxruntime", "ai-edge-litert", "openvino", "tensorflow", "keras")


@dataclass(frozen=True, slots=True)
class Timing:
    """Milliseconds per face.

    Attributes:
        threads: of the network.
        batch: crops per call.
        milliseconds: the median over the rounds, divided by ``batch``.
        clock: what was measured: "processor" time or "wall" time.
    """

    threads: int
    batch: int
    milliseconds: float
    clock: str

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self) | {"milliseconds": round(self.milliseconds, 4)}


@dataclass(frozen=True, slots=True)
class Candidate:
    """One file in one runtime."""

    bundle: Bundle
    file: str
    runtime: str

    @property
    def path(self) -> Path:
        """Where the file lies."""
        return self.bundle.folder / self.file

    @property
    def bytes(self) -> int:
        """Its size; with OpenVINO's weights, which are a file of their own."""
        weights = self.path.with_suffix(".bin")
        beside = weights.stat().st_size if self.path.suffix == ".xml" else 0
        return self.path.stat().st_size + beside

    def open(self, threads: int) -> MaskClassifier:
        """Open it."""
        return MaskClassifier(self.bundle, threads, runtime=self.runtime, file=self.file)


def time_candidates(
    candidates: Sequence[Candidate],
    settings: Sequence[tuple[int, int]] = SETTINGS,
    rounds: int = ROUNDS,
) -> list[tuple[Timing, ...]]:
    """Time several files side by side.

    Returns:
        For each candidate one timing per setting.
    """
    results: list[list[Timing]] = [[] for _ in candidates]
    for threads, batch in settings:
        calls = [_call(candidate, threads, batch) for candidate in candidates]
        clock = clock_of(threads)
        for row, seconds in zip(results, _in_turns(calls, rounds, _CLOCKS[clock]), strict=True):
            row.append(Timing(threads, batch, seconds / batch * 1e3, clock))
    return [tuple(row) for row in results]


def clock_of(threads: int) -> str:
    """The clock that times so many threads: "processor" or "wall"."""
    # Windows counts processor time in ticks of 1/64 s, longer than most calls.
    return "processor" if threads == 1 and sys.platform != "win32" else "wall"


def machine() -> dict[str, Any]:
    """What the figures were taken on."""
    return {
        "processor": _processor(),
        "architecture": platform.machine(),
        "python": platform.python_version(),
        **_versions(),
    }


def _call(candidate: Candidate, threads: int, batch: int) -> Callable[[], object]:
    classifier = candidate.open(threads)
    size = candidate.bundle.card.size
    pixels = np.random.default_rng(0).integers(0, 256, (batch, size, size, 3), dtype=np.uint8)
    tensor = classifier.prepare(pixels)
    return lambda: classifier.run(tensor)


def _in_turns(
    calls: Sequence[Callable[[], object]], rounds: int, clock: Callable[[], float]
) -> list[float]:
    """The median time of each call in seconds."""
    for call in calls:
        for _ in range(_WARM_UP):
            call()
    times: list[list[float]] = [[] for _ in calls]
    end = time.perf_counter() + SECONDS
    for _ in range(rounds):
        for call, row in zip(calls, times, strict=True):
            start = clock()
            call()
            row.append(clock() - start)
        if time.perf_counter() > end:
            break
    return [float(np.median(row)) for row in times]


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    facts: Mapping[str, str] = {
        key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)
    }
    return facts.get("model name") or facts.get("Model") or platform.processor()


def _versions() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
