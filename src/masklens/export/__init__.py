"""One model in every runtime's format, each file proved against Keras. Extra: export."""

from __future__ import annotations

from importlib.util import find_spec

from masklens.errors import InputError, MissingExtraError
from masklens.runtime import RUNTIMES

#: Formats, named as the runtimes that read them (:data:`masklens.runtime.RUNTIMES`), and suffixes.
FORMATS = {name: RUNTIMES[name][0] for name in ("litert", "onnx", "openvino")}

#: Smallest and fastest first.
PRECISIONS = ("int8", "fp16", "fp32")

_MODULES = ("keras", "tensorflow", "tf2onnx", "scipy", "ai_edge_litert", "openvino")


def require_extra() -> None:
    """Raise MissingExtraError unless everything that exporting needs can be imported."""
    if any(find_spec(module) is None for module in _MODULES):
        raise MissingExtraError("Exporting a model", "export")


def choices(text: str, what: str, known: tuple[str, ...]) -> tuple[str, ...]:
    """A list as typed ("fp32,int8") -> its known names, each once, in the order of ``known``.

    Raises:
        InputError: a name is not known, or there is none.
    """
    names = [name.strip().lower() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in known:
            raise InputError(f'There is no {what} "{name}". Choose from {", ".join(known)}.')
    if not names:
        raise InputError(f"No {what} was given. Choose from {', '.join(known)}.")
    return tuple(name for name in known if name in names)
