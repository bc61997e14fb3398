import runpy

from tests.conftest import ROOT


def test_the_reference_is_what_help_says():
    script = runpy.run_path(str(ROOT / "scripts" / "cli_reference.py"))
    written = (ROOT / "docs" / "cli.md").read_text()
    assert written == script["reference"](), (
        "docs/cli.md is old. Run: python scripts/cli_reference.py > docs/cli.md"
    )
