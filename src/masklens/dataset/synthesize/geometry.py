"""Where things lie on a face: a small head model, placed by five landmarks and a box.

Head coordinates are measured in units of the distance from the eye line to the mouth line (about
as long as the distance between the eyes): ``X`` to the right of the picture and ``Y`` downwards,
both along the rolled head, with the origin on the head's vertical axis at eye height. Heights are
given as on an average frontal face (``EYES`` … ``CHIN``) and bent to the face at hand. Every
horizontal section of the head is an ellipse, so that under yaw a point of the picture leads back to
its place on the surface in closed form, and the outline follows by itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from masklens.crop import FloatArray
from masklens.errors import InputError

#: Heights on the average face; measured with YuNet's landmarks on frontal faces.
EYES, NOSE, MOUTH, CHIN = 0.0, 0.57, 1.0, 1.72

#: Smallest distance from eyes to mouth, in pixels: a face of about 12 pixels.
MIN_UNIT = 5.0
_EYE_DEPTH = 0.72  # of the eyes, in front of the head's axis
_NOSE_STEP = 0.36  # nose tip in front of the eyes: offset / eye distance = 0.36 · tan(yaw)
_MAX_YAW = np.radians(62)


@dataclass(frozen=True, slots=True)
class FaceFrame:
    """The place of one head in a picture.

    Attributes:
        origin: pixels (x, y) of the point on the head's axis at eye height.
        right: unit vector of the picture, along the eyes from left to right.
        unit: pixels per head unit.
        yaw: radians; positive when the nose points to the right of the picture.
        heights: Y of eyes, nose tip, mouth and chin of this face.
        width: half width of this face, as a factor on the average.
        lean: X per Y by which the lower face is shifted sideways.
    """

    origin: tuple[float, float]
    right: tuple[float, float]
    unit: float
    yaw: float
    heights: tuple[float, float, float, float]
    width: float
    lean: float

    @property
    def matrix(self) -> npt.NDArray[np.float64]:
        """(2, 3): head coordinates (X, Y) -> pixels of the picture."""
        cos, sin = self.right
        return np.array(
            [
                [self.unit * cos, -self.unit * sin, self.origin[0]],
                [self.unit * sin, self.unit * cos, self.origin[1]],
            ]
        )

    def place(self, height: FloatArray | float) -> FloatArray:
        """Height on the average face -> Y on this one."""
        return _bend(height, (EYES, NOSE, MOUTH, CHIN), self.heights)

    def height(self, y: FloatArray) -> FloatArray:
        """Y on this face -> height on the average one."""
        return _bend(y, self.heights, (EYES, NOSE, MOUTH, CHIN))

    def point(self, x: float, height: float, depth: float | None = None) -> tuple[float, float]:
        """Head coordinates of a point on the face.

        Args:
            x: sideways on the frontal face, as a share of the half width there (-1…1).
            height: on the average face.
            depth: in front of the axis; None puts it on the surface.
        """
        a = float(half_width(height)) * self.width
        if depth is None:
            depth = float(half_depth(height)) * np.sqrt(max(0.0, 1 - x * x))
        y = float(self.place(height))
        return float(x * a * np.cos(self.yaw) + depth * np.sin(self.yaw) + self.lean * y), y


def half_width(height: FloatArray | float) -> FloatArray:
    """Half width of the average head at a height (N…), ears left out: cheeks, jaw, chin."""
    return np.asarray(np.interp(height, _PROFILE_Y, _PROFILE_A), np.float32)


def half_depth(height: FloatArray | float) -> FloatArray:
    """Distance from the head's axis to the front of the average face at a height (N…)."""
    return np.asarray(np.interp(height, _DEPTH_Y, _DEPTH_B), np.float32)


