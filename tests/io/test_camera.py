import atexit
import contextlib
import errno
import itertools
import os
import socket
import sys
import tempfile
import threading
import time
import types
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image as PillowImage

from masklens.errors import InputError
from masklens.io import camera as camera_module
from masklens.io import containers
from masklens.io.camera import Camera, _Clock
from masklens.io.sources import FrameFolder, open_source
from masklens.io.video import VideoReader
from tests.io.camera_server import CameraServer, UdpCamera, jpeg_of
from tests.io.films import frames, write_film, write_sound


@pytest.fixture
def server():
    server = CameraServer(list(frames(20)))
    yield server
    server.cut()


def threads():
    """Those that read cameras, or open them; not the server's own."""
    return [t for t in threading.enumerate() if t.name.startswith("masklens-")]


def test_only_the_newest_frame_is_kept(server):
    with open_source(server.url) as camera:
        assert isinstance(camera, Camera)
        frames_seen = iter(camera)
        first = next(frames_seen)
        assert first.image.shape == (64, 96, 3)
        assert first.arrived is not None
        time.sleep(0.6)  # about 15 frames come in meanwhile
        next(frames_seen)
        second = next(frames_seen)
        assert time.monotonic() - second.arrived < 0.2
        assert second.index - first.index > 8
        assert camera.dropped > 6
        assert second.time == pytest.approx(second.arrived - first.arrived, abs=0.5)


def test_a_lost_camera_comes_back(server):
    said = []
    seen = []
    revived = []
    back = None
    revival = threading.Timer(2.0, lambda: revived.append(_revive(server)))
    with open_source(server.url, on_status=said.append) as camera:
        for frame in camera:
            seen.append(frame)
            if len(seen) == 5:
                server.cut()
                revival.start()
            if frame.session == 1:
                back = back or time.monotonic()
                if len([f for f in seen if f.session == 1]) == 5:
                    break
    assert back - seen[4].arrived < 2.0 + 3.0
    assert [f.session for f in seen] == sorted(f.session for f in seen)
    assert [f.index for f in seen] == sorted({f.index for f in seen})
    times = [f.time for f in seen]
    assert times == sorted(times)
    assert "was lost" in said[0]
    assert "is back" in said[1]
    assert "secret" not in "".join(said)
    revived[0].cut()


def _revive(server):
    return CameraServer(list(frames(20)), port=server.port)


def test_a_camera_is_opened_once(server):
    """Some allow one client only."""
    with open_source(server.url) as camera:
        next(iter(camera))
    assert server.opened == 1


def test_small_pictures_that_come_slowly():
    """FFmpeg waits for five seconds of pictures, and counts 25 a second."""
    picture = jpeg_of(np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8))

    began = time.monotonic()
    with (
        _served(lambda: _slowly(picture, 40, 0.1), "video/x-motion-jpeg") as address,
        open_source(f"{address}/v.mjpg", give_up=5) as camera,
    ):
        assert time.monotonic() - began < 8
        for frame in camera:
            if frame.session > 0 and frame.time > 3:
                break
    assert frame.time == pytest.approx(frame.arrived - camera._began, abs=0.05)


def test_pictures_other_than_jpeg_come_back_after_an_interruption(tmp_path):
    picture = tmp_path / "a.png"
    PillowImage.fromarray(next(frames(1))).save(picture)
    with (
        _served(lambda: _slowly(picture.read_bytes(), 30, 0.03)) as address,
        open_source(address, give_up=5) as camera,
    ):
        assert any(frame.session > 0 for frame in camera)


def test_a_camera_that_comes_back_with_its_sound_first_is_waited_for(tmp_path):
    film = write_film(tmp_path / "a.ts", frames(25)).read_bytes()
    sent = iter([film, write_sound(tmp_path / "b.ts").read_bytes()])
    with (
        _served(lambda: [next(sent, film)], "video/mp2t") as address,
        Camera(f"{address}/a", give_up=10) as camera,
    ):
        assert any(frame.session > 0 for frame in camera)


@pytest.mark.parametrize("kind", ["image/jpg", "image/jpeg; charset=utf-8"])
def test_a_camera_that_calls_its_frames_otherwise(kind):
    server = CameraServer(list(frames(20)), kind=kind)
    said = []
    try:
        with open_source(server.url, give_up=5, on_status=said.append) as camera:
            first, *_, last = itertools.islice(camera, 25)
    finally:
        server.cut()
    assert said == []
    assert first.image.shape == (64, 96, 3)
    assert last.time - first.time == pytest.approx(last.arrived - first.arrived, abs=0.05)


