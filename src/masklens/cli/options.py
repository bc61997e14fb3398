"""Options that several commands share, so that they say and mean the same everywhere."""

from __future__ import annotations

from pathlib import Path

import click

threshold_option = click.option(
    "--threshold",
    type=click.FloatRange(0, 1),
    help="Leave out faces with a lower score.  [default: the bundle's]",
)
bundle_option = click.option(
    "--bundle",
    type=click.Path(path_type=Path),
    help="Folder of a model bundle.  [default: the one that ships with masklens]",
)
finder_option = click.option(
    "--finder",
    help="Face finder: yunet, or the path of an .onnx file.  [default: the bundle's]",
)
threads_option = click.option(
    "--threads",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Threads per network; 0 uses every core.",
)
