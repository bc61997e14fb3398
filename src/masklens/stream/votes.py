"""The label of a followed face: a vote over its recent looks, with hysteresis.

A *look* is one run of the classifier on one frame's crop of the face. The rule, which the web page
follows too, is written down in ``docs/video.md``.
"""

from __future__ import annotations

import numpy as np

from masklens.crop import FloatArray

#: Share of the old votes that is left at the next look: about the last eight looks count.
MEMORY = 0.88
#: Another label must lead by this share of all votes before the label changes to it.
LEAD = 0.15
#: Faces this wide (pixels) and wider have a full vote, narrower ones less.
FULL_WIDTH = 48.0
#: A track is settled after this many looks, if its label has at least SETTLED_SHARE of the votes.
SETTLED_LOOKS = 5
SETTLED_SHARE = 0.75
#: … or after so many, if it is so unlikely to be a face at all.
NO_FACE_LOOKS = 2
NO_FACE = 0.1


class Votes:
    """The votes on one track.

    Attributes:
        label: column of the label the track has now; None before the first look.
        looks: how many there were.
        shares: (L,), sum 1: the votes' shares, with the lead that the present label has.
        face: 0…1: that it is a face, over the recent looks.
        score: 0…1, smoothed: that a face is there and wears what the label says.
        settled: whether it is enough to look now and then.
    """

    def __init__(self, labels: int) -> None:
        self._votes = np.zeros(labels)
        self._face = 0.0
        self._weight = 0.0
        self.label: int | None = None
        self.looks = 0
        self.shares = self._counted()
        self.face = self.score = 0.0
        self.settled = False

    def add(self, probabilities: FloatArray, face: float, width: float) -> None:
        """Take one look into account.

        Args:
            probabilities: (L,), for each label, given that it is a face; sum 1.
            face: 0…1, calibrated: that it is a face.
            width: of the face in pixels.
        """
        seen = int(probabilities.argmax())
        weight = face * float(probabilities[seen]) * min(1.0, width / FULL_WIDTH)
        self._votes = self._votes * MEMORY + weight * probabilities
        self._face = self._face * MEMORY + face
        self._weight = self._weight * MEMORY + 1
        self.looks += 1
        self.label = int(self._counted().argmax())
        # Every frame asks for these, and looks are rare.
        self.shares = self._counted()
        share = float(self.shares[self.label])
        self.face = self._face / self._weight
        self.score = self.face * share
        sure = seen == self.label and share >= SETTLED_SHARE
        self.settled = (self.looks >= SETTLED_LOOKS and sure) or (
            self.looks >= NO_FACE_LOOKS and self.no_face
        )

    @property
    def no_face(self) -> bool:
        """Whether it was looked at, and is so unlikely to be a face at all."""
        return self.looks > 0 and self.face < NO_FACE

    def _counted(self) -> FloatArray:
        total = self._votes.sum()
        if total <= 0:
            return np.full(len(self._votes), 1 / len(self._votes), dtype=np.float32)
        shares = self._votes / total
        if self.label is not None:
            shares[self.label] += LEAD
            shares /= 1 + LEAD
        return np.asarray(shares, dtype=np.float32)
