"""What the labels of moving pictures are worth, on a film whose heads are known (``moving.py``).

The film goes through the stream as a user's would; out come counts per head, and of them figures
with 95 % intervals. A head is labelled right in nearly all of its frames or in none, so the unit
that is drawn is the photograph that heads were cut from, never the frame. Beside the votes stands
what every look says on its own, with one run of the classifier and with the second look.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from moving import Known, read_truth

from masklens import MaskDetector
from masklens.boxes import iou
from masklens.crop import Image
from masklens.detections import Detections
from masklens.faces import Faces
from masklens.intervals import Estimate, bootstrap, group_weights, proportion
from masklens.io.frames import Frame
from masklens.io.video import VideoReader
from masklens.stream.labeller import BUDGET_OF_FILES, Found, StreamLabeller
from masklens.stream.live import labelled_frames
from masklens.stream.pace import every_for_file

#: Overlap from which a box is that of a known face.
SAME = 0.35
#: For the share of labels that are right.
BAR = "≥ 0.98"

#: Name, figure, what to multiply it by, bar.
Figure = tuple[str, Estimate | float, float, str]


@dataclass
class Head:
    """How one head of the film fared.

    Attributes:
        shown: frames of the film that it is in.
        seen: in how many of them it had which label; frames without it are missing.
        switches: how often it was taken for somebody else.
        changes: how often its label changed while it was the same track.
        alone: the looks that stand for themselves, with one run of the classifier and with the
            second look: how often which label.
        flips: how often the label of one look was not that of the look before, likewise.
        still: its label in its own photograph, with the defaults; "" where it was not found.
    """

    known: Known
    shown: int = 0
    seen: Counter[str] = field(default_factory=Counter)
    switches: int = 0
    changes: int = 0
    alone: tuple[Counter[str], Counter[str]] = field(default_factory=lambda: (Counter(), Counter()))
    flips: list[int] = field(default_factory=lambda: [0, 0])
    still: str = ""
    _track: int | None = None
    _label: str = ""
    _last: list[str] = field(default_factory=lambda: ["", ""])

    @property
    def found(self) -> int:
        """Frames in which it was found."""
        return self.seen.total()

    @property
    def right(self) -> float:
        """Share of those in which its label is the annotated one."""
        return share(self.seen, self.known.label)

    def voted(self, label: str, track: int) -> None:
        """It was found in the next frame."""
        self.seen[label] += 1
        if self._track is not None:
            self.switches += track != self._track
            self.changes += track == self._track and label != self._label
        self._track, self._label = track, label

    def looked(self, which: int, label: str) -> None:
        """One look said something of it."""
        self.alone[which][label] += 1
        self.flips[which] += self._last[which] not in ("", label)
        self._last[which] = label


@dataclass(frozen=True)
class Scores:
    """A film that was looked at.

    Attributes:
        frames, runs: of the film; crops that the stream's classifier had to look at.
        fps: frames per second of the film.
    """

    heads: list[Head]
    frames: int
    runs: int
    fps: float


def share(labels: Counter[str], label: str) -> float:
    """Of counted labels, the share of one; NaN of none at all."""
    return labels[label] / labels.total() if labels else float("nan")


class Watched(StreamLabeller):
    """The stream's labeller, with the faces that it has found in each frame.

    Attributes:
        faces: by the frame's number; taken out by whoever looks at them.
    """

    def __init__(self, detector: MaskDetector) -> None:
        super().__init__(detector, budget=BUDGET_OF_FILES)
        self.faces: dict[int, Faces] = {}

    def find(self, frame: Frame) -> Found:
        found = super().find(frame)
        self.faces[frame.index] = found.faces
        return found


def follow(
    make: Callable[[], MaskDetector], single: MaskDetector, path: Path, folder: Path
) -> Scores:
    """Look at a film as ``masklens detect`` does, and at each of its photographs.

    Args:
        make: gives the detector of the stream.
        single: for the photographs.
        path: of the film.
        folder: of the photographs.
    """
    truth = read_truth(path)
    heads = [Head(known) for known in truth.heads]
    # Another detector for looks that stand for themselves, so that runs are the stream's alone.
    detector, judge = make(), make()
    runs, labeller = count_runs(detector), Watched(detector)
    with VideoReader(path) as reader:
        fps = reader.rate or 25.0
        for labelled in labelled_frames(reader, labeller):
            number, seen = labelled.frame.index, labelled.detections
            here = [heads[who] for who, _ in truth.frames[number]]
            boxes = np.array([box for _, box in truth.frames[number]], np.float32)
            for head, row in zip(here, matches(boxes, seen), strict=True):
                head.shown += 1
                if row is not None:
                    head.voted(seen.label_names[row], int(seen.track_ids[row]))
            if faces := labeller.faces.pop(number, None):
                _look_alone(judge, labelled.frame.image, faces, here, boxes)
    _look_at_photographs(single, heads, folder)
    return Scores(heads, len(truth.frames), sum(runs), fps)


def count_runs(detector: MaskDetector) -> list[int]:
    """A list that grows by the number of crops whenever the detector's classifier runs."""
    classifier, runs = detector.classifier, []
    run = classifier.run

    def counted(tensor: np.ndarray) -> list[np.ndarray]:
        runs.append(len(tensor))
        return run(tensor)

    classifier.run = counted
    return runs


def matches(boxes: np.ndarray, seen: Detections) -> list[int | None]:
    """For each known box the row of the detection that covers it best, if one does."""
    if not len(seen):
        return [None] * len(boxes)
    overlaps = iou(boxes, seen.boxes)
    return [int(row.argmax()) if row.max() >= SAME else None for row in overlaps]


