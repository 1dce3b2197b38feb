from __future__ import annotations

from dataclasses import replace

import pytest

from tests.transport.rtp.sender import (
    AUDIO,
    OWN_SSRC,
    VIDEO,
    Sender,
    data_of,
    feed,
    feedback,
    nacked,
    pictures,
    plis,
    receiver,
    run,
    sounds,
)
from transport.rtp import header, rtcp


def test_reports_put_sound_and_picture_together() -> None:
    picture, sound, receiving = Sender(), Sender(AUDIO, ssrc=0x2222), receiver()
    images, tones = pictures(60), sounds(120)
    # Captured together; the picture is 120 ms longer on its way.
    arrivals = [(u.dts_s + 0.12, p) for u in images for p in picture.packets(u, u.pts + 5_000)]
    arrivals += [(u.dts_s, p) for u in tones for p in sound.packets(u, u.pts + 70_000)]
    arrivals += [(1.0, sound.report(1e9, 70_000)), (1.0, picture.report(1e9 + 1, 5_000 + 90_000))]
    out, _ = run(receiving, arrivals, 3.0)
    shown = [unit.pts_s for unit in out if unit.track.is_video]
    heard = [unit.pts_s for unit in out if not unit.track.is_video]
    assert (len(shown), len(heard)) == (60, 120)
    # Until then arrival counts, and the picture is late by as much.
    assert shown[10] - heard[20] == pytest.approx(0.12, abs=0.001)
    assert shown[40] - heard[80] == pytest.approx(0.0, abs=0.001)
    for track_id in (1, 2):
        times = [unit.dts for unit in out if unit.track.id == track_id]
        assert times == sorted(times)


def test_reports_that_come_before_the_packets_count() -> None:
    picture, sound, receiving = Sender(), Sender(AUDIO, ssrc=0x2222), receiver()
    image, tone_ = pictures(1)[0], sounds(1)[0]
    receiving.receive(picture.report(1e9, 5_000), 0.0)
    receiving.receive(sound.report(1e9 + 0.05, 70_000), 0.0)
    (heard,) = feed(receiving, sound.packets(tone_, 70_000), 0.0)
    (shown,) = feed(receiving, picture.packets(image, 5_000), 0.5)
    assert heard.pts_s == 0.0
    assert shown.pts_s == pytest.approx(0.5, abs=0.001)
    # The picture was captured 50 ms before the sound, and seems half a second later: sound moves.
    (later,) = feed(receiving, sound.packets(tone_, 70_000 + 48_000), 0.6)
    assert later.pts_s - shown.pts_s == pytest.approx(1.05, abs=0.001)


def test_a_report_for_every_interval() -> None:
    sender, sound = Sender(), Sender(AUDIO, ssrc=0x2222)
    receiving = receiver()
    arrivals = [(u.dts_s, p) for u in pictures(250) for p in sender.packets(u)]
    arrivals += [(u.dts_s, p) for u in sounds(500) for p in sound.packets(u)]
    arrivals += [(1.0, sender.report(1e9, 90_000))]
    _, said = run(receiving, arrivals, 9.9)
    reports = [(at, packet) for at, packet in said if isinstance(packet, rtcp.ReceiverReport)]
    times = [at for at, packet in reports if packet.blocks]
    assert times == pytest.approx([0.1, *(0.6 + n / 2 for n in range(10)), *(6.1 + n for n in range(4))])
    for _, packet in reports:
        assert packet.ssrc == OWN_SSRC
        assert [block.ssrc for block in packet.blocks] in ([], [0x1111, 0x2222])
    block = next(packet for at, packet in reports if at > 2.0).blocks[0]
    assert block.lsr == rtcp.middle_bits(rtcp.ntp_time(1e9))
    assert block.dlsr == pytest.approx(1.1 * 65_536, abs=1)
    limits = [packet for _, packet in said if isinstance(packet, rtcp.Remb)]
    assert limits == [rtcp.Remb(OWN_SSRC, 2_500_000 >> 4 << 4, (0x1111, 0x2222))] * len(times)


def test_every_compound_begins_with_a_report_and_says_who_sends_it() -> None:
    sender, receiving = Sender(), receiver()
    feed(receiving, sender.packets(pictures(1)[0]))
    receiving.request_keyframe()
    report, name, pli = feedback(receiving, 0.0)
    assert report == rtcp.ReceiverReport(OWN_SSRC, ())
    assert isinstance(name, rtcp.SourceDescription) and name.cnames[0][0] == OWN_SSRC and name.cnames[0][1]
    assert pli == rtcp.PictureLoss(OWN_SSRC, sender.ssrc)
    report, again, limit = feedback(receiving, 0.2)
    assert isinstance(report, rtcp.ReceiverReport) and len(report.blocks) == 1
    assert again == name and isinstance(limit, rtcp.Remb)
    assert feedback(receiving, 0.2) == []


