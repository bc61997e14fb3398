"""From pictures to scores, comparison, JSON and reports, through the command."""

import base64
import contextlib
import csv
import json
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image as PillowImage

from masklens.bundle import write_bundle
from masklens.cli import main
from masklens.dataset import duplicates
from masklens.dataset.scan import load_dataset
from masklens.dataset.split import COLUMNS, Row, held_in, named_parts, write_manifest
from masklens.evaluation import extras
from masklens.evaluation.compare import compare, signed
from masklens.evaluation.evaluate import evaluate
from masklens.evaluation.run import Options
from masklens.evaluation.selection import select
from masklens.evaluation.subjects import load_subject
from tests.conftest import lacking, make_toy_model, toy_card
from tests.evaluation.conftest import change


@pytest.fixture
def run(toy_bundle):
    def call(*arguments):
        return CliRunner().invoke(main, ["evaluate", *map(str, arguments)])

    return call


@pytest.fixture
def blind_bundle(tmp_path):
    """The toy bundle with its labels in another order: it is wrong about red and green."""
    make_toy_model(tmp_path / "blind.onnx")
    labels = ("without_mask", "with_mask", "mask_worn_incorrectly")
    card = toy_card(name="blind", labels=labels, outputs=labels)
    return write_bundle(tmp_path / "blind", card, {"classifier.onnx": tmp_path / "blind.onnx"})


def scores(file):
    return {k: v["value"] for k, v in json.loads(file.read_text())["scores"].items()}


@pytest.mark.parametrize("listed", [False, True], ids=["one", "several"])
def test_pictures_that_the_model_was_trained_on_are_told(run, folders, tmp_path, listed):
    data = load_dataset(folders).sha256()
    make_toy_model(tmp_path / "seen.onnx")
    card = toy_card(training={"data_sha256": ["0" * 64, data] if listed else data})
    seen = write_bundle(tmp_path / "seen", card, {"classifier.onnx": tmp_path / "seen.onnx"}).folder
    options = ("--json", tmp_path / "s.json", "--report", tmp_path / "r", "--format", "md")
    result = run(seen, folders, "--faces", "whole", *options)
    sentence = "toy 1 was trained on these pictures, or on some of them, so that the scores are too"
    assert sentence in result.output
    summary, _, rest = (tmp_path / "r" / "report.md").read_text().partition("## The pictures")
    assert sentence in summary  # beside the figures that it is about
    assert sentence not in rest
    assert json.loads((tmp_path / "s.json").read_text())["data"]["trained_on"] is True


def test_a_rival_that_was_trained_on_the_pictures_is_told_too(run, toy_bundle, folders, tmp_path):
    make_toy_model(tmp_path / "seen.onnx")
    card = toy_card(name="seen", training={"data_sha256": load_dataset(folders).sha256()})
    seen = write_bundle(tmp_path / "seen", card, {"classifier.onnx": tmp_path / "seen.onnx"}).folder
    options = ("--json", tmp_path / "s.json", "--report", tmp_path / "r.md", "--faces", "whole")
    result = run(toy_bundle.folder, folders, "--against", seen, *options, "--no-audit")
    for said in (result.output, (tmp_path / "r.md").read_text()):
        assert said.count("was trained on these pictures") == 1
        assert "seen 1 was trained on these pictures" in said
    content = json.loads((tmp_path / "s.json").read_text())
    assert content["data"]["trained_on"] is False
    assert content["comparison"]["b_trained_on"] is True


def test_of_other_pictures_it_is_not_said(run, folders, tmp_path):
    make_toy_model(tmp_path / "seen.onnx")
    card = toy_card(training={"data_sha256": "0" * 64})
    other = write_bundle(tmp_path / "other", card, {"classifier.onnx": tmp_path / "seen.onnx"})
    result = run(other.folder, folders, "--faces", "whole")
    assert result.exit_code == 0, result.output
    assert "trained on" not in result.output


