"""What is packed for others."""

import shutil
import subprocess

import pytest
from hatchling.builders.sdist import SdistBuilder

from tests.conftest import ROOT


def test_the_source_distribution_can_be_tested_and_built():
    files = {file.relative_path for file in SdistBuilder(str(ROOT)).recurse_included_files()}
    needed = ["CONTRIBUTING.md", "NOTICE", "examples/pictures/astronaut.jpg", "scripts/test"]
    assert files.issuperset([*needed, "web/package.json", "web/src/core/crop.ts"])
    assert not {name for name in files if "node_modules" in name}


@pytest.mark.skipif(shutil.which("git") is None, reason="needs Git")
def test_git_for_windows_leaves_files_as_they_are(tmp_path):
    """It is set up to end lines in CR LF, and the card knows each file's sha256."""
    names = ["src/masklens/models/default/parity.json", "scripts/demo"]
    for name in [".gitattributes", *names]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, tmp_path / name)
    for command in (["init", "-q"], ["add", "."], ["checkout-index", "--all", "--prefix=out/"]):
        subprocess.run(["git", "-c", "core.autocrlf=true", *command], cwd=tmp_path, check=True)
    for name in names:
        assert (tmp_path / "out" / name).read_bytes() == (ROOT / name).read_bytes()