def test_who_loses_much_is_told_to_send_less() -> None:
    sender, receiving = Sender(AUDIO), receiver(AUDIO, max_bitrate_bps=1_000_000)
    units = [replace(unit, data=unit.data[:1] + bytes(999)) for unit in sounds(500)]
    packets = [(u.dts_s, p) for u in units for p in sender.packets(u)]
    arrivals = [(at, p) for n, (at, p) in enumerate(packets) if at > 3.0 or n % 5 or n == 0]
    _, said = run(receiving, arrivals, 9.9)
    limits = [(at, packet.bitrate_bps) for at, packet in said if isinstance(packet, rtcp.Remb)]
    assert limits[0][1] == pytest.approx(1_000_000, rel=0.001)
    # 50 packets of 1012 bytes a second, 40 of them arrive.
    lowest = min(bps for _, bps in limits)
    assert lowest == pytest.approx(0.85 * 40 * 1012 * 8, rel=0.15)
    assert limits[-1][1] > lowest * 1.08


def test_what_is_repaired_was_lost_all_the_same() -> None:
    sender, receiving = Sender(AUDIO), receiver(AUDIO, max_bitrate_bps=1_000_000)
    packets = [(unit.dts_s, p) for unit in sounds(300) for p in sender.packets(unit)]
    arrivals = [(at, p) for n, (at, p) in enumerate(packets) if n % 5 or n == 0]

    def answer(packet: rtcp.RtcpPacket, now: float) -> list[tuple[float, bytes]]:
        asked = packet.seqs if isinstance(packet, rtcp.Nack) else ()
        return [(now + 0.03, sender.again(seq)) for seq in asked]

    out, said = run(receiving, arrivals, 5.5, answer=answer)
    assert len(out) > 270 and receiving.counters.lost == 0
    assert min(packet.bitrate_bps for _, packet in said if isinstance(packet, rtcp.Remb)) < 250_000
    blocks = [b for _, packet in said if isinstance(packet, rtcp.ReceiverReport) for b in packet.blocks]
    assert blocks[-1].cumulative_lost <= 1


def test_it_is_over_when_all_sources_said_goodbye() -> None:
    picture, sound, receiving = Sender(), Sender(AUDIO, ssrc=0x2222), receiver()
    assert not receiving.is_over
    units = pictures(3)
    feed(receiving, sound.packets(sounds(1)[0]))
    feed(receiving, picture.packets(units[0]))
    lost = picture.packets(units[1])
    receiving.receive(lost[0], 0.0)
    receiving.receive(rtcp.serialize_compound([rtcp.Bye((0x1111, 0x7777))]), 0.1)
    assert not receiving.is_over
    receiving.receive(rtcp.serialize_compound([rtcp.Bye((0x2222,))]), 0.1)
    assert receiving.is_over
    assert feedback(receiving, 5.0) == []
    feed(receiving, Sender(ssrc=0x3333).packets(units[0]), 6.0)
    assert not receiving.is_over


def test_a_goodbye_lets_out_what_waited() -> None:
    units = sounds(5)
    sender, receiving = Sender(AUDIO), receiver(AUDIO)
    packets = [packet for unit in units for packet in sender.packets(unit)]
    feed(receiving, packets[:2] + packets[3:])
    receiving.receive(rtcp.serialize_compound([rtcp.Bye((sender.ssrc,))]), 0.02)
    assert data_of(receiving.units(0.02)) == data_of(units[3:])


def test_a_source_that_goes_on_after_its_goodbye_is_back() -> None:
    # Some say it wherever they pause.
    units = pictures(40, gop=40)
    sender, receiving = Sender(), receiver(VIDEO)
    arrivals = [(u.dts_s, p) for u in units[:10] for p in sender.packets(u)]
    bye = rtcp.serialize_compound([rtcp.Bye((sender.ssrc,))])
    arrivals.append((0.5, bye))
    later = [(u.dts_s + 2.0, p) for u in units[10:] for p in sender.packets(u)]
    missing = later.pop(len(later) // 2)
    out, said = run(receiving, arrivals + later, 5.0)
    assert len(out) > 20
    after = [packet for at, packet in said if at > 2.4]
    assert any(isinstance(packet, rtcp.ReceiverReport) and packet.blocks for packet in after)
    assert nacked(after)[0] == header.parse(missing[1]).seq
    assert plis(after) > 0


def test_what_was_overtaken_by_the_goodbye_is_no_return() -> None:
    units = sounds(5)
    sender, receiving = Sender(AUDIO), receiver(AUDIO)
    packets = [packet for unit in units for packet in sender.packets(unit)]
    feed(receiving, packets[:2] + packets[3:])
    receiving.receive(rtcp.serialize_compound([rtcp.Bye((sender.ssrc,))]), 0.02)
    feed(receiving, [packets[2]], 0.03)
    assert receiving.is_over


def test_what_was_agreed_on_and_does_not_come_is_silent() -> None:
    receiving = receiver()
    assert [track.id for track in receiving.silent] == [VIDEO.id, AUDIO.id]
    feed(receiving, Sender(AUDIO).packets(sounds(1)[0]))
    assert [track.id for track in receiving.silent] == [VIDEO.id]


def test_payload_types_that_were_not_agreed_on_are_ignored() -> None:
    receiving = receiver()
    assert feed(receiving, [Sender(replace(VIDEO, payload_type=98)).packet(b"\x65x", 0, marker=True)]) == []
    assert feed(receiving, [Sender().probe(0)]) == []
    assert receiving.counters.ignored == 2
    assert feedback(receiving, 1.0) == []
