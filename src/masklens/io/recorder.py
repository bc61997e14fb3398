"""Writing H.264 MP4: upright RGB frames with their times in, a file that plays everywhere out.

While it is written the file consists of fragments, so that it plays whatever happens to the
program; an orderly end turns it into an ordinary MP4 without coding anything again.
"""

from __future__ import annotations

import io
import shutil
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, Self

import cv2
import numpy as np

from masklens.crop import Image
from masklens.errors import OutputError
from masklens.io.atomic import atomic_path, open_unbuffered
from masklens.io.containers import import_av, reason_of
from masklens.io.frames import USUAL_RATE
from masklens.io.signature import MADE_BY, VIDEO_KEY
from masklens.io.sound import Sound
from masklens.io.video import VideoReader
from masklens.limits import cores

#: Times in the file are counted in this unit, which every frame rate in use divides well enough.
_TIME_BASE = Fraction(1, 90_000)
#: A fragment begins with every key frame: this much is lost when the machine fails, and the few
#: frames that the encoder still holds.
_SECONDS_PER_FRAGMENT = 1
_FRAGMENTS = "frag_keyframe+empty_moov+default_base_moof"
#: Bytes that must stay free on the disk when a second copy is made.
_ROOM = 20_000_000
#: Colour differences of the full range -> of the limited range of films, 16 to 240 (BT.601).
_LIMITED = np.rint(128 + (np.arange(256) - 128) * 224 / 255).astype(np.uint8)


class VideoWriter:
    """One H.264 MP4. A context manager that does nothing when ``target`` is None.

    Frames may differ in size: they are fitted into the first one's, with black beside them. Odd
    sizes get one more row or column, because H.264 players want even ones.

    Args:
        target: the file, replaced if it is there; None writes nothing.
        rate: frames per second that are to be expected at most.
        sound: the film that the frames come from, whose first sound track goes along.
        signed: it can be made again, so that a later run may replace it: see
            :mod:`masklens.io.signature`.

    Raises:
        OutputError: no H.264 encoder, no permission, no space.
        MissingExtraError: PyAV is not installed.
    """

    def __init__(
        self,
        target: Path | None,
        rate: float | None = None,
        sound: VideoReader | None = None,
        *,
        signed: bool = False,
    ) -> None:
        self.target = target
        self._metadata = {VIDEO_KEY: MADE_BY} if signed else {}
        self._rate = rate or USUAL_RATE
        self._film = sound
        self._container: Any = None
        self._stream: Any = None
        self._sound: Sound | None = None
        self._size = (0, 0)
        self._last = self._next_key = -1
        if target is not None:
            self._file = _File(target)
            self._av = import_av()
            self._encoder = h264_encoder()

    def __enter__(self) -> Self:
        return self

    def write(self, image: Image, time: float) -> None:
        """Add a frame: uint8 (H, W, 3), RGB, shown at ``time`` seconds.

        A frame that is not later than the one before it is shown right after it.
        """
        if self.target is None:
            return
        try:
            if self._container is None:
                self._open(self.target, image)
            frame = self._av.VideoFrame.from_ndarray(_i420(_fitted(image, self._size)), "yuv420p")
            frame.time_base = _TIME_BASE
            self._last = max(round(time / _TIME_BASE), self._last + 1)
            frame.pts = self._last
            if self._last >= self._next_key:  # by time: fewer frames may come than were expected
                frame.pict_type = self._av.video.frame.PictureType.I
                self._next_key = self._last + round(_SECONDS_PER_FRAGMENT / _TIME_BASE)
            self._container.mux(self._stream.encode(frame))
            if self._sound is not None:
                self._sound.write_until(time)
            self._file.check()
        except (self._av.error.FFmpegError, OSError) as error:
            raise self._refused(error) from error

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Finish the file. Called twice it does nothing the second time."""
        container, self._container = self._container, None
        if self.target is None or container is None:
            return
        try:
            try:
                container.mux(self._stream.encode(None))
                if self._sound is not None:
                    self._sound.write_until(None)
            finally:
                if self._sound is not None:
                    self._sound.close()
                container.close()
                self._file.close()
            self._file.check()
            if self._file.begun:
                _without_fragments(self.target, self._metadata)
        except (self._av.error.FFmpegError, OSError, OutputError) as error:
            raise self._refused(error) from error

    def _open(self, target: Path, image: Image) -> None:
        if target.is_dir():
            raise IsADirectoryError(f"{target} is a folder")
        self._container = self._av.open(
            self._file,
            "w",
            format="mp4",
            options={"movflags": _FRAGMENTS, "flush_packets": "1"},
        )
        self._container.metadata.update(self._metadata)
        height, width = image.shape[:2]
        self._size = (max(2, width + width % 2), max(2, height + height % 2))
        stream = self._container.add_stream(
            self._encoder, rate=Fraction(self._rate).limit_denominator(1001)
        )
        stream.width, stream.height = self._size
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.time_base = _TIME_BASE
        context.gop_size = max(1, round(self._rate * _SECONDS_PER_FRAGMENT))
        context.thread_count = cores()
        context.max_b_frames = 0  # else fragments begin two frames late, beside sound and JSON
        context.color_range, context.colorspace = 1, 5  # limited range, BT.601: what _i420 makes
        if self._encoder == "libx264":
            context.options = {"preset": "superfast", "crf": "23"}
        else:
            context.bit_rate = int(self._size[0] * self._size[1] * self._rate * 0.15)
        self._stream = stream
        if self._film is not None:
            self._sound = Sound.of(self._film, self._container)

    def _refused(self, error: BaseException) -> OutputError:
        started = self._last > 0 and self._file.begun
        what = " What was recorded until then can be played." if started else ""
        return OutputError(f"Cannot write {self.target}: {reason_of(error)}.{what}")


class _File:
    """The file, as PyAV writes it: a failure is remembered instead of raised.

    FFmpeg's MP4 writer may crash when it is closed after a write that failed. The file is there
    from its first bytes on, which say what it is: a run that is killed leaves no empty one.

    Attributes:
        begun: something was written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: io.FileIO | None = None
        self._error: OSError | None = None
        self.begun = False

    def write(self, content: bytes) -> int:
        """Write all of it, or nothing once something has failed."""
        view = memoryview(content)
        try:
            while view and self._error is None:
                self._file = self._file or open_unbuffered(self._path)
                view = view[self._file.write(view) or 0 :]
                self.begun = True
        except OSError as error:
            self._error = error
        return len(content)

    def check(self) -> None:
        """Raise the first failure, if there was one."""
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """Close it; a file in which there is no room for anything is removed."""
        if self._file is not None:
            self._file.close()
            if not self.begun and self._path.is_file() and not self._path.is_symlink():
                self._path.unlink()


