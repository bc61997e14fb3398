"""The run folder: what a recipe is asked for, what it leaves behind, and how a run is continued.

A run folder is a bundle (``card.json`` and its files) with the record of how it came about:
``run.json`` (command, seed, versions, data hash), ``history.csv``, ``metrics.json``, figures and
tables. ``checkpoint/`` holds what ``--resume`` needs. Every recipe writes its folder through here.
"""

from __future__ import annotations

import contextlib
import json
import platform
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from masklens.bundle import CARD_FILE, Bundle, file_sha256, read_card
from masklens.card import is_file_name
from masklens.dataset.corrections import corrected, load_corrections
from masklens.dataset.scan import Dataset
from masklens.errors import BundleError, OutputError
from masklens.io.atomic import check_writable, write_json, write_text
from masklens.io.jsonfile import read_json
from masklens.training.figures import confusion_figure, history_figure, save_figure
from masklens.training.history import csv_text
from masklens.training.results import Predictions

RUN_FILE = "run.json"
CHECKPOINT_FOLDER = "checkpoint"

#: What every recipe leaves in its folder beside card and record, and what each of them adds.
_OF_ALL = (CHECKPOINT_FOLDER, "history.csv", "history_polish.csv")
_OF_RECIPE = {
    "report": (
        *("classifier.onnx", "classifier.keras", "classifier.h5", "metrics.json"),
        *("predictions.csv", "classification_report.txt", "classification_report.json"),
        *("curves.png", "confusion_matrix.png"),
    ),
    "street": ("classifier.onnx", "classifier.keras", "metrics.json"),
    "finder": (
        *("finder.json", "finder.onnx", "finder.tflite", "curves.png"),
        "examples/epoch_[0-9][0-9][0-9].jpg",
    ),
}

_VERSIONS = (
    "masklens",
    "keras",
    "tensorflow",
    "tf2onnx",
    "onnx",
    "onnxruntime",
    "numpy",
    "opencv-python-headless",
    "pillow",
    "scikit-learn",
)


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """What the command line asks of a recipe; None leaves the choice to the recipe.

    Attributes:
        data: folders of classes or COCO files.
        out: the run folder.
        command: the command as it was typed, for the record.
        resume: continue the run in ``out``.
        overwrite: throw away the run in ``out``.
        epochs: passes over the data, of all rounds of the recipe together.
        batch_size, seed: as everywhere.
        views: augmented views per training picture (recipe "report").
        split: "report", "grouped" or a manifest, see :func:`masklens.dataset.split.named_parts`
            (recipe "report").
        corrections: files, of the annotation of ``data``, see :mod:`masklens.dataset.corrections`
            (recipes "street" and "finder").
        start: folder of a bundle that is trained on (recipe "street").
        calibrate_on: COCO file of other photographs, for temperature and thresholds (recipe
            "street").
    """

    data: tuple[Path, ...]
    out: Path
    command: str = "masklens.training"
    resume: bool = False
    overwrite: bool = False
    epochs: int | None = None
    batch_size: int | None = None
    seed: int = 42
    views: int | None = None
    split: str = "report"
    corrections: tuple[Path, ...] = ()
    start: Path | None = None
    calibrate_on: Path | None = None


def as_corrected(
    datasets: Sequence[Dataset], options: TrainOptions, whole: Sequence[Dataset] | None = None
) -> tuple[list[Dataset], dict[str, Any]]:
    """The data with the corrections that are asked for, and what a run's settings say of both.

    The data's hash is that of their own annotation: by it a bundle knows what it was trained on.

    Args:
        datasets: what is trained on.
        options: ``corrections`` is read.
        whole: all of the data, if not all is trained on.

    Raises:
        DatasetError: a file cannot be read, or the corrections are malformed or of other pictures.
    """
    identity: dict[str, Any] = {"data_sha256": [dataset.sha256() for dataset in datasets]}
    if not options.corrections:
        return list(datasets), identity
    corrections = load_corrections(*options.corrections)
    identity["corrections_sha256"] = [file_sha256(path) for path in options.corrections]
    return corrected(datasets, corrections, whole or datasets), identity


@dataclass(frozen=True)
class TrainResult:
    """What a recipe has done.

    Attributes:
        bundle: the one in the run folder.
        metrics: content of ``metrics.json``.
        epochs, wanted: epochs that are done, and that were asked for.
        skipped: pictures that could not be read, each with the reason.
        judged: on what pictures the metrics are, as the end of a sentence.
    """

    bundle: Bundle
    metrics: Mapping[str, Any]
    epochs: int
    wanted: int
    skipped: tuple[str, ...] = ()
    judged: str = "in the test"

    @property
    def interrupted(self) -> bool:
        """Ctrl-C ended it early."""
        return self.epochs < self.wanted


