"""From what a user names to frames: pictures, folders, patterns, videos and cameras.

Single pictures are found by :func:`find_pictures` and read by :func:`read_frames`; what moves is
opened by :func:`open_source`. Both give :class:`Frame`.
"""

from __future__ import annotations

import contextlib
import functools
import glob
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, Self

from masklens.crop import Image
from masklens.errors import InputError, MasklensError
from masklens.io.addresses import plain_path, without_password
from masklens.io.camera import OPEN_TIMEOUT, Camera, connect
from masklens.io.containers import (
    duration_of,
    import_av,
    is_bare,
    open_container,
    packets,
    video_stream,
)
from masklens.io.frames import USUAL_RATE, Frame
from masklens.io.pictures import read_picture
from masklens.io.search import is_to_be_read, matching, walk
from masklens.io.signature import is_signed
from masklens.io.video import VIDEO_SUFFIXES, VideoReader

PICTURE_SUFFIXES = frozenset(
    {
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp"),
        *(".tif", ".tiff", ".gif", ".heic", ".heif", ".avif"),
    }
)

#: Pictures that are decoded in advance; they are held in memory.
_READ_AHEAD = 4
#: What every JPEG begins with.
_JPEG = b"\xff\xd8"


def find_pictures(
    sources: Iterable[str],
    *,
    videos: bool = False,
    results: Path | None = None,
    out: Path | None = None,
    on_copy: Callable[[Path], None] | None = None,
    on_error: Callable[[InputError], None] | None = None,
) -> dict[Path, str]:
    """The picture files that the sources name, in order, each once.

    Whichever way leads to a folder, it is one; a link to a picture is one beside that picture.

    Args:
        sources: picture files, folders (searched recursively, see :func:`masklens.io.search.walk`),
            glob patterns, each also as ``file://``. A file that does not exist is taken as it is,
            and reported when it is read. Searches leave out the files ``._*`` of macOS.
        videos: look for videos too.
        results: a folder that is left out where it lies in a folder that is searched.
        out: where this run writes annotated copies. Those of an earlier run in it are left out
            when they are named one by one, too: so does the shell that expands ``out/*.jpg``.
        on_copy: called for each annotated copy that an earlier run made and a search came across:
            it is left out. None takes copies for pictures like any others.
        on_error: called, in order, for each source that names no picture and for folders that may
            not be looked into, and the search goes on; None raises at the first.

    Returns:
        path -> its path below the source that named it; empty only if ``on_error`` was called.

    Raises:
        InputError: an empty folder or one without rights, a pattern without a match, an address,
            an empty name; no source at all.
    """
    suffixes = PICTURE_SUFFIXES | VIDEO_SUFFIXES if videos else PICTURE_SUFFIXES

    def tell(error: InputError) -> None:
        if on_error is None:
            raise error
        on_error(error)

    @functools.cache  # it opens the file
    def is_copy(path: Path) -> bool:
        if on_copy is None or not is_signed(path):
            return False
        on_copy(path)
        return True

    found: dict[Path, str] = {}
    copied = None
    places: set[tuple[str, str]] = set()
    real = functools.cache(os.path.realpath)
    source = None
    for source in sources:
        source = plain_path(source)
        try:
            paths = _expand(source, suffixes, results, is_copy, tell)
            root = Path(source) if Path(source).is_dir() else None
        except OSError:  # a name that is too long, a folder without rights: said when it is read
            paths, root = [Path(source)], None
        except InputError as error:
            tell(error)
            continue
        for path in paths:
            place = (real(path.parent), path.name)
            if place in places:
                continue
            places.add(place)
            if out is not None and Path(place[0]).is_relative_to(real(out)) and is_copy(path):
                copied = path
                continue
            found[path] = path.relative_to(root or path.parent).as_posix()
    if source is None:
        raise InputError("No picture was named.")
    if copied is not None and not found:
        tell(InputError(f"{copied} is an annotated copy: name the picture, or another folder."))
    return found


