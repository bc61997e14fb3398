"""What a photograph tells of itself: its light, its sharpness, its noise, whether it has colour.

Paint must be lit, blurred and noisy like the photograph that it is laid on.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from masklens.crop import FloatArray, Image
from masklens.dataset.synthesize.geometry import FaceFrame, half_width

#: Shares of red, green and blue in brightness (ITU-R BT.601).
LUMA = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True, slots=True)
class Light:
    """What the photograph tells about its light.

    Attributes:
        field: float32 (h, w) on the board: brightness relative to the middle of the face.
        skin: float32 (3,), 0…1: colour of the cheeks.
        white: float32 (3,), 0…1: how a white sheet would look here.
        contrast: 0…1: how hard the light is.
    """

    field: FloatArray
    skin: FloatArray
    white: FloatArray
    contrast: float


def read_light(
    photo: FloatArray, frame: FaceFrame, x: FloatArray, y: FloatArray, scale: float
) -> Light:
    """Skin, white and the course of the light, from a bare face.

    Args:
        photo: float32 (h, w, 3), 0…1, RGB: the face and its surroundings, upright.
        frame: where the head is.
        x, y: head coordinates of the pixels, (1, w) and (h, 1).
        scale: pixels per head unit.
    """
    step = max(1, round(scale / 14))
    small = cv2.blur(photo, (step, step))[step // 2 :: step, step // 2 :: step]
    luma = small @ LUMA
    x, y = x[:, step // 2 :: step], y[step // 2 :: step]
    height = frame.height(y)
    across = (x - frame.lean * y) / (half_width(height) * frame.width + 1e-3)
    face = (np.abs(across) < 0.82) & (height > -0.15) & (height < 1.5)
    middle = 0.5 * np.sin(frame.yaw)
    cheeks = (np.abs(across - middle) < 0.5) & (height > 0.25) & (height < 0.85)
    skin = np.median(small[cheeks], axis=0) if cheeks.any() else small.mean(axis=(0, 1))
    level = float(skin @ LUMA) + 0.02
    weight = (face & (np.abs(luma - level) < 0.45 * level)).astype(np.float32)
    sigma = 0.22 * scale / step
    known = cv2.GaussianBlur(weight, (0, 0), sigma)
    blurred = cv2.GaussianBlur(luma * weight, (0, 0), sigma)
    blurred = (blurred + 0.03 * level) / (known + 0.03)  # away from the face: as its middle
    field = np.clip(blurred / level, 0.55, 1.4) ** 0.85
    rows, width = photo.shape[:2]
    bright = np.percentile(luma, 92)
    white_level = float(np.clip(max(1.3 * level, 0.7 * bright + 0.35 * level), 0.25, 0.98))
    top = small[luma >= bright].mean(axis=0)
    cast = top / max(float(top @ LUMA), 0.05)
    skin_cast = skin / level
    white = white_level * (0.72 + 0.22 * cast + 0.06 * skin_cast)
    inside = field[face]
    spread = float(inside.std()) if inside.size else 0.1
    return Light(
        field=cv2.resize(field.astype(np.float32), (width, rows)),
        skin=np.asarray(skin, np.float32),
        white=np.clip(white, 0.15, 1.0).astype(np.float32),
        contrast=float(np.clip(spread / 0.2, 0.15, 1)),
    )


def sharpness(region: Image) -> tuple[float, float]:
    """Blur (sigma in pixels) and noise (standard deviation, 0…255) of the photograph."""
    rows, width = region.shape[:2]
    if min(rows, width) < 8:
        return 0.4, 0.0
    top, left = max(0, rows // 2 - 64), max(0, width // 2 - 64)  # the middle is enough
    region = np.ascontiguousarray(region[top : top + 128, left : left + 128])
    luma = cv2.cvtColor(region, cv2.COLOR_RGB2GRAY).astype(np.float32)
    fine = np.abs(luma - cv2.blur(luma, (3, 3)))
    noise = float(np.median(fine[::2, ::2])) * 1.2
    # Edge width: how much of the strong gradients lives at the finest scale.
    coarse = np.abs(luma - cv2.blur(luma, (7, 7)))
    strong = coarse >= np.percentile(coarse[::2, ::2], 95)
    share = float(fine[strong].mean() / (coarse[strong].mean() + 1e-3))
    sigma = float(np.clip((0.42 - share) * 4.5, 0, 2.2))
    return sigma, float(np.clip(noise * 0.8 - 0.4, 0, 5))


def is_grey(region: Image) -> bool:
    """True for a photograph without colour."""
    red, green, blue = cv2.split(np.ascontiguousarray(region[::2, ::2]))
    return float(cv2.absdiff(red, green).mean() + cv2.absdiff(green, blue).mean()) < 2.5
