"""The app, built once for all tests of this folder from the tree as it is."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from masklens.bundle import default_bundle_folder
from tests.conftest import ROOT, lacking

CHROMIUM = os.environ.get("CHROMIUM", "chromium")
TOOLS = ("java", "javac", "mvn", "npm", "aapt", "zipalign", "apksigner", "dexdump", CHROMIUM)


@pytest.fixture(scope="session")
def tools() -> None:
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        lacking(f"missing for the Android app: {', '.join(missing)}; scripts/test installs them")


def bundle_folder() -> Path:
    """What the page's build reads: the shipped bundle, or another that somebody tries."""
    return Path(os.environ.get("MASKLENS_BUNDLE") or default_bundle_folder())


def run(*command: str | Path, cwd: Path = ROOT, **environment: str) -> str:
    """What a command prints; a command that fails fails the test with its words."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=os.environ | environment,
        capture_output=True,
        text=True,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, f"{command[0]} ended with {done.returncode}:\n{said[-4000:]}"
    return said


@pytest.fixture(scope="session")
def build(tools: None) -> Path:
    """The folder android/build after scripts/android with the debug key."""
    keys = {name: "" for name in os.environ if name.startswith("MASKLENS_KEY")}
    run("scripts/android", MASKLENS_PAGE=os.environ.get("MASKLENS_PAGE", ""), **keys)
    return ROOT / "android" / "build"


@pytest.fixture(scope="session")
def apk(build: Path) -> Path:
    return build / "masklens.apk"
