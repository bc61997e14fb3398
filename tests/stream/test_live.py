"""The loop, over real films."""

import gc
import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from masklens.detections import Detections
from masklens.detector import MaskDetector
from masklens.errors import InputError
from masklens.io.frames import Frame
from masklens.io.video import VideoReader
from masklens.stream.labeller import StreamLabeller
from masklens.stream.live import Labelled, labelled_frames
from masklens.stream.results import StreamSummary, TrackTable
from masklens.stream.videos import counted_frames
from tests.io.films import frames, write_film
from tests.stream.test_labeller import KnownPlaces


@pytest.fixture
def finder():
    return KnownPlaces()


@pytest.fixture
def labeller(toy_bundle, finder):
    finder.boxes = [[10, 10, 50, 50]]
    return StreamLabeller(MaskDetector(toy_bundle, finder=finder, threads=1))


@pytest.mark.parametrize("every", [1, 3])
def test_every_frame_comes_out_in_order(tmp_path, labeller, every):
    path = write_film(tmp_path / "a.mp4", frames(30))
    with VideoReader(path) as reader:
        seen = [
            (item.frame.index, len(item.detections))
            for item in labelled_frames(reader, labeller, every=every)
        ]
    assert seen == [(index, 1) for index in range(30)]


def test_few_frames_are_held_however_seldom_faces_are_looked_for(tmp_path, labeller, monkeypatch):
    monkeypatch.setattr("masklens.stream.live.cores", lambda: 1)
    with VideoReader(write_film(tmp_path / "a.mp4", frames(200))) as reader:
        read = 0

        class Counted:
            live, rate = reader.live, reader.rate

            def __iter__(self):
                nonlocal read
                for frame in reader:
                    read += 1
                    yield frame

        held = [
            read - item.frame.index for item in labelled_frames(Counted(), labeller, every=1000)
        ]
    assert len(held) == 200
    assert max(held) < 70  # those that wait for searches, and a second of the film


@pytest.mark.parametrize("max_fps", [2, 5])
def test_frames_that_are_left_out_cost_no_face(tmp_path, labeller, max_fps):
    path = write_film(tmp_path / "a.mp4", frames(100))  # of four seconds
    with VideoReader(path) as reader:
        seen = [item.detections for item in labelled_frames(reader, labeller, max_fps=max_fps)]
    assert len(seen) == 4 * max_fps
    assert [list(found.track_ids) for found in seen] == [[1]] * len(seen)


@pytest.mark.parametrize(
    ("name", "rate", "times"),
    [
        # Its frames come slower in the end than on average.
        ("a.mp4", 30, [*(i / 30 for i in range(90)), *(3 + 1.5 * i for i in range(10))]),
        ("a.mkv", 1000, [i / 30 for i in range(60)]),  # the rate is what times are counted in
    ],
)
def test_a_film_of_another_rate_than_it_says_keeps_its_face(tmp_path, labeller, name, rate, times):
    class Counted(VideoReader):
        read = 0

        def __iter__(self):
            for self.read, frame in enumerate(super().__iter__(), 1):
                yield frame

    waiting, seen = 0, []
    with Counted(write_film(tmp_path / name, frames(len(times)), rate=rate, times=times)) as reader:
        for item in labelled_frames(reader, labeller):
            waiting = max(waiting, reader.read - len(seen))
            seen.append(list(item.detections.track_ids))
    assert seen == [[1]] * len(times)
    assert waiting <= 6 * ((os.cpu_count() or 1) + 2) + 8


@pytest.mark.parametrize("max_fps", [0.5, 1, 4])
def test_a_slow_camera_is_looked_at_in_every_frame(labeller, max_fps):
    class Slow:
        name, live, rate = "camera", True, None

        def __iter__(self):
            grey = np.full((64, 96, 3), 90, np.uint8)
            return (Frame(grey, "camera", index=i, time=i / 30) for i in range(240))

    seen = [item.detections for item in labelled_frames(Slow(), labeller, max_fps=max_fps)]
    assert len(seen) == 8 * max_fps
    assert [list(found.track_ids) for found in seen] == [[1]] * len(seen)


@pytest.mark.parametrize("runtime", ["litert", "openvino"])
def test_frames_share_a_finder_in_other_runtimes(tmp_path, runtime):
    pytest.importorskip({"litert": "ai_edge_litert"}.get(runtime, runtime))
    labeller = StreamLabeller(MaskDetector(threads=1, runtime=runtime))
    with VideoReader(write_film(tmp_path / "a.mp4", frames(24))) as reader:
        seen = [item.frame.index for item in labelled_frames(reader, labeller, every=1)]
    assert seen == list(range(24))


