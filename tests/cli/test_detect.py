"""The detect command from end to end, through the real face finder."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image as PillowImage

from masklens.cli import main
from masklens.errors import OutputError
from masklens.io import writers
from masklens.io.pictures import read_picture
from tests.io.films import frames, write_film


@pytest.fixture
def run(toy_bundle):
    def call(*arguments, **options):
        bundle = ["--bundle", str(toy_bundle.folder)]
        return CliRunner().invoke(main, ["detect", *map(str, arguments), *bundle], **options)

    return call


def assert_one_sentence(result):
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert "Traceback" not in result.output


def test_one_picture_shows_its_faces(run, portrait_file):
    result = run(portrait_file)
    assert result.exit_code == 0
    assert "512×512" in result.output
    assert "1 picture, 1 face" in result.output


def test_all_outputs(run, portrait_file, tmp_path):
    out = tmp_path / "out"
    files = {kind: out / f"r.{kind}" for kind in ("json", "csv", "coco")}
    result = run(
        portrait_file, "--out", out, *(a for kind, f in files.items() for a in (f"--{kind}", f))
    )
    assert result.exit_code == 0
    assert all(f.exists() for f in files.values())
    assert str(out) in result.output
    annotated = np.asarray(PillowImage.open(out / "astronaut.jpg"), dtype=int)
    original = np.asarray(PillowImage.open(portrait_file), dtype=int)
    changed = np.abs(annotated - original).max(axis=2) > 60
    assert 0.001 < changed.mean() < 0.05


def test_some_failures(run, portrait_file, tmp_path):
    shutil.copy(portrait_file, tmp_path / "good.jpg")
    (tmp_path / "text.jpg").write_text("no picture")
    result = run(tmp_path, tmp_path / "absent.jpg", "--json", tmp_path / "r.json")
    assert result.exit_code == 1
    assert "text.jpg is not a picture" in result.output
    assert "absent.jpg does not exist" in result.output
    assert "2 pictures could not be read" in result.output
    assert len(json.loads((tmp_path / "r.json").read_text())) == 1
    assert_one_sentence(result)


def test_a_film_that_is_not_called_one_is_told_what_to_do(run, tmp_path):
    film = write_film(tmp_path / "walk.mp4", frames(5)).rename(tmp_path / "walk")
    (tmp_path / "text.jpg").write_text("no picture")
    assert "masklens live" in run(film).output
    assert "masklens live" not in run(tmp_path / "text.jpg").output


def test_a_folder_into_which_nothing_was_written_is_not_named(run, portrait_file, tmp_path):
    (tmp_path / "text.jpg").write_text("no picture")
    (tmp_path / "text.mp4").write_text("no film")
    (tmp_path / "out").mkdir()
    failed = [tmp_path / "text.jpg", tmp_path / "text.mp4", "--out", tmp_path / "out"]
    assert "Written" not in run(*failed).output
    assert f"Written: {tmp_path / 'out'}" in run(portrait_file, *failed).output


def test_a_link_to_nothing_is_told_like_an_unreadable_picture(run, portrait_file, tmp_path):
    shutil.copy(portrait_file, tmp_path / "good.jpg")
    (tmp_path / "dead.jpg").symlink_to("gone.jpg")
    (tmp_path / "circle.png").symlink_to("circle.png")
    (tmp_path / "notes.txt").symlink_to("gone.txt")
    for source in (tmp_path, f"{tmp_path}/*"):
        result = run(source)
        assert result.exit_code == 1
        assert "dead.jpg is a link to gone.jpg, which does not exist" in result.stderr
        assert "circle.png cannot be read: Too many levels of symbolic links" in result.stderr
        assert "notes" not in result.output
        assert "1 picture, 1 face" in result.stdout
        assert "2 pictures could not be read" in result.stderr
        assert_one_sentence(result)


def test_a_source_without_pictures_does_not_cost_the_others(run, portrait_file, tmp_path):
    (tmp_path / "empty").mkdir()
    second = shutil.copy(portrait_file, tmp_path / "second.jpg")
    table = tmp_path / "r.json"
    result = run(
        portrait_file, tmp_path / "empty", f"{tmp_path}/nomatch*.png", second, "--json", table
    )
    assert result.exit_code == 1
    complaints = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert len(complaints) == 2
    assert "empty has no pictures" in complaints[0]
    assert "nomatch*.png" in complaints[1]
    assert "2 pictures, 2 faces" in result.stdout
    assert "2 sources could not be used" in result.stderr
    assert len(json.loads(table.read_text())) == 2
    assert_one_sentence(result)


def test_sources_that_all_lack_pictures(run, tmp_path):
    result = run(f"{tmp_path}/*.png", f"{tmp_path}/*.bmp", "--json", tmp_path / "r.json")
    assert result.exit_code == 1
    assert [line.split(" ")[0] for line in result.output.splitlines()] == ["Error:", "Error:"]
    assert not (tmp_path / "r.json").exists()


def test_a_large_picture_says_once_what_finds_smaller_faces(run, portrait_file, tmp_path):
    large = tmp_path / "large.jpg"
    PillowImage.open(portrait_file).resize((3000, 3000)).save(large)
    result = run(large, portrait_file)
    assert "Searched at 704 and 1408 px: 1 picture of up to 3000 px" in result.stderr
    assert result.stderr.count("--long-side 704,2112 finds more") == 1
    assert "Searched" not in result.stdout
    assert "Searched" not in run(portrait_file).output
    both = run(large, "--long-side", "704,2112")
    assert "Searched" not in both.output
    assert "1 picture, 1 face" in both.output


@pytest.mark.parametrize("sizes", ["0", "704,", "704,9000", "x", "nan"])
def test_sizes_that_are_none(run, portrait_file, sizes):
    result = run(portrait_file, "--long-side", sizes)
    assert result.exit_code == 2
    assert "Invalid value for '--long-side'" in result.output
    assert_one_sentence(result)


def test_no_face_is_no_failure(run, tmp_path):
    PillowImage.new("RGB", (80, 60), "grey").save(tmp_path / "wall.png")
    result = run(tmp_path / "wall.png", "--json", tmp_path / "r.json")
    assert result.exit_code == 0
    assert "0 faces" in result.output
    assert json.loads((tmp_path / "r.json").read_text())[0]["faces"] == []


def test_duplicate_names_in_two_folders(run, portrait_file, tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        shutil.copy(portrait_file, tmp_path / folder / "x.jpg")
    result = run(tmp_path / "a", tmp_path / "b", "--out", tmp_path / "out")
    assert result.exit_code == 0
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["x-2.jpg", "x.jpg"]


def test_results_beside_their_sources_replace_none_of_them(run, portrait_file, tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    names = ["a.jpg", "a-2.jpg", "b.gif", "b.jpg"]
    for name in names:
        PillowImage.open(portrait_file).convert("RGB").save(folder / name)
    before = {name: (folder / name).read_bytes() for name in names}
    result = run(folder, "--out", folder)
    assert result.exit_code == 0
    assert {name: (folder / name).read_bytes() for name in names} == before
    assert len(list(folder.iterdir())) == 8


@pytest.mark.parametrize("source", ["{}", "{}/**/*.jpg"])
@pytest.mark.parametrize("out", ["", "labelled"])
def test_copies_of_earlier_runs_are_replaced_and_never_labelled(
    run, portrait_file, tmp_path, source, out
):
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("a.jpg", "b.jpg"):
        shutil.copy(portrait_file, folder / name)
    for runs in range(3):
        result = run(source.format(folder), "--out", folder / out)
        assert "2 pictures, 2 faces" in result.stdout
        assert ("2 files left out: annotated copies" in result.stderr) == (runs > 0)
        assert len(list(folder.rglob("*.jpg"))) == 4
    result = run(source.format(folder), "--csv", tmp_path / "r.csv")
    assert "2 pictures, 2 faces" in result.stdout


def test_copies_that_the_shell_names_are_not_labelled_again_where_they_are_written(
    run, portrait_file, tmp_path
):
    for name in ("a.jpg", "b.jpg"):
        shutil.copy(portrait_file, tmp_path / name)
    for runs in range(2):
        result = run(*sorted(tmp_path.glob("*.jpg")), "--out", tmp_path)
        assert "2 pictures, 2 faces" in result.stdout
        assert ("2 files left out: annotated copies" in result.stderr) == (runs > 0)
        assert len(list(tmp_path.glob("*.jpg"))) == 4
    result = run(tmp_path / "a-2.jpg", "--out", tmp_path / "elsewhere")
    assert (result.exit_code, "1 picture, 1 face" in result.stdout) == (0, True)
    result = run(tmp_path / "a-2.jpg", "--out", tmp_path)
    assert result.exit_code == 1
    assert "a-2.jpg is an annotated copy: name the picture, or another folder." in result.stderr


def test_exif_rotation_turns_the_boxes_with_the_picture(run, portrait, tmp_path):
    picture = PillowImage.fromarray(portrait)
    exif = picture.getexif()
    exif[0x0112] = 8
    picture.rotate(-90, expand=True).save(tmp_path / "turned.jpg", exif=exif, quality=95)
    picture.save(tmp_path / "upright.jpg", quality=95)
    result = run(tmp_path / "turned.jpg", tmp_path / "upright.jpg", "--json", tmp_path / "r.json")
    assert result.exit_code == 0
    turned, upright = json.loads((tmp_path / "r.json").read_text())
    assert turned["faces"][0]["box"] == pytest.approx(upright["faces"][0]["box"], abs=3)


def test_a_bundle_called_default(portrait_file, toy_bundle, monkeypatch):
    monkeypatch.chdir(toy_bundle.folder.parent)
    toy_bundle.folder.rename("default")
    answers = [
        CliRunner().invoke(main, ["detect", str(portrait_file), *bundle]).output
        for bundle in ([], ["--bundle", "default"], ["--bundle", "./default"])
    ]
    assert answers[0] == answers[1] != answers[2]


def test_a_list_on_standard_input(run, portrait_file):
    result = run("-", input=f"{portrait_file}\n\n{portrait_file.parent / 'absent.jpg'}\n")
    assert result.exit_code == 1
    assert "1 picture, 1 face" in result.output


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_list_that_a_program_of_windows_wrote(
    run, portrait_file, tmp_path, monkeypatch, encoding
):
    """Taken letter by letter, as its NULs suggest, UTF-16 would have / and . searched."""
    (tmp_path / "portrait").symlink_to(portrait_file)
    monkeypatch.chdir(tmp_path)
    result = run("-", input="portrait\r\n".encode(encoding))
    assert result.exit_code == 0
    assert "1 picture, 1 face" in result.output


@pytest.mark.parametrize(
    ("arguments", "message", "code"),
    [
        (["{tmp}/empty"], "has no pictures", 1),
        (["{tmp}/*.jpg"], "No picture matches", 1),
        ([], "Missing argument", 2),
        (["x.jpg", "--threshold", "7"], "not in the range", 2),
        (["x.jpg", "--finder", "haar"], "No face finder", 1),
        (["x.jpg", "--bundle", "{tmp}/empty"], "is not a bundle", 1),
        (["x.jpg", "--coco-images", "{tmp}/absent.json", "--coco", "y.json"], "Cannot read", 1),
    ],
)
def test_wrong_use(arguments, message, code, tmp_path, toy_bundle):
    (tmp_path / "empty").mkdir()
    arguments = [a.format(tmp=tmp_path) for a in arguments]
    if "--bundle" not in arguments:
        arguments += ["--bundle", str(toy_bundle.folder)]
    result = CliRunner().invoke(main, ["detect", *arguments])
    assert result.exit_code == code
    assert message in result.output
    assert_one_sentence(result)


def test_disk_full_stops_with_one_sentence_and_keeps_the_rest(
    run, portrait_file, tmp_path, monkeypatch
):
    save = writers.save_picture
    calls = []

    def full_after_one(path, image, **options):
        calls.append(path)
        if len(calls) > 1:
            raise OutputError(f"Cannot write {path}: No space left on device.")
        save(path, image, **options)

    monkeypatch.setattr(writers, "save_picture", full_after_one)
    for i in range(3):
        shutil.copy(portrait_file, tmp_path / f"{i}.jpg")
    result = run(tmp_path, "--out", tmp_path / "out", "--json", tmp_path / "r.json")
    assert result.exit_code == 1
    assert "No space left" in result.output
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["0.jpg"]
    assert json.loads((tmp_path / "r.json").read_text()), "what was done is kept"
    assert_one_sentence(result)


def test_the_module_runs_without_training_libraries(portrait_file, toy_bundle):
    code = (
        "import sys; from masklens.cli import main\n"
        f"main(['detect', {str(portrait_file)!r}, '--bundle', {str(toy_bundle.folder)!r}],"
        " standalone_mode=False)"
    )
    # sys.exit ends the command; the check runs on the way out.
    probe = (
        "import atexit, sys\n"
        "atexit.register(lambda: print('HEAVY', sorted({'tensorflow', 'keras', 'sklearn', 'scipy',"
        " 'matplotlib'} & set(sys.modules))))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe + code], capture_output=True, text=True, check=True
    )
    assert "HEAVY []" in done.stdout


def test_nothing_is_said_of_harmless_flaws(run, tmp_path, portrait_file, recwarn):
    """Pillow warns of them, in words that help nobody on the command line."""
    flawed = tmp_path / "flawed.jpg"
    exif = b"Exif\0\0II*\0\x08\0\0\0\x05\0"  # five entries, and none of them there
    PillowImage.open(portrait_file).save(flawed, exif=exif)
    read_picture(flawed)
    assert any("Corrupt EXIF" in str(warning.message) for warning in recwarn)
    recwarn.clear()
    assert run(flawed).exit_code == 0
    assert not len(recwarn)
