import io
import threading
import time
from concurrent.futures import CancelledError

import numpy as np
import pytest
from PIL import Image as PillowImage

from masklens import Faces, MaskDetector
from masklens.server.engine import BATCH, BusyError, Engine, Job
from masklens.server.metrics import Metrics
from masklens.server.settings import Limits
from tests.server.conftest import wait_for


class Corners:
    """Finds as many faces as the picture is tens of pixels wide, all of its own colour."""

    name = "corners"

    def find(self, image):
        count = image.shape[1] // 10
        boxes = np.array([[10 * i, 0, 10 * i + 10, 10] for i in range(count)], np.float32)
        landmarks = np.zeros((count, 5, 2), np.float32)
        return Faces(boxes.reshape(-1, 4), np.full(count, 0.9, np.float32), landmarks)


@pytest.fixture
def make(toy_bundle):
    engines = []

    def start(workers=2, **limits):
        detector = MaskDetector(toy_bundle, finder=Corners(), threads=1)
        engines.append(Engine(detector, workers, Limits(**limits), Metrics()))
        return engines[-1]

    yield start
    for engine in engines:
        engine.close()


def picture(colour, faces):
    out = io.BytesIO()
    PillowImage.new("RGB", (10 * faces or 5, 10), colour).save(out, "PNG")
    return out.getvalue()


def labels(image, detections, omitted):
    return detections.label_names, omitted


COLOURS = {"red": "with_mask", "lime": "without_mask", "blue": "mask_worn_incorrectly"}


def test_every_picture_gets_its_own_faces_back(make):
    engine = make(queue=200)
    expected, jobs = [], []
    for number in range(150):
        colour = list(COLOURS)[number % 3]
        count = number % (2 * BATCH + 3)
        jobs.append(Job(picture(colour, count), "p", labels))
        expected.append(([COLOURS[colour]] * count, 0))
    engine.submit(jobs)
    assert [job.future.result(30) for job in jobs] == expected
    assert not engine._inside
    assert not engine._crowds


def test_faces_beyond_the_limit(make):
    engine = make(faces=3)
    job = Job(picture("red", 5), "p", labels)
    engine.submit([job])
    assert job.future.result(30) == (["with_mask"] * 3, 2)


def blocked(engine):
    """A job that keeps a worker until the event is set."""
    began, go = threading.Event(), threading.Event()

    def finish(*_):
        began.set()
        assert go.wait(30)

    job = Job(picture("red", 1), "p", finish)
    engine.submit([job])
    assert began.wait(30)
    return job, go


def test_workers_that_all_hang_are_no_sign_of_life(make):
    engine = make(workers=2, seconds=0.2)
    first, go = blocked(engine)
    time.sleep(0.3)
    assert engine.alive  # the other one works
    second, go_on = blocked(engine)
    wait_for(lambda: not engine.alive)
    go.set()
    go_on.set()
    for job in (first, second):
        job.future.result(30)
    wait_for(lambda: engine.alive)


def test_all_of_a_form_are_taken_or_none(make):
    engine = make(workers=1, queue=3)
    first, go = blocked(engine)
    with pytest.raises(BusyError) as busy:
        engine.submit([Job(picture("red", 1), "p", labels) for _ in range(3)])
    assert busy.value.seconds >= 1
    two = [Job(picture("red", 1), "p", labels) for _ in range(2)]
    engine.submit(two)
    go.set()
    first.future.result(30)
    assert [job.future.result(30)[0] for job in two] == [["with_mask"]] * 2


def test_who_finds_no_place_waits_as_long_as_pictures_take(make):
    engine = make(workers=1, queue=100)
    slow = Job(picture("red", 1), "p", lambda *_: time.sleep(0.3))
    engine.submit([slow])
    slow.future.result(30)
    _, go = blocked(engine)
    waiting = [Job(b"", "p", labels) for _ in range(99)]
    engine.submit(waiting)
    with pytest.raises(BusyError) as busy:
        engine.submit([Job(b"", "p", labels)])
    engine.cancel(waiting)
    go.set()
    assert busy.value.seconds > 5, "which a hundred would take of the time that is guessed at first"


