import numpy as np
import pytest

from masklens.detections import Detections
from masklens.faces import Faces
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


@pytest.mark.parametrize("row", [0, 2, -1, -4, np.int64(1)])
def test_an_integer_gives_the_face_that_iterating_gives(row):
    detections = make(4)
    assert detections[row] == list(detections)[int(row)]


@pytest.mark.parametrize("row", [4, -5, 100])
def test_there_is_no_face_past_the_last(row):
    with pytest.raises(IndexError, match=f"number {row}: 4 faces found"):
        make(4)[row]
    with pytest.raises(IndexError, match="number 0: 0 faces found"):
        Detections.empty()[0]
    with pytest.raises(IndexError, match="1 face found"):
        make(1)[1]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (slice(1, 3), [1, 2]),
        (slice(None, None, -1), [3, 2, 1, 0]),
        ([2], [2]),
        ([], []),
        ([True, False, False, True], [0, 3]),
        (np.array([3, 0]), [3, 0]),
        (np.array([False, True, False, False]), [1]),
    ],
)
def test_several_rows_stay_together(rows, expected):
    detections = make(4)
    some = detections[rows]
    assert isinstance(some, Detections)
    assert list(some) == [detections[i] for i in expected]


@pytest.mark.parametrize(
    "rows",
    [
        *("boxes", 1.0, None, (0, 1), (0,), range(1), [[0]], [0.0], ["boxes"]),
        *(np.array(0), np.array([[0, 1]]), np.array([0.0]), np.array([])),
    ],
)
def test_what_names_no_rows_is_refused(rows):
    with pytest.raises(TypeError, match="Detections are indexed by"):
        make(4)[rows]


@pytest.mark.parametrize(
    ("column", "content"),
    [
        ("scores", ["high"]),
        ("boxes", [[0, 0, 1, 1], [0]]),
        ("landmarks", [[[0, 0], [0]]]),
        ("track_ids", None),
    ],
)
def test_what_is_no_number_is_refused(column, content):
    values = {f: getattr(make(), f) for f in make().__dataclass_fields__}
    with pytest.raises(ValueError, match=rf"Detections\.{column} must be numbers of shape "):
        Detections(**(values | {column: content}))


@pytest.mark.parametrize("column", ["scores", "face_scores", "landmarks", "track_ids", "boxes"])
def test_columns_of_another_length_are_refused(column):
    values = {f: getattr(make(), f) for f in make().__dataclass_fields__}
    values[column] = values[column][:-1]
    with pytest.raises(ValueError, match="must have shape"):
        Detections(**values)


def test_lists_become_columns():
    """They passed for columns, and failed where the first label was asked for."""
    given = make(2)
    values = {f: getattr(given, f) for f in given.__dataclass_fields__}
    lists = Detections(**{k: list(v) if k == "labels" else v.tolist() for k, v in values.items()})
    assert list(lists) == list(given)
    assert lists.labels == LABELS
    assert lists.boxes.dtype == lists.probabilities.dtype == np.float32
    assert lists.track_ids.dtype == np.int64
    assert list(lists.above(0.5)) == list(given)[:1]


def test_empty_lists_become_empty_columns():
    """A finder that makes lists failed at the first picture without a face."""
    none = Detections([], [], [], [], list(LABELS), [], [])
    assert none.landmarks.shape == Faces([], [], []).landmarks.shape == (0, 5, 2)
    assert list(none) == []
    with pytest.raises(ValueError, match=r"boxes must have shape \(0, 4\). Received: \(0, 3\)"):
        Faces(np.zeros((0, 3)), [], [])
