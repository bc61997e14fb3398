"""From a Keras model to proved artefacts in a folder, or in the bundle itself.

Files are made in a temporary folder, measured there, and only then moved: under their name, or
with the suffix ``.rejected`` when they miss a bar.
"""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from masklens.bundle import CARD_FILE, Bundle, check_free, default_bundle_folder, write_bundle
from masklens.card import ModelCard
from masklens.crop import FloatArray
from masklens.errors import BundleError, InputError, MasklensError, OutputError
from masklens.export import FORMATS, PRECISIONS, onnx
from masklens.export.litert import export_litert
from masklens.export.openvino import export_openvino
from masklens.export.parity import Reference, Row, compare, missed_bars, reference
from masklens.export.samples import CALIBRATION_CROPS, Crops, cut_crops, data_or_default
from masklens.export.source import KerasSource, load_source
from masklens.export.table import JSON_FILE, MARKDOWN_FILE, Proof
from masklens.export.timing import ROUNDS, Candidate, machine, time_candidates
from masklens.io.atomic import atomic_path, check_writable
from masklens.io.quiet import quiet

REJECTED = ".rejected"

Say = Callable[[str], None]

#: Name in a bundle -> where the file lies.
Files = dict[str, Path]


@dataclass(frozen=True)
class Exported:
    """What an export has done.

    Attributes:
        proof: the table.
        written: every file, the rejected ones too.
        rejected: file -> the bars that it misses.
        skipped: pictures that could not be read, each with the reason.
    """

    proof: Proof
    written: tuple[Path, ...]
    rejected: Mapping[str, Sequence[str]]
    skipped: tuple[str, ...] = ()


def export(
    path: Path,
    out: Path | None,
    *,
    best: bool = False,
    formats: Sequence[str] = tuple(FORMATS),
    precisions: Sequence[str] = PRECISIONS,
    data: Path | None = None,
    calibration: Path | None = None,
    rounds: int = ROUNDS,
    say: Say = lambda _: None,
) -> Exported:
    """Export a model and prove every file.

    Args:
        path: a bundle's folder, or a ``.keras`` or ``.h5`` file.
        out: folder for the artefacts, the card and the proof, without a card yet; None is the
            bundle's own, and implies ``best``.
        best: keep of each format only the smallest precision that holds its bar, as ``classifier``
            with the format's suffix. That is how a bundle is made that ships.
        formats: of :data:`masklens.export.FORMATS`.
        precisions: of :data:`masklens.export.PRECISIONS`.
        data: labelled pictures for the proof; None takes scenes/val below ``MASKLENS_DATA``.
        calibration: labelled pictures for int8, others than ``data``; None takes scenes/train.
        rounds: runs of each file for the times; the median counts.
        say: is told what is being done.

    Raises:
        BundleError: no bundle, a damaged one, one without a Keras model, or one that artefacts
            cannot be put into.
        InputError: the Keras model cannot be used, or has a layer that a format lacks.
        DatasetError: no pictures to compare or calibrate on.
        OutputError: the folder holds a bundle or a file that would be replaced, or cannot be
            written.
    """
    if out is not None:
        if (out / CARD_FILE).exists():
            raise OutputError(
                f"{out} holds a bundle already. Choose another --out; --into-bundle adds to the "
                "bundle that is exported."
            )
        names = [f"classifier{FORMATS[form]}" for form in formats]
        if not best:
            names = [_name(form, precision) for form in formats for precision in precisions]
        parts = (part for name in names for part in _parts(name))
        check_free(out, (*parts, JSON_FILE, MARKDOWN_FILE))
        check_writable(out / CARD_FILE)
    data = data_or_default(data, "val", "--data", "Proving an export")
    if "int8" in precisions:
        calibration = data_or_default(calibration, "train", "--calibration", "int8")
    say(f"Loading {path}")
    with quiet():
        source = load_source(path)
    if out is None:
        own = _own_bundle(source, formats)
        out, files, best = own.folder, own.paths(), True
        check_writable(out / CARD_FILE)
    else:  # what the card says of the face finder goes with its files
        files = source.bundle.finder_files() if source.bundle else {}
        check_free(out, files)
    say(f"Cutting the faces of {data}")
    crops = cut_crops(data, source.card)
    for_int8 = None
    if "int8" in precisions and calibration is not None:
        say(f"Cutting {CALIBRATION_CROPS} faces of {calibration} to calibrate int8")
        for_int8 = cut_crops(calibration, source.card, CALIBRATION_CROPS)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        made = _make(source, work, formats, precisions, for_int8, say)
        proof, rows = _prove(source, work, made, crops, rounds, say)
        keep = _keep_best if best else _keep_all
        done = keep(out, source.card, files, work, rows, proof)
    return dataclasses.replace(done, skipped=crops.skipped + (for_int8.skipped if for_int8 else ()))


