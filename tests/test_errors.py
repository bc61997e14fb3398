"""Errors travel between processes: one that does not ends a pool, or leaves it waiting for ever."""

import copy
import importlib
import inspect
import pickle
import re

import pytest

from masklens.errors import MasklensError
from tests.conftest import ROOT

SOURCES = ROOT / "src"


def every_error():
    """The classes of the tree, wherever they are defined."""
    for path in sorted(SOURCES.rglob("*.py")):
        if re.search(
            r"^class \w+\((\w*\.)?\w+Error\b", path.read_text(encoding="utf-8"), re.MULTILINE
        ):
            importlib.import_module(".".join(path.relative_to(SOURCES).with_suffix("").parts))
    classes = [MasklensError]
    for one in classes:
        classes += one.__subclasses__()
    return classes


def roundtrips(error):
    yield copy.copy(error)
    yield copy.deepcopy(error)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        yield pickle.loads(pickle.dumps(error, protocol))


@pytest.mark.parametrize("kind", every_error())
def test_an_error_survives_pickle_and_copy(kind):
    _self, *parameters = inspect.signature(kind.__init__).parameters.values()
    named = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    error = kind(*(named or ["message"]))
    error.add_note("seen")
    for again in roundtrips(error):
        assert type(again) is kind
        assert (str(again), again.args) == (str(error), error.args)
        assert again.__dict__ == error.__dict__
