"""Where the results of a stream go: lines of JSON, the table of tracks, and the counts."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from masklens.detections import Detections
from masklens.io.frames import Frame
from masklens.io.logs import CsvLines
from masklens.io.writers import face_records
from masklens.stream.records import TrackRecord

TRACK_COLUMNS = (
    *("source", "track", "first_seen", "last_seen", "frames", "label", "changes", "history"),
    *("best_frame", "best_time", "best_x", "best_y", "best_w", "best_h", "best_score"),
    "clock",
)


@dataclass
class StreamSummary:
    """What was seen in a stream.

    Attributes:
        frames: processed.
        seconds: of the stream, up to the last one.
        tracks: number of faces that were followed, by the label they had most.
        changes: changes of labels, over all tracks.
    """

    frames: int = 0
    seconds: float = 0.0
    tracks: Counter[str] = field(default_factory=Counter)
    changes: int = 0

    def ended(self, record: TrackRecord) -> None:
        """Count a track that has ended."""
        self.tracks[record.label] += 1
        self.changes += record.changes


class TrackTable(CsvLines):
    """A row per track, written when the track ends; see ``docs/formats.md``."""

    def __init__(self, target: Path | None, *, append: bool = False) -> None:
        super().__init__(target, TRACK_COLUMNS, append=append)

    def ended(self, source: str, record: TrackRecord) -> None:
        """Add a track that has ended."""
        x1, y1, x2, y2 = record.best_box
        history = "; ".join(f"{time:.3f} {label}" for time, label in record.history)
        self.write(
            [
                *(source, record.number, f"{record.first:.3f}", f"{record.last:.3f}"),
                *(record.frames, record.label, record.changes, history),
                *(record.best_frame, f"{record.best_time:.3f}"),
                *(f"{v:.2f}" for v in (x1, y1, x2 - x1, y2 - y1)),
                f"{record.best_score:.5f}",
                _iso(record.clock) if record.clock else "",
            ]
        )


def frame_line(frame: Frame, detections: Detections) -> dict[str, Any]:
    """One frame's results as JSON values: a line of ``--json FILE.jsonl``."""
    line: dict[str, Any] = {
        **when(frame),
        "counts": detections.counts(),
        "share_compliant": _rounded(detections.share_compliant),
        "faces": face_records(detections),
    }
    if frame.session:
        line["session"] = frame.session
    return line


def when(frame: Frame) -> dict[str, Any]:
    """Which frame it is, at which time; of a camera by the clock as well."""
    clock = {"clock": _iso(frame.clock)} if frame.clock else {}
    return {"frame": frame.index, "time": round(frame.time or 0.0, 4), **clock}


def _iso(clock: datetime) -> str:
    """Local time with its offset, to the millisecond: ``2026-05-04T09:30:00.125+02:00``."""
    return clock.isoformat(timespec="milliseconds")


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
