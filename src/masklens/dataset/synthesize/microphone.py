"""Microphones: held to the mouth, with a broadcaster's cube, or on a headset."""

from __future__ import annotations

import numpy as np

from masklens.dataset.synthesize.canvas import Board
from masklens.dataset.synthesize.hands import Hand, draw_arm, draw_fingers, draw_limb, person
from masklens.dataset.synthesize.held import PLASTIC
from masklens.dataset.synthesize.shapes import Point, Tilted, curve
from masklens.dataset.synthesize.textures import CLOTH, Colour, grain, lookup, pick, rgb

FOAM: tuple[Colour, ...] = (
    (22, 22, 24),
    (34, 34, 36),
    (120, 122, 126),
    (160, 162, 166),
    (180, 40, 40),
    (40, 70, 150),
    (230, 190, 40),
    (40, 110, 70),
)


def draw_microphone(board: Board) -> None:
    """A microphone at or below the mouth."""
    rng = board.rng
    if rng.random() < 0.15:
        _headset(board)
        return
    sign = float(rng.choice([-1, 1]))
    head = board.frame.point(float(rng.uniform(-0.35, 0.35)), float(rng.uniform(1.08, 1.5)))
    radius = float(rng.uniform(0.24, 0.36))
    plane = Tilted(*head, -sign * float(rng.uniform(0.0, 0.7)))  # its stick points down
    stick = pick(rng, PLASTIC[:4], 5) * board.light.white
    ends = plane.at(0, radius), plane.at(0, 2.2)
    draw_limb(board, *ends, (0.52 * radius, 0.38 * radius), stick, flush=0)
    if rng.random() < 0.3:
        _cube(board, Tilted(*plane.at(0, 1.75 * radius), plane.angle), 0.85 * radius)
    _head(board, plane, radius)
    if rng.random() < 0.75:
        _grip(board, plane.at(0, float(rng.uniform(1.0, 1.4))), sign)


def _grip(board: Board, place: Point, sign: float) -> None:
    who = person(board)
    angle = 0.0 if sign > 0 else np.pi
    reach = (0.5, 0.55, 0.52, 0.45)
    hand = Hand(place[0] - sign * 0.3, place[1], angle, 0.9, -sign, reach)
    draw_arm(board, who, hand.at(-3.2, -1.7), hand.at(-0.5, -0.1), 0.95)
    draw_fingers(board, who, hand)


def _head(board: Board, plane: Tilted, radius: float) -> None:
    """The ball: foam, or a metal mesh with a band."""
    rng, white = board.rng, board.light.white
    level, room = Tilted(plane.x, plane.y, 0.0), radius + 0.3  # room for the shadow
    at = level.window(board, (-room, -room), (room, room))
    ux, uy = level.coordinates(board, at)
    r = np.hypot(ux, uy) / radius
    ball = board.edge((1 - r) * radius)
    lit = 0.45 + 0.6 * np.sqrt(np.clip(1 - r * r, 0, 1))
    lit = lit * (1 - 0.25 * uy / radius) * (0.6 + 0.4 * board.light.field[at])
    foam = rng.random() < 0.45
    tone = pick(rng, FOAM, 5) * white
    if foam:
        lit = lit * (1 + 0.07 * lookup(grain("fleece"), ux + 2, uy + 2, 0.8))
    else:
        lit = lit * (1 + 0.22 * lookup(grain("mesh"), ux + 2, uy + 2, 1.1))
        lit = lit + 0.5 * np.exp(-((ux / radius + 0.35) ** 2 + (uy / radius + 0.4) ** 2) / 0.06)
    board.shadow(ball, 0.45, 0.08, 0.06, at)
    board.cover(tone[:, None, None] * lit, ball, at)
    if not foam:
        down = plane.coordinates(board, at)[1]
        band = board.edge(0.045 - np.abs(down - 0.35 * radius)) * ball
        board.cover(rgb(0.6, 0.6, 0.62) * white, band * np.float32(0.5), at)


def _cube(board: Board, plane: Tilted, half: float) -> None:
    """The cube with a broadcaster's name."""
    at = plane.window(board, (-2 * half, -2 * half), (2 * half, 2 * half))
    u, v = plane.coordinates(board, at)
    colour = pick(board.rng, CLOTH) * board.light.white
    sides = board.edge(np.minimum(half - np.abs(u), 0.8 * half - np.abs(v)))
    name = board.edge(np.minimum(0.6 * half - np.abs(u), 0.35 * half - np.abs(v)))
    board.shadow(sides, 0.4, 0.04, 0.03, at)
    board.cover(colour, sides, at)
    board.cover(np.clip(1.1 - colour, 0, 1) * board.light.white, name, at)


def _headset(board: Board) -> None:
    frame = board.frame
    sign = -1.0 if frame.yaw > 0 else 1.0
    ear, mouth = frame.point(sign * 1.05, 0.4, -0.2), frame.point(sign * 0.42, 1.12)
    wire = board.stroke(curve(np.array([ear, frame.point(sign * 0.8, 0.9), mouth])), 0.05)
    black = rgb(0.07, 0.07, 0.08)
    board.shadow(wire, 0.3, 0.03, 0.02)
    board.cover(black, wire)
    draw_limb(board, mouth, (mouth[0] - sign * 0.12, mouth[1]), (0.09, 0.1), black, flush=0)
    up, down = (ear[0], ear[1] - 0.2), (ear[0], ear[1] + 0.1)
    draw_limb(board, up, down, (0.2, 0.2), black, flush=0)
