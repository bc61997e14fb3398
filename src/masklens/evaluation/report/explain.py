"""Where the model looked: a heat map over one crop.

Grad-CAM on the bundle's Keras model, where it has one and TensorFlow is installed; otherwise
occlusion sensitivity, which needs nothing but the classifier that ships.
"""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import Any, Protocol

import cv2
import numpy as np

from masklens.bundle import Bundle
from masklens.classifier import MaskClassifier, logit
from masklens.crop import FloatArray, Image, in_range
from masklens.errors import BundleError, MissingExtraError


class Explainer(Protocol):
    """Makes heat maps; ``sentence`` goes into the report."""

    sentence: str

    def heat(self, crop: Image, label: str) -> FloatArray:
        """What in a crop, uint8 (S, S, 3), speaks for a label: float32 (S, S), 0…1."""
        ...


def load_explainer(bundle: Bundle, method: str = "auto", threads: int = 0) -> Explainer | None:
    """The explainer of a method; "auto" is Grad-CAM where it can be had, else occlusion.

    Raises:
        BundleError: Grad-CAM was asked for, but the bundle has no Keras model.
        MissingExtraError: Grad-CAM was asked for, but TensorFlow is not installed.
    """
    if method == "none":
        return None
    has_model = bundle.keras_file() is not None
    has_keras = find_spec("tensorflow") is not None and find_spec("keras") is not None
    if method == "grad-cam":
        if not has_model:
            raise BundleError(
                f"The bundle {bundle.folder} has no Keras model (.keras or .h5), which Grad-CAM "
                "needs. Use --heat occlusion."
            )
        if not has_keras:
            raise MissingExtraError("Grad-CAM", "train")
    if method == "occlusion" or not (has_model and has_keras):
        return Occlusion(MaskClassifier(bundle, threads))
    return GradCam(bundle)


class Occlusion:
    """How much the answer loses when a patch is hidden.

    Zeiler and Fergus 2014, "Visualizing and Understanding Convolutional Networks", section 4.2. A
    patch in the crop's mean colour, a quarter of its side, slides over it in steps of an eighth;
    each pixel gets the mean loss of log-odds of the patches that hid it.
    """

    sentence = (
        "The warmer a place, the more of the answer's log-odds is lost when a patch of a quarter "
        "of the crop's side hides it (occlusion sensitivity, Zeiler and Fergus 2014)."
    )

    def __init__(self, classifier: MaskClassifier) -> None:
        self._classifier = classifier

    def heat(self, crop: Image, label: str) -> FloatArray:
        """See :class:`Explainer`."""
        size, column = len(crop), self._classifier.card.labels.index(label)
        patch, step = size // 4, max(1, size // 8)
        corners = range(-patch // 2, size - patch // 2 + 1, step)
        places = [(max(0, y), max(0, x), y + patch, x + patch) for y in corners for x in corners]
        hidden = np.repeat(crop[None], len(places), axis=0)
        colour = crop.mean(axis=(0, 1)).astype(np.uint8)
        for copy, (y1, x1, y2, x2) in zip(hidden, places, strict=True):
            copy[y1:y2, x1:x2] = colour
        p = self._classifier.predict(hidden).probabilities[:, column]
        whole = self._classifier.predict(crop[None]).probabilities[0, column]
        total, count = np.zeros((size, size)), np.zeros((size, size))
        for loss, (y1, x1, y2, x2) in zip(logit(whole) - logit(p), places, strict=True):
            total[y1:y2, x1:x2] += loss
            count[y1:y2, x1:x2] += 1
        smooth = cv2.GaussianBlur(total / np.maximum(count, 1), (0, 0), size / 24)
        return _scaled(smooth)


class GradCam:
    """Grad-CAM on the bundle's Keras model.

    Selvaraju et al. 2017, "Grad-CAM: Visual Explanations from Deep Networks": the last feature
    maps, weighted with the mean gradient of the label's output before the softmax, positive part.
    """

    sentence = (
        "The warmer a place, the more the network's last feature maps there speak for the answer "
        "(Grad-CAM, Selvaraju et al. 2017)."
    )

    def __init__(self, bundle: Bundle) -> None:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        import keras

        self._card = bundle.card
        name = bundle.keras_file() or ""
        model = keras.models.load_model(bundle.path(name), compile=False)
        logits = _logits(model, len(self._card.outputs), name)
        feature_maps = [
            layer.output
            for layer in reversed(model.layers)
            if len(getattr(layer.output, "shape", ())) == 4 and layer.output.shape[1] > 1
        ]
        # A head for boxes has maps of its own: the last ones that the labels depend on are sought.
        for maps in feature_maps:
            self._model = keras.Model(model.inputs, [maps, logits])
            blank = np.zeros((self._card.size, self._card.size, 3), np.uint8)
            if self._gradients(blank, self._card.labels[0]) is not None:
                return
        raise BundleError(f"{name} has no feature maps that its answer depends on.")

    def heat(self, crop: Image, label: str) -> FloatArray:
        """See :class:`Explainer`."""
        result = self._gradients(crop, label)
        assert result is not None
        maps, gradients = result
        heat = np.maximum((maps * gradients.mean(axis=(0, 1))).sum(axis=2), 0)
        return _scaled(cv2.resize(heat, crop.shape[1::-1], interpolation=cv2.INTER_CUBIC))

    def _gradients(self, crop: Image, label: str) -> tuple[FloatArray, FloatArray] | None:
        """The feature maps (h, w, C) and the gradient of the label's output at each of them."""
        import tensorflow as tf

        tensor = tf.constant(in_range(crop[None], self._card.value_range))
        with tf.GradientTape() as tape:
            tape.watch(tensor)
            maps, outputs = self._model(tensor, training=False)
            target = outputs[:, self._card.outputs.index(label)]
        gradients = tape.gradient(target, maps)
        return None if gradients is None else (maps[0].numpy(), gradients[0].numpy())


def _logits(model: Any, outputs: int, name: str) -> Any:
    """The model's output for the labels, before the softmax: there its gradient does not vanish."""
    layers = {layer.name: layer for layer in model.layers}
    layer = layers.get("logits") or layers.get("probabilities") or model.layers[-1]
    activation = getattr(getattr(layer, "activation", None), "__name__", "")
    if activation == "softmax":
        layer.activation = lambda values: values
        output = layer(layer.input)
    else:
        output = layer.input if type(layer).__name__ == "Softmax" else layer.output
    if output.shape[-1] != outputs:
        raise BundleError(f"{name} gives {output.shape[-1]} outputs, but its card names {outputs}.")
    return output


def _scaled(heat: Any) -> FloatArray:
    """The positive part, with its maximum at 1; all zero where nothing is positive."""
    positive = np.maximum(np.asarray(heat, np.float32), 0)
    return np.asarray(positive / max(float(positive.max()), 1e-12), dtype=np.float32)
