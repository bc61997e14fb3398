import multiprocessing
import pickle
import re
import subprocess
import sys
import threading
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from masklens.bundle import Bundle, write_bundle
from masklens.card import FaceCalibration
from masklens.classifier import Classification, MaskClassifier, logit, with_temperature
from masklens.detector import BATCH, MaskDetector
from masklens.errors import InputError
from masklens.faces import Faces, YuNet
from masklens.finder import load_finder
from masklens.io.pictures import read_picture
from masklens.runtime import RUNTIMES
from tests.conftest import make_toy_model, toy_card


@pytest.fixture
def detector(toy_bundle):
    return MaskDetector(toy_bundle.folder, threads=1)


def tinted(image, channel):
    out = image // 4
    out[..., channel] = image[..., channel]
    return out


def test_one_face_from_array_and_from_file(detector, portrait, portrait_file):
    from_array = detector.detect(portrait)
    from_file = detector.detect(portrait_file)
    assert len(from_array) == len(from_file) == 1
    np.testing.assert_allclose(from_array.boxes, from_file.boxes)
    np.testing.assert_allclose(from_array.probabilities.sum(axis=1), 1, atol=1e-6)


def test_one_picture_is_searched_where_it_is_asked_for(toy_bundle, portrait):
    """What a finder keeps for a thread would be lost with a thread for each picture."""
    detector = MaskDetector(toy_bundle, threads=2)
    find, threads = detector.finder.find, []

    def watched(image):
        threads.append(threading.current_thread())
        return find(image)

    detector.finder.find = watched
    detector.detect(portrait)
    assert threads == [threading.current_thread()]


@pytest.mark.parametrize("threads", [1, 3])
def test_many_pictures_give_the_same_as_one_by_one(toy_bundle, portrait, threads):
    """Batching across pictures changes nothing, pictures without a face included."""
    detector = MaskDetector(toy_bundle, threads=threads)
    blank = np.full((90, 120, 3), 99, np.uint8)
    pictures = [tinted(portrait, i % 3) if i % 4 else blank for i in range(2 * BATCH + 3)]
    together = list(detector.detect_many(pictures))
    assert len(together) == len(pictures)
    for picture, detections in zip(pictures, together, strict=True):
        alone = detector.detect(picture)
        assert detections.label_names == alone.label_names
        np.testing.assert_allclose(detections.boxes, alone.boxes, atol=1e-3)
        np.testing.assert_allclose(detections.probabilities, alone.probabilities, atol=1e-5)


def test_the_classifier_sees_red_green_blue_in_order(toy_bundle):
    crops = np.zeros((3, 32, 32, 3), np.uint8)
    for i in range(3):
        crops[i, :, :, i] = 255
    result = MaskClassifier(toy_bundle).predict(crops)
    assert result.probabilities.argmax(axis=1).tolist() == [0, 1, 2]
    assert (result.face == 1).all()
    assert result.boxes is None


def test_rejection_lowers_the_score_but_not_the_probabilities(toy_bundle, tmp_path, portrait):
    model = tmp_path / "four.onnx"
    make_toy_model(model, outputs=4)
    outputs = (*toy_card().labels, "not_a_face")
    card = toy_card(outputs=outputs, thresholds={"default": 0.0})
    bundle = write_bundle(tmp_path / "b", card, {"classifier.onnx": model})
    plain = MaskDetector(toy_bundle, threshold=0).detect(portrait)
    rejecting = MaskDetector(bundle).detect(portrait)
    np.testing.assert_allclose(plain.probabilities, rejecting.probabilities, atol=1e-5)
    assert rejecting.scores[0] < plain.scores[0]


def test_calibration_of_the_face_score(toy_bundle, tmp_path, portrait):
    calibration = FaceCalibration(bias=-1.0, finder=2.0, classifier=1.0, both=-0.5)
    card = toy_card(face_calibration=calibration)
    bundle = write_bundle(tmp_path / "b", card, {"classifier.onnx": toy_bundle.path()})
    found = MaskDetector(bundle, threshold=0).detect(portrait)
    logit = np.log(found.face_scores / (1 - found.face_scores))
    sure = np.float32(1 - 1e-6)  # this model cannot reject, so it is sure of a face
    classifier = np.log(sure / (1 - sure))
    both = np.log1p(np.exp(logit)) * np.log1p(np.exp(classifier))
    face = 1 / (1 + np.exp(-(-1 + 2 * logit + classifier - 0.5 * both)))
    expected = face * found.probabilities.max(axis=1)
    np.testing.assert_allclose(found.scores, expected, rtol=1e-4)


