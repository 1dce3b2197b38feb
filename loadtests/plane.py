"""What the media plane alone asks for a packet: nothing is received, decoded or served beside it.

    python -m loadtests plane [--viewers 1000] [--mbps 2.5] [--seconds 6] [--threads 0] [--record]

One process writes ready-made pictures and sound into the plane; viewers are sockets that proved their address
and drop what comes, as those of the crowd do. The kernel alone is measured beside it, see `floor.py`: no
server can be cheaper than the kernel and the cipher together, and no picture can be out sooner than the plane
alone needs for it. Above 4 Mb/s the plane paces pictures, and only their first packets count for the delay.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import secrets
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass

from loadtests import floor
from loadtests.crowd import kernel
from loadtests.results import report, report_arguments
from transport.media import AccessUnit, Codec, Track
from transport.plane import bind_sockets, open_plane, stun
from transport.plane.delays import percentile_s
from transport.plane.interface import Feed, Peer, Plane, PlaneOptions, SrtpProfile, Subscription

_SOUNDS_PER_S = 50
_SOUND_BYTES = 240
#: RFC 6716 section 3.1: one frame of 20 ms, in stereo. Two that are written together become one packet.
_TOC = b"\xfc"
#: Of a picture's size.
_SPREAD = 0.07
#: Nothing more was sent for so long: it is over.
_QUIET_S = 0.3
_VIDEO = Track(id=1, codec=Codec.H264, clock_rate=90_000, width=1280, height=720)
_AUDIO = Track(id=2, codec=Codec.OPUS, clock_rate=48_000, sample_rate=48_000, channels=2)
_PROFILE = SrtpProfile.AEAD_AES_256_GCM
_PATIENCE_S = 10.0


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one run.

    Attributes:
        cipher: whose AES-256-GCM ran.
        packets: of media, all viewers together.
        us_per_packet: processor time of the plane's threads, the kernel's part included.
        p50_ms: from the writing of a picture or sound until the last viewer's packet was with the kernel.
        max_ms: the upper edge of the last bucket that is not empty, see `delays.py`.
    """

    cipher: str
    packets: int
    us_per_packet: float
    p50_ms: float
    p99_ms: float
    max_ms: float


@dataclass(frozen=True, slots=True)
class _Feeds:
    video: Feed
    audio: Feed


def measure(viewers: int, mbps: float, seconds: float, options: PlaneOptions) -> Cost:
    """Send to so many viewers for a while.

    Raises:
        RuntimeError: addresses were not proved in time.
    """
    with ExitStack() as stack:
        udp, tcp = bind_sockets("127.0.0.1", 0)
        address = udp[0].getsockname()
        plane = open_plane(udp, tcp, options)
        stack.callback(plane.close)
        epoch_s = time.time()
        feeds = _Feeds(
            plane.feed(Codec.H264, 90_000, epoch_s=epoch_s), plane.feed(Codec.OPUS, 48_000, epoch_s=epoch_s)
        )
        peers = [stack.enter_context(_viewer(plane, number, address, feeds)) for number in range(viewers)]
        until = time.monotonic() + _PATIENCE_S
        while not all(peer.address for peer in peers):
            if time.monotonic() > until:
                raise RuntimeError("the plane did not take every viewer's address")
            time.sleep(0.05)
        write_programme(feeds.video, feeds.audio, mbps, 1.0)
        sent, delays = _all_sent(plane), plane.send_delays()
        used_s = time.process_time() - time.thread_time()
        write_programme(feeds.video, feeds.audio, mbps, seconds, from_s=1.0)
        sent, delays = _all_sent(plane) - sent, plane.send_delays() - delays
        used_s = time.process_time() - time.thread_time() - used_s
        p50, p99, longest = (1000 * percentile_s(delays, share) for share in (0.5, 0.99, 1.0))
        return Cost(plane.cipher, sent, used_s * 1e6 / sent, p50, p99, longest)


