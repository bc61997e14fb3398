"""The street recipe: photographs with boxed faces in, the bundle that ships out.

Faces are cut where they are annotated and where our own finder places them, portraits from folders
are added, bare faces are painted on, and what the finder takes for a face and is none becomes a
fourth class. One network learns label, rejection and the tight box; temperature, P(face) and the
thresholds are then fitted on photographs that were not trained on.
"""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np

from masklens.bundle import CLASSIFIER_FILE, Bundle, write_bundle
from masklens.card import ModelCard, SecondLook
from masklens.crop import FloatArray
from masklens.dataset.readable import OnError, readable
from masklens.dataset.scan import Dataset, Picture, load_dataset
from masklens.dataset.split import check_apart, held_in, trained_on
from masklens.errors import DatasetError, InputError, OutputError
from masklens.finder import shipped_finder
from masklens.io.atomic import write_json
from masklens.labels import LABELS, MASK_WORN_INCORRECTLY, NOT_A_FACE, WITHOUT_MASK
from masklens.training.fit import FitSettings, batches, fit
from masklens.training.loop import AfterEpoch
from masklens.training.mobilenet import settle, street_network
from masklens.training.prune import narrow
from masklens.training.run import RunFolder, TrainOptions, TrainResult, as_corrected
from masklens.training.samples import OUTPUTS, Samples, cut_samples
from masklens.training.scoring import calibrate
from masklens.training.street_files import restore_street, round_weights, save_keras, save_onnx

KERAS_FILE = "classifier.keras"

#: Of the recipe, for the cards of its bundles.
VERSION = "6"

#: The finder's lowest score for training: below what serving asks for, for more background.
FINDER_MIN_SCORE = 0.1

#: The overlap above which it drops the weaker box there: above what serving asks for, for the same
#: reason.
FINDER_NMS_IOU = 0.45

#: Batches of views that say which channels matter.
_VIEW_BATCHES = 8


@dataclass(frozen=True, slots=True)
class StreetRecipe:
    """What the shipped bundle was trained with. ``docs/model-card.md`` has command, time, scores.

    Attributes:
        size: side of the input in pixels.
        margin: of the crop.
        blocks: of MobileNetV2's 17 that are kept.
        head: channels of the layer before pooling.
        widths: channels inside of each block that are kept, those that faces need most: a quarter
            fewer, in the first blocks, where most of the time goes, a third; or None, to keep all.
        fit: the training itself; without epochs where a trained network is the start.
        polish: a second, gentler round with mixed pictures, against labels that are wrong, half
            taught by what the first round made; or None.
    """

    size: int = 112
    margin: float = 0.2
    blocks: int = 16
    head: int = 256
    widths: tuple[int, ...] | None = (
        *(16, 64, 112, 112, 160, 160, 160, 320),
        *(320, 320, 336, 496, 464, 496, 704, 352),
    )
    fit: FitSettings = field(default_factory=FitSettings)
    polish: FitSettings | None = field(
        default_factory=lambda: FitSettings(
            epochs=10, learning_rate=3e-4, weight_decay=0.02, mixup=0.3, average=0.998, taught=0.5
        )
    )

    def epochs(self) -> int:
        """Of both rounds."""
        return self.fit.epochs + (self.polish.epochs if self.polish else 0)


