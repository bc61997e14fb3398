"""Calibrating a street bundle on photographs, and what it scores on them.

The bundle is run as it will be served: :class:`masklens.classifier.MaskClassifier` at the annotated
boxes for the labels, :class:`masklens.detector.MaskDetector` on whole pictures for the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from masklens.boxes import iou
from masklens.bundle import Bundle, write_bundle
from masklens.classifier import MaskClassifier
from masklens.crop import FloatArray, crop_faces
from masklens.curves import calibration_error
from masklens.dataset.scan import Dataset, Picture
from masklens.detections import Detections
from masklens.detector import MaskDetector
from masklens.errors import DatasetError
from masklens.finder import load_finder
from masklens.intervals import proportion
from masklens.io.pictures import read_picture
from masklens.labels import MASK_WORN_INCORRECTLY, WITH_MASK, WITHOUT_MASK
from masklens.matching import match
from masklens.training.calibration import (
    BoolArray,
    choose_thresholds,
    fit_face_calibration,
    fit_temperature,
)
from masklens.training.results import accuracy

#: Annotated faces narrower than this count neither in scores of labels nor of detections.
LABEL_MIN_WIDTH = 12.0
DETECTION_MIN_WIDTH = 16.0
#: What the threshold "precise" is for.
PRECISE = 0.95

#: Overlap from which a detection lies on a face.
_MIN_IOU = 0.5


def calibrate(bundle: Bundle, dataset: Dataset) -> tuple[Bundle, dict[str, Any]]:
    """Fit temperature, P(face) and thresholds on photographs, and write them into the card.

    Args:
        bundle: to fit.
        dataset: of photographs that can be read, see :func:`masklens.dataset.readable.readable`.

    Returns:
        The bundle with its new card, and the scores on these photographs.

    Raises:
        DatasetError: no face is wide enough, or none was found.
    """
    where = dataset.source.parent.name
    card = replace(bundle.card, temperature=1.0, face_calibration=None)
    probabilities, targets, widths = classify_annotated(replace(bundle, card=card), dataset)
    large = widths >= LABEL_MIN_WIDTH
    if not large.any():
        raise DatasetError(
            f"No annotated face of {dataset.source} is {LABEL_MIN_WIDTH:g} pixels wide or wider: "
            f"the widest has {widths.max():.1f}, so that there is nothing to fit. Calibrate on "
            "photographs with larger faces."
        )
    card = replace(card, temperature=fit_temperature(probabilities[large], targets[large]))

    found = detect_all(replace(bundle, card=card), dataset)
    judged = judge(dataset, found)
    if not judged.right.any():
        raise DatasetError(
            f"The face finder found none of the faces in {dataset.source} where they are boxed, so "
            "that there is nothing to fit. Are the boxes in pixels of the upright pictures?"
        )
    # Without a calibration the detector's P(face) is the product of both models' answers.
    calibration = fit_face_calibration(
        judged.finder,
        judged.scores / np.maximum(judged.finder * judged.label, 1e-12),
        judged.label,
        judged.exact,
    )
    card = replace(card, face_calibration=calibration)
    judged = judge(dataset, detect_all(replace(bundle, card=card), dataset))
    thresholds = choose_thresholds(
        judged.scores,
        judged.right,
        judged.faces,
        near_best=0.99,
        precise=PRECISE,
        sensitive=0.99,
    )
    card = replace(
        card,
        thresholds=thresholds,
        threshold_notes={
            "default": f"middle of those with 99 % of the best F1 on {where}",
            "precise": _precise_note(judged, thresholds["precise"], where),
            "sensitive": f"keeps 99 % of the right detections on {where}",
        },
    )
    measured = _measure(replace(bundle, card=card), judged, dataset)
    card = replace(card, scores=measured)
    return write_bundle(bundle.folder, card, bundle.paths()), measured


def _precise_note(judged: Judged, threshold: float, where: str) -> str:
    right = judged.right[judged.scores >= threshold]
    hits, boxes = int(right.sum()), len(right)
    if boxes and hits / boxes >= PRECISE:
        return f"lowest with precision {PRECISE} on {where}"
    # Rounded down, so that it is never the precision that is not reached.
    reached = f"{hits * 100 // boxes / 100:.2f}" if boxes else "no box"
    return f"precision {PRECISE} is not reached on {where}; this shows {reached}"


def _measure(bundle: Bundle, judged: Judged, dataset: Dataset) -> dict[str, Any]:
    """The scores of a calibrated bundle; a share of nothing is None."""
    probabilities, targets, widths = classify_annotated(bundle, dataset)
    large = widths >= LABEL_MIN_WIDTH
    names = np.array(bundle.card.labels)
    got, wanted = names[probabilities[large].argmax(axis=1)], names[targets[large]]
    faces = [len(picture.annotations) for picture in dataset.pictures]
    photographs = np.repeat(np.arange(len(faces)), faces)[large]
    said, true = got == MASK_WORN_INCORRECTLY, wanted == MASK_WORN_INCORRECTLY
    shown = judged.scores >= bundle.card.threshold()
    hits, boxes = int(judged.right[shown].sum()), int(shown.sum())
    called_masked = got[wanted == WITHOUT_MASK] == WITH_MASK
    return {
        "data": dataset.source.parent.name,
        "data_sha256": dataset.sha256(),
        "accuracy": accuracy(proportion(got == wanted, photographs)),
        "f1_mask_worn_incorrectly": _share(
            2 * int((said & true).sum()), int(said.sum() + true.sum())
        ),
        "bare_called_masked": _share(int(called_masked.sum()), len(called_masked)),
        "detection_f1": _share(2 * hits, boxes + judged.faces),
        "detection_precision": _share(hits, boxes),
        "detection_recall": _share(hits, judged.faces),
        "expected_calibration_error": float(calibration_error(judged.scores, judged.exact)[0]),
    }


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def classify_annotated(
    bundle: Bundle, dataset: Dataset
) -> tuple[FloatArray, npt.NDArray[np.int64], FloatArray]:
    """What the classifier says at the annotated boxes.

    Returns:
        Probabilities (N, L), right columns (N,), widths (N,) in pixels.
    """
    classifier = MaskClassifier(bundle)
    card = bundle.card
    probabilities, targets, widths = [], [], []
    for picture in dataset.pictures:
        if picture.annotations:
            image = read_picture(picture.path)
            boxes = picture.boxes(image.shape[1], image.shape[0])
            crops = crop_faces(image, boxes, card.size, card.margin)
            probabilities.append(classifier.predict(crops).probabilities)
            targets += [card.labels.index(a.label) for a in picture.annotations]
            widths.append(boxes[:, 2] - boxes[:, 0])
    return (
        np.concatenate(probabilities),
        np.array(targets, np.int64),
        np.concatenate(widths),
    )


def detect_all(bundle: Bundle, dataset: Dataset) -> list[Detections]:
    """Every detection, whatever its score, of every picture."""
    section = bundle.card.finder
    finder = (
        load_finder(None, bundle=bundle, closer=True, min_score=section.min_score)
        if section
        else None
    )
    detector = MaskDetector(bundle, finder=finder, threshold=0.0)
    paths = tqdm([picture.path for picture in dataset.pictures], "detect", disable=None)
    return list(detector.detect_many(paths))


@dataclass(frozen=True)
class Judged:
    """The detections of many pictures that count, against what is annotated.

    Attributes:
        scores, finder, label: float32 (N,): the detector's score, the finder's, and the
            probability of the label that is shown.
        right: bool (N,): on a face, and masked or not masked is right (badly worn counts as not).
        exact: bool (N,): on a face, and the label is right.
        faces: how many annotated faces count.
    """

    scores: FloatArray
    finder: FloatArray
    label: FloatArray
    right: BoolArray
    exact: BoolArray
    faces: int


def judge(dataset: Dataset, found: Sequence[Detections]) -> Judged:
    """Match detections and annotated faces, picture by picture."""
    columns: list[tuple[float, float, float, bool, bool]] = []
    total = 0
    for picture, detections in zip(dataset.pictures, found, strict=True):
        truth = true_boxes(picture)
        boxes = detections.boxes
        overlaps, crowds = iou(boxes, truth), picture.crowd_boxes()
        met = match(boxes, overlaps, truth, _MIN_IOU, DETECTION_MIN_WIDTH, crowds)
        total += int(met.counted.sum())
        for detection, face, ignored in zip(detections, met.truth, met.ignored, strict=True):
            if ignored:
                continue
            said = detection.label
            true = picture.annotations[face].label if face >= 0 else None
            columns.append(
                (
                    detection.score,
                    detection.face_score,
                    detection.probabilities[said],
                    true is not None and (true == WITH_MASK) == (said == WITH_MASK),
                    true == said,
                )
            )
    table = np.array(columns, np.float32).reshape(-1, 5)
    right, exact = table[:, 3] > 0, table[:, 4] > 0
    return Judged(table[:, 0], table[:, 1], table[:, 2], right, exact, total)


def true_boxes(picture: Picture) -> FloatArray:
    """The annotated boxes of a picture: (N, 4), xyxy pixels."""
    return np.array([a.box for a in picture.annotations], np.float32).reshape(-1, 4)
