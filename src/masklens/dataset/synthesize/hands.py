"""Hands before the mouth, and the hands that hold things: round-ended limbs, lit like cylinders."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from masklens.crop import FloatArray
from masklens.dataset.synthesize.canvas import Array, Board
from masklens.dataset.synthesize.shapes import Point
from masklens.dataset.synthesize.textures import CLOTH, grain, lookup, pick, rgb

#: Lengths of the fingers, index to little finger, and their places across the hand.
_FINGERS = (0.98, 1.12, 1.04, 0.80)
_ACROSS = (0.40, 0.135, -0.135, -0.39)
_UP = -np.pi / 2


@dataclass(frozen=True, slots=True)
class Hand:
    """A hand in the plane of the board.

    Attributes:
        x, y: head coordinates of the middle of the knuckles.
        angle: radians, where the fingers point; 0 is to the right, positive is downwards.
        size: 1 is a grown-up's hand on a grown-up's face.
        flip: 1 or -1: on which side the thumb is.
        reach: share of each of the four fingers' length that shows (1 stretched, 0.3 a fist).
        spread: radians between neighbouring fingers.
    """

    x: float
    y: float
    angle: float
    size: float
    flip: float
    reach: tuple[float, ...] = (1, 1, 1, 1)
    spread: float = 0.02

    def at(self, along: float, across: float) -> Point:
        """Hand coordinates (towards the fingertips, towards the thumb) -> head coordinates."""
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        u, v = along * self.size, across * self.size * self.flip
        return float(self.x + u * cos - v * sin), float(self.y + u * sin + v * cos)


@dataclass(frozen=True, slots=True)
class Person:
    """Whose hands they are.

    Attributes:
        skin: (3,), 0…1.
        sleeve: (3,), 0…1: colour of a sleeve; None for bare arms.
        nails: whether the backs of the hands, with nails, are seen.
    """

    skin: FloatArray
    sleeve: FloatArray | None
    nails: bool


def person(board: Board) -> Person:
    """Hands of the face's own skin, a little paler or darker, and a sleeve or none."""
    rng = board.rng
    shift = rng.normal(0, 0.012, 3).astype(np.float32)
    tone = board.light.skin * np.float32(rng.uniform(0.98, 1.14)) + shift
    grey = tone.mean()
    skin = np.clip(grey + 0.94 * (tone - grey), 0.04, 0.97).astype(np.float32)
    sleeve = pick(rng, CLOTH) * board.light.white if rng.random() < 0.6 else None
    return Person(skin, sleeve, nails=rng.random() < 0.6)


def draw_hand(board: Board) -> None:
    """A hand before the mouth, in one of several poses."""
    who = person(board)
    for hand in _pose(board):
        draw_arm(board, who, hand.at(-3.6, -0.05), hand.at(-1.1, 0.0), hand.size)
        _palm(board, who, hand)
        draw_fingers(board, who, hand)


def _pose(board: Board) -> list[Hand]:
    rng = board.rng
    sign = float(rng.choice([-1, 1]))
    pose = str(rng.choice(["across", "across", "fist", "hush", "fan", "two"]))
    size = float(rng.uniform(0.82, 1.05))
    x, y = board.frame.point(0.0, 1.02)

    def between(low: float, high: float) -> float:
        return float(rng.uniform(low, high))

    if pose == "across":  # fingers laid over the mouth from one side
        angle = between(0.05, 0.9)
        x, y = x - sign * between(0.35, 0.6), y + between(0.1, 0.4)
        angle = -angle if sign > 0 else np.pi + angle
        return [Hand(x, y, angle, size, -sign, spread=between(0, 0.1))]
    if pose == "fist":
        angle = _UP + sign * between(-0.1, 0.5)
        reach = tuple(between(0.28, 0.36) for _ in _FINGERS)
        return [Hand(x - sign * 0.1, y + between(0.15, 0.55), angle, size, sign, reach, 0)]
    if pose == "hush":  # the index finger on the lips
        angle = _UP + sign * between(-0.12, 0.3)
        x, y = x - sign * 0.28, y + between(0.7, 0.95)
        return [Hand(x, y, angle, size, sign, (1.0, 0.36, 0.34, 0.33))]
    if pose == "fan":  # fingers up, more or less spread
        angle = _UP + sign * between(0, 0.6)
        reach = tuple(between(0.75, 1.0) for _ in _FINGERS)
        x, y = x - sign * between(0, 0.3), y + between(0.25, 0.6)
        return [Hand(x, y, angle, size, sign, reach, between(0.02, 0.16))]
    y, lean = y + between(0.55, 0.85), between(0.05, 0.35)
    return [Hand(x + s * 0.33, y, _UP - s * lean, size * 0.92, -s) for s in (-1.0, 1.0)]


