"""Keeping the memory of a program flat that runs for days."""

from __future__ import annotations

import ctypes
import platform

_M_ARENA_MAX = -8  # of glibc's malloc.h


def keep_flat() -> None:
    """Let all threads share one heap; call it before they start. Does nothing outside glibc.

    Frames are made in one thread and freed in another. With a heap per thread, as glibc has it,
    every heap keeps what its busiest moment needed.
    """
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)
