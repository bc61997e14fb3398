"""The manifests of public data sets: which files belong to one, and where they can be had.

A manifest is a JSON file beside this module, made by ``scripts/make_manifest.py``. It holds names,
sizes and hashes, never pictures.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from masklens.errors import DatasetError
from masklens.io.jsonfile import read_json


@dataclass(frozen=True, slots=True)
class ListedFile:
    """One file of a manifest: path below the data set's root (with ``/``), size, sha256 (hex)."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """A data set that can be fetched.

    Attributes:
        name: what a user calls it.
        homepage, licence: shown to the user; most data sets of faces carry no licence.
        urls: base addresses, tried in order: a file that one does not have comes from the next.
        files: in order of their paths.
    """

    name: str
    homepage: str
    licence: str
    urls: tuple[str, ...]
    files: tuple[ListedFile, ...]

    @property
    def bytes(self) -> int:
        """Size of the whole data set."""
        return sum(file.bytes for file in self.files)


def available() -> list[str]:
    """Names of the data sets that can be fetched."""
    return sorted(path.stem for path in Path(__file__).parent.glob("*.json"))


def load_manifest(name: str) -> Manifest:
    """A manifest by name, or from a file that ends in ``.json``.

    Raises:
        DatasetError: no such data set, or a malformed file.
    """
    path = Path(name) if name.endswith(".json") else Path(__file__).parent / f"{name}.json"
    try:
        content = read_json(path)
        files = tuple(ListedFile(str(p), int(size), str(sha)) for p, size, sha in content["files"])
        name, homepage, licence = (str(content[key]) for key in ("name", "homepage", "licence"))
        urls = tuple(str(url) for url in content["urls"])
        manifest = Manifest(name, homepage, licence, urls, files)
        if any(b"\0" in os.fsencode(file.path) for file in files):
            raise ValueError("a name holds a zero byte")
    except FileNotFoundError as error:
        raise DatasetError(
            f'No data set is called "{name}". Known are: {", ".join(available())}.'
        ) from error
    except (OSError, OverflowError, ValueError, KeyError, TypeError) as error:
        raise DatasetError(f"{path} is not a manifest: {type(error).__name__} {error}.") from error
    for file in files:
        if file.path.startswith("/") or ".." in file.path.split("/"):
            raise DatasetError(f"{path} names a file outside its folder: {file.path}.")
    return manifest
