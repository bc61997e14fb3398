"""The report's network: a frozen MobileNetV2 and a small head that is trained.

The two halves are built apart, because a frozen backbone gives the same features in every epoch:
they are computed once and the head is trained on them (:mod:`masklens.training.features`).
:func:`join` puts the halves together into the network that the report describes.
"""

from __future__ import annotations

import keras
from keras import layers

from masklens.errors import DownloadError

#: Side of the input in pixels, and what pixel values 0 and 255 become, as
#: ``keras.applications.mobilenet_v2.preprocess_input`` has it.
SIZE = 224
VALUE_RANGE = (-1.0, 1.0)

#: What average pooling leaves of the last feature map of MobileNetV2.
FEATURES = 1280


def backbone(weights: str | None = "imagenet") -> keras.Model:
    """MobileNetV2 and the report's pooling, not trainable.

    float32 (N, 224, 224, 3), RGB, -1…1 -> float32 (N, 1280). At 224 px the last feature map is
    7×7, so that the report's AveragePooling2D(7, 7) and Flatten leave one number per channel.

    Args:
        weights: "imagenet" (downloaded by Keras into ``KERAS_HOME``, or found there), or None for
            random ones.

    Raises:
        DownloadError: the weights are not there and cannot be downloaded.
    """
    try:
        base = keras.applications.MobileNetV2(
            weights=weights, include_top=False, input_shape=(SIZE, SIZE, 3)
        )
    except Exception as error:  # Keras raises a bare Exception for every failed download
        raise DownloadError(
            "The ImageNet weights of MobileNetV2 (9 MB, downloaded once) could not be loaded: "
            f"{' '.join(str(error).split()).rstrip('.')}. Connect to the internet, or set "
            "KERAS_HOME to a folder that has them in models/."
        ) from error
    # Batch normalisation of a layer that is not trainable runs in inference mode, in training too.
    base.trainable = False
    x = layers.AveragePooling2D(pool_size=(7, 7), name="average_pooling")(base.output)
    x = layers.Flatten(name="flatten")(x)
    return keras.Model(base.input, x, name="backbone")


def head(outputs: int, seed: int) -> keras.Model:
    """The part that is trained: dense 128 ReLU, dropout 0.5, dense softmax.

    float32 (N, 1280) -> float32 (N, outputs), probabilities.

    Args:
        outputs: number of classes.
        seed: of the first weights and of dropout.
    """
    first, second = (keras.initializers.GlorotUniform(seed=seed + i) for i in range(2))
    features = keras.Input((FEATURES,), name="features")
    x = layers.Dense(128, activation="relu", kernel_initializer=first, name="dense")(features)
    x = layers.Dropout(0.5, seed=seed, name="dropout")(x)
    x = layers.Dense(
        outputs, activation="softmax", kernel_initializer=second, name="probabilities"
    )(x)
    return keras.Model(features, x, name="head")


def join(trunk: keras.Model, top: keras.Model) -> keras.Model:
    """Backbone and trained head as one network of plain layers; the weights are shared."""
    x = trunk.output
    for layer in top.layers[1:]:
        x = layer(x)
    return keras.Model(trunk.input, x, name="report")
