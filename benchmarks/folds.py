"""Parts for cross-validation: photographs dealt out so that near-duplicates stay in one part.

COCO files go in; for every part two COCO files come out, of what is trained on and of what is held
out, with the pictures named by their full paths.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from masklens.dataset.scan import load_dataset
from masklens.dataset.split import read_manifest, split_dataset, write_manifest
from masklens.io.atomic import write_json
from masklens.io.jsonfile import read_json


def deal(sources: Sequence[Path], out: Path, folds: int) -> Iterator[tuple[Path, Path, Path]]:
    """Folder, file for training and file held out of each part; split once, then read again."""
    out.mkdir(parents=True, exist_ok=True)
    scenes, manifest = out / "scenes.json", out / "folds.csv"
    if not manifest.exists():
        write_json(scenes, together(sources))
        write_manifest(manifest, split_dataset(load_dataset(scenes), folds=folds)[0])
    content, rows = read_json(scenes), read_manifest(manifest)
    for part in sorted({row.split for row in rows}):
        folder = out / part
        folder.mkdir(exist_ok=True)
        files = folder / "fit.json", folder / "held.json"
        held = {row.file for row in rows if row.split == part}
        for file, inside in zip(files, (False, True), strict=True):
            images = [i for i in content["images"] if (i["file_name"] in held) == inside]
            ids = {image["id"] for image in images}
            faces = [face for face in content["annotations"] if face["image_id"] in ids]
            write_json(file, content | {"images": images, "annotations": faces})
        yield folder, *files


def together(sources: Sequence[Path]) -> dict[str, Any]:
    """Several COCO files with the same categories as one."""
    images: list[dict[str, Any]] = []
    faces: list[dict[str, Any]] = []
    for source in sources:
        content = read_json(source)
        places = {p.name: p.path.resolve() for p in load_dataset(source).pictures}
        numbers = {}
        for image in content["images"]:
            numbers[image["id"]] = number = len(images) + 1
            images.append(image | {"id": number, "file_name": str(places[image["file_name"]])})
        for face in content["annotations"]:
            changed = {"id": len(faces) + 1, "image_id": numbers[face["image_id"]]}
            faces.append(face | changed)
    return {"images": images, "annotations": faces, "categories": content["categories"]}
