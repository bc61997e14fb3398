import asyncio
import hashlib
import json
import re

import httpx
import pytest

from masklens import MaskDetector
from masklens.bundle import default_bundle_folder
from masklens.server.api import create_app
from masklens.server.settings import Settings
from tests.server.conftest import error_of

FILES = {
    "index.html": b"<!doctype html><title>page</title>",
    "service-worker.js": b"self.skipWaiting()",
    "manifest.webmanifest": b"{}",
    "assets/index-B4kE9x_2.js": b"console.log(1)" * 100,
    "assets/ort-wasm-Cq81mWze.wasm": b"\0asm" * 100,
    "assets/plain.js": b"1",
    "examples/a.jpg": b"\xff\xd8",
    "model/card.json": b'{"name": "the copy of the build"}',
}


def asking(app):
    """A function that asks an application."""

    def ask(path, method="GET", **headers):
        async def one():
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(
                transport=transport, base_url="http://localhost"
            ) as client:
                names = {name.replace("_", "-").lower(): value for name, value in headers.items()}
                return await client.request(method, path, headers=names)

        return asyncio.run(one())

    return ask


@pytest.fixture(scope="module")
def get(tmp_path_factory):
    """A function that asks the application, with a page that was built."""
    folder = tmp_path_factory.mktemp("root") / "page"
    for name, content in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    (folder.parent / "secret.txt").write_text("secret")
    app, service = create_app(MaskDetector(threads=1), Settings(workers=1), folder)
    yield asking(app)
    service.engine.close()


@pytest.mark.parametrize(
    ("path", "name", "kind", "caching"),
    [
        ("/", "index.html", "text/html; charset=utf-8", "no-cache"),
        ("/index.html", "index.html", "text/html; charset=utf-8", "no-cache"),
        ("/service-worker.js", "service-worker.js", "text/javascript; charset=utf-8", "no-cache"),
        ("/manifest.webmanifest", "manifest.webmanifest", "application/manifest+json", "no-cache"),
        ("/assets/index-B4kE9x_2.js", None, "text/javascript; charset=utf-8", "immutable"),
        ("/assets/ort-wasm-Cq81mWze.wasm", None, "application/wasm", "immutable"),
        ("/assets/plain.js", None, "text/javascript; charset=utf-8", "no-cache"),
        ("/examples/a.jpg", None, "image/jpeg", "no-cache"),
    ],
)
def test_types_and_caching(get, path, name, kind, caching):
    answer = get(path)
    assert answer.status_code == 200
    assert answer.content == FILES[name or path[1:]]
    assert answer.headers["content-type"] == kind
    assert answer.headers["cache-control"].endswith(caching)
    assert "content-security-policy" in answer.headers
    again = get(path, If_None_Match=answer.headers["etag"])
    assert (again.status_code, again.content) == (304, b"")
    head = get(path, "HEAD")
    assert head.headers["content-length"] == str(len(answer.content))
    assert head.content == b""


@pytest.mark.parametrize(
    ("asked", "status", "content"),
    [
        ("bytes=0-3", 206, b"\0asm"),
        ("bytes=abc", 200, None),  # RFC 9110, section 14.2: what is no range is passed over
        ("bytes=9-5", 200, None),
        ("abc", 200, None),
        ("lines=1-2", 200, None),
        ("bytes=400-", 416, None),
    ],
)
def test_ranges(get, asked, status, content):
    path = "/assets/ort-wasm-Cq81mWze.wasm"
    answer = get(path, Range=asked)
    assert answer.status_code == status
    if status == 416:
        assert error_of(answer)["code"] == "range_not_satisfiable"
        assert answer.headers["content-range"] == "bytes */400"
    else:
        assert answer.content == (content or FILES[path[1:]])


@pytest.mark.parametrize(
    "path",
    [
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/assets/..%2f..%2fsecret.txt",
        "/..%5csecret.txt",
        "/assets/%00",
        "//etc/passwd",
        "/" + "a" * 5000,
        "/model/../../secret.txt",
        "/model/%00",
        "/docs/%00",
        "/%00",
        "/assets/%00.js",
        "/model/%2e%2e/__init__.py",
        "/model/..%2f..%2fbundle.py",
        "/assets",
        "/nothing.js",
    ],
)
def test_nothing_else_is_served(get, path):
    answer = get(path)
    assert answer.status_code == 404
    assert error_of(answer)["code"] == "not_found"


