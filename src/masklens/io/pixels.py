"""From decoded frames to RGB pixels, whole or scaled, by FFmpeg's swscale.

A frame of PyAV goes in; uint8 (H, W, 3) comes out. Each thread keeps its converters: PyAV's own way
(``to_ndarray``) makes a new one for every frame, with as many threads as there are cores.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from masklens.crop import Image


class _Kept(threading.local):
    """A thread's converters; each serves one step, because another size means to begin anew."""

    def __init__(self) -> None:
        from av.video.reformatter import VideoReformatter

        self.whole, self.scaled, self.coloured = (VideoReformatter() for _ in range(3))


_kept: _Kept | None = None


def rgb(picture: Any, size: tuple[int, int] | None = None) -> Image:
    """The pixels of a decoded frame as it lies in the file.

    Args:
        picture: ``av.VideoFrame``.
        size: width and height to scale to, averaging over areas; None is the frame's own.
    """
    global _kept
    _kept = _kept or _Kept()
    converter = _kept.whole
    if size is not None:
        converter = _kept.coloured
        # YUV has half the values of RGB and is scaled in half the time. Other forms, such as
        # those with a palette, cannot be scaled as they are.
        planes = picture.format.is_planar and not picture.format.is_rgb
        picture = _kept.scaled.reformat(
            picture,
            width=size[0],
            height=size[1],
            format=None if planes else "rgb24",
            interpolation="AREA",
            threads=1,
        )
    picture = converter.reformat(picture, format="rgb24", threads=1)
    return np.asarray(picture.to_ndarray(), dtype=np.uint8)
