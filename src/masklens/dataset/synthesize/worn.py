"""What lies at the chin but is no mask: scarves, collars, beards, helmet straps."""

from __future__ import annotations

import numpy as np

from masklens.crop import FloatArray
from masklens.dataset.synthesize.canvas import Array, Board
from masklens.dataset.synthesize.geometry import CHIN, half_depth, half_width
from masklens.dataset.synthesize.shapes import curve
from masklens.dataset.synthesize.surface import Surface, surface
from masklens.dataset.synthesize.textures import (
    CLOTH,
    PRINTS,
    Colour,
    grain,
    lookup,
    pick,
    print_tile,
)

HAIR: tuple[Colour, ...] = (
    (28, 24, 22),
    (44, 32, 26),
    (70, 48, 34),
    (98, 70, 46),
    (120, 116, 112),
    (190, 188, 184),
    (126, 72, 40),
)

SHELLS: tuple[Colour, ...] = (
    *((235, 235, 230), (240, 196, 30), (30, 90, 170), (200, 40, 35)),
    *((235, 120, 30), (40, 42, 45), (60, 75, 50)),
)
STRAPS: tuple[Colour, ...] = ((24, 24, 26), (70, 70, 72), (92, 64, 40), (225, 225, 220))


def draw_scarf(board: Board) -> None:
    """A scarf, shawl or high collar around neck and chin; the mouth stays free."""
    rng, h = board.rng, board.height
    wrapped = rng.random() < 0.6  # a loop around the neck, rather than a shawl over the shoulders
    if wrapped:
        heights, widths = [0.8, 1.3, 1.6, 1.95, 2.3, 2.9], [0.7, 0.94, 1.16, 1.26, 1.2, 1.0]
    else:
        heights, widths = [0.8, 1.3, 1.7, 2.2, 2.9], [0.85, 0.98, 1.1, 1.38, 1.75]
    width = np.interp(h, heights, widths) * float(rng.uniform(0.92, 1.08))
    skin = surface(board, width, np.full_like(h, 0.95))
    rise, sway = float(rng.uniform(0.1, 0.4)), float(rng.uniform(-0.12, 0.12))
    top = float(rng.uniform(1.3, 1.62)) - rise * skin.side**2 + sway * skin.side
    drop = h - top  # below the upper edge
    folds = lookup(grain("folds"), skin.along + 3, board.y, 2.5)
    inside = np.minimum((drop + 0.03 * folds) * 0.9, skin.outline)
    if wrapped:
        end = float(rng.uniform(2.2, 2.6)) - 0.35 * skin.side**2 + sway * skin.side
        inside = np.minimum(inside, (end - h - 0.03 * folds) * 0.9)
    coverage = board.edge(inside)

    look = pick(rng, CLOTH)[:, None, None]
    if rng.random() < 0.5:
        tile = print_tile(rng, PRINTS[int(rng.integers(len(PRINTS)))], look[:, 0, 0])
        look = lookup(tile, skin.along + 5, drop + 2, float(rng.uniform(0.8, 1.8)))
    bend = float(rng.uniform(0.2, 0.7)) * skin.side**2 + 2 * sway * skin.side
    phase = (drop + bend + 0.12 * folds) * float(rng.uniform(9, 16))
    relief = 1 + 0.16 * np.sin(phase) + 0.08 * np.sin(2.3 * phase + 1)
    if rng.random() < 0.5:  # a rolled edge
        relief *= 1 - 0.3 * np.exp(-np.maximum(drop, 0) / 0.05)
    weave = grain("knit" if rng.random() < 0.5 else "weave")
    relief *= 1 + 0.05 * lookup(weave, skin.along, drop, 1.0)
    relief *= (0.72 + 0.3 * skin.facing) * (0.55 + 0.45 * board.light.field)
    board.shadow(coverage, 0.35, 0.08, -0.02)
    board.cover(look * relief * board.light.white[:, None, None], coverage)


def draw_helmet(board: Board) -> None:
    """A helmet with a strap from the temples to the chin, perhaps with a cup there."""
    rng, frame = board.rng, board.frame
    pen, chin = float(rng.uniform(0.05, 0.12)), float(rng.uniform(1.66, 1.86))
    straps = np.zeros(board.shape, np.float32)
    for sign in (-1, 1):
        if sign * np.sin(frame.yaw) > 0.45:  # that side is not seen
            continue
        jaw = frame.point(sign * 0.88, float(rng.uniform(1.1, 1.3)))
        temple = frame.point(sign * float(rng.uniform(0.9, 1.02)), -0.4)
        lines = [curve(np.array([temple, jaw, frame.point(0, chin)]))]
        if rng.random() < 0.5:  # a second one from behind the ear
            lines.append(np.array([frame.point(sign * 1.05, 0.3, -0.3), jaw]))
        for line in lines:
            straps = np.maximum(straps, board.stroke(line, pen))
    if rng.random() < 0.35:
        x, y = frame.point(0, chin - 0.08)
        cup = 1 - np.hypot((board.x - x) / 0.36, (board.y - y) / float(rng.uniform(0.13, 0.2)))
        straps = np.maximum(straps, board.edge(cup * 0.2))
    light = 0.4 + 0.6 * board.light.field
    woven = 1 + 0.08 * lookup(grain("weave"), board.x, board.y, 0.9)
    colour = pick(rng, STRAPS, 8) * board.light.white
    board.shadow(straps, 0.35, 0.03, 0.03)
    board.cover(colour[:, None, None] * woven * light, straps)

    # Around the whole skull, which reaches further back than the face does to the front.
    middle = frame.point(0, -0.4, -0.3)
    reach = float(np.hypot(frame.width * np.cos(frame.yaw), 1.3 * np.sin(frame.yaw)))
    across = (board.x - middle[0]) / (float(rng.uniform(1.18, 1.32)) * reach)
    up = (middle[1] - board.y) / float(rng.uniform(1.5, 1.75))
    brim = up - float(rng.uniform(-0.06, 0.12)) * (1 - across**2)
    shell = board.edge(np.minimum(1 - np.hypot(across, up), brim) * 0.9)
    dome = np.sqrt(np.clip(1 - across**2 - np.clip(up, 0, 1) ** 2, 0, 1))
    gloss = 0.25 * np.exp(-((across + 0.3) ** 2 + (up - 0.6) ** 2) / 0.03)
    rim = 0.25 * np.exp(-((brim / 0.05) ** 2))
    colour = pick(rng, SHELLS, 10) * board.light.white
    board.shadow(shell, 0.4, 0.06, 0.05)
    board.cover(colour[:, None, None] * (0.6 + 0.4 * dome + gloss - rim) * light, shell)


