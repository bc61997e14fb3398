"""Films and cameras as PyAV has them: opened, their pictures chosen, their packets decoded.

Every failure to open becomes one sentence. PyAV is the extra ``video``; it is imported only when
the first film or camera is opened.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import gc
import math
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, wait
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from masklens.errors import InputError, MissingExtraError
from masklens.io.addresses import without_password

#: Seconds after which a webcam without frames is broken off, and between two looks for one.
_PATIENCE, _PAUSE = 3.0, 0.01
_TOO_LATE = "it did not answer in time"


def import_av() -> Any:
    """PyAV.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import av
    except ImportError as error:
        raise MissingExtraError("Reading and writing videos", "video") from error
    # Its logging stays off: switched on, FFmpeg and Python wait for each other (PyAV issue 751).
    return av


def open_container(
    address: str,
    format: str | None = None,
    options: dict[str, str] | None = None,
    timeout: tuple[float, float] | None = None,
) -> Any:
    """Open a file, device or address; every failure becomes one sentence.

    Args:
        address: of any kind that FFmpeg reads.
        format, options: of FFmpeg; None lets it find out, and takes its own.
        timeout: seconds until it is open, and until more of it comes; None waits for ever. With one
            Ctrl-C is heard while it is opened.

    Raises:
        InputError: it cannot be opened.
    """
    av = import_av()
    path, name = Path(address), without_password(address)
    if "://" not in address and format is None:
        if not path.exists():
            raise InputError(f"{address} does not exist.")
        if path.is_dir():
            raise InputError(f"{address} is a folder, not a video.")
        if path.is_file() and path.stat().st_size == 0:
            raise InputError(f"{address} is empty.")
    began = time.monotonic()

    def opened() -> Any:
        return av.open(address, format=format, options=options or {}, timeout=timeout)

    try:
        # What DirectShow makes belongs to the thread that made it, and must not outlive it.
        if timeout is None or format == "dshow":
            return opened()
        return _aside(opened, 2 * timeout[0] + 1)  # PyAV gives each of its two steps that long
    except (av.error.FFmpegError, OSError, ValueError) as error:
        # Of RTSP and TLS that are broken off FFmpeg says that data is invalid, or of no use.
        if timeout is not None and time.monotonic() - began >= timeout[0]:
            raise InputError(f"{name} cannot be opened: {_TOO_LATE}.") from error
        invalid = isinstance(error, av.error.InvalidDataError)
        if invalid and not address.startswith(("rtsp://", "rtsps://")):
            raise InputError(f"{name} is not a video that can be read.") from error
        if isinstance(error, av.error.ProtocolNotFoundError):
            scheme = name.partition("://")[0]
            raise InputError(
                f"{name} cannot be opened: this installation of PyAV reads no {scheme}://. Give an "
                "address of the camera that begins with rtsp, rtsps, rtmp, http, https or udp."
            ) from error
        reason = reason_of(error)
        broken = isinstance(error, EOFError) or getattr(error, "errno", None) == errno.EIO
        if "://" in name and (broken or invalid):
            reason = _of_address(name, reason)
        raise InputError(f"{name} cannot be opened: {reason}.") from error


def _of_address(name: str, reason: str) -> str:
    """What a reason that says nothing means of an address, and what to do.

    FFmpeg has one for a host that is not known, and for every refusal of RTMP and TLS; RTSP that is
    broken off it calls invalid data.
    """
    with contextlib.suppress(ValueError):  # no proper address
        host = urlsplit(name).hostname
        try:
            if host:  # else it is this machine
                socket.getaddrinfo(host, None)
        except (OSError, UnicodeError):
            return f"no host {host} is known here. Check its name and the network"
    return (
        f"its server gives no stream, and FFmpeg does not say why ({reason}). Check the port, the "
        "path and the login, and that the stream is being sent"
    )


def _aside(opened: Callable[[], Any], seconds: float) -> Any:
    """A container that is opened in a thread of its own, while this one hears signals.

    FFmpeg hears none, and Video4Linux no timeout either: a webcam without frames is left alone.

    Raises:
        TimeoutError: it took longer than these seconds.
        Exception: that of ``opened``.
    """
    result: Future[Any] = Future()

    def run() -> None:
        try:
            result.set_result(opened())
        except BaseException as error:  # raised where it is waited for
            result.set_exception(error)

    thread = threading.Thread(target=run, name="masklens-opening", daemon=True)
    thread.start()
    until = time.monotonic() + seconds
    try:
        while not result.done():
            if time.monotonic() > until:
                raise TimeoutError(errno.ETIMEDOUT, _TOO_LATE)
            wait([result], 0.1)  # on Windows a longer wait would not hear of signals
        return result.result()
    except BaseException:  # some cameras take one client only: what is opened too late is closed
        result.add_done_callback(lambda late: late.exception() or late.result().close())
        if not result.done():  # FFmpeg would ask a Python that is gone for the time
            atexit.register(thread.join, seconds)
        raise


