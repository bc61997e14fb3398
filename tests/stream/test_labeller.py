"""Following and voting, with a classifier that goes by colour and a finder that is told."""

from dataclasses import replace

import numpy as np
import pytest

from masklens.card import SecondLook
from masklens.detector import MaskDetector
from masklens.faces import Faces
from masklens.io.frames import Frame
from masklens.stream.labeller import StreamLabeller

RED, GREEN, GREY = (230, 20, 20), (20, 230, 20), (90, 90, 90)
DULL = (100, 90, 90)


class KnownPlaces:
    """A finder that is told."""

    name = "known"
    long_side = 960

    def __init__(self):
        self.boxes = []
        self.score = 0.9

    def find(self, image):
        boxes = np.asarray(self.boxes, np.float32).reshape(-1, 4)
        scores = np.full(len(boxes), self.score, np.float32)
        return Faces(boxes, scores, np.zeros((len(boxes), 5, 2), np.float32))


class Scene:
    """Feeds a labeller: frames in which coloured squares are faces."""

    def __init__(self, toy_bundle, **options):
        self.finder = KnownPlaces()
        self.records = []
        self.detector = MaskDetector(toy_bundle, finder=self.finder, threads=1)
        self.labeller = StreamLabeller(self.detector, on_end=self.records.append, **options)
        self.index = 0

    def frame(self, *faces, look=True, session=0, base=GREY, step=0.1):
        image = np.full((240, 960, 3), base, np.uint8)
        self.finder.boxes = []
        for x, y, side, colour in faces:
            image[y - 10 : y + side + 10, max(0, x - 10) : x + side + 10] = colour
            self.finder.boxes.append([x, y, x + side, y + side])
        frame = Frame(image, "x", index=self.index, time=self.index * step, session=session)
        self.index += 1
        return self.labeller.update(frame, self.labeller.find(frame) if look else None)


@pytest.fixture
def scene(toy_bundle):
    return Scene(toy_bundle)


def test_a_face_is_followed_and_labelled(scene):
    for i in range(10):
        seen = scene.frame((20 + 5 * i, 40, 40, RED))
    assert seen.label_names == ["with_mask"]
    assert list(seen.track_ids) == [1]
    scene.labeller.close()
    (record,) = scene.records
    assert (record.number, record.frames, record.label, record.changes) == (1, 10, "with_mask", 0)
    assert record.first == 0
    assert record.last == pytest.approx(0.9)


def test_a_face_is_kept_when_the_camera_turns(scene, portrait):
    """By more than two widths of the face at once, over a scene with something to see in it."""
    wide = np.tile(portrait, (1, 6, 1))[:240]
    for index, left in enumerate([0, 0, 0, 100, 100, 0]):
        view = np.ascontiguousarray(wide[:, left : left + 960])
        x = 500 - left
        view[90:150, x - 10 : x + 50] = RED
        scene.finder.boxes = [[x, 100, x + 40, 140]]
        frame = Frame(view, "x", index=index, time=index * 0.2)
        seen = scene.labeller.update(frame, scene.labeller.find(frame))
        assert list(seen.track_ids) == [1]


def test_between_looks_the_box_moves_on(scene):
    for i in range(9):
        seen = scene.frame((20 + 12 * i, 40, 40, RED), look=i % 3 == 0)
    assert len(seen) == 1
    assert seen.boxes[0, 0] == pytest.approx(20 + 12 * 8, abs=8)


def test_a_face_that_is_gone_is_shown_no_longer(scene):
    scene.frame((20, 40, 40, RED))
    counts = [len(scene.frame()) for _ in range(20)]
    assert counts[0] == 1
    assert counts[5] == 0
    assert len(scene.records) == 1


def test_a_flash_does_not_change_the_label(scene):
    labels = []
    for i in range(30):
        colour = GREEN if i in (10, 17) else RED
        labels += scene.frame((20, 40, 40, colour)).label_names
    assert set(labels) == {"with_mask"}


def test_settled_faces_are_classified_seldom(scene):
    for _ in range(50):
        scene.frame((20, 40, 40, RED))
    assert 5 <= scene.labeller.looks <= 12


