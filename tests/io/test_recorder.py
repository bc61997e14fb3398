import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import av
import cv2
import numpy as np
import pytest

from masklens.errors import OutputError
from masklens.io import recorder
from masklens.io.recorder import VideoWriter
from masklens.io.signature import is_signed
from masklens.io.video import VideoReader
from masklens.io.writers import free_path
from tests.io.films import begun_late, frames, write_film


def test_what_is_written_can_be_read(tmp_path):
    path = tmp_path / "new" / "a.mp4"
    images = list(frames(30))
    with VideoWriter(path, 25) as video:
        for i, image in enumerate(images):
            video.write(image, i / 25)
    read = list(VideoReader(path))
    assert [f.time for f in read] == pytest.approx([i / 25 for i in range(30)], abs=1e-3)
    assert np.abs(read[20].image.astype(int) - images[20]).mean() < 6
    with av.open(str(path)) as film:
        stream = film.streams.video[0]
        context = stream.codec_context
        assert (context.name, context.pix_fmt) == ("h264", "yuv420p")
        assert (context.color_range, context.colorspace) == (1, 5), "else players guess by size"
    # An ordinary MP4 with its index in front, not fragments.
    content = path.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")
    assert b"moof" not in content


@pytest.mark.parametrize("at", [20, 21])
def test_lines_of_a_pixel_keep_their_colour(tmp_path, at):
    """The colour of a box says what was found. In odd rows and columns it was lost."""
    image = np.full((64, 64, 3), 110, np.uint8)
    image[at, 8:56] = image[8:56, at + 20] = 40, 200, 140
    with VideoWriter(tmp_path / "a.mp4", 25) as video:
        video.write(image, 0.0)
    (read,) = VideoReader(tmp_path / "a.mp4")
    for line in (read.image[at, 12:36], read.image[28:52, at + 20]):
        red, green, _ = line.mean(axis=0)
        assert green - red > 40


def test_areas_keep_their_colours():
    image = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    image = image.repeat(2, axis=0).repeat(2, axis=1)
    made, opencv = recorder._i420(image), cv2.cvtColor(image, cv2.COLOR_RGB2YUV_I420)
    assert np.abs(made.astype(int) - opencv).max() <= 1


@pytest.mark.parametrize("signed", [True, False])
def test_a_copy_may_be_replaced_by_the_next_one_and_a_recording_may_not(tmp_path, signed):
    path = tmp_path / "a.mp4"
    next_one = path if signed else tmp_path / "a-2.mp4"
    with VideoWriter(path, 25, signed=signed) as video:
        for i, image in enumerate(frames(40)):
            video.write(image, i / 25)
        assert free_path(tmp_path, Path("a.mp4"), set()) == next_one  # as fragments
    assert free_path(tmp_path, Path("a.mp4"), set()) == next_one


def test_a_copy_is_told_as_one_however_early_its_run_is_killed(tmp_path):
    path = tmp_path / "a.mp4"
    video = VideoWriter(path, 25, signed=True)
    for i, image in enumerate(frames(5)):
        video.write(image, i / 25)  # what is on the disk now stays there after kill -9
        assert is_signed(path) if path.exists() else i == 0
    video.close()


def test_a_run_that_ends_before_its_first_frame_leaves_no_file(tmp_path):
    path = tmp_path / "a.mp4"
    with pytest.raises(ValueError, match="NaN"), VideoWriter(path, 25) as video:
        video.write(np.zeros((64, 96, 3), np.uint8), float("nan"))
    assert not path.exists()


def test_no_room_for_anything_leaves_no_file(tmp_path):
    path = tmp_path / "a.mp4"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        with pytest.raises(OutputError, match=r"File too large\.$"), VideoWriter(path, 25) as video:
            for i, image in enumerate(frames(5)):
                video.write(image, i / 25)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not path.exists()


def test_nothing_is_written_without_a_target():
    with VideoWriter(None) as video:
        video.write(np.zeros((4, 4, 3), np.uint8), 0.0)


@pytest.mark.parametrize(
    ("rate", "count", "kept"),
    [(25, 250, 175), (5, 50, 35)],  # a slow machine takes fewer frames than the camera gives
)
def test_a_recording_plays_after_kill_9(tmp_path, rate, count, kept):
    """Of a calm scene: in a wild one the encoder begins anew by itself."""
    path = tmp_path / "a.mp4"
    code = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from masklens.io.recorder import VideoWriter\n"
        "from tests.io.films import frames\n"
        "video = VideoWriter(Path(sys.argv[1]), 60)\n"
        f"for i, image in enumerate(frames({count})):\n"
        f"    video.write(image, i / {rate})\n"
        "print('written', flush=True)\n"
        "time.sleep(60)\n"
    )
    command, root = [sys.executable, "-c", code, str(path)], Path(__file__).parents[2]
    process = subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE)
    try:
        assert process.stdout.readline() == b"written\n"
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert len(list(VideoReader(path))) >= kept  # all but the last fragments


