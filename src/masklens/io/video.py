"""Reading video files: packets in, upright frames with their times out.

A file that is damaged gives the frames that can be read and then an error that says what it lacks.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from masklens.crop import Image
from masklens.errors import InputError
from masklens.io.containers import (
    decoded,
    duration_of,
    import_av,
    open_container,
    packets,
    reason_of,
    release,
    video_stream,
)
from masklens.io.frames import USUAL_RATE, Frame
from masklens.io.pixels import rgb
from masklens.plural import many

if TYPE_CHECKING:
    import av

VIDEO_SUFFIXES = frozenset(
    {
        *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts"),
        *(".wmv", ".flv", ".3gp", ".ogv", ".mjpeg", ".mjpg"),
        *(".h264", ".264", ".hevc", ".h265", ".265"),
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
#: Formats whose times are those at which packets are decoded, not those at which they are shown.
_AS_CODED = frozenset({"avi", "asf"})
#: Codecs of which every packet is a frame: those of others hold fields, or what is not shown.
_FRAME_EACH = frozenset({"hevc", "av1"})


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
        self._owed = _Owed()
        self._first_packet: int | None = None  # of the pictures: its time
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
        times = _Times(1 / (self.rate or USUAL_RATE))
        shape = Shape(self._stream)

        def missed(packets: int) -> None:
            nonlocal unread
            if index > 0:  # what lies before the first key frame is no damage
                unread += packets

        try:
            for picture in decoded(self._packets(), missed):
                self._owed.given(picture.pts)
                time = self._time_of(picture)
                if index == 0:
                    self.begins = self._begins_with(picture)
                frame = shape.frame(picture, self.name)
                lasts = float(picture.duration * picture.time_base)
                frame.index, frame.time = index, times.of(time, lasts)
                yield frame
                index += 1
        except self._av.error.FFmpegError as error:
            broken = reason_of(error)
        self._check_whole(index, max(unread, self._owed.lost), times, broken)

    def _check_whole(self, read: int, unread: int, times: _Times, broken: str | None) -> None:
        """Raise an InputError if a film has no frame or is damaged.

        Args:
            read, unread: number of its frames.
            times: of those that were read.
            broken: why no more could be read; None at the end of the file.
        """
        if read == 0:
            why = f": {broken}" if broken else ""
            # An MP4 whose index is at its end needs a server that gives parts of files.
            if broken and "://" in self.name:
                why += ". Download it, and name the file"
            raise InputError(f"{self.name} has no frame that can be read{why}.")
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

    def _time_of(self, picture: Any) -> float | None:
        """When a picture is shown, by the file's own clock; None when it does not say."""
        # FFmpeg takes the order in which pictures are coded for that in which they are shown, and
        # where there are B-frames it is another one.
        coded = self._container.format.name in _AS_CODED
        if coded and self._stream.codec_context.has_b_frames:
            return None if picture.dts is None else float(picture.dts * picture.time_base)
        return picture.time  # type: ignore[no-any-return]

    def _begins_with(self, picture: Any) -> float:
        """When the first picture is shown, by the clock that the sound of the file follows too."""
        shown: int = picture.pts or 0
        begins, first = self._stream.start_time, self._first_packet
        if self._container.format.name in _AS_CODED and None not in (begins, first):
            # The times of their packets are guessed; when the first is to be shown FFmpeg knows.
            shown += begins - first
        return float(shown * picture.time_base)

    def _packets(self) -> Iterator[Any]:
        """The packets of the pictures; of all others it is noted when they end."""
        each = self._stream.codec_context.codec.canonical_name in _FRAME_EACH
        for packet in packets(self._container):
            if packet.pts is not None:
                end = float((packet.pts + (packet.duration or 0)) * packet.time_base)
                self._last_packet = max(self._last_packet, end)
            if packet.stream is self._stream:  # not stream_index: of the last, empty one it is 0
                if self._first_packet is None:
                    self._first_packet = packet.pts
                if each:
                    self._owed.promised(packet)
                yield packet


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


class _Owed:
    """The packets of which no frame came: of H.265 that cannot be decoded there is no error.

    Neither what is to be shown before the first frame or after the last one counts, nor the last
    packet, in which recordings are stopped, nor what is to be shown before the key frame it
    follows: it may need frames from before that one.
    """

    def __init__(self) -> None:
        self._times: set[int] = set()
        self._key = self._newest = self._first = self._last = -math.inf

    def promised(self, packet: Any) -> None:
        """A packet goes to the decoder."""
        if packet.pts is None or packet.is_discard:
            return
        if packet.is_keyframe:
            self._key = packet.pts
        if packet.pts >= self._key:
            self._times.add(packet.pts)
        self._newest = packet.pts

    def given(self, time: int | None) -> None:
        """A frame came, of this time by the clock of the file."""
        if time is not None:
            self._times.discard(time)
            self._first = time if self._last == -math.inf else self._first
            self._last = max(self._last, time)

    @property
    def lost(self) -> int:
        """So many frames should have come meanwhile."""
        return sum(self._first < time < self._last for time in self._times - {self._newest})


class _Times:
    """When the frames of a film are shown, in seconds from its first one on.

    Attributes:
        end: of the last frame; 0 before the first.
        file_end: the same by the clock of the file, which need not be at 0 with the first frame,
            and may have the last one stand still for longer than the others.
    """

    def __init__(self, step: float) -> None:
        self._step = step
        self._start: float | None = None
        self._last = -step
        self.end = self.file_end = 0.0

    def of(self, time: float | None, lasts: float) -> float:
        """The time of the next frame.

        Args:
            time: by the clock of the file; None in bare H.264 and its like.
            lasts: seconds for which the file says that it is shown; 0 when it does not.
        """
        if time is None:
            self._last = self.end
        else:
            # Films that were joined begin anew in the middle; single frames may come late.
            if self._start is None or not -_LATE <= time - self._start - self._last < FAR:
                self._start = time - self.end
            self._last = max(time - self._start, self._last)
        self.end = self._last + self._step
        begins = self.file_end if time is None else time
        self.file_end = max(self.file_end, begins + max(self._step, lasts))
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
