"""The exceptions of masklens: one tree, so that ``except MasklensError`` catches all of them.

Every message is one sentence or two: what was received, and what to do about it.
"""

from __future__ import annotations

import copyreg


class MasklensError(Exception):
    """Base class of every error that masklens raises on purpose; it survives pickle and copy."""

    def __reduce__(self) -> tuple[object, ...]:
        # Exception's own way calls __init__, whose arguments are not always the message.
        return copyreg.__newobj__, (type(self), *self.args), self.__dict__  # type: ignore[attr-defined]


class InputError(MasklensError):
    """A picture, video or file that cannot be used as it is."""


class OutputError(MasklensError):
    """A result that could not be written (no permission, no space, a path in the way)."""


class BundleError(MasklensError):
    """A model bundle that is missing, damaged or not understood."""


class DatasetError(MasklensError):
    """A data set that is empty, malformed, or does not fit what was asked of it."""


class DownloadError(MasklensError):
    """A download that failed, or whose content is not what it should be."""


class ServeError(MasklensError):
    """A server that cannot start as it was asked to."""


class MissingExtraError(MasklensError):
    """An optional dependency is not installed; the message names the pip command."""

    def __init__(self, purpose: str, extra: str) -> None:
        super().__init__(f'{purpose} needs an extra. Run: pip install "masklens[{extra}]"')
        self.extra = extra
