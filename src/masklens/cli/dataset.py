"""``masklens dataset``: fetching, describing, auditing and splitting labelled pictures."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from click.core import ParameterSource

from masklens.cli.dataset_synthesize import command as synthesize_command
from masklens.cli.options import (
    FiniteRange,
    check_results,
    count_option,
    data_argument,
    folder_option,
    json_option,
    result_option,
    seed_option,
    sheet_option,
    sheet_results,
)
from masklens.cli.terminal import step_bar, written
from masklens.limits import TEST_SHARES
from masklens.plural import many


@click.group("dataset")
def command() -> None:
    """Fetch, look through, audit, split and make labelled pictures.

    DATA is a folder with one sub-folder per label, or a COCO detection file (.json).

    \b
    Examples:
      masklens dataset fetch prajna
      masklens dataset summary data/prajna --sheet examples.png
      masklens dataset audit data/prajna --sheet copies.png --split report
      masklens dataset split data/prajna --out split.csv
    """


@command.command("fetch")
@click.argument("name")
@folder_option("--to", "target", help="Folder to put the files in.  [default: data/NAME]")
@folder_option(
    "--from", "source", help="Copy the files from this folder instead of downloading them."
)
@click.option(
    "--url",
    "urls",
    multiple=True,
    help="Base address to download from instead of the built-in one.",
)
@count_option("--connections", most=16, default=6, help="Files to download at a time.")
def fetch_command(
    name: str, target: Path | None, source: Path | None, urls: tuple[str, ...], connections: int
) -> None:
    """Download a public data set and check every file of it.

    NAME is prajna: 690 portraits with a pasted mask and 686 without, the data of the original
    report. Files that are there already are kept; a download that broke off is continued.

    \b
    Examples:
      masklens dataset fetch prajna
      masklens dataset fetch prajna --to /data/prajna
      masklens dataset fetch prajna --from backup/prajna

    Exit status: 0 all files are there, 1 failed, 2 wrong use.
    """
    from masklens.cli.dataset_console import byte_bar
    from masklens.dataset.download import fetch
    from masklens.dataset.manifest import load_manifest

    manifest = load_manifest(name)
    target = target or Path("data") / manifest.name
    click.echo(f"{manifest.name}: {len(manifest.files):,} files from {manifest.homepage}")
    click.echo(f"Licence: {manifest.licence}.")
    with byte_bar(manifest.bytes) as progress:
        done = fetch(
            manifest,
            target,
            source=source,
            urls=urls or None,
            progress=progress,
            connections=connections,
        )
    verb = "copied" if source else "downloaded"
    click.secho(
        f"{done.fetched:,} files {verb}, {done.present:,} were there already; all are as listed.",
        bold=True,
    )
    written([target])


@command.command("summary")
@data_argument
@sheet_option("Contact sheet, as a picture.")
def summary_command(data: Path, sheet: Path | None) -> None:
    """Count labels, measure pictures, find files that cannot be read.

    \b
    Examples:
      masklens dataset summary data/prajna --sheet examples.png
      masklens dataset summary scenes/train/annotations.coco.json

    Exit status: 0 all files could be read, 1 some could not, 2 wrong use.
    """
    from masklens.cli.dataset_console import show_summary
    from masklens.dataset.scan import load_dataset
    from masklens.dataset.sheet import draw_sheets, save_sheets
    from masklens.dataset.summary import summarise

    dataset = load_dataset(data)
    check_results(sheet_results(sheet), dataset.files())
    with step_bar(len(dataset)) as advance:
        summary = summarise(dataset, advance)
    show_summary(summary)
    if sheet and summary.sheet:
        title = summary.title(dataset.short_name)
        written(save_sheets(sheet, draw_sheets(title, summary.sheet)))
    sys.exit(1 if summary.unreadable else 0)


@command.command("audit")
@data_argument
@sheet_option("The groups as pictures: FILE, and FILE-2, FILE-3 ... for further pages.")
@json_option("Groups and pairs as JSON.")
@click.option(
    "--split",
    help="Count copies that this split separates: report (the original one), or FILE.csv[:PART].",
)
def audit_command(
    data: Path, sheet: Path | None, json_file: Path | None, split: str | None
) -> None:
    """Find near-duplicates, and test pictures that have one in the training part.

    They are copies of one photograph: exact, turned, mirrored, cropped, blurred or noisy ones, also
    when a mask was pasted on one of them. Two photographs of one person are not copies.

    \b
    Examples:
      masklens dataset audit data/prajna --sheet copies.png --split report
      masklens dataset audit data/prajna --json copies.json --split split.csv:test

    Exit status: 0 all done, 1 some pictures could not be read, 2 wrong use.
    """
    from masklens.cli.dataset_console import show_audit
    from masklens.dataset.audit import audit
    from masklens.dataset.audit import sheet as draw_groups
    from masklens.dataset.bars import step_bars
    from masklens.dataset.scan import load_dataset
    from masklens.dataset.sheet import draw_sheets, save_sheets
    from masklens.dataset.split import manifest_file
    from masklens.io.atomic import write_json

    dataset = load_dataset(data)
    read = [*dataset.files(), manifest_file(split)]
    check_results({**sheet_results(sheet), "--json": json_file}, read)
    with step_bars() as progress:
        report = audit(dataset, split, progress)
    show_audit(report)
    if json_file:
        write_json(json_file, report.to_dict())
        written([json_file])
    if sheet and report.groups:
        title = f"{dataset.short_name}: {many(len(report.groups), 'photograph')} in copies"
        written(save_sheets(sheet, draw_sheets(title, draw_groups(report), columns=14)))
    sys.exit(1 if report.unreadable else 0)


@command.command("split")
@data_argument
@result_option(
    "--out",
    "file",
    required=True,
    help="Manifest to write: CSV with the columns file, label, group, split.",
)
@click.option(
    "--test",
    type=FiniteRange(*TEST_SHARES),
    default=0.2,
    show_default=True,
    help="Share of the test part.",
)
@count_option("--folds", least=2, help="Make this many folds instead of train and test.")
@seed_option(42, "The same seed, the same split.")
def split_command(data: Path, file: Path, test: float, folds: int | None, seed: int) -> None:
    """Split labelled pictures so that copies of a photograph stay together.

    Labels keep their shares in each part. The manifest is what train and evaluate take as --split.

    \b
    Examples:
      masklens dataset split data/prajna --out split.csv
      masklens dataset split data/prajna --out folds.csv --folds 5
      masklens train data/prajna --split split.csv --out runs/honest

    Exit status: 0 all done, 1 some pictures could not be read, 2 wrong use.
    """
    asked = click.get_current_context().get_parameter_source("test")
    if folds is not None and asked is not ParameterSource.DEFAULT:
        raise click.UsageError("Use --test or --folds, not both: folds have equal shares.")
    from masklens.cli.dataset_console import show_split
    from masklens.dataset.bars import step_bars
    from masklens.dataset.scan import load_dataset
    from masklens.dataset.split import split_dataset, write_manifest

    dataset = load_dataset(data)
    check_results({"--out": file}, dataset.files())
    with step_bars() as progress:
        rows, unreadable = split_dataset(
            dataset, test=test, folds=folds, seed=seed, progress=progress
        )
    write_manifest(file, rows)
    show_split(rows, unreadable)
    written([file])
    sys.exit(1 if unreadable else 0)


command.add_command(synthesize_command)