def _jaw(y: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    t = np.clip((y - 0.45) / (CHIN - 0.45), 0, 1)
    return 1.04 * (1 - t**2.6) ** 0.52


_PROFILE_Y = np.concatenate([[-1.2, -0.6, 0.0, 0.3], np.linspace(0.45, CHIN, 40)])
_PROFILE_A = np.concatenate([[0.95, 1.04, 1.06, 1.05], _jaw(np.linspace(0.45, CHIN, 40))])
_DEPTH_Y = np.array([-1.0, 0.0, 0.3, NOSE, 0.8, MOUTH, 1.3, CHIN])
_DEPTH_B = np.array([0.90, 0.80, 0.86, 0.95, 0.96, 0.95, 0.92, 0.85])


def _bend(
    values: FloatArray | float, source: tuple[float, ...], target: tuple[float, ...]
) -> FloatArray:
    """Piecewise linear through the knots, going on with slope 1 outside."""
    v = np.asarray(values, np.float32)
    inside = np.interp(v, source, target)
    return np.asarray(
        inside + np.minimum(v - source[0], 0) + np.maximum(v - source[-1], 0), np.float32
    )


def face_frame(landmarks: FloatArray, box: FloatArray) -> FaceFrame:
    """Place the head model on a face.

    Args:
        landmarks: (5, 2), pixels: right eye (left in the picture), left eye, nose tip, right and
            left corner of the mouth.
        box: (4,), xyxy pixels: the face from brow or forehead to chin.

    Raises:
        InputError: another shape, values that are not finite, or a face too small to paint on.
    """
    points = np.asarray(landmarks, np.float64)
    edges = np.asarray(box, np.float64).reshape(-1)
    if points.shape != (5, 2) or edges.shape != (4,):
        raise InputError(
            "A face is given by landmarks (5, 2) and a box (4,). "
            f"Received: {points.shape} and {edges.shape}"
        )
    if not (np.isfinite(points).all() and np.isfinite(edges).all()):
        raise InputError("The landmarks or the box of the face hold values that are not finite.")
    eyes, mouth = points[:2].mean(axis=0), points[3:].mean(axis=0)
    down = mouth - eyes
    length = float(np.hypot(*down))
    if length < MIN_UNIT:
        raise InputError(
            f"The face is too small to paint on: its eyes and mouth are {length:.1f} pixels apart, "
            f"at least {MIN_UNIT:.0f} are needed."
        )
    along = points[1] - points[0]
    between = float(np.hypot(*along))
    # In profile the eye line is short and its direction unsure: the line to the mouth decides.
    right = along / length + np.array([down[1], -down[0]]) / length
    if np.hypot(*right) < 0.3:
        raise InputError("The landmarks are no face: the mouth does not lie below the eyes.")
    right /= np.hypot(*right)
    below = np.array([-right[1], right[0]])
    if float(down @ below) < 0.4 * length:
        raise InputError("The landmarks are no face: the mouth does not lie below the eyes.")
    unit = max(float(down @ below), 0.9 * between)
    nose = points[2] - eyes
    yaw = float(np.arctan2(nose @ right, _NOSE_STEP * max(between, 0.25 * unit)))
    yaw = float(np.clip(yaw, -_MAX_YAW, _MAX_YAW))

    mouth_y = float(down @ below) / unit
    nose_y = float(np.clip(nose @ below / unit, 0.35 * mouth_y, 0.75 * mouth_y))
    box_corners = np.array([[edges[0] / 2 + edges[2] / 2, edges[3]]])
    chin_y = float(((box_corners - eyes) @ below)[0] / unit)
    chin_y = float(np.clip(0.5 * chin_y + 0.5 * CHIN * mouth_y, 1.62 * mouth_y, 1.82 * mouth_y))
    tilt = float(np.arctan2(right[1], right[0]))
    upright = abs(np.cos(tilt)) - abs(np.sin(tilt))  # a tilted head's box is too wide to help
    width = float(np.clip((edges[2] - edges[0]) / unit / 2.12, 0.92, 1.06)) if upright > 0.7 else 1
    axis = eyes - right * unit * _EYE_DEPTH * np.sin(yaw)
    axis = axis + right * unit * _sideways(points, edges, axis, right, unit, yaw)
    mouth_x = float((mouth - axis) @ right) / unit
    expected = 0.86 * np.sin(yaw)
    lean = float(np.clip((mouth_x - expected) / max(mouth_y, 0.3), -0.12, 0.12))
    return FaceFrame(
        origin=(float(axis[0]), float(axis[1])),
        right=(float(right[0]), float(right[1])),
        unit=unit,
        yaw=yaw,
        heights=(0.0, nose_y, mouth_y, chin_y),
        width=width,
        lean=lean,
    )


def _sideways(
    points: npt.NDArray[np.float64],
    box: npt.NDArray[np.float64],
    axis: npt.NDArray[np.float64],
    right: npt.NDArray[np.float64],
    unit: float,
    yaw: float,
) -> float:
    """Correction of the axis for a turned head, in head units.

    The model's outline should lie in the middle of the box, and the far eye and the far corner of
    the mouth inside the outline.
    """
    sin, cos = abs(np.sin(yaw)), np.cos(yaw)
    if sin < 0.15:
        return 0.0
    far = float(np.sign(yaw))
    centre = np.array([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2])
    shift = float(np.clip(0.7 * sin * ((centre - axis) @ right) / unit, -0.2, 0.2))
    for spot, height, rim in ((points[:2], EYES, 0.12), (points[3:], MOUTH, 0.08)):
        reach = float(np.max((spot - axis) @ right * far)) / unit
        a, b = float(half_width(height)), float(half_depth(height))
        outline = float(np.hypot(a * cos, b * sin))
        shift = far * max(far * shift, min(reach + rim - outline, 0.3))
    return shift