def _own_bundle(source: KerasSource, formats: Sequence[str]) -> Bundle:
    """The bundle that is exported, if artefacts may be put into it."""
    if source.bundle is None or source.bundle.folder.samefile(default_bundle_folder()):
        raise BundleError(
            f"{source.path} is no bundle that artefacts can be put into. Give --best and --out DIR "
            "instead."
        )
    if source.file.suffix in {FORMATS[form] for form in formats}:
        raise BundleError(
            f"{source.file} is all that is left of the Keras model, and an export would take its "
            "place. Give --best and --out DIR instead."
        )
    return source.bundle


def _make(
    source: KerasSource,
    work: Path,
    formats: Sequence[str],
    precisions: Sequence[str],
    calibration: Crops | None,
    say: Say,
) -> list[tuple[str, str, str]]:
    """Write the artefacts; the float32 ONNX file always, because it is what others start from.

    Returns:
        File, format and precision of those that were asked for.
    """
    float32 = work / _name("onnx", "fp32")
    with _converting(source, "onnx"):
        onnx.export_fp32(source, float32)
    size = source.card.size
    crops = calibration.images if calibration else np.zeros((0, size, size, 3), np.uint8)
    tensor = source.prepare(crops)
    made = [(_name(form, p), form, p) for form in formats for p in precisions]
    for name, form, precision in made:
        say(f"Making {name}")
        with _converting(source, form):
            _make_one(source, float32, work / name, form, precision, tensor)
    return made


def _make_one(
    source: KerasSource, float32: Path, path: Path, form: str, precision: str, tensor: FloatArray
) -> None:
    """Write one artefact; the float32 ONNX file is there already."""
    card = source.card
    if form == "litert":
        export_litert(source, path, precision, tensor)
    elif form == "openvino":
        original = float32
        if precision == "int8":
            # OpenVINO is slower with four pixels at a time: its file comes from a plain one.
            original = path.with_name("plain-int8.onnx")
            onnx.export_int8(float32, original, card, tensor, grouped=False)
        export_openvino(original, path, card, precision)
    elif precision == "int8":
        onnx.export_int8(float32, path, card, tensor)
    elif precision == "fp16":
        onnx.export_fp16(float32, path, card)


@contextmanager
def _converting(source: KerasSource, form: str) -> Iterator[None]:
    """Quiet, and what converters say of layers that they do not know, in one line."""
    try:
        with quiet():
            yield
    except (MasklensError, OSError):
        raise
    except Exception as error:  # each converter raises its own
        reason = " ".join(str(error).split())[:200].rstrip(".")
        start = ", which every export starts from" if form == "onnx" else ""
        raise InputError(
            f"{source.file} cannot be converted to {form}{start}: {reason}. Build it from other "
            "layers."
        ) from error


