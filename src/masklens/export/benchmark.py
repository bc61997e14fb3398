"""Timing the classifiers of bundles in every installed runtime; without TensorFlow or pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path, PurePath
from typing import Any

from masklens.bundle import Bundle
from masklens.errors import BundleError
from masklens.export.table import TIME_NOTE, benchmark_table
from masklens.export.timing import SETTINGS, Candidate, Timing, machine, time_candidates
from masklens.io.atomic import write_json
from masklens.io.quiet import quiet
from masklens.runtime import RUNTIMES

_MODULES = {"onnx": "onnxruntime", "litert": "ai_edge_litert", "openvino": "openvino"}


@dataclass(frozen=True)
class Benchmark:
    """Times of several files.

    Attributes:
        candidates: what was timed.
        timings: of each, in the order of the settings.
        machine: what it was timed on.
    """

    candidates: Sequence[Candidate]
    timings: Sequence[Sequence[Timing]]
    machine: Mapping[str, Any]

    def text(self) -> str:
        """The machine, a table, and what its times are."""
        facts = ", ".join(f"{key} {value}" for key, value in self.machine.items())
        several = len({candidate.bundle.folder for candidate in self.candidates}) > 1
        table = benchmark_table(self.candidates, self.timings, several)
        return f"{facts}\n\n{table}\n\n{TIME_NOTE}"

    def write(self, path: Path) -> None:
        """The figures as JSON."""
        rows = [
            {
                "bundle": candidate.bundle.folder.name,
                "file": candidate.file,
                "runtime": candidate.runtime,
                "bytes": candidate.bytes,
                "timings": [timing.to_dict() for timing in times],
            }
            for candidate, times in zip(self.candidates, self.timings, strict=True)
        ]
        write_json(path, {"machine": dict(self.machine), "rows": rows})


def benchmark(folders: Sequence[Path], rounds: int, say: Callable[[str], None]) -> Benchmark:
    """Time every classifier of the bundles; of none, the bundle that ships.

    Raises:
        BundleError: no bundle, a damaged one, or one without a file that can be run here.
    """
    candidates = []
    for folder in folders or (None,):
        bundle = Bundle.load(folder)
        found = _candidates(bundle, say)
        if not found:
            raise BundleError(
                f"The bundle {bundle.folder} has no model that can be run here, only "
                f"{sorted(bundle.card.files)}."
            )
        candidates += found
    with quiet():
        timings = time_candidates(candidates, SETTINGS, rounds)
    return Benchmark(candidates, timings, machine())


def _candidates(bundle: Bundle, say: Callable[[str], None]) -> list[Candidate]:
    """A bundle's classifiers, in the runtimes that are installed and read them."""
    files = [PurePath(name) for name in bundle.classifier_files()]
    found = []
    for runtime, suffixes in RUNTIMES.items():
        names = [file.name for file in files if file.suffix in suffixes]
        if not names:
            continue
        if find_spec(_MODULES[runtime]) is None:
            say(f'Not timed: {runtime}. To add it: pip install "masklens[{runtime}]"')
            continue
        found += [Candidate(bundle, name, runtime) for name in names]
    return found
