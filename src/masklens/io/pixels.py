"""From decoded frames to RGB pixels, whole or scaled, by FFmpeg's swscale.

A frame of PyAV goes in; uint8 (H, W, 3) comes out. Each thread keeps its filter graphs: they keep
their pictures' memory, and fresh memory for every picture takes longer than filling it. PyAV's own
way (``to_ndarray``) also makes a new converter for every frame, with a thread per core.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable
from typing import Any

import numpy as np

from masklens.crop import Image


class _Kept(threading.local):
    """A thread's graphs for whole and for scaled pictures, each with what it was made for."""

    def __init__(self) -> None:
        self.graphs: dict[bool, tuple[Hashable, Any]] = {}


_kept = _Kept()


def rgb(picture: Any, size: tuple[int, int] | None = None) -> Image:
    """The pixels of a decoded frame as it lies in the file.

    Args:
        picture: ``av.VideoFrame``.
        size: width and height to scale to, smaller by averaging over areas; None is the frame's
            own.
    """
    colours = picture.format.name, picture.colorspace, picture.color_range
    wanted = picture.width, picture.height, colours, size
    made_for, graph = _kept.graphs.get(size is None, (None, None))
    if made_for != wanted:
        graph = _graph(picture, size)
        _kept.graphs[size is None] = wanted, graph
    graph.push(picture)
    return np.asarray(graph.pull().to_ndarray(), dtype=np.uint8)


def _graph(picture: Any, size: tuple[int, int] | None) -> Any:
    """A filter graph for frames like this one."""
    from av.filter import Graph

    graph = Graph()
    graph.threads = 1
    form = picture.format
    source = graph.add(
        "buffer",
        video_size=f"{picture.width}x{picture.height}",
        pix_fmt=form.name,
        time_base="1/1000",  # nothing here asks for times
        colorspace=str(int(picture.colorspace)),
        range=str(int(picture.color_range)),
    )
    steps = [source]
    if size is not None:
        # YUV has half the values of RGB and is scaled in half the time. Other forms, such as
        # those with a palette, cannot be scaled as they are.
        planes = form.is_planar and not form.is_rgb
        where = "in_chroma_loc=left"  # of H.264 and its like, which seldom say so
        way = "area" if size[0] * size[1] < picture.width * picture.height else "bilinear"
        steps.append(graph.add("scale", f"{size[0]}:{size[1]}:flags={way}:{where}"))
        steps.append(graph.add("format", form.name if planes else "rgb24"))
    steps.append(graph.add("scale", "flags=bilinear"))
    steps.append(graph.add("format", "rgb24"))
    steps.append(graph.add("buffersink"))
    graph.link_nodes(*steps).configure()
    return graph
