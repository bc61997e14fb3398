"""From the camera to the label, with the app's own answers: its client and its bridge run on the
JVM (PageServer), the page in headless Chromium with a phone's viewport and a fake camera."""

from __future__ import annotations

import io
import json
import os
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.android.conftest import run
from tests.conftest import ROOT

#: label -> picture before the camera, and the phone's theme
SCENES = {
    "with_mask": ("astronaut-masked.jpg", "light"),
    "without_mask": ("astronaut.jpg", "dark"),
}


@pytest.fixture(scope="module")
def app(build: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the running app answers: http://127.0.0.1:PORT."""
    folder = tmp_path_factory.mktemp("app")
    port, log = folder / "port", folder / "log"
    command = ["mvn", "--batch-mode", "--quiet", "--file", str(ROOT / "android" / "pom.xml")]
    command += ["test", "-Dtest=PageServer", f"-Dmasklens.port={port}"]
    with log.open("w") as out:
        server = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
    for _ in range(1200):
        if port.exists() or server.poll() is not None:
            break
        time.sleep(0.1)
    assert port.exists(), log.read_text()[-4000:]
    address = f"http://127.0.0.1:{port.read_text()}"
    yield address
    urllib.request.urlopen(f"{address}/stop").read()
    server.wait(60)


def film(picture: Path, target: Path) -> Path:
    """A second of a hand-held camera before a picture: 640×480, Motion JPEG."""
    face = Image.open(picture).convert("RGB").resize((480, 480))
    with target.open("wb") as out:
        for i in range(30):
            sway = abs(i - 15)
            frame = Image.new("RGB", (640, 480), (96, 96, 96))
            frame.paste(face, (70 + sway, sway // 3))
            buffer = io.BytesIO()
            frame.save(buffer, "JPEG", quality=90)
            out.write(buffer.getvalue())
    return target


@pytest.fixture(scope="module")
def seen(app: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """label -> what e2e/camera.mjs reports of a face with that label."""
    folder = Path(os.environ.get("MASKLENS_SCREENSHOTS") or tmp_path_factory.mktemp("seen"))
    reports = {}
    for label, (name, theme) in SCENES.items():
        moving = film(ROOT / "examples" / "pictures" / name, folder / f"{label}.mjpeg")
        said = run("node", ROOT / "android/e2e/camera.mjs", app, moving, folder / label, theme)
        reports[label] = json.loads(said.strip().splitlines()[-1])
        (folder / f"{label}.json").write_text(json.dumps(reports[label], indent=1))
        assert reports[label]["errors"] == []
    return reports


@pytest.mark.parametrize("label", SCENES)
def test_camera_picture_gets_its_label(seen: dict[str, dict[str, Any]], label: str) -> None:
    assert seen[label]["labels"] == [label]


@pytest.mark.parametrize("label", SCENES)
def test_everything_came_from_the_app(seen: dict[str, dict[str, Any]], label: str) -> None:
    report = seen[label]
    assert report["foreign"] == []
    assert not report["isolated"], "WebView is not, so the run must not be"
    statuses = {path: status for path, status, _ in report["requests"]}
    assert set(statuses.values()) == {200}, statuses
    assert {"/index.html", "/model/card.json"} <= set(statuses)


@pytest.mark.parametrize("label", SCENES)
def test_annotated_picture_is_kept_by_the_app(seen: dict[str, Any], label: str) -> None:
    report = seen[label]
    assert report["saved"]["status"] == 200, report["saved"]
    kept = Image.open(report["saved"]["file"])
    assert kept.size == (640, 480)


def test_back_button_leads_from_the_pictures_to_the_camera(seen: dict[str, Any]) -> None:
    report = seen["with_mask"]
    assert report["left"] == "start"
    assert report["returned"].endswith("/index.html#camera")


def test_screen_stays_on_while_the_camera_runs(seen: dict[str, dict[str, Any]]) -> None:
    assert ["keepScreenOn", True] in seen["with_mask"]["calls"]


def test_loop_is_fast_enough(seen: dict[str, dict[str, Any]]) -> None:
    # Of six seconds at a time: the machine may be busy with something else now and then.
    windows = [
        sorted(report["rates"][start : start + 6])
        for report in seen.values()
        for start in range(2, 7)
    ]
    assert max(window[3] for window in windows) >= 12, seen
