"""What Python says of 40 photographs: the yardstick of ``parity.spec.ts`` and ``closer.spec.ts``.

    python web/e2e/python_results.py FOLDER OUT.json [--bundle DIR] [--png DIR]
    python web/e2e/python_results.py FOLDER OUT.json --mosaic FILE.jpg [--long-side 704 2112]

Runs ``MaskDetector`` over 40 pictures of FOLDER (a COCO folder with ``annotations.coco.json``, such
as scenes/val), spread over all of them, and writes their faces with full precision and without a
threshold. With ``--png`` the decoded pixels are kept as PNG too, so that JPEG decoders can be told
apart from the pipeline. With ``--mosaic`` 16 of them, spread again, are set side by side in one
picture of 2,880 px, which is searched at the given sizes, or as usual.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from PIL import Image as PillowImage

from masklens.bundle import Bundle
from masklens.detector import MaskDetector
from masklens.io.pictures import read_picture

sys.path.append(str(Path(__file__).resolve().parents[2] / "benchmarks"))
from mosaic import mosaic

PICTURES = 40
GRID = 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--bundle", type=Path)
    parser.add_argument("--png", type=Path)
    parser.add_argument("--mosaic", type=Path)
    parser.add_argument("--long-side", type=int, nargs="+")
    arguments = parser.parse_args()
    coco = json.loads((arguments.folder / "annotations.coco.json").read_text())
    names = sorted(image["file_name"] for image in coco["images"])
    chosen = [names[i * len(names) // PICTURES] for i in range(PICTURES)]
    bundle = Bundle.load(arguments.bundle)
    assert bundle.card.finder is not None, "the bundle has no face finder"
    detector = MaskDetector(bundle, threshold=0.0, threads=1, long_side=arguments.long_side)
    paths = [arguments.folder / "images" / name for name in chosen]
    if arguments.mosaic:
        spread = [paths[i * PICTURES // GRID**2] for i in range(GRID**2)]
        canvas, _ = mosaic([read_picture(path) for path in spread], GRID)
        arguments.mosaic.parent.mkdir(parents=True, exist_ok=True)
        PillowImage.fromarray(canvas).save(arguments.mosaic, quality=92)
        paths = [arguments.mosaic]
    results = []
    for path in paths:
        image = read_picture(path)
        if arguments.png:
            arguments.png.mkdir(parents=True, exist_ok=True)
            PillowImage.fromarray(image).save(arguments.png / f"{path.stem}.png", compress_level=1)
        found = detector.detect(image)
        results.append(
            {
                "file": str(path.resolve()),
                "faces": [
                    {
                        "box": list(face.box),
                        "label": face.label,
                        "score": face.score,
                        "face_score": face.face_score,
                        "probabilities": list(face.probabilities.values()),
                    }
                    for face in found
                ],
            }
        )
    threshold = detector.card.threshold()
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps({"threshold": threshold, "pictures": results}))


if __name__ == "__main__":
    main()