def release() -> None:
    """Free the decoders of closed containers, with all frames that they keep.

    PyAV's containers and streams refer to each other, and Python looks for such cycles so seldom
    that a program which opens film after film would keep 100 MB of them.
    """
    gc.collect()


def video_stream(container: Any, name: str) -> Any:
    """The picture stream of an open container; of several the largest, as FFmpeg chooses.

    One that the file calls its default goes before others.

    Raises:
        InputError: there is none (audio only), or its codec is missing.
    """
    # A cover in an audio file is a video stream of one frame, by its disposition.
    av = import_av()
    streams = [
        s for s in container.streams.video if not s.disposition & av.stream.Disposition.attached_pic
    ]
    if not streams:
        others = sorted({s.type for s in container.streams}) or ["nothing"]
        raise InputError(f"{name} has no pictures in it, only {', '.join(others)}.")
    decodable = [s for s in streams if s.codec_context is not None]
    if not decodable:
        raise InputError(f"{name} is coded in a way that this installation of PyAV cannot decode.")
    default = av.stream.Disposition.default
    return max(decodable, key=lambda s: (bool(s.disposition & default), s.width * s.height))


def decoded(
    packets: Iterable[Any], missed: Callable[[int], None] = lambda _: None
) -> Iterator[Any]:
    """The frames of a stream; damaged packets are left out, as players do.

    Args:
        packets: of the stream, from :func:`packets`.
        missed: called with the number of packets that were left out, before what follows them and
            at the end. A last one alone is not counted: recordings are stopped in the middle of it.
    """
    av = import_av()
    failures = 0
    for packet in packets:
        try:
            frames = packet.decode()
        except av.error.EOFError:
            return
        except av.error.FFmpegError:
            failures += 1
            if failures > 300:  # ten seconds of nothing
                raise
            continue
        if frames and packet.size:  # the last, empty one brings what the decoder still had
            missed(failures)
            failures = 0
        yield from frames
    if failures > 1:
        missed(failures)


def packets(container: Any, *streams: Any) -> Iterator[Any]:
    """The packets of some streams of PyAV, or of all that its container had at the start.

    A recording may get another stream in the middle, such as sound. PyAV gives all packets of the
    first ones, too, but then ends in an ``IndexError``. Webcams of a Mac answer "Resource
    temporarily unavailable" until there is a frame, where others make one wait for it.

    Raises:
        av.error.FFmpegError: it was broken off, or such a webcam had no frame for seconds.
    """
    until = math.inf
    with contextlib.suppress(IndexError):
        while True:
            try:
                for packet in container.demux(*streams):
                    until = math.inf
                    yield packet
                return
            except BlockingIOError:
                until = min(until, time.monotonic() + _PATIENCE)
                if time.monotonic() >= until:
                    raise
                time.sleep(_PAUSE)


def is_bare(form: str) -> bool:
    """Whether a format of FFmpeg holds pictures one after the other, without times or an end.

    FFmpeg counts them as 25 a second, however many come.
    """
    return form in ("mpjpeg", "mjpeg") or form.endswith("_pipe")


def duration_of(stream: Any) -> float | None:
    """Seconds that a stream says it lasts."""
    if stream.duration is not None and stream.time_base:
        return float(stream.duration * stream.time_base)
    container = stream.container
    if container.duration is None and container.format.name == "asf":
        return _of_asf(Path(container.name))
    whole = container.duration
    return None if whole is None or whole <= 0 else whole / 1e6


def _of_asf(path: Path) -> float | None:
    """Seconds that a WMV which was cut off announces: FFmpeg forgets them where its size is wrong.

    From Microsoft's Advanced Systems Format, 3.2: the File Properties Object.
    """
    if not path.is_file():  # an address, or a pipe, of which nothing may be taken
        return None
    try:
        with path.open("rb") as file:
            head = file.read(65536)
        at = head.index(bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365"))
        size, _, _, lasts, _, preroll, flags = struct.unpack_from("<6QI", head, at + 40)
        cut_off = path.stat().st_size < size and not flags & 1  # 1: a broadcast, which does not say
    except (OSError, ValueError, struct.error):  # it is not there
        return None
    return lasts / 1e7 - preroll / 1e3 if cut_off else None


def reason_of(error: BaseException) -> str:
    """What FFmpeg or the system says of a failure, without numbers and full stops."""
    if isinstance(error, import_av().error.ExitError):  # by which PyAV stops what takes too long
        return _TOO_LATE
    return str(getattr(error, "strerror", None) or str(error) or type(error).__name__).rstrip(".")
