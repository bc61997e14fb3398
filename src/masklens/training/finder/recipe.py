"""Training the face finder from beginning to end: photographs in, a run folder out.

The start is the published YuNet-n: rebuilt, slimmed where the time goes, deepened where it costs
little (``docs/finder.md``), then fine-tuned on photographs of people with and without masks.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import cv2
import keras
import numpy as np

from masklens.bundle import FINDER_CARD_FILE
from masklens.card import FinderCard
from masklens.crop import FloatArray, Image
from masklens.dataset.scan import Dataset, Picture, load_dataset
from masklens.dataset.sheet import Block, Tile, contain, draw_sheets, save_sheets
from masklens.dataset.split import check_apart
from masklens.errors import DatasetError, InputError
from masklens.faces import Faces, YuNet
from masklens.finder import CellFinder
from masklens.io.atomic import write_json
from masklens.training.figures import finder_figure, save_figure
from masklens.training.finder import files
from masklens.training.finder.fit import FitSettings, fit
from masklens.training.finder.network import STRIDES, FinderPlan, finder_network
from masklens.training.finder.scenes import Scene, load_scenes
from masklens.training.finder.score import find_all, score
from masklens.training.finder.slim import deepen, slim
from masklens.training.finder.yunet import load_yunet, reset_labels
from masklens.training.history import read_history
from masklens.training.run import RunFolder, TrainOptions, as_corrected

ONNX, LITERT = "finder.onnx", "finder.tflite"

_FITTED_ON = 24  # pictures that the slimming is fitted on
_SHOWN = 12  # example pictures per epoch
_SHOWN_FROM = 0.6  # of the boxes drawn on them; the best F1 lies near 0.8


@dataclass(frozen=True, slots=True)
class FinderRecipe:
    """What the shipped finder was trained with; ``docs/finder.md`` has command, time and scores.

    Attributes:
        channels: of the network at stride 4, where YuNet-n has 64.
        deeper: units that are added to the stages at strides 16 and 32.
        long_side: working size in pixels.
        min_score: of the faces that the finder returns.
        sure_score: the same where no classifier weighs them: near the best F1.
        nms_iou: overlap above which the weaker of two boxes is dropped. Faces hardly ever overlap
            more; the forehead of a large one, taken for a face of its own, does.
        fit: the training itself.
    """

    channels: int = 40
    deeper: int = 1
    long_side: int = 704
    min_score: float = 0.4
    sure_score: float = 0.78
    nms_iou: float = 0.2
    fit: FitSettings = field(default_factory=FitSettings)

    def slimmed(self) -> FinderPlan:
        """The plan with fewer channels."""
        (stem, _), (_, last), *rest = FinderPlan().stages
        return FinderPlan(stages=((stem, self.channels), (self.channels, last), *rest))

    def plan(self) -> FinderPlan:
        """The plan that is trained."""
        *shallow, fine, coarse = self.slimmed().stages
        more = (fine[-1],) * self.deeper
        return replace(self.slimmed(), stages=(*shallow, fine + more, coarse + more))


@dataclass(frozen=True, slots=True)
class FinderResult:
    """What a training has done.

    Attributes:
        folder: the run folder: finder.json, finder.onnx, finder.tflite and the record.
        epochs, wanted: epochs that are done, and that were asked for.
        scores: on the photographs of ``calibrate_on``, empty without.
        skipped: pictures that could not be read, each with the reason.
    """

    folder: Path
    epochs: int
    wanted: int
    scores: dict[str, float]
    skipped: tuple[str, ...] = ()

    @property
    def interrupted(self) -> bool:
        """Ctrl-C ended it early."""
        return self.epochs < self.wanted


def train_finder(
    options: TrainOptions, start: Path, recipe: FinderRecipe | None = None
) -> FinderResult:
    """Train and write a run folder.

    Args:
        options: ``data`` are COCO files, ``corrections`` of them; ``calibrate_on``, a COCO file
            with other photographs, is scored after every epoch; nothing is chosen by it.
        start: ``yunet_n_dynamic.onnx`` of libfacedetection.train.
        recipe: None takes the shipped one; epochs, batch size and seed of ``options`` win.

    Raises:
        BundleError: ``start`` is no YuNet-n.
        DatasetError: a source is empty, malformed or has no boxes, the corrections are malformed
            or of other pictures, or a photograph to validate on is trained on.
        OutputError: the run folder cannot be used.
    """
    recipe = _with_options(recipe or FinderRecipe(), options)
    datasets, identity = as_corrected([_boxed(source) for source in options.data], options)
    others = _boxed(options.calibrate_on) if options.calibrate_on else None
    keras.utils.set_random_seed(recipe.fit.seed)
    published = finder_network()
    load_yunet(published, start)
    skipped: dict[Path, str] = {}

    def left_out(picture: Picture, error: InputError) -> None:
        skipped[picture.path] = str(error)

    settings = {
        "recipe": "finder",
        **identity,
        "network": asdict(recipe),
    }
    started = time.monotonic()
    finder = YuNet(start, threads=1)
    judged: list[Scene] = []
    if others is not None:
        judged = load_scenes(others, finder, left_out)
        read = tuple(p for p in others.pictures if p.path not in skipped)
        check_apart(datasets, replace(others, pictures=read), "to validate on")
    run = RunFolder.open(options, settings)
    scenes = [s for dataset in datasets for s in load_scenes(dataset, finder, left_out)]
    network = _started(published, scenes, recipe)

    def after_epoch(row: dict[str, float]) -> None:
        examples = judged or scenes
        found = find_all(_as_served(network, recipe), examples if judged else examples[:_SHOWN])
        if judged:
            row.update(score(found, judged))
        number = int(row["epoch"])
        _save_examples(run.path / "examples" / f"epoch_{number:03}.jpg", found, examples, number)

    history = run.path / "history.csv"
    epochs = fit(
        network,
        scenes,
        recipe.fit,
        checkpoints=run.checkpoint,
        history=history,
        resume=options.resume,
        after_epoch=after_epoch,
    )
    files.round_to_half(network)
    files.save_onnx(network, run.path / ONNX)
    files.save_litert(network, run.path / LITERT)
    save_figure(run.path / "curves.png", finder_figure(read_history(history)))
    found = find_all(_as_served(network, recipe), judged)
    scores = score(found, judged) if judged else {}
    card = FinderCard(
        file=ONNX,
        name="masklens finder",
        strides=STRIDES,
        long_side=recipe.long_side,
        min_score=recipe.min_score,
        sure_score=recipe.sure_score,
        nms_iou=recipe.nms_iou,
        litert_shape=files.LITERT_SHAPE,
        scores={"data": others.source.parent.name, **scores} if others else {},
        training=run.training_facts(options.data)
        | {"minutes": round((time.monotonic() - started) / 60, 1), "epochs": epochs},
    )
    write_json(run.path / FINDER_CARD_FILE, asdict(card))
    return FinderResult(run.path, epochs, recipe.fit.epochs, scores, tuple(skipped.values()))


def _with_options(recipe: FinderRecipe, options: TrainOptions) -> FinderRecipe:
    settings = replace(
        recipe.fit,
        epochs=options.epochs or recipe.fit.epochs,
        batch=options.batch_size or recipe.fit.batch,
        seed=options.seed,
    )
    return replace(recipe, fit=settings)


def _boxed(source: Path) -> Dataset:
    dataset = load_dataset(source)
    if not dataset.boxed:
        raise DatasetError(
            f"A finder is trained on photographs with boxed faces. {source} has labels only: "
            "give a COCO detection file (.json)."
        )
    return dataset


def _started(published: keras.Model, scenes: Sequence[Scene], recipe: FinderRecipe) -> keras.Model:
    """The network that training begins with: YuNet-n in the recipe's plan."""
    side = recipe.fit.views.side
    rows = np.linspace(0, len(scenes) - 1, min(_FITTED_ON, len(scenes))).astype(int)
    images = np.stack([contain(scenes[row].image, side) for row in rows]).astype(np.float32)
    slimmed = slim(published, FinderPlan(), recipe.slimmed(), images)
    network = deepen(slimmed, recipe.plan())
    reset_labels(network, recipe.fit.seed)
    return network


