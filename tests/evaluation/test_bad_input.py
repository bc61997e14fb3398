"""Whatever does not fit is refused in one sentence that says what to do."""

import json
import re

import pytest
from PIL import Image as PillowImage

from masklens.bundle import write_bundle
from masklens.errors import DatasetError, InputError, MasklensError, OutputError
from masklens.evaluation.evaluate import evaluate
from masklens.evaluation.report.targets import report_targets
from masklens.evaluation.run import Options
from masklens.evaluation.selection import select
from masklens.evaluation.subjects import load_subject
from tests.conftest import make_toy_model, toy_card
from tests.evaluation.conftest import change


def judge(bundle, data, **options):
    subject = load_subject(bundle.folder if hasattr(bundle, "folder") else bundle)
    return evaluate(subject, select(data), Options(resamples=50, **options))


def prediction(name, box=(60.0, 20.0, 40.0, 50.0), label="with_mask", score=0.9, width=200, **more):
    face = {"box": list(box), "label": label, "score": score} | more
    return {"file": name, "width": width, "height": 200, "faces": [face]}


@pytest.fixture
def rival(tmp_path):
    def write(entries):
        file = tmp_path / "theirs.json"
        file.write_text(json.dumps(entries))
        return file

    return write


def test_a_bundle_called_default(toy_bundle, monkeypatch):
    monkeypatch.chdir(toy_bundle.folder.parent)
    toy_bundle.folder.rename("default")
    assert load_subject("./default").name == "toy 1"
    assert load_subject("default").name != "toy 1"


def test_no_label_in_common(toy_bundle, folders):
    for folder in list(folders.iterdir()):
        folder.rename(folders / {"with_mask": "cat", "without_mask": "dog"}[folder.name])
    with pytest.raises(DatasetError, match=r"does not know: \['cat', 'dog'\]\. .*rename"):
        judge(toy_bundle, folders)


def test_a_label_that_the_model_does_not_know(toy_bundle, folders):
    (folders / "visor").mkdir()
    PillowImage.new("RGB", (20, 20)).save(folders / "visor" / "a.png")
    with pytest.raises(DatasetError, match="visor"):
        judge(toy_bundle, folders)


def test_one_label_only(toy_bundle, folders):
    for path in (folders / "without_mask").iterdir():
        path.unlink()
    (folders / "without_mask").rmdir()
    with pytest.raises(DatasetError, match="one label only"):
        judge(toy_bundle, folders)


def test_an_empty_folder(toy_bundle, folders):
    (folders / "mask_worn_incorrectly").mkdir()
    with pytest.raises(DatasetError, match=r"mask_worn_incorrectly has no pictures"):
        judge(toy_bundle, folders)


@pytest.mark.parametrize("box", [[500, 500, 20, 20], [10, 10, 0, 20], [-50, 0, 40, 40]])
def test_an_annotated_box_outside_its_picture(toy_bundle, coco, box):
    change(coco, lambda c: c["annotations"][0].update(bbox=box))
    with pytest.raises(DatasetError, match=r"0\.png is 200×200.*outside, or without area"):
        judge(toy_bundle, coco)


def test_a_box_that_reaches_over_the_edge_is_clipped(toy_bundle, coco):
    change(coco, lambda c: c["annotations"][0].update(bbox=[170, 10, 60, 60]))
    assert judge(toy_bundle, coco).scenes.pictures[0].truth[0].tolist() == [170, 10, 200, 70]


def test_crowds_count_neither_way(toy_bundle, coco):
    """The label of a crowd may be anything: it is none of a face."""
    change(coco, lambda c: c["categories"].append({"id": 9, "name": "many people"}))
    change(coco, lambda c: c["annotations"][0].update(iscrowd=1, category_id=9))
    result = judge(toy_bundle, coco)
    assert result.measures["face_recall"].estimate.total == 5
    assert result.measures["face_precision"].estimate.total == 5
    assert "regions marked as crowds: 1." in result.conditions


def test_no_face_that_counts(toy_bundle, coco):
    with pytest.raises(DatasetError, match=r"is 500 pixels wide or wider.*Lower --min-face"):
        judge(toy_bundle, coco, min_face=500)


def test_a_picture_listed_twice(toy_bundle, coco):
    change(coco, lambda c: c["images"].append(c["images"][0] | {"id": 99}))
    with pytest.raises(DatasetError, match=r"lists picture .*0\.png twice"):
        judge(toy_bundle, coco)


