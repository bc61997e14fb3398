"""A small data set and a small network: for tests of the plumbing, not of what is learned."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image as PillowImage


def make_portraits(root: Path, each: int = 10) -> Path:
    """Greenish and reddish noise: ``root/with_mask`` and ``root/without_mask``."""
    rng = np.random.default_rng(0)
    for label, colour in {"with_mask": (60, 160, 90), "without_mask": (170, 70, 60)}.items():
        folder = root / label
        folder.mkdir(parents=True)
        for number in range(each):
            noise = rng.normal(0, 20, (40, 30, 3)) + colour
            pixels = np.clip(noise, 0, 255).astype(np.uint8)
            PillowImage.fromarray(pixels).save(folder / f"{number}.png")
    return root


def tiny_backbone():
    """The form of the real backbone, 224×224 pixels in and 1280 numbers out, without its weight."""
    import keras
    from keras import layers

    image = keras.Input((224, 224, 3), name="image")
    start = keras.initializers.GlorotUniform(seed=0)
    x = layers.AveragePooling2D(32)(image)
    x = layers.Conv2D(1280, 1, kernel_initializer=start, activation="relu6")(x)
    x = layers.AveragePooling2D(7)(x)
    model = keras.Model(image, layers.Flatten()(x), name="backbone")
    model.trainable = False
    return model
