"""Writing files so that they are whole or not there: a temporary name first, then a rename.

Streams such as standard output cannot be renamed to: what is whole goes on where they are.
"""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import re
import shutil
import stat
import sys
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from masklens.errors import OutputError

#: Names of files may hold bytes that are no UTF-8. Such a byte becomes an escape, from which JSON
#: reads back the same name.
UNDECODED = "backslashreplace"

STDOUT = Path("/dev/stdout")
_STREAMS = {STDOUT: 1, Path("/dev/stderr"): 2}


def stream_of(target: Path) -> int | None:
    """The open file descriptor that a path such as ``/dev/stdout`` stands for; None for others."""
    numbered = re.fullmatch(r"/(?:dev|proc/self)/fd/(\d+)", target.as_posix())
    return int(numbered[1]) if numbered else _STREAMS.get(target)


def real_paths(paths: Iterable[str | Path]) -> set[Path]:
    """Where the paths lead: two names of one file have one of them.

    In lower case on macOS, where A.jpg and a.jpg are one file; Windows' paths compare so.
    """
    same = str.lower if sys.platform == "darwin" else str
    return {Path(same(os.path.realpath(path))) for path in paths}


def open_unbuffered(target: Path, mode: Literal["w", "a"] = "w") -> io.FileIO:
    """Open a file to be written, with its folders; a stream goes on where it is.

    Opened by its name, a stream that the shell has led into a file would begin at the file's start.

    Args:
        target: the file or stream.
        mode: "w" writes it anew, "a" adds to its end, wherever that is by then.
    """
    if (stream := stream_of(target)) is not None:
        return io.FileIO(os.dup(stream), "w")
    target.parent.mkdir(parents=True, exist_ok=True)
    return io.FileIO(target, mode)


@contextlib.contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """A temporary path beside ``target`` that takes its place when the block ends well.

    Folders are made as needed. When the block raises, the temporary file is removed and whatever
    was at ``target`` stays as it was; a file that is replaced hands on who may read and write it.
    What is for a stream is added to it when the block ends well.

    Raises:
        OutputError: the file system refused (no space, no permission, a folder in the way).
        BrokenPipeError: nobody reads on.
    """
    target = Path(target)
    if not target.name:
        raise OutputError(f'"{target}" is no name for a file. Give one.')
    try:
        if (stream := stream_of(target)) is not None:
            with _before(stream) as temporary:
                yield temporary
            return
        if target.exists() and not (target.is_file() or target.is_dir()):
            yield target  # a device or a pipe: nothing to rename
            return
        if target.is_symlink():
            target = target.resolve()
        target.parent.mkdir(parents=True, exist_ok=True)
        with _beside(target) as temporary:
            yield temporary
            temporary.replace(target)
    except BrokenPipeError:
        raise
    except (FileExistsError, NotADirectoryError) as error:
        raise OutputError(
            f"Cannot write {target}: a part of its path is a file, not a folder."
        ) from error
    except OSError as error:
        raise OutputError(f"Cannot write {target}: {error.strerror or error}.") from error


@contextlib.contextmanager
def _before(stream: int) -> Iterator[Path]:
    """A temporary file whose content goes to a stream at the end."""
    with (
        os.fdopen(os.dup(stream), "wb") as out,
        TemporaryDirectory(prefix="masklens-") as folder,
    ):
        temporary = Path(folder) / "result"
        yield temporary
        with temporary.open("rb") as made:
            shutil.copyfileobj(made, out)


@contextlib.contextmanager
def _beside(target: Path) -> Iterator[Path]:
    """A temporary name in the folder of a file; what has it at the end is removed."""
    # Not from the target's name, which may be as long as the file system allows.
    temporary = target.with_name(f".masklens-{uuid.uuid4().hex[:8]}{target.suffix[:40]}")
    try:
        if target.is_file():  # now, before there is anything in it that only some may read
            _make_with_rights_of(target, temporary)
        yield temporary
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def _make_with_rights_of(old: Path, new: Path) -> None:
    """An empty file that those may read and write who may do so with the old one, nobody else."""
    with new.open("xb") as file:
        if sys.platform == "win32":  # there they are the folder's
            return
        status = old.stat()
        rights = stat.S_IMODE(status.st_mode) | stat.S_IWUSR
        owner = status.st_uid if os.geteuid() == 0 else -1  # only root gives files away
        try:
            os.fchown(file.fileno(), owner, status.st_gid)
        except OSError:  # one is not of that group: another one gets what all may do
            rights = rights & ~stat.S_IRWXG | (rights & stat.S_IRWXO) << 3
        with contextlib.suppress(OSError):  # file systems without rights
            os.fchmod(file.fileno(), rights)


def check_writable(target: Path) -> None:
    """Find out now, not after the work, whether a file can be written; nothing is left of it.

    Raises:
        OutputError: it cannot, a folder has its name, or it is write-protected.
    """
    parents = Path(os.path.realpath(target)).parents
    absent = [folder for folder in parents if not os.path.lexists(folder)]
    try:
        with contextlib.suppress(_Writable), atomic_path(target) as temporary:
            if target.is_dir():
                raise OutputError(f"Cannot write {target}: it is a folder.")
            if temporary != target:
                temporary.touch()
                # Its folder would let it be replaced, protected or not. To open it tells whoever
                # waits for results that there are some, and rclone's mounts refuse to add to files.
                own = os.access in os.supports_effective_ids
                if target.is_file() and not os.access(target, os.W_OK, effective_ids=own):
                    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
                # A name may be too long, and Windows replaces no file that is open, in Excel say.
                with contextlib.suppress(FileNotFoundError):
                    target.rename(target)
            raise _Writable
    finally:
        for folder in absent:
            with contextlib.suppress(OSError):
                folder.rmdir()


class _Writable(Exception):  # noqa: N818
    """Leaves :func:`atomic_path` before it renames."""


class GrowingText:
    """A UTF-8 text that is written bit by bit under a temporary name and gets its own at the end.

    Raises:
        OutputError: the file system refused; the temporary file is gone, an old one stays.
    """

    def __init__(self, target: Path) -> None:
        self.target = target
        self._stack = contextlib.ExitStack()
        path = self._stack.enter_context(atomic_path(target))
        with self._given_up_when_refused():
            self._file = self._stack.enter_context(
                path.open("w", encoding="utf-8", errors=UNDECODED, newline="")
            )

    def add(self, text: str) -> None:
        """Write more of it; nothing once the file system has refused."""
        if not self._file.closed:
            with self._given_up_when_refused():
                self._file.write(text)

    def finish(self) -> None:
        """Give the file its name, unless the file system has refused it before."""
        with self._given_up_when_refused():
            self._file.close()
        self._stack.close()

    @contextlib.contextmanager
    def _given_up_when_refused(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            # The block of atomic_path ends with this error: it cleans up and says so.
            self._stack.__exit__(type(error), error, error.__traceback__)


def write_bytes(target: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    with atomic_path(target) as temporary:
        temporary.write_bytes(content)


def write_text(target: Path, text: str) -> None:
    """Write a UTF-8 file whole or not at all."""
    write_bytes(target, text.encode("utf-8", UNDECODED))


def json_bytes(values: Any) -> bytes:
    """Indented JSON as UTF-8, with a line's end.

    Raises:
        ValueError: a number is NaN or infinite, which JSON does not know.
    """
    text = json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False)
    return f"{text}\n".encode("utf-8", UNDECODED)


def write_json(target: Path, values: Any) -> None:
    """Write :func:`json_bytes` whole or not at all."""
    write_bytes(target, json_bytes(values))