def write_programme(video: Feed, audio: Feed, mbps: float, seconds: float, *, from_s: float = 0.0) -> None:
    """Write pictures and sound at their times, from `from_s` of the programme on.

    The first picture is a keyframe, of the size of the others. Sound comes with the picture it belongs to, as
    from an encoder that multiplexes both.
    """
    rng = random.Random(1)
    mean = mbps * 1e6 / 8 / floor.FPS
    start = time.monotonic()
    sounds = round(from_s * _SOUNDS_PER_S)
    for number in range(round(seconds * floor.FPS)):
        time.sleep(max(0.0, start + number / floor.FPS - time.monotonic()))
        size = round(rng.uniform(1 - _SPREAD, 1 + _SPREAD) * mean)
        at_s = from_s + number / floor.FPS
        video.write(_unit(_VIDEO, at_s, _picture(rng, size, is_key=number == 0)))
        while sounds / _SOUNDS_PER_S <= at_s:
            audio.write(_unit(_AUDIO, sounds / _SOUNDS_PER_S, _TOC + rng.randbytes(_SOUND_BYTES - 1)))
            sounds += 1


def _picture(rng: random.Random, size: int, *, is_key: bool) -> bytes:
    # No zeros: nothing in it may look like a start code.
    return b"\0\0\0\1" + (b"\x65" if is_key else b"\x41") + rng.randbytes(size).replace(b"\0", b"\1")


def _unit(track: Track, at_s: float, data: bytes) -> AccessUnit:
    ticks = round(at_s * track.clock_rate)
    is_key = not track.is_video or data[4] == 0x65
    return AccessUnit(track, ticks, ticks, data, is_key, time.monotonic())


@contextmanager
def _viewer(plane: Plane, number: int, address: tuple[str, int], feeds: _Feeds) -> Iterator[Peer]:
    ufrag, pwd = f"viewer{number}", secrets.token_hex(12)
    peer = plane.peer(ufrag, pwd)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        kernel.drop_media(sock, has_keys=True)
        sock.connect(address)
        attributes = {
            stun.USERNAME: f"{ufrag}:far".encode(),
            stun.PRIORITY: bytes(4),
            stun.ICE_CONTROLLING: os.urandom(8),
            stun.USE_CANDIDATE: b"",
        }
        sock.send(stun.serialize(stun.BINDING_REQUEST, os.urandom(12), attributes, pwd))
        size = _PROFILE.key_bytes + _PROFILE.salt_bytes
        peer.set_keys(_PROFILE, secrets.token_bytes(size), secrets.token_bytes(size))
        peer.subscribe(feeds.video, Subscription(102, 0x1000, 103, 0x1001, "0", 4, 6, "cam"))
        peer.subscribe(feeds.audio, Subscription(111, 0x2000, None, None, "1", 4, 0, "cam"))
        yield peer


def _all_sent(plane: Plane) -> int:
    """Packets sent to all viewers together, once that stands still."""
    sent, since = -1, time.monotonic()
    while time.monotonic() - since < _QUIET_S:
        time.sleep(_QUIET_S / 10)
        if (now := int(plane.snapshot()["packets_sent"].sum())) != sent:
            sent, since = now, time.monotonic()
    return sent


def table(costs: Sequence[Cost]) -> str:
    """As Markdown."""
    lines = ["| cipher | packets | µs/packet | sent after p50/p99/max ms |", "|---|---|---|---|"]
    lines += [
        f"| {each.cipher} | {each.packets} | **{each.us_per_packet:.2f}** | "
        f"{each.p50_ms:.1f}/{each.p99_ms:.1f}/{each.max_ms:.1f} |"
        for each in costs
    ]
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="loadtests plane", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--viewers", type=int, default=1000)
    parser.add_argument("--mbps", type=float, default=2.5)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--threads", type=int, default=0, help="0 for one per core")
    report_arguments(parser)
    given = parser.parse_args(arguments)
    if given.viewers < 1 or given.mbps <= 0 or given.seconds * floor.FPS < 1 or given.threads < 0:
        parser.error(
            f"expected viewers, Mb/s and at least 1/{floor.FPS} s, and no negative number of threads"
        )
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    plans = [PlaneOptions(threads=given.threads, ipsec_mb=quickest) for quickest in (False, True)]
    costs = [measure(given.viewers, given.mbps, given.seconds, options) for options in plans]
    cut, whole = (floor.send_us(given.viewers, 10, 3.0, takes_runs=each) for each in (False, True))
    paced = floor.send_us(given.viewers, 10, 3.0, per_s=floor.FPS)
    beside = (
        f"The kernel alone, runs of 10 packets: {cut:.2f} µs a packet, {paced:.2f} with {floor.FPS} runs a "
        f"second to each, {whole:.2f} where viewers take runs as they are.\n"
    )
    report(f"{table(costs)}\n{beside}", [asdict(cost) for cost in costs], given)
    return 0