def train(
    options: TrainOptions,
    *,
    recipe: StreetRecipe | None = None,
    weights: str | Path | None = "imagenet",
    after_epoch: AfterEpoch | None = None,
) -> TrainResult:
    """Train, calibrate and write a run folder with a bundle.

    Of every folder of classes a fifth is held out: the same pictures that the report's recipe
    keeps for its test. Ctrl-C keeps the last finished epoch.

    Args:
        options: ``data`` are COCO files and folders of classes; ``corrections`` are of their
            annotation; ``calibrate_on``, a COCO file with other photographs, is what
            temperature, P(face), thresholds and scores come from; ``start`` is a bundle of this
            recipe that is trained on: its network takes the second round.
        recipe: None takes the shipped one; epochs, batch size and seed of ``options`` win, and so
            does the network of ``start``.
        weights: of the first blocks, see :func:`masklens.training.mobilenet.trunk`.
        after_epoch: called with the row of the history after each epoch.

    Raises:
        DatasetError: a source is empty or malformed, no source has boxes, a box lies outside its
            picture, or the corrections are malformed or of other pictures.
        BundleError: ``start`` is damaged, or of another recipe.
        OutputError: the run folder cannot be used.
    """
    if options.split != "report":
        raise DatasetError("The street recipe has its own split: run it without --split.")
    if options.views is not None:
        raise DatasetError("The street recipe makes new views each time: run it without --views.")
    recipe = recipe or StreetRecipe()
    start = Bundle.load(options.start) if options.start is not None else None
    if start is not None:
        if start.folder.resolve() == options.out.resolve():
            raise OutputError(f"{options.out} is what is trained on. Choose another --out.")
        recipe = _from(start, recipe)
    recipe = _with_options(recipe, options)
    whole = [load_dataset(source) for source in options.data]
    datasets = [held_in(dataset) for dataset in whole]
    if not any(dataset.boxed for dataset in datasets):
        raise DatasetError(
            "The street recipe needs at least one COCO file with boxed faces. "
            f"Received: {', '.join(str(source) for source in options.data)}"
        )
    datasets, identity = as_corrected(datasets, options, whole)
    others = load_dataset(options.calibrate_on) if options.calibrate_on else None
    known = start.card.training_data if start is not None else ()
    if others is not None and trained_on(others, known):
        raise DatasetError(
            f"{others.source}, to calibrate on, is what {options.start} was trained on: scores "
            "would come out too good. Give other photographs."
        )
    for dataset in (*datasets, *([others] if others else [])):
        dataset.check_labels(LABELS)
    skipped: dict[Path, str] = {}

    def left_out(picture: Picture, error: InputError) -> None:
        skipped[picture.path] = str(error)

    settings = {
        "recipe": "street",
        **identity,
        "network": asdict(recipe),
    }
    if start is not None:
        settings["start"] = {
            "model": f"{start.card.name} {start.card.version}",
            "classifier_sha256": start.card.files[start.path().name],
            "data_sha256": list(known),
        }
    if others is not None:
        others = readable(others, left_out)  # now, not after training
        check_apart(datasets, others, "to calibrate on")
    run = RunFolder.open(options, settings)
    started = time.monotonic()
    keras.utils.set_random_seed(options.seed)
    samples = cut_all(datasets, options.seed, left_out)
    read = [
        replace(d, pictures=tuple(p for p in d.pictures if p.path not in skipped)) for d in datasets
    ]
    model, epochs = _train_rounds(recipe, samples, start or weights, run, options, after_epoch)
    facts = {
        **run.training_facts(options.data),
        "epochs": epochs,
        "minutes": round((time.monotonic() - started) / 60, 1),
        "faces": _faces(read),
        "skipped": list(skipped.values()),
        "samples": {name: int((samples.targets == i).sum()) for i, name in enumerate(OUTPUTS)},
        "painted": int(samples.painted.sum()),
    }
    bundle = write_model(model, recipe, facts, run.path)
    metrics: dict[str, Any] = {}
    if others is not None:
        bundle, metrics = calibrate(bundle, others)
    write_json(run.path / "metrics.json", metrics)
    return TrainResult(
        bundle,
        metrics,
        epochs,
        recipe.epochs(),
        tuple(skipped.values()),
        judged=f"on {options.calibrate_on}, which it was calibrated on",
    )


def _faces(datasets: Sequence[Dataset]) -> dict[str, dict[str, int]]:
    """Faces per label, by the file or folder that they are from; those of one name are summed."""
    faces: dict[str, Counter[str]] = {}
    for dataset in datasets:
        faces.setdefault(dataset.source.name, Counter()).update(dataset.counts())
    return {name: dict(counts) for name, counts in faces.items()}


def _train_rounds(
    recipe: StreetRecipe,
    samples: Samples,
    start: Bundle | str | Path | None,
    run: RunFolder,
    options: TrainOptions,
    after_epoch: AfterEpoch | None,
) -> tuple[keras.Model, int]:
    """The trained network, and how many epochs it took: fewer than asked for after Ctrl-C.

    ``start`` is a bundle, or the weights of the first blocks.
    """
    network = partial(
        street_network,
        recipe.size,
        outputs=len(OUTPUTS),
        blocks=recipe.blocks,
        head=recipe.head,
    )
    often = sample_weights(samples)

    def train_round(
        model: keras.Model, settings: FitSettings, name: str, teacher: keras.Model | None
    ) -> int:
        return fit(
            model,
            samples,
            often,
            settings,
            margin=recipe.margin,
            teacher=teacher,
            checkpoints=run.checkpoint / name,
            history=run.path / f"history{name and '_' + name}.csv",
            resume=options.resume,
            after_epoch=after_epoch,
        )

    if isinstance(start, Bundle):
        model, teacher = restore_street(start), restore_street(start)
        assert recipe.polish is not None  # see _from
        return model, train_round(model, recipe.polish, "polish", teacher)
    full = network(weights=start)
    stream = batches(recipe.size, samples, often, recipe.fit, recipe.margin, 0)
    views = np.concatenate([pixels for pixels, *_ in itertools.islice(stream, _VIEW_BATCHES)])
    settle(full, views[: recipe.fit.batch])
    model = network(weights=None, widths=recipe.widths)
    narrow(full, model, views)
    epochs = train_round(model, recipe.fit, "", None)
    if recipe.polish is None or epochs < recipe.fit.epochs:
        return model, epochs
    teacher = network(weights=None, widths=recipe.widths)
    teacher.set_weights(model.get_weights())
    try:
        return model, epochs + train_round(model, recipe.polish, "polish", teacher)
    except KeyboardInterrupt:  # in its first epoch: the teacher is what the first round made
        return teacher, epochs


