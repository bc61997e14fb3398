"""Masks that are worn off the face: pulled under the chin, or hanging from one ear."""

from __future__ import annotations

import numpy as np

from masklens.dataset.synthesize.canvas import Board
from masklens.dataset.synthesize.garments import GARMENTS
from masklens.dataset.synthesize.geometry import CHIN, half_width
from masklens.dataset.synthesize.masks import draw_strap, fabric_shade, strap_colour
from masklens.dataset.synthesize.shapes import Tilted, midway
from masklens.dataset.synthesize.surface import surface
from masklens.dataset.synthesize.textures import (
    CLOTH,
    MEDICAL,
    PRINTS,
    grain,
    lookup,
    pick,
    print_tile,
)


def draw_under_chin(board: Board) -> None:
    """A mask pulled down under the chin: a crumpled band along the jaw."""
    rng, frame, h = board.rng, board.frame, board.height
    cloth = rng.random() < 0.35
    top, bottom = float(rng.uniform(1.38, 1.56)), float(rng.uniform(1.98, 2.3))
    jaw, side = float(rng.uniform(0.95, 1.15)), float(rng.uniform(0.9, 0.97))
    heights = [0.0, 0.9, 1.2, 1.5, CHIN, 2.0, 2.3]
    neck = np.interp(h, heights, [1.04, 0.98, 0.92, 0.82, 0.72, 0.6, 0.36])
    depth = np.interp(h, [1.2, 1.55, 1.8, 2.3], [0.9, 0.98, 0.85, 0.55])
    skin = surface(board, np.maximum(neck, half_width(h) * 1.02) * frame.width, depth)
    t = np.clip(np.abs(skin.x), 0, 1.2)
    upper = top + (jaw - top) * t**2
    lower = bottom + (jaw + 0.28 - bottom) * t**1.8
    distance = np.minimum(np.minimum(h - upper, lower - h) * 0.8, skin.outline)
    lateral = (side - np.abs(skin.x)) * np.maximum(skin.facing, 0.05)
    coverage = board.edge(np.minimum(distance, lateral))

    look = pick(rng, CLOTH if cloth else MEDICAL, 6)[:, None, None]
    if cloth and rng.random() < 0.5:
        tile = print_tile(rng, PRINTS[int(rng.integers(len(PRINTS)))], look[:, 0, 0])
        look = lookup(tile, skin.along + 5, board.y + 2, 1.0)
    share = (h - upper) / np.maximum(lower - upper, 0.05)
    wobble = 0.10 * lookup(grain("folds"), skin.along + 4, board.y, 2.2)
    crumpled = 1 + 0.10 * np.sin((share + wobble) * 17) + 0.05 * np.sin((share + 2 * wobble) * 31)
    crumpled *= np.interp(share, [0, 0.35, 1], [1.05, 1.0, 0.66])  # darker under the chin
    shade = crumpled * fabric_shade(board, skin, GARMENTS["cloth" if cloth else "surgical"])

    pen, strap = float(rng.uniform(0.022, 0.04)), strap_colour(rng)
    for sign in (-1, 1):
        if sign * np.sin(frame.yaw) > 0.25:  # that ear is not seen
            continue
        corner = frame.point(sign * 0.97, jaw + 0.02)
        for ear in (frame.point(sign * 1.06, 0.2, -0.3), frame.point(sign * 1.05, 0.56, -0.3)):
            draw_strap(board, [corner, midway(corner, ear, 0.02), ear], strap, pen)
    board.shadow(coverage, 0.35, 0.05, 0.02)
    board.cover(look * shade * board.light.white[:, None, None], coverage)


def draw_hanging(board: Board) -> None:
    """A mask that dangles from one ear beside the face."""
    rng, frame = board.rng, board.frame
    sign = float(rng.choice([-1, 1]))
    if abs(np.sin(frame.yaw)) > 0.2:  # the ear that is seen
        sign = -float(np.sign(frame.yaw))
    ear = frame.point(sign * 1.06, 0.4, -0.15)
    long, wide = float(rng.uniform(1.25, 1.5)), float(rng.uniform(0.4, 0.85))
    start = (ear[0] + sign * 0.05, ear[1] + float(rng.uniform(0.3, 0.5)))
    plane = Tilted(*start, -sign * 0.05 + float(rng.normal(0, 0.12)))
    across, down = plane.coordinates(board)
    arch = np.sin(np.clip(down / long, 0, 1) * np.pi)
    across = across + 0.08 * float(rng.choice([-1, 1])) * arch
    half = wide / 2 * (0.8 + 0.2 * arch)
    coverage = board.edge(np.minimum(half - np.abs(across), np.minimum(down, long - down)))

    colour = pick(rng, CLOTH if rng.random() < 0.25 else MEDICAL, 6) * board.light.white
    n = np.clip(across / half, -1, 1)
    lit = 0.86 + 0.14 * np.sqrt(1 - 0.9 * n * n) + 0.06 * n * float(rng.choice([-1, 1]))
    for pleat in (-0.4, 0.05, 0.5):
        away = (n - pleat) * half * (board.scale / 1.3)
        lit -= 0.12 * np.exp(-away * away)
    lit *= 1 + 0.025 * lookup(grain("fleece"), across, down, 0.9)
    lit *= 0.5 + 0.5 * board.light.field

    strap = strap_colour(rng)
    free = plane.at(0, long + 0.45)
    for side in (-0.42 * wide, 0.42 * wide):
        for edge, tip in ((0.0, ear), (long, free)):
            corner = plane.at(side, edge)
            bow = midway(plane.at(2 * side, edge), tip, 0)
            draw_strap(board, [corner, bow, tip], strap, 0.03)
    board.shadow(coverage, 0.35, 0.07, 0.04)
    board.cover(colour[:, None, None] * lit, coverage)