def test_calibration_is_for_the_finder_it_was_fitted_to(toy_bundle, tmp_path, portrait):
    card = toy_card(face_calibration=FaceCalibration(bias=-1.0, finder=2.0, classifier=1.0))
    bundle = write_bundle(tmp_path / "b", card, {"classifier.onnx": toy_bundle.path()})
    for other in ("yunet", YuNet(threads=1)):
        found = MaskDetector(bundle, finder=other, threshold=0).detect(portrait)
        assert len(found) == 1
        expected = found.face_scores * found.probabilities.max(axis=1)
        np.testing.assert_allclose(found.scores, expected, rtol=1e-5)


def test_a_bundles_own_finder_handed_over_gives_what_it_gives_there(portrait):
    own = MaskDetector(threads=1)
    again = MaskDetector(finder=own.finder, threads=1)
    np.testing.assert_array_equal(again.detect(portrait).scores, own.detect(portrait).scores)


@pytest.mark.parametrize("sizes", [None, (704, 1408)])
def test_another_finder_of_the_same_name_is_not_taken_for_a_bundles_own(portrait, sizes):
    """All finders that train-finder makes have one name."""
    shipped = Bundle.load()
    section = shipped.card.finder

    def scores(finder):
        return MaskDetector(finder=finder, threshold=0, threads=1).detect(portrait).scores

    def trained(**facts):
        card = replace(shipped.card, finder=replace(section, **facts))
        bundle = replace(shipped, card=card)
        return MaskDetector(bundle, threads=1, long_side=sizes).finder

    other = scores(trained(training={"data_sha256": "0" * 64}))
    np.testing.assert_array_equal(other, scores(trained(name="another")))
    assert (other != scores(trained())).all()


def test_the_logit_stays_finite():
    values = logit(np.array([0, 0.5, 0.75, 1], np.float32))
    np.testing.assert_allclose(values, [-13.8155, 0, np.log(3), 13.8155], atol=0.02)


def test_temperature_softens_without_changing_the_order():
    p = np.array([[0.7, 0.2, 0.1]], np.float32)
    np.testing.assert_allclose(with_temperature(p, 1), p, atol=1e-6)
    softer = with_temperature(p, 2)
    expected = np.sqrt(p) / np.sqrt(p).sum()
    np.testing.assert_allclose(softer, expected, atol=1e-6)


def test_the_threshold_leaves_out(toy_bundle, portrait):
    score = MaskDetector(toy_bundle, threshold=0).detect(portrait).scores[0]
    assert len(MaskDetector(toy_bundle, threshold=score + 0.01).detect(portrait)) == 0


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((10, 10), np.uint8),
        np.zeros((10, 10, 4), np.uint8),
        np.zeros((0, 10, 3), np.uint8),
        np.zeros((10, 10, 3), np.float32),
    ],
)
def test_arrays_that_are_no_pictures(detector, array):
    with pytest.raises(InputError, match="Received"):
        detector.detect(array)
    with pytest.raises(InputError, match="Received"):
        detector.label(array, Faces(np.zeros((1, 4)), np.zeros(1), np.zeros((1, 5, 2))))


def test_endless_input_is_read_only_as_far_as_needed(detector, portrait):
    taken = 0

    def endless():
        nonlocal taken
        while True:
            taken += 1
            yield portrait

    stream = MaskDetector(detector.bundle, threads=3).detect_many(endless())
    next(stream)
    assert taken <= BATCH + 3
    stream.close()


def test_large_pictures_do_not_wait_for_many_others(toy_bundle, portrait, monkeypatch):
    monkeypatch.setattr("masklens.detector.WAITING_PIXELS", 3 * portrait[..., 0].size)
    taken = []
    pictures = (taken.append(i) or portrait for i in range(BATCH))
    next(MaskDetector(toy_bundle, threads=1).detect_many(pictures))
    assert len(taken) == 3