def test_a_camera_that_stays_away_has_failed(server):
    with (
        pytest.raises(InputError, match="did not come back within 1 seconds"),
        open_source(server.url, give_up=1.0) as camera,
    ):
        for number, _ in enumerate(camera):
            if number == 3:
                server.cut()


@pytest.mark.parametrize("stall", [0, 60])
def test_a_camera_that_comes_back_for_moments_only_has_failed(stall, monkeypatch):
    monkeypatch.setattr(camera_module, "READ_TIMEOUT", 1.0)
    said = []
    server = CameraServer(list(frames(20)), moment=8, stall=stall)
    try:
        with (
            pytest.raises(InputError, match="did not come back within 1 seconds"),
            open_source(server.url, give_up=1.0, on_status=said.append) as camera,
        ):
            for _ in camera:
                pass
    finally:
        server.cut()
    assert ["was lost" in said[0], "is back" in said[1]] == [True, True]
    assert len(said) == 2


@pytest.mark.parametrize(
    ("path", "count", "length", "moves"),
    [("mjpeg", 1000, False, True), ("one", 1, False, False), ("one.jpg", 1, True, False)],
)
def test_pictures_one_after_the_other_are_a_camera_and_one_is_none(path, count, length, moves):
    """Without multipart, as ``video/x-motion-jpeg``."""
    noise = np.random.default_rng(0).integers(0, 255, (240, 320, 3), np.uint8)
    picture = jpeg_of(noise)
    kind = "video/x-motion-jpeg" if moves else "image/jpeg"
    size = len(picture) if length else None
    with _served(lambda: _slowly(picture, count, 0.05), kind, size) as address:
        if moves:
            with open_source(f"{address}/{path}") as camera:
                assert isinstance(camera, Camera)
                first, *_, last = itertools.islice(camera, 25)
                assert first.image.shape == (240, 320, 3)
                # FFmpeg would say that it was 24 / 25 s: these pictures have no times.
                lasted = last.arrived - first.arrived
                assert last.time - first.time == pytest.approx(lasted, abs=0.05)
        else:
            with pytest.raises(InputError, match="is one picture, no moving ones"):
                open_source(f"{address}/{path}")


@pytest.mark.parametrize("name", ["a.ts", "a.mjpeg"])
def test_a_film_whose_server_knows_its_length_ends(tmp_path, name):
    """Of these FFmpeg knows no duration where the server gives no parts of a file."""
    if name == "a.ts":
        film = write_film(tmp_path / name, frames(50)).read_bytes()
    else:
        film = b"".join(jpeg_of(frame) for frame in frames(3))
    with (
        _served(lambda: [film], "application/octet-stream", len(film)) as address,
        open_source(f"{address}/{name}") as source,
    ):
        assert not source.live
        assert len(list(source)) == (50 if name == "a.ts" else 3)


def test_a_film_that_its_server_cannot_give_is_to_be_downloaded(tmp_path):
    """The index of an MP4 is at its end, and this server gives no parts of a file."""
    noise = np.random.default_rng(0).integers(0, 255, (50, 64, 96, 3), np.uint8)
    film = write_film(tmp_path / "a.mp4", noise).read_bytes()
    with (
        _served(lambda: [film], "video/mp4", len(film)) as address,
        open_source(f"{address}/a.mp4") as source,
        pytest.raises(InputError, match=r"no frame that can be read: .*\. Download it, and name"),
    ):
        next(iter(source))


@pytest.mark.parametrize(
    "head",
    [
        b"--frame\r\nContent-Type: image/jpeg\r\n\r\n",
        b"\r\n--frame\r\nContent-Type: image/jpeg\r\n\r\n",  # FFmpeg calls this bare JPEGs
    ],
)
def test_a_camera_that_makes_up_a_length_is_one(head):
    part = head + jpeg_of(next(frames(1))) + b"\r\n"
    kind = "multipart/x-mixed-replace; boundary=frame"
    with (
        _served(lambda: _slowly(part, 200, 0.04), kind, 1_000_000_000) as address,
        open_source(f"{address}/video") as camera,
    ):
        assert camera.live
        next(iter(camera))


