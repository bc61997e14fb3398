"""The shell around the page: its JUnit tests, on the framework of two Androids, by Maven."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

from tests.android.conftest import run
from tests.conftest import ROOT


def test_junit(build: Path) -> None:
    reports = build / "maven" / "surefire-reports"
    for old in reports.glob("*.xml"):
        old.unlink()
    run("mvn", "--batch-mode", "--quiet", "--file", ROOT / "android" / "pom.xml", "test")
    cases: list[str] = []
    for report in reports.glob("*.xml"):
        suite = ElementTree.parse(report).getroot()
        assert suite.get("failures") == suite.get("errors") == suite.get("skipped") == "0"
        cases += [str(case.get("name")) for case in suite.iter("testcase")]
    # Robolectric adds "[23]" to all but the newest Android: both have run.
    rotation = "livesOnWhenRotatedWithAnOpenQuestion"
    assert {rotation, f"{rotation}[23]"} <= set(cases)
