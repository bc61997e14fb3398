import json
from pathlib import Path

import numpy as np
import pytest

from masklens.stream.votes import Votes

MASK, BARE = np.array([0.9, 0.08, 0.02], np.float32), np.array([0.1, 0.88, 0.02], np.float32)


def voted(looks, width=80.0, face=0.95):
    votes = Votes(3)
    changes = 0
    for look in looks:
        before = votes.label
        votes.add(look, face, width)
        changes += before not in (None, votes.label)
    return votes, changes


def test_the_first_look_decides_and_is_no_change():
    votes, changes = voted([BARE])
    assert (votes.label, changes, votes.looks) == (1, 0, 1)


def test_before_the_first_look_all_labels_are_alike():
    assert Votes(4).shares.tolist() == [0.25] * 4


def test_what_every_look_says_is_what_all_say():
    votes, _ = voted([MASK] * 4, face=0.7)
    assert votes.face == pytest.approx(0.7)
    lead = (0.9 + 0.15) / 1.15  # of the label that is shown
    assert votes.score == pytest.approx(0.7 * lead)


def test_one_odd_look_changes_nothing():
    votes, changes = voted([MASK] * 8 + [BARE] + [MASK] * 3)
    assert (votes.label, changes) == (0, 0)


def test_alternating_looks_do_not_flicker():
    """The unsmoothed label would change 39 times."""
    _, changes = voted([MASK, BARE] * 20)
    assert changes <= 1


def test_a_lasting_change_is_followed_within_eight_looks():
    votes, changes = voted([MASK] * 30 + [BARE] * 8)
    assert (votes.label, changes) == (1, 1)


def test_small_and_doubtful_faces_have_less_to_say():
    votes, _ = voted([MASK] * 3)
    for _ in range(3):
        votes.add(BARE, 0.95, 8.0)
    assert votes.label == 0
    votes, _ = voted([MASK] * 3)
    for _ in range(3):
        votes.add(BARE, 0.1, 80.0)
    assert votes.label == 0


def test_the_shares_name_the_label_that_is_shown():
    votes = Votes(3)
    rng = np.random.default_rng(0)
    for _ in range(200):
        votes.add(rng.dirichlet(np.ones(3)).astype(np.float32), 0.9, 60.0)
        assert int(votes.shares.argmax()) == votes.label
        assert votes.shares.sum() == pytest.approx(1, abs=1e-5)


def test_settled():
    assert not voted([MASK] * 3)[0].settled
    assert voted([MASK] * 6)[0].settled
    assert not voted([MASK] * 6 + [BARE])[0].settled
    assert voted([MASK, BARE], face=0.01)[0].settled, "what is no face need not be looked at"
    assert not voted([MASK], face=0.01)[0].settled
    assert not voted([MASK, MASK], face=0.2)[0].settled


def test_the_pages_fixture_is_what_this_module_says():
    """web/tests compares the page's votes with the labels in that file."""
    file = Path(__file__).parents[2] / "web" / "tests" / "fixtures" / "votes.json"
    for looks in json.loads(file.read_text()):
        votes = Votes(3)
        for look in looks:
            votes.add(np.array(look["probabilities"]), look["face"], look["width"])
            assert votes.label == look["label"]
