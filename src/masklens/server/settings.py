"""What a server is told: where it listens, who may ask, and how much it takes on."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from masklens.errors import ServeError
from masklens.limits import cores

TOKEN_VARIABLE = "MASKLENS_TOKEN"

#: RFC 6750, section 2.1: what a bearer token may consist of.
_TOKEN = re.compile(r"[A-Za-z0-9\-._~+/]+=*")


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one request and of all of them; sizes in bytes, times in seconds.

    Attributes:
        body: of one request.
        pixels: of one picture, read from its header.
        pictures: in one form.
        faces: in one picture; those that the finder is surest of are kept.
        queue: pictures in the server, waiting or in work; past it the answer is 429.
        seconds: from the last byte of a body to the answer.
        stall: silence in the middle of a request, or of reading its answer, before the server
            hangs up.
        transfer: for a whole body to arrive, and for an answer of its own to be read.
        memory: of all bodies, and of the answers to them, that are held at a time; past it the
            answer is 429.
        connections: open at a time; further ones are closed at once.
    """

    body: int = 20_000_000
    pixels: int = 50_000_000
    pictures: int = 16
    faces: int = 200
    queue: int = 32
    seconds: float = 30
    stall: float = 10
    transfer: float = 120
    memory: int = 256_000_000
    connections: int = 256


@dataclass(frozen=True, slots=True)
class Settings:
    """How a server is set up.

    Attributes:
        host: address or name to listen on.
        port: 0 takes any free one.
        token: what ``Authorization: Bearer`` must carry; None asks for nothing.
        hosts: names, besides its own, under which the server may be addressed (a reverse proxy's);
            as :func:`host_name` gives them.
        workers: pictures in work at a time; 0 is one per core.
        limits: see there.

    Raises:
        ServeError: the token is not one, or there is none and the host is not loopback; or the
            host is empty.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    token: str | None = field(default=None, repr=False)
    hosts: tuple[str, ...] = ()
    workers: int = 0
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        if self.token is not None and not _TOKEN.fullmatch(self.token):
            raise ServeError(
                f"{TOKEN_VARIABLE} may hold letters, digits and -._~+/ only. Make one with: "
                'python -c "import secrets; print(secrets.token_urlsafe())"'
            )
        if not self.host:
            raise ServeError("The host is empty. Give an address of this machine, as 127.0.0.1.")
        if self.token is None and not self.loopback:
            raise ServeError(
                f"{self.host} can be reached from other machines, so a token is needed. "
                f"Set {TOKEN_VARIABLE}, or serve on 127.0.0.1."
            )

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        return is_loopback(self.host)

    @property
    def cores(self) -> int:
        """Pictures in work at a time."""
        return self.workers or cores()


def is_loopback(host: str) -> bool:
    """Whether a name or address, without port and brackets, is this machine's own loopback."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def host_name(host: str) -> str:
    """The name or address in a Host header, without port and brackets; empty if there is none."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def token_of(environment: Mapping[str, str]) -> str | None:
    """The token that the environment sets, if any; an empty one is none."""
    return environment.get(TOKEN_VARIABLE, "").strip() or None
