"""Reading video files and streams with PyAV: packets in, upright frames with their times out.

A file that is damaged gives the frames that can be read and then an error that says what it lacks.
PyAV is the extra ``video``; it is imported only when the first video is opened.
"""

from __future__ import annotations

import contextlib
import gc
import math
import re
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from masklens.crop import Image
from masklens.errors import InputError, MissingExtraError
from masklens.io.addresses import without_password
from masklens.io.frames import Frame
from masklens.io.pixels import rgb
from masklens.plural import many

if TYPE_CHECKING:
    import av

VIDEO_SUFFIXES = frozenset(
    {
        *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts"),
        *(".wmv", ".flv", ".3gp", ".ogv", ".mjpeg", ".mjpg", ".h264", ".hevc"),
        *(".vob", ".mxf", ".asf", ".dv", ".m2v", ".divx", ".f4v", ".3g2", ".qt", ".rm"),
    }
)

#: A frame that is this many seconds before the last one begins another film.
_LATE = 1.0
#: So does one that is this many seconds after it: half of what a transport stream can count. FFmpeg
#: takes a step back by more than a minute for the count's return to 0, 26.5 hours later.
FAR = 2**32 / 90_000
#: A file that ends this many seconds before its announced end is called truncated.
_MISSING_SECONDS = 0.5
#: Formats that hold one duration: the time at which the last of all streams ends.
_ONE_DURATION = frozenset({"matroska,webm", "flv", "asf"})
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


class VideoReader:
    """The frames of one video file, in order.

    Attributes:
        name: as the user wrote it.
        rate: frames per second on average; None when the file does not say.
        total: number of frames that the file announces; 0 when it does not say.
        begins: the time of the first picture by the file's own clock, once it was read.

    Raises:
        InputError: no such file, no video, no picture in it, or a codec that is missing.
        MissingExtraError: PyAV is not installed.
    """

    live = False

    def __init__(
        self,
        address: str | Path,
        *,
        container: av.container.InputContainer | None = None,
    ) -> None:
        self.name = str(address)
        self._av = import_av()
        self._container = container or open_container(self.name)
        try:
            self._stream = video_stream(self._container, self.name)
        except InputError:
            self._container.close()
            raise
        self._stream.thread_type = "AUTO"
        stream = self._stream
        self.rate = float(stream.average_rate) if stream.average_rate else None
        self.total = stream.frames or round((self.rate or 0) * (duration_of(stream) or 0))
        self.begins = 0.0
        self._end, self._shared_end = end_of(stream)
        self._last_packet = 0.0  # when the last one of any stream ends, by the file's own clock

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file and its decoder; a second call does nothing."""
        if self._container is not None:
            self._container.close()
            self._container = self._stream = None
            release()

    def __iter__(self) -> Iterator[Frame]:
        """The frames, in the order they are shown.

        Raises:
            InputError: after the last frame that could be read, if others could not or the file
                ends before the end that it announces.
        """
        index = unread = 0
        broken: str | None = None
        times = _Times(1 / (self.rate or 25))
        shape = Shape(self._stream)

        def missed(packets: int) -> None:
            nonlocal unread
            if index > 0:  # what lies before the first key frame is no damage
                unread += packets

        try:
            for picture in decoded(self._packets(), missed):
                if index == 0:
                    self.begins = picture.time or 0.0
                frame = shape.frame(picture, self.name)
                frame.index, frame.time = index, times.of(picture.time)
                yield frame
                index += 1
        except self._av.error.FFmpegError as error:
            broken = reason_of(error)
        self._check_whole(index, unread, times, broken)

    def _check_whole(self, read: int, unread: int, times: _Times, broken: str | None) -> None:
        """Raise an InputError if a film has no frame or is damaged.

        Args:
            read, unread: number of its frames.
            times: of those that were read.
            broken: why no more could be read; None at the end of the file.
        """
        if read == 0:
            raise InputError(
                f"{self.name} has no frame that can be read{f': {broken}' if broken else ''}."
            )
        end = self._end
        if end is None or (self._shared_end and end - self._last_packet <= _MISSING_SECONDS):
            missing = 0.0  # it does not say, or only the sound goes on for longer
        else:
            missing = end - times.file_end
        if broken or (missing > _MISSING_SECONDS and read < self.total):
            of = f" of {times.end + missing:.1f}" if missing > 0 else ""
            but = f"; {unread} could not be read" if unread else ""
            raise InputError(
                f"{self.name} is damaged or cut off: it could be read up to {times.end:.1f}{of} "
                f"seconds (frame {read}{but}). The frames before that were labelled."
            )
        if unread:
            raise InputError(
                f"{many(unread, 'frame')} of {self.name} could not be read: the "
                "film is damaged. The others were labelled."
            )

    def _packets(self) -> Iterator[Any]:
        """The packets of the pictures; of all others it is noted when they end."""
        for packet in packets(self._container):
            if packet.pts is not None:
                end = float((packet.pts + (packet.duration or 0)) * packet.time_base)
                self._last_packet = max(self._last_packet, end)
            if packet.stream is self._stream:  # not stream_index: of the last, empty one it is 0
                yield packet


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
        timeout: seconds until it is open, and until more of it comes; None waits for ever.

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
    try:
        return av.open(address, format=format, options=options or {}, timeout=timeout)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        # Of RTSP and TLS that are broken off FFmpeg says that data is invalid, or of no use.
        if timeout is not None and time.monotonic() - began >= timeout[0]:
            raise InputError(f"{name} cannot be opened: {_TOO_LATE}.") from error
        if isinstance(error, av.error.InvalidDataError):
            raise InputError(f"{name} is not a video that can be read.") from error
        if isinstance(error, av.error.ProtocolNotFoundError):
            scheme = name.partition("://")[0]
            raise InputError(
                f"{name} cannot be opened: this installation of PyAV reads no {scheme}://. Give an "
                "address of the camera that begins with rtsp, rtsps, rtmp, http, https or udp."
            ) from error
        raise InputError(f"{name} cannot be opened: {reason_of(error)}.") from error


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
    whole = stream.container.duration
    return None if whole is None or whole <= 0 else whole / 1e6


def end_of(stream: Any) -> tuple[float | None, bool]:
    """The time, by a file's own clock, at which it says that its pictures end.

    Returns:
        The time, None when it does not say; and whether it may be that of longer sound.
    """
    container = stream.container
    if container.format.name not in _ONE_DURATION:
        if stream.duration is None or not stream.time_base:
            return None, False
        lasts = stream.duration
        if container.format.name == "avi":  # of one that was cut, FFmpeg shortens the duration
            lasts = max(lasts, stream.frames)
        return float(((stream.start_time or 0) + lasts) * stream.time_base), False
    # Of Matroska and WebM; FFmpeg and MKVToolNix write this tag for each stream.
    tag = re.match(r"(\d+):(\d+):(\d+(?:\.\d+)?)", stream.metadata.get("DURATION", ""))
    if tag is not None:
        hours, minutes, seconds = map(float, tag.groups())
        return 3600 * hours + 60 * minutes + seconds, False
    whole = duration_of(stream)
    if whole is not None and container.format.name == "flv":  # from its first packet on
        whole += (container.start_time or 0) / 1e6
    return whole, len(container.streams) > 1


class _Times:
    """When the frames of a film are shown, in seconds from its first one on.

    Attributes:
        end: of the last frame; 0 before the first.
        file_end: the same by the clock of the file, which need not be at 0 with the first frame.
    """

    def __init__(self, step: float) -> None:
        self._step = step
        self._start: float | None = None
        self._last = -step
        self.end = self.file_end = 0.0

    def of(self, time: float | None) -> float:
        """The time of the next frame; the file's own is None in bare H.264 and its like."""
        if time is None:
            self._last = self.end
        else:
            # Films that were joined begin anew in the middle; single frames may come late.
            if self._start is None or not -_LATE <= time - self._start - self._last < FAR:
                self._start = time - self.end
            self._last = max(time - self._start, self._last)
        self.end = self._last + self._step
        self.file_end = max(self.file_end, (self._last if time is None else time) + self._step)
        return self._last


