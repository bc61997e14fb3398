"""Running the server: a socket, uvicorn around the application, and a clean end."""

from __future__ import annotations

import asyncio
import errno
import gc
import logging
import socket
from collections.abc import Callable
from types import FrameType

import cv2
import numpy as np
import uvicorn
from prometheus_client import disable_created_metrics

from masklens.detector import MaskDetector
from masklens.errors import ServeError
from masklens.io.quiet import hush_libtiff
from masklens.memory import give_back_large
from masklens.server.api import create_app
from masklens.server.protocol import bounded
from masklens.server.settings import Settings


class _Server(uvicorn.Server):
    """Ends with status 0 when it was asked to end; at the second signal at once."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.force_exit = self.should_exit
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # From Python 3.12 on it waits for open connections even when the second signal came.
        ending = asyncio.create_task(super().shutdown(sockets))
        done: set[asyncio.Task[None]] = set()
        while not done:
            done, _ = await asyncio.wait([ending], timeout=0.1)
            if self.force_exit:
                return
        await ending


def run(detector: MaskDetector, settings: Settings, ready: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM; requests that are in work are finished first.

    Args:
        detector: with one thread per network.
        settings: see there.
        ready: called with the server's address when it answers.

    Raises:
        ServeError: the address cannot be listened on.
    """
    give_back_large()
    cv2.setNumThreads(1)  # the workers are what uses the cores
    hush_libtiff()
    listener = _listen(settings.host, settings.port)
    detector.detect(np.zeros((64, 64, 3), np.uint8))  # the first run of a network takes longer
    app, service = create_app(detector, settings)
    # Garbage with pictures in it is found sooner when the modules need not be searched for it.
    gc.collect()
    gc.freeze()
    # They are a second value for every counter, which nobody asks for.
    disable_created_metrics()  # type: ignore[no-untyped-call]
    # Of a malformed form it would log the byte at which it gave up, which may be a picture's.
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL + 1)
    limits = settings.limits
    config = uvicorn.Config(
        app,
        http=bounded(limits.stall, limits.connections),
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,  # what it logs goes to standard error
        log_level="error",  # warnings are lines that any client can cause, about WebSockets too
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=int(limits.seconds) + 5,
    )
    host, port = listener.getsockname()[:2]
    try:
        with listener:
            ready(f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}")
            _Server(config).run([listener])
    finally:
        service.engine.close()


def _listen(host: str, port: int) -> socket.socket:
    """A socket on the first address of the host that can be listened on, IPv4 before IPv6."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise ServeError(f"{host} is no address of this machine.") from error
    family, _, _, _, address = min(found, key=lambda entry: entry[0] != socket.AF_INET)
    try:
        return socket.create_server(address[:2], family=family, backlog=128)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise ServeError(
                f"Port {port} of {host} is taken. Stop what uses it, or choose another --port."
            ) from error
        raise ServeError(f"Cannot listen on {host}, port {port}: {error.strerror}.") from error
