"""The HTTP API and the page, for ``masklens serve``.

Pictures come in as request bodies, are bounded in every direction before anything is decoded, go
through one pool that batches faces across requests, and leave as JSON or as annotated pictures.
Nothing of a picture is written to disk or log. FastAPI and uvicorn are the extra ``serve``.
"""

from __future__ import annotations

from importlib.util import find_spec

from masklens.errors import MissingExtraError

_NEEDED = ("fastapi", "fastapi_offline", "prometheus_client", "python_multipart", "uvicorn")


def require_extra() -> None:
    """Raise a MissingExtraError unless everything of the extra ``serve`` is installed."""
    if any(find_spec(name) is None for name in _NEEDED):
        raise MissingExtraError("masklens serve", "serve")
