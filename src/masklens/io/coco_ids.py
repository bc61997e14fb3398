"""The picture and category ids of a COCO detection file, for results that are to fit it.

Names of files come in, ids go out; a name that could be two pictures is refused and never guessed.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

from masklens.errors import InputError
from masklens.io.jsonfile import read_json
from masklens.labels import LABELS, canonical


class CocoIds:
    """The ids of a COCO detection file.

    Attributes:
        categories: label -> id; the file may spell labels as :mod:`masklens.labels` knows them.

    Raises:
        InputError: the file cannot be read, is no COCO file, or lacks a label or has it twice.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        content = _content(file)
        try:
            self._images: dict[str, list[tuple[PurePosixPath, int]]] = {}
            for image in content["images"]:
                path = _path(image["file_name"])
                self._images.setdefault(path.name, []).append((path, _id(image)))
            ids = {str(category["name"]): _id(category) for category in content["categories"]}
            self.categories = {name: number for name, number in ids.items() if name in LABELS}
            for name, number in ids.items():
                label = canonical(name)  # its own name wins over other spellings
                if label in ids or label not in LABELS:
                    continue
                if self.categories.setdefault(label, number) != number:
                    raise ValueError(f"it has two categories that stand for {label}")
        except (AttributeError, ValueError, KeyError, TypeError) as error:
            kind = "" if type(error) is ValueError else f"{type(error).__name__} "
            raise InputError(f"{file} is not a COCO detection file: {kind}{error}.") from error
        if missing := set(LABELS) - set(self.categories):
            raise InputError(f"{file} has no category {sorted(missing)}.")
        self._given: dict[int, str] = {}

    def of(self, name: str) -> int:
        """The id of a picture, by its file name and, where several have that, by its folders.

        Args:
            name: path of the picture, as it was read.

        Raises:
            InputError: there is no such picture, it could be several, or another one has its id.
        """
        path = _path(name)
        same = self._images.get(path.name, [])
        if len(same) > 1:
            same = [(p, i) for p, i in same if path.parts[-len(p.parts) :] == p.parts]
        if not same:
            raise InputError(
                f"{name} is not among the pictures of {self._file}. Leave it out, or add it there."
            )
        if len(same) > 1:
            raise InputError(f"{name} is listed {len(same)} times in {self._file}, with other ids.")
        number = same[0][1]
        if self._given.setdefault(number, name) != name:
            raise InputError(
                f"{self._given[number]} and {name} are both called {path.name}, and {self._file} "
                "has only one picture of that name. Leave one out."
            )
        return number


def _path(name: str) -> PurePosixPath:
    """A name with the separators of any system: files of Windows' tools have backslashes."""
    return PurePosixPath(name.replace("\\", "/"))


def _id(entry: Any) -> int:
    number = entry["id"]
    if isinstance(number, float) and number.is_integer():  # as pandas writes them
        number = int(number)
    if type(number) is not int:
        raise ValueError(f"an id is no whole number, {number!r:.80}")
    return number


def _content(file: Path) -> Any:
    try:
        return read_json(file)
    except OSError as error:
        raise InputError(f"Cannot read {file}: {error.strerror}.") from error
    except ValueError as error:
        raise InputError(f"{file} is not a COCO detection file: {error}.") from error