def _expand(
    source: str,
    suffixes: frozenset[str],
    results: Path | None,
    is_copy: Callable[[Path], bool],
    tell: Callable[[InputError], None],
) -> list[Path]:
    if not source:
        raise InputError("The name of a source is empty. Use . for the current folder.")
    if "://" in source:
        raise InputError(
            f"{without_password(source)} is an address, and pictures are read from files: download "
            'it first. "masklens live" reads streams.'
        )
    path = Path(source)

    def closed(error: OSError) -> None:
        tell(_closed(error))

    if path.is_dir():
        try:
            next(path.iterdir(), None)
        except OSError as error:
            raise _closed(error) from error
        nothing = f"The folder {source} has no pictures in it"
        below = walk(path, left_out=results, on_error=closed)
        names = [here / name for here, _, files in below for name in files]
    elif path.exists() or not glob.has_magic(source):
        return [path]
    else:
        nothing = f'No picture matches the pattern "{source}"'
        names = list(matching(source, closed))
    found = sorted(p for p in names if p.suffix.lower() in suffixes and is_to_be_read(p))
    if not found:
        raise InputError(f"{nothing}.")
    pictures = [path for path in found if not is_copy(path)]
    if not pictures:
        raise InputError(
            f"{nothing} but annotated copies. To have them labelled, name them one by one."
        )
    return pictures


def _closed(error: OSError) -> InputError:
    return InputError(f"The folder {error.filename} cannot be looked into: {error.strerror}.")


def read_frames(
    pictures: Mapping[Path, str],
    on_error: Callable[[Path, MasklensError], None],
) -> Iterator[Frame]:
    """Read pictures in order, decoding a few ahead in a thread while the caller works.

    Args:
        pictures: what :func:`find_pictures` returned.
        on_error: called, in order, for each file that cannot be read; reading goes on.
    """
    remaining = iter(pictures)
    with ThreadPoolExecutor(max_workers=1) as reader:
        pending: list[tuple[Path, Future[Image]]] = [
            (path, reader.submit(read_picture, path)) for path in islice(remaining, _READ_AHEAD)
        ]
        index = 0
        while pending:
            path, future = pending.pop(0)
            pending.extend(
                (following, reader.submit(read_picture, following))
                for following in islice(remaining, 1)
            )
            try:
                yield Frame(future.result(), str(path), pictures[path], index)
            except MasklensError as error:
                on_error(path, error)
            index += 1


class Source(Protocol):
    """Moving pictures: iterate for the frames, close when done (or use it in ``with``).

    Attributes:
        name: as it may be shown.
        live: frames come when they come, and those that nobody takes are lost.
        rate: frames per second; None when it is not known (yet).
    """

    name: str
    live: bool
    rate: float | None

    def __iter__(self) -> Iterator[Frame]: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *_: object) -> None: ...


def open_source(
    address: str,
    *,
    give_up: float = 120.0,
    on_status: Callable[[str], None] | None = None,
    on_error: Callable[[MasklensError], None] | None = None,
) -> Source:
    """Open a video file, a camera, a network address or a folder of frames.

    Args:
        address: the path of a video; the index of a webcam or its device path; an RTSP, HTTP or
            other address that FFmpeg reads; a folder, a pattern or a picture. Paths may be written
            as ``file://``.
        give_up: seconds a lost camera is waited for.
        on_status: called with a sentence when a camera is lost and when it is back.
        on_error: called for each frame of a folder that cannot be read, and the others go on; None
            raises at the first.

    Raises:
        InputError: there is nothing there, or no moving pictures in it.
        MissingExtraError: PyAV is not installed.
    """
    address = plain_path(address)
    path = Path(address)
    scheme, separator, rest = address.partition("://")
    if separator:
        scheme = scheme.lower()
        address = f"{scheme}://{rest}"  # to FFmpeg RTSP:// is no protocol
        container = None
        if scheme in ("http", "https"):
            container = connect(address)
            if _is_film(container, without_password(address)):
                container.close()  # a film has more patience with its server, and looks closer
                timeouts = OPEN_TIMEOUT, OPEN_TIMEOUT
                container = open_container(address, timeout=timeouts)
                return VideoReader(without_password(address), container=container)
        return Camera(address, give_up=give_up, on_status=on_status, container=container)
    # Below /dev lie films too: in /dev/shm, or what a pipe brings to /dev/stdin.
    device = address.startswith("/dev/") and (path.is_char_device() or not path.exists())
    if (address.isdigit() and not path.exists()) or device:
        return Camera(address, give_up=give_up, on_status=on_status)
    if _is_folder(address):
        return FrameFolder(address, on_error)
    return VideoReader(path)


