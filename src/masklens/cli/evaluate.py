"""``masklens evaluate``: a bundle and labelled pictures in, scores with intervals out."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from masklens.cli.options import (
    USUAL_SIZES,
    FiniteRange,
    NamedPath,
    check_results,
    count_option,
    data_argument,
    file_option,
    finder_option,
    json_option,
    long_side_option,
    model_files,
    score_option,
    threads_option,
    typed_command,
)
from masklens.cli.terminal import step_bar, written


@click.command("evaluate")
@click.argument("bundle")
@data_argument
@json_option("Scores as JSON.")
@click.option(
    "--report",
    type=NamedPath(),
    help="Report: a file (.html, .md, .pdf), or a folder for report.html and so on.",
)
@click.option(
    "--format",
    "formats",
    help="Formats of the report, separated by commas: html, md, pdf.  [default: html]",
)
@click.option(
    "--faces",
    type=click.Choice(["find", "whole"]),
    default="find",
    show_default=True,
    help="Portraits: find the face first, or classify the whole picture.",
)
@click.option(
    "--min-face",
    type=FiniteRange(min=0),
    default=16,
    show_default=True,
    help="Scenes: faces narrower than this many pixels count neither way.",
)
@click.option(
    "--min-box",
    type=FiniteRange(min=0),
    default=12,
    show_default=True,
    help="Scenes: judge the classifier alone on annotated faces at least this many pixels wide.",
)
@click.option(
    "--split",
    help="Judge only the test part of a split: report, grouped, MANIFEST.csv or MANIFEST.csv:PART.",
)
@click.option("--against", help="A second bundle to compare with, on the same pictures.")
@file_option("--rival", help="Predictions to compare with, as JSON in the format of detect --json.")
@score_option("--threshold", "Show only boxes with at least this score.  [default: the bundle's]")
@score_option(
    "--rival-threshold",
    "The same for --against or --rival.  [default: the bundle's; 0 for predictions]",
)
@count_option(
    "--mistakes", least=0, default=12, help="Worst mistakes of each kind to show in the report."
)
@click.option(
    "--heat",
    type=click.Choice(["auto", "grad-cam", "occlusion", "none"]),
    default="auto",
    show_default=True,
    help="Heat maps of the mistakes; auto is Grad-CAM where the bundle has a Keras model.",
)
@click.option(
    "--audit/--no-audit",
    default=True,
    show_default=True,
    help="Report: look for near-duplicates among the judged pictures.",
)
@long_side_option(USUAL_SIZES)
@finder_option
@threads_option
def command(
    bundle: str,
    data: Path,
    json_file: Path | None,
    report: Path | None,
    formats: str | None,
    faces: str,
    min_face: float,
    min_box: float,
    split: str | None,
    against: str | None,
    rival: Path | None,
    threshold: float | None,
    rival_threshold: float | None,
    mistakes: int,
    heat: str,
    audit: bool,
    long_side: tuple[int, ...] | None,
    finder: str | None,
    threads: int,
) -> None:
    """Measure a model on labelled pictures; every figure comes with its 95 % interval.

    BUNDLE is the folder of a bundle, the word default for the one that ships with masklens, or a
    predictions file in the format of detect --json. DATA is a folder with one sub-folder per label,
    or a COCO detection file (.json).

    \b
    Examples:
      masklens evaluate default scenes/val/annotations.coco.json
      masklens evaluate runs/street scenes/val/annotations.coco.json --report out/ --format html,pdf
      masklens evaluate runs/report data/prajna --split split.csv:test --faces whole
      masklens evaluate runs/new scenes.json --against default --json scores.json
      masklens evaluate default scenes.json --rival theirs.json

    Exit status: 0 all done, 1 failed or some pictures could not be read, 2 wrong use.
    """
    if against is not None and rival is not None:
        raise click.UsageError("Use --against or --rival, not both.")
    if rival_threshold is not None and against is None and rival is None:
        raise click.UsageError("--rival-threshold is of --against or --rival. Give one.")
    from masklens.evaluation.extras import require_extra

    require_extra()
    from masklens.cli.evaluate_console import show
    from masklens.dataset.scan import load_dataset
    from masklens.dataset.split import manifest_file
    from masklens.evaluation.journey import Request, judge_all
    from masklens.evaluation.report.targets import figures_beside, report_targets
    from masklens.evaluation.run import Options

    targets = report_targets(report, formats)
    models = (bundle,) if against is None else (bundle, against)
    dataset = load_dataset(data)
    read = [*model_files(*models, finder=finder), rival, *dataset.files()]
    reports = {f"--report ({name})": path for name, path in targets.items()}
    if "md" in targets:
        reports["--report (pictures)"] = figures_beside(targets["md"]) / "figure-1.svg"
    check_results({"--json": json_file, **reports}, [*read, manifest_file(split)])
    request = Request(
        model=bundle,
        data=dataset,
        options=Options(
            faces=faces,
            min_face=min_face,
            min_box=min_box,
            finder=finder,
            threads=threads,
            long_side=long_side,
        ),
        split=split,
        threshold=threshold,
        against=str(rival) if rival else against,
        against_threshold=rival_threshold,
        command=typed_command(),
    )
    outcome = judge_all(request, step_bar)
    show(outcome)
    files = list(targets.values())
    if json_file:
        outcome.write_json(json_file)
        files.append(json_file)
    if targets:
        from masklens.evaluation.report.write import write_report

        write_report(outcome, targets, mistakes=mistakes, heat=heat, audit=audit, bar=step_bar)
    written(files)
    sys.exit(1 if outcome.evaluation.unreadable else 0)