def test_the_first_picture_is_at_the_beginning(tmp_path):
    path = tmp_path / "a.mp4"
    with VideoWriter(path, 5) as writer:
        for i, image in enumerate(frames(10)):
            writer.write(image, i / 5)
    with av.open(str(path)) as film:
        times = [frame.time for frame in film.decode(video=0)]
    assert times == pytest.approx([i / 5 for i in range(10)], abs=0.01)


@pytest.mark.parametrize("size", [(1, 1), (97, 63), (3, 2), (1280, 2)])
def test_odd_and_tiny_sizes(tmp_path, size):
    path = tmp_path / "a.mp4"
    image = np.full((size[1], size[0], 3), 120, np.uint8)
    with VideoWriter(path, 25) as video:
        for i in range(5):
            video.write(image, i / 25)
    (first, *rest) = VideoReader(path)
    assert len(rest) == 4
    assert first.image.shape[0] >= size[1]
    assert abs(int(first.image[0, 0, 0]) - 120) < 6


def test_frames_of_another_size_are_fitted_in(tmp_path):
    path = tmp_path / "a.mp4"
    with VideoWriter(path, 25) as video:
        video.write(np.full((64, 96, 3), 120, np.uint8), 0.0)
        video.write(np.full((96, 64, 3), 120, np.uint8), 0.04)
    _, second = VideoReader(path)
    assert second.image.shape == (64, 96, 3)
    assert second.image[32, 2].max() < 30
    assert abs(int(second.image[32, 48, 0]) - 120) < 6


def test_times_never_go_back(tmp_path):
    path = tmp_path / "a.mp4"
    with VideoWriter(path, 25) as video:
        for moment in (0.0, 0.04, 0.04, 0.02, 0.2):
            video.write(np.zeros((64, 96, 3), np.uint8), moment)
    times = [f.time for f in VideoReader(path)]
    assert times == sorted(times)
    assert len(times) == 5


@pytest.mark.parametrize("sound", ["aac", "libmp3lame", "pcm_s16le"])
def test_sound_is_kept(tmp_path, sound):
    source = write_film(tmp_path / "a.mkv", frames(50), sound=sound)
    target = tmp_path / "b.mp4"
    _copied(source, target)
    with av.open(str(target)) as film:
        heard = sum(f.samples for f in film.decode(audio=0))
    assert heard / 48000 == pytest.approx(2.0, abs=0.1)
    assert len(list(VideoReader(target))) == 50


@pytest.mark.parametrize("sound", ["aac", "libmp3lame", "alac", "libopus"])
def test_sound_that_mp4_can_take_is_not_coded_again(tmp_path, sound):
    source = write_film(tmp_path / "a.mkv", frames(50), sound=sound)
    _copied(source, tmp_path / "b.mp4")
    packets = {}
    for path in (source, tmp_path / "b.mp4"):
        with av.open(str(path)) as film:
            packets[path] = [bytes(packet) for packet in film.demux(audio=0) if packet.size]
    before, after = packets.values()
    assert after
    assert set(after) <= set(before)


@pytest.mark.parametrize(
    ("name", "sound", "rate"),
    [
        ("camcorder.ts", "ac3", 48000),  # MP4 with fragments cannot begin with it
        ("television.ts", "aac", 48000),  # without the head that MP4 wants
        ("studio.avi", "pcm_s16le", 192000),  # faster than AAC goes
        ("telephone.avi", "pcm_s16le", 6000),  # slower
        ("dictation.mkv", "libmp3lame", 8000),  # of MPEG 2.5
    ],
)
def test_sound_that_mp4_cannot_take_as_it_is(tmp_path, name, sound, rate):
    source = write_film(tmp_path / name, frames(50), sound=sound, sound_rate=rate)
    target = tmp_path / "b.mp4"
    _copied(source, target)
    with av.open(str(target)) as film:
        seconds = sum(f.samples / f.sample_rate for f in film.decode(audio=0))
    assert seconds == pytest.approx(2.0, abs=0.3)
    times, copied = ([frame.time for frame in VideoReader(path)] for path in (source, target))
    assert copied == pytest.approx(times, abs=0.001)
    assert len(copied) == 50


