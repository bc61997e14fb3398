"""What the page's own tests are held against is what Python makes today."""

import importlib.util
import json

import pytest

from tests.conftest import ROOT

FIXTURES = ROOT / "web" / "tests" / "fixtures"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The folder that make.py has filled now."""
    spec = importlib.util.spec_from_file_location("make", FIXTURES / "make.py")
    make = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make)
    folder = tmp_path_factory.mktemp("fixtures")
    make.main(folder)
    return folder


#: Pictures, in which versions of OpenCV round a level otherwise.
PICTURES = {"pixels", "half", "views"}


def is_alike(a, b, pixels=False):
    """Equal, but for the last digits of fractions, and for a level of a picture's pixels."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(is_alike(a[k], b[k], k in PICTURES) for k in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(is_alike(x, y, pixels) for x, y in zip(a, b, strict=True))
    if isinstance(a, float) or isinstance(b, float):
        return a == pytest.approx(b, abs=1e-5)
    return abs(a - b) <= 1 if pixels else a == b


@pytest.mark.parametrize("name", ["python", "votes", "tables", "places", "rules"])
def test_fixtures_are_what_python_makes(made, name):
    kept = json.loads((FIXTURES / f"{name}.json").read_text())
    now = json.loads((made / f"{name}.json").read_text())
    assert is_alike(kept, now), "run python web/tests/fixtures/make.py, then npm --prefix web test"
