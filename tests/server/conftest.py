"""A real ``masklens serve`` in a process of its own, with the limits that a test wants."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import httpx
import pytest
from benchmarks.api_load import Server

#: Limits are no options of the command line; this runs the same function with others.
_WITH_LIMITS = """
import json, sys
from masklens import MaskDetector
from masklens.server.run import run
from masklens.server.settings import Limits, Settings
values = json.loads(sys.argv[1])
limits = Limits(**values.pop("limits", {}))
settings = Settings(port=0, limits=limits, **values)
run(MaskDetector(threads=1), settings, lambda address: print(address, flush=True))
"""


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """The server as users start it."""
    with Server() as running:
        yield running


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.address, timeout=60) as client:
        yield client


@pytest.fixture
def limited() -> Iterator[Callable[..., Server]]:
    """A function that starts a server with other limits (and settings)."""
    with ExitStack() as stack:

        def start(settings: dict[str, object] | None = None, **limits: object) -> Server:
            values = json.dumps({**(settings or {}), "limits": limits})
            command = (sys.executable, "-c", _WITH_LIMITS, values)
            return stack.enter_context(Server(command=command))

        yield start


def error_of(response: httpx.Response) -> dict[str, object]:
    """The error of an answer, whose form is checked."""
    content = response.json()
    assert set(content) == {"error"}
    error: dict[str, object] = content["error"]
    assert set(error) == {"status", "code", "message"}
    assert error["status"] == response.status_code
    assert str(error["message"]).endswith((".", "/docs", "0.5", "'", ")")), error["message"]
    assert response.headers["content-type"] == "application/json"
    return error


def wait_for(condition: Callable[[], bool], seconds: float = 15) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


def request_head(length: int, path: str = "/v1/detect") -> bytes:
    """What comes before the body, for tests that send that in their own way."""
    return (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/jpeg\r\n"
        f"Content-Length: {length}\r\n\r\n"
    ).encode()
