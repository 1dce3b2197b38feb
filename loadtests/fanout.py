"""What it costs a server to send one stream to many viewers.

    python -m loadtests fanout --viewers 1000 --mbps 2.5 --seconds 20 [--peer NAME or URL] [--json FILE]

Every twentieth viewer decrypts and counts all it gets. The others drop media in the kernel by a socket
filter, and the kernel's count of what it dropped is what was delivered to them: nothing is extrapolated.
`loss` is of the viewers that decrypt, by sequence number, without asking for retransmissions. Processor time
of the server is utime + stime of its process from /proc; on loopback a good part of the receiving side is in
it as well.
"""

from __future__ import annotations

import argparse
import math
import os
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from functools import partial

from loadtests.crowd import filters
from loadtests.crowd.driver import Driver, Joins, Moment, crowd
from loadtests.peers.aiortc_relay import aiortc_relay
from loadtests.peers.janus import janus
from loadtests.peers.mediamtx import mediamtx
from loadtests.peers.ours import elsewhere, ours
from loadtests.peers.subject import UNKNOWN_DELAYS, Delays, Subject, Usage, stolen_s
from loadtests.results import report, report_arguments

#: The join burst and the handshakes' leftovers are over by then.
_SETTLE_S = 3.0


@dataclass(frozen=True, slots=True)
class Load:
    """What is asked of the server.

    Attributes:
        rate: joins per second, 0 for all at once.
        check_every: every so manieth viewer decrypts.
        settle_s: between the last join and the window; as long is watched before the first one.
    """

    viewers: int
    mbps: float
    seconds: float
    rate: float = 200.0
    check_every: int = 20
    settle_s: float = _SETTLE_S


@dataclass(frozen=True, slots=True)
class Result:
    """One run.

    Attributes:
        joined: viewers that watched.
        failed: why others did not, and how many.
        joins_per_s: reached, not asked for.
        join_p50_ms: from the offer to the SRTP keys.
        first_packet_p50_ms: from the offer to the first media packet, of the viewers that check.
        cpu_ms_per_join: the server's, without what it used idle and for the media it sent meanwhile.
        delivered_per_s: media packets, all viewers together.
        loss: share of the packets that checking viewers missed.
        sent: media packets in the window by the server's own count; -1 if it does not tell.
        delivered: in the window, by the kernel's and the checking viewers' count.
        mbps_per_viewer: RTP that checking viewers got.
        cpu_us_per_packet: the server's.
        idle_cores: processors the server kept busy with the publisher alone.
        server_cores: processors the server kept busy in the window.
        send_delay_p50_ms: from an access unit's writing until its last packet is with the kernel (its first
            packets, if it is paced), in the last ten seconds; NaN if the server does not tell.
        rss_kb_per_viewer: what the server grew by.
        profile: SRTP profile of most viewers.
        crowd_share: of the whole machine that the viewers took in the window.
        stolen_share: of the whole machine that its host gave to others in the window, if it is a virtual one.
        crowd_overflowed: packets that checking viewers had no room for; not the server's fault.
    """

    name: str
    plane: str
    cipher: str
    profile: str
    asked: int
    joined: int
    failed: dict[str, int]
    joins_per_s: float
    join_p50_ms: float
    join_p99_ms: float
    first_packet_p50_ms: float
    first_packet_p99_ms: float
    cpu_ms_per_join: float
    window_s: float
    delivered: int
    sent: int
    delivered_per_s: float
    loss: float
    retransmitted: int
    undecipherable: int
    mbps_per_viewer: float
    cpu_us_per_packet: float
    idle_cores: float
    server_cores: float
    send_delay_p50_ms: float
    send_delay_p99_ms: float
    send_delay_max_ms: float
    rss_kb_per_viewer: float
    crowd_share: float
    stolen_share: float
    crowd_overflowed: int

    @property
    def viewers_per_core(self) -> float:
        """How many a processor would serve at this cost; NaN if that is not known."""
        return self.joined / self.server_cores if self.server_cores else math.nan


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that is counted, at one moment."""

    moment: Moment
    usage: Usage | None
    sent: int
    stolen_s: float = 0.0


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that this share of the values does not exceed; NaN without values."""
    if not values:
        return math.nan
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


