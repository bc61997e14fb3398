"""Fetching: the real code path against a server that behaves well, and badly."""

from __future__ import annotations

import hashlib
import json
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from masklens.dataset import download
from masklens.dataset.download import fetch
from masklens.dataset.manifest import ListedFile, Manifest, load_manifest
from masklens.errors import DatasetError, DownloadError, OutputError

FILES = {
    "with_mask/a b.jpg": b"first" * 40_000,
    "with_mask/2.jpg": b"second" * 50_000,
    "without_mask/3.jpg": bytes(range(256)) * 900,
}


@dataclass
class Site:
    """A web site in a thread, and what it should do wrong."""

    files: dict[str, bytes]
    url: str = ""
    status: dict[str, list[int]] = field(default_factory=dict)  # answers to give first
    break_after: dict[str, list[int]] = field(default_factory=dict)  # bytes before breaking off
    ranges: bool = True
    requests: Counter[str] = field(default_factory=Counter)
    bytes_sent: Counter[str] = field(default_factory=Counter)


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site(dict(FILES))

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None:
            pass

        def do_GET(self) -> None:
            name = self.path.removeprefix("/base/").replace("%20", " ")
            site.requests[name] += 1
            content = site.files.get(name)
            if content is None:
                return self.send_error(404)
            if site.status.get(name):
                return self.send_error(site.status[name].pop(0))
            start = 0
            if site.ranges and (wanted := self.headers.get("Range")):
                start = int(wanted.removeprefix("bytes=").removesuffix("-"))
                if start >= len(content):
                    return self.send_error(416)
            body = content[start:]
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if site.break_after.get(name):
                body = body[: site.break_after[name].pop(0)]
            self.wfile.write(body)
            site.bytes_sent[name] += len(body)
            return None

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    site.url = f"http://127.0.0.1:{server.server_port}/base"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield site
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "_FIRST_PAUSE", 0.0)


@pytest.fixture
def manifest(site: Site) -> Manifest:
    listed = tuple(
        ListedFile(name, len(content), hashlib.sha256(content).hexdigest())
        for name, content in FILES.items()
    )
    return Manifest("toy", "https://example.org", "none", (site.url,), listed)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, hidden ones too."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_everything_comes_in_and_is_counted(site: Site, manifest: Manifest, tmp_path: Path) -> None:
    seen: Counter[str] = Counter()
    lock = threading.Lock()

    def progress(name: str, count: int) -> None:
        with lock:
            seen[name] += count

    done = fetch(manifest, tmp_path, progress=progress)
    assert (done.present, done.fetched) == (0, 3)
    assert contents(tmp_path) == FILES
    assert seen == {name: len(content) for name, content in FILES.items()}


def test_second_call_asks_for_nothing(site: Site, manifest: Manifest, tmp_path: Path) -> None:
    fetch(manifest, tmp_path)
    site.requests.clear()
    done = fetch(manifest, tmp_path)
    assert (done.present, done.fetched) == (3, 0)
    assert not site.requests


def test_damaged_file_on_disk_is_replaced(site: Site, manifest: Manifest, tmp_path: Path) -> None:
    fetch(manifest, tmp_path)
    (tmp_path / "with_mask" / "2.jpg").write_bytes(b"damaged")
    done = fetch(manifest, tmp_path)
    assert (done.present, done.fetched) == (2, 1)
    assert contents(tmp_path) == FILES


def test_server_that_dies_mid_file_is_continued_not_restarted(
    site: Site, manifest: Manifest, tmp_path: Path
) -> None:
    name = "with_mask/2.jpg"
    site.break_after[name] = [70_000, 1_000]
    fetch(manifest, tmp_path)
    assert contents(tmp_path) == FILES
    assert site.requests[name] == 3
    assert site.bytes_sent[name] == len(FILES[name])


def test_interrupted_fetch_is_finished_by_the_next(
    site: Site, manifest: Manifest, tmp_path: Path
) -> None:
    name = "with_mask/2.jpg"
    site.break_after[name] = [70_000]
    with pytest.raises(DownloadError, match=r"with_mask/2\.jpg could not be downloaded.*broke off"):
        fetch(manifest, tmp_path, attempts=1, connections=1)
    assert not (tmp_path / name).exists()
    fetch(manifest, tmp_path)
    assert contents(tmp_path) == FILES
    assert site.bytes_sent[name] == len(FILES[name])


def test_server_without_ranges_starts_the_file_again(
    site: Site, manifest: Manifest, tmp_path: Path
) -> None:
    site.ranges = False
    site.break_after["with_mask/2.jpg"] = [70_000]
    fetch(manifest, tmp_path)
    assert contents(tmp_path) == FILES


@pytest.mark.parametrize("length", [1_000, 10_000_000])  # shorter and longer than the real file
def test_leftover_of_another_file_is_thrown_away(
    site: Site, manifest: Manifest, tmp_path: Path, length: int
) -> None:
    (tmp_path / "with_mask").mkdir()
    (tmp_path / "with_mask" / ".2.jpg.part").write_bytes(b"x" * length)
    fetch(manifest, tmp_path)
    assert contents(tmp_path) == FILES


def test_busy_server_is_asked_again(site: Site, manifest: Manifest, tmp_path: Path) -> None:
    site.status["with_mask/2.jpg"] = [503, 429, 500]
    fetch(manifest, tmp_path)
    assert site.requests["with_mask/2.jpg"] == 4


@pytest.mark.parametrize("content", [b"short", b"y" * 300_000, b"long" * 200_000])
def test_changed_file_is_named_and_not_kept(
    site: Site, manifest: Manifest, tmp_path: Path, content: bytes
) -> None:
    site.files["with_mask/2.jpg"] = content
    with pytest.raises(DownloadError, match=r"1 of 3 files .*with_mask/2\.jpg has changed"):
        fetch(manifest, tmp_path)
    assert set(contents(tmp_path)) == set(FILES) - {"with_mask/2.jpg"}


