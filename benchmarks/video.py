"""Measure the bars of moving pictures.

    python benchmarks/video.py speed      against the notebook's loop and the bare session
    python benchmarks/video.py record     1280×720, four faces, overlay and H.264
    python benchmarks/video.py labels [--no-clips]       identity switches, label accuracy, changes
    python benchmarks/video.py camera [--minutes 10]     an RTSP camera: age of frames, memory
    python benchmarks/video.py cut        an RTSP camera that is cut for 10 seconds
    python benchmarks/video.py soak [--frames 100000]    memory, threads, file handles
    python benchmarks/video.py cuts       what the scene detector sees in the clips

Clips come from ``data/clips``; the films with known faces are made once (``benchmarks/moving.py``)
into ``out/bench``. The cameras need GStreamer's RTSP server (``benchmarks/rtsp_server.py``), the
notebook's loop the extra ``train`` and OpenCV 4.
"""

from __future__ import annotations

import argparse
import array
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import cv2
import numpy as np
from common import (
    ROOT,
    data_root,
    haar_cascade,
    machine,
    notebook_faces,
    notebook_model,
    print_table,
)
from film_labels import WRONG_HEAD, figure_rows, follow, wrong_rows
from moving import make_film, make_full_film, read_stamp, read_truth

from masklens import MaskDetector
from masklens.boxes import iou
from masklens.io.containers import import_av
from masklens.io.logs import JsonLines
from masklens.io.recorder import VideoWriter
from masklens.io.sources import open_source
from masklens.io.video import VideoReader
from masklens.limits import cores
from masklens.memory import keep_flat
from masklens.stream.cuts import CutDetector, differences, signature
from masklens.stream.labeller import BUDGET_OF_FILES, LONG_SIDE, StreamLabeller
from masklens.stream.live import AHEAD, labelled_frames
from masklens.stream.pace import every_for_file
from masklens.stream.records import TrackRecord
from masklens.stream.results import TrackTable, frame_line

OUT = ROOT / "out" / "bench"

#: Runs of each side of ``speed``, in turns: one run in three is disturbed on a shared machine.
PAIRS = 9

#: From --bundle and --finder; None is what masklens would take.
BUNDLE: str | None = None
FINDER: str | None = None


def stream_detector() -> MaskDetector:
    """The detector as ``masklens live`` makes it."""
    keep_flat()
    return MaskDetector(BUNDLE, finder=FINDER, threads=1, long_side=LONG_SIDE)


def clip(name: str) -> Path:
    return data_root() / "data" / "clips" / name


def film(seconds: int = 60) -> Path:
    return make_film(OUT / f"film-{seconds}.mp4", seconds)


# --- speed ---------------------------------------------------------------------------------------


def speed(options: argparse.Namespace) -> None:
    cascade = None if options.no_notebook else haar_cascade()
    path = clip("mall_00.mp4")
    every = options.every or every_for_file(VideoReader(path).rate)
    detector = stream_detector()
    time_ours(detector, path, every, limit=60)  # warm up
    pairs = [
        (time_ours(detector, path, every), time_bare(detector, path, every)) for _ in range(PAIRS)
    ]
    ours, bare = (median(column) for column in zip(*pairs, strict=True))
    share = median(o / b for o, b in pairs)
    print(f"{path.name}, 480×848, faces looked for in every frame {every}; {machine()}\n")
    rows = [
        ["decode to labels", f"{ours:.0f} fps", ""],
        ["decoding and the bare finder session alone", f"{bare:.0f} fps", ""],
        [f"share of that, median of {PAIRS} pairs", f"{share:.2f}", "≥ 0.8"],
    ]
    if cascade:
        notebook = time_notebook(cascade, path, options.notebook_frames)
        rows += [
            ["the notebook's loop", f"{notebook:.1f} fps", ""],
            ["times faster", f"{ours / notebook:.1f}", "≥ 15"],
        ]
    print_table(["frames a second", "measured", "bar"], rows)


