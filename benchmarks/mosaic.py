"""Large pictures from small ones: photographs set side by side, not scaled.

``benchmarks/large_pictures.py`` measures on such mosaics, and ``web/e2e/python_results.py`` has the
page compared with Python on one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

CELL = 720  # pixels; the longer side of the largest photographs


def mosaic(images: Sequence[np.ndarray], grid: int) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """Lay pictures out row by row on grey, ``grid`` cells of 720 px in a row and as many rows.

    Args:
        images: uint8 (H, W, 3), at most 720 px in height and width; at most ``grid`` ** 2 of them.
        grid: cells in a row.

    Returns:
        uint8 (grid · 720, grid · 720, 3), and the left and top of each picture in it.
    """
    canvas = np.full((grid * CELL, grid * CELL, 3), 128, np.uint8)
    corners = [(cell % grid * CELL, cell // grid * CELL) for cell in range(len(images))]
    for image, (left, top) in zip(images, corners, strict=True):
        canvas[top : top + image.shape[0], left : left + image.shape[1]] = image
    return canvas, corners
