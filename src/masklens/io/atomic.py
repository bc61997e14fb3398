"""Writing files so that they are whole or not there: a temporary name first, then a rename."""

from __future__ import annotations

import contextlib
import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from masklens.errors import OutputError


@contextlib.contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """A temporary path beside ``target`` that takes its place when the block ends well.

    Folders are made as needed. When the block raises, the temporary file is removed and whatever
    was at ``target`` stays as it was.

    Raises:
        OutputError: the file system refused (no space, no permission, a folder in the way).
    """
    target = Path(target)
    temporary = target.with_name(f".{target.stem[:100]}.{uuid.uuid4().hex[:8]}{target.suffix}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.replace(target)
    except OSError as error:
        raise OutputError(f"Cannot write {target}: {error.strerror or error}.") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def write_bytes(target: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    with atomic_path(target) as temporary:
        temporary.write_bytes(content)


def write_text(target: Path, text: str) -> None:
    """Write a UTF-8 file whole or not at all."""
    write_bytes(target, text.encode("utf-8"))


def write_json(target: Path, values: Any) -> None:
    """Write JSON, indented, whole or not at all."""
    write_text(target, json.dumps(values, indent=2, ensure_ascii=False) + "\n")
