import contextlib
import gc
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from masklens.errors import InputError
from masklens.io.containers import open_container
from masklens.io.frames import Frame
from masklens.io.video import VideoReader, upright
from tests.io.films import begun_late, damage, frames, write_film, write_sound


def test_frames_come_in_order_with_their_times(tmp_path):
    path = write_film(tmp_path / "a.mp4", frames(10))
    with VideoReader(path) as reader:
        assert (reader.rate, reader.total) == (25, 10)
        read = list(reader)
    assert [f.index for f in read] == list(range(10))
    assert [f.time for f in read] == pytest.approx([i / 25 for i in range(10)])
    # H.264 at this quality keeps a large red square within a few grey levels.
    assert abs(int(read[3].image[5, 30, 0]) - 220) < 25
    assert read[3].image.shape == (64, 96, 3)


def test_variable_frame_rate(tmp_path):
    times = [0.0, 0.04, 0.5, 0.52, 1.7]
    path = write_film(tmp_path / "a.mp4", frames(5), times=times)
    assert [f.time for f in VideoReader(path)] == pytest.approx(times, abs=0.002)


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
@pytest.mark.parametrize("name", ["a.avi", "a.wmv"])
def test_frames_that_lie_as_they_are_coded_are_shown_one_after_the_other(tmp_path, name, codec):
    """B-frames make it another order; in these formats nothing says which."""
    path = tmp_path / name
    with av.open(str(path), "w") as film:
        stream = film.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        stream.codec_context.max_b_frames = 2
        for image in frames(30):
            film.mux(stream.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
        film.mux(stream.encode(None))
    times = [frame.time for frame in VideoReader(path)]
    assert times == pytest.approx([i / 25 for i in range(30)])


def test_films_that_were_joined_go_on(tmp_path):
    one = write_film(tmp_path / "one.ts", frames(50)).read_bytes()
    (tmp_path / "three.ts").write_bytes(3 * one)
    times = [frame.time for frame in VideoReader(tmp_path / "three.ts")]
    assert len(times) >= 145
    assert np.diff(times) == pytest.approx(1 / 25, abs=0.02)


@pytest.mark.parametrize(
    ("pixel", "size"),
    [("2/1", (192, 64)), ("1/2", (96, 128)), (None, (96, 64)), ("20/1", (96, 64))],
)
def test_pixels_that_are_not_square_are_made_square(tmp_path, pixel, size):
    path = write_film(tmp_path / "a.mp4", frames(3), pixel=pixel and Fraction(pixel))
    first = next(iter(VideoReader(path)))
    assert first.size == size
    assert first.image.shape == (size[1], size[0], 3)
    red = (first.image[:, :, 0] > 150) & (first.image[:, :, 1] < 90)
    assert red.any(axis=0).sum() == pytest.approx(16 * size[0] / 96, abs=2)
    assert red.any(axis=1).sum() == pytest.approx(16 * size[1] / 64, abs=2)
    assert max(first.within(48).shape) == 48


@pytest.mark.parametrize(
    ("name", "default", "shown"),
    [
        ("a.mkv", None, (192, 128)),
        ("a.mkv", (96, 64), (96, 64)),
        ("a.mov", (192, 128), (192, 128)),
    ],
)
def test_of_several_tracks_the_default_or_else_the_largest_is_shown(tmp_path, name, default, shown):
    with av.open(str(tmp_path / name), "w") as film:
        sizes = [(96, 64), (192, 128), (64, 96)]
        tracks = [film.add_stream("libx264", rate=25) for _ in sizes]
        for track, size in zip(tracks, sizes, strict=True):
            track.width, track.height = size
            if size == default:
                track.disposition = av.stream.Disposition.default
        for track, size in zip(tracks, sizes, strict=True):
            for image in frames(5, size):
                film.mux(track.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
            film.mux(track.encode(None))
    assert [frame.size for frame in VideoReader(tmp_path / name)] == [shown] * 5


def test_a_stream_without_times_goes_by_its_rate(tmp_path):
    path = write_film(tmp_path / "a.h264", frames(10))
    with av.open(str(path)) as film:
        assert {picture.time for picture in film.decode(video=0)} == {None}
    assert [f.time for f in VideoReader(path)] == pytest.approx([i / 25 for i in range(10)])


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_turned_phone_videos_are_upright(tmp_path, turn, mirror):
    """The file says how it is to be turned; an independent rule is numpy's rot90 and fliplr."""
    image = np.full((64, 96, 3), 90, np.uint8)
    image[:20, :30] = (220, 30, 30)
    path = write_film(tmp_path / "a.mp4", [image] * 3, turn=turn, mirror=mirror)
    (first, *_) = VideoReader(path)
    expected = np.rot90(image, turn // 90)
    expected = np.fliplr(expected) if mirror else expected
    assert first.image.shape == expected.shape
    assert np.abs(first.image.astype(int) - expected).mean() < 6


def test_upright_leaves_oblique_matrices_alone():
    image = np.zeros((4, 6, 3), np.uint8)
    assert upright(image, (1, 1, 1, 1)) is image


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: p / "absent.mp4", "does not exist"),
        (lambda p: p, "is a folder"),
        (lambda p: _written(p / "a.mp4", b""), "is empty"),
        (lambda p: _written(p / "a.mp4", b"no video at all " * 400), "is not a video"),
        (lambda p: write_sound(p / "a.m4a"), "has no pictures in it, only audio"),
        (lambda p: write_sound(p / "a.mp4", cover=next(frames(1))), "has no pictures in it"),
    ],
)
def test_what_is_no_video(make, message, tmp_path):
    with pytest.raises(InputError, match=message):
        list(VideoReader(make(tmp_path)))


