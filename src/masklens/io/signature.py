"""How annotated copies are told from files of others: they name masklens as what made them.

Pictures say so in their EXIF data, videos in their metadata. Under names that it chooses itself, a
later run may replace the copies of an earlier one, and nothing else; and it does not label them
again. Recordings and snapshots of a camera are not signed: they cannot be made again.
"""

from __future__ import annotations

from pathlib import Path

from PIL import ExifTags
from PIL import Image as PillowImage

from masklens.errors import InputError, MissingExtraError
from masklens.io.containers import open_container
from masklens.io.pictures import DAMAGED, open_picture
from masklens.io.video import VIDEO_SUFFIXES

MADE_BY = "masklens"
#: Of an MP4: the one of its entries for free text that FFmpeg does not fill itself.
VIDEO_KEY = "comment"

#: What copies are written as; files with other suffixes need not be opened.
_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".mp4"})


def signed_exif() -> PillowImage.Exif:
    """EXIF data for a picture of ours: its tag Software (Exif 2.32, section 4.6.5)."""
    exif = PillowImage.Exif()
    exif[ExifTags.Base.Software] = MADE_BY
    return exif


def is_signed(path: Path) -> bool:
    """Whether a file says that masklens made it; False for what cannot be read."""
    suffix = path.suffix.lower()
    if suffix not in _SUFFIXES:
        return False
    try:
        if suffix in VIDEO_SUFFIXES:
            with open_container(str(path)) as container:
                return bool(container.metadata.get(VIDEO_KEY) == MADE_BY)
        with path.open("rb") as file:
            # Not getexif: it decodes the whole of a PNG, whose EXIF data may stand behind the
            # pixels. Ours stand before them.
            exif = PillowImage.Exif()
            exif.load(open_picture(file).info.get("exif", b""))
            return bool(exif.get(ExifTags.Base.Software) == MADE_BY)
    except (InputError, MissingExtraError, PillowImage.DecompressionBombError, *DAMAGED):
        return False