def test_missing_file_is_named_and_asked_for_once(
    site: Site, manifest: Manifest, tmp_path: Path
) -> None:
    del site.files["with_mask/2.jpg"]
    with pytest.raises(DownloadError, match=r"with_mask/2\.jpg is not at http.*HTTP 404"):
        fetch(manifest, tmp_path)
    assert site.requests["with_mask/2.jpg"] == 1
    assert len(contents(tmp_path)) == 2


def test_next_address_has_what_the_first_has_not(
    site: Site, manifest: Manifest, tmp_path: Path
) -> None:
    fetch(manifest, tmp_path, urls=[site.url.replace("base", "elsewhere"), site.url])
    assert contents(tmp_path) == FILES


def test_no_server_at_all(manifest: Manifest, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"in 2 attempts \(Connection refused\)"):
        fetch(manifest, tmp_path, urls=["http://127.0.0.1:9"], attempts=2)


def test_an_address_that_is_none(manifest: Manifest, tmp_path: Path) -> None:
    for address in ("example.org/prajna", "example.org:80/prajna", ""):
        with pytest.raises(DownloadError, match="is no address to download from"):
            fetch(manifest, tmp_path / "new", urls=[address])
    assert not (tmp_path / "new").exists()


def test_silent_server_times_out(manifest: Manifest, tmp_path: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(DownloadError, match=r"in 1 attempts \(timed out\)"):
            fetch(manifest, tmp_path, urls=[url], attempts=1, timeout=0.2)


def test_copy_from_disk_is_checked_too(site: Site, manifest: Manifest, tmp_path: Path) -> None:
    fetch(manifest, tmp_path / "copy")
    site.requests.clear()
    assert fetch(manifest, tmp_path / "new", source=tmp_path / "copy").fetched == 3
    assert contents(tmp_path / "new") == FILES
    assert not site.requests

    (tmp_path / "copy" / "with_mask" / "2.jpg").unlink()
    (tmp_path / "copy" / "with_mask" / "a b.jpg").write_bytes(b"other")
    with pytest.raises(DownloadError, match=r"2 of 3 .*2\.jpg cannot be read.*a b\.jpg has change"):
        fetch(manifest, tmp_path / "third", source=tmp_path / "copy")
    with pytest.raises(DownloadError, match="is not a folder"):
        fetch(manifest, tmp_path / "third", source=tmp_path / "nowhere")


def test_a_folder_that_holds_no_copy(manifest: Manifest, tmp_path: Path) -> None:
    (tmp_path / "wrong").mkdir()
    with pytest.raises(DownloadError, match=r"has none of the 3 files that are missing") as refusal:
        fetch(manifest, tmp_path / "to", source=tmp_path / "wrong")
    assert "in place" not in str(refusal.value)
    assert not (tmp_path / "to").exists()


def test_target_in_the_way(manifest: Manifest, tmp_path: Path) -> None:
    (tmp_path / "with_mask").write_text("a file where a folder should be")
    with pytest.raises(OutputError, match="Cannot write"):
        fetch(manifest, tmp_path)


def test_shipped_manifest() -> None:
    manifest = load_manifest("prajna")
    labels = Counter(file.path.split("/")[0] for file in manifest.files)
    assert labels == {"with_mask": 690, "without_mask": 686}
    assert all(url.startswith("https://") for url in manifest.urls)


def test_shipped_manifest_is_of_the_shared_copy(shared_data: Path) -> None:
    manifest = load_manifest("prajna")
    root = shared_data / "data" / "prajna"
    assert {f.path: f.bytes for f in manifest.files} == {
        p.relative_to(root).as_posix(): p.stat().st_size for p in root.glob("*/*")
    }
    # Every fiftieth is read: a whole check takes a second longer and finds no other mistake.
    for file in manifest.files[::50]:
        assert hashlib.sha256((root / file.path).read_bytes()).hexdigest() == file.sha256


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[]", "is not a manifest"),
        ("{}", "is not a manifest: KeyError"),
        (
            '{"name": "n", "homepage": "", "licence": "", "urls": [], "files": [["../x", 1, "a"]]}',
            "outside its folder",
        ),
        *(
            (
                f'{{"name": "n", "homepage": "", "licence": "", "urls": [], "files": [[{entry}]]}}',
                f"is not a manifest: {error}",
            )
            for entry, error in (
                ('"x", Infinity, "a"', "OverflowError"),
                (r'"a\u0000b", 1, "a"', "ValueError a name holds a zero byte"),
                (r'"\ud800", 1, "a"', "UnicodeEncodeError"),
            )
        ),
    ],
)
def test_bad_manifest(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "bad.json"
    path.write_text(content)
    with pytest.raises(DatasetError, match=message):
        load_manifest(str(path))


def test_a_manifest_of_odd_names_and_addresses(tmp_path: Path) -> None:
    content = {"name": 1, "homepage": 2, "licence": 3, "urls": [None]}
    (tmp_path / "m.json").write_text(json.dumps(content | {"files": [["a" * 300, 1, "a"]]}))
    manifest = load_manifest(str(tmp_path / "m.json"))
    with pytest.raises(DownloadError, match='"None" is no address'):
        fetch(manifest, tmp_path / "data")
    with pytest.raises(DownloadError, match="has none of the 1 files"):
        fetch(manifest, tmp_path / "data", source=tmp_path, urls=[])


def test_unknown_data_set() -> None:
    with pytest.raises(DatasetError, match=r'"nothing".*prajna'):
        load_manifest("nothing")
