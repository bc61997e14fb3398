"""``masklens live``: a camera, a network address or a video, labelled while it runs."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from click.core import ParameterSource

from masklens.cli.options import (
    FiniteRange,
    bundle_option,
    count_option,
    finder_option,
    is_device,
    json_option,
    keep_apart,
    long_side_option,
    model_files,
    result_option,
    threshold_option,
)


@click.command("live")
@click.argument("source")
@click.option("--show", is_flag=True, help="Open a window: q or Esc quits, space pauses, s saves.")
@result_option("--record", help="Write an H.264 MP4.")
@json_option("A line of JSON per frame.")
@result_option(
    "--tracks",
    help="A row per face that was followed, as CSV.  [default: beside --json, as .tracks.csv]",
)
@click.option(
    "--append",
    is_flag=True,
    help="Continue the files of --json and --tracks, and give --record the next free number. "
    "Without it the files of an earlier run are replaced.",
)
@click.option("--max-fps", type=FiniteRange(min=0.1), help="At most this many frames a second.")
@count_option(
    "--every", help="Look for faces in every K-th frame.  [default: as often as time allows]"
)
@click.option(
    "--give-up",
    type=FiniteRange(min=0),
    default=120.0,
    show_default=True,
    help="Seconds to wait for a lost camera.",
)
@click.option(
    "--alarm",
    "notify",
    metavar="COMMAND|URL",
    help="Run a command, or post to an http(s) address, when somebody wears no mask or wears it "
    "badly; see docs/video.md.",
)
@click.option(
    "--alarm-after",
    type=FiniteRange(min=0),
    metavar="SECONDS",
    default=2,
    show_default=True,
    help="Only after it has been so for this long.",
)
@click.option(
    "--alarm-pause",
    type=FiniteRange(min=0),
    metavar="SECONDS",
    default=60,
    show_default=True,
    help="At most one alarm in this time, and one per face.",
)
@click.option(
    "--alarm-share",
    type=FiniteRange(0, 1, min_open=True),
    metavar="SHARE",
    help="Raise it for the people together instead: when less than this share of them, such as "
    "0.8, wears the mask properly. Again only after the share was reached.",
)
@count_option(
    "--alarm-people",
    metavar="PEOPLE",
    default=10,
    help="With --alarm-share: only when at least so many were seen.",
)
@click.option(
    "--alarm-minutes",
    type=FiniteRange(min=0, min_open=True),
    metavar="MINUTES",
    default=10,
    show_default=True,
    help="With --alarm-share: count those who were seen in this time.",
)
@threshold_option
@long_side_option("640")
@bundle_option
@finder_option
def command(
    source: str,
    show: bool,
    record: Path | None,
    json_file: Path | None,
    tracks: Path | None,
    append: bool,
    max_fps: float | None,
    every: int | None,
    give_up: float,
    notify: str | None,
    alarm_after: float,
    alarm_pause: float,
    alarm_share: float | None,
    alarm_people: int,
    alarm_minutes: float,
    threshold: float | None,
    long_side: tuple[int, ...] | None,
    bundle: Path | None,
    finder: str | None,
) -> None:
    """Label a camera, a network stream or a video while it runs.

    SOURCE is the number of a webcam (0) or its device, an RTSP or HTTP address, a video file, or a
    folder of frames. Faces are followed, and labels are votes over time. A lost camera is opened
    again. Ctrl-C stops it and keeps all results. A result whose FILE is - goes to standard output,
    all messages to standard error.

    \b
    Examples:
      masklens live 0 --show
      masklens live rtsp://camera.local/stream --json log.jsonl
      masklens live walk.mp4 --record labelled.mp4
      masklens live rtsp://hall.local/4k --long-side 1280
      masklens live rtsp://hall.local/4k --json hall.jsonl --append
      masklens live 0 --alarm "aplay bell.wav" --alarm-pause 10
      masklens live 0 --alarm "aplay bell.wav" --alarm-share 0.8

    Exit status: 0 the source ended, or you stopped it; 1 it failed, or frames of a folder could
    not be read; 2 wrong use.
    """
    from masklens.cli.live_console import run_live
    from masklens.detector import MaskDetector
    from masklens.io.sources import files_of
    from masklens.io.writers import free_path
    from masklens.memory import keep_flat
    from masklens.stream.alarm import Alarm, ShareAlarm
    from masklens.stream.labeller import LONG_SIDE

    keep_flat()

    came_from = click.get_current_context().get_parameter_source

    def given(*options: str) -> bool:
        return any(came_from(option) != ParameterSource.DEFAULT for option in options)

    if alarm_share is None and given("alarm_people", "alarm_minutes"):
        raise click.UsageError("--alarm-people and --alarm-minutes are of --alarm-share. Give it.")
    if notify is None and given("alarm_after", "alarm_pause", "alarm_share"):
        raise click.UsageError(
            "--alarm-after, --alarm-pause and --alarm-share say when --alarm is raised. Give it."
        )
    if tracks is None and json_file is not None and not is_device(json_file):
        # What stands behind the last dot of a camera's address tells it from the other cameras.
        known = json_file.suffix.lower() in (".json", ".jsonl")
        name = json_file.stem if known else json_file.name
        tracks = json_file.with_name(f"{name}.tracks.csv")
    results = {"--record": record, "--json": json_file, "--tracks": tracks}
    keep_apart(results, [*files_of(source), *model_files(bundle, finder=finder)])
    if append and record is not None and not is_device(record):
        record = free_path(record.parent, Path(record.name), set())
    detector = MaskDetector(
        bundle, finder=finder, threshold=threshold, threads=1, long_side=long_side or LONG_SIDE
    )
    whole = run_live(
        source,
        detector,
        give_up=give_up,
        show=show,
        record=record,
        json_file=json_file,
        tracks=tracks,
        append=append,
        max_fps=max_fps,
        every=every,
        alarm=Alarm(alarm_after, alarm_pause)
        if alarm_share is None
        else ShareAlarm(alarm_share, alarm_people, alarm_minutes, alarm_after, alarm_pause),
        notify=notify,
    )
    sys.exit(0 if whole else 1)
