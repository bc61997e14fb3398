"""Take channels out of the street network that its answers hardly depend on.

A network and real views of faces go in, one with narrower blocks comes out. Inside of a block a
channel goes from its expansion through a filter of its own into the projection, and ends there;
what the projection loses with it, the other channels make up for as well as a linear map can.
Which to remove, and how to make up for it, is the optimal brain surgeon (Hassibi and Stork 1993)
on the projection, whose error is quadratic, so that it is exact there.
"""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np
import numpy.typing as npt

from masklens.crop import Image
from masklens.training.mobilenet import block_names

_Matrix = npt.NDArray[np.float64]

#: Of the mean square of a block's channels: keeps the inverse finite where some are silent.
_RIDGE = 1e-5
_BATCH = 64


def narrow(full: keras.Model, narrower: keras.Model, pixels: Image) -> None:
    """Fill a narrower street network with the channels of a full one that matter most.

    Args:
        full: :func:`masklens.training.mobilenet.street_network`.
        narrower: the same with smaller ``widths``; is given new weights.
        pixels: uint8 (N, size, size, 3), RGB: real views, some hundred.
    """
    for layer in narrower.layers:
        same = full.get_layer(layer.name)
        if [w.shape for w in layer.weights] == [w.shape for w in same.weights]:
            layer.set_weights(same.get_weights())
    names = block_names(full)
    inside = [f"{name}_depthwise_relu" for name in names]
    for name, moments in zip(names, _second_moments(full, inside, pixels), strict=True):
        before = f"{name}_expand" if name != names[0] else "Conv1"
        depthwise, projection = f"{name}_depthwise", f"{name}_project"
        width = int(narrower.get_layer(depthwise).output.shape[-1])
        kernel, bias = full.get_layer(projection).get_weights()
        kept, weights = surgeon(moments, np.vstack([kernel[0, 0], bias]), width)
        narrower.get_layer(projection).set_weights([weights[None, None, :-1], weights[-1]])
        kernel, bias = full.get_layer(before).get_weights()
        narrower.get_layer(before).set_weights([kernel[..., kept], bias[kept]])
        kernel, bias = full.get_layer(depthwise).get_weights()
        narrower.get_layer(depthwise).set_weights([kernel[:, :, kept], bias[kept]])


def surgeon(
    moments: _Matrix, weights: npt.NDArray[np.floating], width: int
) -> tuple[npt.NDArray[np.intp], _Matrix]:
    """Remove inputs of a linear map one by one, each time the one that is missed least.

    Args:
        moments: (C + 1, C + 1), mean products of the inputs in pairs; the last is the constant 1.
        weights: (C + 1, M), the map; its last row is the bias, which stays.
        width: how many inputs to keep, 1…C.

    Returns:
        Rising indices of the kept inputs, (width,), and the map from them, (width + 1, M).
    """
    count = len(moments) - 1
    ridge = _RIDGE * np.trace(moments[:-1, :-1]) / count
    inverse = np.linalg.inv(moments + ridge * np.eye(count + 1))
    rows: _Matrix = weights.astype(np.float64)
    kept = np.arange(count + 1)
    while len(kept) - 1 > width:
        missed = (rows**2).sum(axis=1) / np.diag(inverse)
        out = int(missed[:-1].argmin())
        share = inverse[:, out] / inverse[out, out]
        rows = np.delete(rows - np.outer(share, rows[out]), out, axis=0)
        inverse = inverse - np.outer(share, inverse[out])
        inverse = np.delete(np.delete(inverse, out, axis=0), out, axis=1)
        kept = np.delete(kept, out)
    return kept[:-1], rows


def _second_moments(model: keras.Model, layers: Sequence[str], pixels: Image) -> list[_Matrix]:
    """Of each layer the mean products of its channels in pairs, and of each with the constant 1."""
    inside = keras.Model(model.input, [model.get_layer(name).output for name in layers])
    totals: list[_Matrix] = [np.zeros(()) for _ in layers]
    for start in range(0, len(pixels), _BATCH):
        batch = pixels[start : start + _BATCH].astype(np.float32) / 127.5 - 1
        for i, values in enumerate(inside(batch)):
            rows = np.asarray(values).reshape(-1, values.shape[-1])
            rows = np.pad(rows, ((0, 0), (0, 1)), constant_values=1)
            totals[i] = totals[i] + (rows.T @ rows).astype(np.float64)
    return [total / total[-1, -1] for total in totals]
