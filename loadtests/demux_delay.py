"""How long a demultiplexer keeps a picture whose last byte has arrived: libav's and ours, same streams.

    python -m loadtests demux-delay

It needs the ffmpeg and gst-launch-1.0 commands. Streams are handed over packet by packet, and a packet is
taken to arrive when a live encoder would have sent it, at the decoding time of the picture or sound it
belongs to. So the result is exact, whatever else this machine does.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import av

from transport.mpegts import TsDemuxer
from transport.mpegts.wire import PACKET_BYTES, parse_adaptation, parse_pes

_TICKS_PER_S = 90_000
_SECONDS = 12
_LOW_LATENCY = {"fflags": "nobuffer", "probesize": "32768", "analyzeduration": "0"}

_FFMPEG = (
    "ffmpeg -v error -y -f lavfi -i testsrc2=size=1280x720:rate=30 -f lavfi -i sine=sample_rate=48000 "
    "-t {seconds} -c:v libx264 -preset ultrafast -tune zerolatency -g 60 -b:v 3M -c:a aac -f mpegts {path}"
)
_GSTREAMER = (
    "gst-launch-1.0 -q videotestsrc num-buffers={frames} ! video/x-raw,width=1280,height=720,framerate=30/1 "
    "! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=60 bitrate=3000 ! h264parse "
    "! mpegtsmux name=mux ! filesink location={path} "
    "audiotestsrc num-buffers={sounds} ! avenc_aac ! aacparse ! mux."
)


@dataclass(frozen=True, slots=True)
class Schedule:
    """When everything of a stream arrives.

    Attributes:
        arrivals_s: of every transport packet, from the first one.
        ends: index of the transport packet with the last byte of each picture, by dts.
    """

    arrivals_s: list[float]
    ends: dict[int, int]


@dataclass(frozen=True, slots=True)
class Result:
    """What one demultiplexer did with one stream.

    Attributes:
        first_s: arrival of the first byte until the first picture came out.
        delays_s: of every picture, from the arrival of its last byte.
    """

    first_s: float
    delays_s: list[float]


class _PacketSource:
    """File for libav that hands out one transport packet per read and knows how many it handed out."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.packets = 0

    def read(self, size: int) -> bytes:
        packet = self._data[self.packets * PACKET_BYTES : (self.packets + 1) * PACKET_BYTES]
        self.packets += bool(packet)
        return packet


def schedule(data: bytes, video_pid: int) -> Schedule:
    """Work out when the packets of a recorded stream would have arrived live."""
    arrivals: list[float] = []
    ends: dict[int, int] = {}
    first: int | None = None
    newest, dts = 0.0, -1
    for index in range(len(data) // PACKET_BYTES):
        at = index * PACKET_BYTES
        pid = (data[at + 1] & 0x1F) << 8 | data[at + 2]
        begins = data[at + 1] & 0x40 != 0
        payload_at = parse_adaptation(data, at)[0] if data[at + 3] & 0x20 else 4
        has_payload = data[at + 3] & 0x10 != 0
        if begins and has_payload and data[at + payload_at : at + payload_at + 3] == b"\x00\x00\x01":
            header = parse_pes(data[at + payload_at : at + PACKET_BYTES])
            assert header.pts is not None
            stamp = header.pts if header.dts is None else header.dts
            first = stamp if first is None else first
            newest = max(newest, (stamp - first) / _TICKS_PER_S)
            dts = stamp if pid == video_pid else dts
        if pid == video_pid and has_payload:
            ends[dts] = index
        arrivals.append(newest)
    return Schedule(arrivals, ends)


def measure_ours(data: bytes, when: Schedule) -> Result:
    """Feed our demultiplexer packet by packet."""
    demuxer = TsDemuxer()
    delays: list[float] = []
    first_s = 0.0
    for index, arrival in enumerate(when.arrivals_s):
        at = index * PACKET_BYTES
        for unit in demuxer.feed(data[at : at + PACKET_BYTES], arrival):
            if unit.track.is_video:
                first_s = first_s if delays else arrival
                delays.append(arrival - when.arrivals_s[when.ends[unit.dts]])
    return Result(first_s, delays)


def measure_libav(data: bytes, when: Schedule, options: dict[str, str]) -> Result:
    """Let libav read packet by packet and note how far it had read when a picture came out."""
    source = _PacketSource(data)
    delays: list[float] = []
    first_s = 0.0
    with av.open(source, "r", format="mpegts", options=options) as container:
        for packet in container.demux(container.streams.video[0]):
            if packet.dts is None or source.packets >= len(when.arrivals_s):
                break  # at the end of the file it gives out what it has
            arrival = when.arrivals_s[source.packets - 1]
            first_s = first_s if delays else arrival
            delays.append(arrival - when.arrivals_s[when.ends[packet.dts]])
    return Result(first_s, delays)


def microseconds_per_packet(data: bytes) -> float:
    """CPU time of our demultiplexer, fed with messages of seven packets as SRT delivers them."""
    best = float("inf")
    for _ in range(5):
        demuxer = TsDemuxer()
        begin = time.process_time()
        for at in range(0, len(data), 7 * PACKET_BYTES):
            demuxer.feed(data[at : at + 7 * PACKET_BYTES], 0.0)
        best = min(best, time.process_time() - begin)
    return best / (len(data) / PACKET_BYTES) * 1e6


def measure() -> None:
    """Make the streams, measure, print the table."""
    print(f"{'muxer':10} {'demultiplexer':26} {'first unit':>11} {'median':>9} {'95 %':>9} {'longest':>9}")
    costs = []
    with tempfile.TemporaryDirectory() as folder:
        for muxer, command, pid in (("ffmpeg", _FFMPEG, 0x100), ("GStreamer", _GSTREAMER, 0x41)):
            path = Path(folder) / f"{muxer}.ts"
            filled = command.format(path=path, seconds=_SECONDS, frames=30 * _SECONDS, sounds=43 * _SECONDS)
            subprocess.run(filled.split(), check=True)
            data = path.read_bytes()
            when = schedule(data, pid)
            results = {
                "ours": measure_ours(data, when),
                "libav, as it comes": measure_libav(data, when, {}),
                "libav, probing 32 KB": measure_libav(data, when, _LOW_LATENCY),
            }
            for name, result in results.items():
                # What came out in a burst after probing would blur what every later picture waits.
                steady = sorted(result.delays_s[len(result.delays_s) // 2 :])
                figures = (
                    result.first_s,
                    statistics.median(steady),
                    steady[len(steady) * 95 // 100],
                    steady[-1],
                )
                print(f"{muxer:10} {name:26} " + " ".join(f"{1000 * f:6.0f} ms" for f in figures))
            costs.append(f"{muxer} {microseconds_per_packet(data):.2f} µs")
    print(f"CPU time of ours per transport packet: {', '.join(costs)}")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    description = (__doc__ or "").splitlines()[0]
    argparse.ArgumentParser(prog="loadtests demux-delay", description=description).parse_args(arguments)
    measure()
    return 0


if __name__ == "__main__":
    sys.exit(main())
