"""What is known of a track when it has ended: the row of the table, and the best picture of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

#: A face may sit before a camera for days: of more label changes the first and the last are kept.
HISTORY = 200
#: After more seconds without a frame nobody knows what happened meanwhile: ``--max-fps`` leaves 10
#: at the most between two, HLS sends pieces of up to 15.
LONGEST_PAUSE = 20.0


@dataclass
class TrackRecord:
    """One face from its first to its last sighting.

    Attributes:
        number: the track's id in the results.
        first, last: seconds, of the first and the last frame it was shown in.
        frames: in how many frames it was shown.
        history: (seconds, label) of the first label and of the changes; of more than
            :data:`HISTORY` the first and the last.
        changes: how often its label changed.
        frames_by_label: how many frames showed which label.
        best_frame, best_time: index and time of the frame with the best look at the face (largest
            and surest).
        best_box: xyxy pixels in that frame.
        best_score: 0…1, of that look.
        best_quality: of that look: its score times the square root of its box's area in pixels.
        clock: local time of the first frame; None in files.
    """

    number: int
    first: float
    last: float
    frames: int = 0
    history: list[tuple[float, str]] = field(default_factory=list)
    changes: int = 0
    frames_by_label: Counter[str] = field(default_factory=Counter)
    best_frame: int = -1
    best_time: float = 0.0
    best_box: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    best_score: float = 0.0
    best_quality: float = 0.0
    clock: datetime | None = None

    @property
    def label(self) -> str:
        """The label it had in most of its frames."""
        return self.frames_by_label.most_common(1)[0][0] if self.frames_by_label else ""

    def shown(self, time: float, label: str) -> None:
        """It was shown in a frame."""
        self.last = time
        self.frames += 1
        self.frames_by_label[label] += 1
        if not self.history:
            self.history.append((time, label))
        elif self.history[-1][1] != label:
            self.changes += 1
            self.history.append((time, label))
            if len(self.history) > HISTORY:
                del self.history[1]

    def looked(
        self,
        frame: int,
        time: float,
        box: tuple[float, float, float, float],
        score: float,
    ) -> None:
        """The classifier looked at it; the best look is kept."""
        quality = score * max(0.0, (box[2] - box[0]) * (box[3] - box[1])) ** 0.5
        if quality > self.best_quality:
            self.best_quality = quality
            self.best_frame, self.best_time = frame, time
            self.best_box, self.best_score = box, score