@pytest.mark.parametrize("threads", [1, 2, 4])
@pytest.mark.parametrize(
    ("read", "error"),
    [(lambda p: p, InputError), (read_picture, InputError), (lambda p: int(p), ValueError)],
)
def test_a_failure_comes_in_its_turn(toy_bundle, portrait, threads, read, error):
    """Of the detector, or of the iterable, whatever that raises."""
    pictures = [*[portrait] * 3, "absent.jpg", portrait]
    source = (read(p) if isinstance(p, str) else p for p in pictures)
    stream = MaskDetector(toy_bundle, threads=threads).detect_many(source)
    for _ in range(3):
        assert len(next(stream)) == 1
    with pytest.raises(error, match="absent"):
        next(stream)


def test_a_failing_classifier_gives_no_picture_twice(toy_bundle, portrait):
    detector = MaskDetector(toy_bundle, threads=1)
    assemble, calls = detector.assemble, []

    def third_time_unlucky(*found):
        calls.append(found)
        if len(calls) == 3:
            raise ValueError("unlucky")
        return assemble(*found)

    detector.assemble = third_time_unlucky
    stream = detector.detect_many([portrait] * (BATCH + 1))
    assert len([next(stream), next(stream)]) == 2
    with pytest.raises(ValueError, match="unlucky"):
        next(stream)
    assert len(calls) == 3