@dataclass(frozen=True)
class RunFolder:
    """A run folder that may be written to.

    Attributes:
        path: the folder.
        record: content of ``run.json``.
    """

    path: Path
    record: Mapping[str, Any]

    @classmethod
    def open(cls, options: TrainOptions, settings: Mapping[str, Any]) -> RunFolder:
        """Start a run, or take up one that was interrupted.

        Args:
            options: ``out``, ``resume``, ``overwrite`` and ``command`` are read.
            settings: JSON values that decide what is trained (recipe, data hash, seed …); a run
                is continued only with the same.

        Raises:
            OutputError: the folder cannot be written, holds a run already, or a file of somebody
                else's that the run would replace, holds none to resume, or one with other settings;
                or both ``resume`` and ``overwrite`` were asked for.
        """
        folder, path = options.out, options.out / RUN_FILE
        earlier: set[Path] = set()
        settings = json.loads(json.dumps(settings))  # as the record will have them: no tuples
        if options.resume and options.overwrite:
            raise OutputError(
                "--resume continues the run and --overwrite throws it away: use one of them."
            )
        if options.resume:
            record = _read_record(path)
            _check_settings(folder, record["settings"], settings)
            if options.command not in (record["command"], *record["resumed"]):
                record["resumed"].append(options.command)
        else:
            if _holds_run(folder) and not options.overwrite:
                raise OutputError(
                    f"{folder} holds a run or a bundle already. Add --resume to continue it, "
                    "--overwrite to start anew, or choose another --out."
                )
            earlier = results_in(folder)
            if others := sorted(set(_results(folder, settings["recipe"])) - earlier):
                raise OutputError(
                    f"{others[0]} is of no run or bundle in {folder}, and the run would replace "
                    "it. Move it, or choose another --out."
                )
            record = {
                "command": options.command,
                "resumed": [],
                "settings": dict(settings),
                "versions": {"python": platform.python_version()}
                | {name: version(name) for name in _VERSIONS},
            }
        check_writable(path)  # now, not after training, and before anything is thrown away
        for result in earlier:
            if result.is_dir():
                shutil.rmtree(result, ignore_errors=True)
                continue
            result.unlink()
            if result.parent != folder:
                with contextlib.suppress(OSError):  # there is more in it
                    result.parent.rmdir()
        write_json(path, record)  # last: it would vouch for what is of another run
        return cls(folder, record)

    @property
    def checkpoint(self) -> Path:
        """Where a recipe keeps what ``--resume`` needs."""
        return self.path / CHECKPOINT_FOLDER

    def training_facts(self, data: Sequence[Path]) -> dict[str, Any]:
        """For the card: the command, settings, versions, and the names of the data sets."""
        return {
            "command": self.record["command"],
            **({"resumed": self.record["resumed"]} if self.record["resumed"] else {}),
            "data": [path.name for path in data],
            **self.record["settings"],
            "versions": self.record["versions"],
        }

    def write_results(
        self,
        history: Sequence[Mapping[str, float]],
        predictions: Predictions,
        facts: Mapping[str, Any],
    ) -> dict[str, Any]:
        """Write history, metrics, tables and figures.

        Args:
            history: a row per epoch: epoch, loss, accuracy, val_loss, val_accuracy, perhaps more.
            predictions: of the model that is in the bundle.
            facts: further content of ``metrics.json``.

        Returns:
            The content of ``metrics.json``.
        """
        metrics = predictions.metrics() | dict(facts)
        write_text(self.path / "history.csv", csv_text(history))
        write_text(self.path / "predictions.csv", csv_text(predictions.rows()))
        write_json(self.path / "metrics.json", metrics)
        write_text(self.path / "classification_report.txt", predictions.report_text())
        write_json(self.path / "classification_report.json", predictions.report())
        save_figure(self.path / "curves.png", history_figure(history))
        save_figure(self.path / "confusion_matrix.png", confusion_figure(predictions))
        return metrics


def _holds_run(folder: Path) -> bool:
    try:
        return any((folder / name).exists() for name in (RUN_FILE, CARD_FILE))
    except OSError as error:
        raise OutputError(f"Cannot look into {folder}: {error.strerror}.") from error


def _results(folder: Path, recipe: object) -> list[Path]:
    """What is there of a recipe's results; of all recipes' when it is not known."""
    known = {str(recipe)} & set(_OF_RECIPE) or _OF_RECIPE
    names = (*_OF_ALL, *(name for one in known for name in _OF_RECIPE[one]))
    return [path for name in names for path in folder.glob(name)]


def results_in(folder: Path) -> set[Path]:
    """What is there of a run, by its record, and of a bundle, by its card; not the record."""
    written: set[Path] = set()
    if (folder / RUN_FILE).exists():
        recipe = None
        with contextlib.suppress(OutputError):  # damaged
            recipe = _read_record(folder / RUN_FILE)["settings"].get("recipe")
        found = _results(folder, recipe)
        written.update(p for p in found if p.is_file() or p.name == CHECKPOINT_FOLDER)
    if (folder / CARD_FILE).exists():
        written.add(folder / CARD_FILE)
        with contextlib.suppress(BundleError):  # damaged
            names = filter(is_file_name, read_card(folder).files)
            written.update(path for name in names if (path := folder / name).is_file())
    return written


def _read_record(path: Path) -> dict[str, Any]:
    try:
        record = read_json(path)
        if not isinstance(record["settings"], dict) or not isinstance(record["resumed"], list):
            raise TypeError
    except OSError as error:
        raise OutputError(
            f"{path.parent} holds no run to resume ({path.name}: {error.strerror}). Leave out "
            "--resume to start one."
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise OutputError(
            f"{path} is damaged, so its run cannot be resumed. Start anew with --overwrite."
        ) from error
    return dict(record)


def _check_settings(folder: Path, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    before = dict(_leaves(found))
    now = dict(_leaves(wanted))
    for key in now | before:
        if before.get(key) != now.get(key):
            raise OutputError(
                f"{folder} is a run with {key.replace('_', ' ')} {before.get(key)!r}, so it cannot "
                f"be resumed with {now.get(key)!r}. Use the same, or choose another --out."
            )


def _leaves(settings: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Every single setting, named with the groups it is in."""
    for key, value in settings.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{above}{key} ")
        else:
            yield f"{above}{key}", value
