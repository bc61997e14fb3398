"""The face finder of masklens itself: the file ``finder.onnx`` (or ``finder.tflite``) of a bundle.

A picture goes in; boxes with scores and five landmarks come out. The file decodes its own answers,
so that reading them takes one rule: a coordinate is (column or row of the cell + value) · stride
(``docs/bundle.md``). Non-maximum suppression is done here.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import cv2
import numpy as np
import numpy.typing as npt

from masklens.bundle import CARD_FILE, FINDER_CARD_FILE, Bundle, check_file, read_card
from masklens.card import FinderCard
from masklens.crop import FloatArray, Image
from masklens.errors import BundleError
from masklens.faces import FaceFinder, Faces, YuNet, best_faces, check_answers
from masklens.io.jsonfile import read_json
from masklens.limits import LONG_SIDES
from masklens.pyramid import LARGE, PyramidFinder, SizedFinder
from masklens.runtime import RUNTIMES, Network, open_network

_OUTPUTS = {"face": 0, "box": 4, "landmarks": 10}


class _Kept(threading.local):
    """What each thread keeps of a finder; a pickled one begins with nothing."""

    tensor: npt.NDArray[Any] | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), ()


class CellFinder:
    """A finder by the contract of ``docs/bundle.md``, run at a size that follows the picture.

    Pictures are scaled so that their longer side is ``long_side`` pixels and padded with black to
    multiples of ``multiple``. Small faces are found better when small pictures are enlarged; beyond
    the card's ``max_scale`` they only get blurred.

    Args:
        path: ``finder.onnx`` or ``finder.tflite``.
        card: the ``finder`` section of the bundle's card; None takes its defaults.
        min_score: faces below this score are not returned (0…1); None is the card's.
        nms_iou: overlap above which the weaker of two boxes is dropped; None is the card's.
        long_side: working size in pixels; None is the card's. A file of a fixed size keeps its own.
        max_faces: at most this many faces per picture, best first.
        threads: of the network; 0 is one per core.
        runtime: "onnx", "litert" or "openvino"; the file must be in its format.

    Raises:
        BundleError: the file is missing, damaged or no finder.
    """

    def __init__(
        self,
        path: Path,
        card: FinderCard | None = None,
        *,
        min_score: float | None = None,
        nms_iou: float | None = None,
        long_side: int | None = None,
        max_faces: int = 500,
        threads: int = 0,
        runtime: str = "onnx",
    ) -> None:
        self.card = card = card or FinderCard()
        self.name = card.name or path.stem
        self.min_score = card.min_score if min_score is None else min_score
        self.nms_iou = card.nms_iou if nms_iou is None else nms_iou
        self.long_side = card.long_side if long_side is None else long_side
        self.strides, self.multiple = card.strides, card.multiple
        self.max_scale = card.max_scale
        self.max_faces = max_faces
        if not path.is_file():
            raise BundleError(f"Cannot read the face finder {path}: no such file.")
        self._open = functools.partial(open_network, path, runtime, threads)
        missing = [name for name in _OUTPUTS if name not in self.network.outputs]
        wrong = [
            name
            for name, columns in _OUTPUTS.items()
            if name not in missing and columns and self.network.outputs[name] not in (0, columns)
        ]
        if missing or wrong:
            raise BundleError(
                f"{path} is not a face finder of masklens: its outputs {sorted(missing + wrong)} "
                "are missing or of another shape."
            )
        #: (height, width) of a file that takes no other, else None
        self.fixed = self.network.fixed_size
        self._type = np.dtype(np.uint8 if self.network.takes_pixels else np.float32)
        self._kept = _Kept()
        # What the network cannot do is said here, and not at the first picture.
        size = self.fixed or (self.multiple, self.multiple)
        check_answers(self.name, self.run(np.zeros((1, *size, 3), self._type))[0])

    @functools.cached_property
    def network(self) -> Network:
        """Opened when it is first asked for: at a larger size most pictures never do."""
        return self._open()

    def at(self, long_side: int) -> Self:
        """The same finder at a larger size in pixels, for which it does not enlarge."""
        other = copy(self)
        other.long_side = long_side
        # The smallest size enlarges small pictures where that helps; once is enough.
        other.max_scale = min(self.max_scale, 1.0)
        del other.network
        other._open = functools.partial(self._open, frugal=True)
        other._kept = _Kept()
        return other

    def find(self, image: Image) -> Faces:
        """Find the faces of a picture: uint8 (H, W, 3), RGB."""
        # Fresh memory for every tensor takes longer than filling it, and leaves holes in the heap.
        tensor, scale = self.prepare(image, self._kept.tensor)
        self._kept.tensor = tensor
        boxes, scores, landmarks = self._decode(self.run(tensor), tensor.shape[1:3])
        found = boxes / scale, scores, landmarks / scale
        return best_faces(*found, image, self.nms_iou, self.max_faces)

    def prepare(
        self, image: Image, used: npt.NDArray[Any] | None = None
    ) -> tuple[npt.NDArray[Any], float]:
        """The network's input (1, H', W', 3), RGB, 0…255, and the scale applied.

        Args:
            image: uint8 (H, W, 3), RGB.
            used: what an earlier call returned; it is filled anew if its shape is right.

        Returns:
            The input, uint8 or float32, whichever the network takes; and pixels of it per pixel of
            the picture.
        """
        height, width = image.shape[:2]
        if self.fixed is None:
            scale = self.long_side / max(height, width)
        else:
            scale = min(self.fixed[0] / height, self.fixed[1] / width)
        scale = min(scale, self.max_scale)
        new_width, new_height = max(1, round(width * scale)), max(1, round(height * scale))
        interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        resized = image
        if (new_width, new_height) != (width, height):
            size = (new_width, new_height)
            resized = np.asarray(cv2.resize(image, size, interpolation=interpolation), np.uint8)
        room = self.fixed or (
            new_height + -new_height % self.multiple,
            new_width + -new_width % self.multiple,
        )
        if used is not None and used.shape == (1, *room, 3):
            tensor = used
            tensor[0, new_height:] = 0
            tensor[0, :new_height, new_width:] = 0
        else:
            tensor = np.zeros((1, *room, 3), self._type)
        tensor[0, :new_height, :new_width] = resized
        return tensor, scale

    def run(self, tensor: npt.NDArray[Any]) -> list[FloatArray]:
        """The bare network: the tensor of :meth:`prepare` -> face, box, landmarks."""
        return self.network.run(tensor, list(_OUTPUTS))

    def _decode(
        self, raw: Sequence[FloatArray], size: tuple[int, ...]
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """One picture's answers -> boxes (n, 4), scores (n,), landmarks (n, 5, 2), in pixels."""
        face, box, landmarks = (table[0] for table in raw)
        cells = np.flatnonzero(face >= self.min_score)
        corners, strides = grid(size[0], size[1], tuple(self.strides))
        if len(face) != len(strides):
            raise BundleError(
                f"The face finder {self.name} gave {len(face)} cells for {size[1]}×{size[0]} "
                f"pixels, not {len(strides)}: its strides are not {list(self.strides)}."
            )
        at, stride = corners[cells, None], strides[cells, None, None]
        boxes = (box[cells].reshape(-1, 2, 2) + at) * stride
        points = (landmarks[cells].reshape(-1, 5, 2) + at) * stride
        check_answers(self.name, face, boxes)
        return boxes.reshape(-1, 4), face[cells], points