def draw_arm(board: Board, who: Person, start: Point, end: Point, size: float) -> None:
    """A forearm from its elbow's side to the wrist, perhaps in a sleeve."""
    draw_limb(board, start, end, (0.46 * size, 0.36 * size), who.skin)
    if who.sleeve is not None:
        share = float(board.rng.uniform(0.35, 0.75))
        cuff = (start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1]))
        draw_limb(board, start, cuff, (0.56 * size, 0.5 * size), who.sleeve, flush=0)


def _palm(board: Board, who: Person, hand: Hand) -> None:
    """The back of the hand, or its palm, and the thumb."""
    size = hand.size
    out = float(board.rng.uniform(0.55, 0.85))
    for start, end, radii, shadow in (
        ((-1.0, -0.12), (-0.12, -0.24), (0.36, 0.31), 0.42),
        ((-1.0, 0.1), (-0.1, 0.25), (0.38, 0.31), 0.0),
        ((-0.8, 0.0), (-0.1, 0.0), (0.42, 0.40), 0.0),
        ((-0.85, 0.35), (-0.35, out), (0.20, 0.16), 0.42),
        ((-0.35, out), (0.12, out + 0.06), (0.16, 0.125), 0.0),
    ):
        thick = (radii[0] * size, radii[1] * size)
        draw_limb(board, hand.at(*start), hand.at(*end), thick, who.skin, shadow=shadow)


def draw_fingers(board: Board, who: Person, hand: Hand) -> None:
    """The four fingers, the little one first, so that each lies over its neighbour."""
    for k in (3, 2, 1, 0):
        bend = (1.5 - k) * hand.spread
        length = _FINGERS[k] * hand.reach[k]
        tip = hand.at(length * float(np.cos(bend)), _ACROSS[k] + length * float(np.sin(bend)))
        thick = (0.155 if k < 3 else 0.13) * hand.size
        stretched = hand.reach[k] >= 0.5
        draw_limb(
            board,
            hand.at(-0.05, _ACROSS[k]),
            tip,
            (thick, thick * (0.78 if stretched else 1.0)),
            who.skin,
            nail=who.nails and stretched,
            creases=stretched,
        )


def draw_limb(
    board: Board,
    start: Point,
    end: Point,
    thick: tuple[float, float],
    tone: Array,
    *,
    shadow: float = 0.42,
    flush: float = 0.035,
    nail: bool = False,
    creases: bool = False,
) -> None:
    """A round-ended, tapering limb between two points, lit like a cylinder.

    Args:
        board: to paint on.
        start, end: head coordinates of the axis' ends.
        thick: radii at start and end, in head units.
        tone: (3,), 0…1.
        shadow: strength of the shadow around it, 0…1.
        flush: how much redder it gets towards its edges, as skin does.
        nail: whether a nail is at its end.
        creases: whether it has two joints.
    """
    ax, ay = start
    dx, dy = end[0] - ax, end[1] - ay
    length = max(float(np.hypot(dx, dy)), 1e-3)
    dx, dy = dx / length, dy / length
    rim = max(thick) + 0.14  # room for the shadow
    left, right = min(ax, end[0]) - rim, max(ax, end[0]) + rim
    at = board.window(left, min(ay, end[1]) - rim, right, max(ay, end[1]) + rim)
    px, py = board.x[:, at[1]] - np.float32(ax), board.y[at[0]] - np.float32(ay)
    along = px * np.float32(dx) + py * np.float32(dy)
    across = py * np.float32(dx) - px * np.float32(dy)
    place = np.clip(along / np.float32(length), 0, 1)
    radius = thick[0] + (thick[1] - thick[0]) * place
    away = np.hypot(across, along - place * np.float32(length))
    coverage = board.edge(radius - away)
    if not coverage.any():
        return
    n = np.clip(away / radius, 0, 1)
    lit = 0.64 + 0.40 * np.sqrt(1 - 0.92 * n * n)
    lit *= 1 - 0.10 * board.light.contrast * dx * np.clip(across / radius, -1, 1)
    lit *= 0.5 + 0.5 * board.light.field[at]
    lit *= 1 + 0.02 * lookup(grain("fleece"), px, py, 1.1)
    if creases:
        for joint in (0.42, 0.72):
            line = (along - joint * length) * (board.scale / 1.1)
            lit *= 1 - 0.10 * np.exp(-line * line)
    if shadow:
        board.shadow(coverage, shadow, 0.05, 0.025, at)
    red = 1 + flush * n
    board.cover(np.stack([tone[0] * lit * red, tone[1] * lit, tone[2] * lit]), coverage, at)
    if nail:
        middle = (along - length + 0.02) / (0.95 * thick[1])
        oval = 1 - middle**2 - (across / (0.66 * thick[1])) ** 2
        plate = board.edge(oval * thick[1] * 0.5) * np.float32(0.65)
        colour = np.clip(tone * rgb(1.08, 1.02, 1.04) + 0.05, 0, 1)
        board.cover(colour[:, None, None] * lit, plate, at)
