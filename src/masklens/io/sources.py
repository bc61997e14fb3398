"""From what a user names to frames: pictures, folders, globs and lists become one generator."""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from masklens.crop import Image
from masklens.errors import InputError, MasklensError
from masklens.io.pictures import read_picture

PICTURE_SUFFIXES = frozenset(
    {
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp"),
        *(".tif", ".tiff", ".gif", ".heic", ".heif", ".avif"),
    }
)


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture on its way through the program.

    Attributes:
        image: uint8 (H, W, 3), RGB, upright.
        name: the file it came from, as the user would write it.
        relative: its path below the source it was found in; names the annotated copy.
        index: place in its source, from 0.
        time: seconds from the start of the stream; None for single pictures.
    """

    image: Image
    name: str
    relative: str = ""
    index: int = 0
    time: float | None = None


def find_pictures(sources: Iterable[str]) -> dict[Path, str]:
    """The picture files that the sources name, in order, each once.

    Args:
        sources: picture files, folders (searched recursively), glob patterns. A file that does not
            exist is taken as it is, and reported when it is read.

    Returns:
        path -> its path below the source that named it.

    Raises:
        InputError: an empty folder, a pattern without a match, no source at all.
    """
    found: dict[Path, str] = {}
    for source in sources:
        for path in _expand(source):
            root = Path(source) if Path(source).is_dir() else path.parent
            found.setdefault(path, path.relative_to(root).as_posix())
    if not found:
        raise InputError("No picture was named.")
    return found


def _expand(source: str) -> list[Path]:
    path = Path(source)
    if path.is_dir():
        pictures = sorted(
            p for p in path.rglob("*") if p.suffix.lower() in PICTURE_SUFFIXES and p.is_file()
        )
        if not pictures:
            raise InputError(f"The folder {source} has no pictures in it.")
        return pictures
    if path.exists() or not glob.has_magic(source):
        return [path]
    matches = sorted(Path(p) for p in glob.glob(source, recursive=True))
    files = [p for p in matches if p.is_file() and p.suffix.lower() in PICTURE_SUFFIXES]
    if not files:
        raise InputError(f'No picture matches the pattern "{source}".')
    return files


def read_frames(
    pictures: Mapping[Path, str],
    on_error: Callable[[Path, MasklensError], None],
    read_ahead: int = 4,
) -> Iterator[Frame]:
    """Read pictures in order, decoding a few ahead in a thread while the caller works.

    Args:
        pictures: what :func:`find_pictures` returned.
        on_error: called, in order, for each file that cannot be read; reading goes on.
        read_ahead: pictures decoded in advance; they are held in memory.
    """
    remaining = iter(pictures)
    with ThreadPoolExecutor(max_workers=1) as reader:
        pending: list[tuple[Path, Future[Image]]] = [
            (path, reader.submit(read_picture, path)) for path in islice(remaining, read_ahead)
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
