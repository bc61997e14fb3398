"""Frame: one picture on its way through the program, from any source.

Frames of videos and cameras carry their pixels as a function, because not every frame's pixels are
needed as RGB: faces are looked for in some, and the others only move the boxes on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import cv2
import numpy as np

from masklens.crop import Image

#: Frames per second of what does not say how many it has, as FFmpeg takes it.
USUAL_RATE = 25.0


@dataclass(eq=False)
class Frame:
    """One picture on its way through the program.

    Attributes:
        pixels: uint8 (H, W, 3), RGB, upright; or a function that makes it, of the (width, height)
            that it is given, or whole when that is None.
        name: the file or address it came from, as the user would write it.
        relative: its path below the source it was found in; names the annotated copy.
        index: place in its source, from 0.
        time: seconds from the start of the stream, by the stream's own clock; None for single
            pictures.
        session: how many times the source was lost and came back before this frame.
        arrived: ``time.monotonic()`` when a camera's frame came in; None for files.
        clock: local time at that moment, as the system's clock had it: it may jump; None for files.
        size: width and height of the upright picture.
    """

    pixels: Image | Callable[[tuple[int, int] | None], Image]
    name: str
    relative: str = ""
    index: int = 0
    time: float | None = None
    session: int = 0
    arrived: float | None = None
    clock: datetime | None = None
    size: tuple[int, int] = (0, 0)

    def __post_init__(self) -> None:
        if not callable(self.pixels):
            self.size = (self.pixels.shape[1], self.pixels.shape[0])

    def within(self, long_side: int) -> Image:
        """The picture, made smaller if its longer side is longer than ``long_side`` pixels."""
        width, height = self.size
        scale = long_side / max(width, height, 1)
        if scale >= 1:
            return self.image
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        if callable(self.pixels):
            return self.pixels(size)
        return np.asarray(cv2.resize(self.pixels, size, interpolation=cv2.INTER_AREA), np.uint8)

    @cached_property
    def image(self) -> Image:
        """uint8 (H, W, 3), RGB, upright."""
        return self.pixels(None) if callable(self.pixels) else self.pixels
