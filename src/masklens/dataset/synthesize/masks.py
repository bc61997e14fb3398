"""Drawing masks: their surface, their outline, their fabric, their straps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from masklens.crop import FloatArray
from masklens.dataset.synthesize.canvas import Array, Board
from masklens.dataset.synthesize.garments import GARMENTS, Cut, Fit, fit_of
from masklens.dataset.synthesize.geometry import CHIN, FaceFrame, half_depth, half_width
from masklens.dataset.synthesize.shapes import Point, curve, midway
from masklens.dataset.synthesize.surface import Surface, surface
from masklens.dataset.synthesize.textures import (
    MEDICAL,
    PRINTS,
    grain,
    lookup,
    pick,
    print_tile,
    rgb,
)


def draw_any_mask(board: Board, wear: str) -> None:
    """A mask of some kind, mostly those that are seen most."""
    weights = np.array([cut.often for cut in GARMENTS.values()])
    draw_mask(board, str(board.rng.choice(list(GARMENTS), p=weights / weights.sum())), wear)


def draw_mask(board: Board, garment: str, wear: str = "right") -> None:
    """Draw one of :data:`GARMENTS`, worn in one of the ways that :func:`fit_of` knows."""
    cut = GARMENTS[garment]
    fit = fit_of(board, garment, wear)
    skin = _shape(board, cut, fit)
    coverage = _outline(board, skin, fit, garment)
    look = _fabric(board, skin, garment) * _relief(board, skin, garment, fit)
    look *= fabric_shade(board, skin, cut) * board.light.white[:, None, None]
    if garment != "bandana":
        _straps(board, garment, fit)
    board.shadow(coverage, 0.30 + 0.2 * board.light.contrast, 0.055, 0.03)
    board.cover(look, coverage)
    if garment == "ffp2_valve":
        _valve(board, coverage)


def _shape(board: Board, cut: Cut, fit: Fit) -> Surface:
    """The mask's own surface: the face's, a little wider at the chin and further ahead."""
    h, width = board.height, board.frame.width
    face = half_width(h) * width
    heights = [0.0, 0.8, 1.2, 1.5, CHIN, 1.9, 2.2]
    chin = np.interp(h, heights, [1.0, 1.0, 0.97, 0.82, 0.60, 0.42, 0.2]) * width
    heights = [fit.bridge - 0.1, fit.bridge + 0.1, 0.75, 1.0, 1.4, fit.chin]
    ahead = np.interp(h, np.maximum.accumulate(heights), [0, 0.3, 1, 1, 0.6, 0])
    hull = np.maximum(face * cut.slack, chin * (cut.slack - 0.04))
    return surface(board, hull, half_depth(h) + cut.bulge * ahead)


def _rise(x: Array, fit: Fit) -> FloatArray:
    """Height of the upper edge at places sideways, of any shape; a cup's corners are cut off it."""
    nose = np.exp(-((x / fit.peak) ** 2))
    edge = fit.cheek + (fit.bridge - fit.cheek) * nose + fit.tilt * x
    return np.asarray(edge, np.float32)


def _edges(x: Array, fit: Fit, garment: str) -> tuple[FloatArray, FloatArray]:
    """Heights of the upper and the lower edge at places sideways, of any shape."""
    t = np.clip(np.abs(x) / fit.side, 0, 1.1)
    corner = 0.5 * t**4 if garment == "n95_cup" else 0.0  # a cup is round
    bottom = fit.chin + (fit.jaw - fit.chin) * t**fit.drape + fit.tilt * x
    return _rise(x, fit) + corner, bottom


def _outline(board: Board, skin: Surface, fit: Fit, garment: str) -> FloatArray:
    """Coverage (h, w) of the mask."""
    top, bottom = _edges(skin.x, fit, garment)
    below_top = (board.height - top) * 0.85
    above_bottom = (bottom - board.height) * 0.85
    distance = np.minimum(np.minimum(below_top, above_bottom), skin.outline)
    if garment != "bandana":  # which goes on around the head
        lateral = (fit.side - np.abs(skin.x)) * np.maximum(skin.facing, 0.05)
        distance = np.minimum(distance, lateral)
    return board.edge(distance)