def time_ours(detector: MaskDetector, path: Path, every: int, limit: int = 0) -> float:
    count, start = 0, time.perf_counter()
    with VideoReader(path) as reader:
        for _ in labelled_frames(reader, StreamLabeller(detector), every=every):
            count += 1
            if count == limit:
                break
    return count / (time.perf_counter() - start)


def time_bare(detector: MaskDetector, path: Path, every: int) -> float:
    """Decoding every frame, and running the finder's session for every k-th on a ready tensor.

    Both overlap as they do in masklens: as many sessions at a time as there are cores, and so many
    frames ahead that none of them waits.
    """
    with VideoReader(path) as reader:
        tensor, _ = detector.finder.prepare(next(iter(reader)).image)
    count, start = 0, time.perf_counter()
    running: deque[Future[object]] = deque()
    with import_av().open(str(path)) as container, ThreadPoolExecutor(cores()) as pool:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        for number, _ in enumerate(container.decode(stream)):
            if number % every == 0:
                running.append(pool.submit(detector.finder.run, tensor))
                if len(running) > cores() + AHEAD:
                    running.popleft().result()
            count += 1
    return count / (time.perf_counter() - start)


def time_notebook(cascade: cv2.CascadeClassifier, path: Path, frames: int) -> float:
    """The report's loop: resize to 600, Haar cascade, ``model.predict`` for each frame's faces."""
    model = notebook_model()
    count, start = 0, time.perf_counter()
    video = cv2.VideoCapture(str(path))
    while count < frames:
        ok, frame = video.read()
        if not ok:
            break
        _, faces = notebook_faces(cascade, frame, 600)
        if len(faces):
            model.predict(faces, batch_size=32, verbose=0)
        count += 1
    return count / (time.perf_counter() - start)


def record(options: argparse.Namespace) -> None:
    path = film(60)
    detector = stream_detector()
    rates = []
    for _ in range(3):
        with (
            tempfile.TemporaryDirectory() as folder,
            VideoReader(path) as reader,
            VideoWriter(Path(folder) / "out.mp4", reader.rate) as writer,
        ):
            count, faces, start = 0, 0, time.perf_counter()
            for labelled in labelled_frames(reader, StreamLabeller(detector)):
                writer.write(labelled.picture, labelled.frame.time or 0.0)
                count += 1
                faces += len(labelled.detections)
                if count == options.frames:
                    break
            writer.close()
            rates.append(count / (time.perf_counter() - start))
    print(f"1280×720, {faces / count:.1f} faces a frame, overlay and H.264 on disk; {machine()}\n")
    rows = [["frames a second, median of 3", f"{sorted(rates)[1]:.0f}", "≥ 30"]]
    print_table(["", "measured", "bar"], rows)


# --- labels --------------------------------------------------------------------------------------


def labels(options: argparse.Namespace) -> None:
    folder = data_root() / "data" / "scenes" / "val" / "images"
    paths = make_full_film(OUT / "every-head.mp4"), film(60)
    single = MaskDetector(BUNDLE, finder=FINDER)
    full, small = (follow(stream_detector, single, path, folder) for path in paths)
    for name, scores in (("every head", full), ("24 heads", small)):
        count = len({head.known.picture for head in scores.heads})
        shown = sum(head.shown for head in scores.heads)
        faces = f"{scores.frames} frames, {shown} face-frames"
        print(f"{name}: {len(scores.heads)} heads of {count} photographs, {faces}")
    print()
    print_table(
        ["known boxes and labels, IoU 0.35", "every head", "95 %", "24 heads", "95 %", "bar"],
        figure_rows(full, small),
    )
    print("\nOf every head, those that are wrong in most of their frames\n")
    print_table(WRONG_HEAD, wrong_rows(full))
    if options.no_clips:
        return
    detector = stream_detector()
    names = ("mall_00.mp4", "mall_04.mp4", "mall_08.mp4", "mall_10.mp4")
    rows = [[name, *_changes(detector, clip(name))] for name in names]
    total = [sum(row[i] for row in rows) for i in (1, 2, 3, 4)]
    rows.append(["all", *total])
    print("\nLabel changes\n")
    print_table(
        ["clip", "tracks", "seconds of tracks", "changes, voted", "changes, unsmoothed", "per 10 s",
         "unsmoothed per 10 s"],
        [
            [n, t, f"{s:.0f}", c, u, f"{10 * c / max(s, 1):.2f}", f"{10 * u / max(s, 1):.2f}"]
            for n, t, s, c, u in rows
        ],
    )  # fmt: skip
    print("\nbar: ≤ 1 change per 10 s of a track")


