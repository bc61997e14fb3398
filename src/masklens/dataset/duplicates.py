"""Finding near-duplicates: copies of one photograph.

Exact, turned, mirrored, cropped, blurred, noisy and masked ones are found. Three steps. Each
picture is reduced (:mod:`masklens.dataset.features`). Candidates are looked up: equal files, near
perceptual hashes in eight orientations, and pictures whose local features are each other's nearest.
Each candidate is then verified: one turn, scale and shift must explain most of the matches, and the
pixels must agree once it is applied. Out come :class:`Duplicates`: pairs and groups.

Two photographs of one person, or of two people before one wall, are not duplicates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from masklens.dataset.features import Features, extract
from masklens.dataset.registration import correlate_plain, lay_upon, register
from masklens.dataset.scan import Dataset
from masklens.errors import DatasetError, InputError
from masklens.faces import FaceFinder
from masklens.finder import shipped_finder
from masklens.limits import cores

#: Told of the work: what is being done, how much is done, how much there is.
Progress = Callable[[str, int, int], None]

# Candidates
_HASH_DISTANCE = 8  # of 64 bits; imagehash's documentation calls up to 10 similar
_QUERIES = 120  # strongest features of each picture that are looked up
_NEIGHBOURS = 8
_CANDIDATES = 12  # verified per picture and orientation
_LEAST_VOTES = 5.0

# Verification. In the report's 1,376 portraits the strongest false candidate has 19 inliers at a
# correlation of 0.63, or 14 at 0.91; the weakest true one 25 at 0.99, or 51 at 0.90.
_LEAST_OVERLAP = 0.4  # of the smaller of the two pictures
_LEAST_CORRELATION = 0.95  # median over blocks
_MANY_INLIERS = 25  # with so many, less correlation will do (noise, blur, a face that was painted)
_ENOUGH_CORRELATION = 0.85
_PLAIN_CORRELATION = 0.97  # without local features: of the whole pictures


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Two pictures that show the same photograph.

    Attributes:
        first, second: places in the data set.
        exact: the files are equal.
        mirrored: one is the mirror image of the other.
        angle: degrees by which the second is turned against the first (-180…180).
        scale: size of the second against the first, both brought to one length before.
        inliers: local features that agree; 0 where pixels alone decided.
        correlation: of the pixels once laid upon each other, -1…1.
    """

    first: int
    second: int
    exact: bool = False
    mirrored: bool = False
    angle: float = 0.0
    scale: float = 1.0
    inliers: int = 0
    correlation: float = 1.0


@dataclass(frozen=True, slots=True)
class Duplicates:
    """What was found in a data set.

    Attributes:
        pairs: each at most once.
        groups: int (N,), the group of each picture, numbered by first appearance; a picture
            without a duplicate is a group of its own.
        unreadable: (name, reason) of files that could not be read; each is a group of its own.
    """

    pairs: tuple[Duplicate, ...]
    groups: npt.NDArray[np.intp]
    unreadable: tuple[tuple[str, str], ...]


def find_duplicates(
    dataset: Dataset,
    *,
    finder: FaceFinder | None = None,
    progress: Progress | None = None,
) -> Duplicates:
    """Find every pair of pictures that are copies of one photograph, and group them.

    Args:
        dataset: folders of classes or a COCO file; labels are not looked at.
        finder: tells where masks would sit; the default is the shipped one at a small size.
        progress: called often, from one thread.

    Raises:
        DatasetError: no picture can be read.
        MissingExtraError: imagehash is not installed.
    """
    tell = progress or (lambda what, done, total: None)
    finder = finder or shipped_finder(1, long_side=320)
    with ThreadPoolExecutor(max_workers=cores()) as pool:

        def spread(what: str, work: Callable[[Any], Any], items: Sequence[Any]) -> Iterator[Any]:
            for done, result in enumerate(pool.map(work, items), start=1):
                tell(what, done, len(items))
                yield result

        def read(index: int) -> Features | InputError:
            try:
                return extract(dataset.pictures[index].path, finder)
            except InputError as error:
                return error

        read_all = list(spread("reading", read, range(len(dataset))))
        readable = [i for i, result in enumerate(read_all) if isinstance(result, Features)]
        if not readable:
            raise DatasetError(f"None of the {len(dataset)} pictures can be read.")
        features: list[Features] = [read_all[i] for i in readable]
        index = _Index(features)
        votes = list(spread("comparing", index.candidates, range(len(features))))
        candidates = sorted({pair for found in votes for pair in found} | set(_near(features)))
        verified = spread("verifying", lambda c: _verify(features, *c), candidates)
        best: dict[tuple[int, int], Duplicate] = {}
        for pair in filter(None, verified):
            key = pair.first, pair.second
            if key not in best or pair.inliers > best[key].inliers:
                best[key] = pair
    pairs = tuple(_renumber(best[key], readable) for key in sorted(best))
    return Duplicates(
        pairs,
        group(len(dataset), [(pair.first, pair.second) for pair in pairs]),
        tuple(
            (picture.name, str(result))
            for picture, result in zip(dataset.pictures, read_all, strict=True)
            if isinstance(result, InputError)
        ),
    )


