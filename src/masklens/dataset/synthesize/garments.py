"""Masks: what they are made of, how they sit, and how people wear them badly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from masklens.dataset.synthesize.canvas import Board
from masklens.dataset.synthesize.textures import CLOTH, MEDICAL, RESPIRATOR, Colour


@dataclass(frozen=True, slots=True)
class Cut:
    """How a kind of mask is made.

    Attributes:
        colours: what it comes in.
        printed: how often it has a pattern, 0…1.
        bulge: how far it stands off the mouth, in head units.
        slack: its width, as a factor on the face's.
        weave: the fabric's grain, a kind of :func:`masklens.dataset.synthesize.textures.grain`.
        fine, folds: strength of the grain and of the folds, as shares of the brightness.
        often: how often it is seen among masks worn badly.
    """

    colours: tuple[Colour, ...]
    printed: float
    bulge: float
    slack: float
    weave: str
    fine: float
    folds: float
    often: float


GARMENTS: dict[str, Cut] = {
    "surgical": Cut(MEDICAL, 0.06, 0.10, 1.02, "fleece", 0.022, 0.03, often=5),
    "ffp2": Cut(RESPIRATOR, 0, 0.26, 0.97, "fleece", 0.022, 0.02, often=1),
    "ffp2_valve": Cut(RESPIRATOR, 0, 0.26, 0.97, "fleece", 0.022, 0.02, often=1),
    "n95_cup": Cut(RESPIRATOR, 0, 0.26, 0.97, "fleece", 0.022, 0.02, often=0.6),
    "cloth": Cut(CLOTH, 0.55, 0.08, 1.0, "weave", 0.035, 0.05, often=2),
    "bandana": Cut(CLOTH, 1, 0.06, 1.06, "weave", 0.035, 0.09, often=0.6),
}


@dataclass(frozen=True, slots=True)
class Fit:
    """How a mask sits: heights are those of the average face (eyes 0, nose 0.57, mouth 1).

    Attributes:
        bridge: upper edge at the midline.
        cheek: upper edge at the sides.
        chin: lower edge at the midline.
        jaw: lower edge at the sides.
        side: how far it reaches around, -1…1 of the half width.
        peak: width of the rise over the nose, as a share of the half width; 0 for a flat edge.
        drape: exponent of the lower edge; 1 is straight, 3 is nearly flat under the chin.
        tilt: height by which one side is lower than the other.
    """

    bridge: float
    cheek: float
    chin: float
    jaw: float
    side: float
    peak: float
    drape: float
    tilt: float


#: How a mask is worn. Of those too high, one hides the eyes, one the eyes and what is below them,
#: one the nose alone, and one no part of the face.
WAYS = (
    *("right", "nose_out", "below_lip", "one_ear"),
    *("over_eyes", "over_face", "mouth_out", "forehead"),
)


def fit_of(board: Board, garment: str, wear: str) -> Fit:
    """How one of :data:`GARMENTS` sits, worn in one of the ways of :data:`WAYS`."""
    rng, frame = board.rng, board.frame
    tilt = float(rng.normal(0, 0.03))
    side = float(rng.uniform(0.86, 0.95))
    if garment == "n95_cup":
        side = float(rng.uniform(0.66, 0.78))
    elif garment in ("ffp2", "ffp2_valve"):
        side = float(rng.uniform(0.78, 0.9))
    bridge, cheek = float(rng.uniform(0.2, 0.36)), float(rng.uniform(0.42, 0.56))
    chin, jaw = float(rng.uniform(1.72, 1.86)), float(rng.uniform(1.12, 1.28))
    peak, drape = float(rng.uniform(0.26, 0.36)), 2.6
    if garment == "bandana":
        bridge, cheek, side, peak = bridge + 0.06, cheek - 0.08, 1.0, 0.5
        chin, jaw = float(rng.uniform(2.15, 2.5)), float(rng.uniform(0.95, 1.4))
        drape = float(rng.uniform(0.9, 1.5))
    if wear == "nose_out":
        bridge, peak = float(rng.uniform(0.755, 0.85)), 0.5
        cheek = bridge + float(rng.uniform(-0.14, 0.02))
        chin, jaw = chin + 0.08, jaw + 0.1
    elif wear == "below_lip":
        bridge, peak = float(rng.uniform(1.18, 1.32)), 0.9
        cheek = bridge + float(rng.uniform(-0.28, -0.1))
        chin, jaw = chin + 0.16, jaw + 0.22
    elif wear == "one_ear":  # it has slipped down on one side
        bridge, peak = float(rng.uniform(0.95, 1.1)), 0.6
        cheek, chin, jaw = bridge - 0.04, chin + 0.1, jaw + 0.25
        side_seen = np.sign(frame.yaw) if abs(frame.yaw) > 0.25 else rng.choice([-1, 1])
        tilt = float(side_seen * rng.uniform(0.3, 0.5))
    elif wear == "over_eyes":
        bridge, peak = float(rng.uniform(-0.5, -0.35)), 0.6
        cheek, chin = bridge + float(rng.uniform(-0.05, 0.05)), float(rng.uniform(0.24, 0.36))
        jaw, drape = chin - float(rng.uniform(0.0, 0.12)), 3.0
    elif wear == "over_face":  # from the brows down, perhaps over the mouth as well
        bridge, peak = float(rng.uniform(-0.55, -0.15)), 0.6
        cheek, chin = bridge + float(rng.uniform(-0.05, 0.15)), float(rng.uniform(0.72, 1.72))
        jaw = chin - float(rng.uniform(0.05, 0.4))
    elif wear == "mouth_out":
        chin, jaw = float(rng.uniform(0.76, 0.86)), float(rng.uniform(0.62, 0.76))
        bridge, cheek = float(rng.uniform(0.1, 0.3)), float(rng.uniform(0.2, 0.4))
    elif wear == "forehead":
        bridge, peak = float(rng.uniform(-1.0, -0.8)), 0.6
        cheek, chin = bridge + float(rng.uniform(-0.05, 0.08)), float(rng.uniform(-0.42, -0.28))
        jaw, drape = chin + float(rng.uniform(-0.05, 0.05)), 3.0
    return Fit(bridge, cheek, chin, jaw, side, peak, drape, tilt)