def _written(path, content):
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("begins", [0, 5])
@pytest.mark.parametrize("sound", [None, "aac"])
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi", "a.flv", "a.wmv", "a.ts"])
def test_a_truncated_video_gives_what_it_has_and_says_where_it_broke(tmp_path, name, sound, begins):
    noise = np.random.default_rng(0).integers(0, 255, (100, 64, 96, 3), np.uint8)
    options = {"movflags": "faststart"} if name == "a.mp4" else None
    times = [begins + i / 25 for i in range(100)]
    codec = "wmv2" if name == "a.wmv" else "libx264"
    path = write_film(
        tmp_path / name, noise, options=options, times=times, sound=sound, codec=codec
    )
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    read = []
    if name == "a.ts":  # a transport stream announces no end: half of one is whole
        assert 20 < len(list(VideoReader(path))) < 80
        return
    with pytest.raises(InputError, match=r"damaged or cut off: .* up to \d\.\d of 4\.0 seconds"):
        read.extend(_collect(read, VideoReader(path)))
    assert 20 < len(read) < 80


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.mp4", {"sound": "aac", "sound_until": 9.0}),
        ("a.mkv", {"sound": "libopus", "sound_until": 9.0}),  # whose one duration is that of both
        ("a.webm", {"sound": "libopus", "sound_until": 9.0, "codec": "libvpx"}),
        ("a.flv", {"sound": "aac", "sound_until": 9.0}),
        ("a.avi", {"sound": "pcm_s16le", "sound_until": 9.0, "codec": "mjpeg"}),
        ("a.mp4", {"times": [5 + i / 25 for i in range(100)]}),
        ("a.mkv", {"times": [5 + i / 25 for i in range(100)]}),
        ("a.mkv", {"times": [5 + i / 25 for i in range(100)], "sound": "aac", "sound_until": 12.0}),
        ("a.flv", {"times": [5 + i / 25 for i in range(100)], "sound": "aac", "sound_until": 12.0}),
        ("a.wmv", {"times": [5 + i / 25 for i in range(100)], "codec": "wmv2"}),
        ("a.ts", {"times": [5 + i / 25 for i in range(100)], "sound": "aac", "sound_until": 12.0}),
    ],
)
def test_a_whole_film_is_whole_however_long_its_sound_is_and_when_it_begins(
    tmp_path, name, options
):
    path = write_film(tmp_path / name, frames(100), **options)
    assert [f.time for f in VideoReader(path)] == pytest.approx(
        [i / 25 for i in range(100)], abs=0.002
    )


