import asyncio
import io
import json
from concurrent.futures import ThreadPoolExecutor

import httpx
import jsonschema
import numpy as np
import pytest
from benchmarks.api_load import seeds
from PIL import Image as PillowImage

from masklens import MaskDetector
from masklens.io.pictures import read_picture
from masklens.io.writers import face_records
from masklens.server.api import create_app
from masklens.server.settings import Settings
from tests.server.conftest import error_of


@pytest.fixture(scope="module")
def detector():
    return MaskDetector()


@pytest.fixture(scope="module")
def crowd(portrait):
    """Twenty-four faces in one picture: more than one batch takes."""
    small = np.asarray(PillowImage.fromarray(portrait).resize((256, 256)))
    return np.tile(small, (4, 6, 1))


def png(image):
    out = io.BytesIO()
    PillowImage.fromarray(image).save(out, "PNG", compress_level=1)
    return out.getvalue()


def same(faces, expected):
    """Batches of other sizes add in another order; the last digits may differ."""
    assert len(faces) == len(expected)
    for face, other in zip(faces, expected, strict=True):
        assert face["label"] == other["label"]
        assert face["box"] == pytest.approx(other["box"], abs=0.1)
        assert face["score"] == pytest.approx(other["score"], abs=1e-3)
        assert face["probabilities"] == pytest.approx(other["probabilities"], abs=1e-3)


def test_one_picture_as_the_body(client, detector, portrait_file):
    answer = client.post("/v1/detect", content=portrait_file.read_bytes())
    assert answer.status_code == 200
    (picture,) = answer.json()["pictures"]
    assert (picture["file"], picture["width"], picture["height"]) == ("body", 512, 512)
    assert picture["faces"], "no face in the portrait"
    same(picture["faces"], face_records(detector.detect(portrait_file)))


def test_what_curl_sends_unasked_is_taken(client, portrait_file):
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = client.post("/v1/detect", content=portrait_file.read_bytes(), headers=headers)
    assert answer.status_code == 200


def test_several_pictures_as_a_form_come_back_in_order_and_one_may_fail(
    client, detector, portrait_file
):
    folder = portrait_file.parent
    names = ["astronaut-masked.jpg", "astronaut.jpg", "astronaut-badly-worn.jpg"]
    files = [("picture", (name, (folder / name).read_bytes())) for name in names]
    files.insert(1, ("picture", ("notes.txt", b"no picture at all")))
    answer = client.post("/v1/detect", files=files)
    assert answer.status_code == 200
    pictures = answer.json()["pictures"]
    assert [p["file"] for p in pictures] == [names[0], "notes.txt", *names[1:]]
    assert pictures[1]["error"]["code"] == "not_a_picture"
    assert "faces" not in pictures[1]
    for name, picture in zip(names, [pictures[0], *pictures[2:]], strict=True):
        same(picture["faces"], face_records(detector.detect(folder / name)))


def test_a_form_of_which_nothing_can_be_read_is_an_error(client):
    files = [("picture", (f"{i}.jpg", b"nothing")) for i in range(2)]
    answer = client.post("/v1/detect", files=files)
    assert answer.status_code == 415
    assert "0.jpg" in error_of(answer)["message"]


def test_the_faces_of_a_crowd_are_put_together_in_their_order(client, detector, crowd):
    answer = client.post("/v1/detect", content=png(crowd))
    faces = answer.json()["pictures"][0]["faces"]
    assert len(faces) >= 20
    key = lambda face: [round(v) for v in face["box"]]  # noqa: E731
    same(sorted(faces, key=key), sorted(face_records(detector.detect(crowd)), key=key))
    assert [f["score"] for f in faces] == sorted((f["score"] for f in faces), reverse=True)


@pytest.mark.parametrize("number", range(len(seeds())))
def test_every_format_and_colour_mode_is_read(client, number, tmp_path):
    content = seeds()[number]
    (tmp_path / "picture").write_bytes(content)
    height, width = read_picture(tmp_path / "picture").shape[:2]
    answer = client.post("/v1/detect", content=content)
    assert answer.status_code == 200
    picture = answer.json()["pictures"][0]
    assert (picture["width"], picture["height"]) == (width, height)


def test_another_server_can_run_it(portrait_file):
    """It knows nothing of hanging up."""
    app, service = create_app(MaskDetector(threads=1), Settings(workers=1))

    async def ask():
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.post("/v1/detect", content=portrait_file.read_bytes())

    answer = asyncio.run(ask())
    service.engine.close()
    assert answer.status_code == 200
    assert len(answer.json()["pictures"][0]["faces"]) == 1


def test_thresholds_and_presets(client, crowd):
    counts = {}
    for query in ("preset=sensitive", "preset=default", "preset=precise", "threshold=1"):
        answer = client.post(f"/v1/detect?{query}", content=png(crowd)).json()
        counts[query] = len(answer["pictures"][0]["faces"])
        assert all(f["score"] >= answer["threshold"] for f in answer["pictures"][0]["faces"])
    assert list(counts.values()) == sorted(counts.values(), reverse=True)
    assert counts["threshold=1"] == 0
    card = client.get("/v1/model").json()
    answer = client.post("/v1/detect?preset=precise", content=png(crowd)).json()
    assert answer["threshold"] == card["thresholds"]["precise"]


