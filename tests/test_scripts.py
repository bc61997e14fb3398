"""The shell scripts' own decisions, with a Python that only writes down what it is asked."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT

#: Says yes to everything, and makes environments of itself.
PYTHON = """#!/bin/sh
echo "$*" >>asked
[ "$1 $2" = "-m venv" ] || exit 0
rm -rf .venv && mkdir -p .venv/bin && cp "$0" .venv/bin/python
echo "VIRTUAL_ENV='$(pwd -P)/.venv'" >.venv/bin/activate
"""


@pytest.fixture
def checkout(tmp_path):
    folder = tmp_path / "a folder"
    folder.mkdir()
    shutil.copy(ROOT / "scripts" / "setup.sh", folder)
    shutil.copy(ROOT / "pyproject.toml", folder)
    shutil.copy(ROOT / "requirements.lock", folder)
    (tmp_path / "python").write_text(PYTHON)
    (tmp_path / "python").chmod(0o755)
    return folder


def set_up(folder):
    """Set the folder up -> what Python was asked for: to make an environment, to install."""
    subprocess.run(
        ["sh", "-euc", ". ./setup.sh; setup_venv requirements.lock"],
        cwd=folder,
        env=os.environ | {"PYTHON": str(folder.parent / "python")},
        check=True,
        capture_output=True,
    )
    asked = (folder / "asked").read_text()
    (folder / "asked").unlink()
    return "-m venv" in asked, "-m pip install" in asked


def test_an_environment_is_made_and_filled_once(checkout):
    assert set_up(checkout) == (True, True)
    assert set_up(checkout) == (False, False)
    with (checkout / "requirements.lock").open("a") as lock:
        lock.write("# another version\n")
    assert set_up(checkout) == (False, True)


@pytest.mark.parametrize("longer", [False, True], ids=["another path", "the end of its path"])
def test_the_environment_of_a_copied_folder_is_not_used(checkout, longer):
    copy = checkout.parent / "copy"
    original = Path(f"{checkout}{copy}") if longer else checkout
    if longer:  # as where /home/me/masklens is copied to /masklens
        shutil.copytree(checkout, original)
        shutil.copy(checkout.parent / "python", original.parent)
    set_up(original)
    shutil.copytree(original, copy)
    assert set_up(copy) == (True, True)


def test_an_environment_without_pip_is_made_again(checkout):
    set_up(checkout)
    (checkout / ".venv" / "bin" / "python").write_text("#!/bin/sh\nexit 1\n")
    assert set_up(checkout) == (True, True)
