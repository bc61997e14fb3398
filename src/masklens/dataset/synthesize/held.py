"""What people hold before their mouth: cups, mugs and phones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from masklens.crop import FloatArray
from masklens.dataset.synthesize.canvas import Array, Board
from masklens.dataset.synthesize.hands import (
    Hand,
    Person,
    draw_arm,
    draw_fingers,
    draw_limb,
    person,
)
from masklens.dataset.synthesize.shapes import Tilted
from masklens.dataset.synthesize.textures import CLOTH, Colour, pick, rgb

PLASTIC: tuple[Colour, ...] = (
    (20, 20, 22),
    (30, 30, 34),
    (60, 62, 66),
    (200, 200, 204),
    (230, 228, 224),
    (150, 30, 40),
    (40, 70, 130),
    (210, 160, 170),
)
PAPER: tuple[Colour, ...] = (
    (244, 242, 238),
    (238, 236, 230),
    (182, 140, 100),
    (150, 108, 74),
    (200, 40, 44),
    (26, 84, 60),
    (40, 40, 44),
)
_LIDS: tuple[Colour, ...] = ((244, 244, 244), (30, 30, 32))


@dataclass(frozen=True, slots=True)
class Cup:
    """Sizes of a cup in head units: half widths at rim and foot, and height."""

    mug: bool
    rim: float
    foot: float
    tall: float


def draw_cup(board: Board) -> None:
    """A paper cup or a mug at the lips, held by a hand."""
    rng = board.rng
    who = person(board)
    sign = float(rng.choice([-1, 1]))
    mug = rng.random() < 0.4
    rim = float(rng.uniform(0.42, 0.58))
    tall = rim * float(rng.uniform(1.9, 2.2) if mug else rng.uniform(2.6, 3.1))
    foot = rim * float(rng.uniform(0.9, 1.0) if mug else rng.uniform(0.68, 0.8))
    lips = board.frame.point(0.0, float(rng.uniform(0.98, 1.22)))
    plane = Tilted(*lips, float(rng.normal(0, 0.16)))
    level = tall * float(rng.uniform(0.56, 0.72))
    draw_arm(
        board,
        who,
        plane.at(-sign * 2.4, tall + 2.0),
        plane.at(-sign * (rim + 0.12), level + 0.1),
        0.92,
    )
    _paint_cup(board, plane, Cup(mug, rim, foot, tall), sign)
    bend = float(rng.uniform(0.42, 0.6))
    reach = (bend, 1.08 * bend, 1.05 * bend, 0.9 * bend)
    angle = plane.angle + (0.0 if sign > 0 else np.pi)
    knuckles = plane.at(-sign * rim * 0.98, level)
    draw_fingers(board, who, Hand(*knuckles, angle, 0.88, -sign, reach, 0.03))


def _paint_cup(board: Board, plane: Tilted, cup: Cup, sign: float) -> None:
    rng, white = board.rng, board.light.white
    room = cup.rim + 0.55  # for the handle and the shadow
    at = plane.window(board, (-room, -0.4), (room, cup.tall + 0.5))
    u, v = plane.coordinates(board, at)
    half = cup.rim + (cup.foot - cup.rim) * np.clip(v / cup.tall, 0, 1)
    n = np.clip(u / half, -1, 1)
    curve = 0.25 * half * np.sqrt(1 - n * n)  # rim, bands and foot are ellipses
    inside = np.minimum(np.minimum(half - np.abs(u), v + 0.8 * curve), cup.tall + curve - v)
    coverage = board.edge(inside)
    base = pick(rng, CLOTH if cup.mug and rng.random() < 0.5 else PAPER)
    lit = (0.62 + 0.40 * np.sqrt(1 - 0.9 * n * n)) * (0.6 + 0.4 * board.light.field[at])
    if cup.mug:
        lit += 0.10 * np.exp(-(((n + 0.45) / 0.18) ** 2))  # glaze shines
        ring = np.hypot((u - sign * cup.rim * 1.05) / 0.75, v - cup.tall * 0.5)
        handle = board.edge(0.065 - np.abs(ring - 0.3))
        board.cover((base * white)[:, None, None] * lit, handle, at)
    look = _prints(board, cup, base, u, v - curve) * white[:, None, None]
    board.shadow(coverage, 0.4, 0.07, 0.05, at)
    board.cover(look * lit, coverage, at)
    edge = board.edge(0.02 - np.abs(v + 0.8 * curve)) * coverage
    board.cover(np.clip(base * white * 1.15, 0, 1), edge * np.float32(0.7), at)


def _prints(board: Board, cup: Cup, base: FloatArray, u: Array, down: Array) -> FloatArray:
    """Colour (3, h, w) of a cup: sleeve, lid and logo on the base colour."""
    rng = board.rng
    look = np.ones((3, *u.shape), np.float32) * base[:, None, None]
    layers: list[tuple[FloatArray, npt.NDArray[Any]]] = []
    if not cup.mug and rng.random() < 0.5:
        share = down / cup.tall
        layers.append((pick(rng, PAPER), (share > 0.32) & (share < 0.72)))
    if not cup.mug and rng.random() < 0.55:
        layers.append((pick(rng, _LIDS), down < 0.13 * cup.tall))
    if rng.random() < 0.5:
        layers.append((pick(rng, CLOTH), board.edge(0.2 - np.hypot(u, down - cup.tall * 0.45))))
    for colour, where in layers:
        look += (colour[:, None, None] - look) * where
    return look


def draw_phone(board: Board) -> None:
    """A phone before the lower face (a mirror selfie, a voice message) or at the cheek."""
    rng, frame = board.rng, board.frame
    who = person(board)
    sign = float(rng.choice([-1, 1]))
    size = float(rng.uniform(0.9, 1.05))
    half_w, half_h = 0.58 * size, 1.18 * size
    call = rng.random() < 0.35
    if call:  # seen from the side, at the ear that is nearer
        if abs(frame.yaw) > 0.1:
            sign = -float(np.sign(frame.yaw))
        place = frame.point(sign * 0.92, 0.72, 0.25)
        half_w *= float(rng.uniform(0.3, 0.6))
        angle = sign * float(rng.uniform(0.1, 0.4))
    else:
        place = frame.point(float(rng.uniform(-0.3, 0.3)), float(rng.uniform(1.15, 1.6)))
        angle = float(rng.normal(0, 0.15))
        if rng.random() < 0.25:
            half_w, half_h = 0.9 * half_h, half_w
    plane = Tilted(*place, angle)
    side = sign * half_w
    draw_arm(board, who, plane.at(sign * 1.4, half_h + 2.2), plane.at(0.5 * side, 0.35), 1.0)
    _paint_phone(board, plane, (half_w, half_h), size, camera=not call or rng.random() < 0.4)
    angle += np.pi if sign > 0 else 0.0
    reach = (0.42, 0.46, 0.44, 0.36)
    draw_fingers(board, who, Hand(*plane.at(1.02 * side, 0.25), angle, 0.9, sign, reach, 0.03))
    if not call:
        _thumb(board, who, plane, side)


def _thumb(board: Board, who: Person, plane: Tilted, side: float) -> None:
    start, end = plane.at(-1.15 * side, 0.55), plane.at(-0.72 * side, 0.0)
    draw_limb(board, start, end, (0.17, 0.13), who.skin, nail=True)


def _paint_phone(
    board: Board, plane: Tilted, half: tuple[float, float], size: float, camera: bool
) -> None:
    room = (half[0] + 0.3, half[1] + 0.3)  # for the shadow
    at = plane.window(board, (-room[0], -room[1]), room)
    u, v = plane.coordinates(board, at)
    corner = 0.12 * size
    inside = corner - _outside(u, v, half[0] - corner, half[1] - corner)
    body = board.edge(inside)
    tone = pick(board.rng, PLASTIC, 5) * board.light.white
    sheen = 0.85 + 0.25 * np.clip((u + v) / sum(half), -1, 1)
    sheen += 0.1 * (np.abs(u + 0.4 * v) < 0.12)  # a reflection across the glass
    sheen += 0.5 * np.exp(-((inside * board.scale / 1.2) ** 2))  # the bright frame
    board.shadow(body, 0.45, 0.08, 0.05, at)
    board.cover(tone[:, None, None] * sheen, body, at)
    if not camera:
        return
    x, y = u + half[0] - 0.24 * size, v + half[1] - 0.28 * size
    island = board.edge(0.2 * size - np.maximum(np.abs(x), np.abs(y))) * body
    board.cover(np.clip(tone * 0.8 + 0.03, 0, 1), island, at)
    for across, down in ((-0.08, -0.08), (-0.08, 0.09), (0.08, 0.0)):
        away = np.hypot(x - across, y - down)
        board.cover(rgb(0.03, 0.03, 0.05), board.edge(0.07 * size - away) * body, at)
        board.cover(rgb(0.25, 0.28, 0.36), board.edge(0.025 * size - away) * body, at)


def _outside(u: Array, v: Array, half_w: float, half_h: float) -> FloatArray:
    """Signed distance to a rectangle (negative inside)."""
    dx, dy = np.abs(u) - half_w, np.abs(v) - half_h
    corner = np.hypot(np.maximum(dx, 0), np.maximum(dy, 0))
    return np.asarray(corner + np.minimum(np.maximum(dx, dy), 0), np.float32)
