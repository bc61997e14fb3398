"""Keeping TensorFlow's and LiteRT's C++ chatter off the terminal.

It is written before any setting of ours is read, so that only the file descriptors help.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator


@contextlib.contextmanager
def quiet(*, unless_it_fails: bool = False) -> Iterator[None]:
    """Throw away what the block writes to standard output and error, from C++ too.

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
