"""SIGTERM and SIGHUP end a command as Ctrl-C does: what was done is kept, nothing half stays.

A service manager sends the one, a terminal that is closed the other. Windows has SIGBREAK instead,
which programs send, and Ctrl-Break.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from types import FrameType
from typing import NoReturn

_NAMES = ("SIGTERM", "SIGHUP", "SIGBREAK")  # those that the system has


class Stopped(KeyboardInterrupt):
    """A signal said to stop.

    Attributes:
        number: of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def stop_signals() -> list[int]:
    """The signals that say stop, besides Ctrl-C, and are not ignored: nohup ignores SIGHUP."""
    numbers = [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]
    return [number for number in numbers if signal.getsignal(number) != signal.SIG_IGN]


@contextlib.contextmanager
def stopped_by_signals() -> Iterator[None]:
    """Inside of the block these signals raise :class:`Stopped`.

    Only the main thread may ask for signals; elsewhere nothing happens.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    with handled(stop_signals(), _stop):
        yield


@contextlib.contextmanager
def true_to_the_stop() -> Iterator[None]:
    """A stop leaves the block as what it was, where something was made of it on its way.

    Modules in C that are being imported make an ``ImportError`` of it (pybind11's do), and that may
    become a missing extra.
    """
    try:
        yield
    except Exception as error:
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, KeyboardInterrupt):
            cause = cause.__cause__
        if cause is not None:
            raise cause from None
        raise


@contextlib.contextmanager
def handled(numbers: Iterable[int], handler: Callable[..., None]) -> Iterator[None]:
    """Signals have this handler inside of the block, and afterwards what they had before.

    Args:
        numbers: of the signals.
        handler: called with the number and the frame, in the main thread.
    """
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, former in before.items():
            signal.signal(number, former)


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    raise Stopped(number)