def test_a_camera_that_is_described_by_a_file_is_one():
    """Of SDP the length is that of the description; the pictures come by RTP."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1] // 2 * 2
    media = f"m=video {port} RTP/AVP 26\na=rtpmap:26 JPEG/90000\n"
    text = f"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n{media}".encode()
    stop = threading.Event()

    def send():
        with av.open(f"rtp://127.0.0.1:{port}", "w", format="rtp") as film:
            stream = film.add_stream("mjpeg", rate=25)
            stream.width, stream.height, stream.pix_fmt = 96, 64, "yuvj420p"
            for image in frames(1000):
                film.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
                if stop.wait(0.02):
                    return

    sender = threading.Thread(target=send)
    sender.start()
    try:
        with (
            _served(lambda: [text], "application/sdp", len(text)) as address,
            open_source(f"{address}/x.sdp") as camera,
        ):
            assert camera.live
            next(iter(camera))
    finally:
        stop.set()
        sender.join()


@contextlib.contextmanager
def _served(answer, kind=None, size=None):
    """An address of the web; each request is sent the pieces that ``answer`` gives."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            for name, value in (("Content-Type", kind), ("Content-Length", size)):
                if value is not None:
                    self.send_header(name, str(value))
            self.end_headers()
            with contextlib.suppress(OSError):
                for piece in answer():
                    self.wfile.write(piece)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _slowly(piece, count, pause):
    for _ in range(count):
        yield piece
        time.sleep(pause)


def test_a_camera_without_tcp_is_read_by_udp(tmp_path):
    camera = UdpCamera(write_film(tmp_path / "a.ts", frames(75), keyframes=10))
    try:
        with open_source(camera.url) as source:
            assert next(iter(source)).image.shape == (64, 96, 3)
    finally:
        camera.close()
    assert camera.asked == ["RTP/AVP/TCP", "RTP/AVP/UDP"]


def test_the_first_keyframe_is_not_thrown_away(tmp_path):
    """The next one of some cameras comes ten seconds later."""
    film = write_film(tmp_path / "a.ts", frames(50), keyframes=250).read_bytes()
    done = threading.Event()

    def once():
        yield film
        done.wait(20)

    with _served(once, "video/mp2t") as address, Camera(f"{address}/a") as camera:
        assert next(iter(camera)).image.shape == (64, 96, 3)
        assert camera.lost == 0
        done.set()


def test_the_time_of_a_camera_never_goes_back():
    def at(clock, arrivals):
        """Times of frames that are 0.1 seconds apart by the stream's clock, and come when told."""
        pictures = [types.SimpleNamespace(time=7 + i / 10) for i in range(len(arrivals))]
        return [clock(p, a) for p, a in zip(pictures, arrivals, strict=True)]

    on_time = [i / 10 for i in range(20)]
    assert at(_Clock(True, 0.0), on_time) == pytest.approx(on_time)
    stalled = at(_Clock(True, 0.0), [*on_time[:5], *(3 + i / 100 for i in range(15))])
    assert stalled == sorted(stalled)
    assert stalled[-1] < 4.5
    assert min(at(_Clock(True, 5.0), on_time)) >= 5
    assert at(_Clock(False, 0.0), [0, 3, 3.5]) == [0, 3, 3.5]