@pytest.mark.parametrize("query", ["threshold=2", "threshold=nan", "threshold=x", "preset=best"])
def test_bad_parameters_say_what_was_received(client, query):
    answer = client.post(f"/v1/detect?{query}", content=b"x")
    assert answer.status_code == 422
    assert query.partition("=")[2] in error_of(answer)["message"]


@pytest.mark.parametrize("path", ["/v1/detect", "/v1/detect/annotated"])
def test_misspelt_parameters_are_not_passed_over(client, portrait_file, path):
    answer = client.post(f"{path}?treshold=0.99", content=portrait_file.read_bytes())
    assert answer.status_code == 422
    error = error_of(answer)
    assert error["code"] == "bad_parameter"
    for part in ("treshold", "only threshold and preset", "0.99"):
        assert part in error["message"]


def test_answers_are_what_the_description_says(client, portrait_file):
    description = client.get("/openapi.json").json()
    files = [("picture", ("a.jpg", portrait_file.read_bytes())), ("picture", ("b.jpg", b"x"))]
    schema = {"$ref": "#/components/schemas/Answer", "components": description["components"]}
    jsonschema.validate(client.post("/v1/detect", files=files).json(), schema)
    schema["$ref"] = "#/components/schemas/Failure"
    jsonschema.validate(client.post("/v1/detect", content=b"x").json(), schema)


@pytest.mark.parametrize(
    ("accept", "style"),
    [
        (None, "JPEG"),
        ("image/png", "PNG"),
        ("text/html, image/webp;q=0.8", "WEBP"),
        ("image/png;q=0, image/webp", "WEBP"),
    ],
)
def test_the_annotated_picture(client, portrait_file, portrait, accept, style):
    headers = {"Accept": accept} if accept else {}
    content = portrait_file.read_bytes()
    answer = client.post("/v1/detect/annotated", content=content, headers=headers)
    picture = PillowImage.open(io.BytesIO(answer.content))
    assert picture.format == style
    assert answer.headers["content-type"] == f"image/{style.lower()}"
    assert picture.size == (512, 512)
    changed = np.abs(np.asarray(picture.convert("RGB")).astype(int) - portrait).max(axis=2) > 60
    assert 0.001 < changed.mean() < 0.2, "a box and a label, and nothing else"


@pytest.mark.parametrize(("accept", "longest"), [("image/jpeg", 65_500), ("image/webp", 16_383)])
def test_what_is_too_long_for_a_format_can_be_had_as_png(client, accept, longest):
    def ask(side, accept):
        content = png(np.full((8, side, 3), 90, np.uint8))
        return client.post("/v1/detect/annotated", content=content, headers={"Accept": accept})

    assert ask(longest, accept).status_code == 200
    answer = ask(longest + 1, accept)
    assert answer.status_code == 422
    error = error_of(answer)
    assert error["code"] == "unwritable_picture"
    assert error["message"].endswith("Ask for PNG: Accept: image/png.")
    assert ask(longest + 1, "image/png").status_code == 200


def test_the_annotated_picture_keeps_no_metadata(client, portrait):
    exif = PillowImage.Exif()
    exif[0x010E] = "where the photographer lives"
    out = io.BytesIO()
    PillowImage.fromarray(portrait).save(out, "JPEG", exif=exif)
    answer = client.post("/v1/detect/annotated", content=out.getvalue())
    assert b"photographer" not in answer.content


def test_only_one_picture_can_be_annotated(client, portrait_file):
    files = [("picture", (f"{i}.jpg", portrait_file.read_bytes())) for i in range(2)]
    answer = client.post("/v1/detect/annotated", files=files)
    assert answer.status_code == 413
    assert error_of(answer)["code"] == "too_many_pictures"


def test_the_card(client, detector):
    expected = json.loads(json.dumps(detector.card.to_dict()))
    assert client.get("/v1/model").json() == expected


def test_health_and_metrics(client, portrait_file):
    assert client.get("/healthz").json() == {"status": "ok"}
    client.post("/v1/detect", content=portrait_file.read_bytes())
    text = client.get("/metrics").text
    assert 'masklens_requests_total{method="POST",route="/v1/detect",status="200"}' in text
    assert "masklens_batch_faces_count" in text
    assert "process_resident_memory_bytes" in text


@pytest.mark.parametrize("path", ["/v1/detect", "/v1/detect/annotated"])
def test_faces_are_counted_by_label(server, client, portrait_file, path):
    def counted():
        return server.metric("masklens_faces_total", 'label="without_mask"')

    before = counted()
    client.post(path, content=portrait_file.read_bytes())
    assert counted() == before + 1


def test_labels_of_metrics_are_bounded(client):
    for path in ("/secret/a.jpg", "/v1/b", "/c?d=e"):
        client.get(path)
    text = client.get("/metrics").text
    assert "secret" not in text
    assert 'route="other"' in text


def test_many_clients_get_their_own_answers(server, shared_data, detector):
    folder = shared_data / "data" / "scenes" / "val" / "images"
    paths = sorted(folder.iterdir())[:40]
    expected = list(detector.detect_many(paths))
    with httpx.Client(base_url=server.address, timeout=60) as client, ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda p: client.post("/v1/detect", content=p.read_bytes()).json(), paths)
        )
    for answer, detections in zip(answers, expected, strict=True):
        same(answer["pictures"][0]["faces"], face_records(detections))
