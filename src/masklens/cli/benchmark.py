"""``masklens benchmark``: how fast a bundle's models are on this machine."""

from __future__ import annotations

from pathlib import Path

import click

from masklens.cli.options import BundlePath, check_results, json_option, model_files, rounds_option
from masklens.cli.terminal import written


@click.command("benchmark")
@click.argument("bundles", nargs=-1, type=BundlePath(), metavar="[BUNDLE]...")
@json_option("The figures as JSON as well.")
@rounds_option
def command(bundles: tuple[Path, ...], json_file: Path | None, rounds: int) -> None:
    """Time the models of bundles on this machine, side by side.

    BUNDLE is the folder of a bundle or of an export; without one it is the bundle that ships with
    masklens. Every file runs in every installed runtime that reads it. Where a table of an export
    lies beside the files, its accuracy and agreement with Keras are shown again.

    \b
    Examples:
      masklens benchmark
      masklens benchmark exports/ runs/report

    Exit status: 0 done, 1 failed, 2 wrong use.
    """
    from masklens.export.benchmark import benchmark
    from masklens.export.table import JSON_FILE

    proofs = [Path(folder, JSON_FILE) for folder in bundles]
    check_results({"--json": json_file}, [*model_files(*(bundles or (None,))), *proofs])
    done = benchmark(bundles, rounds, say=lambda text: click.echo(text, err=True))
    click.echo(done.text())
    if json_file is not None:
        done.write(json_file)
        written([json_file])
