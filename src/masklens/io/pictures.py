"""One picture in, whatever Pillow opens, made upright, 8-bit RGB; one picture out, whole."""

from __future__ import annotations

import contextlib
import io
import math
import struct
import zlib
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import (  # the plugins are imported because that makes their formats known
    AvifImagePlugin,  # noqa: F401
    BmpImagePlugin,  # noqa: F401
    ExifTags,
    GifImagePlugin,  # noqa: F401
    JpegImagePlugin,  # noqa: F401
    PngImagePlugin,  # noqa: F401
    TiffImagePlugin,  # noqa: F401
    UnidentifiedImageError,
    WebPImagePlugin,  # noqa: F401
)
from PIL import Image as PillowImage

from masklens.crop import Image
from masklens.errors import InputError, OutputError
from masklens.io.atomic import write_bytes
from masklens.io.jpeg import check_jpeg

with contextlib.suppress(ImportError):  # optional: HEIC, the format of many phones
    from pillow_heif import register_heif_opener

    register_heif_opener()

#: Pillow's names of the formats that are read, whatever a file is called. Others are left out: some
#: run programs (EPS), most are hardly ever met.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF")

#: Larger pictures are refused from their header, before anything is decoded.
MAX_PIXELS = 250_000_000

#: Pillow reports damaged files through all of these.
DAMAGED = (
    *(ArithmeticError, EOFError, LookupError, MemoryError, OSError, RuntimeError, SyntaxError),
    *(TypeError, ValueError, struct.error, zlib.error),
)

#: ISO/IEC 23008-12, annex B: the brands of pictures that are coded as HEVC, and the one of any.
_HEIC = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")

#: TIFF 6.0, section 15: TileWidth and TileLength.
_TILE_TAGS = (322, 323)

#: EXIF 2.3, section 4.6.4: what makes a picture of each Orientation upright.
_UPRIGHT = {
    2: PillowImage.Transpose.FLIP_LEFT_RIGHT,
    3: PillowImage.Transpose.ROTATE_180,
    4: PillowImage.Transpose.FLIP_TOP_BOTTOM,
    5: PillowImage.Transpose.TRANSPOSE,
    6: PillowImage.Transpose.ROTATE_270,
    7: PillowImage.Transpose.TRANSVERSE,
    8: PillowImage.Transpose.ROTATE_90,
}

#: Greyscale values from here on are no light: TIFFs mark places without data by 1e20, 3e38 or NaN.
_NO_DATA = 1e6

#: Floating-point values below it are of the range 0…1, in which lights may be brighter than white;
#: of the range 0…255 they would be a black picture.
_BRIGHTEST_LIGHT = 16.0

#: Greyscale whose largest value has no more bits is that of a camera with so many: as 16 bits it
#: would be a picture without a value above 15 of 255.
_DARK_BITS = 12


class PictureError(InputError):
    """A picture that cannot be used, and why, for those who have to tell the cases apart.

    Attributes:
        reason: "absent", "unknown" (no picture at all), "damaged" or "too_large" (in pixels, or
            for the memory that there is).
    """

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


def read_picture(path: str | Path) -> Image:
    """Read a picture file.

    EXIF rotation is applied, greyscale, palette and CMYK become RGB, greyscale of 9 to 16 bits is
    scaled to 8, transparency is laid on white, and of an animation the first frame is taken.

    Args:
        path: JPEG, PNG, WebP, BMP, TIFF, GIF, AVIF, and HEIC if ``pillow-heif`` is installed.

    Returns:
        uint8 (H, W, 3), RGB, upright.

    Raises:
        InputError: no such file, no picture, damaged, empty, more than ``MAX_PIXELS`` pixels, or
            more than the memory holds; of WebP and TIFF, also more than Pillow's own limit, which
            is 179 million pixels as long as nobody sets ``PIL.Image.MAX_IMAGE_PIXELS``.
    """
    path = Path(path)
    try:
        return _read(path, str(path), MAX_PIXELS)
    except FileNotFoundError as error:
        what = f"is a link to {path.readlink()}, which does" if path.is_symlink() else "does"
        raise PictureError(f"{path} {what} not exist.", "absent") from error
    except IsADirectoryError as error:
        raise PictureError(f"{path} is a folder, not a picture.", "absent") from error


def decode_picture(content: bytes, name: str, *, max_pixels: int = MAX_PIXELS) -> Image:
    """Read a picture from memory; see :func:`read_picture`.

    Args:
        content: what would be in the file.
        name: what errors call it, at the beginning of a sentence.
        max_pixels: larger pictures are refused from their header.

    Raises:
        PictureError: no picture, damaged, empty or too large.
    """
    return _read(content, name, max_pixels)


def write_picture(path: Path, picture: PillowImage.Image, **options: Any) -> None:
    """Write a picture in the format of the suffix, whole or not at all.

    Args:
        path: ``.png``, ``.jpg``, ``.webp`` or another suffix that Pillow knows.
        picture: RGB.
        options: of Pillow's writer, for example ``quality``.

    Raises:
        OutputError: the file system refused, the suffix is of no picture format, or the format
            cannot hold a picture of this size.
    """
    style = PillowImage.registered_extensions().get(path.suffix.lower())
    if style is None:
        raise OutputError(
            f'Cannot write {path}: no picture format for "{path.suffix}": use .png or .jpg.'
        )
    content = io.BytesIO()  # written to a file, Pillow does not notice that a disk took only a part
    try:
        picture.save(content, format=style, **options)
    except (OSError, ValueError) as error:
        raise OutputError(f"Cannot write {path}: {style} cannot hold it ({error}).") from error
    write_bytes(path, content.getvalue())


