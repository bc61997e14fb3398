"""Taking channels out of a trained network where they cost the most.

Units in a row can lose channels between them: of the first unit's outputs those stay that carry
most for the next one, whose weights are then fitted anew, so that it gives what it gave before as
nearly as it can (:mod:`masklens.training.surgeon`; He, Zhang, Sun: "Channel Pruning for
Accelerating Very Deep Neural Networks", ICCV 2017). A network and pictures go in, a smaller network
comes out.
"""

from __future__ import annotations

import keras
import numpy as np

from masklens.crop import FloatArray
from masklens.training.finder.network import FinderPlan, finder_network
from masklens.training.surgeon import mean_products, surgeon

_POINTS = 40_000


def slim(network: keras.Model, old: FinderPlan, new: FinderPlan, images: FloatArray) -> keras.Model:
    """Make a network of a plan with fewer channels from one with more.

    Args:
        network: of the plan ``old``.
        old, new: alike but for the channels of stages; the last unit of the stages 2 to 5 keeps
            its channels.
        images: float32 (N, H, W, 3), RGB, 0…255: what the least squares are fitted on.
    """
    slimmer = finder_network(new)
    flat = [
        (f"stage{number}_unit{place}", channels, fewer)
        for number, (stage, less) in enumerate(zip(old.stages, new.stages, strict=True), start=1)
        for place, (channels, fewer) in enumerate(zip(stage, less, strict=True), start=1)
    ]
    followers = [name for name, _, _ in flat[1:]]
    weights = {layer.name: layer.get_weights() for layer in network.layers if layer.weights}
    for (name, channels, fewer), follower in zip(flat, followers, strict=False):
        if fewer == channels:
            continue
        relu = network.get_layer(f"{name}_relu").output
        seen = np.asarray(keras.Model(network.input, relu)(images)).reshape(-1, channels)
        rows = np.random.default_rng(0).choice(len(seen), min(_POINTS, len(seen)), replace=False)
        points = seen[rows].astype(np.float64)
        # The follower may have lost inputs' outputs already, never inputs: stages are walked down.
        kernel, bias = weights[f"{follower}_conv"]
        stay, rest = surgeon(mean_products(points), np.vstack([kernel[0, 0], bias]), fewer)
        weights[f"{follower}_conv"] = [rest[None, None, :-1], rest[-1]]
        kernel, bias = weights[f"{name}_conv"]
        weights[f"{name}_conv"] = [kernel[..., stay], bias[stay]]
        kernel, bias = weights[f"{name}_deep"]
        weights[f"{name}_deep"] = [kernel[:, :, stay], bias[stay]]
    for layer in slimmer.layers:
        if layer.weights:
            layer.set_weights(weights[layer.name])
    return slimmer


def deepen(network: keras.Model, new: FinderPlan) -> keras.Model:
    """Give a network more units that change nothing yet: each passes on what it gets.

    Args:
        network: all of its layers are in the plan ``new`` with the same shapes.
        new: with more units in the stages or heads; a new unit keeps the number of channels.
    """
    deeper = finder_network(new)
    names = {layer.name for layer in network.layers}
    for layer in deeper.layers:
        if not layer.weights:
            continue
        if layer.name in names:
            layer.set_weights(network.get_layer(layer.name).get_weights())
            continue
        kernel, bias = (np.zeros(w.shape, np.float32) for w in layer.weights)
        if isinstance(layer, keras.layers.DepthwiseConv2D):
            kernel[1, 1] = 1
        else:
            kernel[0, 0] = np.eye(*kernel.shape[2:])
        layer.set_weights([kernel, bias])
    return deeper
