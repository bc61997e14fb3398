"""A network camera for tests: JPEGs over HTTP (multipart/x-mixed-replace), which can be cut."""

from __future__ import annotations

import contextlib
import io
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import av
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

    Attributes:
        sent: frames.
        opened: connections that asked for them.
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
        self.sent = self.opened = 0
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
        self.opened += 1
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


class UdpCamera:
    """An RTSP camera that sends its film by UDP, and refuses to send it by TCP.

    Args:
        film: H.264 in a container, sent once, at its own speed.
    """

    def __init__(self, film: Path) -> None:
        self._film = film
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._stop = threading.Event()
        self.asked: list[str] = []
        self.url = f"rtsp://127.0.0.1:{self._socket.getsockname()[1]}/film"
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            connection, _ = self._socket.accept()
            with connection, connection.makefile("rb") as lines:
                while not self._stop.is_set() and (request := lines.readline().decode()):
                    head = dict(
                        line.decode().strip().split(": ", 1)
                        for line in iter(lines.readline, b"\r\n")
                    )
                    answer = self._answer(request.split()[0], head.get("Transport", ""))
                    first, rest = answer.split("\r\n", 1)
                    connection.sendall(f"{first}\r\nCSeq: {head['CSeq']}\r\n{rest}".encode())

    def _answer(self, method: str, transport: str) -> str:
        if method == "DESCRIBE":
            sdp = "v=0\r\ns=-\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"
            return (
                "RTSP/1.0 200 OK\r\nContent-Type: application/sdp\r\n"
                f"Content-Length: {len(sdp)}\r\n\r\n{sdp}"
            )
        if method == "SETUP":
            self.asked.append(transport.split(";")[0])
            if "TCP" in transport:
                return "RTSP/1.0 461 Unsupported Transport\r\n\r\n"
            self._port = int(transport.partition("client_port=")[2].partition("-")[0])
            return (
                f"RTSP/1.0 200 OK\r\nSession: 1\r\nTransport: {transport};server_port=5000-5001\r\n"
                "\r\n"
            )
        if method == "PLAY":
            threading.Thread(target=self._send, daemon=True).start()
        return "RTSP/1.0 200 OK\r\nSession: 1\r\n\r\n"

    def _send(self) -> None:
        with (
            av.open(str(self._film)) as source,
            av.open(f"rtp://127.0.0.1:{self._port}", "w", format="rtp") as target,
        ):
            stream = target.add_stream_from_template(source.streams.video[0])
            for packet in source.demux(video=0):
                if packet.dts is not None and not self._stop.wait(0.04):
                    packet.stream = stream
                    target.mux(packet)

    def close(self) -> None:
        self._stop.set()
        self._socket.close()
        self._thread.join(5)