def test_votes_stand_in_for_the_second_look(toy_bundle):
    card = replace(toy_bundle.card, second_look=SecondLook(0.0, 1e-6, cut=4))
    scene = Scene(replace(toy_bundle, card=card))
    classifier, runs = scene.detector.classifier, []
    run = classifier.run
    classifier.run = lambda tensor: runs.append(len(tensor)) or run(tensor)
    for _ in range(4):
        scene.frame((20, 40, 40, RED))
    assert sum(runs) == scene.labeller.looks > 0


def test_a_face_is_hidden_when_its_score_falls_well_below_the_threshold(scene):
    score = float(scene.frame((20, 40, 40, DULL)).scores[0])
    counts = []
    for share in (0.9, 0.75, 0.65):  # of the threshold
        scene.detector.threshold = score / share
        counts.append(len(scene.frame((20, 40, 40, DULL))))
    assert counts == [1, 1, 0]


def test_a_face_that_the_finder_is_not_sure_of_is_looked_at_when_it_is_found_again(scene):
    scene.frame()
    scene.finder.score = 0.6
    assert len(scene.frame((20, 40, 40, RED))) == scene.labeller.looks == 0
    assert len(scene.frame((20, 40, 40, RED))) == scene.labeller.looks == 1
    scene.finder.score = 0.9
    assert len(scene.frame((20, 40, 40, RED), (400, 40, 40, RED))) == 2


def test_in_a_slow_stream_every_face_is_looked_at_at_once(scene):
    """A picture every two seconds: nothing is found again before it is forgotten."""
    scene.finder.score = 0.6
    for _ in range(3):
        assert len(scene.frame((20, 40, 40, RED), step=2.0)) == 1


def test_a_lasting_change_is_in_the_history(scene):
    for _ in range(20):
        scene.frame((20, 40, 40, RED))
    for _ in range(40):
        seen = scene.frame((20, 40, 40, GREEN))
    assert seen.label_names == ["without_mask"]
    scene.labeller.close()
    (record,) = scene.records
    assert [label for _, label in record.history] == ["with_mask", "without_mask"]


def test_a_crowd_is_labelled_in_turns_largest_first(toy_bundle):
    scene = Scene(toy_bundle, budget=8)
    faces = [(20 + 36 * (n % 25), 20 + 110 * (n // 25), 12 + n % 9, RED) for n in range(50)]
    shown = []
    for _ in range(10):
        before = scene.labeller.looks
        seen = scene.frame(*faces)
        assert scene.labeller.looks - before <= 8
        shown.append(len(seen))
    assert shown[0] == 8
    widths = (
        seen.boxes[np.argsort(seen.track_ids)][:, 2] - seen.boxes[np.argsort(seen.track_ids), 0]
    )
    assert widths[:8].min() >= widths[8:].max() - 1
    assert shown[6] == 50


def test_a_cut_and_a_reconnection_begin_new_tracks(scene):
    assert list(scene.frame((20, 40, 40, RED)).track_ids) == [1]
    assert list(scene.frame((20, 40, 40, RED), base=(250, 250, 250)).track_ids) == [2]
    assert list(scene.frame((20, 40, 40, RED), base=(250, 250, 250), session=1).track_ids) == [3]
    assert [r.number for r in scene.records] == [1, 2]


@pytest.mark.parametrize(("pause", "track"), [(15, 1), (30, 2)])
def test_who_is_there_after_a_long_pause_is_somebody_new(scene, pause, track):
    """Recorders join what moved to one film, in which half an hour may lie between two frames."""
    scene.frame((20, 40, 40, RED), step=pause)
    assert list(scene.frame((20, 40, 40, RED), step=pause).track_ids) == [track]


def test_the_best_look_is_the_largest(scene):
    for i in range(8):
        scene.frame((20, 40, 40 + (20 if i == 3 else 0), RED))
    scene.labeller.close()
    assert scene.records[0].best_frame == 3


def test_boxes_stay_in_the_picture(scene):
    for i in range(11):
        seen = scene.frame((880 + 5 * i, 40, 40, RED), look=i < 8)
    assert seen.boxes[:, 2].max() <= 960
