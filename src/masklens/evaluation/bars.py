"""Bars over the pictures of a judgement; the caller draws them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

from masklens.dataset import duplicates

#: Called after each picture.
Progress = Callable[[], object]

#: A bar over a number of pictures, under a title.
Bar = Callable[[int, str], AbstractContextManager[Progress]]


def no_bar(total: int, title: str) -> AbstractContextManager[Progress]:
    """Nothing is shown."""
    return contextlib.nullcontext(lambda: None)


@contextlib.contextmanager
def search_bar(pictures: int, bar: Bar) -> Iterator[duplicates.Progress]:
    """One bar over a search for near-duplicates; it moves on with each picture that is read."""
    with bar(pictures, "looking for near-duplicates") as progress:

        def tell(what: str, done: int, total: int) -> None:
            if what == "reading":
                progress()

        yield tell