def test_pictures_that_cannot_be_read_are_left_out_and_named(toy_bundle, folders):
    (folders / "with_mask" / "2.png").write_text("no picture")
    result = judge(toy_bundle, folders, faces="whole")
    assert len(result.selection.dataset) == 7
    assert "2.png" in result.unreadable[0]


def test_one_label_is_left_of_what_can_be_read(toy_bundle, folders):
    for path in (folders / "with_mask").iterdir():
        path.write_text("no picture")
    with pytest.raises(DatasetError, match=r"can be read of one label only \(without_mask\)"):
        judge(toy_bundle, folders, faces="whole")


def test_no_picture_at_all(toy_bundle, coco):
    for path in (coco.parent / "images").iterdir():
        path.write_bytes(b"damaged")
    with pytest.raises(DatasetError, match="No picture of"):
        judge(toy_bundle, coco)


def test_predictions_for_other_pictures(coco, rival):
    with pytest.raises(InputError, match=r"other pictures: none of the 7.*elsewhere\.jpg"):
        judge(rival([prediction("elsewhere.jpg")]), coco)


def test_predictions_of_detect_on_data_with_a_damaged_picture(coco, rival):
    """It gives no entry to what cannot be read; evaluate asked for one, and leaves it out too."""
    (coco.parent / "images" / "3.png").write_bytes(b"damaged")
    entries = [{"file": f"{number}.png", "faces": []} for number in range(7) if number != 3]
    assert len(judge(rival(entries), coco).unreadable) == 1


def test_predictions_that_leave_pictures_out(coco, rival):
    with pytest.raises(InputError, match=r"lacks 6 of the 7 pictures, such as 1\.png"):
        judge(rival([prediction("0.png")]), coco)


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        (prediction("0.png", box=(300, 20, 40, 50)), "a box outside the picture"),
        (prediction("0.png", box=(10, 20, -4, 50)), "a box outside the picture"),
        (prediction("0.png", box=(float("nan"), 20, 4, 50)), "a box outside the picture"),
        (prediction("0.png", box=(1, 2, 3)), "cannot be read"),
        (prediction("0.png", score=1.5), "scores outside 0…1"),
        (prediction("0.png", score="high"), "cannot be read"),
        (prediction("0.png", score=10**400), "cannot be read: OverflowError"),
        (prediction("0.png", box=()), "cannot be read"),
        (prediction("0.png", box=(10**400, 2, 3, 4)), "cannot be read: OverflowError"),
        (prediction("0.png", box=(1, 2, 1e300, 4)), "a box outside the picture"),
        (prediction("0.png", face_score=[0.9, 0.8]), "cannot be read"),
        (prediction("0.png", face_score=float("nan")), "scores outside 0…1"),
        (
            prediction("0.png", probabilities={"with_mask": float("nan")}),
            "must be finite and not negative",
        ),
        (prediction("0.png", width=640), "made on a picture of 640×200"),
        ({"file": "0.png", "width": 640, "faces": []}, "made on a picture of 640×200"),
        (prediction("0.png", probabilities=[0.9, 0.1]), "holds no predictions"),
        (prediction("1.png", score=0.8), r"has 2 entries for 1\.png"),  # of a film's frames, say
    ],
)
def test_predictions_that_cannot_be(coco, rival, entry, sentence):
    others = [prediction(f"{i}.png") for i in range(1, 7)]
    with pytest.raises(InputError, match=sentence):
        judge(rival([entry, *others]), coco)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("{", "holds no predictions"),
        ("[1, 2]", "holds no predictions"),
        ('{"a": 1}', "holds no predictions"),
        ('[{"file": "a.jpg"}]', "holds no predictions"),
        (json.dumps([prediction("0.png", label="hat")]), r"does not know: \['hat'\]"),
    ],
)
def test_a_file_that_holds_no_predictions(tmp_path, coco, content, sentence):
    file = tmp_path / "p.json"
    file.write_text(content)
    with pytest.raises(InputError, match=sentence):
        judge(file, coco)


def test_a_name_that_could_be_two_pictures(coco, rival):
    entries = [prediction(f"{part}/{i}.png") for i in range(7) for part in ("a", "b")]
    with pytest.raises(InputError, match="2 entries that could be"):
        judge(rival(entries), coco)


def test_an_entry_that_could_be_two_pictures(folders, rival):
    """Both folders of the data have a 0.png."""
    with pytest.raises(InputError, match=r"one entry, 0\.png, that could be with_mask/0\.png and"):
        judge(rival([prediction(f"{i}.png") for i in range(4)]), folders)


def test_probabilities_may_be_null(coco, rival):
    result = judge(rival([prediction(f"{i}.png", probabilities=None) for i in range(7)]), coco)
    assert result.measures["with_mask.found"].estimate.total == 2


