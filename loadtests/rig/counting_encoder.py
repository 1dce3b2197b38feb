"""An encoder that burns a counter into its pictures and knows when each of them went out.

    python -m loadtests.rig.counting_encoder 'srt://127.0.0.1:8890?streamid=…' --seconds 10

H.264 without delay of its own and AAC, as MPEG-TS over SRT with AES-256, through our own caller; the
passphrase is in SRT_PASSPHRASE. A line of JSON for each picture goes to standard output, see `Picture`.
Sound is written a little ahead of the picture it belongs to: a muxer waits for whichever is behind.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from fractions import Fraction

import av
import numpy as np
import numpy.typing as npt
from av.audio.stream import AudioStream
from av.video.stream import VideoStream

from loadtests.rig import counter
from transport.srt import SrtConnection, connect, parse_srt_url

_FPS = 30
_GOP_S = 2.0
_RATE, _SOUND_SAMPLES = 48_000, 1024
_MESSAGE_BYTES = 1316
#: So many of its last bytes tell a coded picture from every other.
TAIL_BYTES = 16


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture on its way; moments in seconds since 1970.

    Attributes:
        number: what the counter shows.
        entered_at: it was handed to the encoder.
        encoded_at: it left the encoder.
        sent_at: its last byte was handed to the SRT socket.
        size_bytes: coded.
        keyframe: it was coded without reference to others.
        tail: its last coded bytes, hexadecimal.
    """

    number: int
    entered_at: float
    encoded_at: float
    sent_at: float
    size_bytes: int
    keyframe: bool
    tail: str


class _Sink:
    """What the muxer takes for a file: keeps what it wrote until it is sent."""

    def __init__(self) -> None:
        self._data = bytearray()

    def write(self, data: bytes) -> int:
        self._data += data
        return len(data)

    def take(self) -> bytes:
        data = bytes(self._data)
        self._data.clear()
        return data


class Scenery:
    """Something to look at: a texture that wanders, with the counter above it."""

    def __init__(self, width: int, height: int) -> None:
        random = np.random.default_rng(7)
        coarse = random.integers(60, 200, (height // 16 + 1, width // 16 + 1), np.uint8)
        fine = random.integers(0, 24, (height, width), np.uint8)
        self._luma = np.kron(coarse, np.ones((16, 16), np.uint8))[:height, :width] + fine
        self._chroma = np.full((height // 2, width), 128, np.uint8)

    def frame(self, number: int) -> av.VideoFrame:
        """The picture with this number."""
        luma: npt.NDArray[np.uint8] = np.roll(self._luma, 2 * number, axis=1)
        counter.draw(luma, number)
        frame = av.VideoFrame.from_ndarray(np.vstack((luma, self._chroma)), format="yuv420p")
        frame.pts = number
        frame.time_base = Fraction(1, _FPS)
        return frame


def _sound(index: int) -> av.AudioFrame:
    at = np.arange(index * _SOUND_SAMPLES, (index + 1) * _SOUND_SAMPLES)
    wave = (0.2 * np.sin(at * 2 * np.pi * 440 / _RATE)).astype(np.float32)
    frame = av.AudioFrame.from_ndarray(np.stack((wave, wave)), format="fltp", layout="stereo")
    frame.sample_rate = _RATE
    frame.pts = index * _SOUND_SAMPLES
    frame.time_base = Fraction(1, _RATE)
    return frame


class Encoder:
    """Pictures in, transport stream out.

    Args:
        width: of the picture, as `height`.
        bitrate_kbps: of the picture.
        sound: with a tone.
    """

    def __init__(self, width: int, height: int, bitrate_kbps: int, *, sound: bool) -> None:
        self._sink = _Sink()
        self._scenery = Scenery(width, height)
        options = {"flush_packets": "1", "muxdelay": "0", "muxpreload": "0"}
        self._container = av.open(self._sink, "w", format="mpegts", options=options)
        rate = f"{bitrate_kbps}k"
        self._video: VideoStream = self._container.add_stream(
            "libx264",
            rate=_FPS,
            options={
                **{"preset": "ultrafast", "tune": "zerolatency", "profile": "baseline"},
                **{"g": str(round(_GOP_S * _FPS)), "sc_threshold": "0"},
                **{"b": rate, "maxrate": rate, "bufsize": rate},
            },
        )
        self._video.width, self._video.height, self._video.pix_fmt = width, height, "yuv420p"
        self._audio: AudioStream | None = None
        if sound:
            self._audio = self._container.add_stream("aac", rate=_RATE)
            self._audio.layout = "stereo"
        self._sounds = 0

    def encode(self, number: int) -> tuple[Picture, bytes]:
        """Code and mux one picture; `sent_at` is still to come."""
        self._write_sound_before((number + 1) / _FPS)
        frame = self._scenery.frame(number)
        entered_at = time.time()
        (packet,) = self._video.encode(frame)
        encoded_at = time.time()
        coded = bytes(packet)
        self._container.mux(packet)
        tail = coded[-TAIL_BYTES:].hex()
        picture = Picture(number, entered_at, encoded_at, 0.0, len(coded), packet.is_keyframe, tail)
        return picture, self._sink.take()

    def _write_sound_before(self, seconds: float) -> None:
        # One more than is due: what the codec keeps back for its own sake.
        while self._audio is not None and self._sounds * _SOUND_SAMPLES < (seconds + 0.05) * _RATE:
            self._container.mux(self._audio.encode(_sound(self._sounds)))
            self._sounds += 1


def send(connection: SrtConnection, data: bytes) -> None:
    """Send a piece of a transport stream, the rest as a shorter message at once."""
    for at in range(0, len(data), _MESSAGE_BYTES):
        connection.send(data[at : at + _MESSAGE_BYTES])


def pictures(encoder: Encoder, connection: SrtConnection, seconds: float) -> Iterator[Picture]:
    """Encode and send in real time."""
    start = time.monotonic()
    for number in range(round(seconds * _FPS)):
        time.sleep(max(0.0, start + number / _FPS - time.monotonic()))
        picture, data = encoder.encode(number)
        send(connection, data)
        yield replace(picture, sent_at=time.time())


def main() -> None:
    """Run until the time is over."""
    parser = argparse.ArgumentParser(description="Push pictures with a counter over SRT.")
    parser.add_argument("url")
    parser.add_argument("--size", default="1280x720")
    parser.add_argument("--kbps", type=int, default=2500)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--latency-ms", type=int, default=20)
    parser.add_argument("--no-sound", action="store_true")
    given = parser.parse_args()
    width, height = map(int, given.size.split("x"))
    target = parse_srt_url(given.url)
    options = replace(target.options, latency_ms=given.latency_ms, passphrase=os.environ["SRT_PASSPHRASE"])
    connection = connect(target, options)
    try:
        encoder = Encoder(width, height, given.kbps, sound=not given.no_sound)
        for picture in pictures(encoder, connection, given.seconds):
            sys.stdout.write(json.dumps(asdict(picture)) + "\n")
            sys.stdout.flush()
    finally:
        connection.close()


if __name__ == "__main__":
    main()
