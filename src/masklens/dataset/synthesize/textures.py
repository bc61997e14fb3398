"""Cloth and hair: tileable grain, printed patterns and the colours that masks come in."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from masklens.crop import FloatArray

Array = npt.NDArray[np.floating[Any]]
Colour = tuple[float, float, float]

#: sRGB 0…255. Medical colours are the ones that shops sell most; cloth takes any.
MEDICAL: tuple[Colour, ...] = (
    (150, 196, 222),
    (124, 182, 214),
    (176, 212, 230),
    (96, 160, 205),
    (140, 206, 200),
    (240, 242, 243),
    (228, 230, 232),
    (34, 34, 37),
    (22, 22, 24),
    (238, 190, 204),
    (156, 206, 170),
    (196, 182, 220),
)
RESPIRATOR: tuple[Colour, ...] = (
    (244, 244, 242),
    (240, 240, 238),
    (236, 236, 232),
    (30, 30, 33),
    (214, 218, 222),
    (236, 200, 206),
    (160, 196, 220),
)
CLOTH: tuple[Colour, ...] = (
    (24, 24, 27),
    (30, 31, 36),
    (44, 46, 52),
    (240, 238, 234),
    (32, 44, 82),
    (52, 86, 140),
    (128, 30, 40),
    (190, 52, 56),
    (44, 92, 64),
    (110, 122, 84),
    (128, 128, 132),
    (196, 190, 178),
    (224, 160, 176),
    (226, 190, 60),
    (104, 70, 140),
    (86, 64, 50),
    (220, 120, 60),
    (90, 170, 180),
)
PRINTS = ("stripes", "checks", "dots", "camouflage", "flowers", "paisley", "letters", "marble")

_TILE = 192


def rgb(red: float, green: float, blue: float) -> FloatArray:
    """A colour, 0…1: float32 (3,)."""
    return np.array([red, green, blue], np.float32)


def pick(rng: np.random.Generator, colours: Sequence[Colour], vary: float = 9.0) -> FloatArray:
    """One of the colours, slightly varied: float32 (3,), 0…1."""
    base = np.asarray(colours[int(rng.integers(len(colours)))], np.float32)
    varied = base + rng.normal(0, vary, 3) * 0.5 + rng.normal(0, vary)
    return (np.clip(varied, 6, 250) / 255).astype(np.float32)


@lru_cache(maxsize=16)
def grain(kind: str) -> FloatArray:
    """A tile of relief, float32 (192, 192), mean 0 and deviation about 1; always the same.

    Kinds: ``fleece`` (nonwoven), ``weave``, ``knit``, ``folds``, ``hair``, ``mesh``.
    """
    rng = np.random.default_rng(sum(kind.encode()))
    noise = rng.standard_normal((_TILE, _TILE)).astype(np.float32)
    v, u = np.mgrid[0:_TILE, 0:_TILE].astype(np.float32) * np.float32(2 * np.pi / _TILE)
    if kind == "weave":
        tile = np.sin(u * 48) * np.sin(v * 48) + 0.6 * _wrap_blur(noise, 1.2, 1.2)
    elif kind == "knit":
        tile = np.sin(v * 24 + 1.2 * np.abs(np.sin(u * 12))) + 0.5 * _wrap_blur(noise, 1.5, 1.5)
    elif kind == "folds":
        tile = _wrap_blur(noise, 30, 7) + 0.4 * _wrap_blur(noise[::-1], 12, 3)
    elif kind == "hair":
        tile = _wrap_blur(noise, 0.6, 5) + 0.7 * _wrap_blur(noise[:, ::-1], 1.5, 9)
    elif kind == "mesh":
        tile = np.cos(u * 32 + v * 18) * np.cos(u * 32 - v * 18)
    else:
        tile = _wrap_blur(noise, 1.0, 1.0) + 0.8 * _wrap_blur(noise[::-1], 6, 6)
    tile -= tile.mean()
    return np.asarray(tile / tile.std(), np.float32)


def lookup(tile: FloatArray, u: Array, v: Array, period: float) -> FloatArray:
    """The tile at places (u, v), both (h, w), repeating every ``period``: (h, w) or (3, h, w)."""
    places = []
    for values in (u, v):
        turns = values * np.float32(1 / period)
        places.append((turns - np.floor(turns)) * np.float32(_TILE - 1e-3))
    x, y = (np.ascontiguousarray(values, np.float32) for values in np.broadcast_arrays(*places))
    found = cv2.remap(tile, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    return np.stack(cv2.split(found)) if tile.ndim == 3 else np.asarray(found, np.float32)


def print_tile(rng: np.random.Generator, kind: str, base: FloatArray) -> FloatArray:
    """A printed pattern on a base colour: float32 (192, 192, 3), 0…1, tileable."""
    ink = pick(rng, CLOTH)
    if float(np.abs(ink - base).sum()) < 0.5:
        ink = 1 - base if float(np.abs(1 - 2 * base).sum()) > 0.6 else rgb(0.95, 0.95, 0.93)
    second = pick(rng, CLOTH)
    v, u = np.mgrid[0:_TILE, 0:_TILE].astype(np.float32) / _TILE
    tile = np.broadcast_to(base, (_TILE, _TILE, 3)).astype(np.float32).copy()
    if kind == "stripes":
        count = int(rng.integers(3, 14))
        phase = (u if rng.random() < 0.4 else v) * count
        if rng.random() < 0.3:
            phase = (u + v) * count
        _ink(tile, ink, np.mod(phase, 1) < rng.uniform(0.2, 0.55))
    elif kind == "checks":
        count = int(rng.integers(3, 10))
        across = (np.mod(u * count, 1) < 0.5).astype(np.float32)
        down = (np.mod(v * count, 1) < 0.5).astype(np.float32)
        _ink(tile, ink, (across + down) / 2)
        if rng.random() < 0.4:
            _ink(tile, second, np.mod(u * count, 1) < 0.08)
    elif kind == "dots":
        count = int(rng.integers(4, 10))
        x, y = np.mod(u * count + 0.5 * (np.floor(v * count) % 2), 1), np.mod(v * count, 1)
        size = rng.uniform(0.18, 0.36)
        _ink(tile, ink, np.clip((size - np.hypot(x - 0.5, y - 0.5)) * 12, 0, 1))
    elif kind == "camouflage":
        shades = (ink, second, base * 0.45)
        for shade in shades:
            noise = rng.standard_normal((_TILE, _TILE)).astype(np.float32)
            blotches = _wrap_blur(noise, 9, 6)
            _ink(tile, shade, blotches > 0.35 * blotches.std())
    elif kind in ("flowers", "paisley"):
        for _ in range(int(rng.integers(14, 34))):
            _blossom(tile, rng, (ink, second)[int(rng.integers(2))], petals=kind == "flowers")
    elif kind == "marble":
        noise = rng.standard_normal((_TILE, _TILE)).astype(np.float32)
        clouds = _wrap_blur(noise, 10, 10)
        _ink(tile, ink, np.clip(0.5 + clouds / (2 * clouds.std()), 0, 1))
        _ink(tile, second, np.abs(clouds) < 0.12 * clouds.std())
    else:
        _letters(tile, rng, ink)
    return tile


def _ink(tile: FloatArray, colour: FloatArray, where: npt.NDArray[Any]) -> None:
    share = np.asarray(where, np.float32)[..., None]
    tile += (colour - tile) * share


def _blossom(tile: FloatArray, rng: np.random.Generator, colour: FloatArray, petals: bool) -> None:
    x, y, size = rng.uniform(0, _TILE), rng.uniform(0, _TILE), rng.uniform(5, 14)
    value = tuple(float(c) for c in colour)
    turn = rng.uniform(0, np.pi)
    spots = (
        [
            (x + size * np.cos(turn + k * 1.257), y + size * np.sin(turn + k * 1.257))
            for k in range(5)
        ]
        if petals
        else [(x + size * np.cos(turn + k * 0.5), y + 0.7 * size * k / 2) for k in range(4)]
    )
    for px, py in spots:
        centre = (round(px) % _TILE, round(py) % _TILE)
        cv2.circle(tile, centre, max(1, round(size * 0.55)), value, -1, cv2.LINE_AA)
    core = (round(x) % _TILE, round(y) % _TILE)
    cv2.circle(tile, core, max(1, round(size * 0.4)), (0.93, 0.85, 0.4), -1, cv2.LINE_AA)


def _letters(tile: FloatArray, rng: np.random.Generator, colour: FloatArray) -> None:
    letters = np.zeros(tile.shape[:2], np.uint8)  # OpenCV 5 writes on bytes only
    alphabet = np.array(list("ABCDEFGHIKLMNOPRSTUVXYZ"))
    for row in range(int(rng.integers(1, 4))):
        word = "".join(rng.choice(alphabet, int(rng.integers(3, 8))))
        size = rng.uniform(0.7, 1.7)
        place = (int(rng.integers(0, 40)), 50 + row * 55)
        cv2.putText(letters, word, place, 0, size, 255, max(2, round(size * 3)))
    _ink(tile, colour, letters > 127)


def _wrap_blur(noise: FloatArray, sigma_x: float, sigma_y: float) -> FloatArray:
    """Gaussian blur of a tile that stays seamless."""
    pad = min(_TILE, int(3 * max(sigma_x, sigma_y)) + 1)
    wide = cv2.copyMakeBorder(noise, pad, pad, pad, pad, cv2.BORDER_WRAP)
    blurred = cv2.GaussianBlur(wide, (0, 0), sigmaX=sigma_x, sigmaY=sigma_y)[
        pad : pad + _TILE, pad : pad + _TILE
    ]
    return np.asarray(blurred / (blurred.std() + 1e-6), np.float32)
