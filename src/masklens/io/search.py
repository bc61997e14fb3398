"""Looking for files in folders and by patterns.

Links to folders are followed, and no folder is entered twice.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterator
from pathlib import Path


def walk(
    folder: Path,
    *,
    left_out: Path | None = None,
    on_error: Callable[[OSError], None] | None = None,
) -> Iterator[tuple[Path, list[str], list[str]]]:
    """A folder and all below it, each once: path, names of its folders and of its files.

    Where links lead comes after everything else, so that files have their own paths rather than
    those of links. Links to a folder they lie in are not followed: they lead out of ``folder``, or
    in a circle. As with :func:`os.walk`, what the caller takes from the folders is not entered.

    Args:
        folder: where to begin; a link is followed.
        left_out: a folder that is not entered where it lies below ``folder``.
        on_error: called for folders that may not be looked into; None passes over them.
    """
    entered = set() if left_out is None else {os.path.realpath(left_out)}
    entered.discard(os.path.realpath(folder))
    waiting = [folder]
    for start in waiting:  # which grows on the way
        for path, folders, files in os.walk(start, onerror=on_error):
            here, real = Path(path), os.path.realpath(path)
            if real in entered:
                folders.clear()
                continue
            entered.add(real)
            yield here, folders, files
            links = [link for name in sorted(folders) if (link := here / name).is_symlink()]
            waiting += [k for k in links if not Path(real).is_relative_to(os.path.realpath(k))]


def matching(pattern: str, on_error: Callable[[OSError], None] | None = None) -> Iterator[Path]:
    """What a glob pattern matches; ``**`` stands for folders of any depth that are not hidden.

    Unlike that of :mod:`glob`, which follows links that lead up again and again.

    Args:
        pattern: as a shell writes it.
        on_error: called for folders below a ``**`` that may not be looked into; None passes over
            them.
    """
    parts = Path(pattern).parts
    if "**" not in parts:
        yield from map(Path, glob.iglob(pattern))
        return
    first = parts.index("**")
    rest = parts[first + 1 :] or ("*",)
    for start in filter(os.path.isdir, glob.iglob(str(Path(*parts[:first])))):
        for here, folders, _ in walk(Path(start), on_error=on_error):
            folders[:] = [name for name in folders if not name.startswith(".")]
            # Of a further ** nothing is told: this walk comes to the same folders.
            yield from matching(str(Path(glob.escape(str(here)), *rest)))


def is_to_be_read(path: Path) -> bool:
    """Whether to read a name that was found: files, and links to nothing, so that they are told.

    No pipes or devices, which might never end, and no "._a.jpg", in which macOS keeps what FAT has
    no room for about a.jpg (AppleDouble, RFC 1740).
    """
    return not path.name.startswith("._") and (path.is_file() or is_dead_link(path))


def is_dead_link(path: Path) -> bool:
    """Whether a path is a link to what does not exist."""
    return path.is_symlink() and not path.exists()