def files_of(address: str) -> list[Path]:
    """The files that :func:`open_source` reads for an address: those of a folder, or the path."""
    if "://" in (address := plain_path(address)) or not _is_folder(address):
        return [Path(address)]
    return list(find_pictures([address]))


def _is_folder(address: str) -> bool:
    path = Path(address)
    return path.is_dir() or (not path.exists() and glob.has_magic(address)) or is_picture(path)


def _is_film(container: Any, name: str) -> bool:
    """Whether it is a file on a web server, which ends, in contrast to a camera that speaks HTTP.

    Raises:
        InputError: it is one picture, or has none; the container is closed.
    """
    # Cameras send JPEGs or a transport stream without an end; a film knows how long it is, or its
    # server how many bytes it has. Some cameras make up a number, and a playlist, or a description
    # of a stream (SDP), has its own.
    form = container.format.name
    ends = container.size > 0 and form not in ("mpjpeg", "hls", "sdp")
    try:
        if form == "mjpeg" and ends:  # so are multipart JPEGs called, too, where it is made up
            ends = all(bytes(packet)[:2] == _JPEG for packet in _first_packets(container, name, 1))
        # FFmpeg's names of one picture, by its suffix, and of pictures one after the other.
        one = form.endswith("_pipe") and len(_first_packets(container, name, 2)) < 2
        if form == "image2" or one:
            raise InputError(
                f"{name} is one picture, no moving ones. Give the address of the camera's video, "
                "which often begins with rtsp://; what masklens detect takes are files."
            )
        stream = video_stream(container, name)
        return ends or (not is_bare(form) and duration_of(stream) is not None)
    except InputError:
        container.close()
        raise


def _first_packets(container: Any, name: str, count: int) -> list[Any]:
    with contextlib.suppress(import_av().error.FFmpegError):
        found = packets(container, video_stream(container, name))
        return list(islice((packet for packet in found if packet.size), count))
    return []


class FrameFolder:
    """A folder of frames: pictures in the natural order of their names, at the usual rate."""

    live = False
    rate: float | None = USUAL_RATE

    def __init__(
        self, address: str, on_error: Callable[[MasklensError], None] | None = None
    ) -> None:
        self.name = address
        self._on_error = on_error
        found = find_pictures([address])
        self._pictures = {p: found[p] for p in sorted(found, key=_natural)}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def __iter__(self) -> Iterator[Frame]:
        """The frames; see :func:`open_source` for those that cannot be read."""

        def tell(path: Path, error: MasklensError) -> None:
            if self._on_error is None:
                raise error
            self._on_error(error)

        for frame in read_frames(self._pictures, tell):
            frame.time = frame.index / USUAL_RATE
            yield frame


def is_picture(path: Path) -> bool:
    """Whether a file is read as a single picture: by its suffix."""
    return path.suffix.lower() in PICTURE_SUFFIXES


def is_video(path: Path) -> bool:
    """Whether a file is read as a video: by its suffix."""
    return path.suffix.lower() in VIDEO_SUFFIXES


def _natural(path: Path) -> list[tuple[int, int | str]]:
    """frame2 before frame10."""
    parts = re.split(r"(\d+)", path.as_posix())
    # Not isdigit, which a superscript is too.
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in parts]
