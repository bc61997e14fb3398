"""What only a whole process can show: nothing on disk, nothing in the log, a clean end."""

import asyncio
import io
import signal
import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from benchmarks.api_load import Server
from PIL import Image as PillowImage
from starlette.responses import JSONResponse

from masklens.errors import MissingExtraError
from masklens.server import require_extra
from masklens.server.linger import Linger
from tests.server.conftest import error_of, request_head, wait_for

#: Reports every file that is opened for writing, whatever opens it, before it runs a program.
_WATCHED = """
import os, sys, tempfile
def watch(event, arguments):
    if event == "open":
        path, mode, flags = arguments
        writes = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) or mode and set(mode) & set("wax+")
        if writes and path != os.devnull:
            print("WRITES", path, file=sys.stderr, flush=True)
    elif event in ("os.mkdir", "os.rename", "subprocess.Popen", "os.exec", "os.posix_spawn"):
        print("WRITES", event, arguments, file=sys.stderr, flush=True)
sys.addaudithook(watch)
tempfile.TemporaryFile(prefix="control").close()
sys.argv = ["masklens", "serve", "--port", "0"]
sys.dont_write_bytecode = True
from masklens.cli import main
main()
"""

#: ``masklens serve`` with a finder of the test's, which gets the picture and the real one's find.
_WITH_FINDER = """
import sys, time
import masklens.detector
from masklens.cli import main
class Finder:
    name = "made"
    def __init__(self, real):
        self._find = real.find
    def find(self, image):
        if max(image.shape) > 64:  # not the first run, which warms up
            {then}
        return self._find(image)
class Detector(masklens.detector.MaskDetector):
    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.finder = Finder(self.finder)
masklens.detector.MaskDetector = Detector
sys.argv = ["masklens", "serve", "--port", "0"]
main()
"""

#: A finder that takes two seconds for each picture.
_SLOW = (sys.executable, "-c", _WITH_FINDER.format(then="time.sleep(2)"))

#: A finder that fails with what it saw, as a library might: "seen: seen: [153 150 157]". Its line
#: does not hold that, because from Python 3.13 on a traceback shows the lines of ``-c`` as well.
_BROKEN = (
    sys.executable,
    "-c",
    _WITH_FINDER.format(then='raise RuntimeError(2 * "seen: " + str(image[0, 0]))'),
)


def large_picture():
    out = io.BytesIO()
    PillowImage.effect_noise((2400, 2000), 90).convert("RGB").save(out, "BMP")
    return out.getvalue()


def test_nothing_is_written_to_disk(portrait_file):
    content = large_picture()
    assert len(content) > 14_000_000
    with Server(command=(sys.executable, "-c", _WATCHED)) as server:
        start = server.errors()
        assert "WRITES" in start, "the watch works: it saw the control"
        with httpx.Client(base_url=server.address, timeout=120) as client:
            assert client.post("/v1/detect", content=content).status_code == 200
            for path in ("/v1/detect", "/v1/detect/annotated"):
                answer = client.post(path, files={"picture": ("big.bmp", content)})
                assert answer.status_code == 200
            broken = portrait_file.read_bytes()[:9000]
            assert client.post("/v1/detect", files={"picture": broken}).status_code == 422
            assert client.post("/v1/detect", content=bytes(21_000_000)).status_code == 413
        assert server.errors() == start


def test_nothing_of_a_picture_is_logged(limited, portrait_file):
    server = limited()
    with httpx.Client(base_url=server.address, timeout=60) as client:
        content = portrait_file.read_bytes()
        for name, body in (("Mrs Smith.jpg", content), ("Mrs Smith.jpg", content[:3000])):
            client.post("/v1/detect", files={"picture": (name, body)})
            client.post("/v1/detect?threshold=Smith", content=body)
        client.get("/Mrs Smith.jpg")
        form = {"Content-Type": "multipart/form-data; boundary=b"}
        for body in (
            b"--" + content,
            b"--b\r\n" + content,
            b"--b\r\nA: b\r\n\r\n\r\n--b--" + content,
        ):
            assert client.post("/v1/detect", content=body, headers=form).status_code == 400
        assert "Smith" not in client.get("/metrics").text
    assert server.stop() == (0, "")


