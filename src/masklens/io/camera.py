"""Webcams and network cameras: a thread reads, keeps only the newest frame, and reconnects.

Frames that nobody took in time are dropped, so that what is seen never falls behind what happens.
Iterating gives each newest frame once. The source *ends* when the camera says so, and *fails* when
it cannot be reached (at the start, or for longer than ``give_up`` seconds).
"""

from __future__ import annotations

import atexit
import errno
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from masklens.errors import InputError
from masklens.io.addresses import without_password
from masklens.io.containers import (
    decoded,
    duration_of,
    import_av,
    is_bare,
    open_container,
    packets,
    reason_of,
    release,
    video_stream,
)
from masklens.io.frames import Frame
from masklens.io.video import Shape

#: Seconds to wait for the first connection, and for data after that.
OPEN_TIMEOUT = 10.0
READ_TIMEOUT = 3.0
#: The same for data where a camera is sent in pieces (HLS), of some seconds each.
PIECE_TIMEOUT = 15.0
#: Seconds to wait for the next frame, with which reading ends, when a camera is closed.
CLOSE_TIMEOUT = 0.5
#: A lost camera is tried again after these seconds, the last one for ever.
BACK_OFF = (0.2, 0.5, 1.0)
#: A first attempt to reconnect is given this long, later ones more.
RETRY_TIMEOUT = 2.5

#: FFmpeg as it delays least. TCP before UDP, because lost UDP packets tear the picture.
_LOW_DELAY = {
    "rtsp_flags": "prefer_tcp",
    "max_delay": "0",
    "reorder_queue_size": "0",
    "analyzeduration": "1000000",
}

#: What failures mean of webcams, by FFmpeg's name of the system's driver.
_OF_DEVICES: dict[str, dict[int | None, str]] = {
    "v4l2": {
        errno.EACCES: "your user may not use it. Run: sudo usermod -aG video $USER, and log in "
        "again",
        errno.EBUSY: "another program uses it. Close that first",
        errno.ENOTTY: "it is no camera",
    },
    "avfoundation": {
        errno.EIO: "there is none of that number, or your terminal may not use it: see System "
        "Settings, Privacy & Security, Camera",
    },
    "dshow": {
        errno.EIO: "another program uses it, or Windows does not allow it: see Settings, Privacy, "
        "Camera",
    },
}
#: What FFmpeg's drivers are told: Macs' cameras have no 29.97 frames a second, which it asks for.
_OF_DRIVERS = {"avfoundation": {"framerate": "30"}}
#: FFmpeg's name of JPEGs that come one after the other, whatever stands between them.
_JPEGS = "mjpeg"


