"""What scripts/retrain does between the commands that it calls; these are stand-ins here."""

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

#: Writes down what it is called with; refuses a bundle that is there, as calibrate does.
STAND_IN = """#!/bin/sh
[ "$1" != -c ] || exit 0
echo "$(basename "$0") $1" >>calls
for last; do :; done
case $1 in
    train)
        while [ "$1" != --out ]; do shift; done
        mkdir -p "$2" && touch "$2/run.json" ;;
    calibrate)
        [ ! -e "$last" ] || { echo "$last holds a bundle already." >&2; exit 1; }
        mkdir "$last" ;;
esac
"""


@pytest.fixture
def checkout(tmp_path):
    """A checkout whose environment is set up, with stand-ins for what takes hours."""
    for name in ("scripts/retrain", "scripts/setup.sh", "requirements-all.lock", "pyproject.toml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    environment = tmp_path / ".venv" / "bin"
    environment.mkdir(parents=True)
    for name in ("python", "masklens"):
        (environment / name).write_text(STAND_IN)
        (environment / name).chmod(stat.S_IRWXU)
    (environment / "activate").write_text(f"VIRTUAL_ENV='{tmp_path}/.venv'")
    stamp = "cat requirements-all.lock pyproject.toml | cksum | cut -d' ' -f1"
    number = subprocess.check_output(["sh", "-c", stamp], cwd=tmp_path, text=True).strip()
    (tmp_path / ".venv" / f"installed-{number}").touch()
    scenes = tmp_path / "pictures" / "data" / "scenes" / "val"
    scenes.mkdir(parents=True)
    (scenes / "annotations.coco.json").touch()
    return tmp_path


def retrain(checkout, *arguments):
    return subprocess.run(
        ["sh", "scripts/retrain", *arguments],
        cwd=checkout,
        env=os.environ | {"MASKLENS_DATA": str(checkout / "pictures")},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("again", ["--resume", "--overwrite"])
def test_a_run_whose_bundle_is_there_is_taken_up_or_made_anew(checkout, again):
    """It was stopped while it was measured, say: the bundle is made again."""
    assert retrain(checkout, "out").returncode == 0
    result = retrain(checkout, "out", again)
    assert (result.returncode, result.stderr) == (0, "")
    calls = [
        "masklens train",
        "masklens export",
        "masklens calibrate",
        "python benchmarks/street.py",
    ]
    assert (checkout / "calls").read_text().splitlines() == calls * 2


def test_a_bundle_of_somebody_else_is_neither_thrown_away_nor_noticed_after_hours(checkout):
    (checkout / "out" / "bundle").mkdir(parents=True)
    result = retrain(checkout, "out")
    assert result.returncode == 1
    assert result.stderr.endswith("Choose another OUT.\n")
    assert not (checkout / "calls").exists()
    assert (checkout / "out" / "bundle").exists()


def test_help_does_nothing(checkout):
    (checkout / "out" / "bundle").mkdir(parents=True)
    (checkout / "out" / "run").mkdir()
    (checkout / "out" / "run" / "run.json").touch()
    result = retrain(checkout, "out", "--help")
    assert (result.returncode, "--resume" in result.stdout) == (0, True)
    assert not (checkout / "calls").exists()
    assert (checkout / "out" / "bundle").exists()
