"""Keeping the memory of a program flat that runs for days."""

from __future__ import annotations

import ctypes
import gc
import platform

# Of glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
#: Bytes from which a block is taken from the system and given back to it: frames, not results.
#: Unless it is set, glibc begins at 128 kB and rises by itself up to the largest frame. Such blocks
#: cost a page fault per 4 kB each time; io/pixels.py keeps its own.
_LARGE = 256 << 10
#: Bytes that may stay free at the end of the heap, so that it does not breathe with every frame.
_SPARE = 16 << 20


def keep_flat() -> None:
    """Let all threads share one heap, without frames in it, where the C library is glibc.

    Call it when all is imported, and before threads are started. Frames are made in one thread and
    freed in another. With a heap per thread, as glibc has it, every heap keeps what its busiest
    moment needed, and frames that lie between small blocks leave holes.
    """
    # What is there by now stays: looking for cycles in it would take as long as twenty frames
    # whenever a film is closed (see io/video.py, release).
    gc.freeze()
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_ARENA_MAX, 1)
        libc.mallopt(_M_MMAP_THRESHOLD, _LARGE)
        libc.mallopt(_M_TRIM_THRESHOLD, _SPARE)


def give_back() -> None:
    """Return free pages inside the heap to the system: another film leaves other holes."""
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)