@dataclass(frozen=True, slots=True)
class Course:
    """The moments of a run: live, joining begins, all have joined, measuring begins, the end."""

    live: Snapshot
    before: Snapshot
    joined: Snapshot
    start: Snapshot
    end: Snapshot


def snapshot(subject: Subject, driver: Driver) -> Snapshot:
    """Count; asking the server for its own count comes last at the window's beginning and is part of it."""
    usage = Usage.of(subject.pid) if subject.pid is not None else None
    sent = subject.packets_sent() if subject.packets_sent else -1
    return Snapshot(driver.moment(), usage, sent, stolen_s())


def _cpu_s(earlier: Snapshot, later: Snapshot) -> float:
    return later.usage.cpu_s - earlier.usage.cpu_s if earlier.usage and later.usage else math.nan


def _seconds(earlier: Snapshot, later: Snapshot) -> float:
    return later.moment.at - earlier.moment.at


def arithmetic(
    subject: Subject, load: Load, joins: Joins, course: Course, delays: Delays = UNKNOWN_DELAYS
) -> Result:
    """From what was counted at the moments of a run."""
    before, start, end = course.before, course.start, course.end
    window = end.moment.counts.since(start.moment.counts)
    window_s = _seconds(start, end)
    cpu_s = _cpu_s(start, end)
    joined = max(1, joins.joined)
    # While viewers join the publisher is served and media are sent: both have a price of their own.
    idle = _cpu_s(course.live, before) / _seconds(course.live, before)
    price_s = max(0.0, cpu_s - idle * window_s) / window.delivered if window.delivered else 0.0
    meanwhile_s = idle * _seconds(before, course.joined) + price_s * course.joined.moment.counts.delivered
    join_s = (_cpu_s(before, course.joined) - meanwhile_s) / joined
    rss = math.nan
    if before.usage and end.usage:
        rss = (end.usage.rss_bytes - before.usage.rss_bytes) / 1024 / joined
    counted = window.checked * window_s
    return Result(
        name=subject.name,
        plane=subject.plane,
        cipher=subject.cipher,
        profile=max(joins.profiles, key=lambda profile: joins.profiles[profile], default=""),
        asked=load.viewers,
        joined=joins.joined,
        failed=joins.failed,
        joins_per_s=joins.joined / joins.seconds,
        join_p50_ms=percentile(joins.latencies_ms, 0.5),
        join_p99_ms=percentile(joins.latencies_ms, 0.99),
        first_packet_p50_ms=percentile(start.moment.first_packets_ms, 0.5),
        first_packet_p99_ms=percentile(start.moment.first_packets_ms, 0.99),
        cpu_ms_per_join=join_s * 1000,
        window_s=window_s,
        delivered=window.delivered,
        sent=end.sent - start.sent if start.sent >= 0 else -1,
        delivered_per_s=window.delivered / window_s,
        loss=window.loss,
        retransmitted=window.retransmitted,
        undecipherable=window.undecipherable,
        mbps_per_viewer=window.received_bytes * 8 / 1e6 / counted if counted else math.nan,
        cpu_us_per_packet=cpu_s * 1e6 / window.delivered if window.delivered else math.nan,
        idle_cores=idle,
        server_cores=cpu_s / window_s,
        send_delay_p50_ms=delays.p50_ms,
        send_delay_p99_ms=delays.p99_ms,
        send_delay_max_ms=delays.max_ms,
        rss_kb_per_viewer=rss,
        crowd_share=(end.moment.cpu_s - start.moment.cpu_s) / window_s / (os.cpu_count() or 1),
        stolen_share=(end.stolen_s - start.stolen_s) / window_s / (os.cpu_count() or 1),
        crowd_overflowed=window.overflowed,
    )


def run(subject: Subject, load: Load) -> Result:
    """Measure one server that is live already."""
    with crowd(
        subject.url, signalling=subject.signalling, host=subject.host, check_every=load.check_every
    ) as driver:
        live = snapshot(subject, driver)
        time.sleep(load.settle_s)
        before = snapshot(subject, driver)
        joins = driver.join(load.viewers, load.rate)
        joined = snapshot(subject, driver)
        time.sleep(load.settle_s)
        start = snapshot(subject, driver)
        time.sleep(load.seconds)
        course = Course(live, before, joined, start, snapshot(subject, driver))
        delays = subject.send_delays() if subject.send_delays else UNKNOWN_DELAYS
        return arithmetic(subject, load, joins, course, delays)


