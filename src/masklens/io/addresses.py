"""Addresses of cameras and films: which file they name, and how they may be shown.

An address goes in as a user typed it, out comes a path, or the same without what is secret in it.
"""

from __future__ import annotations

import re

#: What follows an @ is surely a host when it is an IP address, or has a port.
_HOST = r"(?:\d+(?:\.\d+){3}|\[|[^/@:?]+:\d)"
#: In addresses: ``user:password@``, and ``name=value`` where the name speaks of a user or a secret.
#: A value goes up to the next &: a password may have every other character in it.
#: With a slash in the password, or without a scheme, it is no address, and yet may be shown; digits
#: before a slash are a port, unless a host follows that is not one of another address in it.
_LOGIN = re.compile(
    rf"(://)(?:[^/]*|[^/@:\[]*:(?:(?!\d{{1,5}}/)[^@]*|(?:(?!://)[^@])*(?=@{_HOST})))@"
    r"|^[^/@: ]{2,}:(?!//)[^@ ]*@"
)
_SECRET = re.compile(
    r"([^/?&;=]*(?:user|usr|login|pas|pw|psw|token|key|secret|auth|sig|cred|session)[^/?&;=]*"
    r"|(?<=[?&;])[up]|streamid(?==[^&]*:))=[^&]*",  # the last of SRT: read:hall:user:password
    re.IGNORECASE,
)


def without_password(address: str) -> str:
    """An address as it may be shown and logged: without user name and password.

    ``user:password@`` is left out. In a query such as ``?user=a&password=b``, and in a path such as
    ``/user=a_password=b_channel=1`` that some cameras have, what may be secret becomes ``***``.
    """
    address = _LOGIN.sub(lambda found: found[1] or "", address)
    return _SECRET.sub(r"\1=***", address) if "://" in address else address


def plain_path(address: str) -> str:
    """The path that an address such as ``file:///films/a.mp4`` stands for; others as they are."""
    scheme, separator, rest = address.partition("://")
    if not separator or scheme.lower() != "file":
        return address
    from urllib.request import url2pathname  # late: it brings all of HTTP

    return url2pathname(rest.removeprefix("localhost"))  # on Windows /C:/ is C:\
