"""Making batches in another thread while the network trains."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Iterator
from typing import TypeVar

T = TypeVar("T")


def ahead(stream: Iterator[T], depth: int = 8) -> Iterator[T]:
    """The items of a stream, up to ``depth`` of them made in advance; its errors are raised here.

    OpenCV and TensorFlow free the interpreter, so that both threads run.
    """
    waiting: queue.Queue[tuple[T] | BaseException | None] = queue.Queue(depth)
    stop = threading.Event()

    def put(item: tuple[T] | BaseException | None) -> None:
        while not stop.is_set():
            with contextlib.suppress(queue.Full):
                waiting.put(item, timeout=0.2)
                return

    def work() -> None:
        try:
            for item in stream:
                put((item,))
                if stop.is_set():
                    return
            put(None)
        except BaseException as error:
            put(error)

    threading.Thread(target=work, daemon=True).start()
    try:
        while (waited := waiting.get()) is not None:
            if isinstance(waited, BaseException):
                raise waited
            yield waited[0]
    finally:
        stop.set()