def test_a_film_whose_last_frame_stands_still_is_whole(tmp_path):
    """As the last picture of a GIF does that became a film."""
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as film:
        stream = film.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuvj420p"
        packets = [
            packet
            for image in frames(10)
            for packet in stream.encode(av.VideoFrame.from_ndarray(image, "rgb24"))
        ]
        packets[-1].duration = round(3 / packets[-1].time_base)
        film.mux(packets)
    assert len(list(VideoReader(path))) == 10


def test_the_end_of_longer_sound_is_known_without_opening_the_film_again(tmp_path):
    """What a pipe brought is gone, and an address is shown without the password that opens it."""
    path = write_film(tmp_path / "a.flv", frames(50), sound="aac", sound_until=9.0)
    with VideoReader("gone.flv", container=open_container(str(path))) as reader:
        assert len(list(reader)) == 50


def test_a_recording_that_begins_between_key_frames_is_whole(tmp_path):
    path = begun_late(write_film(tmp_path / "a.ts", frames(200), keyframes=50))
    times = [frame.time for frame in VideoReader(path)]
    assert times == pytest.approx([i / 25 for i in range(150)])


def test_a_recording_that_gets_sound_in_the_middle_is_read_to_its_end(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (50, 64, 96, 3)).astype(np.uint8)
    silent = write_film(tmp_path / "silent.ts", noise).read_bytes()
    loud = write_film(tmp_path / "loud.ts", frames(25), sound="mp2").read_bytes()
    path = tmp_path / "joined.ts"
    path.write_bytes(2 * silent + loud + 2 * silent)
    with av.open(str(path)) as film:
        assert len(film.streams) == 1  # FFmpeg finds out when it is there
    assert len(list(VideoReader(path))) == 225


def test_films_that_were_joined_in_another_order_are_whole(tmp_path):
    parts = [
        write_film(tmp_path / f"{at}.ts", frames(50), times=[at + i / 25 for i in range(50)])
        for at in (1000, 100, 0)
    ]
    (tmp_path / "all.ts").write_bytes(b"".join(path.read_bytes() for path in parts))
    times = [frame.time for frame in VideoReader(tmp_path / "all.ts")]
    assert times == pytest.approx([i / 25 for i in range(150)], abs=0.02)


def _collect(into, reader):
    for frame in reader:
        into.append(frame)
    return []


def test_an_mp4_without_its_index_cannot_be_read(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (20, 64, 96, 3), np.uint8)
    path = write_film(tmp_path / "a.mp4", noise)
    path.write_bytes(path.read_bytes()[:20000])
    with pytest.raises(InputError, match="is not a video that can be read"):
        list(VideoReader(path))


def test_damage_in_the_middle_is_passed_over(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (60, 64, 96, 3), np.uint8)
    path = write_film(tmp_path / "a.ts", noise)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 4000] = bytes(4000)
    path.write_bytes(content)
    assert len(list(VideoReader(path))) > 40