def _as_served(network: keras.Model, recipe: FinderRecipe) -> CellFinder:
    """The network as the file that would ship now."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / ONNX
        files.save_onnx(network, path)
        return CellFinder(
            path, min_score=0.02, nms_iou=recipe.nms_iou, long_side=recipe.long_side, threads=1
        )


def _save_examples(path: Path, found: list[Faces], scenes: Sequence[Scene], epoch: int) -> None:
    """A sheet of photographs: annotated faces in white, found ones in green."""
    rows = np.linspace(0, len(found) - 1, min(_SHOWN, len(found))).astype(int)
    tiles = [Tile(contain(_drawn(scenes[row].image, scenes[row].boxes, found[row]), 320))
             for row in rows]  # fmt: skip
    title = f"Epoch {epoch}: found (green, from score {_SHOWN_FROM} on) and annotated (white)"
    path.parent.mkdir(parents=True, exist_ok=True)
    save_sheets(path, draw_sheets(title, [Block("", tiles)], columns=4))


def _drawn(image: Image, truth: FloatArray, faces: Faces) -> Image:
    canvas = image.copy()
    thin = max(1, round(max(image.shape[:2]) / 320))
    for x1, y1, x2, y2 in np.rint(truth).astype(int).tolist():
        cv2.rectangle(canvas, (x1, y1), (x2, y2), (255, 255, 255), 2 * thin)
    for x1, y1, x2, y2 in np.rint(faces.boxes[faces.scores >= _SHOWN_FROM]).astype(int).tolist():
        cv2.rectangle(canvas, (x1, y1), (x2, y2), (0, 200, 80), thin)
    return canvas
