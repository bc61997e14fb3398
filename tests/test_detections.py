import numpy as np
import pytest

from masklens.detections import Detections
from masklens.labels import LABELS


def make(n=3):
    probabilities = np.eye(3, dtype=np.float32)[np.arange(n) % 3]
    return Detections(
        boxes=np.arange(4 * n, dtype=np.float32).reshape(n, 4),
        scores=np.linspace(0.9, 0.1, n, dtype=np.float32),
        face_scores=np.ones(n, np.float32),
        probabilities=probabilities,
        labels=LABELS,
        landmarks=np.zeros((n, 5, 2), np.float32),
        track_ids=np.full(n, -1),
    )


def test_labels_and_counts():
    detections = make(4)
    assert detections.label_names == [*LABELS, LABELS[0]]
    assert detections.counts() == dict(zip(LABELS, (2, 1, 1), strict=True))
    assert detections.share_compliant == 0.5
    assert Detections.empty().share_compliant is None


def test_selecting_rows_keeps_the_columns_together():
    detections = make(4)
    above = detections.above(0.6)
    assert len(above) == 2
    assert above.boxes.tolist() == detections.boxes[:2].tolist()
    assert len(detections[np.array([3, 0])]) == 2


def test_rows_are_plain_numbers():
    face = next(iter(make(1)))
    assert face.box == (0.0, 1.0, 2.0, 3.0)
    assert face.label == "with_mask"
    assert face.track_id is None
    assert sum(face.probabilities.values()) == 1


@pytest.mark.parametrize("column", ["scores", "face_scores", "landmarks", "track_ids", "boxes"])
def test_columns_of_another_length_are_refused(column):
    values = {f: getattr(make(), f) for f in make().__dataclass_fields__}
    values[column] = values[column][:-1]
    with pytest.raises(ValueError, match="must have shape"):
        Detections(**values)