@functools.lru_cache(maxsize=4)  # films have one size, and this takes as long as all the rest
def grid(height: int, width: int, strides: tuple[int, ...]) -> tuple[FloatArray, FloatArray]:
    """All cells in the order of the file's tables; the arrays are shared and cannot be written to.

    Args:
        height, width: of the input in pixels, multiples of the largest stride.
        strides: in their order.

    Returns:
        Column and row of every cell (A, 2), and its stride (A,), float32.
    """
    corners, sizes = [], []
    for stride in strides:
        rows, columns = height // stride, width // stride
        row, column = np.mgrid[:rows, :columns]
        corners.append(np.stack([column.ravel(), row.ravel()], axis=1).astype(np.float32))
        sizes.append(np.full(rows * columns, stride, np.float32))
    tables = np.concatenate(corners), np.concatenate(sizes)
    for table in tables:
        table.flags.writeable = False
    return tables


def bundle_finder(
    bundle: Bundle, threads: int = 0, runtime: str = "onnx", **options: Any
) -> CellFinder | None:
    """The finder of a bundle in the first of its formats that the runtime reads.

    Args:
        bundle: see there.
        threads, runtime, options: as of :class:`CellFinder`; without a ``min_score`` a bundle that
            has no ``face_calibration`` takes the card's ``sure_score``.

    Returns:
        None when the bundle has no finder. A runtime that reads none of its files leaves the
        finder to ONNX Runtime, and so does LiteRT when there is a ``long_side``: its file has one
        size.

    Raises:
        BundleError: the card names a finder whose file the bundle lacks, or which cannot be used.
    """
    card = bundle.card.finder
    if card is None:
        return None
    if bundle.card.face_calibration is None:
        options.setdefault("min_score", max(card.min_score, card.sure_score))
    sized = runtime == "litert" and options.get("long_side") is not None
    if sized:
        runtime = "onnx"
    for name in (runtime, "onnx"):
        for suffix in RUNTIMES.get(name, ()):
            file = str(Path(card.file).with_suffix(suffix))
            if file in bundle.card.files:
                return CellFinder(bundle.path(file), card, threads=threads, runtime=name, **options)
    raise BundleError(
        f"The bundle {bundle.folder} has no {card.file}, which "
        + ("a long_side needs: its LiteRT file has one size." if sized else "its card names.")
    )