def test_predictions_cannot_be_judged_on_whole_pictures(folders, rival):
    names = [f"{label}/{i}.png" for label in ("with_mask", "without_mask") for i in range(4)]
    with pytest.raises(DatasetError, match="--faces whole"):
        judge(rival([prediction(name) for name in names]), folders, faces="whole")


def test_a_model_of_two_labels_counts_badly_worn_as_none(tmp_path, coco):
    make_toy_model(tmp_path / "two.onnx", outputs=2)
    labels = ("with_mask", "without_mask")
    bundle = write_bundle(
        tmp_path / "two", toy_card(labels=labels, outputs=labels),
        {"classifier.onnx": tmp_path / "two.onnx"},
    )  # fmt: skip
    result = judge(bundle, coco)
    assert result.labels == labels
    assert result.measures["masked_recall"].estimate.total == 4


def test_splits_that_do_not_fit(tmp_path, folders):
    manifest = tmp_path / "split.csv"
    with pytest.raises(DatasetError, match=r"Cannot read the split .*report, grouped or"):
        select(folders, str(manifest))
    manifest.write_text("file,label\na,b\n")
    with pytest.raises(DatasetError, match="not a split manifest"):
        select(folders, str(manifest))
    manifest.write_text("file,label,group,split\na.png,with_mask,0,test\nb.png,x,1,train\n")
    with pytest.raises(DatasetError, match=r"names no picture.*it lists a\.png"):
        select(folders, f"{manifest}:test")
    with pytest.raises(DatasetError, match='no part "exam"'):
        select(folders, f"{manifest}:exam")
    rows = [
        "file,label,group,split",
        "with_mask/0.png,with_mask,0,test",
        "with_mask/1.png,w,1,train",
    ]
    manifest.write_text("\n".join(rows))
    with pytest.raises(
        DatasetError, match=r"The test part of the split .* has pictures of one label"
    ):
        select(folders, f"{manifest}:test")


def test_a_manifest_selects_and_groups(tmp_path, folders):
    manifest = tmp_path / "split.csv"
    rows = ["file,label,group,split"]
    for label in ("with_mask", "without_mask"):
        rows += [f"{label}/{i}.png,{label},{i // 2},{'train' if i == 3 else 'test'}"
                 for i in range(4)]  # fmt: skip
    manifest.write_text("\n".join(rows))
    selection = select(folders, f"{manifest}:test")
    assert [p.name for p in selection.dataset.pictures] == [
        f"{label}/{i}.png" for label in ("with_mask", "without_mask") for i in range(3)
    ]
    assert selection.groups.tolist() == [0, 0, 1, 0, 0, 1]


@pytest.mark.parametrize(
    ("report", "formats", "expected"),
    [
        ("out", None, {"html": "out/report.html"}),
        ("out", "html,md,pdf", {k: f"out/report.{k}" for k in ("html", "md", "pdf")}),
        ("a.pdf", None, {"pdf": "a.pdf"}),
        ("a.html", "html, md", {"html": "a.html", "md": "a.md"}),
        (None, None, {}),
    ],
)
def test_report_files(tmp_path, report, formats, expected):
    targets = report_targets(tmp_path / report if report else None, formats)
    assert {k: str(p.relative_to(tmp_path)) for k, p in targets.items()} == expected


@pytest.mark.parametrize(("report", "formats"), [("out", "docx"), (None, "pdf")])
def test_report_formats_that_cannot_be(tmp_path, report, formats):
    with pytest.raises(OutputError, match="--format"):
        report_targets(tmp_path / report if report else None, formats)


def test_a_report_with_another_ending_is_no_folder(tmp_path):
    with pytest.raises(OutputError, match=r"writes html, md, pdf\. Received: .*r\.docx"):
        report_targets(tmp_path / "r.docx", None)
    (tmp_path / "r.docx").mkdir()
    assert report_targets(tmp_path / "r.docx", None) == {"html": tmp_path / "r.docx/report.html"}


def test_predictions_that_are_not_there(tmp_path, folders):
    with pytest.raises(InputError, match=r"Cannot read .*absent\.json: No such file"):
        judge(tmp_path / "absent.json", folders)


def test_every_refusal_is_a_sentence(toy_bundle, folders):
    (folders / "visor").mkdir()
    PillowImage.new("RGB", (20, 20)).save(folders / "visor" / "a.png")
    with pytest.raises(MasklensError) as refusal:
        judge(toy_bundle, folders)
    assert re.fullmatch(r"[^\n]+[.!]", str(refusal.value))
