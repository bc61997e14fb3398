"""``masklens serve``: the page and the HTTP API."""

from __future__ import annotations

import os
import re
import sys
import threading
import webbrowser
from pathlib import Path

import click

from masklens.cli.options import (
    USUAL_SIZES,
    bundle_option,
    count_option,
    finder_option,
    long_side_option,
)
from masklens.limits import MAX_THREADS


def _host_names(
    ctx: click.Context, param: click.Parameter, values: tuple[str, ...]
) -> tuple[str, ...]:
    """The names without ports, as the server reads them from requests."""
    from masklens.server.settings import host_name

    names = []
    for value in values:
        bare = value.count(":") > 1 and not value.startswith("[")  # IPv6, as --host takes it
        name = host_name(f"[{value}]" if bare else value)
        if not name or not re.fullmatch(r"[A-Za-z0-9_.:\[\]-]+", value):
            raise click.BadParameter(
                f'"{value}" is no host name. Give it alone, as in masks.example.'
            )
        names.append(name)
    return tuple(names)


@click.command("serve")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@count_option(
    "--port", least=0, most=65535, default=8000, help="Port to listen on; 0 takes any free one."
)
@click.option(
    "--allow-host",
    "hosts",
    callback=_host_names,
    multiple=True,
    metavar="NAME",
    help="Answer to this name too, for example that of a reverse proxy; may be repeated.",
)
@long_side_option(USUAL_SIZES)
@bundle_option
@finder_option
@count_option(
    "--workers",
    least=0,
    most=MAX_THREADS,
    default=0,
    help="Pictures in work at a time; 0 is one per core.",
)
@count_option("--queue", default=32, help="Pictures waiting or in work; past it requests get 429.")
@click.option("--open", "show", is_flag=True, help="Open the page in a browser.")
def command(
    host: str,
    port: int,
    hosts: tuple[str, ...],
    long_side: tuple[int, ...] | None,
    bundle: Path | None,
    finder: str | None,
    workers: int,
    queue: int,
    show: bool,
) -> None:
    """Serve the page, and mask detection over HTTP.

    The page works in the browser: its pictures stay there. Programs send pictures to /v1/detect;
    /docs describes it. Nothing of a picture is written to disk or log.

    Where other machines can reach it, requests need the token that MASKLENS_TOKEN holds.

    \b
    Examples:
      masklens serve
      curl --data-binary @photo.jpg http://127.0.0.1:8000/v1/detect
      MASKLENS_TOKEN=... masklens serve --host 0.0.0.0

    Exit status: 0 stopped by Ctrl-C or SIGTERM, 1 could not start, 2 wrong use.
    """
    from masklens.server import require_extra

    require_extra()
    from masklens.detector import MaskDetector
    from masklens.server.run import run
    from masklens.server.settings import Limits, Settings, token_of

    settings = Settings(
        host=host,
        port=port,
        token=token_of(os.environ),
        hosts=hosts,
        workers=workers,
        limits=Limits(queue=queue),
    )
    detector = MaskDetector(bundle, finder=finder, threads=1, long_side=long_side)

    def ready(address: str) -> None:
        click.echo(f"masklens is at {address} (API: /docs). Ctrl-C stops it.")
        if show and _has_browser():
            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()

    run(detector, settings, ready)


def _has_browser() -> bool:
    """Whether a browser would get a window of its own; one in the terminal would take it over."""
    known = any(name in os.environ for name in ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY"))
    return known or sys.platform in ("win32", "darwin")