def fabric_shade(board: Board, skin: Surface, cut: Cut) -> FloatArray:
    """Brightness (h, w) from the photograph's light, the mask's form, its folds and its grain."""
    light = board.light
    slope = np.clip(-skin.slope, -1.2, 1.2)
    form = 0.84 + 0.18 * skin.facing - 0.10 * slope * light.contrast
    folds = lookup(grain("folds"), skin.along + 3, board.y, 1.9)
    fine = lookup(grain(cut.weave), skin.along + 3, board.y, 0.9)
    return np.asarray(light.field * form * (1 + cut.folds * folds + cut.fine * fine), np.float32)


def _fabric(board: Board, skin: Surface, garment: str) -> FloatArray:
    """Colour relative to white paper: (3, 1, 1), or (3, h, w) with a print."""
    rng, cut = board.rng, GARMENTS[garment]
    base = pick(rng, cut.colours, 6)
    if rng.random() >= cut.printed:
        return base[:, None, None]
    kind = PRINTS[int(rng.integers(len(PRINTS)))]
    if garment == "bandana" and rng.random() < 0.6:
        kind = "paisley"
    tile = print_tile(rng, kind, base)
    return lookup(tile, skin.along + 5, board.height, float(rng.uniform(0.7, 1.5)))


def _relief(board: Board, skin: Surface, garment: str, fit: Fit) -> FloatArray:
    """What seams, pleats and ribs add to the brightness: (h, w), about 1."""
    relief = np.ones(board.shape, np.float32)
    below_edge = board.height - _rise(skin.x, fit)
    if garment == "surgical":
        _pleats(board, skin, fit, relief)
        relief += 0.05 * (below_edge < 0.10)
        relief -= 0.07 * _line(board, below_edge - 0.10)
        wire = (below_edge - 0.05) + 4 * np.maximum(np.abs(skin.x) - 0.4, 0)
        relief += 0.05 * _line(board, wire) - 0.05 * _line(board, wire - 0.03)
        sides = (np.abs(skin.x) - (fit.side - 0.05)) * skin.facing
        relief -= 0.08 * _line(board, sides)
    elif garment == "n95_cup":
        radius = np.hypot(skin.x / fit.side, (board.height - 1.02) / 0.72)
        for ring in (0.86, 0.62):
            relief -= 0.07 * _line(board, (radius - ring) * 0.6)
        relief += 0.10 * (1 - radius)
    elif garment != "bandana":  # a seam along the midline, its halves lit differently
        relief -= 0.16 * _line(board, skin.along)
        relief += 0.09 * np.clip(skin.along * 9, -1, 1) * float(board.rng.choice([-1, 1]))
        relief -= 0.06 * _line(board, below_edge - 0.07)
    return relief


def _pleats(board: Board, skin: Surface, fit: Fit, relief: FloatArray) -> None:
    """Three folds across a surgical mask, that open towards the middle."""
    span = fit.jaw - fit.cheek
    t = skin.x / fit.side
    opening = 0.176 * (1 - t * t)
    depth = float(board.rng.uniform(0.10, 0.20))
    for k in range(3):
        line = fit.cheek + (0.25 + 0.24 * (k + 0.2)) * span + (k - 0.6) * opening
        away = board.height - line - fit.tilt * skin.x
        relief -= depth * _line(board, away)
        relief += 0.4 * depth * _line(board, away + 2.8 / board.scale, 1.8)


def _line(board: Board, distance: Array, pen: float = 1.2) -> FloatArray:
    """A soft line, 1 where the distance in head units is 0; ``pen`` in pixels of the board."""
    away = distance * np.float32(board.scale / pen)
    return np.asarray(np.exp(-away * away), np.float32)


