"""The report's recipe, the notebook's way and ours: time and test accuracy on the same split.

    python benchmarks/train_recipe.py            both in full
    python benchmarks/train_recipe.py --quick    3 epochs of the notebook's way, the rest estimated

The notebook's way is what its cells do, with Keras' own ImageDataGenerator: pictures are augmented
on the fly and go through the whole network, its backbone frozen, in each of the 20 epochs. Ours is
``masklens train --recipe report``, from reading the files to the written bundle. Both start with
TensorFlow imported. Bars: accuracy at least 0.996 and no lower than the notebook's, 8 times faster.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from common import data_root, machine, print_table

from masklens.intervals import wilson

EPOCHS = 20
BARS = {"accuracy": 0.996, "ratio": 8.0}


@dataclass(frozen=True)
class Timing:
    """Seconds on the clock and of the processor's cores, and how many test pictures were right."""

    wall: float
    cpu: float
    correct: int
    total: int

    def row(self, name: str, note: str = "") -> list[str]:
        """The cells of the table; ``note`` goes behind the seconds."""
        low, high = wilson(self.correct, self.total)
        right = f"{self.correct} of {self.total}"
        accuracy = f"{self.correct / self.total:.4f} ({low:.4f} to {high:.4f})"
        return [name, f"{self.wall:.0f}{note}", f"{self.cpu:.0f}{note}", right, accuracy]


def notebook_way(data: Path, epochs: int) -> Timing:
    """Train as the report's notebook does; with fewer epochs, the time of the rest is estimated."""
    import keras
    from sklearn.model_selection import train_test_split
    from tensorflow.keras.preprocessing.image import ImageDataGenerator, img_to_array, load_img

    start = np.array([time.perf_counter(), time.process_time()])
    labels = ("with_mask", "without_mask")
    paths = sorted(path for label in labels for path in (data / label).iterdir())
    pictures = np.array(
        [
            keras.applications.mobilenet_v2.preprocess_input(
                img_to_array(load_img(path, target_size=(224, 224)))
            )
            for path in paths
        ],
        dtype="float32",
    )
    classes = np.array([labels.index(path.parent.name) for path in paths])
    train_x, test_x, train_y, test_y = train_test_split(
        pictures,
        keras.utils.to_categorical(classes),
        test_size=0.20,
        stratify=classes,
        random_state=42,
    )
    augmentation = ImageDataGenerator(
        rotation_range=20,
        zoom_range=0.15,
        width_shift_range=0.2,
        height_shift_range=0.2,
        shear_range=0.15,
        horizontal_flip=True,
        fill_mode="nearest",
    )
    base = keras.applications.MobileNetV2(
        weights="imagenet", include_top=False, input_shape=(224, 224, 3)
    )
    x = keras.layers.AveragePooling2D(pool_size=(7, 7))(base.output)
    x = keras.layers.Flatten()(x)
    x = keras.layers.Dense(128, activation="relu")(x)
    x = keras.layers.Dropout(0.5)(x)
    model = keras.Model(base.input, keras.layers.Dense(2, activation="softmax")(x))
    for layer in base.layers:
        layer.trainable = False
    # Adam(decay=…) is gone from Keras; this schedule is what it did.
    rate = keras.optimizers.schedules.InverseTimeDecay(1e-4, 1, 1e-4 / EPOCHS)
    model.compile(
        loss="binary_crossentropy", optimizer=keras.optimizers.Adam(rate), metrics=["accuracy"]
    )
    marks = [_now()]
    mark = keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: marks.append(_now()))
    model.fit(
        augmentation.flow(train_x, train_y, batch_size=32),
        validation_data=(test_x, test_y),
        epochs=epochs,
        callbacks=[mark],
        verbose=2,
    )
    predicted = model.predict(test_x, batch_size=32, verbose=0).argmax(axis=1)
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder) / "mask_detector.h5")
    # The first epoch also builds the network's function; the others stand for those left out.
    typical = np.median(np.diff(marks, axis=0)[1:], axis=0) if epochs < EPOCHS else np.zeros(2)
    wall, cpu = _now() - start + (EPOCHS - epochs) * typical
    return Timing(wall, cpu, int((predicted == test_y.argmax(axis=1)).sum()), len(test_y))


def our_way(data: Path) -> Timing:
    """``masklens train DATA --recipe report --out RUN``."""
    from masklens.training import load_recipe
    from masklens.training.run import TrainOptions

    start = _now()
    with tempfile.TemporaryDirectory() as folder:
        options = TrainOptions(data=(data,), out=Path(folder) / "run", epochs=EPOCHS)
        accuracy = load_recipe("report")(options).metrics["accuracy"]
    wall, cpu = _now() - start
    return Timing(wall, cpu, accuracy["correct"], accuracy["total"])


def _now() -> np.ndarray:
    return np.array([time.perf_counter(), time.process_time()])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder of Prajna's set")
    parser.add_argument(
        "--quick", action="store_true", help="3 epochs of the notebook's way instead of 20"
    )
    args = parser.parse_args()
    data = args.data or data_root() / "data" / "prajna"
    weights = data_root() / "weights" / "keras_home"
    if weights.is_dir():
        os.environ.setdefault("KERAS_HOME", str(weights))
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    import tensorflow  # noqa: F401

    print(f"{machine()}, load {os.getloadavg()[0]:.1f}\n")
    epochs = 3 if args.quick else EPOCHS
    notebook = notebook_way(data, epochs)
    ours = our_way(data)
    estimated = epochs < EPOCHS
    print()
    print_table(
        ["", "seconds", "core seconds", "right", "accuracy (95 % Wilson interval)"],
        [
            notebook.row("notebook's way", " (estimated)" if estimated else ""),
            ours.row("masklens train"),
        ],
    )
    if estimated:
        print(
            f"\nThe notebook's seconds are an estimate for {EPOCHS} epochs from {epochs}, and its "
            f"accuracy is that after {epochs} epochs: not comparable. Leave out --quick for both."
        )
    ratio = notebook.wall / ours.wall
    print(
        f"\n{ratio:.1f} times faster on the clock (bar: {BARS['ratio']:.0f}), "
        f"{notebook.cpu / ours.cpu:.1f} times in core seconds"
    )
    good = ours.correct / ours.total >= BARS["accuracy"] and ratio >= BARS["ratio"]
    if not estimated:
        good = good and ours.correct >= notebook.correct
    hedge = " as far as an estimate can tell; accuracy not compared" if estimated else ""
    print("Bars: " + ("met" if good else "MISSED") + hedge)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
