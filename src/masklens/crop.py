"""Making the classifier's input of a picture: the functions that training and use share.

A box comes in (any shape, partly outside the picture too), a square picture of a fixed size goes
out. Keeping this in one place is what makes the classifier see the same thing in training, in
Python, in the browser and on a phone; the browser's copy is tested against this one.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage

from masklens.boxes import clipped

Image = npt.NDArray[np.uint8]
FloatArray = npt.NDArray[np.float32]


def crop_square(
    box: npt.NDArray[np.floating] | Sequence[float], margin: float
) -> tuple[int, int, int]:
    """The square that is cut for a box, in whole pixels.

    Args:
        box: x1, y1, x2, y2 in pixels.
        margin: added on each side, as a share of the box's longer side (0.2 = 20 %).

    Returns:
        left, top and side length in pixels; the square may reach outside the picture.
    """
    x1, y1, x2, y2 = (float(v) for v in box)
    side = max(1, round(max(x2 - x1, y2 - y1) * (1 + 2 * margin)))
    left = int(np.floor((x1 + x2 - side) / 2 + 0.5))
    top = int(np.floor((y1 + y2 - side) / 2 + 0.5))
    return left, top, side


def crop_face(
    image: Image, box: npt.NDArray[np.floating] | Sequence[float], size: int, margin: float
) -> Image:
    """Cut one face as a square, centred on its box, and scale it to the classifier's input.

    What lies outside the picture repeats the picture's border. Shrinking averages over areas,
    enlarging interpolates linearly.

    Args:
        image: uint8 (H, W, 3), RGB.
        box: x1, y1, x2, y2 in pixels of ``image``.
        size: side of the result in pixels.
        margin: see :func:`crop_square`.

    Returns:
        uint8 (size, size, 3), RGB.
    """
    left, top, side = crop_square(box, margin)
    height, width = image.shape[:2]
    # Clamp so that at least one row and one column of the picture is in the window.
    x1, x2 = min(max(left, 0), width - 1), max(min(left + side, width), 1)
    y1, y2 = min(max(top, 0), height - 1), max(min(top + side, height), 1)
    window = image[y1 : max(y2, y1 + 1), x1 : max(x2, x1 + 1)]
    pad_top = min(max(0, y1 - top), side - window.shape[0])
    pad_left = min(max(0, x1 - left), side - window.shape[1])
    pad_bottom = side - pad_top - window.shape[0]
    pad_right = side - pad_left - window.shape[1]
    if pad_top or pad_bottom or pad_left or pad_right:
        window = np.asarray(
            cv2.copyMakeBorder(
                window, pad_top, pad_bottom, pad_left, pad_right, cv2.BORDER_REPLICATE
            ),
            dtype=np.uint8,
        )
    interpolation = cv2.INTER_AREA if side > size else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(window, (size, size), interpolation=interpolation), dtype=np.uint8)


def crop_faces(image: Image, boxes: FloatArray, size: int, margin: float) -> Image:
    """Cut every box of a picture: boxes (N, 4) xyxy pixels -> uint8 (N, size, size, 3), RGB."""
    crops = np.empty((len(boxes), size, size, 3), dtype=np.uint8)
    for index, box in enumerate(boxes):
        crops[index] = crop_face(image, box, size, margin)
    return crops


def whole_picture(image: Image, size: int) -> Image:
    """A whole picture as the classifier's input, for portraits that nobody boxed.

    The nearest pixel is taken, by Pillow's rule, as in the original report; OpenCV's nearest pixel
    is another one.

    Args:
        image: uint8 (H, W, 3), RGB.
        size: side of the result in pixels.

    Returns:
        uint8 (size, size, 3), RGB.
    """
    picture = PillowImage.fromarray(image)
    return np.asarray(picture.resize((size, size), PillowImage.Resampling.NEAREST))


def refined_boxes(
    boxes: FloatArray, refined: FloatArray, margin: float, shape: tuple[int, ...]
) -> FloatArray:
    """Boxes that the classifier gave in its crops, back in the picture and clipped to it.

    Args:
        boxes: (N, 4), xyxy pixels: the boxes that were cut.
        refined: (N, 4), xyxy in the crop's square, 0…1.
        margin: of the crop.
        shape: (H, W, …) of the picture.
    """
    height, width = shape[:2]
    out = np.empty_like(boxes)
    for i, box in enumerate(boxes):
        left, top, side = crop_square(box, margin)
        out[i] = np.array([left, top, left, top], np.float32) + refined[i] * side
    out = clipped(out, width, height)
    thin = np.any(out[:, 2:] - out[:, :2] < 1, axis=1)
    out[thin] = boxes[thin]
    return out


def in_range(crops: Image, value_range: tuple[float, float]) -> FloatArray:
    """Crops as a network of floating-point numbers takes them.

    Args:
        crops: uint8, of any shape, 0…255.
        value_range: of the card: what 0 and 255 become.

    Returns:
        float32, of the same shape.
    """
    low, high = value_range
    return crops.astype(np.float32) * np.float32((high - low) / 255) + np.float32(low)
