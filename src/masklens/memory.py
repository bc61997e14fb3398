"""What glibc's allocator is told, so that a program's memory suits what it does.

Each setting lasts until the process ends, and does nothing where the C library is another one.
"""

from __future__ import annotations

import ctypes
import gc
import platform
import sys

# Parameters of mallopt(3), by their names in glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -2, -3, -4, -8

_KB, _MB = 1 << 10, 1 << 20


def keep_flat() -> None:
    """For moving pictures, which may run for days: one heap for all threads, without frames in it.

    Call it when all is imported, and before threads are started. Frames are made in one thread and
    freed in another. With a heap per thread, as glibc has it, every heap keeps what its busiest
    moment needed, and frames that lie between small blocks leave holes.
    """
    # What is there by now stays: looking for cycles in it would take as long as twenty frames
    # whenever a film is closed (see io/containers.py, release).
    gc.freeze()
    _tell(_M_ARENA_MAX, 1)
    # Frames are taken from the system and given back, results are not. Unless it is set, glibc
    # begins at 128 kB and rises by itself up to the largest frame. Such blocks cost a page fault
    # per 4 kB each time; io/pixels.py keeps its own.
    _tell(_M_MMAP_THRESHOLD, 256 * _KB)
    _tell(_M_TRIM_THRESHOLD, 16 * _MB)  # so that the heap does not breathe with every frame


def give_back() -> None:
    """Return free pages inside the heap to the system: another film leaves other holes."""
    if _is_glibc():
        ctypes.CDLL(None).malloc_trim(0)


def give_back_large() -> None:
    """For a server: give the memory of large pictures back, which would be kept by the gigabyte.

    Once glibc has freed a large block it takes later ones from its heaps, which hardly ever shrink.
    """
    # Above the face finder's input at its usual size, which is needed all the time; below that of
    # the second search of large pictures, and what the network says of it.
    _tell(_M_MMAP_THRESHOLD, 2 * _MB)
    # So much of a heap is kept, so that ordinary pictures do not ask for theirs again and again.
    _tell(_M_TRIM_THRESHOLD, 32 * _MB)


def keep_freed() -> None:
    """For trainings, which become two to three times faster: keep memory that was freed.

    A training step allocates and frees hundreds of large tensors. By default the C library asks the
    system for each of them and gives it back at once, and the system clears every page again. The
    memory then stays at its peak.
    """
    _tell(_M_MMAP_MAX, 0)
    _tell(_M_TRIM_THRESHOLD, 2**31 - 1)
    _tell(_M_TOP_PAD, 256 * _MB)


def _tell(parameter: int, value: int) -> None:
    if _is_glibc():
        ctypes.CDLL(None).mallopt(parameter, value)


def _is_glibc() -> bool:
    # Elsewhere it would look into Python's program, which the one of Microsoft's store forbids.
    return sys.platform == "linux" and platform.libc_ver()[0] == "glibc"
