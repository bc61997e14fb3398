"""The worst mistakes, as small pictures: what was seen, and where the model looked."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image as PillowImage

from masklens.crop import Image, crop_face, crop_square, whole_picture
from masklens.evaluation.evaluate import Evaluation
from masklens.evaluation.pairing import pair
from masklens.evaluation.report.explain import Explainer
from masklens.evaluation.run import WHOLE
from masklens.evaluation.scenes import IOU
from masklens.intervals import Array, Ints
from masklens.io.draw import SHORT_NAMES, colour_of
from masklens.io.pictures import read_picture

#: Side in pixels of each small picture.
_SIDE = 200
_CONTEXT_MARGIN = 0.8


@dataclass(frozen=True, eq=False)
class Mistake:
    """One mistake.

    Attributes:
        picture: number of the picture.
        box: xyxy pixels.
        truth: true label, or None where there was nothing annotated.
        answer: label given, or None where nothing was found.
        score: of the answer, 0…1; None without one.
    """

    picture: int
    box: Array
    truth: str | None
    answer: str | None
    score: float | None


@dataclass(frozen=True)
class Shown:
    """A mistake as the report shows it: JPEG bytes, size in pixels and caption lines."""

    jpeg: bytes
    width: int
    height: int
    name: str
    text: str


@dataclass(frozen=True)
class Gallery:
    """Mistakes of one kind, worst first."""

    title: str
    note: str
    total: int
    shown: tuple[Shown, ...]


def galleries(
    evaluation: Evaluation, explainer: Explainer | None, limit: int
) -> tuple[Gallery, ...]:
    """The worst mistakes of each kind, at most ``limit`` of each; kinds without any left out."""
    kinds = _scene_kinds(evaluation) if evaluation.scenes else _portrait_kinds(evaluation)
    return tuple(
        Gallery(
            title,
            note,
            len(mistakes),
            tuple(show(evaluation, m, explainer) for m in mistakes[:limit]),
        )
        for title, note, mistakes in kinds
        if mistakes
    )


Kind = tuple[str, str, list[Mistake]]


def _portrait_kinds(e: Evaluation) -> list[Kind]:
    a = e.answers
    assert a is not None
    wrong = np.flatnonzero(a.found & ~a.right)
    wrong = wrong[np.argsort(-a.confidence[wrong], kind="stable")]
    labels = [
        Mistake(int(a.pictures[i]), a.boxes[i], a.labels[a.truth[i]], a.labels[a.predicted[i]],
                float(a.confidence[i]))
        for i in wrong
    ]  # fmt: skip
    missed = [
        Mistake(int(a.pictures[i]), _whole_box(e, int(a.pictures[i])), a.labels[a.truth[i]], None,
                None)
        for i in np.flatnonzero(~a.found)
    ]  # fmt: skip
    return [
        ("Wrong labels", "The surest wrong answers first.", labels),
        ("Pictures in which no face was found", "Each counts as wrong.", missed),
    ]


def _whole_box(e: Evaluation, number: int) -> Array:
    return np.array([0, 0, *e.run.sizes[number]], dtype=float)


def _scene_kinds(e: Evaluation) -> list[Kind]:
    scenes = e.scenes
    assert scenes is not None
    faces, found = pair(scenes, IOU, e.options.min_face, scenes.threshold)
    names = scenes.labels

    def of_found(rows: Ints) -> list[Mistake]:
        rows = rows[np.argsort(-found.scores[rows], kind="stable")]
        return [
            Mistake(
                int(found.pictures[i]),
                # Boxes are sorted by score, so those shown are the first of their picture.
                scenes.pictures[found.pictures[i]].found[found.rows[i]],
                names[found.truth[i]] if found.truth[i] >= 0 else None,
                names[found.labels[i]],
                float(found.scores[i]),
            )
            for i in rows
        ]

    missed = np.flatnonzero(~faces.found & faces.masked)
    missed = missed[np.argsort(-faces.widths[missed], kind="stable")]
    wrong = np.flatnonzero((found.truth >= 0) & (found.truth != found.labels))
    return [
        ("Wrong labels on found faces", "The surest first.", of_found(wrong)),
        ("Boxes on nothing annotated", "The surest first. Some may be faces that nobody boxed, "
         "or whose box overlaps too little (IoU below 0.5).",
         of_found(np.flatnonzero(found.truth < 0))),
        ("Masked faces that were not found", "The largest first; at IoU 0.5, so a box that is too "
         "loose counts as a miss.", [
            Mistake(int(faces.pictures[i]), scenes.pictures[faces.pictures[i]].truth[faces.rows[i]],
                    names[faces.labels[i]], None, None)
            for i in missed
        ]),
    ]  # fmt: skip


def show(e: Evaluation, mistake: Mistake, explainer: Explainer | None) -> Shown:
    """A mistake as a picture: the surroundings with the box, and beside it the heat map."""
    picture = e.selection.dataset.pictures[mistake.picture]
    image = read_picture(picture.path)
    panels = [_surroundings(image, mistake)]
    if explainer is not None and mistake.answer is not None and e.subject.bundle is not None:
        card = e.subject.bundle.card
        if e.scenes is None and e.options.faces == WHOLE:
            crop = whole_picture(image, card.size)
        else:
            crop = crop_face(image, mistake.box, card.size, card.margin)
        # A label that the model has folded away is asked for by its folded name.
        if mistake.answer in card.labels:
            panels.append(overlay(crop, explainer.heat(crop, mistake.answer)))
    shown = np.hstack(list(_spaced(panels)))
    buffer = io.BytesIO()
    PillowImage.fromarray(shown).save(buffer, format="JPEG", quality=88)
    width = mistake.box[2] - mistake.box[0]
    said = "not found" if mistake.answer is None else f"said {_short(mistake.answer)}"
    if mistake.score is not None:
        said += f" {mistake.score:.0%}"
    truth = "nothing annotated" if mistake.truth is None else f"is {_short(mistake.truth)}"
    return Shown(
        buffer.getvalue(),
        shown.shape[1],
        shown.shape[0],
        picture.name,
        f"{truth}, {said}, {width:.0f} px",
    )


def overlay(crop: Image, heat: Array | np.ndarray) -> Image:
    """A crop, greyed, with a heat map (S, S), 0…1, laid over it: uint8 (_SIDE, _SIDE, 3)."""
    grey = cv2.cvtColor(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    shade = np.clip(heat * 255, 0, 255).astype(np.uint8)
    colours = cv2.cvtColor(cv2.applyColorMap(shade, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB)
    strength = 0.65 * np.sqrt(np.clip(heat, 0, 1))[..., None]
    mixed = grey * (1 - strength) + colours * strength
    return _square(mixed.astype(np.uint8))


def _surroundings(image: Image, mistake: Mistake) -> Image:
    """The face with room around it, and its box in the colour of the answer; grey outside."""
    left, top, side = crop_square(mistake.box, _CONTEXT_MARGIN)
    height, width = image.shape[:2]
    if side > 1.3 * max(height, width):  # the box is about the whole picture
        left, top, side = crop_square((0, 0, width, height), 0)
    before = (max(0, -top), max(0, -left))
    window = image[max(0, top) : top + side, max(0, left) : left + side]
    after = (side - before[0] - len(window), side - before[1] - window.shape[1])
    padding = ((before[0], after[0]), (before[1], after[1]), (0, 0))
    panel = _square(np.pad(window, padding, constant_values=235))
    corners = (np.reshape(mistake.box, (2, 2)) - (left, top)) * (_SIDE / side)
    low, high = np.rint(corners).astype(int).tolist()
    label = mistake.answer or mistake.truth or ""
    cv2.rectangle(panel, low, high, colour_of(label), 2)
    return panel


def _square(image: Image) -> Image:
    interpolation = cv2.INTER_AREA if len(image) > _SIDE else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (_SIDE, _SIDE), interpolation=interpolation), np.uint8)


def _spaced(panels: Sequence[Image]) -> Iterable[Image]:
    """The panels with a white line between them."""
    for number, panel in enumerate(panels):
        if number:
            yield np.full((_SIDE, 4, 3), 255, np.uint8)
        yield panel


def _short(label: str) -> str:
    return SHORT_NAMES.get(label, label)
