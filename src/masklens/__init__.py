"""masklens finds every face in a picture and says whether it wears a mask.

    >>> from masklens import MaskDetector
    >>> detections = MaskDetector().detect("photo.jpg")
    >>> detections.label_names
    ['with_mask', 'without_mask']

The names are imported when they are first used, so that ``masklens --help`` is quick.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from masklens.bundle import Bundle
    from masklens.card import ModelCard
    from masklens.detections import Detection, Detections
    from masklens.detector import MaskDetector
    from masklens.errors import (
        BundleError,
        DatasetError,
        DownloadError,
        InputError,
        MasklensError,
        MissingExtraError,
        OutputError,
        ServeError,
    )
    from masklens.faces import FaceFinder, Faces, YuNet
    from masklens.labels import LABELS

__version__ = "0.1.0"

__all__ = [
    "LABELS",
    "Bundle",
    "BundleError",
    "DatasetError",
    "Detection",
    "Detections",
    "DownloadError",
    "FaceFinder",
    "Faces",
    "InputError",
    "MaskDetector",
    "MasklensError",
    "MissingExtraError",
    "ModelCard",
    "OutputError",
    "ServeError",
    "YuNet",
    "__version__",
]

_MODULES = {
    "bundle": ("Bundle",),
    "card": ("ModelCard",),
    "detections": ("Detection", "Detections"),
    "detector": ("MaskDetector",),
    "errors": tuple(name for name in __all__ if name.endswith("Error")),
    "faces": ("FaceFinder", "Faces", "YuNet"),
    "labels": ("LABELS",),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'masklens' has no attribute {name!r}")
    return getattr(importlib.import_module(f"masklens.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
