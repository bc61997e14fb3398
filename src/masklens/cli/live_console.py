"""What ``masklens live`` does while it runs: the window, the files, the line in the terminal."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Self

import click
from tqdm import tqdm

from masklens.cli.console import complain
from masklens.cli.stopping import handled, stop_signals
from masklens.cli.terminal import progress, written
from masklens.cli.video_console import summarise_stream
from masklens.detector import MaskDetector
from masklens.errors import MasklensError, OutputError
from masklens.io.atomic import check_writable
from masklens.io.camera import Camera
from masklens.io.draw import SHORT_NAMES, draw_lost
from masklens.io.frames import Frame
from masklens.io.logs import JsonLines, check_log_writable
from masklens.io.notify import Notifier
from masklens.io.recorder import VideoWriter
from masklens.io.sources import Source, open_source
from masklens.io.window import Window
from masklens.io.writers import save_picture
from masklens.labels import LABELS
from masklens.plural import many
from masklens.stream.alarm import Alarm, ShareAlarm
from masklens.stream.live import Labelled
from masklens.stream.pace import rate_at_most
from masklens.stream.results import StreamSummary, TrackTable, frame_line
from masklens.stream.videos import counted_frames


def run_live(
    address: str,
    detector: MaskDetector,
    *,
    give_up: float,
    show: bool,
    record: Path | None,
    json_file: Path | None,
    tracks: Path | None,
    append: bool,
    max_fps: float | None,
    every: int | None,
    alarm: Alarm | ShareAlarm,
    notify: str | None,
) -> bool:
    """Label a source until it ends, fails or the user has enough; the summary comes last.

    Returns:
        Whether every frame could be read.

    Raises:
        MasklensError: the source failed, or a file could not be written.
    """
    summary = StreamSummary()
    unreadable: list[MasklensError] = []

    def left_out(error: MasklensError) -> None:
        unreadable.append(error)
        line.complain(error)

    with ExitStack() as stack:
        line = stack.enter_context(StatusLine())
        notifier = stack.enter_context(Notifier(notify, line.complain))
        source = open_source(address, give_up=give_up, on_status=line.say, on_error=left_out)
        stack.enter_context(source)
        # First what may fail: the tables are replaced as soon as they are opened, a film only when
        # its first frame is there.
        if record is not None:
            check_writable(record)
        for lines in (json_file, tracks):
            if lines is not None:
                check_log_writable(lines)
        stopping = stack.enter_context(asked_to_stop(source))
        screen = stack.enter_context(Screen(source, show, stopping, line))
        recorder = VideoWriter(record, rate_at_most(source.rate, max_fps))
        table = stack.enter_context(TrackTable(tracks, append=append))
        log = stack.enter_context(JsonLines(json_file, append=append))

        frames = counted_frames(detector, source, summary, table, every=every, max_fps=max_fps)
        failure: MasklensError | None = None
        try:
            with recorder:  # closed before it is said to be written
                for labelled in frames:
                    frame = labelled.frame
                    log.write(frame_line(frame, labelled.detections))
                    if record is not None:
                        recorder.write(labelled.picture, frame.time or 0.0)
                    if event := alarm.update(frame, labelled.detections):
                        notifier.send({"source": source.name, **event})
                    line.show(labelled)
                    if not screen.show(labelled) or stopping.is_set():
                        break
        except MasklensError as error:
            failure = error
        finally:
            frames.close()
            line.close()
        summarise_stream(summary)
        if unreadable:
            click.secho(f"{many(len(unreadable), 'frame')} could not be read", fg="red", err=True)
        # Without a frame there is no film, but perhaps that of an earlier run.
        written([record if summary.frames else None, json_file, tracks])
        if failure is not None:
            raise failure
    return not unreadable


@contextmanager
def asked_to_stop(source: Source) -> Iterator[threading.Event]:
    """An event that Ctrl-C or a termination sets, so that the end is an orderly one.

    An exception out of nowhere could hit a half-written file.
    """
    event = threading.Event()

    def stop(*_: object) -> None:
        event.set()
        if isinstance(source, Camera):
            source.stop()

    with handled((signal.SIGINT, *stop_signals()), stop):
        yield event


class Screen:
    """The window, if one is wanted: shows frames in their time, pauses, saves, waits for a camera.

    Args:
        source: what is shown.
        wanted: whether there is a window at all.
        stopping: set when the program is to end; nothing is waited for then.
        line: says what was saved.
    """

    def __init__(
        self, source: Source, wanted: bool, stopping: threading.Event, line: StatusLine
    ) -> None:
        self._window = Window(f"masklens – {source.name}") if wanted else None
        self._stopping = stopping
        self._line = line
        self._live = source.live
        self._began: float | None = None
        self._shown: Labelled | None = None
        if self._window is not None and isinstance(source, Camera):
            source.on_wait = partial(self._wait_for_camera, source, self._window)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._window is not None:
            self._window.__exit__(None, None, None)

    def show(self, labelled: Labelled) -> bool:
        """Show a frame; False when the user has closed the window."""
        window = self._window
        if window is None:
            return True
        self._wait(labelled.frame, window)
        window.show(labelled.picture)
        self._shown = labelled
        while True:
            if window.wants_picture:
                self._save(labelled)
            if not window.paused or window.closed or self._stopping.wait(0.02):
                return not window.closed
            self._began = None
            window.listen()

    def _wait_for_camera(self, camera: Camera, window: Window) -> None:
        """Keep the window alive while there is no frame, and let it not show what is long gone."""
        window.listen()
        if window.closed:
            camera.stop()
        elif self._shown is not None:
            if window.wants_picture:
                self._save(self._shown)
            if camera.away:
                window.show(draw_lost(self._shown.frame.image))
                self._shown = None

    def _save(self, labelled: Labelled) -> None:
        path = Path(f"masklens-{time.strftime('%Y%m%d-%H%M%S')}-{labelled.frame.index}.png")
        try:
            save_picture(path, labelled.picture)
        except OutputError as error:
            self._line.complain(error)
        else:
            self._line.say(f"Written: {path}")

    def _wait(self, frame: Frame, window: Window) -> None:
        """Hold a film's frame until it is due; cameras keep their time themselves."""
        if self._live:
            return
        now, due = time.monotonic(), frame.time or 0.0
        if self._began is None:
            self._began = now - due
        while (left := self._began + due - time.monotonic()) > 0 and not window.closed:
            if self._stopping.wait(min(left, 0.02)):
                return
            window.listen()


class StatusLine:
    """One line, renewed a few times a second; nothing where there is no terminal."""

    def __init__(self) -> None:
        self._bar = progress(None, form="{desc}")
        self._next = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def show(self, labelled: Labelled) -> None:
        """Show the counts of a frame."""
        now = time.monotonic()
        if self._bar.disable or now < self._next:
            return
        self._next = now + 0.25
        counts = labelled.detections.counts()
        words = " ".join(f"{counts.get(n, 0)} {SHORT_NAMES[n]}" for n in LABELS)
        text = f"{labelled.frame.time or 0:8.1f} s  {labelled.fps:5.1f} fps  {words}"
        self._bar.set_description_str(text)

    def say(self, text: str) -> None:
        """A sentence on a line of its own; may be called from any thread."""
        with tqdm.external_write_mode():
            click.echo(text, err=True)

    def complain(self, error: MasklensError) -> None:
        """Something failed, and the rest goes on."""
        with tqdm.external_write_mode():
            complain(error)

    def close(self) -> None:
        """Take the line away."""
        self._bar.close()
