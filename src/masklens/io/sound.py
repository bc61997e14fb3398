"""The sound of a film on its way into its annotated copy, beside the pictures of the recorder.

A film goes in; packets that an MP4 can hold go out, at the times they had.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from masklens.io.containers import import_av, open_container, packets
from masklens.io.video import FAR, VideoReader

#: Sound that an MP4 may hold as it is; any other is coded again as AAC. Not AC-3: FFmpeg wants to
#: see a packet of it before it writes the head of the file, and crashes when there is none.
_MP4_SOUND = frozenset({"aac", "mp3", "alac", "opus"})

#: Seconds without sound between two packets that are no mistake of rounding.
_SILENCE = 0.1


class Sound:
    """The sound of a file on its way into another: copied if MP4 allows it, else coded as AAC."""

    def __init__(self, source: Any, stream: Any, begins: float, target: Any) -> None:
        self._source, self._target = source, target
        context = stream.codec_context
        coded = context.codec.canonical_name  # of the format: decoders have names like mp3float
        # AAC without the head that MP4 wants before the first packet comes from MPEG-TS.
        headless = coded == "aac" and not context.extradata
        # MP3 at less than 16 kHz (MPEG 2.5) is in no standard of MP4, and FFmpeg refuses it.
        slow = coded == "mp3" and context.sample_rate < 16_000
        self._copy = coded in _MP4_SOUND and not (headless or slow)
        if self._copy:
            self._out = target.add_stream_from_template(stream)
        else:
            self._out = target.add_stream("aac", rate=_aac_rate(context.sample_rate or 48_000))
        self._shift = round(begins / stream.time_base)
        self._stream = stream
        self._packets = packets(source, stream)
        self._waiting: Any = None
        self._last: tuple[int, int] | None = None  # of what was read: its time and its duration
        self._samples: int | None = None  # up to the end of what was coded, from time 0

    @classmethod
    def of(cls, film: VideoReader, target: Any) -> Sound | None:
        """The first sound track of a film, on its way into an open container; None without one.

        The film's first picture was read: from it on there is sound.
        """
        source = open_container(film.name)
        stream = next((s for s in source.streams.audio if s.codec_context is not None), None)
        if stream is None:
            source.close()
            return None
        return cls(source, stream, film.begins, target)

    def write_until(self, time: float | None) -> None:
        """Bring the sound up to a time in seconds; None: to its end."""
        av = import_av()
        while True:
            try:
                packet = self._waiting or self._next()
            except av.error.FFmpegError:
                packet = None  # the sound of a damaged file ends where it can be read no more
            if packet is None:
                break
            at = float((packet.dts - self._shift) * packet.time_base)
            if time is not None and at > time:
                self._waiting = packet
                return
            self._waiting = None
            if at >= 0:  # what is heard before the first picture is left out
                self._write(packet, at, av)
        if time is None and not self._copy:
            self._code(None)

    def _next(self) -> Any:
        """The next packet that has a time; None at the end."""
        packet = next((p for p in self._packets if p.dts is not None), None)
        if packet is None:
            return None
        if self._last is not None:
            # As with pictures: films that were joined go on, though their times begin anew.
            last, duration = self._last
            if not 0 < (packet.dts - last) * packet.time_base < FAR:
                self._shift += packet.dts - last - duration
        self._last = packet.dts, packet.duration or 0
        return packet

    def _write(self, packet: Any, at: float, av: Any) -> None:
        if self._copy:
            packet.pts = (packet.dts if packet.pts is None else packet.pts) - self._shift
            packet.dts -= self._shift
            packet.stream = self._out
            self._target.mux(packet)
            return
        try:
            frames = packet.decode()
        except av.error.InvalidDataError:
            return
        for frame in frames:
            rate = frame.sample_rate
            if self._samples is None:
                self._samples = round(at * rate)
            # Counted here: the times in the file may have small holes, which coders do not take.
            # Silence that was left out stays: else all sound after it would come early.
            if frame.time is not None:
                begins = frame.time - float(self._shift * packet.time_base)
                if begins - self._samples / rate > _SILENCE:
                    self._samples = round(begins * rate)
            frame.pts, frame.time_base = self._samples, Fraction(1, rate)
            self._samples += frame.samples
            self._code(frame)

    def _code(self, frame: Any) -> None:
        """Code a frame, or with None the last of what the coder holds."""
        # AAC begins with a packet that is all before the first sample. Were it written, the MP4
        # would begin with it, and show all pictures but the first one later.
        self._target.mux([packet for packet in self._out.encode(frame) if packet.pts >= 0])

    def close(self) -> None:
        """Let go of the film."""
        self._source.close()


def _aac_rate(rate: int) -> int:
    """The sample rate nearest to this one that AAC has."""
    rates: Sequence[int] = import_av().codec.Codec("aac", "w").audio_rates or [rate]
    return min(rates, key=lambda known: abs(known - rate))
