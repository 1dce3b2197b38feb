from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from tests.transport.rtp.sender import AUDIO, OWN_SSRC, VIDEO, Sender, pictures, plis, run
from transport.media import AccessUnit
from transport.rtp import header, rtcp
from transport.rtp.incoming import LayerIds
from transport.rtp.receive import RtpReceiver

RID, REPAIRED = 10, 11
LAYERED = replace(VIDEO, layers=LayerIds(("q", "f"), RID, REPAIRED))
#: Widths of the pictures.
LOW, HIGH = 64, 128
Arrivals = list[tuple[float, bytes]]


class Layer:
    """A sender of one layer. Browsers name it until they know that it is heard: here in the first packets."""

    def __init__(self, rid: str, width: int, ssrc: int, *, gop: int = 25) -> None:
        self.sender = Sender(ssrc=ssrc, seq=ssrc)
        self._rid, self._named = rid.encode(), 0
        self._units = pictures(125, gop=gop, size=width // 2)

    def arrivals(self, first: int, last: int) -> Arrivals:
        """Pictures of these numbers, 25 a second, all of one moment at once."""
        return [
            (unit.dts_s, self.name(packet))
            for unit in self._units[first:last]
            for packet in self.sender.packets(unit)
        ]

    def name(self, packet: bytes, extension: int = RID) -> bytes:
        self._named += 1
        if self._named > 5 and extension == RID:
            return packet
        return header.serialize(replace(header.parse(packet), extensions=((extension, self._rid),)))


def receiver(low_first: bool = True) -> RtpReceiver:
    rids = ("q", "f") if low_first else ("f", "q")
    track = replace(LAYERED, layers=LayerIds(rids, RID, REPAIRED))
    return RtpReceiver((track, AUDIO), ssrc=OWN_SSRC, max_bitrate_bps=2_500_000, now=0.0)


def widths(units: list[AccessUnit], first_s: float, last_s: float) -> set[int]:
    return {unit.track.width for unit in units if first_s <= unit.pts_s < last_s}


def assert_shown(units: list[AccessUnit], longest_s: float) -> None:
    """In order, each other size from a keyframe on, and never standing still for longer."""
    assert units[0].keyframe
    for before, unit in pairwise(units):
        assert before.dts < unit.dts
        assert unit.dts_s - before.dts_s < longest_s
        assert unit.keyframe or unit.track.width == before.track.width


@pytest.mark.parametrize("low_first", [True, False])
def test_the_best_is_passed_on(low_first: bool) -> None:
    receiving = receiver(low_first)
    arrivals = Layer("q", LOW, 100).arrivals(0, 50) + Layer("f", HIGH, 200).arrivals(0, 50)
    units, _ = run(receiving, arrivals, 3.0)
    assert widths(units, 0.1, 3.0) == {HIGH}
    assert_shown(units, 0.05)
    assert receiving.tracks[0].width == HIGH
    assert receiving.counters.ignored == 0
    assert [track.id for track in receiving.silent] == [AUDIO.id]


def test_a_lower_one_goes_on_when_it_stops_and_it_is_back_when_it_is_steady() -> None:
    low, high = Layer("q", LOW, 100, gop=5), Layer("f", HIGH, 200)
    arrivals = low.arrivals(0, 125) + high.arrivals(0, 20)
    units, said = run(receiver(), arrivals, 3.0)
    assert widths(units, 0.1, 0.8) == {HIGH} and widths(units, 1.4, 3.0) == {LOW}
    assert_shown(units, 0.7)
    asked = {packet.media_ssrc for at, packet in said if isinstance(packet, rtcp.PictureLoss) and at > 1.0}
    assert 100 in asked

    # Away for a second, and for another.
    low, high = Layer("q", LOW, 100, gop=5), Layer("f", HIGH, 200, gop=5)
    arrivals = low.arrivals(0, 125) + high.arrivals(0, 10) + high.arrivals(30, 125)
    units, _ = run(receiver(), arrivals, 6.0)
    assert widths(units, 1.0, 4.1) == {LOW}
    assert widths(units, 4.6, 5.0) == {HIGH}
    assert_shown(units, 0.7)


def test_it_is_asked_for_a_keyframe_where_it_makes_none_by_itself() -> None:
    low, high = Layer("q", LOW, 100, gop=125), Layer("f", HIGH, 200)
    _, said = run(receiver(), low.arrivals(0, 50) + high.arrivals(0, 20), 2.0)
    asked = [at for at, packet in said if isinstance(packet, rtcp.PictureLoss) and packet.media_ssrc == 100]
    assert [at for at in asked if 0.8 < at < 1.2]


def test_nothing_more_is_asked_of_a_layer_that_stopped() -> None:
    _, said = run(
        receiver(), Layer("q", LOW, 100).arrivals(0, 125) + Layer("f", HIGH, 200).arrivals(0, 20), 6.0
    )
    late = [packet for at, packet in said if at > 1.5]
    assert not [p for p in late if isinstance(p, rtcp.PictureLoss | rtcp.Nack) and p.media_ssrc == 200]
    assert plis(late) > 0


def test_a_picture_that_seldom_changes_has_not_stopped() -> None:
    low, high = Layer("q", LOW, 100), Layer("f", HIGH, 200)
    arrivals: Arrivals = []
    for number in range(20):  # one in half a second; the lower one comes first
        for layer in (low, high):
            at = number * 0.5 + (0.01 if layer is high else 0.0)
            arrivals += [(at, packet) for _, packet in layer.arrivals(number, number + 1)]
    units, _ = run(receiver(), arrivals, 11.0)
    assert [unit.track.width for unit in units[2:]] == [HIGH] * len(units[2:])
    assert len(units) >= 19


def test_what_is_lost_of_a_layer_is_sent_again() -> None:
    low, high = Layer("q", LOW, 100), Layer("f", HIGH, 200)
    arrivals = low.arrivals(0, 20) + high.arrivals(0, 20)
    parsed = [(at, header.parse(packet), packet) for at, packet in arrivals]
    gone = sorted(p.seq for _, p, _ in parsed if p.ssrc == 200)[20:22]
    kept = [(at, packet) for at, p, packet in parsed if not (p.ssrc == 200 and p.seq in gone)]

    def answer(packet: rtcp.RtcpPacket, now: float) -> Arrivals:
        if not isinstance(packet, rtcp.Nack):
            return []
        assert packet.media_ssrc == 200
        again = [high.sender.again(seq) for seq in packet.seqs]
        return [(now + 0.02, high.name(each, REPAIRED)) for each in again]

    receiving = receiver()
    units, _ = run(receiving, kept, 2.0, answer=answer)
    assert widths(units, 0.1, 2.0) == {HIGH}
    assert (receiving.counters.recovered, receiving.counters.lost, receiving.counters.damaged) == (2, 0, 0)


def test_a_source_that_never_says_its_layer_is_left_out() -> None:
    receiving = receiver()
    stranger = Sender(ssrc=0x999)
    for packet in stranger.packets(pictures(1)[0]):
        receiving.receive(packet, 0.0)
    assert receiving.units(0.0) == []
    assert receiving.counters.ignored > 0