@pytest.mark.parametrize("sound", ["aac", "libmp3lame", "pcm_s16le"])  # the last is coded again
@pytest.mark.parametrize("begins", [0.0, 1.0])
def test_sound_stays_with_its_pictures(tmp_path, sound, begins):
    source = write_film(tmp_path / "a.mkv", frames(50), sound=sound, sound_from=begins)
    target = tmp_path / "b.mp4"
    _copied(source, target)
    loud = _heard(target)
    assert loud[0] == pytest.approx(begins, abs=0.1)
    assert loud[-1] == pytest.approx(2.0, abs=0.1)


def test_sound_stays_with_its_pictures_when_the_first_of_them_cannot_be_read(tmp_path):
    """The first key frame that is left, and so the first picture, is the one at 2 s."""
    whole = write_film(tmp_path / "a.ts", frames(200), keyframes=50, sound="aac", sound_from=5.0)
    source, target = begun_late(whole), tmp_path / "b.mp4"
    _copied(source, target)
    loud = _heard(target)
    assert loud[0] == pytest.approx(3.0, abs=0.1)


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
@pytest.mark.parametrize("b_frames", [0, 2])
@pytest.mark.parametrize("name", ["a.avi", "a.wmv"])
def test_sound_stays_with_pictures_that_lie_as_they_are_coded(tmp_path, name, b_frames, codec):
    """Of an AVI or WMV the decoder gives the first picture some packets later: each is 0.2 s."""
    source = write_film(
        tmp_path / name, frames(10), rate=5, codec=codec, b_frames=b_frames, sound="pcm_s16le"
    )
    _copied(source, tmp_path / "b.mp4")
    assert _heard(tmp_path / "b.mp4")[-1] == pytest.approx(2.0, abs=0.1)


@pytest.mark.parametrize("sound", ["aac", "flac"])  # copied, coded again
def test_sound_stays_with_its_pictures_after_silence_that_was_left_out(tmp_path, sound):
    source = write_film(tmp_path / "a.mkv", frames(100), sound=sound, silence=(1.0, 3.0))
    _copied(source, tmp_path / "b.mp4")
    heard = _heard(tmp_path / "b.mp4")
    assert max(heard) == pytest.approx(4.0, abs=0.1)
    assert not [time for time in heard if 1.2 < time < 2.9]


@pytest.mark.parametrize("sound", ["mp2", "libopus"])  # coded again, copied
def test_sound_of_films_that_were_joined_goes_on(tmp_path, sound):
    one = write_film(tmp_path / "one.ts", frames(50), sound=sound)
    source = tmp_path / "three.ts"
    source.write_bytes(3 * one.read_bytes())
    _copied(source, tmp_path / "b.mp4")
    assert max(_heard(tmp_path / "b.mp4")) == pytest.approx(6.0, abs=0.2)


def _copied(source: Path, target: Path) -> None:
    with VideoReader(source) as film, VideoWriter(target, 25, sound=film) as video:
        for frame in film:
            video.write(frame.image, frame.time)


def _heard(path: Path) -> list[float]:
    """The times at which there is sound."""
    with av.open(str(path)) as film:
        return [f.time for f in film.decode(audio=0) if np.abs(f.to_ndarray()).mean() > 0.1]


def test_disk_full(tmp_path):
    path = tmp_path / "a.mp4"
    path.symlink_to("/dev/full")
    with pytest.raises(OutputError, match="No space left"), VideoWriter(path, 25) as video:
        rng = np.random.default_rng(0)
        for i in range(400):
            video.write(rng.integers(0, 255, (128, 128, 3), np.uint8), i / 25)


def test_without_room_for_a_second_copy_it_stays_in_fragments(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1_000_000))
    path = tmp_path / "a.mp4"
    with VideoWriter(path, 25) as video:
        for i, image in enumerate(frames(30)):
            video.write(image, i / 25)
    assert b"moof" in path.read_bytes()
    assert len(list(VideoReader(path))) == 30


def test_a_folder_in_the_way(tmp_path):
    (tmp_path / "a.mp4").mkdir()
    with pytest.raises(OutputError, match="folder"), VideoWriter(tmp_path / "a.mp4") as video:
        video.write(np.zeros((64, 96, 3), np.uint8), 0.0)


def test_no_encoder(monkeypatch, tmp_path):
    def absent(name, mode):
        raise ValueError(name)

    monkeypatch.setattr(av.codec, "Codec", absent)
    with pytest.raises(OutputError, match=r"no H\.264 encoder"):
        VideoWriter(tmp_path / "a.mp4")