def _prove(
    source: KerasSource,
    work: Path,
    made: Sequence[tuple[str, str, str]],
    crops: Crops,
    rounds: int,
    say: Say,
) -> tuple[Proof, list[Row]]:
    """Compare and time the artefacts."""
    baseline = _name("onnx", "fp32")
    names = [baseline, *(name for name, _, _ in made)]
    bundle = Bundle(work, dataclasses.replace(source.card, files={name: {} for name in names}))
    candidates = [Candidate(bundle, name, form) for name, form, _ in made]
    say(f"Comparing with Keras on {len(crops)} faces")
    size = source.file.stat().st_size
    with quiet():
        keras = reference(source.predict(crops.images), crops, source.card, size)
        rows = [
            compare(candidate, precision, crops, keras)
            for candidate, (_, _, precision) in zip(candidates, made, strict=True)
        ]
    say("Timing")
    with quiet():
        times = time_candidates([Candidate(bundle, baseline, "onnx"), *candidates], rounds=rounds)
    float32_bytes = (work / baseline).stat().st_size
    rows = [
        dataclasses.replace(
            row,
            timings=timings,
            speedup=times[0][0].milliseconds / timings[0].milliseconds,
            missed=missed_bars(row, keras, float32_bytes),
        )
        for row, timings in zip(rows, times[1:], strict=True)
    ]
    return _proof(source, crops, keras, rows), rows


def _proof(source: KerasSource, crops: Crops, keras: Reference, rows: Sequence[Row]) -> Proof:
    return Proof(
        model=f"{source.card.name} {source.card.version}",
        data={
            "name": crops.name,
            "sha256": crops.sha256,
            "faces": len(crops),
            "trained_on": crops.trained_on,
        },
        machine=machine(),
        keras={
            "file": source.file.name,
            "accuracy": keras.accuracy.to_dict(),
            "bytes": keras.bytes,
        },
        rows=[row.to_dict() for row in rows],
    )


def _keep_all(
    out: Path, card: ModelCard, files: Files, work: Path, rows: Sequence[Row], proof: Proof
) -> Exported:
    """Artefacts under their own names, and a card that lists the good ones, smallest first."""
    beside: list[Path] = []
    for row in rows:
        for name in _parts(row.file):
            if row.missed:
                beside.append(out / f"{name}{REJECTED}")
                with atomic_path(beside[-1]) as temporary:
                    shutil.copyfile(work / name, temporary)
            else:
                files[name] = work / name
    beside += proof.write(out)
    # Last: a folder with a card has its proof, and takes no second export.
    bundle = write_bundle(out, card, files)
    written = [*(out / name for name in bundle.card.files), *beside]
    return Exported(proof, tuple(written), _rejected(rows))


def _keep_best(
    out: Path, card: ModelCard, files: Files, work: Path, rows: Sequence[Row], proof: Proof
) -> Exported:
    """The best file of each format under the bundle's own names, beside ``files``.

    Nothing is written when no file holds its bar.
    """
    kept: dict[str, Row] = {}
    for row in sorted(rows, key=lambda row: PRECISIONS.index(row.precision)):
        if not row.missed and row.runtime not in kept:
            names = {name: f"classifier{Path(name).suffix}" for name in _parts(row.file)}
            files |= {new: work / old for old, new in names.items()}
            kept[row.runtime] = dataclasses.replace(row, file=names[row.file])
    if not kept:
        return Exported(proof, (), _rejected(rows))
    kept_proof = dataclasses.replace(proof, rows=[row.to_dict() for row in kept.values()])
    if JSON_FILE in files:
        kept_proof = kept_proof.with_earlier(out)
    for path in kept_proof.write(work):
        files[path.name] = path
    bundle = write_bundle(out, card, files)
    written = tuple(out / name for name in bundle.card.files)
    return Exported(proof, written, _rejected(rows))


def _rejected(rows: Sequence[Row]) -> dict[str, Sequence[str]]:
    return {row.file: row.missed for row in rows if row.missed}


def _name(form: str, precision: str) -> str:
    return f"classifier-{precision}{FORMATS[form]}"


def _parts(name: str) -> tuple[str, ...]:
    """The files that belong to an artefact: OpenVINO keeps its weights beside it."""
    return (name, f"{Path(name).stem}.bin") if name.endswith(".xml") else (name,)
