"""Training views: a square of a photograph, or four of them, changed by chance.

A :class:`Scene` goes in; pixels with boxes, labels, landmarks and ignore regions in their
coordinates come out. Scales reach from far below to far above what is served (large-scale jitter:
Ghiasi et al., "Simple Copy-Paste", CVPR 2021), four pictures share a view (mosaic: Bochkovskiy et
al., "YOLOv4", 2020), and masks are painted on bare faces.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
import numpy.typing as npt

from masklens.boxes import clipped
from masklens.crop import FloatArray
from masklens.dataset.synthesize import paint
from masklens.errors import InputError
from masklens.labels import LABELS, WITHOUT_MASK
from masklens.training.augment import Augmentation, degrade
from masklens.training.finder.scenes import Scene
from masklens.training.samples import PAINTED_STYLES

#: How flipping renames the landmarks: right and left change sides.
_MIRRORED = [1, 0, 2, 4, 3]


@dataclass(frozen=True, slots=True)
class ViewSettings:
    """How views are made. Probabilities are per view.

    Attributes:
        side: of the view in pixels.
        long_side: scale 1 of a view is that of a picture of this size in pixels, a little more than
            the working size in use.
        jitter: standard deviation of the logarithm of the scale.
        aimed: share of views whose scale is chosen so that one face gets a random size …
        faces: … between these, in pixels, evenly in the logarithm.
        mosaic: share of views made of four squares.
        painted: how often a bare face is painted.
        turned: how often the view is rotated, by up to ``degrees``.
        min_face: smaller faces are ignored, in pixels.
        degrade: light, blur, noise, JPEG.
    """

    side: int = 352
    long_side: int = 800
    jitter: float = 0.35
    aimed: float = 0.3
    faces: tuple[float, float] = (9.0, 330.0)
    mosaic: float = 0.25
    painted: float = 0.3
    turned: float = 0.2
    degrees: float = 12.0
    min_face: float = 6.0
    degrade: Augmentation = field(
        default_factory=lambda: Augmentation(
            small=0.15, small_side=176, light=0.2, grey=0.04, blur=0.1, noise=0.1, jpeg=0.3,
            occlude=0.0,
        )
    )  # fmt: skip


def make_view(
    scenes: Sequence[Scene], index: int, v: ViewSettings, rng: np.random.Generator
) -> Scene:
    """A view of one scene, or of four of which it is the first."""
    if rng.random() < v.mosaic:
        others = rng.integers(0, len(scenes), 3)
        view = _mosaic([scenes[i] for i in (index, *others)], v, rng)
    else:
        view = _square(scenes[index], v.side, _scale(scenes[index], v, rng), v, rng)
    view = _paint(view, v, rng)
    image = degrade(view.image, v.degrade, rng)
    view = replace(view, image=image)
    return _mirror(view) if rng.random() < 0.5 else view


def _scale(scene: Scene, v: ViewSettings, rng: np.random.Generator) -> float:
    height, width = scene.image.shape[:2]
    natural = v.long_side / max(height, width)
    if len(scene.boxes) and rng.random() < v.aimed:
        box = scene.boxes[rng.integers(len(scene.boxes))]
        wanted = np.exp(rng.uniform(*np.log(v.faces)))
        scale = wanted / max(4.0, float((box[2:] - box[:2]).max()))
        return float(np.clip(scale, 0.12 * natural, 3.0 * natural))
    return float(natural * np.exp(np.clip(rng.normal(0, v.jitter), -1.2, 0.9)))


def _square(
    scene: Scene, side: int, scale: float, v: ViewSettings, rng: np.random.Generator
) -> Scene:
    """Cut a square at a scale, around a face mostly; what lies outside the picture is black."""
    if rng.random() < v.turned:
        scene = _turned(scene, float(rng.uniform(-v.degrees, v.degrees)))
    height, width = scene.image.shape[:2]
    window = side / scale  # in pixels of the picture
    if len(scene.boxes) and rng.random() < 0.75:
        box = scene.boxes[rng.integers(len(scene.boxes))]
        centre = (box[:2] + box[2:]) / 2 + rng.uniform(-0.5, 0.5, 2) * max(
            0.0, window - float((box[2:] - box[:2]).max())
        )
    else:
        centre = rng.uniform(0, 1, 2) * (width, height)
    # Where the picture is larger than the window, the window stays inside; else it holds all of it.
    corner = np.empty(2)
    for axis, extent in enumerate((width, height)):
        low, high = sorted((0.0, extent - window))
        corner[axis] = np.clip(centre[axis] - window / 2, low, high)
    x1, y1 = (max(0, int(np.floor(c))) for c in corner)
    x2, y2 = (
        min(width, int(np.ceil(corner[0] + window))),
        min(height, int(np.ceil(corner[1] + window))),
    )
    columns = max(1, round((x2 - x1) * scale))
    rows = max(1, round((y2 - y1) * scale))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    part = cv2.resize(scene.image[y1:y2, x1:x2], (columns, rows), interpolation=way)
    left, top = round((x1 - corner[0]) * scale), round((y1 - corner[1]) * scale)
    image = np.zeros((side, side, 3), np.uint8)
    target_x, target_y = max(0, left), max(0, top)
    part = part[target_y - top : side - top, target_x - left : side - left]
    image[target_y : target_y + part.shape[0], target_x : target_x + part.shape[1]] = part
    moved = _moved(scene, scale, np.array([left - x1 * scale, top - y1 * scale], np.float32))
    return _clipped(replace(moved, image=image), v.min_face)


def _moved(scene: Scene, scale: float, shift: FloatArray) -> Scene:
    both = np.tile(shift, 2)
    return replace(
        scene,
        boxes=(scene.boxes * scale + both).astype(np.float32),
        landmarks=(scene.landmarks * scale + shift).astype(np.float32),
        ignore=(scene.ignore * scale + both).astype(np.float32),
    )


def _clipped(scene: Scene, min_face: float) -> Scene:
    """Keep the faces that are in the view; ignore those that are cut off or too small."""
    height, width = scene.image.shape[:2]
    seen = clipped(scene.boxes, width, height)
    sides, whole = seen[:, 2:] - seen[:, :2], scene.boxes[:, 2:] - scene.boxes[:, :2]
    share = sides.prod(axis=1) / np.maximum(whole.prod(axis=1), 1e-6)
    visible = sides.min(axis=1, initial=np.inf) > 1
    keep = visible & (share >= 0.5) & (np.sqrt(sides.prod(axis=1)) >= min_face)
    dropped = seen[visible & ~keep]
    ignore = np.vstack([clipped(scene.ignore, width, height), dropped])
    ignore = ignore[(ignore[:, 2:] - ignore[:, :2]).min(axis=1, initial=np.inf) > 0.5]
    return replace(
        scene,
        boxes=seen[keep],
        labels=scene.labels[keep],
        landmarks=scene.landmarks[keep],
        ignore=ignore.astype(np.float32),
    )


def _turned(scene: Scene, degrees: float) -> Scene:
    """Rotate about the picture's centre; boxes keep their size and follow their centre."""
    height, width = scene.image.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
    image = cv2.warpAffine(scene.image, matrix, (width, height), flags=cv2.INTER_LINEAR)

    def turn(points: npt.NDArray[np.floating]) -> FloatArray:
        return np.asarray(points @ matrix[:, :2].T + matrix[:, 2], np.float32)

    def turn_boxes(boxes: FloatArray) -> FloatArray:
        centre, half = turn((boxes[:, :2] + boxes[:, 2:]) / 2), (boxes[:, 2:] - boxes[:, :2]) / 2
        return np.hstack([centre - half, centre + half])

    return replace(
        scene,
        image=np.asarray(image, np.uint8),
        boxes=turn_boxes(scene.boxes),
        landmarks=turn(scene.landmarks),
        ignore=turn_boxes(scene.ignore),
    )


