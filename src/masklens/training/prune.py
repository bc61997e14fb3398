"""Take channels out of the street network that its answers hardly depend on.

A network and real views of faces go in, one with narrower blocks comes out. Inside a block a
channel goes from its expansion through a filter of its own into the projection, and ends there;
what the projection loses with it, the other channels make up for as well as a linear map can.
:mod:`masklens.training.surgeon` says which to remove, and how to make up for it.
"""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np

from masklens.crop import Image
from masklens.training.mobilenet import block_names
from masklens.training.surgeon import Matrix, mean_products, surgeon

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
    for name, products in zip(names, _products(full, inside, pixels), strict=True):
        before = f"{name}_expand" if name != names[0] else "Conv1"
        depthwise, projection = f"{name}_depthwise", f"{name}_project"
        width = int(narrower.get_layer(depthwise).output.shape[-1])
        kernel, bias = full.get_layer(projection).get_weights()
        kept, weights = surgeon(products, np.vstack([kernel[0, 0], bias]), width)
        narrower.get_layer(projection).set_weights([weights[None, None, :-1], weights[-1]])
        kernel, bias = full.get_layer(before).get_weights()
        narrower.get_layer(before).set_weights([kernel[..., kept], bias[kept]])
        kernel, bias = full.get_layer(depthwise).get_weights()
        narrower.get_layer(depthwise).set_weights([kernel[:, :, kept], bias[kept]])


def _products(model: keras.Model, layers: Sequence[str], pixels: Image) -> list[Matrix]:
    """Of each layer the mean products of its channels, see :func:`mean_products`."""
    inside = keras.Model(model.input, [model.get_layer(name).output for name in layers])
    totals: list[Matrix] = [np.zeros(()) for _ in layers]
    for start in range(0, len(pixels), _BATCH):
        batch = pixels[start : start + _BATCH].astype(np.float32) / 127.5 - 1
        for i, values in enumerate(inside(batch)):
            rows = np.asarray(values).reshape(-1, values.shape[-1])
            totals[i] = totals[i] + mean_products(rows) * (len(batch) / len(pixels))
    return totals
