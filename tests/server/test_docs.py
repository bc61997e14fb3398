"""docs/api.md: its examples run, and what it says of answers and limits is true."""

import json
import re
import shutil
import subprocess
import sys

import pytest

from masklens.server.settings import Limits
from tests.conftest import ROOT, lacking

PAGE = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```(sh|python)\n(.*?)```", PAGE, re.S)


@pytest.fixture
def folder(tmp_path, portrait_file):
    shutil.copy(portrait_file.with_name("astronaut-masked.jpg"), tmp_path / "photo.jpg")
    shutil.copy(portrait_file, tmp_path / "other.jpg")
    return tmp_path


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_the_examples_run(server, folder, number):
    language, text = EXAMPLES[number]
    if language == "sh" and shutil.which("curl") is None:
        lacking("curl is not installed")
    text = text.replace("http://127.0.0.1:8000", server.address).replace("curl ", "curl -sSf ")
    command = ["sh", "-ec", text] if language == "sh" else [sys.executable, "-c", text]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    if "annotated" in text:
        assert (folder / "labelled.jpg").read_bytes().startswith(b"\xff\xd8")
        assert (folder / "labelled.png").read_bytes().startswith(b"\x89PNG")
    else:
        assert "with_mask" in done.stdout


def test_the_examples_are_there():
    assert [language for language, _ in EXAMPLES].count("sh") == 4
    assert [language for language, _ in EXAMPLES].count("python") == 1


def test_the_answer_it_shows_is_the_real_one(client, folder):
    shown, failure = (json.loads(text) for text in re.findall(r"```json\n(.*?)```", PAGE, re.S))
    real = client.post("/v1/detect", content=(folder / "photo.jpg").read_bytes()).json()
    (there,), (here,) = (answer["pictures"][0].pop("faces") for answer in (shown, real))
    assert shown == real
    assert here.pop("box") == pytest.approx(there.pop("box"), abs=0.5)
    assert here.pop("probabilities") == pytest.approx(there.pop("probabilities"), abs=0.01)
    assert here.pop("label") == there.pop("label")
    assert here == pytest.approx(there, abs=0.01)
    refused = client.post("/v1/detect", content=bytes(20_000_001)).json()
    assert refused == failure


def test_the_limits_it_names():
    limits = Limits()
    said = PAGE.partition("## Limits")[2].partition("##")[0]
    for text in (
        f"{limits.body // 10**6} MB",
        f"{limits.pixels // 10**6} megapixels",
        f"| {limits.faces};",
        f"| pictures in a form | {limits.pictures} |",
        f"| {limits.queue} (`--queue`)",
        f"{limits.memory // 10**6} MB, then 429",
        f"| {limits.seconds} s from",
        f"{limits.stall} s of silence, {limits.transfer} s in all",
        f"| connections | {limits.connections} |",
    ):
        assert text in said


def test_every_code_is_named():
    source = "".join(p.read_text() for p in (ROOT / "src/masklens/server").glob("*.py"))
    codes = set(re.findall(r'(?:ApiError\(\s*|\()\d{3},\s*"(\w+)"', source))
    assert len(codes) > 12
    for code in codes:
        assert f"`{code}`" in PAGE, code
