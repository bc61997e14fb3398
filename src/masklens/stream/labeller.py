"""StreamLabeller: faces of a stream in, followed and labelled faces of every frame out.

Finding is separate from following (``find`` and ``update``), so that whoever runs the loop decides
in which frames faces are looked for, and in how many threads. ``update`` must see every frame.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from masklens.crop import Image
from masklens.detections import Detections
from masklens.detector import MaskDetector
from masklens.faces import Faces
from masklens.io.frames import Frame
from masklens.stream.camera import camera_motion
from masklens.stream.cuts import CutDetector, Signature, signature
from masklens.stream.records import LONGEST_PAUSE, TrackRecord
from masklens.stream.tracks import Box, Track, Tracker

#: Working size of the face finder for moving pictures, in pixels: less time than the card's 704.
LONG_SIDE = 640
#: At most so many faces are classified per frame; a film can wait for more than a camera.
BUDGET, BUDGET_OF_FILES = 8, 16
#: A settled track is looked at again after this many seconds.
REVISIT = 1.0
#: What the finder gives a lower score is classified only when it was found twice: most of it is
#: found once, and is no face.
_SURE = 0.75
#: Where the last search was longer ago, in seconds, all is classified at once: until the next one a
#: track may be given up.
_SOON = 0.5
#: A face that was not found again is still shown for this many seconds, where it should be.
COAST = 0.35
#: A shown track is hidden when its score falls below this share of the threshold.
_HIDE = 0.7


@dataclass(frozen=True, eq=False)
class Found:
    """What was found in one frame.

    Attributes:
        faces: in pixels of the frame.
        image: what they were found in: the frame, or a smaller version.
        scene: tells whether another scene has begun.
    """

    faces: Faces
    image: Image
    scene: Signature


class StreamLabeller:
    """Follows the faces of one stream and votes on their labels.

    Args:
        detector: finds and classifies; its threshold decides which faces are shown.
        budget: at most this many faces are classified per frame: those that are new come first,
            large ones before small ones, the others wait for the next frame.
        on_end: called with the record of each track that has ended, if it was ever shown.

    Attributes:
        looks: faces classified so far.
    """

    def __init__(
        self,
        detector: MaskDetector,
        *,
        budget: int = BUDGET,
        on_end: Callable[[TrackRecord], None] | None = None,
    ) -> None:
        self.detector = detector
        self.labels = detector.card.labels
        self.looks = 0
        self._budget = budget
        self._on_end = on_end or (lambda _: None)
        self._tracker = Tracker(len(self.labels))
        self._numbers = 0
        self._session = 0
        self._time = 0.0
        self._searched = float("-inf")
        self._long_side = getattr(detector.finder, "long_side", LONG_SIDE)
        self._cuts = CutDetector()
        self._before: Image | None = None

    def find(self, frame: Frame) -> Found:
        """The faces of a frame. May be called from several threads."""
        image = frame.within(self._long_side)
        scene = signature(image)
        faces = self.detector.finder.find(image)
        scale = np.float32(frame.size[0] / image.shape[1])
        faces = Faces(faces.boxes * scale, faces.scores, faces.landmarks * scale)
        return Found(faces, image, scene)

    def update(self, frame: Frame, found: Found | None) -> Detections:
        """Take the next frame.

        Args:
            frame: the next one of the stream.
            found: what :meth:`find` found in it; None when nobody looked.

        Returns:
            The faces to be shown, best first, with track ids. Their probabilities are the votes,
            so that a face's label is the one its track has.
        """
        time = frame.time or 0.0
        cut = found is not None and self._cuts.is_cut(found.scene)
        if cut or frame.session != self._session or time - self._time > LONGEST_PAUSE:
            # Nobody knows what happened meanwhile: who is there now is somebody new.
            self._session = frame.session
            self._finish(self._tracker.clear())
        self._time = time
        if found is not None:
            faces = found.faces
            moved = partial(_camera_moved, self._before, found.image, frame.size)
            tracks = self._tracker.update(faces.boxes, faces.scores, faces.landmarks, time, moved)
            self._before = found.image
            self._look(frame, faces, tracks, time)
            self._searched = time
        self._finish(self._tracker.expire(time))
        return self._shown(frame, time)

    def close(self) -> None:
        """End all tracks that are still open."""
        self._before = None
        self._finish(self._tracker.clear())

    def _look(self, frame: Frame, found: Faces, tracks: list[Track | None], time: float) -> None:
        """Classify the faces whose turn it is, and count their votes."""
        due = [
            (track, row)
            for row, track in enumerate(tracks)
            if track is not None and _is_due(track, time, time - self._searched <= _SOON)
        ]
        due.sort(key=lambda pair: _urgency(pair[0]))
        due = due[: self._budget]
        if not due:
            return
        rows = np.array([row for _, row in due])
        faces = Faces(found.boxes[rows], found.scores[rows], found.landmarks[rows])
        # Its votes do for a face what the second look does for a picture.
        looks = self.detector.label(frame.image, faces, twice=False)
        self.looks += len(due)
        tops = looks.probabilities.max(axis=1)
        for i, (track, _) in enumerate(due):
            face = float(looks.scores[i] / max(tops[i], 1e-6))
            track.votes.add(looks.probabilities[i], face, track.width)
            track.looked = time
            track.refine(faces.boxes[i], looks.boxes[i])
            if track.record is None and track.votes.score >= self.detector.threshold:
                self._numbers += 1
                track.record = TrackRecord(self._numbers, time, time, clock=frame.clock)
            if track.record is not None:
                x1, y1, x2, y2 = (float(v) for v in looks.boxes[i])
                track.record.looked(frame.index, time, (x1, y1, x2, y2), float(looks.scores[i]))

    def _shown(self, frame: Frame, time: float) -> Detections:
        least = self.detector.threshold * _HIDE
        shown = [
            (track, track.record)
            for track in self._tracker.tracks
            if track.record is not None
            and time - track.seen <= COAST
            and track.votes.score >= least
        ]
        if not shown:
            return Detections.empty(self.labels)
        shown.sort(key=lambda pair: -pair[0].votes.score)
        boxes = [_clipped(track.corrected_at(time), frame.size) for track, _ in shown]
        result = Detections(
            boxes=np.array(boxes, np.float32),
            scores=np.array([track.votes.score for track, _ in shown], np.float32),
            face_scores=np.array([track.found for track, _ in shown], np.float32),
            probabilities=np.array([track.votes.shares for track, _ in shown]),
            labels=self.labels,
            landmarks=np.array([track.landmarks for track, _ in shown]),
            track_ids=np.array([record.number for _, record in shown], np.int64),
        )
        for (_, record), label in zip(shown, result.label_names, strict=True):
            record.shown(time, label)
        return result

    def _finish(self, tracks: list[Track]) -> None:
        for track in tracks:
            if track.record is not None:
                self._on_end(track.record)


def _camera_moved(
    before: Image | None, now: Image, size: tuple[int, int]
) -> tuple[float, float] | None:
    """How far the camera took the scene, in pixels of frames of a size (width, height)."""
    shares = camera_motion(before, now) if before is not None else None
    return shares and (shares[0] * size[0], shares[1] * size[1])


def _clipped(box: Box, size: tuple[int, int]) -> Box:
    """A box inside a picture of (width, height), at least a pixel wide and high."""
    x1 = min(max(box[0], 0.0), size[0] - 1.0)
    y1 = min(max(box[1], 0.0), size[1] - 1.0)
    return x1, y1, min(max(box[2], x1 + 1), size[0]), min(max(box[3], y1 + 1), size[1])


def _is_due(track: Track, time: float, soon: bool) -> bool:
    if track.looked is None:
        return track.sightings > 1 or track.found >= _SURE or not soon
    return not track.votes.settled or time - track.looked >= REVISIT


def _urgency(track: Track) -> tuple[int, float]:
    """Sorts new tracks first, large ones before small ones; then those that waited longest."""
    return (0, -track.width) if track.looked is None else (1, track.looked)
