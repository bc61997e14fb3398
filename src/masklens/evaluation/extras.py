"""Whether the extra ``evaluate`` is installed."""

from __future__ import annotations

from importlib.util import find_spec

from masklens.errors import MissingExtraError

_MODULES = ("scipy", "sklearn", "matplotlib", "jinja2", "faster_coco_eval")


def require_extra() -> None:
    """Raise MissingExtraError unless everything that measuring needs can be imported."""
    if any(find_spec(module) is None for module in _MODULES):
        raise MissingExtraError("Evaluating a model", "evaluate")


def require_pdf() -> None:
    """Raise MissingExtraError unless WeasyPrint is installed."""
    if find_spec("weasyprint") is None:
        raise MissingExtraError("Writing a PDF report", "evaluate")