@pytest.mark.parametrize(
    ("boxed", "held_in_part", "noted", "split", "said"),
    [
        (False, False, "manifest", "manifest", False),
        (False, False, "report", "manifest", True),
        (False, False, None, "manifest", False),  # the card does not say which part
        (False, True, None, "report", False),
        (False, True, None, "manifest", True),
        (True, False, None, "manifest", True),  # no recipe sets photographs aside
    ],
)
def test_of_a_split_it_is_said_where_what_is_judged_was_not_set_aside(
    folders, coco, tmp_path, boxed, held_in_part, noted, split, said
):
    for label in ("with_mask", "without_mask"):  # enough for a fifth
        for number in range(4, 8):
            shutil.copy(folders / label / "0.png", folders / label / f"{number}.png")
    whole = load_dataset(coco if boxed else folders)
    splits = {"report": "report", "manifest": str(tmp_path / "m.csv")}
    write_manifest(
        tmp_path / "m.csv",
        [Row(p.name, "any", i, "train" if i % 3 else "test") for i, p in enumerate(whole.pictures)],
    )
    training = {"data_sha256": (held_in(whole) if held_in_part else whole).sha256()}
    if noted:
        training["split_sha256"] = named_parts(whole, splits[noted]).sha256()
    make_toy_model(tmp_path / "seen.onnx")
    files = {"classifier.onnx": tmp_path / "seen.onnx"}
    bundle = write_bundle(tmp_path / "seen", toy_card(training=training), files)
    selection = select(whole, splits[split])
    judged = evaluate(load_subject(bundle.folder), selection, Options(faces="whole", resamples=9))
    assert judged.trained_on is said
    assert ("or on some of them" in judged.conditions) is said


@pytest.mark.parametrize("faces", ["find", "whole"])
def test_portraits(run, toy_bundle, folders, tmp_path, faces):
    result = run(toy_bundle.folder, folders, "--faces", faces, "--json", tmp_path / "s.json")
    assert result.exit_code == 0, result.output
    assert "7 / 8" in result.output
    assert ("Shown from score" in result.output) is (faces == "find")
    values = scores(tmp_path / "s.json")
    assert values["accuracy"] == 7 / 8
    assert values["with_mask.recall"] == 3 / 4
    assert values["without_mask.precision"] == 4 / 5


def test_a_portrait_without_a_face_counts_as_wrong(run, toy_bundle, folders, tmp_path):
    picture = folders / "without_mask" / "3.png"
    PillowImage.new("RGB", (200, 200), "green").save(picture)
    run(toy_bundle.folder, folders, "--json", tmp_path / "s.json")
    values = scores(tmp_path / "s.json")
    assert values["found"] == 7 / 8
    assert values["accuracy"] == 6 / 8
    content = json.loads((tmp_path / "s.json").read_text())
    assert content["confusion"]["counts"] == [[3, 1, 0], [0, 3, 1]]


def test_two_models_of_which_one_finds_all_faces(run, toy_bundle, folders, tmp_path):
    """How many each finds is compared, and what only found faces count for says so."""
    faces = [
        {"file": p.name, "faces": [{"box": [50, 50, 100, 100], "label": p.annotations[0].label,
         "score": 0.9}] if number else []}
        for number, p in enumerate(load_dataset(folders).pictures)
    ]  # fmt: skip
    (tmp_path / "b.json").write_text(json.dumps(faces))
    run(toy_bundle.folder, folders, "--rival", tmp_path / "b.json", "--json", tmp_path / "s.json")
    content = json.loads((tmp_path / "s.json").read_text())
    shares = content["comparison"]["differences"]["found"]
    assert (shares["a"]["value"], shares["b"]["value"]) == (1, 7 / 8)
    brier = content["comparison"]["differences"]["brier"]
    assert brier["b_minus_a"]["value"] is None
    assert "not compared, as the two found different faces" in brier["verdict"]
    titles = {key: figure["title"] for key, figure in content["scores"].items()}
    assert titles["brier"] == "Brier score (0 best, 2 worst), found faces"
    assert titles["with_mask.roc_auc"] == "with_mask: area under ROC curve, found faces"
    assert titles["accuracy"] == "Accuracy"


def test_the_working_size_of_the_face_finder(run, toy_bundle, coco, tmp_path):
    """At 32 px the faces are a few pixels small, and are not found."""
    file, report = tmp_path / "s.json", tmp_path / "r.md"
    for sizes, recall in (("32", 0), ("32,704", 1)):
        made = ("--json", file, "--report", report, "--no-audit", "--mistakes", 0)
        result = run(toy_bundle.folder, coco, "--threshold", 0.2, "--long-side", sizes, *made)
        assert result.exit_code == 0, result.output
        assert scores(file)["masked_recall"] == recall
    assert json.loads(file.read_text())["options"]["long_side"] == [32, 704]
    assert "Face finder of the bundle at 32 and 704 px" in report.read_text()