def h264_encoder() -> str:
    """The first H.264 encoder that PyAV has.

    Raises:
        OutputError: it has none; the message says what to do.
    """
    av = import_av()
    for name in ("libx264", "libopenh264", "h264_videotoolbox", "h264_mf"):
        try:
            av.codec.Codec(name, "w")
        except ValueError:
            continue
        return name
    raise OutputError(
        "This installation of PyAV has no H.264 encoder, so that no video can be written. "
        "Run: pip install --force-reinstall --only-binary av av"
    )


def _fitted(image: Image, size: tuple[int, int]) -> Image:
    """The picture in a frame of (width, height): as it is if it fits exactly, else scaled."""
    width, height = size
    if image.shape[:2] == (height, width):
        return image
    if 0 <= height - image.shape[0] <= 1 and 0 <= width - image.shape[1] <= 1:
        down, right = height - image.shape[0], width - image.shape[1]
        return np.asarray(
            cv2.copyMakeBorder(image, 0, down, 0, right, cv2.BORDER_REPLICATE), dtype=np.uint8
        )
    scale = min(width / image.shape[1], height / image.shape[0])
    inner = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    out = np.zeros((height, width, 3), np.uint8)
    left, top = (width - inner[0]) // 2, (height - inner[1]) // 2
    out[top : top + inner[1], left : left + inner[0]] = cv2.resize(image, inner)
    return out


def _i420(image: Image) -> Image:
    """RGB with even sides -> planar YUV 4:2:0 as uint8 (H · 3 / 2, W); BT.601, limited range.

    A colour is the mean of four pixels. OpenCV takes that of the first, without which boxes of
    small faces, whose lines are a pixel wide, were grey: their colour says what was found.
    """
    height, width = image.shape[:2]
    planes = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2YUV_I420), dtype=np.uint8)
    means = cv2.resize(image, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    _, red, blue = cv2.split(cv2.LUT(cv2.cvtColor(means, cv2.COLOR_RGB2YCrCb), _LIMITED))
    planes.reshape(-1)[height * width :].reshape(2, height // 2, width // 2)[:] = blue, red
    return planes


def _without_fragments(path: Path, metadata: Mapping[str, str]) -> None:
    """Copy a fragmented MP4 into an ordinary one whose index stands in front."""
    av = import_av()
    # FFmpeg itself must not meet a full disk; as fragments the film plays as well.
    room = shutil.disk_usage(path.parent).free
    if not path.is_file() or path.is_symlink() or room < 1.1 * path.stat().st_size + _ROOM:
        return
    with (
        atomic_path(path) as temporary,
        av.open(str(path)) as source,
        av.open(str(temporary), "w", format="mp4", options={"movflags": "faststart"}) as target,
    ):
        target.metadata.update(metadata)
        streams = {s.index: target.add_stream_from_template(s) for s in source.streams}
        for packet in source.demux():
            if packet.dts is None:
                continue
            packet.stream = streams[packet.stream.index]
            target.mux(packet)