def shipped_finder(threads: int = 0, runtime: str = "onnx", **options: Any) -> CellFinder:
    """The finder of the bundle that ships with masklens, for use without its classifier.

    Args:
        threads, runtime, options: as of :func:`bundle_finder`.
    """
    bundle = Bundle.load()
    bundle = replace(bundle, card=replace(bundle.card, face_calibration=None))
    finder = bundle_finder(bundle, threads, runtime, **options)
    if finder is None:
        raise BundleError("The bundle that ships has no face finder. Reinstall masklens.")
    return finder


def load_finder(
    finder: str | Path | FaceFinder | None,
    threads: int = 0,
    runtime: str = "onnx",
    *,
    bundle: Bundle | None = None,
    long_side: int | Sequence[int] | None = None,
    closer: bool = False,
    **options: Any,
) -> FaceFinder:
    """A face finder from its name, from a file, from a bundle, or the object itself.

    Args:
        finder: "yunet"; the path of an .onnx file, of masklens or a YuNet; any finder; None takes
            the bundle's own, and where it has none that of the bundle that ships. A file in a
            bundle, or in a run folder of train-finder, is run as the card beside it says.
        threads: of the network; 0 is one per core.
        runtime: a runtime that does not read ONNX files leaves them to ONNX Runtime.
        bundle: see above.
        long_side: working size in pixels, or several; None is the finder's own.
        closer: whether, where there is no ``long_side``, pictures at least twice as large as the
            finder's own size are searched at twice that size, too, if that is a size to ask for.
        options: as of :class:`CellFinder` and :class:`YuNet`, for example ``min_score``.

    Raises:
        BundleError: no such name, or the file is no face finder, or the card beside it is damaged.
        MissingExtraError: YuNet needs the extra of that name.
        ValueError: ``long_side`` beside a finder that is an object.
    """
    if finder is not None and not isinstance(finder, str | Path):
        if long_side is not None:
            raise ValueError(
                f"long_side is for finders that are opened here, and {finder.name} is open: make "
                f"it with that size. Received: {long_side}"
            )
        return finder
    if isinstance(long_side, Sequence):
        long_side, *larger = sorted(set(long_side))
    else:
        larger = []
    if long_side is not None:
        options["long_side"] = long_side
    first = _load(finder, threads, runtime, bundle, **options)
    if getattr(first, "fixed", None):
        return first
    if larger:
        return PyramidFinder([first, *map(first.at, larger)])
    if closer and long_side is None and LARGE * first.long_side <= LONG_SIDES[1]:
        return PyramidFinder([first, first.at(LARGE * first.long_side)], LARGE)
    return first


def _load(
    finder: str | Path | None, threads: int, runtime: str, bundle: Bundle | None, **options: Any
) -> SizedFinder:
    if finder is None:
        own = bundle_finder(bundle, threads, runtime, **options) if bundle is not None else None
        return own or shipped_finder(threads, runtime, **options)
    if ".onnx" not in RUNTIMES.get(runtime, ()):
        runtime = "onnx"
    if str(finder) == "yunet":
        return YuNet(threads=threads, runtime=runtime, **options)
    path = Path(finder)
    if path.suffix != ".onnx":
        raise BundleError(
            f'No face finder is called "{finder}". Use "yunet" or the path of an .onnx file.'
        )
    if not path.is_file():
        raise BundleError(f"Cannot read the face finder {path}: no such file.")
    if set(_OUTPUTS) <= set(open_network(path, runtime, threads).outputs):
        card = finder_card(path.parent)
        if card is None or card.file != path.name:
            return CellFinder(path, threads=threads, runtime=runtime, **options)
        # Under its file's name: no bundle's scores were fitted to a finder that comes as a file.
        options.setdefault("min_score", max(card.min_score, card.sure_score))
        card = replace(card, name=path.stem)
        return CellFinder(path, card, threads=threads, runtime=runtime, **options)
    return YuNet(path, threads=threads, runtime=runtime, **options)


def finder_card(folder: Path) -> FinderCard | None:
    """The card's section in a bundle, or in a run folder of train-finder; None where there is none.

    Raises:
        BundleError: the card, or a finder's file beside it, is damaged.
    """
    if (folder / CARD_FILE).is_file() and (card := read_card(folder)).finder:
        for name, file in Bundle(folder, card).finder_files().items():
            if file.is_file():
                check_file(folder, card, name)
        return card.finder
    path = folder / FINDER_CARD_FILE
    if not path.is_file():
        return None
    try:
        return FinderCard.from_dict(read_json(path))
    except OSError as error:
        raise BundleError(f"Cannot read {path}: {error.strerror}.") from error
    except (ValueError, TypeError) as error:
        raise BundleError(f"{path} is damaged: {error}") from error
