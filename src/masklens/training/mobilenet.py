"""The street network: the first blocks of MobileNetV2, batch normalisation folded into them.

Fine-tuning with batch normalisation in inference mode is fine-tuning convolutions with a bias, so
they are built that way from the start: the function is the same (Sandler et al. 2018, table 2;
ImageNet weights), a training step takes a third less time, and what is trained is what ships.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
from keras import layers

from masklens.crop import Image

#: Blocks of MobileNetV2: expansion, output channels, stride.
_BLOCKS = (
    (1, 16, 1),
    *((6, 24, 2), (6, 24, 1)),
    *((6, 32, 2), (6, 32, 1), (6, 32, 1)),
    *((6, 64, 2), (6, 64, 1), (6, 64, 1), (6, 64, 1)),
    *((6, 96, 1), (6, 96, 1), (6, 96, 1)),
    *((6, 160, 2), (6, 160, 1), (6, 160, 1)),
    (6, 320, 1),
)
_EPSILON = 1e-3


def full_widths(blocks: int) -> tuple[int, ...]:
    """Channels inside of each of the first blocks, between expansion and projection."""
    inputs = (32, *(filters for _, filters, _ in _BLOCKS))
    return tuple(
        channels * expansion
        for channels, (expansion, _, _) in zip(inputs, _BLOCKS[:blocks], strict=False)
    )


def block_names(model: keras.Model) -> list[str]:
    """Names of the blocks of a street network, as Keras' MobileNetV2 has them."""
    end = "_depthwise"
    return [layer.name.removesuffix(end) for layer in model.layers if layer.name.endswith(end)]


def trunk(
    size: int,
    blocks: int,
    weights: str | Path | None = "imagenet",
    widths: Sequence[int] | None = None,
) -> keras.Model:
    """MobileNetV2 up to a block, without batch normalisation: (N, size, size, 3) in [-1, 1].

    Args:
        size: side of the input; even at every stride (a multiple of 32).
        blocks: how many of the 17 blocks to keep.
        weights: "imagenet" (downloaded by Keras, or from ``KERAS_HOME``), a weights file of
            ``keras.applications.MobileNetV2(include_top=False)``, or None for random ones.
        widths: channels inside of each block, of the first one also those that enter it; None for
            all, :func:`full_widths`, which ``weights`` need.
    """
    widths = full_widths(blocks) if widths is None else widths
    image = keras.Input((size, size, 3), name="image")
    x = _conv(image, widths[0], 3, 2, "Conv1", relu=True)
    channels = widths[0]
    for number, ((expansion, filters, stride), width) in enumerate(
        zip(_BLOCKS[:blocks], widths, strict=True)
    ):
        name = f"block_{number}" if number else "expanded_conv"
        before = x
        if expansion > 1:
            x = _conv(x, width, 1, 1, f"{name}_expand", relu=True)
        x = _depthwise(x, stride, f"{name}_depthwise")
        x = _conv(x, filters, 1, 1, f"{name}_project", relu=False)
        if number and stride == 1 and channels == filters:
            x = layers.Add(name=f"{name}_add")([before, x])
        channels = filters
    model = keras.Model(image, x, name="trunk")
    if weights is not None:
        _load_folded(model, weights)
    return model


def street_network(
    size: int,
    *,
    outputs: int,
    blocks: int,
    head: int,
    weights: str | Path | None = "imagenet",
    widths: Sequence[int] | None = None,
) -> keras.Model:
    """Trunk, and two heads: ``logits`` (N, outputs) and ``box`` (N, 4).

    The box is the face's tight one as xyxy in the crop, 0…1; its head sees the grid of positions
    that average pooling throws away, at the trunk's end and at stride 16. ``weights`` and
    ``widths``: see :func:`trunk`.
    """
    base = trunk(size, blocks, weights, widths)
    start = keras.initializers.Constant([0.25, 0.2, 0.75, 0.8])
    small = keras.initializers.RandomNormal(stddev=0.01)
    features = _conv(base.output, head, 1, 1, "head_conv", relu=True)
    pooled = layers.GlobalAveragePooling2D(name="head_pool")(features)
    pooled = layers.Dropout(0.2, name="head_dropout")(pooled)
    logits = layers.Dense(outputs, name="logits")(pooled)

    fine = base.get_layer(f"block_{min(blocks, 13) - 1}_project").output
    places = [
        layers.Flatten(name=f"{name}_flat")(_conv(source, 16, 1, 1, name, relu=True))
        for name, source in (("box_fine", fine), ("box_deep", features))
    ]
    x = layers.Concatenate(name="box_places")(places)
    x = layers.ReLU(6.0, name="box_relu")(layers.Dense(64, name="box_dense")(x))
    box = layers.Dense(4, name="box", kernel_initializer=small, bias_initializer=start)(x)
    return keras.Model(base.input, {"logits": logits, "box": box}, name="street")


def settle(model: keras.Model, pixels: Image) -> None:
    """Scale the new layers so that they start with outputs of unit variance.

    What leaves the trunk is not normalised; without this the heads start saturated and the box is
    never learnt (layer-sequential unit variance, Mishkin and Matas 2016).

    Args:
        model: :func:`street_network`.
        pixels: uint8 (N, size, size, 3), RGB: a batch of real views.
    """
    tensor = pixels.astype(np.float32) / 127.5 - 1
    for name in ("head_conv", "box_fine", "box_deep"):
        layer = model.get_layer(name)
        values = keras.Model(model.input, layer.output)(tensor)
        values = np.asarray(values).reshape(-1, values.shape[-1])
        kernel, _ = layer.get_weights()
        scale = values.std(axis=0) + 1e-6
        layer.set_weights([kernel / scale, 0.5 - values.mean(axis=0) / scale])


def _conv(
    x: keras.KerasTensor, filters: int, kernel: int, stride: int, name: str, *, relu: bool
) -> keras.KerasTensor:
    if stride == 2:
        x = layers.ZeroPadding2D(((0, 1), (0, 1)), name=f"{name}_pad")(x)
    padding = "valid" if stride == 2 else "same"
    x = layers.Conv2D(filters, kernel, stride, padding, name=name)(x)
    return layers.ReLU(6.0, name=f"{name}_relu")(x) if relu else x


def _depthwise(x: keras.KerasTensor, stride: int, name: str) -> keras.KerasTensor:
    if stride == 2:
        x = layers.ZeroPadding2D(((0, 1), (0, 1)), name=f"{name}_pad")(x)
    padding = "valid" if stride == 2 else "same"
    x = layers.DepthwiseConv2D(3, stride, padding, name=name)(x)
    return layers.ReLU(6.0, name=f"{name}_relu")(x)


def _load_folded(model: keras.Model, weights: str | Path) -> None:
    """Fill the trunk from Keras' MobileNetV2: kernel * g / s, and b - mean * g / s."""
    source = keras.applications.MobileNetV2(
        input_shape=(224, 224, 3), include_top=False, weights=str(weights)
    )
    for layer in model.layers:
        if not isinstance(layer, layers.Conv2D | layers.DepthwiseConv2D):
            continue
        norm = "bn_Conv1" if layer.name == "Conv1" else f"{layer.name}_BN"
        gamma, beta, mean, variance = source.get_layer(norm).get_weights()
        scale = gamma / np.sqrt(variance + _EPSILON)
        kernel = source.get_layer(layer.name).get_weights()[0]
        shape = (1, 1, -1, 1) if isinstance(layer, layers.DepthwiseConv2D) else (1, 1, 1, -1)
        layer.set_weights([kernel * scale.reshape(shape), beta - mean * scale])