def test_a_mistake_in_the_reader_is_not_taken_for_the_end(server):
    def broken(_):
        raise RuntimeError("no terminal to say it in")

    with (
        pytest.raises(RuntimeError, match="no terminal"),
        open_source(server.url, on_status=broken) as camera,
    ):
        for number, _ in enumerate(camera):
            if number == 3:
                server.cut()


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("87", "There is no camera 87"),
        ("/dev/video87", "There is no camera"),
        pytest.param(
            "/dev/null",
            r"^/dev/null cannot be opened: it is no camera\.$",
            marks=pytest.mark.skipif(sys.platform != "linux", reason="by Video4Linux"),
        ),
        ("rtsp://user:secret@127.0.0.1:9/x", "cannot be opened: Connection refused"),
        ("http://127.0.0.1:9/x", "cannot be opened: Connection refused"),
        ("rtsp://me:secret@nowhere.invalid/x", r"opened: no host nowhere\.invalid is known here\."),
        ("nonsense://x", "reads no nonsense://. Give an address"),
        ("RTSP://127.0.0.1:9/x", "rtsp://127.0.0.1:9/x cannot be opened: Connection refused"),
        ("Http://127.0.0.1:9/x", "http://127.0.0.1:9/x cannot be opened: Connection refused"),
        ("udp://127.0.0.1:9", "it did not answer in time"),
        ("absent.mp4", "does not exist"),
    ],
)
def test_no_such_camera(address, message):
    with pytest.raises(InputError, match=message) as caught:
        open_source(address)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "start",
    [
        *(f"{scheme}://me:secret@127.0.0.1" for scheme in ("rtmp", "http", "rtsp", "rtsps")),
        "rtsp://",  # of this machine
    ],
)
def test_a_server_that_breaks_off(start):
    """FFmpeg says "Input/output error", "End of file" or "Invalid data", and no more."""

    def break_off():
        connection, _ = server.accept()
        with connection:
            connection.recv(1)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):  # what is left unread would reset the connection
                pass

    with socket.create_server(("127.0.0.1", 0)) as server:
        closing = threading.Thread(target=break_off)
        closing.start()
        with pytest.raises(InputError, match="gives no stream, and FFmpeg") as caught:
            open_source(f"{start}:{server.getsockname()[1]}/x")
        closing.join()
    assert "the path and the login" in str(caught.value)
    assert "secret" not in str(caught.value)


class OpenedBy:
    """Takes the place of PyAV, and of the drivers that Windows and macOS have in it."""

    error = camera_module.import_av().error

    def __init__(self, fails=None):
        self.fails = fails
        self.asked = []

    def enumerate_input_devices(self, driver):
        assert driver == "dshow"
        named = [("@device_pnp_a", "Front", ["video"]), ("@device_cm_b", "Microphone", ["audio"])]
        named.append(("@device_pnp_c", "USB", ["video", "audio"]))
        return [
            types.SimpleNamespace(name=name, description=shown, media_types=kinds)
            for name, shown, kinds in named
        ]

    def open(self, address, *, format, options, timeout):
        self.asked.append((address, format, options))
        if self.fails is not None:
            raise self.error.OSError(self.fails, os.strerror(self.fails), address)
        return self


def opened_on(system, monkeypatch, address, fails=None):
    av = OpenedBy(fails)
    monkeypatch.setattr(sys, "platform", system)
    for module in (camera_module, containers):
        monkeypatch.setattr(module, "import_av", lambda: av)
    camera_module.connect(address)
    return av.asked


def test_webcams_of_windows_have_numbers(monkeypatch):
    """DirectShow knows names only: "video=0" is no camera."""
    assert opened_on("win32", monkeypatch, "0") == [("video=@device_pnp_a", "dshow", {})]
    assert opened_on("win32", monkeypatch, "1") == [("video=@device_pnp_c", "dshow", {})]
    for absent in ("2", "/dev/video0", "²"):
        with pytest.raises(InputError, match=r"Found: 0 \(Front\), 1 \(USB\)\.$"):
            opened_on("win32", monkeypatch, absent)


def test_webcams_of_a_mac_are_asked_for_a_rate_that_they_have(monkeypatch):
    """FFmpeg's own, 29.97, is refused as "not supported by the device"."""
    asked = opened_on("darwin", monkeypatch, "0")
    assert asked == [("0", "avfoundation", {"framerate": "30"})]


@pytest.mark.parametrize(
    ("system", "number", "told"),
    [
        ("darwin", errno.EIO, "System Settings, Privacy & Security, Camera"),
        ("win32", errno.EIO, "another program uses it"),
        ("darwin", errno.EACCES, "Permission denied"),  # not what helps on Linux
    ],
)
def test_what_to_do_about_a_webcam_depends_on_the_system(monkeypatch, system, number, told):
    with pytest.raises(InputError, match=rf"cannot be opened: .*{told}\.?") as caught:
        opened_on(system, monkeypatch, "0", number)
    assert "usermod" not in str(caught.value)


class NotYet:
    """A container whose driver answers EAGAIN instead of waiting, as that of a Mac's webcams."""

    def __init__(self, *answers):
        self.answers = list(answers)

    def demux(self):
        while self.answers:
            if (answer := self.answers.pop(0)) is None:
                error = camera_module.import_av().error.BlockingIOError
                raise error(errno.EAGAIN, "Resource temporarily unavailable")
            yield answer