def test_all_frames_before_the_break_are_given_out(tmp_path, labeller):
    noise = np.random.default_rng(0).integers(0, 255, (60, 64, 96, 3), np.uint8)
    path = write_film(tmp_path / "a.mp4", noise, options={"movflags": "faststart"})
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    readable = 0
    with pytest.raises(InputError, match="cut off"):
        for _ in VideoReader(path):
            readable += 1
    given = []
    with VideoReader(path) as reader, pytest.raises(InputError, match="cut off"):
        for item in labelled_frames(reader, labeller, every=4):
            given.append(item.frame.index)  # noqa: PERF401 - it breaks, and what came counts
    assert readable > 10
    assert given == list(range(readable))


def test_faces_are_looked_for_in_one_thread_per_core(tmp_path, labeller, finder):
    """Each thread keeps a heap, converters and a tensor, so that more threads mean more memory."""
    threads = set()
    find = finder.find

    def slow(image):
        threads.add(threading.get_ident())
        time.sleep(0.01)
        return find(image)

    finder.find = slow
    path = write_film(tmp_path / "a.mp4", frames(80))
    with VideoReader(path) as reader:
        for _ in labelled_frames(reader, labeller, every=2):
            pass
    assert len(threads) <= (os.cpu_count() or 1)
    assert threads.isdisjoint(thread.ident for thread in threading.enumerate())


def test_a_film_leaves_no_frame_behind(tmp_path, labeller):
    """Frames go when they are done with, without Python's search for cycles."""
    path = write_film(tmp_path / "a.mp4", frames(60))
    gc.collect()
    gc.disable()
    try:
        most = 0
        with VideoReader(path) as reader:
            for _ in labelled_frames(reader, labeller, every=2):
                alive = sum(type(o).__name__ == "Frame" for o in gc.get_objects())
                most = max(most, alive)
        del _
        left = sum(type(o).__name__ == "Frame" for o in gc.get_objects())
    finally:
        gc.enable()
    assert most <= 2 * (os.cpu_count() or 1) + 8
    assert left <= 1


_HEAPS = """
import threading, re, ctypes
from masklens.memory import keep_flat
{}
done = threading.Barrier(5)
def work():
    kept = [bytes(20_000) for _ in range(50)]
    done.wait()
threads = [threading.Thread(target=work) for _ in range(4)]
[t.start() for t in threads]
libc = ctypes.CDLL(None)
done.wait()
[t.join() for t in threads]
libc.malloc_stats()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="mallopt is glibc's")
@pytest.mark.parametrize(("call", "one"), [("", False), ("keep_flat()", True)])
def test_threads_share_one_heap(call, one):
    """malloc_stats lists every heap; without keep_flat there are several."""
    done = subprocess.run(
        [sys.executable, "-c", _HEAPS.format(call)], capture_output=True, text=True, check=True
    )
    heaps = done.stderr.count("Arena ")
    if not heaps:
        pytest.skip("this C library is not glibc")
    assert (heaps == 1) is one, done.stderr


_LARGE_BLOCKS = """
import ctypes
from masklens.memory import keep_flat
{}
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.free.argtypes = [ctypes.c_void_p]
libc.free(libc.malloc(ctypes.c_size_t(6 << 20)))  # after this glibc puts such blocks into the heap
frame = libc.malloc(ctypes.c_size_t(4 << 20))
libc.malloc_stats()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="mallopt is glibc's")
@pytest.mark.parametrize(("call", "outside"), [("", False), ("keep_flat()", True)])
def test_frames_stay_outside_the_heap(call, outside):
    """malloc_stats gives the bytes of the heaps, and of all with what was taken directly."""
    code = _LARGE_BLOCKS.format(call)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    used = [int(line.split("=")[1]) for line in done.stderr.splitlines() if "in use" in line]
    if not used:
        pytest.skip("this C library is not glibc")
    assert (used[-1] - sum(used[:-1]) >= 4 << 20) is outside, done.stderr


def test_the_line_of_counts_is_not_on_the_annotated_frame():
    frame = Frame(np.full((64, 96, 3), 90, np.uint8), "a", time=0.0)
    labelled = Labelled(frame, Detections.empty(), 25.0)
    assert (labelled.picture != labelled.annotated).any()
    assert (labelled.annotated == frame.image).all()


@pytest.mark.parametrize(("live", "most"), [(False, 12), (True, 8)])
def test_a_film_waits_for_more_faces_than_a_camera(tmp_path, toy_bundle, finder, live, most):
    finder.boxes = [[10 + 24 * i, 10, 30 + 24 * i, 30] for i in range(12)]
    detector = MaskDetector(toy_bundle, finder=finder, threads=1)
    summary = StreamSummary()
    with VideoReader(write_film(tmp_path / "a.mp4", frames(3, (320, 64)))) as reader:
        reader.live = live
        counted = counted_frames(detector, reader, summary, TrackTable(None), every=1)
        seen = [len(item.detections) for item in counted]
    assert seen == [most, 12, 12]
    assert (summary.frames, summary.seconds, summary.tracks.total()) == (3, pytest.approx(0.08), 12)
