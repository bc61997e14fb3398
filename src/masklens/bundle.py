"""The bundle: a folder with a model and the card that says everything a reader must know of it.

The card is JSON, so that Python, the browser and Android read the same one. Loading checks its form
(:mod:`masklens.card`) and the sha256 of every file it names.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import importlib.resources
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from masklens.card import ModelCard, is_file_name
from masklens.errors import BundleError, OutputError
from masklens.io.atomic import atomic_path, json_bytes
from masklens.io.jsonfile import read_json

CARD_FILE = "card.json"

#: In the run folder of a face finder: the section "finder" of a card.
FINDER_CARD_FILE = "finder.json"
CLASSIFIER_FILE = "classifier.onnx"

#: Of Keras' models; the report's older one comes second.
KERAS_SUFFIXES = (".keras", ".h5")


@dataclass(frozen=True)
class Bundle:
    """A bundle on disk whose card was read and whose files were checked."""

    folder: Path
    card: ModelCard

    @classmethod
    def load(cls, folder: str | Path | None = None) -> Bundle:
        """Load a bundle; None and the word "default" are the one that ships with masklens.

        A folder of that name is given as a Path, or with its place: "./default".

        Raises:
            BundleError: no such folder, no card, a file that is missing or has changed.
        """
        if folder is None or folder == "default":
            folder = default_bundle_folder()
        folder = Path(folder)
        card = read_card(folder)
        for name in card.files:
            check_file(folder, card, name)
        return cls(folder, card)

    def path(self, name: str = CLASSIFIER_FILE) -> Path:
        """The path of one of the bundle's files.

        Raises:
            BundleError: the card does not list it.
        """
        if name not in self.card.files:
            raise BundleError(
                f"The bundle {self.folder} has no {name}, only {sorted(self.card.files)}."
            )
        return self.folder / name

    def paths(self) -> dict[str, Path]:
        """Name and path of every file, in the order of the card."""
        return {name: self.folder / name for name in self.card.files}

    def keras_file(self) -> str | None:
        """The name of its Keras model, where it has one."""
        names = (n for suffix in KERAS_SUFFIXES for n in self.card.files if n.endswith(suffix))
        return next(names, None)

    def finder_files(self) -> dict[str, Path]:
        """Name and path of the files of the bundle's own face finder, one for each runtime."""
        if self.card.finder is None:
            return {}
        stem = Path(self.card.finder.file).stem
        return {name: path for name, path in self.paths().items() if path.stem == stem}

    def classifier_files(self) -> list[str]:
        """The names of all other files, in the order of the card."""
        finder = self.finder_files()
        return [name for name in self.card.files if name not in finder]


def default_bundle_folder() -> Path:
    """Where the bundle lies that ships with masklens."""
    return Path(str(importlib.resources.files("masklens") / "models" / "default"))


def read_card(folder: Path) -> ModelCard:
    """The card of a bundle; its files are not looked at.

    Raises:
        BundleError: no such folder, no card, or it is damaged.
    """
    card_path = folder / CARD_FILE
    try:
        values = read_json(card_path)
    except OSError as error:
        raise BundleError(
            f"{folder} is not a bundle: cannot read {card_path.name} ({error.strerror}). "
            f"A bundle is a folder with {CARD_FILE} and {CLASSIFIER_FILE}."
        ) from error
    except ValueError as error:
        raise BundleError(
            f"{card_path} cannot be read: {error}. Fetch or train the bundle again."
        ) from error
    if not isinstance(values, dict):
        raise BundleError(f"{card_path} must hold a JSON object.")
    try:
        return ModelCard.from_dict(values)
    except BundleError as error:
        raise BundleError(f"{card_path}: {error}") from error


def check_file(folder: Path, card: ModelCard, name: str) -> None:
    """Hold a file of a bundle against its card.

    Raises:
        BundleError: it is missing, cannot be read, or has changed.
    """
    if not is_file_name(name):
        raise BundleError(f"The card of {folder} names a file outside of it: {name!r:.80}.")
    facts, path = card.files.get(name), folder / name
    expected = str(facts.get("sha256") if isinstance(facts, dict) else None)
    try:
        found = file_sha256(path)
    except FileNotFoundError as error:
        raise BundleError(
            f"The bundle {folder} is incomplete: {name} is missing. Fetch or train it again."
        ) from error
    except OSError as error:
        raise BundleError(f"Cannot read {path} of the bundle: {error.strerror}.") from error
    if found != expected:
        raise BundleError(
            f"{path} is not the file of its card (sha256 {found[:12]}…, expected "
            f"{expected[:12]}…): it is damaged or was replaced. Fetch or train the bundle again."
        )


def check_free(folder: Path, names: Iterable[str]) -> None:
    """Find out before the work whether files of a new bundle would replace others.

    Raises:
        OutputError: there is one of these names in the folder.
    """
    for name in names:
        if (folder / name).exists():
            raise OutputError(f"{folder} holds another {name} already. Choose another --out.")


def write_bundle(folder: Path, card: ModelCard, files: Mapping[str, Path]) -> Bundle:
    """Write a bundle: the files, and the card with their hashes.

    All of it is written under temporary names first and then renamed, the card last: a folder with
    a card is a whole bundle, and a disk that gets full leaves an older one as it was.

    Args:
        folder: made if it does not exist.
        card: its ``files`` are replaced.
        files: name in the bundle -> path of the file; it may lie in the folder already.

    Raises:
        OutputError: the file system refused.
    """
    facts: dict[str, dict[str, Any]] = {}
    with atomic_path(folder / CARD_FILE) as card_path, contextlib.ExitStack() as renames:
        for name, source in files.items():
            path = folder / name
            if source.resolve() != path.resolve():
                path = renames.enter_context(atomic_path(path))
                shutil.copyfile(source, path)
            facts[name] = {"sha256": file_sha256(path), "bytes": path.stat().st_size}
        card = dataclasses.replace(card, files=facts)
        card_path.write_bytes(json_bytes(card.to_dict()))
    return Bundle(folder, card)


def file_sha256(path: Path) -> str:
    """The sha256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