def test_work_goes_on_when_the_main_thread_has_ended():
    """As in a program that starts a thread and does not wait for it; Python does."""
    script = """
import threading
from masklens.detector import in_parallel

def numbers():
    yield 1
    threading.main_thread().join()
    yield from (2, 3, 4, 0)

def work():
    try:
        for share in in_parallel(lambda number: 12 // number, numbers(), 2):
            print(share)
    except ZeroDivisionError:
        print("none")

threading.Thread(target=work).start()
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout.split(), done.stderr) == (["12", "6", "4", "3", "none"], "")


def test_a_crowd_goes_through_in_turns(toy_bundle):
    crops = np.random.default_rng(0).integers(0, 255, (70, 32, 32, 3), dtype=np.uint8)
    classifier = MaskClassifier(toy_bundle)
    together = classifier.predict(crops).probabilities
    alone = np.concatenate([classifier.predict(crop[None]).probabilities for crop in crops])
    assert together.shape == (70, 3)
    np.testing.assert_allclose(together, alone, atol=1e-6)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_a_picture_from_memory_is_the_one_of_its_file(detector, portrait_file, kind):
    content = kind(portrait_file.read_bytes())
    of_file = detector.detect(portrait_file)
    for found in (detector.detect(content), *detector.detect_many([content])):
        np.testing.assert_array_equal(found.boxes, of_file.boxes)
        np.testing.assert_array_equal(found.scores, of_file.scores)
    with pytest.raises(InputError, match=rf"detect takes one\. Received: {kind.__name__}$"):
        next(detector.detect_many(content))
    with pytest.raises(InputError, match="The picture of 7 bytes is not a picture"):
        detector.detect(kind(b"content"))


@pytest.mark.parametrize("picture", [None, 5, ["a.jpg"]])
def test_what_is_no_picture_is_said_so(detector, picture):
    """None is what OpenCV gives for a camera or a file that it cannot read."""
    with pytest.raises(InputError, match=f"Received: {type(picture).__name__}"):
        detector.detect(picture)


def test_one_picture_is_not_many(detector, portrait, portrait_file):
    """The letters of a name and the rows of an array are no pictures."""
    for picture in (str(portrait_file), portrait_file, portrait):
        with pytest.raises(InputError, match=r"detect takes one\. Received: .*(astronaut|uint8)"):
            next(detector.detect_many(picture))
    assert len(list(detector.detect_many(np.stack([portrait, portrait])))) == 2


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("threshold", value) for value in (-0.1, 1.1, float("nan"))),
        *(("threads", value) for value in (-1, 10**6)),
        *(("long_side", value) for value in (0, -5, 10**6, (704, 0), ())),
    ],
)
def test_numbers_out_of_range_are_refused(toy_bundle, name, value):
    with pytest.raises(ValueError, match=f"{name} must be in .*Received: {re.escape(str(value))}"):
        MaskDetector(toy_bundle, **{name: value})


@pytest.mark.parametrize(
    ("name", "value", "accepted"),
    [
        ("threads", "2", "a whole number in 0…256"),
        ("threads", None, "a whole number in 0…256"),
        ("threshold", "high", "a number in 0…1"),
        ("long_side", "704", "a whole number in 32…8192, or several"),
        ("long_side", 704.5, "a whole number in 32…8192, or several"),
        ("long_side", b"ab", "a whole number in 32…8192, or several"),
        ("bundle", 5, "a folder's path or a Bundle"),
        ("finder", 5, '"yunet", a path or a FaceFinder'),
    ],
)
def test_options_of_another_type_are_refused(toy_bundle, name, value, accepted):
    options = {"bundle": toy_bundle, name: value}
    with pytest.raises(TypeError) as told:
        MaskDetector(**options)
    assert str(told.value) == f"{name} must be {accepted}. Received: {value!r}"


def test_the_numbers_of_numpy_are_numbers(toy_bundle):
    detector = MaskDetector(
        toy_bundle,
        threads=np.int64(1),
        threshold=np.float32(0.5),
        long_side=[np.int32(64), np.int32(128)],
    )
    assert detector.finder.long_side == 128


def test_a_detector_goes_to_other_processes(toy_bundle, portrait_file):
    detector = MaskDetector(toy_bundle.folder, threads=1, long_side=(320, 640))
    detector.threshold = 0.0
    here = detector.detect(portrait_file)
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        there = pool.submit(detector.detect, portrait_file).result()
    assert len(there) == len(here) > 0
    np.testing.assert_array_equal(there.boxes, here.boxes)
    np.testing.assert_array_equal(there.probabilities, here.probabilities)


def test_a_copy_of_a_detector_has_its_options(toy_bundle):
    detector = MaskDetector(toy_bundle, threads=2, long_side=320)
    detector.threshold = 0.7
    again = pickle.loads(pickle.dumps(detector))
    assert again.bundle == toy_bundle
    assert (again.workers, again.threshold, again.finder.long_side) == (2, 0.7, 320)


@pytest.mark.parametrize("options", [{}, {"long_side": 320}, {"long_side": (320, 640)}])
@pytest.mark.parametrize("name", [None, "yunet"])
def test_a_finder_goes_to_other_processes_as_it_is(toy_bundle, portrait, name, options):
    detector = MaskDetector(toy_bundle, finder=load_finder(name, 1, **options), threshold=0)
    again = pickle.loads(pickle.dumps(detector))
    np.testing.assert_array_equal(again.detect(portrait).boxes, detector.detect(portrait).boxes)
    assert again.finder.long_side == detector.finder.long_side


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_network_is_opened_again_in_its_runtime(runtime):
    if runtime != "onnx":
        pytest.importorskip({"litert": "ai_edge_litert"}.get(runtime, runtime))
    classifier = MaskDetector(threads=1, runtime=runtime).classifier
    size = classifier.card.size
    crops = np.random.default_rng(0).integers(0, 256, (2, size, size, 3), np.uint8)
    again = pickle.loads(pickle.dumps(classifier))
    assert type(again.network) is type(classifier.network)
    np.testing.assert_allclose(
        again.predict(crops).probabilities, classifier.predict(crops).probabilities, atol=1e-6
    )


def test_a_finder_that_is_open_has_its_size(toy_bundle):
    with pytest.raises(ValueError, match=r"yunet-s is open.*Received: 320"):
        MaskDetector(toy_bundle, finder=load_finder("yunet", 1), long_side=320)


@pytest.mark.parametrize(("value", "error"), [(7, ValueError), ("high", TypeError)])
def test_a_threshold_that_is_set_later_is_checked_too(detector, value, error):
    before = detector.threshold
    with pytest.raises(error, match=f"threshold must be .*Received: .*{value}"):
        detector.threshold = value
    assert detector.threshold == before


@pytest.mark.parametrize("boxes", [True, False])
def test_an_answer_in_parts_is_the_same_answer(boxes):
    rng = np.random.default_rng(0)
    columns = rng.random((7, 3)), rng.random(7), rng.random((7, 4)) if boxes else None
    whole = Classification(*columns)
    again = Classification.joined([whole[:3], whole[3:3], whole[3:]])
    for name in ("probabilities", "face", "boxes"):
        np.testing.assert_array_equal(getattr(again, name), getattr(whole, name))
    assert len(whole[2:4].face) == 2
