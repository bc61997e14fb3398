"""What ``api.py`` and the tests of the server share: a real server, clients, mutated pictures."""

from __future__ import annotations

import http.client
import io
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from PIL import Image

_PORTRAIT = Path(__file__).resolve().parent.parent / "examples" / "pictures" / "astronaut.jpg"


class Server:
    """``masklens serve`` in a process of its own, on a free port, as a context manager.

    Args:
        arguments: more of the command line.
        environment: changes to this process's.
        command: run instead of ``masklens serve``; it must print the address in the same way.
    """

    def __init__(
        self,
        *arguments: str,
        environment: Mapping[str, str] | None = None,
        command: Sequence[str] = (sys.executable, "-m", "masklens", "serve", "--port", "0"),
    ) -> None:
        self._errors = tempfile.TemporaryFile("a+")  # noqa: SIM115 - a pipe that nobody reads would block it
        self.process = subprocess.Popen(
            [*command, *arguments],
            # How memory is handled is measured, so nothing from outside may change it.
            env={
                **{key: os.environ[key] for key in os.environ if not key.startswith("MALLOC_")},
                **(environment or {}),
            },
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        found = re.search(r"http://\S+", line)
        if found is None:
            raise RuntimeError(f"The server did not start: {line}{self.stop()[1]}")
        self.address = found[0]
        self.port = int(self.address.rpartition(":")[2])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self.process.poll() is None

    def stop(self, sign: int = signal.SIGTERM) -> tuple[int, str]:
        """Ask it to end: its exit status, and what it wrote to standard error."""
        if self.alive:
            self.process.send_signal(sign)
        self.process.communicate(timeout=60)
        return self.process.returncode, self.errors()

    def errors(self) -> str:
        """What it has written to standard error."""
        self._errors.seek(0)
        return self._errors.read()

    def memory(self) -> int:
        """Resident bytes (Linux)."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) * 1024

    def metric(self, name: str, having: str = "") -> float:
        """The sum of a metric's values, of those whose labels match a pattern."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request("GET", "/metrics")
        lines = connection.getresponse().read().decode().splitlines()
        connection.close()
        return sum(
            float(line.rpartition(" ")[2])
            for line in lines
            if re.match(rf"{name}(\{{.*\}})? ", line) and re.search(having, line)
        )


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer; ``depth`` is the queue's length at that time, if it was watched."""

    status: int
    seconds: float
    body: bytes
    retry_after: str | None
    depth: float = 0


def hammer(
    port: int,
    bodies: Iterable[bytes],
    clients: int,
    *,
    path: str = "/v1/detect",
    retry: bool = False,
    watch: bool = False,
) -> list[Reply]:
    """Send every body, each client as fast as it is answered; answers in order.

    Args:
        port: of the server.
        bodies: sent as they are.
        clients: connections at a time, each kept open.
        path: where to.
        retry: come back after a 429.
        watch: ask for the length of the queue after each answer.
    """
    connections: list[http.client.HTTPConnection] = []

    def ask(body: bytes) -> Reply:
        connection = connections.pop() if connections else _connection(port)
        while True:
            start = time.perf_counter()
            reply = _post(connection, path, body)
            seconds = time.perf_counter() - start
            if not (retry and reply.status == 429):
                break
            time.sleep(0.1)
        content = reply.read()
        depth = 0.0
        if watch:
            connection.request("GET", "/metrics")
            text = connection.getresponse().read().decode()
            depth = float(re.search(r"^masklens_queue_pictures (\S+)", text, re.M)[1])
        connections.append(connection)
        return Reply(reply.status, seconds, content, reply.getheader("Retry-After"), depth)

    with ThreadPoolExecutor(clients) as pool:
        answers = list(pool.map(ask, bodies))
    for connection in connections:
        connection.close()
    return answers


def _connection(port: int) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", port, timeout=120)


def _post(
    connection: http.client.HTTPConnection, path: str, body: bytes
) -> http.client.HTTPResponse:
    headers = {"Content-Type": "application/octet-stream"}
    connection.request("POST", path, body, headers)
    return connection.getresponse()


def seeds(side: int = 96) -> list[bytes]:
    """The portrait in every format and colour mode that is likely to be sent."""
    picture = Image.open(_PORTRAIT).convert("RGB").resize((side, side))
    deep = Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 257)
    cells = [picture, picture.rotate(90)]
    kinds: list[tuple[Image.Image, str, dict[str, object]]] = [
        (picture, "JPEG", {}),
        (picture, "JPEG", {"progressive": True}),
        (picture.convert("L"), "JPEG", {}),
        (picture.convert("CMYK"), "JPEG", {}),
        (picture, "PNG", {}),
        (picture.convert("RGBA"), "PNG", {}),
        (picture.quantize(16), "PNG", {"transparency": 3}),
        (deep, "PNG", {}),
        (picture, "WEBP", {}),
        (picture, "WEBP", {"lossless": True, "save_all": True, "append_images": cells}),
        (picture.quantize(64), "GIF", {"save_all": True, "append_images": cells}),
        (picture, "BMP", {}),
        (picture, "TIFF", {"compression": "tiff_lzw"}),
        (deep, "TIFF", {}),
        (picture, "AVIF", {}),
    ]
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation
    kinds.append((picture, "JPEG", {"exif": exif.tobytes()}))
    files = []
    for image, style, options in kinds:
        out = io.BytesIO()
        image.save(out, style, **options)
        files.append(out.getvalue())
    return files


def mutants(numbers: Iterable[int]) -> list[bytes]:
    """Damaged pictures; the same number always gives the same one."""
    files = seeds()
    return [_mutant(files, number) for number in numbers]


def _mutant(files: list[bytes], number: int) -> bytes:
    random_ = random.Random(number)
    content = bytearray(files[number % len(files)])
    for _ in range(random_.choice((1, 1, 2, 4, 16))):
        place = random_.randrange(len(content))
        # Most of what decides how a file is read stands in its first bytes.
        if random_.random() < 0.5:
            place = random_.randrange(min(200, len(content)))
        kind = random_.randrange(6)
        if kind == 0:
            content[place] ^= 1 << random_.randrange(8)
        elif kind == 1:
            content[place] = random_.choice((0, 1, 0x7F, 0x80, 0xFF))
        elif kind == 2:
            content[place : place + 4] = random_.randbytes(4)
        elif kind == 3:
            del content[place : place + random_.randrange(1, 64)]
        elif kind == 4:
            content[place:place] = content[: random_.randrange(1, 256)]
        else:
            content = content[: max(place, 1)]
        if not content:
            content = bytearray(b"\0")
    return bytes(content)
