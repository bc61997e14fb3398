"""Taking channels out of the street network."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("keras")

from masklens.training.mobilenet import full_widths, street_network
from masklens.training.prune import narrow


def test_a_network_without_its_silent_channels_says_the_same() -> None:
    """Silent: whatever the picture shows, nothing comes out of the channel's filter."""
    rng = np.random.default_rng(2)
    build = {"outputs": 4, "blocks": 3, "head": 8, "weights": None}
    full = street_network(64, **build)
    widths = full_widths(3)
    assert widths == (32, 96, 144)
    for layer in full.layers:
        if layer.name.endswith("_depthwise"):
            kernel, bias = layer.get_weights()
            silent = rng.choice(kernel.shape[2], kernel.shape[2] // 2, replace=False)
            kernel[:, :, silent], bias[silent] = 0, -1
            layer.set_weights([kernel, bias])
    narrower = street_network(64, **build, widths=[width // 2 for width in widths])
    pixels = rng.integers(0, 256, (8, 64, 64, 3)).astype(np.uint8)
    narrow(full, narrower, pixels)
    tensor = pixels.astype(np.float32) / 127.5 - 1
    theirs, ours = full(tensor), narrower(tensor)
    assert narrower.count_params() < full.count_params()
    for name in ("logits", "box"):
        wanted = np.asarray(theirs[name])
        spread = wanted.std(axis=0).max()
        assert spread > 0
        assert np.abs(wanted - np.asarray(ours[name])).max() < 0.02 * spread