def test_what_nobody_waits_for_leaves_the_queue_at_once(make):
    engine = make(workers=1, queue=3)
    first, go = blocked(engine)
    two = [Job(picture("red", 1), "p", labels) for _ in range(2)]
    engine.submit(two)
    engine.cancel(two)
    assert len(engine._inside) == 1
    assert not engine._pictures, "nor keeps its bytes until a worker is free"
    engine.cancel([first])  # in work, so that it keeps its place until then
    assert len(engine._inside) == 1
    last = Job(picture("blue", 1), "p", labels)
    engine.submit([last])
    go.set()
    assert last.future.result(30)[0] == ["mask_worn_incorrectly"]
    assert not engine._inside


def test_who_leaves_between_finder_and_classifier_gives_the_place_back(make):
    engine = make(workers=1)
    finder = engine._detector.finder
    find, began, go = finder.find, threading.Event(), threading.Event()

    def held(image):
        if image.shape[1] == 50:
            began.set()
            assert go.wait(30)
        return find(image)

    finder.find = held
    first, second = Job(picture("red", 1), "p", labels), Job(picture("blue", 5), "p", labels)
    engine.submit([first, second])  # the second is searched while the first one's face waits
    assert began.wait(30)
    engine.cancel([first])
    go.set()
    assert second.future.result(30)[0] == ["mask_worn_incorrectly"] * 5
    assert not engine._inside
    assert not engine._crowds


def test_an_error_belongs_to_its_picture(make):
    engine = make()

    def broken(*_):
        raise ZeroDivisionError

    jobs = [Job(picture("red", 2), "p", broken if i % 3 == 0 else labels) for i in range(12)]
    jobs.append(Job(b"no picture", "This", labels))
    engine.submit(jobs)
    for number, job in enumerate(jobs[:-1]):
        if number % 3 == 0:
            with pytest.raises(ZeroDivisionError):
                job.future.result(30)
        else:
            assert job.future.result(30)[0] == ["with_mask"] * 2
    with pytest.raises(Exception, match="This is not a picture"):
        jobs[-1].future.result(30)
    assert not engine._inside
    assert not engine._crowds
    assert engine.alive


def test_an_error_of_the_network_fails_the_batch_and_not_the_pool(make):
    engine = make()
    predict = engine._detector.classifier.predict
    engine._detector.classifier.predict = lambda crops: 1 / 0
    # Crowds of several batches, so that two workers fail the same picture at a time.
    jobs = [Job(picture("red", 10 * BATCH), "p", labels) for _ in range(30)]
    engine.submit(jobs)
    for job in jobs:
        with pytest.raises(ZeroDivisionError):
            job.future.result(30)
    engine._detector.classifier.predict = predict
    job = Job(picture("red", 2), "p", labels)
    engine.submit([job])
    assert job.future.result(30)[0] == ["with_mask"] * 2
    assert not engine._inside
    assert not engine._crowds
    assert engine.alive


def test_a_batch_that_fails_is_logged_once(make, caplog):
    engine = make(workers=1)
    _, go = blocked(engine)
    engine._detector.classifier.predict = lambda crops: 1 / 0
    jobs = [Job(picture("red", 1), "p", labels) for _ in range(BATCH)]
    engine.submit(jobs)
    go.set()
    for job in jobs:
        with pytest.raises(ZeroDivisionError):
            job.future.result(30)
    assert caplog.records
    # A slow machine makes two batches of them; each record says where the mistake was.
    assert all("in <lambda>" in record.getMessage() for record in caplog.records)


def test_closing_cancels_what_waits(make):
    engine = make(workers=1)
    first, go = blocked(engine)
    last = Job(picture("red", 1), "p", labels)
    engine.submit([last])
    closer = threading.Thread(target=engine.close)
    closer.start()
    go.set()
    closer.join(30)
    first.future.result(0)
    with pytest.raises(CancelledError):
        last.future.result(0)
    assert not engine.alive
    with pytest.raises(BusyError):
        engine.submit([Job(b"", "p", labels)])
