"""How large numbers may be that users choose, in Python and on the command line, and the cores.

It imports next to nothing, because the command line shows its options before anything is loaded.
"""

from __future__ import annotations

import os

#: More threads than any machine has cores only take memory, each of them, in each network.
MAX_THREADS = 256

#: Of the face finder, in pixels. Working sizes beyond it take gigabytes.
LONG_SIDES = (32, 8192)

#: Of the test part of a data set, which is dealt out in twentieths or larger parts.
TEST_SHARES = (0.05, 0.95)


def cores() -> int:
    """The cores that this process may use: a container may have been given fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