def table(results: Sequence[Result]) -> str:
    """As Markdown."""
    head = (
        "server",
        "plane, cipher",
        "viewers",
        "joins/s",
        "join p50/p99 ms",
        "first packet p50/p99 ms",
        "CPU ms/join",
        "packets/s",
        "Mb/s each",
        "loss",
        "**CPU µs/packet**",
        "cores",
        "viewers/core",
        "sent after p50/p99/max ms",
        "RSS KB/viewer",
    )
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    lines += [f"| {' | '.join(_row(result))} |" for result in results]
    return "\n".join(lines) + "\n"


def _row(result: Result) -> tuple[str, ...]:
    return (
        result.name,
        ", ".join(filter(None, (result.plane, result.cipher, result.profile))),
        f"{result.joined}/{result.asked}",
        f"{result.joins_per_s:.0f}",
        f"{result.join_p50_ms:.0f}/{result.join_p99_ms:.0f}",
        f"{result.first_packet_p50_ms:.0f}/{result.first_packet_p99_ms:.0f}",
        f"{result.cpu_ms_per_join:.1f}",
        f"{result.delivered_per_s:.0f}",
        f"{result.mbps_per_viewer:.2f}",
        f"{result.loss:.3%}",
        f"**{result.cpu_us_per_packet:.2f}**",
        f"{result.server_cores:.2f}",
        f"{result.viewers_per_core:.0f}",
        f"{result.send_delay_p50_ms:.1f}/{result.send_delay_p99_ms:.1f}/{result.send_delay_max_ms:.1f}",
        f"{result.rss_kb_per_viewer:.0f}",
    )


def remarks(result: Result) -> str:
    """What a reader of the table should know besides."""
    said = f"counted {result.sent}" if result.sent >= 0 else "does not say what it sent"
    lines = [
        f"{result.name}: {result.delivered} packets arrived in {result.window_s:.1f} s, the server {said}; "
        f"the viewers took {result.crowd_share:.0%} of the machine and have "
        f"{'one filter for all' if filters.shared(filters.BY_SIZE) is not None else 'a filter each'}; "
        f"the machine's host took {result.stolen_share:.1%} for others"
    ]
    if result.crowd_overflowed:
        lines.append(f"  {result.crowd_overflowed} packets were lost in the viewers, not on the way")
    if result.undecipherable:
        lines.append(f"  {result.undecipherable} packets could not be decrypted")
    lines += [f"  {count} viewers failed: {why}" for why, count in result.failed.items()]
    return "\n".join(lines) + "\n"


def subject_for(peer: str, mbps: float, host: str = "127.0.0.1") -> AbstractContextManager[Subject]:
    """The server that `--peer` names; "" is ours."""
    if not peer:
        return ours(mbps)
    if peer in _PEERS:
        return _PEERS[peer](mbps)
    if peer.startswith(("http://", "https://")):
        return elsewhere(peer, host)
    raise ValueError(f"--peer is one of {', '.join(_PEERS)}, or a URL; not {peer!r}")


_PEERS: dict[str, Callable[[float], AbstractContextManager[Subject]]] = {
    "aiortc": aiortc_relay,
    "aiortc-decoding": partial(aiortc_relay, decode=True),
    "janus": janus,
    "mediamtx": mediamtx,
}


def arguments_of(parser: argparse.ArgumentParser) -> None:
    """What every program of this family takes."""
    parser.add_argument("--viewers", type=int, default=1000)
    parser.add_argument("--mbps", type=float, default=2.5)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--peer", default="", help=f"{', '.join(_PEERS)}, or the URL of a WHEP endpoint")
    parser.add_argument("--host", default="127.0.0.1", help="address to watch a URL from")
    parser.add_argument("--check-every", type=int, default=20, help="every so manieth viewer decrypts")
    report_arguments(parser)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="loadtests fanout", description=(__doc__ or "").splitlines()[0])
    arguments_of(parser)
    parser.add_argument("--rate", type=float, default=200.0, help="joins per second")
    given = parser.parse_args(arguments)
    load = Load(given.viewers, given.mbps, given.seconds, given.rate, given.check_every)
    with subject_for(given.peer, given.mbps, given.host) as subject:
        result = run(subject, load)
    report(table([result]) + "\n" + remarks(result), [asdict(result)], given)
    return 0 if result.joined == load.viewers else 1