def group(count: int, pairs: Sequence[tuple[int, int]]) -> npt.NDArray[np.intp]:
    """Connected components: int (count,), numbered by first appearance."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    rows, columns = np.array(pairs, dtype=np.intp).reshape(-1, 2).T
    graph = coo_array((np.ones(len(rows)), (rows, columns)), shape=(count, count))
    _, labels = connected_components(graph, directed=False)
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    return np.asarray(np.argsort(np.argsort(first))[inverse], dtype=np.intp)


class _Index:
    """Approximate nearest neighbours among the local features of all pictures."""

    def __init__(self, features: Sequence[Features]) -> None:
        self._features = features
        self._owner = np.repeat(np.arange(len(features)), [len(f.points) for f in features])
        everything = np.concatenate([f.descriptors for f in features])
        self._flann: Any = None
        if len(everything) > _NEIGHBOURS:
            cv2.setRNGSeed(0)
            self._flann = cv2.flann.Index(everything, {"algorithm": 1, "trees": 4})

    def candidates(self, index: int) -> list[tuple[int, int, bool]]:
        """Pictures that share features with one: (lower place, higher place, mirrored)."""
        if self._flann is None:
            return []
        found = []
        for mirrored in (False, True):
            features = self._features[index].mirrored if mirrored else self._features[index]
            queries = features.descriptors[:_QUERIES]
            if not len(queries):
                continue
            places, distances = self._flann.knnSearch(queries, _NEIGHBOURS, params={"checks": 48})
            # Squared distances of unit vectors: 0.5 is a cosine of 0.75.
            weights = np.clip(1 - distances / 0.5, 0, None)
            votes = np.bincount(
                self._owner[places.ravel()], weights.ravel(), minlength=len(self._features)
            )
            votes[index] = 0
            best = np.argsort(-votes)[:_CANDIDATES]
            found += [
                (min(index, int(other)), max(index, int(other)), mirrored)
                for other in best[votes[best] >= _LEAST_VOTES]
            ]
        return found


def _near(features: Sequence[Features]) -> Iterator[tuple[int, int, bool]]:
    """Candidates by equal files and by perceptual hash."""
    by_content: dict[str, list[int]] = {}
    for place, one in enumerate(features):
        by_content.setdefault(one.sha256, []).append(place)
    for places in by_content.values():
        yield from ((a, b, False) for a, b in combinations(places, 2))
    # The Hamming distance as a product of ±1: 64 bits agree in (64 + product) / 2 places.
    upright = np.stack([one.hashes[0] for one in features]).astype(np.float32) * 2 - 1
    for turn in range(8):
        turned = np.stack([one.hashes[turn] for one in features]).astype(np.float32) * 2 - 1
        close = upright @ turned.T >= 64 - 2 * _HASH_DISTANCE
        for a, b in np.argwhere(np.triu(close | close.T, k=1)):
            yield int(a), int(b), turn >= 4


def _verify(
    features: Sequence[Features], first: int, second: int, mirrored: bool
) -> Duplicate | None:
    a, b = features[first], features[second]
    if a.sha256 == b.sha256:
        return Duplicate(first, second, exact=True)
    source = a.mirrored if mirrored else a
    found = register(source, b)
    if found is None:
        correlation = correlate_plain(source, b)
        if correlation < _PLAIN_CORRELATION:
            return None
        return Duplicate(first, second, mirrored=mirrored, correlation=correlation)
    transform, inliers = found
    overlap, correlation = lay_upon(source, b, transform)
    least = _ENOUGH_CORRELATION if inliers >= _MANY_INLIERS else _LEAST_CORRELATION
    if overlap < _LEAST_OVERLAP or correlation < least:
        return None
    return Duplicate(
        first,
        second,
        mirrored=mirrored,
        angle=float(np.degrees(np.arctan2(transform[1, 0], transform[0, 0]))),
        scale=float(np.hypot(transform[0, 0], transform[1, 0])),
        inliers=inliers,
        correlation=correlation,
    )


def _renumber(pair: Duplicate, places: Sequence[int]) -> Duplicate:
    """A pair whose places count all pictures instead of the readable ones."""
    return replace(pair, first=places[pair.first], second=places[pair.second])
