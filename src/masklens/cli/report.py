"""``masklens report``: what cameras and films have shown, by the hour."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from masklens.cli.options import NamedPath, check_results, json_option, result_option


@click.command("report")
@click.argument("logs", nargs=-1, required=True, type=NamedPath(readable=False), metavar="LOG...")
@click.option(
    "--by",
    type=click.Choice(["minute", "hour", "day"]),
    default="hour",
    show_default=True,
    help="The length of a period.",
)
@result_option("--csv", "csv_file", help="A row per period, as CSV.")
@json_option("The same as JSON.")
def command(logs: tuple[Path, ...], by: str, csv_file: Path | None, json_file: Path | None) -> None:
    """Report by the hour or day how many wore a mask.

    LOG is a file that masklens live writes with --json or --tracks, or that masklens detect writes
    of videos with --json FILE.jsonl or --tracks, or a folder of such files. They may be rotated,
    compressed (.gz) or still being written. The files of one camera (hall.jsonl, hall.tracks.csv,
    hall.jsonl.1.gz) make one report; what two of them hold is counted once.

    Each face that was followed is one person, counted in the period in which it was first seen:
    somebody who leaves and comes back counts twice. Hours and days are those of the place where
    the log was written; films are counted from their beginning. Hours without anybody, and the
    last three columns, need the log of --json: tables of tracks do not hold them.

    \b
    Examples:
      masklens report hall.jsonl
      masklens report /var/lib/masklens --by day --csv report.csv
      masklens report hall.tracks.csv*

    Exit status: 0 all done, 1 some logs could not be read, 2 wrong use.
    """
    from masklens.cli.console import complain
    from masklens.cli.report_console import show, write_rows
    from masklens.cli.terminal import show_skipped, step_bar, written
    from masklens.errors import InputError
    from masklens.io.log_files import LogFile, find_logs
    from masklens.plural import many
    from masklens.stream.report import make_reports

    failures: list[InputError] = []

    def failed(error: InputError) -> None:
        failures.append(error)
        complain(error)

    def broken(log: LogFile, lines: int) -> None:
        show_skipped([f"{many(lines, 'line')} of {log.path} that the end of a run cut short."])

    found = find_logs(logs, failed)
    if not found:
        sys.exit(1)
    check_results({"--csv": csv_file, "--json": json_file}, [log.path for log in found])
    with step_bar(len(found), unit="log") as advance:
        reports = make_reports(found, by, on_broken=broken, on_error=failed, on_file=advance)
    show(reports, by)
    write_rows(reports, csv_file, json_file)
    written([csv_file, json_file])
    sys.exit(1 if failures else 0)