def _mosaic(four: Sequence[Scene], v: ViewSettings, rng: np.random.Generator) -> Scene:
    """Four squares of unequal size around a random point, each at a scale of its own."""
    x, y = (int(v.side * rng.uniform(0.3, 0.7)) for _ in range(2))
    image = np.zeros((v.side, v.side, 3), np.uint8)
    parts = []
    for number, scene in enumerate(four):
        right, below = number % 2, number // 2
        width, height = (v.side - x if right else x), (v.side - y if below else y)
        side = max(width, height)
        scale = _scale(scene, v, rng) * float(rng.uniform(0.5, 1.0))
        part = _square(scene, side, scale, v, rng)
        part = _clipped(replace(part, image=part.image[:height, :width]), v.min_face)
        left, top = (x if right else 0), (y if below else 0)
        image[top : top + height, left : left + width] = part.image
        parts.append(_moved(part, 1.0, np.array([left, top], np.float32)))
    return Scene(
        image,
        np.concatenate([part.boxes for part in parts]),
        np.concatenate([part.labels for part in parts]),
        np.concatenate([part.landmarks for part in parts]),
        np.concatenate([part.ignore for part in parts]),
    )


def _paint(scene: Scene, v: ViewSettings, rng: np.random.Generator) -> Scene:
    """Paint some of the bare faces that are large enough and whose landmarks are known."""
    bare = LABELS.index(WITHOUT_MASK)
    image, labels = scene.image, scene.labels.copy()
    styles = list(PAINTED_STYLES)
    for row, box in enumerate(scene.boxes):
        if labels[row] != bare or np.isnan(scene.landmarks[row]).any():
            continue
        if min(box[2] - box[0], box[3] - box[1]) < 20 or rng.random() >= v.painted:
            continue
        try:
            painted = paint(
                image, scene.landmarks[row], box, styles[rng.integers(len(styles))], rng
            )
        except InputError:  # landmarks that are no face
            continue
        image, labels[row] = painted.image, LABELS.index(painted.label)
    return replace(scene, image=image, labels=labels)


def _mirror(scene: Scene) -> Scene:
    width = scene.image.shape[1]

    def mirrored(boxes: FloatArray) -> FloatArray:
        return np.stack(
            [width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]], axis=1
        )

    landmarks = scene.landmarks[:, _MIRRORED] * np.array([-1, 1], np.float32)
    landmarks[..., 0] += width
    return replace(
        scene,
        image=np.ascontiguousarray(scene.image[:, ::-1]),
        boxes=mirrored(scene.boxes),
        landmarks=landmarks,
        ignore=mirrored(scene.ignore),
    )
