"""A network camera for tests: JPEGs over HTTP (multipart/x-mixed-replace), which can be cut."""

from __future__ import annotations

import contextlib
import io
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
from PIL import Image as PillowImage


class CameraServer:
    """Serves frames at a rate until it is cut; may come back on the same port.

    Args:
        frames: uint8 (H, W, 3), RGB, shown over and over.
        rate: frames per second.
        port: 0 chooses one.
        moment: so many frames are sent at a time, then the connection is closed.
        stall: … then it is left open for so many seconds.
        kind: what a frame is called.
    """

    def __init__(
        self,
        frames: list[np.ndarray],
        rate: float = 25,
        port: int = 0,
        moment: int | None = None,
        stall: float = 0,
        kind: str = "image/jpeg",
    ) -> None:
        self.rate = rate
        self._moment, self._stall, self._kind = moment, stall, kind
        self.sent = 0
        self._jpegs = [jpeg_of(frame) for frame in frames]
        self._sockets: list[socket.socket] = []
        self._cut = threading.Event()
        camera = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                camera._serve(self)

            def log_message(self, *_: object) -> None:
                pass

        ThreadingHTTPServer.allow_reuse_address = True
        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.url = f"http://user:secret@127.0.0.1:{self.port}/video"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def _serve(self, request: BaseHTTPRequestHandler) -> None:
        self._sockets.append(request.connection)
        request.send_response(200)
        request.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        request.end_headers()
        until = float("inf") if self._moment is None else self.sent + self._moment
        try:
            while not self._cut.is_set() and self.sent < until:
                jpeg = self._jpegs[self.sent % len(self._jpegs)]
                head = f"--frame\r\nContent-Type: {self._kind}\r\nContent-Length: {len(jpeg)}"
                request.wfile.write(head.encode() + b"\r\n\r\n" + jpeg + b"\r\n")
                self.sent += 1
                time.sleep(1 / self.rate)
            self._cut.wait(self._stall)
        except OSError:
            pass

    def cut(self) -> None:
        """Break all connections and take no new ones."""
        self._cut.set()
        self._server.shutdown()
        self._server.server_close()
        for connection in self._sockets:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._thread.join()


def jpeg_of(frame: np.ndarray) -> bytes:
    out = io.BytesIO()
    PillowImage.fromarray(frame).save(out, "JPEG", quality=90)
    return out.getvalue()
