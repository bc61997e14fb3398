"""Small films for tests, made with PyAV: a grey scene in which something moves, with or without
sound, turned, cut off."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np


def frames(count, size=(96, 64), step=8):
    """Grey frames with a red square that moves to the right."""
    width, height = size
    for i in range(count):
        image = np.full((height, width, 3), 90, np.uint8)
        left = (i * step) % max(1, width - 16)
        image[: height // 4, left : left + 16] = (220, 30, 30)
        yield image


def write_film(
    path: Path,
    images: Iterable[np.ndarray],
    *,
    rate: int = 25,
    times: list[float] | None = None,
    turn: int | None = None,
    mirror: bool = False,
    sound: str | None = None,
    sound_rate: int = 48000,
    sound_from: float = 0.0,
    sound_until: float | None = None,
    silence: tuple[float, float] | None = None,
    codec: str = "libx264",
    keyframes: int | None = None,
    b_frames: int | None = None,
    pixel: Fraction | None = None,
    options: dict[str, str] | None = None,
) -> Path:
    """Write a film: ``times`` in seconds for a variable rate, ``sound`` the name of a codec, to be
    heard from the second ``sound_from`` on until ``sound_until``, but left out from one second of
    ``silence`` to the other, ``keyframes`` so many frames apart, up to ``b_frames`` one after the
    other, ``pixel`` the width of a pixel over its height."""
    images = list(images)
    height, width = images[0].shape[:2]
    with av.open(str(path), "w", options=options or {}) as film:
        stream = film.add_stream(codec, rate=rate)
        stream.width, stream.height = width, height
        stream.pix_fmt = {"mjpeg": "yuvj420p", "png": "rgb24"}.get(codec, "yuv420p")
        stream.codec_context.time_base = Fraction(1, 1000)
        if codec == "libx264":
            stream.options = {"crf": "12", "preset": "ultrafast"}
        if keyframes is not None:
            stream.codec_context.gop_size = keyframes
        if b_frames is not None:
            stream.codec_context.max_b_frames = b_frames
        if pixel is not None:
            stream.codec_context.sample_aspect_ratio = pixel
        if turn is not None or mirror:
            stream.set_display_rotation(turn or 0, hflip=mirror)
        voice = film.add_stream(sound, rate=sound_rate) if sound else None
        for i, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(image, "rgb24")
            frame.time_base = Fraction(1, 1000)
            frame.pts = round(1000 * (times[i] if times else i / rate))
            film.mux(stream.encode(frame))
        film.mux(stream.encode(None))
        if voice is not None:
            end = sound_until or (times[-1] if times else len(images) / rate)
            _beep(film, voice, end - sound_from, sound_rate, sound_from, silence)
    return path


def begun_late(path: Path) -> Path:
    """A transport stream as recorders cut it: its first eighth is gone, but not its tables."""
    content, packet = path.read_bytes(), 188
    eighth = len(content) // packet // 8 * packet
    path.write_bytes(content[: 3 * packet] + content[eighth:])
    return path


def damage(path: Path, *packets: int, kept: int = 60) -> Path:
    """Overwrite the pictures in these packets, but not the first bytes of any."""
    with av.open(str(path)) as film:
        places = [(packet.pos, packet.size) for packet in film.demux(video=0)]
    with path.open("r+b") as file:
        for number in packets:
            position, size = places[number]
            file.seek(position + kept)
            file.write(bytes(size - kept))
    return path


def write_sound(path: Path, seconds: float = 1.0, *, cover: np.ndarray | None = None) -> Path:
    """A file with sound only, or with the picture of a record's cover."""
    with av.open(str(path), "w") as film:
        voice = film.add_stream("aac", rate=48000)
        if cover is not None:
            picture = film.add_stream("mjpeg", rate=1)
            picture.height, picture.width = cover.shape[:2]
            picture.pix_fmt = "yuvj420p"
            picture.disposition = av.stream.Disposition.attached_pic
            film.mux(picture.encode(av.VideoFrame.from_ndarray(cover, "rgb24")))
            film.mux(picture.encode(None))
        _beep(film, voice, seconds)
    return path


def _beep(film, stream, seconds, rate=48000, begins=0.0, silence=None):
    context = stream.codec_context
    count = int(seconds * rate)
    wave = np.sin(np.arange(count) * 2 * np.pi * 440 / rate).astype(np.float32)
    form = context.format.name if context.format else "fltp"
    for start in range(0, count, 1024):
        if silence is not None and silence[0] <= start / rate < silence[1]:
            continue
        part = wave[start : start + 1024][None]
        if form.startswith("s16"):
            part = (part * 20000).astype(np.int16)
        elif form.startswith("s32"):
            part = (part * 1e9).astype(np.int32)
        frame = av.AudioFrame.from_ndarray(part, format=form, layout="mono")
        frame.sample_rate = rate
        frame.pts = start + round(begins * rate)
        film.mux(stream.encode(frame))
    film.mux(stream.encode(None))
