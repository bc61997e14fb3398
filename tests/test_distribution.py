"""What is packed for others."""

from hatchling.builders.sdist import SdistBuilder

from tests.conftest import ROOT


def test_the_source_distribution_can_be_tested_and_built():
    files = {file.relative_path for file in SdistBuilder(str(ROOT)).recurse_included_files()}
    needed = ["CONTRIBUTING.md", "NOTICE", "examples/pictures/astronaut.jpg", "scripts/test"]
    assert files.issuperset([*needed, "web/package.json", "web/src/core/crop.ts"])
    assert not {name for name in files if "node_modules" in name}