def test_scenes(run, toy_bundle, coco, tmp_path):
    result = run(toy_bundle.folder, coco, "--json", tmp_path / "s.json", "--threshold", 0.2)
    assert result.exit_code == 0, result.output
    values = scores(tmp_path / "s.json")
    assert values["masked_recall"] == 1
    assert values["boxed.accuracy"] == 1
    assert values["map50"] == pytest.approx(1)
    content = json.loads((tmp_path / "s.json").read_text())
    assert content["data"]["faces"] == {
        "with_mask": 2,
        "without_mask": 2,
        "mask_worn_incorrectly": 2,
    }
    assert content["model"]["files"] == {
        "classifier.onnx": toy_bundle.card.files["classifier.onnx"]["sha256"]
    }
    low = content["scores"]["boxed.accuracy"]["low"]
    assert low == pytest.approx(0.6097, abs=1e-4)  # Wilson, 6 of 6


def test_two_bundles(run, toy_bundle, blind_bundle, coco, tmp_path):
    result = run(
        blind_bundle.folder, coco, "--against", toy_bundle.folder, "--json", tmp_path / "s.json"
    )
    assert result.exit_code == 0, result.output
    words = " ".join(result.output.split())
    assert "No difference is shown on accuracy, boxed (+66.7 points, 95 % interval 0.0" in words
    comparison = json.loads((tmp_path / "s.json").read_text())["comparison"]
    assert comparison["differences"]["boxed.accuracy"]["b_minus_a"]["value"] == pytest.approx(4 / 6)
    assert comparison["label_test"]["only_b_right"] == 4
    assert comparison["label_test"]["p_value"] == 2 / 2**4  # McNemar's, four to none


def test_two_runs_of_a_recipe_are_told_apart(run, toy_bundle, coco, tmp_path):
    other = shutil.copytree(toy_bundle.folder, tmp_path / "other")
    result = run(toy_bundle.folder, coco, "--against", other, "--json", tmp_path / "s.json")
    assert result.exit_code == 0, result.output
    comparison = json.loads((tmp_path / "s.json").read_text())["comparison"]
    name = f"{toy_bundle.card.name} {toy_bundle.card.version}"
    assert comparison["a"] == f"{name} ({toy_bundle.folder})"
    assert comparison["b"] == f"{name} ({other})"


def test_a_model_does_not_differ_from_itself(toy_bundle, coco):
    subject, selection = load_subject(toy_bundle.folder), select(coco)
    result = evaluate(subject, selection, Options(resamples=50))
    comparison = compare(result, result)
    for d in comparison.differences:
        assert not d.decided
        assert "Both are alike" in d.verdict or "compared" in d.verdict
        assert np.isnan(d.estimate.low)
    assert comparison.label_test.p_value == 1