def test_a_webcam_without_a_frame_yet_is_not_lost():
    assert list(containers.packets(NotYet(None, None, 1, None, 2, 3, None))) == [1, 2, 3]


def test_a_webcam_without_frames_for_seconds_is_lost(monkeypatch):
    monkeypatch.setattr(containers, "_PATIENCE", 0.1)
    with pytest.raises(BlockingIOError):
        list(containers.packets(NotYet(*[None] * 1000)))


@pytest.mark.parametrize("scheme", ["rtsp", "rtsps", "https"])
def test_a_camera_that_accepts_and_stays_silent(scheme, monkeypatch):
    """FFmpeg calls it invalid data, or an error of input."""
    monkeypatch.setattr(camera_module, "OPEN_TIMEOUT", 0.5)
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        pytest.raises(InputError, match=r"cannot be opened: it did not answer in time\.$"),
    ):
        Camera(f"{scheme}://127.0.0.1:{server.getsockname()[1]}/x")


def test_a_camera_that_fell_silent_is_closed_at_once(monkeypatch):
    awaited = []
    monkeypatch.setattr(atexit, "register", lambda wait, *_: awaited.append(wait))
    server = CameraServer(list(frames(20)), moment=8, stall=60)
    try:
        with open_source(server.url) as camera:
            for frame in camera:
                if frame.index >= 5:
                    break
            time.sleep(0.5)
            began = time.monotonic()
        assert time.monotonic() - began < 2  # of the 3 until it would be lost
        assert [wait.__self__.name for wait in awaited] == ["masklens-camera"]  # by Python's end
    finally:
        server.cut()


def test_a_webcam_that_never_gives_a_frame_has_failed(monkeypatch):
    """Video4Linux waits for it in the kernel, where FFmpeg's timeout is not heard."""

    class Unheard(OpenedBy):
        closed = threading.Event()

        def open(self, *_, **__):
            never.wait()
            return self

        def close(self):
            self.closed.set()

    never, av = threading.Event(), Unheard()
    monkeypatch.setattr(containers, "import_av", lambda: av)
    with pytest.raises(InputError, match=r"cannot be opened: it did not answer in time\.$"):
        containers.open_container("/dev/video0", "v4l2", timeout=(0.1, 0.1))
    never.set()
    assert av.closed.wait(5)  # for the next one who opens it


def test_nothing_is_left_over(server):
    before = set(threads())
    for _ in range(3):
        with open_source(server.url) as camera:
            next(iter(camera))
    deadline = time.monotonic() + 5
    while (left := set(threads()) - before) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not left


def test_passwords_are_not_shown():
    for password in ("me:hush@127.0.0.1:9/a.mp4", "127.0.0.1:9/a.mp4?pass=hush"):
        with pytest.raises(InputError) as told:  # a film on a web server, not a camera
            open_source(f"http://{password}")
        assert "hush" not in str(told.value)


def test_a_folder_of_frames(tmp_path):
    from PIL import Image as PillowImage

    for number in (10, 2, 1):
        PillowImage.new("RGB", (8, 8), (number, 0, 0)).save(tmp_path / f"1²{number}.png")
    with open_source(str(tmp_path)) as source:
        assert isinstance(source, FrameFolder)
        read = list(source)
    assert [int(f.image[0, 0, 0]) for f in read] == [1, 2, 10]
    assert [f.time for f in read] == [0, 0.04, 0.08]


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="Linux has it")
def test_a_film_below_dev_is_no_camera():
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        path = write_film(Path(folder) / "a.ts", frames(30))
        with open_source(str(path)) as source:
            assert isinstance(source, VideoReader)
        read, write = os.pipe()
        os.write(write, path.read_bytes())
        os.close(write)
        with os.fdopen(read), open_source(f"/dev/fd/{read}") as source:
            assert len(list(source)) == 30


@pytest.mark.parametrize("host", ["", "localhost"])
def test_a_file_is_no_camera(tmp_path, host):
    path = write_film(tmp_path / "a b.mp4", frames(3))
    for address in (path.as_uri(), f"FILE://{path}"):  # with %20, and as people type it
        with open_source(address.replace("://", f"://{host}")) as source:
            assert isinstance(source, VideoReader)
            assert len(list(source)) == 3
