"""Reading one picture: whatever Pillow opens, made upright, 8-bit RGB."""

from __future__ import annotations

import contextlib
import warnings
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage
from PIL import ImageFile, ImageOps, UnidentifiedImageError

from masklens.crop import Image
from masklens.errors import InputError

with contextlib.suppress(ImportError):  # optional: HEIC, the format of many phones
    from pillow_heif import register_heif_opener

    register_heif_opener()

#: Larger pictures are refused from their header, before anything is decoded.
MAX_PIXELS = 250_000_000

#: Our own limit stands in for Pillow's, which warns at 89 and refuses at 179 megapixels.
PillowImage.MAX_IMAGE_PIXELS = None


def read_picture(path: str | Path) -> Image:
    """Read a picture file.

    EXIF rotation is applied, greyscale, palette and CMYK become RGB, 16-bit values are scaled to 8,
    transparency is laid on white, and of an animation the first frame is taken.

    Args:
        path: JPEG, PNG, WebP, BMP, TIFF, GIF, AVIF, and HEIC if ``pillow-heif`` is installed.

    Returns:
        uint8 (H, W, 3), RGB, upright.

    Raises:
        InputError: no such file, no picture, damaged, empty, or more than ``MAX_PIXELS`` pixels.
    """
    path = Path(path)
    # WeasyPrint, imported for a report, tells Pillow to fill what a truncated file lacks with grey.
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of harmless flaws in EXIF and TIFF tags
            with PillowImage.open(path) as picture:
                if picture.width * picture.height > MAX_PIXELS:
                    raise InputError(
                        f"{path} has {picture.width}×{picture.height} pixels, more than the "
                        f"{MAX_PIXELS // 1_000_000} megapixels that are read. Scale it down first."
                    )
                return _to_rgb(picture)
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist.") from error
    except IsADirectoryError as error:
        raise InputError(f"{path} is a folder, not a picture.") from error
    except UnidentifiedImageError as error:
        what = "is empty" if path.stat().st_size == 0 else "is not a picture that can be read"
        raise InputError(f"{path} {what}.") from error
    except (OSError, SyntaxError, ValueError, EOFError, MemoryError) as error:
        # Pillow reports damaged files through all of these.
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise InputError(f"{path} cannot be read: {reason.rstrip('.')}.") from error


def _to_rgb(picture: PillowImage.Image) -> Image:
    if picture.mode in ("I", "F") or picture.mode.startswith("I;16"):
        upright = ImageOps.exif_transpose(picture)
        return np.repeat(_to_8_bit(np.asarray(upright))[..., None], 3, axis=2)
    if picture.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in picture.info:
        layer = picture.convert("RGBA")
        upright = PillowImage.new("RGBA", layer.size, "white")
        upright.alpha_composite(layer)
        upright.info.update(picture.info)
        upright = ImageOps.exif_transpose(upright)
    else:
        upright = ImageOps.exif_transpose(picture)
    image = np.asarray(upright.convert("RGB"))
    if image.size == 0:
        raise InputError("the picture has no pixels")
    return image


def _to_8_bit(values: np.ndarray) -> Image:
    """Greyscale of more than 8 bits -> 8 bits; the range is guessed from the largest value."""
    top = float(values.max(initial=0))
    full = 1.0 if values.dtype.kind == "f" and top <= 1 else 255.0 if top <= 255 else 65535.0
    return np.clip(values.astype(np.float64) * (255 / full), 0, 255).round().astype(np.uint8)
