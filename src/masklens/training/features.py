"""What the frozen backbone makes of pictures, computed once for every view.

This takes most of the report's recipe's time, so it runs in ONNX Runtime (about a third faster than
``predict``) and is kept on disk by view: an interrupted run does not start over.
"""

from __future__ import annotations

import contextlib
import itertools
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import keras
import numpy as np
from tqdm import tqdm

from masklens.crop import FloatArray, Image, in_range
from masklens.io.atomic import atomic_path
from masklens.runtime import open_session
from masklens.training.affine import REPORT, random_matrix, warp
from masklens.training.convert import to_onnx
from masklens.training.network import VALUE_RANGE

#: Pictures per call. Larger batches are no faster on a processor, and need more memory.
BATCH = 32


class FeatureExtractor:
    """A frozen network, run by ONNX Runtime.

    Args:
        trunk: float32 (N, S, S, 3), -1…1 -> float32 (N, F).
        folder: where the features are kept; made if need be.
    """

    def __init__(self, trunk: keras.Model, folder: Path) -> None:
        self._trunk = trunk
        self._folder = folder
        self._run: Callable[[FloatArray], FloatArray] | None = None

    def plain(self, images: Image) -> FloatArray:
        """Features of pictures as they are.

        Args:
            images: uint8 (N, S, S, 3), RGB.

        Returns:
            float32 (N, F).
        """
        return self._kept("test", lambda: iter(images), len(images))

    def views(self, images: Image, views: int, seed: int) -> FloatArray:
        """Features of random views; view 3 of picture 7 is the same whatever else is asked for.

        Args:
            images: uint8 (N, S, S, 3), RGB.
            views: number of views of each picture.
            seed: of the views.

        Returns:
            float32 (N, views, F).
        """

        def draw(view: int) -> Iterator[Image]:
            for number, image in enumerate(images):
                rng = np.random.default_rng((seed, view, number))
                yield warp(image, random_matrix(rng, REPORT, image.shape[:2]))

        columns = [
            self._kept(f"view-{view}", partial(draw, view), len(images)) for view in range(views)
        ]
        return np.stack(columns, axis=1)

    def _kept(self, name: str, draw: Callable[[], Iterator[Image]], total: int) -> FloatArray:
        path = self._folder / f"features-{name}.npy"
        with contextlib.suppress(OSError, EOFError, ValueError):  # none yet, or a damaged one
            kept: FloatArray = np.load(path)
            return kept
        network = self._network()
        parts = []
        pictures = draw()
        with tqdm(total=total, desc=f"features: {name}", unit="picture", disable=None) as bar:
            while batch := list(itertools.islice(pictures, BATCH)):
                parts.append(network(in_range(np.stack(batch), VALUE_RANGE)))
                bar.update(len(batch))
        features = np.concatenate(parts)
        with atomic_path(path) as temporary:
            np.save(temporary, features)
        return features

    def _network(self) -> Callable[[FloatArray], FloatArray]:
        if self._run is None:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "backbone.onnx"
                to_onnx(self._trunk, path, ["features"])
                session = open_session(path.read_bytes())
            name = session.get_inputs()[0].name

            def run(tensor: FloatArray) -> FloatArray:
                features: FloatArray = session.run(["features"], {name: tensor})[0]
                return features

            self._run = run
        return self._run
