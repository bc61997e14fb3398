"""What a hostile day brings: names, streams, disks and outputs that are not as they should be."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image as PillowImage

from masklens.bundle import Bundle
from masklens.cli import main
from masklens.cli.options import keep_apart
from masklens.labels import LABELS

POSIX = pytest.mark.skipif(os.name != "posix", reason="names and streams of POSIX")


@pytest.fixture
def run(toy_bundle):
    def call(command, *arguments, **options):
        bundle = ["--bundle", str(toy_bundle.folder)] if command == "detect" else []
        result = CliRunner().invoke(main, [command, *map(str, arguments), *bundle], **options)
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result

    return call


@pytest.fixture(scope="module")
def shared_finder(tmp_path_factory) -> Path:
    """A run folder of train-finder, with the finder that ships."""
    shipped = Bundle.load()
    run = tmp_path_factory.mktemp("finder")
    shutil.copy(shipped.path("finder.onnx"), run)
    (run / "finder.json").write_text('{"file": "finder.onnx"}')
    return run


@pytest.fixture
def start(toy_bundle):
    """The program in a process of its own, for what is about its streams."""

    def call(*arguments, shell_part="", **options):
        # Through a shell, because only that can hand over a closed stream.
        words = [sys.executable, "-m", "masklens", "detect", *map(str, arguments)]
        words += ["--bundle", str(toy_bundle.folder)]
        return subprocess.run(
            ["bash", "-c", f'"$@" {shell_part}', "bash", *words], capture_output=True, **options
        )

    return call


@pytest.mark.parametrize("option", ["--json", "--csv", "--coco", "--tracks"])
def test_a_result_never_replaces_what_is_read(run, portrait_file, tmp_path, option):
    picture = shutil.copy(portrait_file, tmp_path / "a.jpg")
    before = picture.read_bytes()
    link = tmp_path / "link.json"
    link.symlink_to(picture)
    for target in (picture, tmp_path / "x" / ".." / "a.jpg", link):
        (tmp_path / "x").mkdir(exist_ok=True)
        result = run("detect", picture, option, target)
        assert result.exit_code == 2
        assert f"{option} would replace" in result.output
    assert picture.read_bytes() == before


def test_a_list_of_pictures_and_the_coco_file_are_kept_too(run, portrait_file, tmp_path):
    ids = tmp_path / "ids.json"
    ids.write_text('{"images": [], "categories": []}')
    result = run("detect", portrait_file, "--coco", ids, "--coco-images", ids)
    assert result.exit_code == 2
    assert ids.read_text().startswith('{"images"')
    result = run("detect", portrait_file, "--coco-images", ids)
    assert result.exit_code == 2
    assert "Give --coco FILE too" in result.output


MODEL_FILES = ("toy-bundle/card.json", "toy-bundle/classifier.onnx", "toy-bundle/parity.json")
FINDER_FILES = ("finder/finder.onnx", "finder/finder.json")


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        *(
            (f"{command} --finder {{0}}/finder/finder.onnx --json {{0}}/{name}", name)
            for command in (
                "detect {0}/a.png --bundle {0}/toy-bundle",
                "live {0}/frames --bundle {0}/toy-bundle",
                "evaluate {0}/toy-bundle {0}/data",
                "evaluate default {0}/data --against {0}/toy-bundle",
            )
            for name in (*MODEL_FILES[:2], *FINDER_FILES)
        ),
        *((f"benchmark {{0}}/toy-bundle --json {{0}}/{name}", name) for name in MODEL_FILES),
        ("live {0}/frames --json {0}/frames/1.png", "frames/1.png"),
        ("live {0}/frames/*.png --record {0}/frames/1.png", "frames/1.png"),
        ("evaluate default {0}/data --json {0}/data/with_mask/a.png", "data/with_mask/a.png"),
        ("evaluate default {0}/data --split {0}/s.csv:test --json {0}/s.csv", "s.csv"),
        ("dataset audit {0}/data --split {0}/s.csv:test --json {0}/s.csv", "s.csv"),
        ("dataset audit {0}/data --sheet {0}/data/with_mask/a.png", "data/with_mask/a.png"),
        ("dataset summary {0}/data --sheet {0}/data/with_mask/b.png", "data/with_mask/b-2.png"),
    ],
)
def test_models_frames_and_splits_are_never_replaced(
    run, toy_bundle, shared_finder, tmp_path, words, kept
):
    (toy_bundle.folder / "parity.json").write_text('{"rows": []}')
    shutil.copytree(shared_finder, tmp_path / "finder")
    names = ("a.png", "frames/1.png", *(f"data/{label}/a.png" for label in LABELS[:2]))
    for name in (*names, "data/with_mask/b-2.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        PillowImage.new("RGB", (40, 40)).save(tmp_path / name)
    (tmp_path / "s.csv").write_text(
        "file,label,group,split\nwith_mask/a.png,with_mask,0,test\n"
        "without_mask/a.png,without_mask,1,test\nwith_mask/b-2.png,with_mask,2,train\n"
    )
    before = (tmp_path / kept).read_bytes()
    result = run(*words.format(tmp_path).split())
    assert result.exit_code == 2, result.output
    assert "would replace" in result.output
    assert (tmp_path / kept).read_bytes() == before


def test_a_name_is_not_a_file_for_one_result_and_a_folder_for_another(run, portrait_file, tmp_path):
    for others in (("--csv", tmp_path / "r" / "faces.csv"), ("--out", tmp_path / "r")):
        result = run("detect", portrait_file, "--json", tmp_path / "r", *others)
        assert result.exit_code == 2
        assert "r would be a file and a folder" in result.output
    both = ("--out", tmp_path / "r", "--json", tmp_path / "r" / "faces.json")
    assert run("detect", portrait_file, *both).exit_code == 0


def test_the_folder_of_a_reports_pictures_is_looked_at_before_the_work(run, tmp_path):
    for label in LABELS[:2]:
        (tmp_path / "data" / label).mkdir(parents=True)
        PillowImage.new("RGB", (40, 40)).save(tmp_path / "data" / label / "a.png")
    figures = tmp_path / "r-figures"
    arguments = ("evaluate", "default", tmp_path / "data", "--report", tmp_path / "r.md")
    result = run(*arguments, "--json", figures)
    assert result.exit_code == 2
    assert "r-figures would be a file and a folder" in result.output
    assert not figures.exists()
    figures.touch()
    result = run(*arguments)
    assert result.exit_code == 1
    assert result.output.count("\n") == 1  # nothing was judged
    assert "a part of its path is a file" in result.output


def test_an_annotated_copy_leaves_the_tables_their_names(run, portrait_file, tmp_path):
    picture = shutil.copy(portrait_file, tmp_path / "a.jpg")
    out = tmp_path / "out"
    assert run("detect", picture, "--out", out, "--json", out / "a.jpg").exit_code == 0
    assert len(json.loads((out / "a.jpg").read_text())) == 1
    assert (out / "a-2.jpg").exists()


def test_two_results_need_two_files(run, portrait_file, tmp_path):
    result = run("detect", portrait_file, "--json", tmp_path / "r", "--csv", tmp_path / "r")
    assert result.exit_code == 2
    assert "--json and --csv both name" in result.output


def test_names_that_are_equal_to_a_mac_are_one_file(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(click.UsageError, match="--json would replace"):
        keep_apart({"--json": tmp_path / "img_1.jpg"}, [tmp_path / "IMG_1.JPG"])
    with pytest.raises(click.UsageError, match="--json and --csv both name"):
        keep_apart({"--json": tmp_path / "R", "--csv": tmp_path / "r"})


def test_a_data_set_is_never_overwritten(run, tmp_path):
    for label in ("with_mask", "without_mask"):
        (tmp_path / "data" / label).mkdir(parents=True)
        PillowImage.new("RGB", (40, 40)).save(tmp_path / "data" / label / "a.png")
    picture = tmp_path / "data" / "with_mask" / "a.png"
    before = picture.read_bytes()
    for command in (
        ("dataset", "summary", tmp_path / "data", "--sheet", picture),
        ("dataset", "audit", tmp_path / "data", "--json", picture),
        ("dataset", "split", tmp_path / "data", "--out", picture),
    ):
        result = run(*command)
        assert result.exit_code == 2
        assert "which is read" in result.output
    assert picture.read_bytes() == before
    result = run("dataset", "synthesize", tmp_path / "data", "--out", tmp_path / "data")
    assert result.exit_code == 2
    assert "is the folder that is read" in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["detect", ""], "name of a source is empty"),
        (["detect", "https://example.org/a.jpg"], "download it first"),
        (["detect", "http://me:hush@cam/?pass=hush"], "http://cam/?pass=*** is an address"),
        (["detect", "a.jpg", "--json", ""], "It is empty"),
        (["detect", "a.jpg", "--threshold", "nan"], "nan is not a number"),
        (["detect", "a.jpg", "--threads", "100000"], "0<=x<=256"),
        (["serve", "--workers", "100000"], "0<=x<=256"),
        (["dataset", "split", "data", "--out", "s.csv", "--seed", "-1"], "0<=x<="),
        (["dataset", "summary", "data", "--sheet", "sheet.xyz"], "use .png or .jpg"),
        (["dataset", "summary", ""], "It is empty"),
    ],
)
def test_senseless_arguments_are_refused_at_once(run, arguments, message):
    result = run(*arguments)
    assert result.exit_code in (1, 2)
    assert message in result.output


def test_names_longer_than_the_system_allows(run, portrait_file, tmp_path):
    result = run("detect", "x" * 5000 + ".jpg", portrait_file)
    assert result.exit_code == 1
    assert "1 picture, 1 face" in result.output
    assert "1 picture could not be read" in result.output
    result = run("detect", portrait_file, "--json", tmp_path / ("x" * 300 + ".json"))
    assert result.exit_code == 1
    assert "too long" in result.output


@pytest.mark.parametrize("box", ["x" * 5000, list(range(5000))], ids=["text", "list"])
def test_what_is_wrong_is_said_in_a_sentence_of_some_length(run, tmp_path, box):
    boxed = {"id": 1, "image_id": 1, "category_id": 1, "bbox": box}
    picture = {"id": 1, "file_name": "a.jpg", "width": 9, "height": 9}
    labels = [{"id": 1, "name": "with_mask"}]
    coco = tmp_path / "coco.json"
    coco.write_text(json.dumps({"images": [picture], "annotations": [boxed], "categories": labels}))
    result = run("dataset", "summary", coco)
    assert result.exit_code == 1
    assert f"{coco} is not a COCO detection file" in result.output
    assert result.output.endswith('and "categories".\n')  # how it should be
    assert len(result.output) < 1100


def test_results_that_cannot_be_written_are_found_out_before_the_work(
    run, portrait_file, toy_bundle, tmp_path
):
    (tmp_path / "file").write_text("in the way")
    for option in ("--json", "--csv", "--coco"):
        result = run("detect", portrait_file, option, tmp_path / "file" / "r")
        assert result.exit_code == 1
        assert "a part of its path is a file" in result.output
        assert "1 picture" not in result.output
    result = run("detect", portrait_file, "--out", tmp_path / "file" / "below")
    assert result.exit_code == 1
    assert "1 picture" not in result.output
    (tmp_path / "data" / "without_mask").mkdir(parents=True)
    shutil.copy(portrait_file, tmp_path / "data" / "without_mask" / "a.jpg")
    for command, option in (
        (("dataset", "summary", tmp_path / "data"), "--sheet"),
        (("dataset", "audit", tmp_path / "data"), "--sheet"),
        (("dataset", "audit", tmp_path / "data"), "--json"),
        (("dataset", "synthesize", tmp_path / "data"), "--sheet"),
        (("benchmark", toy_bundle.folder, "--rounds", 1), "--json"),
    ):
        result = run(*command, option, tmp_path / "file" / "r.png")
        assert result.exit_code == 1
        (line,) = result.output.splitlines()
        assert "a part of its path is a file" in line


@POSIX
def test_names_that_are_no_utf8(run, portrait_file, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    strange = os.fsencode(folder) + b"/bad\xff.jpg"
    Path(os.fsdecode(strange)).write_bytes(Path(portrait_file).read_bytes())
    out = tmp_path / "out"
    tables = {kind: out / f"r.{kind}" for kind in ("json", "csv", "coco")}
    options = [word for kind, file in tables.items() for word in (f"--{kind}", file)]
    assert run("detect", folder, "--out", out, *options).exit_code == 0
    (entry,) = json.loads(tables["json"].read_text(encoding="utf-8"))
    assert os.fsencode(entry["file"]) == strange
    assert "bad\\udcff.jpg" in tables["csv"].read_text(encoding="utf-8")
    assert b"bad\xff.jpg" in [os.fsencode(path.name) for path in out.iterdir()]
    assert run("detect", folder, "--json", out / "r.jsonl").exit_code == 0
    assert os.fsencode(json.loads((out / "r.jsonl").read_text())["file"]) == strange


@POSIX
def test_names_that_a_terminal_would_obey(run, portrait_file, tmp_path):
    """They rename its window, move its cursor or end the line: escaped wherever they are shown."""
    title, line, csi = "\x1b]0;owned\x07", "\nWritten: r.json", "\x9b2J"
    folder = tmp_path / "data" / f"in{title}"
    folder.mkdir(parents=True)
    for name in (f"good{line}.jpg", f"fine{csi}.jpg"):
        shutil.copy(portrait_file, folder / name)
    (folder / f"bad{title}{csi}.jpg").write_bytes(b"no picture")
    (single,) = [f for f in folder.iterdir() if f.name.startswith("good")]
    for result in (
        run("detect", folder, "--out", tmp_path / f"out{title}"),
        run("detect", single),
        run("detect", folder / f"absent{line}.jpg"),
        run("detect", single, "--json", single),
        run("dataset", "summary", folder.parent),
        run("dataset", "summary", tmp_path / f"absent{title}.json"),
        run("dataset", "audit", folder.parent),
        run("dataset", "synthesize", folder, "--out", tmp_path / "painted"),
    ):
        assert "\\x1b]0;owned\\x07" in result.output
        assert not set(result.output) & set(title[0] + title[-1] + csi[0])
        assert "\nWritten: r.json" not in result.output


@POSIX
@pytest.mark.parametrize("end", [b"\0", b"\n", b"\r\n"])
def test_lists_of_names_as_find_and_others_write_them(run, portrait_file, tmp_path, end):
    names = [b"a b.jpg", b"bad\xff.jpg", *([b"new\nline.jpg"] if end == b"\0" else [])]
    for name in names:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_bytes(
            Path(portrait_file).read_bytes()
        )
    listed = end.join(os.fsencode(tmp_path) + b"/" + name for name in names) + end
    result = run("detect", "-", input=listed)
    assert result.exit_code == 0
    assert f"{len(names)} pictures" in result.output


@POSIX
def test_a_device_is_written_to_and_stays_a_device(run, portrait_file):
    assert run("detect", portrait_file, "--json", "/dev/null").exit_code == 0
    assert Path("/dev/null").is_char_device()
    result = run("detect", portrait_file, "--json", "/dev/full")
    if Path("/dev/full").exists():
        assert result.exit_code == 1
        assert "No space left" in result.output
        assert Path("/dev/full").is_char_device()


@POSIX
@pytest.mark.parametrize("target", ["-", "/dev/stdout", "/dev/fd/1"])
def test_a_result_on_standard_output_is_all_that_is_there(start, portrait_file, tmp_path, target):
    done = start(portrait_file, "--json", target, shell_part="| cat")
    (entry,) = json.loads(done.stdout)
    assert len(entry["faces"]) == 1
    assert b"1 picture, 1 face" in done.stderr
    assert b"Written" not in done.stderr


@POSIX
def test_a_stream_goes_on_where_the_shell_has_led_it(start, portrait_file, tmp_path):
    notes, others = tmp_path / "notes", tmp_path / "others"
    for file in (notes, others):
        file.write_text("precious\n")
    streams = f">> {notes} 3>> {others}"
    done = start(portrait_file, "--csv", "-", "--json", "/dev/fd/3", shell_part=streams)
    assert done.returncode == 0
    assert notes.read_text().startswith("precious\nfile,x,y,")
    kept, _, result = others.read_text().partition("\n")
    assert kept == "precious"
    assert len(json.loads(result)) == 1
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == [
        *("notes", "others", "toy.onnx")
    ]


@POSIX
def test_two_results_do_not_share_standard_output(run, portrait_file):
    result = run("detect", portrait_file, "--json", "-", "--csv", "/dev/stdout")
    assert result.exit_code == 2
    assert "--json and --csv both name /dev/stdout" in result.output


@POSIX
def test_nobody_reads_a_result(start, portrait_file):
    done = start(portrait_file, "--csv", "-", shell_part="| true")
    assert b"1 picture, 1 face" in done.stderr
    assert b"Error" not in done.stderr


@POSIX
def test_a_file_called_dash(run, portrait_file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run("detect", portrait_file, "--json", "./-").exit_code == 0
    assert len(json.loads((tmp_path / "-").read_text())) == 1


@POSIX
def test_nobody_reads_on(start, portrait_file, tmp_path):
    for name in "abc":
        shutil.copy(portrait_file, tmp_path / f"{name}.jpg")
    done = start(tmp_path, shell_part="| head -1")
    assert b"badly" in done.stdout
    assert done.stderr == b""


@POSIX
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_standard_output_on_a_full_disk(start, portrait_file):
    done = start(portrait_file, shell_part="> /dev/full")
    assert done.returncode != 0
    assert b"No space left" in done.stderr
    assert b"Traceback" not in done.stderr


@POSIX
def test_streams_that_are_closed(start, portrait_file, tmp_path):
    result = tmp_path / "r.json"
    done = start(portrait_file, "--json", result, shell_part="<&- >&- 2>&-")
    assert done.returncode == 0
    assert len(json.loads(result.read_text())) == 1
    done = start("-", shell_part="<&-")
    assert done.returncode == 1
    assert b"Error: No picture was named." in done.stderr


@POSIX
def test_a_terminal_that_lacks_characters(start, portrait_file):
    done = start(portrait_file, env={**os.environ, "PYTHONIOENCODING": "cp437:strict"})
    assert done.returncode == 0
    assert b"512\\xd7512" in done.stdout


@POSIX
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stop_keeps_what_was_done_and_nothing_half(toy_bundle, tmp_path, portrait_file, sign):
    for number in range(200):
        (tmp_path / "in").mkdir(exist_ok=True)
        (tmp_path / "in" / f"{number:03}.jpg").symlink_to(portrait_file)
    out, table = tmp_path / "out", tmp_path / "r.json"
    words = [sys.executable, "-m", "masklens", "detect", str(tmp_path / "in")]
    words += ["--bundle", str(toy_bundle.folder), "--out", str(out), "--json", str(table)]
    process = subprocess.Popen(
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(sign, signal.SIG_DFL),  # nohup hands on that it is ignored
    )
    deadline = time.monotonic() + 120
    # A picture comes before its row in the table: with the second one there, the first has its row.
    while len(list(out.glob("[0-9]*.jpg"))) < 2:
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(sign)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + sign
    assert errors.strip().endswith(b"Interrupted.")
    assert b"Traceback" not in errors
    pictures = sorted(path.name for path in out.iterdir())
    assert 0 < len(pictures) < 200
    assert not [name for name in pictures if name.startswith(".")]
    for name in pictures:
        assert np.asarray(PillowImage.open(out / name)).shape == (512, 512, 3)
    done = [Path(entry["file"]).name for entry in json.loads(table.read_text())]
    assert done == pictures[: len(done)]


@POSIX
def test_a_stop_while_modules_are_imported(start, portrait_file, tmp_path):
    (tmp_path / "onnxruntime.py").write_text(
        "import os, signal\n"
        "try:\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    signal.pause()\n"
        "except BaseException as stop:\n"
        "    raise ImportError('initialization failed') from stop  # as pybind11 does\n"
    )
    paths = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = start(portrait_file, env=os.environ | {"PYTHONPATH": paths})
    assert done.stderr == b"Interrupted.\n"
    assert done.returncode == 143


def test_of_a_damaged_tiff_one_sentence_is_said(tmp_path, toy_bundle):
    path = tmp_path / "a.tiff"
    noise = np.random.default_rng(0).integers(0, 256, (20, 20, 3), np.uint8)
    PillowImage.fromarray(noise).save(path, compression="tiff_adobe_deflate")
    content = bytearray(path.read_bytes())
    content[8:40] = bytes(range(32))  # Pillow puts the pixels first
    path.write_bytes(content)
    command = [sys.executable, "-m", "masklens", "detect", path, "--bundle", toy_bundle.folder]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    said, count = done.stderr.splitlines()
    assert said.startswith(f"Error: {path} cannot be read")
    assert count == "1 picture could not be read"
