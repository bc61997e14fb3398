"""Refusing JPEGs that are small to send and endless to decode.

A progressive JPEG repeats its whole picture once per scan, and a scan may be a few bytes: a file of
100 kB can take minutes of processor time, which no limit of size or pixels sees. Encoders use about
ten scans. The markers are walked here (ITU-T T.81, annex B) without decoding anything.
"""

from __future__ import annotations

import re

from masklens.io.pictures import PictureError

#: Pixels times scans, about what takes ten seconds.
MAX_SCANNED_PIXELS = 1_000_000_000

_START_OF_SCAN = 0xDA
_END_OF_IMAGE = 0xD9
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_ALONE = frozenset({0x01, 0xFF, *range(0xD0, 0xD9)})
#: In entropy-coded data, 0xFF before 0x00 is a value and before 0xD0…0xD7 a restart.
_NEXT_MARKER = re.compile(rb"\xff+[^\x00\xd0-\xd7\xff]")


def check_scans(content: bytes, name: str) -> None:
    """Raise a PictureError when a JPEG has far more scans than its size explains.

    Args:
        content: of any file; what is no JPEG passes.
        name: what the error calls it.
    """
    if content[:2] != b"\xff\xd8":
        return
    pixels = scans = 0
    place = 2
    while match := _NEXT_MARKER.search(content, place):
        marker, place = content[match.end() - 1], match.end()
        if marker in _ALONE:
            continue
        if marker == _END_OF_IMAGE or place + 2 > len(content):
            return
        if marker in _FRAMES:
            height = int.from_bytes(content[place + 3 : place + 5], "big")
            pixels = max(pixels, height * int.from_bytes(content[place + 5 : place + 7], "big"))
        scans += marker == _START_OF_SCAN
        if scans * pixels > MAX_SCANNED_PIXELS and scans > 1:
            raise PictureError(
                f"{name} cannot be read: it is a JPEG of more than {scans - 1} scans, which takes "
                "too long. Save it again as an ordinary JPEG.",
                "damaged",
            )
        place += int.from_bytes(content[place : place + 2], "big")
