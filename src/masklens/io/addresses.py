"""Addresses of cameras and films: which file they name, and how they may be shown.

An address goes in as a user typed it, out comes a path, or the same without what is secret in it.
"""

from __future__ import annotations

import re

#: What follows an @ is surely a host when it is an IP address, or has a port.
_HOST = r"(?:\d+(?:\.\d+){3}|\[|[^/@:?]+:\d)"
#: ``user:password@``, also where a slash in the password or no scheme makes it no proper address.
_LOGIN = re.compile(
    rf"""
    (://)
    (?: [^/]*                             # without a slash
      | [^/@:\[]* :                       # with a slash in the password,
        (?: (?!\d{{1,5}}/) [^@]*              # which does not begin as a port and a path do;
          | (?: (?!://) [^@] )* (?=@{_HOST})  # or does, but a host follows that is of no address
        )                                     # in it
    ) @
    | ^ [^/@: ]{{2,}} : (?!//) [^@ ]* @   # without a scheme
    """,
    re.VERBOSE,
)
#: ``name=value`` where the name speaks of a user or a secret. The value goes up to the next &: a
#: password may have every other character in it.
_SECRET = re.compile(
    r"""
    ( [^/?&;=]* (?:user|usr|login|pas|pw|psw|token|key|secret|auth|sig|cred|session) [^/?&;=]*
    | (?<=[?&;]) [up]
    | streamid (?= = [^&]* : )            # of SRT: read:hall:user:password
    ) = [^&]*
    """,
    re.IGNORECASE | re.VERBOSE,
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