def test_the_model_is_that_of_the_bundle_and_not_the_copy_of_the_build(get):
    folder = default_bundle_folder()
    assert get("/model/card.json").content == (folder / "card.json").read_bytes()
    card = json.loads(get("/model/card.json").content)
    for name, facts in card["files"].items():
        answer = get(f"/model/{name}")
        assert hashlib.sha256(answer.content).hexdigest() == facts["sha256"]
        if name.endswith((".onnx", ".tflite")):
            assert answer.headers["content-type"] == "application/octet-stream"
        assert answer.headers["cache-control"] == "no-cache"
        assert get(f"/model/{name}", If_None_Match=answer.headers["etag"]).status_code == 304


def test_of_a_bundle_only_what_its_card_lists_is_served_and_no_link_leads_out(toy_bundle, tmp_path):
    app, service = create_app(MaskDetector(toy_bundle, threads=1), Settings(workers=1))
    get, path = asking(app), toy_bundle.path()
    assert get(f"/model/{path.name}").content == path.read_bytes()
    path.with_name("notes.txt").write_text("not listed")
    assert get("/model/notes.txt").status_code == 404
    path.rename(tmp_path / "secret")
    path.symlink_to(tmp_path / "secret")
    assert get(f"/model/{path.name}").status_code == 404
    service.engine.close()


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1/detect", "POST"),
        ("DELETE", "/v1/detect", "POST"),
        ("POST", "/v1/model", "GET, HEAD"),
        ("HEAD", "/v1/detect", "POST"),
        ("POST", "/docs", "GET, HEAD"),
        ("POST", "/", "GET, HEAD"),
        ("PUT", "/model/card.json", "GET, HEAD"),
    ],
)
def test_other_methods(get, method, path, allowed):
    answer = get(path, method)
    assert answer.status_code == 405
    assert ", ".join(sorted(answer.headers["allow"].split(", "))) == allowed
    if method != "HEAD":
        assert error_of(answer)["code"] == "method_not_allowed"


def test_other_methods_without_a_built_page(tmp_path):
    app, service = create_app(MaskDetector(threads=1), Settings(workers=1), tmp_path / "absent")
    ask = asking(app)
    assert error_of(ask("/"))["code"] == "no_page"
    assert ask("/", "HEAD").status_code == 404
    answer = ask("/", "POST")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, HEAD"
    service.engine.close()


@pytest.mark.parametrize(
    "path",
    ["/docs", "/docs/start.js", "/openapi.json", "/v1/model", "/healthz", "/metrics"],
)
def test_head_is_get_without_the_body(get, path):
    answer, head = get(path), get(path, "HEAD")
    assert (answer.status_code, head.status_code, head.content) == (200, 200, b"")
    assert head.headers["content-type"] == answer.headers["content-type"]


def test_the_documentation_needs_nobody_else_and_no_inline_scripts(get):
    page = get("/docs").text
    assert not re.search(r"https?:|<style|style=|\son\w+=", page)
    assert all(tag.endswith(" defer></script>") for tag in re.findall(r"<script.*?</script>", page))
    sources = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(sources) >= 4
    for source in sources:
        assert get(f"/{source}").status_code == 200
    description = get("/openapi.json").json()
    assert set(description["paths"]) == {
        "/v1/detect", "/v1/detect/annotated", "/v1/model", "/healthz", "/metrics"
    }  # fmt: skip
    assert all(len(operations) == 1 for operations in description["paths"].values())


def test_without_a_page_it_says_how_to_build_it(tmp_path):
    app, service = create_app(MaskDetector(threads=1), Settings(workers=1), tmp_path)
    answer = asking(app)("/")
    service.engine.close()
    assert answer.status_code == 404
    assert "scripts/build-wheel" in error_of(answer)["message"]
