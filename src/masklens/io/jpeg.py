"""Refusing JPEGs that are small to send and endless to read.

A progressive JPEG repeats its whole picture once per scan, and a scan may be a few bytes: a file of
100 kB can take minutes of processor time, which no limit of size or pixels sees. Encoders use about
ten scans. And Pillow joins EXIF data anew with every segment of it: 10 MB in tiny ones take many
minutes, and so do as many fill bytes. The markers are walked here (ITU-T T.81, annex B) without
decoding anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

#: Scans that every picture may have, whatever its size; libjpeg gives CMYK 18 of them.
MAX_SCANS = 20

#: Pixels times scans, about what takes ten seconds; smaller pictures may have more scans.
MAX_SCANNED_PIXELS = 1_000_000_000

#: Segments of EXIF data; a segment holds 64 kB, and cameras fill one.
MAX_EXIF = 100

#: Markers of all kinds. Depth maps and large colour profiles take some hundred.
MAX_MARKERS = 10_000

#: Bytes between segments in the header, which Pillow reads one by one.
MAX_FILL = 100_000

_NONE = 0x00
_APP1 = 0xE1
_START_OF_SCAN = 0xDA
_END_OF_IMAGE = 0xD9
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
#: Markers without a segment: to libjpeg, or to Pillow in a header, where it reads on behind an end.
_ALONE = frozenset({0x01, 0xC8, *range(0xD0, 0xDA), *range(0xF0, 0xFE)})
#: In entropy-coded data, 0xFF before 0x00 is a value and before 0xD0…0xD7 a restart.
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_BLOCK = 4096


def check_jpeg(file: BinaryIO) -> None:
    """Raise a ValueError, which says why, for a JPEG that would take far too long.

    Args:
        file: open, of any place; what is no JPEG passes. Only the header is read, unless the
            picture comes in several scans.
    """
    file.seek(0)
    if file.read(2) != b"\xff\xd8":
        return
    exif = scans = pixels = components = markers = fill = 0
    progressive = False
    for marker, head, skipped in _markers(file):
        markers += marker != _NONE
        fill += 0 if scans else skipped
        exif += marker == _APP1 and head[2:] == b"Exif\0\0"
        scans += marker == _START_OF_SCAN
        if marker in _FRAMES and len(head) == 8:
            height, width = int.from_bytes(head[3:5], "big"), int.from_bytes(head[5:7], "big")
            pixels = max(pixels, height * width)
            components = max(components, head[7])
            progressive |= marker in _PROGRESSIVE
        # A sequential scan of all components is the whole picture.
        if marker == _START_OF_SCAN and not progressive and head[2:3] >= bytes([components]):
            return
        if marker == _END_OF_IMAGE and scans:
            return
        for count, most, what in (
            (exif, MAX_EXIF, "segments of EXIF data"),
            (markers, MAX_MARKERS, "segments"),
            (fill, MAX_FILL, "bytes between its segments"),
            (scans, max(MAX_SCANS, MAX_SCANNED_PIXELS // max(pixels, 1)), "scans"),
        ):
            if count > most:
                raise ValueError(
                    f"it is a JPEG of more than {most} {what}, which takes too long. Save it again "
                    "as an ordinary JPEG."
                )


def _markers(file: BinaryIO) -> Iterator[tuple[int, bytes, int]]:
    """Each marker, the eight bytes behind it, and how many bytes before it were passed over.

    Of a segment the eight are its length, and how it begins. ``_NONE`` stands for a block without.
    """
    place = 2
    while True:
        file.seek(place)
        block = file.read(_BLOCK)
        if match := _MARKER.search(block):
            place += match.end()
            file.seek(place)
            marker, head = block[match.end() - 1], file.read(8)
            yield marker, head, match.end() - 2
            if marker not in _ALONE:
                place += int.from_bytes(head[:2], "big")
        elif len(block) < _BLOCK:
            return
        else:
            yield _NONE, b"", len(block)
            place += len(block) - block.endswith(b"\xff")  # it may begin a marker
