"""The tables of exports and benchmarks, as Markdown for people and as JSON for programs."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from masklens.export.timing import SETTINGS, Candidate, Timing, clock_of
from masklens.io.atomic import write_json, write_text
from masklens.io.jsonfile import read_json
from masklens.plural import many

JSON_FILE = "parity.json"
MARKDOWN_FILE = "parity.md"

#: int8 should be so many times as fast as the float32 file in ONNX Runtime, one thread.
INT8_SPEED = 2.0

#: Heads of the columns with times, one per setting.
_TIME_HEADS = tuple(f"ms, {many(threads, 'thread')}, batch {batch}" for threads, batch in SETTINGS)

_CLOCKS = {
    "processor": "processor time, that is what passes without the waiting for other programs",
    "wall": "the time that passes",
}

#: What is said beside every table with times.
TIME_NOTE = "Times are medians per face. " + " ".join(
    f"With {many(threads, 'thread')}: {_CLOCKS[clock_of(threads)]}."
    for threads in dict.fromkeys(threads for threads, _ in SETTINGS)
)


@dataclass(frozen=True)
class Proof:
    """Everything that was measured of one export; written beside the artefacts.

    Attributes:
        model: name and version.
        data: name, sha256 and number of faces that were compared, and whether the model was
            trained on them.
        machine: see :func:`masklens.export.timing.machine`.
        keras: accuracy and size of the original.
        rows: :meth:`masklens.export.parity.Row.to_dict` of each artefact; one that was measured
            earlier has its own ``data`` and ``machine``.
    """

    model: str
    data: Mapping[str, Any]
    machine: Mapping[str, Any]
    keras: Mapping[str, Any]
    rows: Sequence[Mapping[str, Any]]

    def write(self, folder: Path) -> list[Path]:
        """Keep it in a folder, as JSON and as Markdown."""
        write_json(folder / JSON_FILE, vars(self))
        write_text(folder / MARKDOWN_FILE, self.markdown())
        return [folder / JSON_FILE, folder / MARKDOWN_FILE]

    def with_earlier(self, folder: Path) -> Proof:
        """The same, and what a folder's proof says of files that are not in this one."""
        earlier = read_json(folder / JSON_FILE)
        facts = {key: earlier[key] for key in ("data", "machine")}
        new = {row["file"] for row in self.rows}
        stay = [facts | row for row in earlier["rows"] if row["file"] not in new]
        return dataclasses.replace(self, rows=[*self.rows, *stay])

    @property
    def caveat(self) -> str:
        """A sentence where the accuracy flatters; else empty."""
        if not self.data.get("trained_on"):
            return ""
        return (
            f"{self.model} was trained on pictures of {self.data['name']}: the accuracy is too "
            "good, and only the agreement with Keras is a proof."
        )

    def markdown(self) -> str:
        """Title, table and notes."""
        keras = self.keras
        lines = [
            f"# {self.model}: exports against Keras",
            "",
            f"On {self.data['faces']} faces of {self.data['name']} ({self.data['sha256'][:12]}). "
            f"Timed on {self.machine['processor']}.",
            "",
            self.table(),
            "",
            *([self.caveat, ""] if self.caveat else []),
            f"Keras: accuracy {_estimate(keras['accuracy'])}, {_size(keras['bytes'])}. "
            "Difference: of the probabilities to Keras, largest and mean; box: of its sides, as a "
            "share of the crop's side. Speed: one thread, one face at a time, against the float32 "
            f"file in ONNX Runtime; int8 should have {INT8_SPEED:g}×, but that depends on the "
            "machine and rejects nothing. " + TIME_NOTE,
            "",
        ]
        for row in self.rows:
            if "data" in row:
                lines.append(
                    f"- {row['file']} was measured earlier, on {row['data']['faces']} faces of "
                    f"{row['data']['name']} ({row['data']['sha256'][:12]}), and timed on "
                    f"{row['machine']['processor']}."
                )
            lines += [f"- **{row['file']} is rejected**: {s}" for s in row["missed"]]
        return "\n".join(lines).rstrip() + "\n"

    def table(self) -> str:
        """A line per artefact."""
        head = ("file", "size", "accuracy", "agreement", "difference", "box", *_TIME_HEADS, "speed")
        rows = [
            (
                row["file"],
                _size(row["bytes"]),
                _estimate(row["accuracy"]),
                f"{row['agreement']:.2%}",
                f"{row['max_difference']:.1e}, {row['mean_difference']:.1e}",
                "–" if row["box_max"] is None else f"{row['box_max']:.1e}, {row['box_mean']:.1e}",
                *(f"{timing['milliseconds']:.2f}" for timing in row["timings"]),
                "–" if row["speedup"] is None else f"{row['speedup']:.2f}×",
            )
            for row in self.rows
        ]
        return markdown_table(head, rows)


def read_rows(folder: Path) -> dict[str, Mapping[str, Any]]:
    """What a folder's proof says of its files, by name."""
    return {row["file"]: row for row in read_json(folder / JSON_FILE)["rows"]}


def _proved(candidate: Candidate) -> tuple[str, str]:
    """Accuracy and agreement of a file by its proof; dashes without one that can be read."""
    try:
        row = read_rows(candidate.bundle.folder)[candidate.file]
        return _estimate(row["accuracy"]), f"{row['agreement']:.2%}"
    except (OSError, ValueError, KeyError, TypeError):
        return "–", "–"


def benchmark_table(
    candidates: Sequence[Candidate], timings: Sequence[Sequence[Timing]], named: bool
) -> str:
    """Speed of several files, with the accuracy that their proofs give.

    Args:
        candidates: what was timed.
        timings: of each, in the order of the settings.
        named: show whose file it is; for several bundles.
    """
    head = ("file", "runtime", "size", *_TIME_HEADS, "accuracy", "agreement")
    rows = []
    for candidate, times in zip(candidates, timings, strict=True):
        owner = f"{candidate.bundle.folder.name}/" if named else ""
        rows.append(
            (
                f"{owner}{candidate.file}",
                candidate.runtime,
                _size(candidate.bytes),
                *(f"{timing.milliseconds:.2f}" for timing in times),
                *_proved(candidate),
            )
        )
    return markdown_table(head, rows)


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table with aligned columns."""
    lines = [tuple(head), *map(tuple, rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    texts = [
        "| " + " | ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) + " |"
        for line in lines
    ]
    texts.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(texts)


def _estimate(values: Mapping[str, Any]) -> str:
    return f"{values['value']:.1%} ({values['low']:.1%} – {values['high']:.1%})"


def _size(size: int) -> str:
    return f"{size / 1e6:.2f} MB"