@pytest.mark.parametrize(
    ("name", "codec", "where", "read", "message"),
    [
        ("a.mov", "png", [20, 30, 31], 57, "3 frames of .* could not be read: the film is damaged"),
        ("a.avi", "mjpeg", [20], 59, "1 frame of .* could not be read: the film is damaged"),
        ("a.mov", "png", range(40), 20, None),  # it begins between two key frames
        ("a.mov", "png", [59], 59, None),  # it was stopped in the middle of a frame
        ("a.mp4", "libx264", [20, 30], 60, None),  # the decoder conceals it
        ("a.mov", "png", range(20, 60), 20, r"up to 0\.8 of 2\.4 .* \(frame 20; \d+ could not be"),
    ],
)
def test_frames_that_cannot_be_read_are_counted(tmp_path, name, codec, where, read, message):
    noise = np.random.default_rng(0).integers(0, 255, (60, 64, 96, 3), np.uint8)
    path = damage(write_film(tmp_path / name, noise, codec=codec), *where)
    given = []
    with contextlib.nullcontext() if message is None else pytest.raises(InputError, match=message):
        _collect(given, VideoReader(path))
    assert len(given) == read


@pytest.mark.parametrize(
    ("where", "read", "message"),
    [
        ([20, 30], 58, "2 frames of .* could not be read: the film is damaged"),
        ([0], 59, None),  # it begins between two key frames
        ([59], 59, None),  # it was stopped in the middle of a frame
    ],
)
def test_frames_that_a_decoder_leaves_out_without_a_word_are_counted(
    tmp_path, where, read, message
):
    noise = np.random.default_rng(0).integers(0, 255, (60, 64, 96, 3), np.uint8)
    film = write_film(tmp_path / "a.mp4", noise, codec="libx265", keyframes=12)
    path = damage(film, *where, kept=8)
    given = []
    with contextlib.nullcontext() if message is None else pytest.raises(InputError, match=message):
        _collect(given, VideoReader(path))
    assert len(given) == read


def test_what_an_open_group_of_pictures_shows_before_its_key_frame_is_no_damage(tmp_path):
    """It needs frames from before the place where the recording begins."""
    whole = write_film(tmp_path / "a.ts", frames(100), codec="libx265", keyframes=25)
    assert len(list(VideoReader(begun_late(whole)))) == 75


def test_one_pixel(tmp_path):
    path = tmp_path / "a.avi"
    write_film(path, [np.full((1, 1, 3), 200, np.uint8)] * 3, codec="ffv1", rate=5)
    assert [f.image.shape for f in VideoReader(path)] == [(1, 1, 3)] * 3


def test_pixels_are_made_once_and_only_when_asked():
    calls = []

    def make(size):
        assert size is None
        calls.append(1)
        return np.zeros((2, 2, 3), np.uint8)

    frame = Frame(make, "x")
    assert not calls
    assert frame.image is frame.image
    assert len(calls) == 1


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="lists open files as Linux does")
def test_files_are_closed(tmp_path):
    path = write_film(tmp_path / "a.mp4", frames(5))

    def held():
        return sum(f.exists() and f.samefile(path) for f in Path("/proc/self/fd").iterdir())

    for _ in range(3):
        with VideoReader(path) as reader:
            next(iter(reader))
            assert held() == 1
        assert held() == 0


def test_frames_do_not_pile_up(tmp_path):
    """A frame in a cycle stays until Python looks for cycles; here it never does."""
    path = write_film(tmp_path / "a.mp4", frames(40), turn=90)
    gc.collect()
    gc.disable()
    try:
        with VideoReader(path) as reader:
            for frame in reader:
                assert frame.image.shape == (96, 64, 3)
            alive = [o for o in gc.get_objects() if type(o).__name__ == "SideDataContainer"]
    finally:
        gc.enable()
    assert len(alive) <= 2


def test_a_closed_film_leaves_no_decoder_behind(tmp_path):
    """PyAV's objects refer to each other; here Python never looks for cycles by itself."""
    path = write_film(tmp_path / "a.mp4", frames(10))
    gc.collect()
    gc.disable()
    try:
        for _ in range(3):
            with VideoReader(path) as reader:
                assert len(list(reader)) == 10
            reader.close()
        alive = [type(o).__name__ for o in gc.get_objects()]
    finally:
        gc.enable()
    assert alive.count("VideoCodecContext") == alive.count("InputContainer") == 0
