"""Following faces from frame to frame, by where they are.

Found boxes go in; each comes back with the track it continues. The association is that of ByteTrack
(Zhang et al., "ByteTrack: Multi-Object Tracking by Associating Every Detection Box", ECCV 2022):
sure boxes choose first among all tracks, unsure ones among what is left, and only sure ones begin
tracks. Instead of a Kalman filter each track keeps a position and a velocity (its steady state, the
alpha-beta filter), and overlaps are those of enlarged boxes, so that small and quick faces, which
are not searched in every frame, are not lost (Yang et al., "Hard to Track Objects with Irregular
Motions and Similar Appearances? Make It Easier by Buffering the Matching Space", WACV 2023). As
there, a second round enlarges them more, here for tracks that were seen only once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from masklens.boxes import iou
from masklens.crop import FloatArray
from masklens.stream.records import TrackRecord
from masklens.stream.votes import Votes

#: Boxes are enlarged by this share of their size on each side before they are compared.
_BUFFER = 0.25
#: The same for sure boxes that are left over, and tracks that have just come: nobody knows yet how
#: they move, and who walks by moves two widths of a face between two searches.
_WIDE_BUFFER = 1.0
#: The same for places to which the camera has taken faces that would be lost.
_MOVED_BUFFER = 0.5
#: Overlap of the enlarged boxes from which a face continues a track. Where one box is more than
#: five times as large as the other they never overlap so much.
_SAME_FACE = 0.2
#: Finder score from which a box chooses first and may begin a track.
_SURE = 0.5
#: A track is given up after this many seconds without its face.
PATIENCE = 1.0
#: Share of a new sighting in a track's position, size and velocity.
_FOLLOW, _FOLLOW_SIZE, _FOLLOW_VELOCITY = 0.8, 0.5, 0.4
#: Share of a new correction in the smoothed one.
_FOLLOW_OFFSET = 0.4

#: x1, y1, x2, y2. Single faces are followed in plain numbers: numpy takes longer for so few.
Box = tuple[float, float, float, float]


@dataclass(eq=False)
class Track:
    """One face over time.

    Attributes:
        votes: on its label.
        box: xyxy pixels, smoothed, at ``seen``.
        velocity: of its centre, pixels per second in x and y.
        seen: seconds, of the last sighting.
        found: 0…1, the finder's score at the last sighting.
        landmarks: (5, 2), pixels, at the last sighting.
        looked: seconds of the classifier's last look; None before the first.
        sightings: how often its face was found.
        offset: how the classifier corrects its boxes: of x1, y1, x2, y2, as shares of their width
            and height, smoothed; None before the first look.
        record: what is told of it outside; None until it is sure enough to be shown.
    """

    votes: Votes
    box: Box
    seen: float
    found: float
    landmarks: FloatArray
    velocity: tuple[float, float] = (0.0, 0.0)
    sightings: int = 1
    looked: float | None = None
    offset: Box | None = None
    record: TrackRecord | None = None

    @property
    def width(self) -> float:
        """Of its box, in pixels."""
        return self.box[2] - self.box[0]

    @property
    def just_came(self) -> bool:
        """Whether it was seen once only, and is no box that the classifier takes for no face."""
        return self.sightings == 1 and not self.votes.no_face

    def at(self, time: float) -> Box:
        """Where the box should be at a time, if it moves on as it did."""
        # Not for ever: a face that turned round would be looked for far away.
        ahead = min(max(time - self.seen, 0.0), 0.5)
        x, y = self.velocity[0] * ahead, self.velocity[1] * ahead
        return self.box[0] + x, self.box[1] + y, self.box[2] + x, self.box[3] + y

    def corrected_at(self, time: float) -> Box:
        """As :meth:`at`, corrected as the classifier corrected the boxes it looked at."""
        x1, y1, x2, y2 = self.at(time)
        if self.offset is None:
            return x1, y1, x2, y2
        width, height = x2 - x1, y2 - y1
        a, b, c, d = self.offset
        return x1 + a * width, y1 + b * height, x2 + c * width, y2 + d * height

    def refine(self, found: FloatArray, refined: FloatArray) -> None:
        """Remember how the classifier corrected a box: (4,) as found and as corrected."""
        size = np.maximum(np.tile(found[2:] - found[:2], 2), 1)
        new = ((refined - found) / size).tolist()
        old = self.offset or new
        a, b, c, d = (o + _FOLLOW_OFFSET * (n - o) for o, n in zip(old, new, strict=True))
        self.offset = a, b, c, d

    def sight(self, box: FloatArray, found: float, landmarks: FloatArray, time: float) -> None:
        """Its face was found again."""
        gap = time - self.seen
        expected, seen = self.at(time), box.tolist()
        left, right, x = _followed(expected[0], expected[2], seen[0], seen[2])
        top, bottom, y = _followed(expected[1], expected[3], seen[1], seen[3])
        if gap > 0:
            gain = (1.0 if self.sightings == 1 else _FOLLOW_VELOCITY) / gap
            self.velocity = self.velocity[0] + gain * x, self.velocity[1] + gain * y
        self.box = left, top, right, bottom
        self.found, self.landmarks, self.seen = found, landmarks, time
        self.sightings += 1


class Tracker:
    """Keeps the tracks of one stream.

    Args:
        labels: number of labels that are voted on.
    """

    def __init__(self, labels: int) -> None:
        self._labels = labels
        self._time: float | None = None
        self.tracks: list[Track] = []

    def update(
        self,
        boxes: FloatArray,
        scores: FloatArray,
        landmarks: FloatArray,
        time: float,
        moved: Callable[[], tuple[float, float] | None] = lambda: None,
    ) -> list[Track | None]:
        """Take the faces of one frame.

        Args:
            boxes: (N, 4), xyxy pixels. scores: (N,), the finder's. landmarks: (N, 5, 2).
            time: seconds; not earlier than the last call's.
            moved: says how far the camera has taken the scene since the last call, in x and y,
                pixels, if it can; it is asked only when a face would be lost.

        Returns:
            For each face the track it continues or begins; None for unsure ones that do neither.
        """
        result: list[Track | None] = [None] * len(boxes)
        free = list(self.tracks)
        sure = scores >= _SURE

        def left(choosing: npt.NDArray[np.bool_]) -> list[int]:
            return [row for row in np.flatnonzero(choosing).tolist() if result[row] is None]

        def join(rows: list[int], tracks: list[Track], expected: list[Box], buffer: float) -> None:
            for i, j in _pairs(boxes[rows], np.array(expected, np.float32), buffer):
                row, track = rows[i], tracks[j]
                track.sight(boxes[row], float(scores[row]), landmarks[row], time)
                result[row] = track
                free.remove(track)

        for choosing in (sure, ~sure):
            tracks = list(free)
            join(left(choosing), tracks, [t.at(time) for t in tracks], _BUFFER)
        tracks = [track for track in free if track.just_came]
        join(left(sure), tracks, [t.at(time) for t in tracks], _WIDE_BUFFER)
        tracks = [track for track in free if track.seen == self._time and not track.votes.no_face]
        if tracks and left(sure) and (shift := moved()) is not None:
            x, y = shift
            places = [(a + x, b + y, c + x, d + y) for a, b, c, d in (t.box for t in tracks)]
            join(left(sure), tracks, places, _MOVED_BUFFER)
        for row in left(sure):
            result[row] = self._begin(boxes[row], float(scores[row]), landmarks[row], time)
        self._time = time
        return result

    def expire(self, time: float) -> list[Track]:
        """Give up the tracks that were not seen for too long; returns them."""
        gone = [t for t in self.tracks if time - t.seen > PATIENCE]
        if gone:
            self.tracks = [t for t in self.tracks if time - t.seen <= PATIENCE]
        return gone

    def clear(self) -> list[Track]:
        """Give up all tracks; returns them."""
        gone, self.tracks = self.tracks, []
        return gone

    def _begin(self, box: FloatArray, found: float, landmarks: FloatArray, time: float) -> Track:
        x1, y1, x2, y2 = box.tolist()
        track = Track(Votes(self._labels), (x1, y1, x2, y2), time, found, landmarks)
        self.tracks.append(track)
        return track


def _pairs(boxes: FloatArray, expected: FloatArray, buffer: float) -> list[tuple[int, int]]:
    """Rows of boxes (N, 4) and of expected places (M, 4) that belong together, best first."""
    if not len(boxes) or not len(expected):
        return []
    overlap = iou(_enlarged(boxes, buffer), _enlarged(expected, buffer))
    near = np.argwhere(overlap >= _SAME_FACE)
    order = np.argsort(-overlap[near[:, 0], near[:, 1]], kind="stable")
    pairs: dict[int, int] = {}
    for row, column in near[order].tolist():
        if row not in pairs and column not in pairs.values():
            pairs[row] = column
    return list(pairs.items())


def _followed(
    low: float, high: float, seen_low: float, seen_high: float
) -> tuple[float, float, float]:
    """One axis of a box, expected and seen -> its new ends, and how far off its centre was."""
    off = (seen_low + seen_high - low - high) / 2
    size = (1 - _FOLLOW_SIZE) * (high - low) + _FOLLOW_SIZE * (seen_high - seen_low)
    centre = (low + high) / 2 + _FOLLOW * off
    return centre - size / 2, centre + size / 2, off


def _enlarged(boxes: FloatArray, buffer: float) -> FloatArray:
    margin = (boxes[:, 2:] - boxes[:, :2]) * np.float32(buffer)
    return np.concatenate([boxes[:, :2] - margin, boxes[:, 2:] + margin], axis=1)
