"""Senders that number all their packets (transport-cc) hear when each came, and decide how fast to send."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.transport.rtp.sender import AUDIO, OWN_SSRC, VIDEO, Sender, pictures, sounds
from tests.transport.rtp.told import told
from transport.rtp import header, rtcp
from transport.rtp.receive import RtpReceiver

ID = 3
TICKS_PER_S = 4000


def numbered(packets: list[bytes], first: int = 0) -> list[bytes]:
    return [
        header.serialize(replace(header.parse(packet), extensions=((ID, (first + n).to_bytes(2, "big")),)))
        for n, packet in enumerate(packets)
    ]


def receiver(transport_cc: int = ID) -> RtpReceiver:
    return RtpReceiver(
        (VIDEO, AUDIO), ssrc=OWN_SSRC, max_bitrate_bps=2_500_000, transport_cc=transport_cc, now=0.0
    )


def stream(receiving: RtpReceiver, seconds: int) -> list[tuple[float, bytes]]:
    """A picture and two sounds every 40 ms; what is sent back, and when."""
    picture, sound = Sender(), Sender(AUDIO, ssrc=0x2222)
    said: list[tuple[float, bytes]] = []
    count = 0
    for index, unit in enumerate(pictures(25 * seconds)):
        packets = picture.packets(unit)
        packets += [packet for each in sounds(2) for packet in sound.packets(each, index * 1920 + each.pts)]
        for n, packet in enumerate(numbered(packets, count)):
            now = unit.dts_s + 0.001 * n
            receiving.receive(packet, now)
            receiving.units(now)
            said += [(now, compound) for compound in receiving.feedback(now)]
        count += len(packets)
    return said


def test_it_hears_of_all_packets_of_all_tracks() -> None:
    receiving = receiver()
    said = stream(receiving, 2)
    said += [(3.0, compound) for compound in receiving.feedback(3.0)]
    feedbacks = [feedback for _, compound in said for feedback in told(compound)]
    known = {f.base_seq + n: at for f in feedbacks for n, at in enumerate(f.arrivals)}
    assert list(known) == list(range(receiving.counters.packets))
    assert None not in known.values()
    times = [at / TICKS_PER_S for at in known.values() if at is not None]
    assert times == sorted(times) and times[0] == 0.0 and times[-1] == pytest.approx(1.96, abs=0.04)
    assert {f.sender_ssrc for f in feedbacks} == {OWN_SSRC}
    assert {f.media_ssrc for f in feedbacks} == {0x1111}


def test_it_hears_ten_times_a_second_and_reports_as_often_as_without() -> None:
    with_it, without = stream(receiver(), 4), stream(receiver(0), 4)
    # Here it is only asked when something comes, every 40 ms.
    assert 4 / 0.12 <= sum(bool(told(compound)) for _, compound in with_it) <= 41

    def reported(said: list[tuple[float, bytes]]) -> list[float]:
        compounds = [(at, rtcp.parse_compound(compound)) for at, compound in said]
        return [at for at, packets in compounds for each in packets[:1] if getattr(each, "blocks", ())]

    assert reported(with_it) == reported(without) != []


def test_it_is_told_no_limit_beside() -> None:
    def limits(said: list[tuple[float, bytes]]) -> list[rtcp.RtcpPacket]:
        packets = [packet for _, compound in said for packet in rtcp.parse_compound(compound)]
        return [packet for packet in packets if isinstance(packet, rtcp.Remb)]

    assert limits(stream(receiver(), 2)) == []
    without = stream(receiver(0), 2)
    assert limits(without) and not any(told(compound) for _, compound in without)


def test_what_is_sent_again_and_probes_are_told_too_and_what_is_missing() -> None:
    sender, receiving = Sender(), receiver()
    first, second = sender.packets(pictures(1)[0])[:2]
    later = numbered([second, sender.again(1000), sender.probe(0)], 1)
    for packet in (numbered([first])[0], *later[1:]):
        receiving.receive(packet, 1.0)
    (feedback,) = [each for compound in receiving.feedback(1.0) for each in told(compound)]
    assert [at is not None for at in feedback.arrivals] == [True, False, True, True]
    receiving.receive(numbered([sender.probe(0)], 4)[0], 1.02)
    assert receiving.deadline(1.02) == pytest.approx(1.15)


def test_a_number_of_another_length_is_none() -> None:
    sender, receiving = Sender(), receiver()
    packet = header.parse(sender.packets(pictures(1)[0])[0])
    for value in (b"\1", b"\0\1\0\1"):
        receiving.receive(header.serialize(replace(packet, extensions=((ID, value),))), 1.0)
    assert not any(told(compound) for compound in receiving.feedback(1.0))
    assert receiving.counters.malformed == 0
