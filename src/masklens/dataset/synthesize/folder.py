"""A folder of paintings: one sub-folder per label, with a COCO detection file that holds the boxes.

Paintings go in one by one. What an earlier run left is only replaced when that was asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from PIL import Image as PillowImage

from masklens.dataset.synthesize.painter import STYLES
from masklens.dataset.synthesize.produce import Painting
from masklens.errors import OutputError
from masklens.io.atomic import write_json
from masklens.io.pictures import write_picture
from masklens.labels import LABELS


class FolderWriter:
    """Writes paintings into ``DIR/<label>/``, and ``DIR/annotations.coco.json`` at the end.

    Args:
        target: the folder, or None to write nothing.
        overwrite: throw away what an earlier run left in it, when the first painting is there.
    """

    def __init__(self, target: Path | None, *, overwrite: bool = False) -> None:
        self.target = target
        self.file = None if target is None else target / "annotations.coco.json"
        self._overwrite = overwrite
        self._earlier: list[Path] = []
        self._images: list[dict[str, object]] = []
        self._annotations: list[dict[str, object]] = []

    def check(self, read: Iterable[Path]) -> None:
        """Find out before the work whether the folder may be written to.

        Args:
            read: files that must stay.

        Raises:
            OutputError: an earlier run is there and not to be thrown away, or is what is read.
        """
        if self.target is None or self.file is None:
            return
        self._earlier = [path for path in (self.file, *_painted(self.target)) if path.exists()]
        if self._earlier and not self._overwrite:
            raise OutputError(
                f"{self.target} holds paintings or {self.file.name} already. Add --overwrite to "
                "throw them away, or choose another --out."
            )
        kept = {path.resolve() for path in read}
        for path in self._earlier:
            if path.resolve() in kept:
                raise OutputError(
                    f"{path} is read, and --overwrite would throw it away. Choose another --out."
                )

    def write(self, painting: Painting) -> None:
        """Write one picture; does nothing without a target."""
        if self.target is None:
            return
        for path in self._earlier:
            path.unlink(missing_ok=True)
        self._earlier = []
        name = f"{painting.label}/{painting.name}.jpg"
        write_picture(self.target / name, PillowImage.fromarray(painting.image), quality=93)
        number = len(self._images) + 1
        height, width = painting.image.shape[:2]
        x1, y1, x2, y2 = (round(v, 1) for v in painting.box)
        self._images.append({"id": number, "file_name": name, "width": width, "height": height})
        self._annotations.append(
            {
                "id": number,
                "image_id": number,
                "category_id": LABELS.index(painting.label) + 1,
                "bbox": [x1, y1, round(x2 - x1, 1), round(y2 - y1, 1)],
                "area": round((x2 - x1) * (y2 - y1), 1),
                "iscrowd": 0,
                "style": painting.style,
            }
        )

    def finish(self) -> None:
        """Write the COCO file."""
        if self.file is None:
            return
        content = {
            "info": {"description": "painted by masklens dataset synthesize"},
            "images": self._images,
            "annotations": self._annotations,
            "categories": [{"id": i, "name": label} for i, label in enumerate(LABELS, start=1)],
        }
        write_json(self.file, content)


def _painted(folder: Path) -> Iterator[Path]:
    """The paintings in a folder, known by their names: see :class:`Painting`."""
    for label in LABELS:
        for path in (folder / label).glob("*.jpg"):
            style, _, number = path.stem.rpartition("-")
            style = style.rpartition("-")[2]
            if STYLES.get(style) == label and len(number) >= 5 and number.isdecimal():
                yield path