class Shape:
    """How the frames of a stream are shown: turned upright, and with square pixels.

    The display matrix is read again only when the rotation changes: PyAV's ``side_data`` and its
    frame refer to each other, and every frame that was asked for it stays in memory until Python
    next looks for cycles, hundreds of MB later.

    Args:
        stream: of PyAV.
    """

    def __init__(self, stream: Any) -> None:
        pixel = float(stream.sample_aspect_ratio or 1)
        # What is further from square is a mistake, and would take gigabytes.
        self._pixel = pixel if 0.25 <= pixel <= 4 else 1.0
        self._rotation: int | None = None
        self._matrix: tuple[int, int, int, int] | None = None

    def frame(self, picture: Any, name: str) -> Frame:
        """A decoded frame whose upright RGB pixels are made when they are asked for."""
        if picture.rotation != self._rotation:
            self._rotation = picture.rotation
            self._matrix = display_matrix(picture)
        matrix, pixel = self._matrix, self._pixel
        lies = matrix is not None and matrix[0] == 0
        # Stretched, never squeezed, so that no face becomes smaller.
        stretched = round(picture.width * max(pixel, 1)), round(picture.height * max(1 / pixel, 1))
        square = stretched == (picture.width, picture.height)

        def make(wanted: tuple[int, int] | None) -> Image:
            size = wanted[::-1] if wanted and lies else wanted
            return upright(rgb(picture, size or (None if square else stretched)), matrix)

        return Frame(make, name, size=stretched[::-1] if lies else stretched)


def display_matrix(picture: Any) -> tuple[int, int, int, int] | None:
    """The signs (a, b, c, d) of a frame's display matrix: x' = a·x + c·y, y' = b·x + d·y.

    None when the frame has none. From ISO/IEC 14496-12, 6.2.2; phones turn pictures this way.
    """
    side = picture.side_data.get(import_av().sidedata.sidedata.Type.DISPLAYMATRIX)
    if side is None:
        return None
    m = np.frombuffer(bytes(side), np.int32)
    a, b, c, d = (int(np.sign(v)) if abs(v) > 1 << 14 else 0 for v in m[[0, 1, 3, 4]])
    return a, b, c, d


def upright(image: Image, matrix: tuple[int, int, int, int] | None) -> Image:
    """Turn and mirror a picture as its display matrix says (right angles only)."""
    if matrix is None or matrix == (1, 0, 0, 1):
        return image
    a, b, c, d = matrix
    if (a and d) and not (b or c):
        turned = image[::d, ::a]
    elif (b and c) and not (a or d):
        turned = image.transpose(1, 0, 2)[::b, ::c]
    else:
        return image
    return np.ascontiguousarray(turned)


def reason_of(error: BaseException) -> str:
    """What FFmpeg or the system says of a failure, without numbers and full stops."""
    if isinstance(error, import_av().error.ExitError):  # by which PyAV stops what takes too long
        return _TOO_LATE
    return str(getattr(error, "strerror", None) or str(error) or type(error).__name__).rstrip(".")
