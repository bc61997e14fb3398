"""Contact sheets: blocks of small pictures with titles, packed into pages and saved as pictures.

A block is a title over tiles that belong together: the examples of one label, or the copies of one
photograph. Narrow blocks share a line.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import cast

import cv2
import numpy as np
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

from masklens.crop import Image
from masklens.io.pictures import write_picture

_PAPER = (255, 255, 255)
_INK = (34, 34, 34)
_FAINT = (112, 112, 112)
_MAT = (238, 238, 238)
_MARGIN = 28
_GAP = 8
_BLOCK_GAP = 26


@dataclass(frozen=True, slots=True, eq=False)
class Tile:
    """A small picture, uint8 (S, S, 3) RGB, and a line under it."""

    image: Image
    caption: str = ""


@dataclass(frozen=True, slots=True)
class Block:
    """Tiles that belong together. ``note`` stands behind the title, in grey."""

    title: str
    tiles: Sequence[Tile]
    note: str = ""


def contain(image: Image, size: int) -> Image:
    """The whole picture, scaled into a grey square: uint8 (H, W, 3) -> (size, size, 3)."""
    height, width = image.shape[:2]
    scale = size / max(height, width)
    shape = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(image, shape, interpolation=_interpolation(scale))
    square = np.full((size, size, 3), _MAT, dtype=np.uint8)
    top, left = (size - shape[1]) // 2, (size - shape[0]) // 2
    square[top : top + shape[1], left : left + shape[0]] = small
    return square


def cover(image: Image, size: int) -> Image:
    """The middle of the picture, filling a square: uint8 (H, W, 3) -> (size, size, 3)."""
    height, width = image.shape[:2]
    side = min(height, width)
    # Portraits have the face in their upper half: keep more of the top than of the bottom.
    top, left = round((height - side) * 0.3), (width - side) // 2
    square = image[top : top + side, left : left + side]
    resized = cv2.resize(square, (size, size), interpolation=_interpolation(size / side))
    return np.asarray(resized, dtype=np.uint8)


def draw_sheets(
    title: str, blocks: Sequence[Block], *, columns: int = 8, rows: int = 14
) -> list[PillowImage.Image]:
    """Lay blocks out on pages.

    Args:
        title: heads the first page.
        blocks: in order; all tiles of one size.
        columns: tiles in a line.
        rows: lines of tiles on a page, more or less; a block is not broken unless it is longer.
    """
    title = _drawable(title)
    size = next(block.tiles[0].image.shape[0] for block in blocks if block.tiles)
    step = size + _GAP
    widths = [_width(shelf, columns, step) for shelf in _shelves(blocks, columns)]
    width = 2 * _MARGIN + max(*widths, round(_font(24).getlength(title)))
    captions = any(tile.caption for block in blocks for tile in block.tiles)
    line_step = step + (_line_height(11) + 4 if captions else 0)
    pages = []
    for number, page in enumerate(_pages(blocks, columns, rows)):
        head = _MARGIN + (_line_height(24) + 18 if number == 0 else 0)
        heights = [_title_height() + max(-(-len(b.tiles) // columns) for b in p) * line_step
                   for p in page]  # fmt: skip
        height = head + sum(heights) + _BLOCK_GAP * (len(page) - 1) + _MARGIN - _GAP
        picture = PillowImage.new("RGB", (width, height), _PAPER)
        pen = ImageDraw.Draw(picture)
        if number == 0:
            pen.text((_MARGIN, _MARGIN - 6), title, fill=_INK, font=_font(24))
        top = head
        for shelf, shelf_height in zip(page, heights, strict=True):
            left = _MARGIN
            for block in shelf:
                _draw_block(picture, block, left, top, columns, step, line_step)
                left += len(block.tiles) * step + _BLOCK_GAP
            top += shelf_height + _BLOCK_GAP
        pages.append(picture)
    return pages


def save_sheets(file: Path, pages: Sequence[PillowImage.Image]) -> list[Path]:
    """Write the pages: FILE, FILE-2, FILE-3 and so on, each whole or not at all.

    Raises:
        OutputError: the file system refused, or the suffix is of no picture format.
    """
    written = []
    for number, page in enumerate(pages, start=1):
        path = file if number == 1 else file.with_name(f"{file.stem}-{number}{file.suffix}")
        write_picture(path, page)
        written.append(path)
    return written


def _width(shelf: Sequence[Block], columns: int, step: int) -> int:
    tiles = sum(min(len(block.tiles), columns) * step - _GAP for block in shelf)
    return tiles + (_BLOCK_GAP + _GAP) * (len(shelf) - 1)


def _shelves(blocks: Sequence[Block], columns: int) -> Iterator[list[Block]]:
    """Blocks that stand side by side. A gap between blocks costs part of a tile."""
    shelf: list[Block] = []
    used = 0.0
    for block in blocks:
        if shelf and used + len(block.tiles) > columns + 1:  # a page may be a tile wider
            yield shelf
            shelf, used = [], 0.0
        shelf.append(block)
        used += len(block.tiles) + 0.3
    if shelf:
        yield shelf


def _pages(blocks: Sequence[Block], columns: int, rows: int) -> Iterator[list[list[Block]]]:
    page: list[list[Block]] = []
    used = 0
    for shelf in _shelves(blocks, columns):
        lines = max(-(-len(block.tiles) // columns) for block in shelf)
        if page and used + lines > rows:
            yield page
            page, used = [], 0
        page.append(shelf)
        used += lines
    if page:
        yield page


def _draw_block(
    picture: PillowImage.Image,
    block: Block,
    left: int,
    top: int,
    columns: int,
    step: int,
    line_step: int,
) -> None:
    pen = ImageDraw.Draw(picture)
    room = min(len(block.tiles), columns) * step - _GAP
    title = _shorten(block.title, 15, room)
    pen.text((left, top), title, fill=_INK, font=_font(15))
    after = left + _font(15).getlength(title) + 10
    note = _shorten(block.note, 13, left + room - after)
    pen.text((after, top + 2), note, fill=_FAINT, font=_font(13))
    for index, tile in enumerate(block.tiles):
        x = left + index % columns * step
        y = top + _title_height() + index // columns * line_step
        picture.paste(PillowImage.fromarray(tile.image), (x, y))
        caption = _shorten(tile.caption, 11, step - _GAP)
        pen.text((x, y + step - _GAP + 3), caption, fill=_FAINT, font=_font(11))


def _shorten(text: str, size: int, room: float) -> str:
    """The text, or its two ends around an ellipsis: file names differ in either."""
    text = _drawable(text)
    kept, short = len(text), text
    while short and _font(size).getlength(short) > room:
        kept -= 1
        head = kept // 3
        short = f"{text[:head]}…{text[head - kept :]}" if kept > 0 else ""
    return short


def _title_height() -> int:
    return _line_height(15) + 7


def _line_height(size: int) -> int:
    return round(size * 1.25)


def _interpolation(scale: float) -> int:
    return cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR


def _drawable(text: str) -> str:
    """The text in letters that the font has: without accents, and "?" for others, if need be."""
    if _font_file() is not None:
        return text
    bare = (c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return "".join(bare).encode("ascii", "replace").decode()


@lru_cache(maxsize=1)
def _font_file() -> Path | None:
    """DejaVu Sans, which matplotlib brings along; Pillow's own font has no letters but ASCII's."""
    matplotlib = find_spec("matplotlib")  # which is not imported for it
    if matplotlib is None or matplotlib.origin is None:
        return None
    file = Path(matplotlib.origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"
    return file if file.is_file() else None


@lru_cache(maxsize=16)
def _font(size: int) -> ImageFont.FreeTypeFont:
    if file := _font_file():
        return ImageFont.truetype(file, size)
    return cast(ImageFont.FreeTypeFont, ImageFont.load_default(size))
