"""Keeping the chatter of other libraries' C and C++ off the terminal, and out of logs."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
import tempfile
from collections.abc import Iterator


@contextlib.contextmanager
def quiet(*, unless_it_fails: bool = False) -> Iterator[None]:
    """Throw away what the block writes to standard output and error, from C++ too.

    TensorFlow and LiteRT write before any setting of ours is read: only the descriptors help.

    Args:
        unless_it_fails: show it after all when the block raises, on standard error.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    kept = [os.dup(1), os.dup(2)]
    with tempfile.TemporaryFile() as sink:
        os.dup2(sink.fileno(), 1)
        os.dup2(sink.fileno(), 2)
        try:
            yield
        except BaseException:
            if unless_it_fails:
                sink.seek(0)
                os.write(kept[1], sink.read())
            raise
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for number, copy in zip((1, 2), kept, strict=True):
                os.dup2(copy, number)
                os.close(copy)


def hush_libtiff() -> None:
    """For programs: no line on standard error for every flaw of a TIFF, with bytes of it.

    It lasts until the process ends. Where libtiff is linked so that it cannot be reached through
    Pillow, which loads it, the lines stay.
    """
    from PIL import _imaging

    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(_imaging.__file__).TIFFSetErrorHandler(None)
