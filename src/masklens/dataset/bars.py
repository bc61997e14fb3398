"""Progress bars for long work on a data set; they show in a terminal only."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from tqdm import tqdm


@contextlib.contextmanager
def step_bars() -> Iterator[Callable[[str, int, int], None]]:
    """A bar for each step of a longer work, one after the other."""
    bars: dict[str, tqdm[Any]] = {}

    def advance(what: str, done: int, total: int) -> None:
        if what not in bars:
            for bar in bars.values():
                bar.close()
            bars[what] = tqdm(total=total, desc=what, leave=False, disable=None)
        bars[what].update(done - bars[what].n)

    try:
        yield advance
    finally:
        for bar in bars.values():
            bar.close()