def _changes(detector: MaskDetector, path: Path) -> tuple[int, float, int, int]:
    """Tracks, their seconds, changes of voted labels, and changes of the frames' own labels.

    The unsmoothed figure is on the same tracks: every frame is classified on its own.
    """
    records: list[TrackRecord] = []
    last: dict[int, str] = {}
    unsmoothed = 0
    labeller = StreamLabeller(detector, budget=BUDGET_OF_FILES, on_end=records.append)
    with VideoReader(path) as reader:
        for labelled in labelled_frames(reader, labeller):
            seen = labelled.detections
            alone = detector.detect(labelled.frame.image)
            overlaps = iou(seen.boxes, alone.boxes)
            for row, track in zip(overlaps, seen.track_ids, strict=True):
                if row.size and row.max() >= 0.35:
                    name = alone.label_names[int(row.argmax())]
                    unsmoothed += last.get(int(track), name) != name
                    last[int(track)] = name
    seconds = sum(r.last - r.first for r in records)
    return len(records), seconds, sum(r.changes for r in records), unsmoothed


# --- cameras -------------------------------------------------------------------------------------


class RtspCamera:
    """The film as a camera, in a process of its own."""

    def __init__(self, path: Path, port: int) -> None:
        self.url = f"rtsp://127.0.0.1:{port}/camera"
        self._sent = OUT / f"sent-{port}.log"
        self._sent.unlink(missing_ok=True)
        self._command = [
            *("/usr/bin/python3", str(ROOT / "benchmarks" / "rtsp_server.py")),
            *(str(path), str(port), str(self._sent)),
        ]
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(
            self._command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert self._process.stdout is not None
        if self._process.stdout.readline() != b"ready\n":
            raise SystemExit("GStreamer's RTSP server does not start; see rtsp_server.py.")

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()

    def sent(self) -> dict[int, list[float]]:
        """Number of a frame in the film -> when it was sent, each time."""
        times: dict[int, list[float]] = {}
        for line in self._sent.read_text().splitlines():
            number, when = line.split()
            times.setdefault(int(number), []).append(float(when))
        return times


@contextmanager
def rtsp_camera(path: Path, port: int) -> Iterator[RtspCamera]:
    camera = RtspCamera(path, port)
    try:
        yield camera
    finally:
        camera.stop()


def camera(options: argparse.Namespace) -> None:
    minutes = options.minutes
    path = _long_film(minutes)
    detector = stream_detector()
    stamps, times = array.array("q"), array.array("d")
    memory: list[float] = []
    with rtsp_camera(path, options.port) as server, tempfile.TemporaryDirectory() as folder:
        with open_source(server.url) as source, JsonLines(Path(folder) / "log.jsonl") as log:
            start = time.monotonic()
            for labelled in labelled_frames(source, StreamLabeller(detector)):
                log.write(frame_line(labelled.frame, labelled.detections))
                now = time.monotonic()
                stamps.append(read_stamp(labelled.frame.image))
                times.append(now)
                if now - start >= 20 * (len(memory) + 1):
                    memory.append(resident())
                if now - start >= 60 * minutes - 2:
                    break
            dropped = source.dropped
        sent = server.sent()
    ages, minute = [], []
    period = len(read_truth(film(60)).frames)
    by_stamp: dict[int, list[float]] = {}
    for number, when in sent.items():
        by_stamp.setdefault(number % period, []).extend(when)
    for stamp, when in zip(stamps, times, strict=True):
        before = [s for s in by_stamp.get(stamp, []) if s <= when]
        if before:
            ages.append(when - max(before))
            minute.append(int((when - times[0]) // 60))
    age, minute = 1e3 * np.array(ages), np.array(minute)
    print(f"RTSP 1280×720, 30 fps, 4 faces, {minutes} minutes; {machine()}")
    print(f"{len(times)} frames processed, {dropped} dropped\n")
    rows = [
        [f"age of the newest frame, minute {m + 1}, 95th percentile",
         f"{np.percentile(age[minute == m], 95):.0f} ms", "< 200 ms"]
        for m in sorted(set(minute))
    ]  # fmt: skip
    rows.append(["… median over all", f"{np.median(age):.0f} ms", ""])
    rows.append(["… largest", f"{age.max():.0f} ms", ""])
    settled = memory[2:] or memory
    growth = settled[-1] - settled[0]
    rows.append(
        ["memory at the end of minute 1 → end", f"{settled[0]:.0f} → {settled[-1]:.0f} MB", ""]
    )
    rows.append(["growth", f"{growth:.1f} MB", "< 20 MB"])
    print_table(["", "measured", "bar"], rows)


def cut(options: argparse.Namespace) -> None:
    path = film(60)
    detector = stream_detector()
    records: list[TrackRecord] = []
    said: list[str] = []
    with rtsp_camera(path, options.port) as server, tempfile.TemporaryDirectory() as folder:
        log_file = Path(folder) / "log.jsonl"
        back: list[float] = []

        def away() -> None:
            server.stop()
            time.sleep(10)
            server.start()
            back.append(time.monotonic())

        resumed, frames, numbers = 0.0, 0, []
        with open_source(server.url, on_status=said.append) as source, JsonLines(log_file) as log:
            labeller = StreamLabeller(detector, on_end=records.append)
            for labelled in labelled_frames(source, labeller):
                log.write(frame_line(labelled.frame, labelled.detections))
                frames += 1
                numbers.append((labelled.frame.session, set(labelled.detections.track_ids)))
                if frames == 150:
                    threading.Thread(target=away).start()
                if labelled.frame.session == 1:
                    resumed = resumed or time.monotonic()
                    if time.monotonic() - resumed > 5:
                        break
        lines = [json.loads(line) for line in log_file.read_text().splitlines()]
    before = set().union(*(ids for session, ids in numbers if session == 0))
    after = set().union(*(ids for session, ids in numbers if session == 1))
    print(*said, sep="\n")
    rows = [
        ["resumed after the camera was back", f"{resumed - back[0]:.2f} s", "< 3 s"],
        ["frames processed / lines in the log", f"{frames} / {len(lines)}", "equal"],
        ["tracks before and after, in common", f"{len(before & after)}", "0"],
    ]
    print_table(["camera cut for 10 s", "measured", "bar"], rows)


def _long_film(minutes: float) -> Path:
    """The film over and over, without coding it again."""
    av = import_av()
    short = film(60)
    path = OUT / f"film-{minutes:g}min.mp4"
    if path.is_file():
        return path
    with av.open(str(path), "w") as target:
        out = None
        for turn in range(int(minutes) + 1):
            with av.open(str(short)) as source:
                stream = source.streams.video[0]
                out = out or target.add_stream_from_template(stream)
                shift = round(60 * turn / stream.time_base)
                for packet in source.demux(stream):
                    if packet.dts is None:
                        continue
                    packet.pts += shift
                    packet.dts += shift
                    packet.stream = out
                    target.mux(packet)
    return path


# --- soak ----------------------------------------------------------------------------------------


def soak(options: argparse.Namespace) -> None:
    detector = stream_detector()
    paths = [film(60), clip("mall_00.mp4"), clip("no_masks_one_by_one.mp4")]
    frames, rounds, end = 0, 0, time.monotonic() + 60 * options.minutes
    memory: list[tuple[int, float]] = []
    threads_before, files_before = threading.active_count(), open_files()
    with tempfile.TemporaryDirectory() as folder:
        while frames < options.frames and time.monotonic() < end:
            path = paths[rounds % len(paths)]
            rounds += 1
            with (
                open_source(str(path)) as source,
                JsonLines(Path(folder) / "log.jsonl") as log,
                TrackTable(Path(folder) / "tracks.csv") as table,
            ):
                labeller = StreamLabeller(
                    detector, on_end=lambda r, t=table, n=path.name: t.ended(n, r)
                )
                for labelled in labelled_frames(source, labeller, every=options.every):
                    log.write(frame_line(labelled.frame, labelled.detections))
                    frames += 1
                    if frames % 2000 == 0:
                        memory.append((frames, resident()))
                    if frames % 10_000 == 0:
                        print(f"{frames} frames, {memory[-1][1]:.0f} MB", file=sys.stderr)
                    if frames >= options.frames or time.monotonic() > end:
                        break
    settled = [m for n, m in memory if n >= frames * 0.2] or [m for _, m in memory]
    slope = np.polyfit(range(len(settled)), settled, 1)[0] if len(settled) > 1 else 0.0
    print(f"{frames} frames of three films, {rounds} times opened and closed; {machine()}\n")
    rows = [
        ["memory at 20 % → end", f"{settled[0]:.0f} → {settled[-1]:.0f} MB", "flat"],
        ["slope over that", f"{slope * 50:+.1f} MB per 100,000 frames", "flat"],
        ["threads before → after", f"{threads_before} → {threading.active_count()}", "equal"],
        ["open files before → after", f"{files_before} → {open_files()}", "equal"],
    ]
    print_table(["", "measured", "bar"], rows)


def resident() -> float:
    """Resident memory of this process in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def cuts(options: argparse.Namespace) -> None:
    """What frames a third of a second apart differ by, per clip."""
    rows = []
    for path in [*sorted((data_root() / "data" / "clips").glob("*.mp4")), film(60)]:
        last, found, both, detector = None, 0, [], CutDetector()
        with VideoReader(path) as reader:
            step = max(1, round((reader.rate or 25) / 3))
            for frame in reader:
                if frame.index % step:
                    continue
                now = signature(frame.image)
                if last is not None:
                    both.append(differences(last, now))
                last = now
                found += detector.is_cut(now)
        moved, recoloured = (max(column) for column in zip(*both, strict=True))
        rows.append([path.name, f"{moved:.0f}", f"{recoloured:.2f}", str(found)])
    print_table(["clip", "largest move", "largest change of colour", "cuts"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True)
    for function in (speed, record, labels, camera, cut, soak, cuts):
        command = commands.add_parser(function.__name__)
        command.set_defaults(run=function)
        command.add_argument("--bundle", help="folder of a bundle (default: the shipped)")
        command.add_argument("--finder", help="as of masklens live")
        if function is speed:
            command.add_argument("--no-notebook", action="store_true")
            command.add_argument("--notebook-frames", type=int, default=120)
        if function is record:
            command.add_argument("--frames", type=int, default=600)
        if function in (speed, soak):
            command.add_argument("--every", type=int)
        if function is labels:
            command.add_argument("--no-clips", action="store_true")
        if function is camera:
            command.add_argument("--minutes", type=float, default=10)
        if function in (camera, cut):
            command.add_argument("--port", type=int, default=8554)
        if function is soak:
            command.add_argument("--frames", type=int, default=100_000)
            command.add_argument("--minutes", type=float, default=600, help="at most")
    options = parser.parse_args()
    global BUNDLE, FINDER
    BUNDLE, FINDER = options.bundle, options.finder
    options.run(options)


if __name__ == "__main__":
    main()
