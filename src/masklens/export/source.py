"""What is exported: a Keras network with named outputs, and the card that describes it.

A bundle's folder goes in, or a bare ``.keras`` or ``.h5`` file, as the original report leaves it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from masklens.bundle import CARD_FILE, CLASSIFIER_FILE, KERAS_SUFFIXES, Bundle
from masklens.card import ModelCard
from masklens.crop import FloatArray, Image, in_range
from masklens.errors import BundleError, InputError
from masklens.labels import WITH_MASK, WITHOUT_MASK

if TYPE_CHECKING:
    import keras

#: Pictures that go through Keras at a time.
_BATCH = 32


@dataclass(frozen=True)
class KerasSource:
    """A network that can be exported.

    Attributes:
        path: as it was given.
        file: of the Keras model, or of the ONNX file that it was restored from.
        card: of the bundle, or made for a bare file.
        bundle: None for a bare file.
        model: one input float32 (N, size, size, 3); outputs are a dictionary with
            ``probabilities``, and ``box`` if the card says so.
    """

    path: Path
    file: Path
    card: ModelCard
    bundle: Bundle | None
    model: keras.Model

    @property
    def outputs(self) -> list[str]:
        """Names of the outputs, in the order in which Keras flattens a dictionary."""
        return sorted(self.model.output)

    def prepare(self, crops: Image) -> FloatArray:
        """Crops uint8 (N, size, size, 3) -> float32 in the card's value range."""
        return in_range(crops, self.card.value_range)

    def predict(self, crops: Image) -> dict[str, FloatArray]:
        """What Keras says of crops, uint8 (N, size, size, 3): every output by its name."""
        parts = [
            self.model(self.prepare(crops[start : start + _BATCH]), training=False)
            for start in range(0, len(crops), _BATCH)
        ]
        return {
            name: np.concatenate([np.asarray(part[name]) for part in parts])
            for name in self.outputs
        }


def load_source(path: Path) -> KerasSource:
    """Load what is to be exported; imports TensorFlow.

    Raises:
        BundleError: no bundle, a damaged one, or one without a Keras model.
        InputError: the Keras model cannot be read, or does not fit its card.
    """
    bundle = None
    if path.suffix in KERAS_SUFFIXES and not path.is_dir():
        if not path.is_file():
            raise InputError(f"{path} does not exist.")
        file = path
        if (path.parent / CARD_FILE).is_file():
            bundle = Bundle.load(path.parent)
    else:
        bundle = Bundle.load(path)
        file = _starting_file(bundle)
    if bundle is not None and file.suffix not in KERAS_SUFFIXES:
        from masklens.training.street_files import restore_keras

        model = restore_keras(bundle)
    else:
        model = _load_keras(file)
    card = bundle.card if bundle is not None else _card_for(model, file)
    model = _with_named_outputs(model, file, card)
    return KerasSource(path, file, card, bundle, model)


def _starting_file(bundle: Bundle) -> Path:
    """The Keras model that a bundle carries, or the ONNX file it can be restored from.

    The bundle that ships has no room for both; its ONNX file was written so that it leads back.

    Raises:
        BundleError: neither is there.
    """
    if (name := bundle.keras_file()) is not None:
        return bundle.path(name)
    street = bundle.card.name == "street" and "network" in bundle.card.training
    if street and CLASSIFIER_FILE in bundle.card.files:
        return bundle.path()
    raise BundleError(
        f"The bundle {bundle.folder} has no Keras model (.keras or .h5), only "
        f"{sorted(bundle.card.files)}, and exports start from one. Export the run that it was made "
        "from."
    )


def _load_keras(file: Path) -> keras.Model:
    import keras

    try:
        model = keras.models.load_model(file, compile=False)
        (image,) = model.inputs
        _, height, width, channels = image.shape
    except Exception as error:  # Keras, h5py and zipfile each raise their own
        reason = " ".join(str(error).split())[:200].rstrip(".")
        raise InputError(
            f"{file} is not a Keras model with one picture as input: {reason}."
        ) from error
    if height != width or channels != 3:
        raise InputError(f"{file} must take square RGB pictures. Received: {image.shape}")
    return model


def _card_for(model: keras.Model, file: Path) -> ModelCard:
    """A card for a bare file, by the report's conventions: two classes in the folders' order."""
    outputs = model.outputs
    if len(outputs) != 1 or outputs[0].shape[-1] != 2:
        raise InputError(
            f"Nothing says what the outputs of {file} mean: put its {CARD_FILE} beside it, or give "
            "a bundle. Only the report's model, with two classes, needs none."
        )
    labels = (WITH_MASK, WITHOUT_MASK)
    return ModelCard(
        name=file.stem,
        version="1",
        labels=labels,
        outputs=labels,
        size=int(model.inputs[0].shape[1]),
        value_range=(-1.0, 1.0),
        margin=0.2,
        thresholds={"default": 0.5},
        threshold_notes={"default": "not chosen on any data"},
        licence="unknown",
    )


def _with_named_outputs(model: keras.Model, file: Path, card: ModelCard) -> keras.Model:
    """The same network with a dictionary of outputs, called once, as ``Model.export`` asks."""
    import keras

    outputs = model.output
    if not isinstance(outputs, dict):
        if len(model.outputs) > 1:
            raise InputError(
                f"{file} has {len(model.outputs)} outputs without names. Build the model with a "
                'dictionary of outputs: "probabilities" and "box".'
            )
        outputs = {"probabilities": model.outputs[0]}
    wanted = ["probabilities"] + (["box"] if card.refines_box else [])
    if missing := set(wanted) - set(outputs):
        raise InputError(f"{file} has no output {sorted(missing)}, only {sorted(outputs)}.")
    columns = outputs["probabilities"].shape[-1]
    size = model.inputs[0].shape[1]
    if columns != len(card.outputs) or size != card.size:
        raise InputError(
            f"{file} gives {columns} probabilities of {size} px pictures, but its card says "
            f"{len(card.outputs)} of {card.size} px."
        )
    named = keras.Model(model.inputs[0], {name: outputs[name] for name in wanted}, name="masklens")
    named(np.zeros((1, card.size, card.size, 3), np.float32))
    return named
