from masklens.stream.records import HISTORY, TrackRecord


def test_history_begins_with_the_first_label_and_has_every_change():
    record = TrackRecord(1, 0.0, 0.0)
    for time, label in enumerate("aabba"):
        record.shown(float(time), label)
    assert record.history == [(0.0, "a"), (2.0, "b"), (4.0, "a")]
    assert (record.changes, record.label, record.frames, record.last) == (2, "a", 5, 4.0)


def test_a_face_that_changes_for_days_does_not_fill_the_memory():
    record = TrackRecord(1, 0.0, 0.0)
    for time in range(10_001):
        record.shown(float(time), "ab"[time % 2])
    assert record.changes == 10_000
    assert len(record.history) == HISTORY
    assert record.history[0] == (0.0, "a")
    assert [t for t, _ in record.history[1:]] == [float(t) for t in range(10_002 - HISTORY, 10_001)]