class Camera:
    """A webcam or a network address.

    Args:
        address: index of a webcam (``0``), its device path, or an RTSP, HTTP, RTMP, UDP address.
        give_up: seconds without the camera after which it has failed.
        on_status: called, from the reader thread, with one sentence when it is lost and found.
        container: from :func:`connect`, by whoever looked at what is there: some cameras take one
            client only. None opens the address here.

    Attributes:
        name: the address without user name and password.
        dropped: frames that came in and nobody took.
        lost: how many times the camera was lost so far.
        away: it is lost now: no frame has come since.
        on_wait: called, where the frames are taken, ten times a second while none is there.

    Raises:
        InputError: the camera cannot be opened.
        MissingExtraError: PyAV is not installed.
    """

    live = True

    def __init__(
        self,
        address: str,
        *,
        give_up: float = 120.0,
        on_status: Callable[[str], None] | None = None,
        container: Any = None,
    ) -> None:
        self.name = without_password(address)
        self._address = address
        self._form: str | None = None  # of FFmpeg; None lets it find out
        self._give_up = give_up
        self._say = on_status or (lambda _: None)
        self._av = import_av()
        self.rate: float | None = None
        self.dropped = 0
        self.lost = 0
        self.away = False
        self.on_wait: Callable[[], None] = lambda: None
        self._condition = threading.Condition()
        self._newest: Frame | None = None
        self._over = False
        self._failure: Exception | None = None
        self._stop = threading.Event()
        self._count = 0
        self._time = self._seen = 0.0
        self._began: float | None = None
        container = container or connect(address)
        self._thread = threading.Thread(
            target=self._run, args=(container,), name="masklens-camera", daemon=True
        )
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def stop(self) -> None:
        """End the frames soon; may be called from anywhere, a signal handler too."""
        self._stop.set()

    def close(self) -> None:
        """Stop reading; waits a moment for the thread, which ends with its next frame.

        One that waits for a silent camera ends some seconds later; Python waits for it at its end.
        """
        self.stop()
        with self._condition:
            self._condition.notify_all()
        self._thread.join(CLOSE_TIMEOUT)
        if self._thread.is_alive():  # in FFmpeg, which would ask a Python that is gone for the time
            atexit.register(self._thread.join, READ_TIMEOUT + RETRY_TIMEOUT)

    def __iter__(self) -> Iterator[Frame]:
        """The newest frame, each at most once, waiting for it.

        Raises:
            InputError: the camera was lost and did not come back.
        """
        while True:
            with self._condition:
                if self._newest is None and not self._over and not self._stop.is_set():
                    self._condition.wait(0.1)
                frame, self._newest = self._newest, None
                if self._stop.is_set() or (frame is None and self._over):
                    if self._failure is not None:
                        raise self._failure
                    return
            if frame is None:
                self.on_wait()
            else:
                yield frame

    def _run(self, container: Any) -> None:
        try:
            since, attempts = 0.0, 0
            while True:
                began = self._seen = time.monotonic()
                reason = self._read(container)
                if reason is None:
                    return
                del container
                release()
                self.lost += 1
                self.away = True
                # What comes back for moments only has been lost all the time.
                if attempts == 0 or self._seen - began > READ_TIMEOUT:
                    since, attempts = time.monotonic(), 0
                    self._say(f"{self.name} was lost ({reason}); trying again.")
                container, attempts = self._reconnect(since, attempts, reason)
                if container is None:
                    return
        except Exception as error:  # raised where the frames are taken: else it would be an end
            self._failure = error
        finally:
            with self._condition:
                self._over = True
                self._condition.notify_all()

    def _read(self, container: Any) -> str | None:
        """Read until the source ends or we are told to stop (None), or is lost (why)."""
        reason = "the connection was closed"
        last = 0.0
        duration = None
        form = container.format.name
        if form in (_JPEGS, "jpeg_pipe"):  # to be opened again without guessing
            self._form = _JPEGS
        try:
            stream = video_stream(container, self.name)
            stream.thread_type = "SLICE"  # threads by frame would keep frames back
            self.rate = float(stream.average_rate) if stream.average_rate else self.rate
            duration = duration_of(stream)
            clock = _Clock(not is_bare(form), self._time)
            shape = Shape(stream)
            for picture in decoded(packets(container, stream)):
                if self._stop.is_set():
                    return None
                last = picture.time or last
                self._put(picture, clock, shape, in_pieces=form == "hls")
        except self._av.error.FFmpegError as error:
            reason = reason_of(error)
        except InputError as error:  # it has no pictures
            if self._count == 0:
                raise
            reason = str(error)
        finally:
            container.close()
        if self._stop.is_set() or (duration is not None and last >= duration - 1):
            return None
        return reason

    def _put(self, picture: Any, clock: _Clock, shape: Shape, in_pieces: bool) -> None:
        now = time.monotonic()
        self._began = now if self._began is None else self._began
        self._time = clock(picture, now - self._began)
        if in_pieces:  # all frames of a piece are there at once: each waits for its time
            self._stop.wait(max(0.0, self._began + self._time - now))
            now = time.monotonic()
        frame = shape.frame(picture, self.name)
        frame.index, frame.time = self._count, self._time
        frame.session, frame.arrived = self.lost, now
        frame.clock = datetime.now().astimezone()
        self._seen = now
        self._count += 1
        self.away = False
        with self._condition:
            self.dropped += self._newest is not None
            self._newest = frame
            self._condition.notify_all()

    def _reconnect(self, since: float, attempts: int, reason: str) -> tuple[Any, int]:
        """Open the camera again.

        Args:
            since: when it was lost, ``time.monotonic()``.
            attempts: so many were made since then.
            reason: of the loss.

        Returns:
            The container, or None when we were told to stop; and all attempts since the loss.

        Raises:
            InputError: it did not come back in time.
        """
        again = attempts > 0
        while not self._stop.wait(BACK_OFF[min(attempts, len(BACK_OFF) - 1)]):
            if attempts and time.monotonic() - since > self._give_up:
                raise InputError(
                    f"{self.name} was lost and did not come back within "
                    f"{self._give_up:.0f} seconds: {reason}"
                )
            attempts += 1
            try:
                timeout = min(RETRY_TIMEOUT * 2 ** (attempts // 2), OPEN_TIMEOUT)
                container = connect(self._address, timeout, self._form)
            except InputError as error:
                reason = str(error)
                continue
            if not again:
                self._say(f"{self.name} is back after {time.monotonic() - since:.1f} seconds.")
            return container, attempts
        return None, attempts


class _Clock:
    """Times of one session's frames: the stream's own, from the moment the session began.

    They never go back: a stream that stalled is late for its own clock, not for what was given out.

    Args:
        has_times: the format carries times; else the time of arrival counts, as it does when the
            stream's clock strays from it by more than two seconds.
        last: seconds, given out by the session before.
    """

    def __init__(self, has_times: bool, last: float) -> None:
        self._has_times = has_times
        self._last = last
        self._offset: float | None = None

    def __call__(self, picture: Any, arrival: float) -> float:
        """Seconds for a frame that came in ``arrival`` seconds after the camera's first one."""
        now = max(arrival, self._last)
        if self._has_times and picture.time is not None:
            if self._offset is None or abs(picture.time + self._offset - arrival) > 2:
                self._offset = now - picture.time
            now = max(picture.time + self._offset, self._last)
        self._last = float(now)
        return self._last


def connect(address: str, timeout: float | None = None, form: str | None = None) -> Any:
    """Open a camera so that it delays least.

    Args:
        address: see :class:`Camera`.
        timeout: seconds until it must have answered; None takes ``OPEN_TIMEOUT``.
        form: of FFmpeg, for network addresses; None lets it find out.

    Returns:
        A container of PyAV.

    Raises:
        InputError: it cannot be opened.
    """
    timeout = OPEN_TIMEOUT if timeout is None else timeout
    patience = PIECE_TIMEOUT if ".m3u8" in address else READ_TIMEOUT
    path, driver = device(address)
    if driver:
        try:
            return open_container(path, driver, _OF_DRIVERS.get(driver), (timeout, patience))
        except InputError as error:
            reason = _OF_DEVICES[driver].get(getattr(error.__cause__, "errno", None))
            if reason is None:
                raise
            raise InputError(f"{path} cannot be opened: {reason}.") from error
    options = dict(_LOW_DELAY)
    if not address.startswith("rtsp"):
        options.pop("rtsp_flags")
    if form == _JPEGS:
        options["analyzeduration"] = "1"  # FFmpeg counts 25 a second: slow cameras would take long
    container = open_container(path, form, options, (timeout, patience))
    if container.format.name == "mpjpeg" and not container.streams.video[0].width:
        # Its parts are not called image/jpeg, or end where FFmpeg sees no end.
        container.close()
        time.sleep(BACK_OFF[1])  # one that takes one client only must notice that we left
        return connect(address, timeout, _JPEGS)
    return container


def device(address: str) -> tuple[str, str | None]:
    """What FFmpeg calls a camera, and the format it is read with; None for network addresses.

    Raises:
        InputError: no webcam of that number.
    """
    if "://" in address:
        return address, None
    if sys.platform == "darwin":
        return address, "avfoundation"
    if sys.platform == "win32":
        return f"video={_of_directshow(address)}", "dshow"
    path = f"/dev/video{address}" if address.isdigit() else address
    if not Path(path).exists():
        found = ", ".join(cameras()) or "none"
        raise InputError(f"There is no camera {address}: {path} does not exist. Found: {found}.")
    return path, "v4l2"


def cameras() -> list[str]:
    """The camera devices of a Linux machine."""
    return sorted(str(path) for path in Path("/dev").glob("video*"))


def _of_directshow(number: str) -> str:
    """The name of a webcam on Windows, which has no numbers for them: they are counted from 0."""
    devices = [d for d in import_av().enumerate_input_devices("dshow") if "video" in d.media_types]
    by_number = {str(n): device for n, device in enumerate(devices)}
    if number not in by_number:
        found = ", ".join(f"{n} ({d.description})" for n, d in by_number.items()) or "none"
        raise InputError(f"There is no camera {number}. Found: {found}.")
    return str(by_number[number].name)