def write_model(
    model: keras.Model, recipe: StreetRecipe, facts: Mapping[str, Any], folder: Path
) -> Bundle:
    """Write the trained network as a bundle that is not calibrated yet."""
    round_weights(model)
    card = ModelCard(
        name="street",
        version=VERSION,
        labels=LABELS,
        outputs=OUTPUTS,
        size=recipe.size,
        value_range=(-1.0, 1.0),
        margin=recipe.margin,
        thresholds={"default": 0.5},
        threshold_notes={"default": "not chosen: no photographs were given to choose it on"},
        refines_box=True,
        second_look=second_look(recipe.size),
        training=facts,
        licence="Apache-2.0; most training pictures carry no licence, see docs/model-card.md",
    )
    save_onnx(model, folder / CLASSIFIER_FILE)
    save_keras(model, folder / KERAS_FILE)
    return write_bundle(
        folder, card, {name: folder / name for name in (CLASSIFIER_FILE, KERAS_FILE)}
    )


def second_look(size: int) -> SecondLook:
    """For crops of a size: chosen by ``benchmarks/street_folds.py``, see docs/model-card.md."""
    return SecondLook(low=0.12, high=0.22, cut=round(size / 7))


def _from(start: Bundle, recipe: StreetRecipe) -> StreetRecipe:
    """The recipe for the network of a bundle: the second round only.

    Raises:
        BundleError: the bundle is of another recipe, or its file does not lead back to Keras.
    """
    restore_street(start)  # now, not after the faces are cut
    network = start.card.training["network"]
    widths = network.get("widths")
    return replace(
        recipe,
        size=start.card.size,
        margin=start.card.margin,
        blocks=network["blocks"],
        head=network["head"],
        widths=tuple(widths) if widths else None,
        fit=replace(recipe.fit, epochs=0),
        polish=recipe.polish or recipe.fit,
    )


def _with_options(recipe: StreetRecipe, options: TrainOptions) -> StreetRecipe:
    epochs = options.epochs or recipe.epochs()
    # Both rounds share the epochs that are asked for as they share the recipe's own.
    gentle = round(epochs * recipe.polish.epochs / recipe.epochs()) if recipe.polish else 0
    settings = replace(
        recipe.fit,
        epochs=epochs - gentle,
        batch=options.batch_size or recipe.fit.batch,
        seed=options.seed,
    )
    polish = None
    if recipe.polish and gentle:
        polish = replace(
            recipe.polish,
            epochs=gentle,
            batch=settings.batch,
            seed=(options.seed + 1) % 2**31,
        )
    return replace(recipe, fit=settings, polish=polish)


def cut_all(datasets: Sequence[Dataset], seed: int, on_error: OnError) -> Samples:
    """Every sample of every data set; see :func:`cut_samples`."""
    finder = shipped_finder(min_score=FINDER_MIN_SCORE, nms_iou=FINDER_NMS_IOU)
    return Samples.concatenate(
        [
            cut_samples(dataset, finder, paints=True, seed=seed, on_error=on_error)
            for dataset in datasets
        ]
    )


def sample_weights(samples: Samples) -> FloatArray:
    """How often a sample is shown per epoch: rare labels more often, doubtful ones less."""
    target = samples.targets
    boxed = np.isfinite(samples.annotated[:, 0])
    weights = np.where(boxed, 1.0, 0.5)
    weights[target == OUTPUTS.index(MASK_WORN_INCORRECTLY)] = 3.0
    weights[(target == OUTPUTS.index(WITHOUT_MASK)) & boxed] = 1.3
    weights[boxed & (samples.widths < 9)] *= 0.3
    weights[samples.painted] = 0.5
    stray = target == OUTPUTS.index(NOT_A_FACE)
    weights[stray] = np.select(
        [samples.scores[stray] == 0, samples.widths[stray] < 24], [0.4, 0.15], 0.7
    )
    return weights.astype(np.float32)