def test_a_mistake_of_ours_is_logged_without_what_it_saw(portrait_file):
    with Server(command=_BROKEN) as server:
        url = f"{server.address}/v1/detect"
        answer = httpx.post(url, content=portrait_file.read_bytes())
        assert answer.status_code == 500
        assert error_of(answer)["code"] == "internal"
        assert "seen: seen:" not in answer.text
        assert "content-security-policy" in answer.headers
        assert httpx.get(f"{server.address}/healthz").status_code == 200
        assert server.metric("masklens_queue_pictures") == 0
        status, errors = server.stop()
    assert status == 0
    assert "RuntimeError while answering" in errors
    assert "in find" in errors
    assert "seen: seen:" not in errors


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_a_clean_end_answers_what_was_asked_before(portrait_file, sign):
    content = portrait_file.read_bytes()
    with Server(command=_SLOW) as server, ThreadPoolExecutor(6) as pool:
        url = f"{server.address}/v1/detect"
        asked = [pool.submit(httpx.post, url, content=content, timeout=60) for _ in range(6)]
        wait_for(lambda: server.metric("masklens_queue_pictures") == 6)
        status, errors = server.stop(sign)
        answers = [future.result() for future in asked]
    assert [answer.status_code for answer in answers] == [200] * 6
    assert (status, errors) == (0, "")


def test_a_second_signal_waits_for_no_answers_and_those_who_wait_are_told(portrait_file):
    content = portrait_file.read_bytes()
    with Server(command=_SLOW) as server:
        url = f"{server.address}/v1/detect"
        trickling = socket.create_connection(("127.0.0.1", server.port))
        trickling.settimeout(30)
        trickling.sendall(request_head(len(content)) + content[:100])
        with ThreadPoolExecutor(6) as pool:
            waiting = [pool.submit(httpx.post, url, content=content) for _ in range(6)]
            wait_for(lambda: server.metric("masklens_queue_pictures") == 6)
            wait_for(lambda: server.metric("masklens_held_bytes") == 6 * len(content) + 100)
            server.process.send_signal(signal.SIGINT)
            time.sleep(0.3)  # two that come together are one
            status, errors = server.stop(signal.SIGINT)
        answers = [future.result() for future in waiting]
        with trickling:
            assert trickling.recv(100).startswith(b"HTTP/1.1 503")
    assert [error_of(answer)["code"] for answer in answers] == ["stopping"] * 6
    assert (status, errors) == (0, "")


def test_clients_that_leave_are_not_worth_a_line(portrait_file):
    content = portrait_file.read_bytes()
    with Server(command=_SLOW) as server:
        with socket.create_connection(("127.0.0.1", server.port)) as leaving:
            leaving.sendall(request_head(len(content)) + content)
            wait_for(lambda: server.metric("masklens_queue_pictures") == 1)
        wait_for(lambda: server.metric("masklens_queue_pictures") == 0)
        assert server.stop() == (0, "")


def test_the_end_of_the_server_does_not_break_off_a_refusal():
    """While it waits for a client that is still sending: the answer's last part is sent."""
    sent = []

    async def refuse(scope, receive, send):
        await JSONResponse({}, 413)(scope, receive, send)

    async def send(message):
        sent.append(message)

    async def one():
        scope = {"type": "http", "headers": [(b"content-length", b"9")]}
        task = asyncio.create_task(Linger(refuse)(scope, asyncio.Event().wait, send))
        while len(sent) < 2:
            await asyncio.sleep(0)
        assert sent[-1]["more_body"]
        task.cancel()
        await task

    asyncio.run(one())
    assert not sent[-1]["more_body"]


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for a browser is a shell script")
def test_open_shows_the_page_in_a_browser(tmp_path):
    seen = tmp_path / "seen"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" >{seen}.part; mv {seen}.part {seen}\n')
    browser.chmod(0o755)
    with Server("--open", environment={"BROWSER": f"{browser} %s"}) as server:
        wait_for(seen.exists)
        assert seen.read_text().strip() == server.address


def test_a_port_that_is_taken(server):
    with pytest.raises(RuntimeError, match=rf"Error: Port {server.port} of 127.0.0.1 is taken"):
        Server("--port", str(server.port))


def test_an_address_that_is_not_ours():
    with pytest.raises(RuntimeError, match=r"Error: nowhere\.invalid is no address"):
        Server("--host", "nowhere.invalid", environment={"MASKLENS_TOKEN": "x"})


def test_a_bundle_that_is_none(tmp_path):
    with pytest.raises(RuntimeError, match=r"Error: .* is not a bundle"):
        Server("--bundle", str(tmp_path))


def test_ipv6():
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    with Server("--host", "::1") as server:
        assert server.address.startswith("http://[::1]:")
        assert httpx.get(f"{server.address}/healthz").json() == {"status": "ok"}


@pytest.mark.parametrize(
    "name", ["fastapi", "fastapi_offline", "prometheus_client", "python_multipart", "uvicorn"]
)
def test_no_part_of_the_extra_may_be_missing(name, monkeypatch):
    """What is said then: tests/cli/test_extras.py."""
    require_extra()
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError):
        require_extra()
