"""Frame: one picture on its way through the program, from any source.

Frames of videos and cameras carry their pixels as a function, because not every frame's pixels are
needed as RGB: faces are looked for in some, and the others only move the boxes on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from masklens.crop import Image


@dataclass(eq=False)
class Frame:
    """One picture on its way through the program.

    Attributes:
        pixels: uint8 (H, W, 3), RGB, upright; or a function that makes it, called at most once.
        name: the file or address it came from, as the user would write it.
        relative: its path below the source it was found in; names the annotated copy.
        index: place in its source, from 0.
        time: seconds from the start of the stream, by the stream's own clock; None for single
            pictures.
        session: how many times the source was lost and came back before this frame.
        arrived: ``time.monotonic()`` when a camera's frame came in; None for files.
    """

    pixels: Image | Callable[[], Image]
    name: str
    relative: str = ""
    index: int = 0
    time: float | None = None
    session: int = 0
    arrived: float | None = None

    @cached_property
    def image(self) -> Image:
        """uint8 (H, W, 3), RGB, upright."""
        return self.pixels() if callable(self.pixels) else self.pixels
