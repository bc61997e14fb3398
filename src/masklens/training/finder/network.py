"""The face finder as a Keras network: YuNet's plan, with one joint head per stride.

RGB pixels come in; per stride a map of :data:`COLUMNS` raw values comes out. The plan is that of
YuNet (Wu, Peng, Yu: "YuNet: A Tiny Millisecond-level Face Detector", Machine Intelligence Research
2023): units of a 1×1 and a depthwise 3×3 convolution, strides 8, 16 and 32 joined from coarse to
fine. YuNet's four heads are one here, with the same numbers and fewer operators, and three columns
for the mask label are added. BatchNorm is folded, as in the weights the training starts from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
from keras import layers

from masklens.labels import LABELS

STRIDES = (8, 16, 32)

#: The raw columns of every cell, in order. ``face`` is sqrt(sigmoid(class) · sigmoid(object));
#: ``box`` is centre x, y (cells from the cell's corner) and log width, height (in cells).
COLUMNS: dict[str, slice] = {
    "class": slice(0, 1),
    "object": slice(1, 2),
    "box": slice(2, 6),
    "landmarks": slice(6, 16),
    "labels": slice(16, 16 + len(LABELS)),
}
WIDTH = COLUMNS["labels"].stop


@dataclass(frozen=True, slots=True)
class FinderPlan:
    """How many channels each part has. The default is YuNet-n.

    Attributes:
        stem: channels after the first convolution.
        stages: per stage the channels of its units; stages 1 and 2 run at stride 4, each further
            one at half the size of the one before.
        neck: channels of the three maps that are joined; the last of each stage from the third on.
        head: units before the joint head, per stride.
    """

    stem: int = 16
    stages: tuple[tuple[int, ...], ...] = ((16, 64), (64, 64), (64, 64), (64, 64), (64, 64))
    neck: int = 64
    head: int = 1

    def units(self) -> list[str]:
        """The names of all units, in the order they run in."""
        stages = [
            f"stage{number}_unit{place}"
            for number, stage in enumerate(self.stages, start=1)
            for place in range(1, len(stage) + 1)
        ]
        heads = [f"head{stride}_unit{i + 1}" for stride in STRIDES for i in range(self.head)]
        return ["stem", *stages, "neck2", "neck1", "neck0", *heads]


def finder_network(plan: FinderPlan | None = None) -> keras.Model:
    """Build the network, untrained.

    Returns:
        A model from ``image`` float32 (N, H, W, 3), RGB, 0…255, H and W multiples of 32, to a list
        of three maps (N, H / stride, W / stride, WIDTH), strides 8, 16, 32.
    """
    plan = plan or FinderPlan()
    image = keras.Input((None, None, 3), name="image")
    x = layers.ZeroPadding2D(1, name="first_pad")(image)
    x = layers.Conv2D(plan.stem, 3, strides=2, name="first_conv")(x)
    x = layers.ReLU(name="first_relu")(x)
    x = _unit(x, plan.stem, "stem")
    maps: list[Any] = []
    for number, stage in enumerate(plan.stages, start=1):
        if number != 2:
            x = layers.MaxPooling2D(2, name=f"stage{number}_pool")(x)
        for place, channels in enumerate(stage, start=1):
            x = _unit(x, channels, f"stage{number}_unit{place}")
        if number >= 3:
            maps.append(x)
    joined: list[Any] = []
    for level in (2, 1, 0):
        below = maps[level]
        if joined:
            up = layers.UpSampling2D(2, name=f"neck{level}_up")(joined[-1])
            below = layers.Add(name=f"neck{level}_add")([below, up])
        joined.append(_unit(below, plan.neck, f"neck{level}"))
    outputs = []
    for stride, x in zip(STRIDES, reversed(joined), strict=True):
        for place in range(plan.head):
            x = _unit(x, plan.neck, f"head{stride}_unit{place + 1}")
        x = layers.Conv2D(WIDTH, 1, name=f"head{stride}_conv")(x)
        x = layers.DepthwiseConv2D(3, padding="same", name=f"head{stride}_deep")(x)
        outputs.append(x)
    return keras.Model(image, outputs, name="finder")


def _unit(x: Any, channels: int, name: str) -> Any:
    """A 1×1 convolution, a depthwise 3×3 one, ReLU."""
    x = layers.Conv2D(channels, 1, name=f"{name}_conv")(x)
    x = layers.DepthwiseConv2D(3, padding="same", name=f"{name}_deep")(x)
    return layers.ReLU(name=f"{name}_relu")(x)


def decode(maps: list[Any]) -> dict[str, Any]:
    """Raw maps -> ``face``, ``box``, ``landmarks``, ``labels`` of all cells, as in the files.

    Args:
        maps: per stride (N, h, w, WIDTH).

    Returns:
        Tables (N, A, …), the strides one after the other, each row by row. Coordinates are offsets
        from the cell's corner in cells: pixel = (column or row + value) · stride.
    """
    ops = keras.ops
    flat = ops.concatenate([ops.reshape(m, (m.shape[0] or 1, -1, WIDTH)) for m in maps], axis=1)
    part = {name: flat[..., columns] for name, columns in COLUMNS.items()}
    face = ops.sqrt(ops.sigmoid(part["class"]) * ops.sigmoid(part["object"]))
    centre, half = part["box"][..., :2], ops.exp(part["box"][..., 2:]) * 0.5
    return {
        "face": ops.squeeze(face, -1),
        "box": ops.concatenate([centre - half, centre + half], axis=-1),
        "landmarks": part["landmarks"],
        "labels": ops.softmax(part["labels"], axis=-1),
    }