def open_picture(file: BinaryIO) -> PillowImage.Image:
    """Open a picture of :data:`FORMATS`; nothing is decoded yet.

    ``PIL.Image.open`` would warn at 89 megapixels and refuse at 179, a limit of the whole process,
    which is not ours to move.

    Args:
        file: open; by a path Pillow would map uncompressed TIFFs into memory, and read those that
            are stored on their side as noise.

    Raises:
        UnidentifiedImageError: it is of none of them.
        ValueError: it is a JPEG that would take far too long.
    """
    start = file.read(16)
    check_jpeg(file)
    for name in FORMATS:
        opener, accepts = PillowImage.OPEN.get(name, (None, None))
        # The answer is a text where the format is right, but Pillow was built without it.
        if opener is None or (accepts is not None and accepts(start) is not True):
            continue
        file.seek(0)
        # What Pillow takes as the sign of another format, too.
        with contextlib.suppress(SyntaxError, IndexError, TypeError, struct.error):
            return opener(file, "")
    raise UnidentifiedImageError("none of the formats that are read")


def _read(source: Path | bytes, name: str, max_pixels: int) -> Image:
    try:
        with _opened(source) as file:
            try:
                picture = open_picture(file)
            except UnidentifiedImageError as error:
                raise PictureError(f"{name} {_unknown(file)}.", "unknown") from error
            width, height = max(picture.size, _tile(picture), key=math.prod)
            if width * height > max_pixels:
                raise PictureError(
                    f"{name} has {width}×{height} pixels, more than the "
                    f"{max_pixels // 1_000_000} megapixels that are read. Scale it down first.",
                    "too_large",
                )
            return _to_rgb(picture)
    except (FileNotFoundError, IsADirectoryError):
        raise
    except PillowImage.DecompressionBombError as error:
        raise PictureError(
            f"{name} has more pixels than Pillow reads of its format: {error} Scale it down first.",
            "too_large",
        ) from error
    except MemoryError as error:
        raise PictureError(
            f"{name} takes more memory than there is. Scale it down first.", "too_large"
        ) from error
    except DAMAGED as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise PictureError(f"{name} cannot be read: {reason.rstrip('.')}.", "damaged") from error


def _opened(source: Path | bytes) -> BinaryIO:
    if isinstance(source, bytes):
        return io.BytesIO(source)
    file = source.open("rb")
    if file.seekable():
        return file
    with file:  # a pipe
        return io.BytesIO(file.read())


def _unknown(file: BinaryIO) -> str:
    """What a file of no known format is, and what to do, as the rest of a sentence."""
    file.seek(0)
    start = file.read(12)
    if not start:
        return "is empty"
    if start[4:8] == b"ftyp" and start[8:] in _HEIC:
        return "is HEIC: run pip install pillow-heif to have it read, or convert it to JPEG"
    return "is not a picture that can be read"


def _tile(picture: PillowImage.Image) -> tuple[int, int]:
    """Width and height of a TIFF's tiles, (0, 0) without any.

    They may be far larger than the picture and are unpacked whole.
    """
    tags = getattr(picture, "tag_v2", {})
    width, height = (tags.get(tag, 0) for tag in _TILE_TAGS)
    return (width, height) if isinstance(width, int) and isinstance(height, int) else (0, 0)


def _to_rgb(picture: PillowImage.Image) -> Image:
    picture.load()
    turn = _turn(picture)
    if picture.mode in ("I", "F") or picture.mode.startswith("I;16"):
        values = np.asarray(_turned(picture, turn))
        grey = _to_8_bit(values)
        if "transparency" in picture.info:  # one grey value of a PNG
            grey[values == picture.info["transparency"]] = 255
        return np.repeat(grey[..., None], 3, axis=2)
    if picture.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in picture.info:
        layer = picture.convert("RGBA")
        if picture.format == "BMP" and layer.getbbox() is None:
            layer.putalpha(255)  # many programs leave that byte 0; browsers take it so, too
        upright = PillowImage.new("RGBA", layer.size, "white")
        upright.alpha_composite(layer)
    else:
        upright = picture
    image = np.asarray(_turned(upright, turn).convert("RGB"))
    if image.size == 0:
        raise ValueError("it has no pixels")
    return image


def _turn(picture: PillowImage.Image) -> PillowImage.Transpose | None:
    """What makes a picture upright; None, as in browsers, where its EXIF data is damaged.

    ``ImageOps.exif_transpose`` would fail with all of the picture, and writes the data anew.
    """
    try:
        return _UPRIGHT.get(picture.getexif().get(ExifTags.Base.Orientation, 1))
    except DAMAGED:
        return None


def _turned(picture: PillowImage.Image, turn: PillowImage.Transpose | None) -> PillowImage.Image:
    return picture if turn is None else picture.transpose(turn)


def _to_8_bit(values: np.ndarray) -> Image:
    """Greyscale of more than 8 bits -> 8 bits; the range is guessed from the largest value.

    Cameras of 10 or 12 bits leave the upper bits of 16 empty, and no tag says so: where 16 bits
    would give a black picture, the range is as many bits as the largest value has. What is no
    number, or far from any range (3e38 stands for no data), does not count and is black.
    """
    values = np.where(np.abs(values) < _NO_DATA, values, 0)
    top = float(values.max(initial=0))
    to_one = values.dtype.kind == "f" and top < _BRIGHTEST_LIGHT
    bits = max(8, int(top).bit_length())
    full = 1 if to_one else 2 ** (bits if bits <= _DARK_BITS else 16) - 1
    return np.clip(values.astype(np.float64) * (255 / full), 0, 255).round().astype(np.uint8)