def _straps(board: Board, garment: str, fit: Fit) -> None:
    """Ear loops, or the two bands of a cup, on the sides that can be seen."""
    rng, frame = board.rng, board.frame
    white = strap_colour(rng)
    if garment in ("ffp2", "ffp2_valve", "n95_cup") and rng.random() < 0.15:
        white = rgb(0.75, 0.62, 0.2)
    pen = float(rng.uniform(0.022, 0.04))
    for sign in (-1, 1):
        # The far side turns away: its ear hides behind the cheek.
        if sign * np.sin(frame.yaw) > 0.25 or sign * fit.tilt > 0.2:  # or it has slipped off
            continue
        if garment == "n95_cup":
            lines = _bands(frame, fit, sign)
        else:
            ear = frame.point(sign * 1.06, 0.16, -0.3)
            lobe = frame.point(sign * 1.05, 0.58, -0.3)
            high = frame.point(sign * fit.side * 0.97, fit.cheek + 0.07 + fit.tilt * sign)
            low = frame.point(sign * fit.side * 0.95, fit.jaw - 0.06 + fit.tilt * sign)
            lines = [[high, midway(high, ear, -0.03), ear], [low, midway(low, lobe, 0.03), lobe]]
        for line in lines:
            draw_strap(board, line, white, pen)


def _bands(frame: FaceFrame, fit: Fit, sign: int) -> list[list[Point]]:
    """The two bands of a cup on one side: around the crown, and around the neck."""
    x = sign * fit.side * np.linspace(0.92, 0.4, 14)
    top, bottom = _edges(x, fit, "n95_cup")
    # As far out as the cup, whose sides are round, has room for both.
    at = int(np.argmax(bottom - top > 0.2))
    high, low = float(top[at]) + 0.06, float(bottom[at]) - 0.06
    ahead = np.sqrt(1 - x[at] ** 2)
    ends = [
        frame.point(float(x[at]), y, float((half_depth(y) + GARMENTS["n95_cup"].bulge) * ahead))
        for y in (high, low)
    ]
    above = min(0.0, high - 0.15)
    crown = [frame.point(sign * 1.05, above, -0.2), frame.point(sign * 1.05, above - 0.3, -0.4)]
    return [[ends[0], *crown], [ends[1], frame.point(sign * 1.05, min(0.85, low + 0.4), -0.3)]]


def draw_strap(board: Board, points: Sequence[Point], colour: Array, pen: float) -> None:
    """A strap through two or three points; ``pen`` is its width in head units."""
    stroke = board.stroke(curve(np.array(points)), pen)
    board.shadow(stroke, 0.35, 0.02, 0.02)
    board.cover(colour * board.light.white * 0.95, stroke)


def strap_colour(rng: np.random.Generator) -> FloatArray:
    """White, sometimes black: (3,), relative to white paper."""
    return rgb(0.93, 0.93, 0.92) if rng.random() < 0.8 else rgb(0.1, 0.1, 0.1)


def _valve(board: Board, coverage: FloatArray) -> None:
    """An exhalation valve on one side of the seam."""
    rng, frame = board.rng, board.frame
    sign = float(rng.choice([-1, 1]))
    if abs(frame.yaw) > 0.3:
        sign = -float(np.sign(frame.yaw))
    x, y = frame.point(sign * 0.36, float(rng.uniform(1.0, 1.15)))
    size = float(rng.uniform(0.14, 0.19))
    squeeze = max(0.45, float(np.cos(frame.yaw + sign * 0.4)))
    r = np.hypot((board.x - x) / squeeze, board.y - y) / size
    disc = board.edge((1 - r) * size) * coverage
    board.shadow(disc, 0.35, 0.03, 0.03)
    tone = rgb(0.9, 0.9, 0.9) if rng.random() < 0.6 else pick(rng, MEDICAL)
    rings = (1 - 0.16 * np.exp(-((r - 0.72) ** 2) / 0.006) - 0.12 * (np.sin(r * 16) > 0.6)).astype(
        np.float32
    )
    lit = board.light.field * rings * (1 - 0.25 * (board.y - y) / size)
    board.cover((tone * board.light.white)[:, None, None] * lit, disc)