def test_our_own_predictions_as_a_rival_score_what_the_bundle_scores(
    run, toy_bundle, coco, tmp_path
):
    predictions = tmp_path / "ours.json"
    images = coco.parent / "images"
    made = CliRunner().invoke(
        main,
        ["detect", str(images), "--bundle", str(toy_bundle.folder), "--threshold", "0",
         "--json", str(predictions)],
    )  # fmt: skip
    assert made.exit_code == 0, made.output
    result = run(
        toy_bundle.folder, coco, "--rival", predictions, "--rival-threshold", 0.3,
        "--json", tmp_path / "s.json",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    differences = json.loads((tmp_path / "s.json").read_text())["comparison"]["differences"]
    assert "masked_recall_35" in differences
    for key, difference in differences.items():
        assert abs(difference["b_minus_a"]["value"] or 0) < 1e-3, key


def test_the_report_stands_alone_and_says_what_the_json_says(
    run, toy_bundle, blind_bundle, coco, tmp_path
):
    _need_weasyprint()
    out = tmp_path / "out"
    result = run(
        blind_bundle.folder, coco, "--against", toy_bundle.folder, "--report", out,
        "--format", "html,md,pdf", "--json", out / "s.json",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    html = (out / "report.html").read_text()
    addresses = re.findall(r'(?:src|href)="([^"]*)"', html)
    assert addresses
    assert all(a.startswith("data:") for a in addresses)
    assert "url(" not in html.split("</style>")[0]
    for a in addresses:
        kind, data = a.removeprefix("data:").split(";base64,")
        content = base64.b64decode(data)
        if kind == "image/svg+xml":
            ElementTree.fromstring(content)
        else:
            assert content[:2] == b"\xff\xd8"
    numbers = [int(n) for n in re.findall(r"Figure (\d+)\.</span>", html)]
    assert numbers == list(range(1, len(numbers) + 1))
    values = json.loads((out / "s.json").read_text())["scores"]
    for key in ("masked_recall_35", "f1_two_class", "boxed.accuracy", "map50"):
        assert f"{values[key]['value']:.3f}" in html
    assert blind_bundle.card.files["classifier.onnx"]["sha256"] in html
    assert "<pre>masklens" in html
    assert (out / "report.pdf").read_bytes().startswith(b"%PDF")
    markdown = (out / "report.md").read_text()
    linked = re.findall(r"!\[[^\]]*\]\(([^)]*)\)", markdown)
    assert linked
    assert all((out / a).is_file() for a in linked)
    assert "**Table 1.**" in markdown


def _need_weasyprint():
    # Importing it here would change how all pictures are read.
    if subprocess.run([sys.executable, "-c", "import weasyprint"], capture_output=True).returncode:
        lacking("WeasyPrint, or what it needs from the system, is not installed")


def test_a_pdf_leaves_pillow_as_it_was(tmp_path):
    """WeasyPrint tells it to read truncated pictures, which ours must not be."""
    _need_weasyprint()
    code = (
        "import sys; from pathlib import Path; from PIL import ImageFile; "
        "from masklens.evaluation.report.write import write_pdf; "
        "write_pdf(Path(sys.argv[1]), '<p>short'); print(ImageFile.LOAD_TRUNCATED_IMAGES)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "a.pdf")]
    said = subprocess.run(command, capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "False"


def test_the_report_on_bare_faces_only(run, toy_bundle, coco, tmp_path):
    change(coco, lambda c: [a.update(category_id=2) for a in c["annotations"]])
    target = tmp_path / "r.html"
    result = run(toy_bundle.folder, coco, "--report", target)
    assert result.exit_code == 0, result.output
    words = re.sub(r'src="[^"]*"', "", target.read_text())
    assert "Of all faces found," in words
    assert "nan" not in words


def test_the_report_on_portraits(run, toy_bundle, folders, tmp_path):
    target = tmp_path / "r.html"
    result = run(toy_bundle.folder, folders, "--faces", "whole", "--report", target)
    assert result.exit_code == 0, result.output
    html = target.read_text()
    assert "with_mask/3.png" in html  # the one mistake
    assert "occlusion" in html


def test_unreadable_pictures_end_with_1(run, toy_bundle, folders):
    (folders / "with_mask" / "0.png").write_text("")
    result = run(toy_bundle.folder, folders, "--faces", "whole")
    assert result.exit_code == 1
    assert "could not be read" in result.output


@pytest.fixture
def noise(tmp_path):
    """Five different pictures of noise per label, each with its mirror image."""
    rng = np.random.default_rng(5)
    for label in ("with_mask", "without_mask"):
        folder = tmp_path / "noise" / label
        folder.mkdir(parents=True)
        for number in range(5):
            small = PillowImage.fromarray(rng.integers(0, 255, (12, 12, 3), dtype=np.uint8))
            picture = small.resize((160, 160), PillowImage.Resampling.BICUBIC)
            picture.save(folder / f"{number}.png")
            picture.transpose(PillowImage.Transpose.FLIP_LEFT_RIGHT).save(folder / f"{number}b.png")
    return tmp_path / "noise"


def test_a_grouped_split_looks_for_copies_once(run, toy_bundle, noise, tmp_path, monkeypatch):
    looked_at, extract = [], duplicates.extract

    def counted(path, finder):
        looked_at.append(path)
        return extract(path, finder)

    monkeypatch.setattr(duplicates, "extract", counted)
    (noise / "with_mask" / "gone.png").symlink_to("absent.png")
    target = tmp_path / "r.md"
    made = ("--faces", "whole", "--split", "grouped", "--report", target, "--mistakes", 0)
    result = run(toy_bundle.folder, noise, *made)
    assert result.exit_code == 1, result.output
    assert "gone.png is a link to absent.png, which does not exist." in result.output
    assert len(looked_at) == len(set(looked_at)) == 21
    text = " ".join(target.read_text().split())
    assert "the split grouped, in 2 groups of near-duplicates" in text
    assert "Of these 4 pictures 0 (0.0%) have a near-duplicate in the training part" in text
    assert "20 of the 21 pictures are near-duplicates of another one in the whole data set" in text


@pytest.mark.parametrize(
    ("test", "grouped", "said"),
    [
        ("0 0b", False, True),
        ("0 0b", True, False),
        ("0 1", False, False),  # their copies are in the training part
    ],
)
def test_copies_that_count_as_independent_are_told(
    run, toy_bundle, noise, tmp_path, test, grouped, said
):
    pictures = load_dataset(noise).pictures
    rows = [
        Row(p.name, "any", number // 2 if grouped else number,
            "test" if p.path.stem in test.split() else "train")
        for number, p in enumerate(pictures)
    ]  # fmt: skip
    write_manifest(tmp_path / "m.csv", rows)
    made = ("--faces", "whole", "--split", tmp_path / "m.csv", "--mistakes", 0)
    result = run(toy_bundle.folder, noise, *made, "--report", tmp_path / "r.md")
    assert result.exit_code == 0, result.output
    text = (tmp_path / "r.md").read_text()
    assert "20 of the 20 pictures are near-duplicates of another one in the whole data set" in text
    assert ("independent, so that the intervals are too narrow" in text) is said


def test_the_search_for_copies_draws_the_bar_that_it_is_handed(noise):
    drawn = {}

    @contextlib.contextmanager
    def bar(total, title):
        drawn[title] = [total, 0]

        def progress():
            drawn[title][1] += 1

        yield progress

    select(noise, "grouped", bar)
    assert drawn == {"looking for near-duplicates": [20, 20]}


def test_wrong_use(run, toy_bundle, coco):
    both = run(toy_bundle.folder, coco, "--against", "default", "--rival", "x.json")
    assert both.exit_code == 2
    alone = run(toy_bundle.folder, coco, "--rival-threshold", 0.3)
    assert (alone.exit_code, "--against or --rival. Give one." in alone.output) == (2, True)
    missing = run(toy_bundle.folder, coco.parent / "absent")
    assert missing.exit_code == 1
    assert missing.output.startswith("Error: ")
    assert "Traceback" not in missing.output


def test_a_missing_extra_is_one_line(run, toy_bundle, coco, monkeypatch):
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    result = run(toy_bundle.folder, coco)
    assert result.exit_code == 1
    assert 'pip install "masklens[evaluate]"' in result.output


def test_points():
    assert [signed(v) for v in (0.031, -0.0121, 0.0)] == ["+3.1", "−1.2", "0.0"]


def test_an_interval_that_leaves_zero_out_by_little_shows_it():
    """As of two models whose probabilities differ in the fourth digit, always the same way."""
    assert [signed(v) for v in (4e-5, -4e-5, -1e-17)] == ["+0.0", "−0.0", "0.0"]


def test_the_command_imports_nothing_heavy_for_help():
    before = set(sys.modules)
    assert CliRunner().invoke(main, ["evaluate", "--help"]).exit_code == 0
    assert "matplotlib" not in set(sys.modules) - before


def test_real_scenes_agree_with_the_annotations(shared_data, toy_bundle, tmp_path):
    """Perfect predictions score perfectly on the real annotations: nothing is lost on the way."""
    source = shared_data / "data" / "scenes" / "val" / "annotations.coco.json"
    content = json.loads(source.read_text())
    names = {c["id"]: c["name"] for c in content["categories"]}
    entries = {
        i["id"]: {"file": i["file_name"], "width": i["width"], "height": i["height"], "faces": []}
        for i in content["images"]
    }
    for a in content["annotations"]:
        entries[a["image_id"]]["faces"].append(
            {"box": a["bbox"], "label": names[a["category_id"]], "score": 1.0}
        )
    file = tmp_path / "perfect.json"
    file.write_text(json.dumps(list(entries.values())))
    result = evaluate(load_subject(file), select(source), Options(resamples=20))
    values = {k: m.estimate.value for k, m in result.measures.items()}
    for key in ("masked_recall", "face_precision", "f1", "map50", "map"):
        assert values[key] == pytest.approx(1, abs=0.005), key


def test_the_manifest_columns_are_those_of_the_split_command(folders, tmp_path):
    with (tmp_path / "m.csv").open("w", newline="") as file:
        csv.writer(file).writerows([COLUMNS, ("with_mask/0.png", "with_mask", 0, "test"),
                                    ("without_mask/0.png", "without_mask", 1, "test"),
                                    ("with_mask/1.png", "with_mask", 2, "train")])  # fmt: skip
    assert len(select(folders, f"{tmp_path / 'm.csv'}:test").dataset) == 2
