"""How large numbers may be that users choose, in Python and on the command line.

It imports nothing, because the command line shows its options before anything is loaded.
"""

from __future__ import annotations

#: More threads than any machine has cores only take memory, each of them, in each network.
MAX_THREADS = 256

#: Of the face finder, in pixels. Working sizes beyond it take gigabytes.
LONG_SIDES = (32, 8192)