def draw_beard(board: Board) -> None:
    """Beard and moustache over jaw and cheeks, from stubble to long; the lips stay free."""
    rng, h = board.rng, board.height
    stubble = rng.random() < 0.25
    long = float(rng.choice([0.0, 0.05, 0.15, 0.35])) * float(rng.uniform(0.6, 1.2))
    long = 0.0 if stubble else long
    skin = _beard_surface(board, long)
    sides = 0.25 * np.sign(skin.x) * h  # hair on the cheeks grows outwards
    strands = lookup(grain("hair"), skin.along + sides + 4, board.y + 3, 1.15)
    ragged = 0.045 * strands

    lips = (skin.x / 0.52) ** 2 + ((h - 1.005) / float(rng.uniform(0.115, 0.15))) ** 2
    where = _chin_and_cheeks(board, skin, ragged, long) * np.clip((lips - 1.0) * 3, 0, 1)
    if rng.random() < 0.9:
        tache = _moustache(board, skin, ragged) * np.clip((lips - 0.8) * 4, 0, 1)
        where = np.maximum(where, tache)
    where = where * np.clip((skin.outline + 0.6 * ragged) * board.scale * 0.6 + 0.5, 0, 1)
    if stubble:
        dense = 0.5 * np.clip(0.45 + 0.5 * strands, 0, 1)
    else:
        dense = float(rng.uniform(0.8, 0.97)) * np.clip(0.82 + 0.27 * strands, 0.55, 1)

    colour = pick(rng, HAIR, 6) * (0.45 + 0.55 * board.light.white)
    contrast = 0.30 - 0.2 * float(colour.mean())
    lit = (0.85 + contrast * strands) * (0.75 + 0.3 * skin.facing) * board.light.field
    lit *= np.interp(h, [0.6, 1.3, 1.9], [1.05, 1.0, 0.72])  # the chin throws its shadow
    board.cover(colour[:, None, None] * np.clip(lit, 0.25, 2.2), (where * dense).astype(np.float32))


def _beard_surface(board: Board, long: float) -> Surface:
    """The face, wider and longer at the chin where a long beard hangs."""
    h, width = board.height, board.frame.width
    heights = [0.9, 1.3, CHIN, CHIN + long, CHIN + long + 0.3]
    hair = np.interp(h, heights, [0, 0.78, 0.58 + 0.25 * long, 0.38, 0.05])
    face = half_width(h) * width
    hanging = np.maximum(1.01 * face, hair * width * (0.96 if long else 0.55))
    return surface(board, np.where(h > 1.0, hanging, face), half_depth(h) + 0.02 + 0.15 * long)


def _chin_and_cheeks(board: Board, skin: Surface, ragged: Array, long: float) -> FloatArray:
    """Density 0…1 (h, w) of a full beard or a goatee."""
    rng, h = board.rng, board.height
    x = np.abs(skin.x)
    high = float(rng.uniform(-0.06, 0.08))
    if rng.random() < 0.75:
        places = [0.0, 0.3, 0.5, 0.72, 0.88, 1.0]
        line = np.interp(x, places, [1.2, 1.02, 0.94 + high, 0.86 + high, 0.55 + high, 0.1])
    else:
        line = np.interp(x, [0.0, 0.3, 0.48, 0.58, 0.7], [1.2, 1.02, 0.95, 1.25, 2.2])
    end = CHIN + 0.04 + long - 0.55 * (1 + long) * np.clip(x - 0.3, 0, 1) ** 2
    inside = np.minimum((h - line + ragged) / 0.15, (end - h + ragged) / 0.05)
    return np.asarray(np.clip(inside + 0.25, 0, 1), np.float32)


def _moustache(board: Board, skin: Surface, ragged: Array) -> FloatArray:
    """Density 0…1 (h, w) between nose and upper lip."""
    h, x = board.height, np.abs(skin.x)
    droop = 0.30 * x**1.5
    upper = (h - float(board.rng.uniform(0.72, 0.78)) - 0.6 * droop + ragged) / 0.05
    lower = (0.90 + droop - h + ragged) / 0.045
    inside = np.minimum(np.minimum(upper, lower), (0.56 - x) / 0.05)
    return np.asarray(np.clip(inside, 0, 1), np.float32)