def _look_alone(
    judge: MaskDetector, image: Image, faces: Faces, heads: list[Head], boxes: np.ndarray
) -> None:
    for which, twice in enumerate((False, True)):
        looks = judge.label(image, faces, twice=twice)
        for head, row in zip(heads, matches(boxes, looks), strict=True):
            if row is not None:
                head.looked(which, looks.label_names[row])


def _look_at_photographs(detector: MaskDetector, heads: list[Head], folder: Path) -> None:
    names = sorted({head.known.picture for head in heads})
    found = detector.detect_many(folder / name for name in names)
    for name, seen in zip(names, found, strict=True):
        here = [head for head in heads if head.known.picture == name]
        boxes = np.array([head.known.box for head in here], np.float32)
        for head, row in zip(here, matches(boxes, seen), strict=True):
            head.still = "" if row is None else seen.label_names[row]


# --- figures -------------------------------------------------------------------------------------


def figures(scores: Scores) -> list[Figure]:
    """All figures of a film, in the order in which they are printed."""
    heads = [head for head in scores.heads if head.found]
    groups = photographs(heads)
    found = [head.found for head in heads]
    right = counted([head.seen[head.known.label] for head in heads], found, groups)
    switches = counted([head.switches for head in heads], found, groups)
    changes = counted([head.changes for head in heads], found, groups)
    rows: list[Figure] = [
        ("label right per frame, mean over heads", mean([h.right for h in heads], groups), 1, BAR),
        ("… of found face-frames", right, 1, BAR),
        ("identity switches per 1,000 face-frames", switches, 1000, "≤ 1"),
        ("label changes per 10 s of a track", changes, 10 * scores.fps, "≤ 1"),
        ("heads right in most frames", mean([h.right > 0.5 for h in heads], groups), 1, ""),
    ]
    for which, name in enumerate(("one look", "with second looks")):
        own = [head for head in heads if head.alone[which]]
        values = [share(head.alone[which], head.known.label) for head in own]
        looks = [head.alone[which].total() for head in own]
        flips = counted([head.flips[which] for head in own], looks, photographs(own))
        per_track = 10 * scores.fps / every_for_file(scores.fps)
        rows += [
            (f"every look alone, {name}: right", mean(values, photographs(own)), 1, ""),
            (f"… changes per 10 s, {name}", flips, per_track, ""),
        ]
    stills = [head for head in scores.heads if head.still]
    same = [head.still == head.known.label for head in stills]
    both = [head for head in stills if head.found]
    agreed = [share(head.seen, head.still) for head in both]
    shown = [head.shown for head in scores.heads]
    seen = counted([h.found for h in scores.heads], shown, photographs(scores.heads))
    return [
        *rows,
        ("the heads in their own photographs: right", mean(same, photographs(stills)), 1, ""),
        ("label in the film that of the photograph", mean(agreed, photographs(both)), 1, ""),
        ("face-frames found", seen, 1, ""),
        ("crops classified per face-frame", scores.runs / sum(shown), 1, ""),
    ]


def photographs(heads: list[Head]) -> np.ndarray:
    """The number of the photograph that each head is from."""
    return np.unique([head.known.picture for head in heads], return_inverse=True)[1]


def mean(values: list[float] | list[bool], groups: np.ndarray) -> Estimate:
    """The mean of a figure per head, resampled over photographs."""
    sums, sizes = np.bincount(groups, np.array(values, float)), np.bincount(groups)
    return bootstrap(
        float(np.mean(values)),
        lambda weights: weights @ sums / (weights @ sizes),
        group_weights(len(sizes)),
        support=len(sizes),
    )


def counted(hits: list[int], totals: list[int], groups: np.ndarray) -> Estimate:
    """A share of frames; its Wilson interval takes frames of one photograph for what they are."""
    outcomes = np.concatenate([np.arange(n) < hit for hit, n in zip(hits, totals, strict=True)])
    return proportion(outcomes, np.repeat(groups, totals))


def figure_rows(full: Scores, small: Scores) -> list[list[str]]:
    """Both films side by side: what, every head, its interval, few heads, theirs, bar."""
    rows = []
    for (name, a, by, bar), (_, b, its, _) in zip(figures(full), figures(small), strict=True):
        rows.append([name, *_shown(a, by), *_shown(b, its), bar])
    return rows


def _shown(figure: Estimate | float, by: float) -> tuple[str, str]:
    if isinstance(figure, float):
        return f"{figure:.3f}", ""
    digits = 3 if by == 1 else 2
    value, low, high = (f"{by * v:.{digits}f}" for v in (figure.value, figure.low, figure.high))
    return value, f"{low}–{high}"


def wrong_rows(scores: Scores) -> list[list[str]]:
    """The heads that are labelled wrong in most of their frames."""
    return [
        [
            str(number), head.known.picture, head.known.label, head.seen.most_common(1)[0][0],
            f"{head.right:.2f}", f"{share(head.alone[0], head.known.label):.2f}",
            f"{share(head.alone[1], head.known.label):.2f}", head.still or "not found",
        ]
        for number, head in enumerate(scores.heads)
        if head.found and head.right <= 0.5
    ]  # fmt: skip


WRONG_HEAD = [
    "head", "photograph", "annotated", "voted", "right", "alone, one look", "alone, second look",
    "in the photograph",
]  # fmt: skip
