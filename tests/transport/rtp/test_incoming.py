from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from tests.transport.media.sources import picture_units
from tests.transport.rtp.sender import (
    AUDIO,
    FRAME,
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
from transport.media import AccessUnit, Codec
from transport.rtp import rtcp


@pytest.mark.parametrize("codec", [Codec.H264, Codec.H265])
def test_pictures_survive_the_wire_and_leave_with_their_last_packet(codec: Codec) -> None:
    units = picture_units(codec, 30, options={"bf": "0"} if codec is Codec.H264 else {})
    video = replace(VIDEO, codec=codec)
    sender, receiving = Sender(video), receiver(video)
    out: list[AccessUnit] = []
    for number, unit in enumerate(units):
        got = feed(receiving, sender.packets(unit), number / 25)
        assert len(got) == 1
        out += got
    assert data_of(out) == data_of(units)
    assert [unit.keyframe for unit in out] == [unit.keyframe for unit in units]
    assert [unit.pts - out[0].pts for unit in out] == [unit.pts - units[0].pts for unit in units]
    assert [unit.received_at for unit in out] == [number / 25 for number in range(30)]
    assert all(after.dts >= before.dts for before, after in pairwise(out))
    assert all(unit.dts <= unit.pts for unit in out)
    (track,) = receiving.tracks
    assert (track.id, track.width, track.height) == (1, 320, 240)
    assert track == out[-1].track
    assert track.parameter_sets == units[0].track.parameter_sets
    assert track.profile == units[0].track.profile


def test_sound_survives_the_wire() -> None:
    units = sounds(50)
    sender, receiving = Sender(AUDIO), receiver(AUDIO)
    out = [got for unit in units for got in feed(receiving, sender.packets(unit), unit.pts_s)]
    assert data_of(out) == data_of(units)
    assert [(unit.pts, unit.dts) for unit in out] == [(unit.pts, unit.dts) for unit in units]
    (track,) = receiving.tracks
    assert (track.id, track.codec, track.clock_rate) == (2, Codec.OPUS, 48_000)
    assert (track.sample_rate, track.channels) == (48_000, 2)


def test_decoding_times_where_pictures_are_reordered() -> None:
    units = picture_units(Codec.H264, 30, options={"bf": "2", "b_strategy": "0"})
    sender, receiving = Sender(), receiver()
    out = [got for unit in units for got in feed(receiving, sender.packets(unit), unit.received_at)]
    assert [unit.pts - out[0].pts for unit in out] == [unit.pts - units[0].pts for unit in units]
    assert all(after.dts >= before.dts for before, after in pairwise(out))
    assert all(unit.dts <= unit.pts for unit in out)
    assert out[-1].track.has_b_frames


def test_sequence_numbers_and_timestamps_wrap() -> None:
    units = pictures(60)
    sender, receiving = Sender(seq=65_500), receiver()
    start = 0xFFFFFFFF - 30 * FRAME
    packets = [packet for unit in units for packet in sender.packets(unit, unit.pts + start)]
    assert sender.next_seq > 65_536 + 10
    out = feed(receiving, packets)
    assert data_of(out) == data_of(units)
    assert [unit.pts for unit in out] == [unit.pts for unit in units]
    (report, *_) = feedback(receiving, 0.5)
    assert isinstance(report, rtcp.ReceiverReport)
    assert report.blocks[0].highest_seq == sender.next_seq - 1
    assert report.blocks[0].cumulative_lost == 0


def test_overtaken_and_doubled_packets() -> None:
    units = pictures(40)
    sender, receiving = Sender(), receiver()
    packets = [packet for unit in units for packet in sender.packets(unit)]
    assert len(packets) > 60
    mixed = packets[:1]
    for at in range(1, len(packets), 3):
        mixed += [*reversed(packets[at : at + 3]), packets[at]]
    assert data_of(feed(receiving, mixed)) == data_of(units)
    assert (receiving.counters.lost, receiving.counters.recovered) == (0, 0)
    assert nacked(feedback(receiving, 0.0)) == []


@pytest.mark.parametrize("rtx", [97, None])
def test_a_lost_packet_is_asked_for_and_comes_again(rtx: int | None) -> None:
    units = pictures(6)
    video = replace(VIDEO, rtx_payload_type=rtx)
    sender, receiving = Sender(video), receiver(video)
    packets = [sender.packets(unit) for unit in units]
    assert data_of(feed(receiving, packets[0])) == data_of(units[:1])
    feedback(receiving, 0.1)
    lost, *rest = packets[1]
    seq = int.from_bytes(lost[2:4], "big")
    assert feed(receiving, rest + packets[2] + packets[3], 0.2) == []
    said = feedback(receiving, receiving.deadline(0.2))
    assert [packet for packet in said if isinstance(packet, rtcp.Nack)] == [
        rtcp.Nack(OWN_SSRC, sender.ssrc, (seq,))
    ]
    out = feed(receiving, [sender.again(seq)], 0.25)
    assert data_of(out) == data_of(units[1:4])
    assert [unit.received_at for unit in out] == [0.25, 0.2, 0.2]
    assert [unit.pts for unit in out] == [unit.pts for unit in units[1:4]]
    counters = receiving.counters
    assert (counters.recovered, counters.lost, counters.nacks, counters.damaged) == (1, 0, 1, 0)


def test_a_picture_given_up_is_followed_by_nothing_until_the_next_keyframe() -> None:
    units = pictures(60, gop=30)
    sender, receiving = Sender(), receiver()
    arrivals = [
        (unit.dts_s, packet)
        for number, unit in enumerate(units)
        for packet in sender.packets(unit)
        if number != 5
    ]
    out, said = run(receiving, arrivals, 2.5)
    assert data_of(out) == data_of(units[:5] + units[30:])
    assert [unit.pts for unit in out] == [unit.pts for unit in units[:5] + units[30:]]
    # Noticed with picture 6, given up 0.4 s later; the keyframe comes at 1.2 s.
    asked = [at for at, packet in said if isinstance(packet, rtcp.PictureLoss)]
    assert asked == pytest.approx([0.64])
    nacks = [at for at, packet in said if isinstance(packet, rtcp.Nack)]
    assert nacks == pytest.approx([0.24 + 0.06 * n for n in range(7)])
    assert receiving.counters.lost == len(sender.packets(units[5]))
    assert receiving.counters.damaged == 1  # nobody can know that picture 6 is whole


def test_a_keyframe_is_asked_for_every_second_until_one_came() -> None:
    units = pictures(100, gop=1000)
    sender, receiving = Sender(), receiver()
    arrivals = [
        (unit.dts_s, packet)
        for number, unit in enumerate(units)
        for packet in sender.packets(unit)
        if number != 5
    ]
    out, said = run(receiving, arrivals, 3.5)
    assert data_of(out) == data_of(units[:5])
    asked = [at for at, packet in said if isinstance(packet, rtcp.PictureLoss)]
    assert asked == pytest.approx([0.64, 1.64, 2.64])


def test_missing_sound_is_left_out_after_a_short_wait() -> None:
    units = sounds(50)
    sender, receiving = Sender(AUDIO), receiver(AUDIO)
    arrivals = [
        (unit.dts_s, packet)
        for number, unit in enumerate(units)
        for packet in sender.packets(unit)
        if number not in (10, 11)
    ]
    out, said = run(receiving, arrivals, 2.0)
    assert data_of(out) == data_of(units[:10] + units[12:])
    assert [unit.pts for unit in out] == [unit.pts for unit in units[:10] + units[12:]]
    assert plis([packet for _, packet in said]) == 0
    assert receiving.counters.lost == 2


def test_sound_does_not_wait_for_the_picture() -> None:
    picture, sound = Sender(), Sender(AUDIO, ssrc=0x2222)
    receiving = receiver()
    first, second, *_ = pictures(3)
    feed(receiving, picture.packets(first))
    packets = picture.packets(second)
    receiving.receive(picture.padding(second.pts), 0.0)
    units = sounds(5)
    assert data_of(feed(receiving, [p for unit in units for p in sound.packets(unit)])) == data_of(units)
    assert data_of(feed(receiving, packets)) == [second.data]


def test_nothing_is_shown_before_a_keyframe_and_one_is_asked_for_at_once() -> None:
    units = pictures(30)
    sender, receiving = Sender(), receiver()
    assert feed(receiving, [packet for unit in units[5:20] for packet in sender.packets(unit)]) == []
    assert plis(feedback(receiving, 0.0)) == 1
    out = feed(receiving, [packet for unit in units[25:] for packet in sender.packets(unit)], 0.2)
    assert data_of(out) == data_of(units[25:])
    assert plis(feedback(receiving, 0.3)) == 0


def test_a_sender_that_begins_with_a_keyframe_is_not_asked_for_one() -> None:
    sender, receiving = Sender(), receiver()
    feed(receiving, sender.packets(pictures(1)[0]))
    assert plis(feedback(receiving, 0.0)) == 0
    receiving.request_keyframe()
    assert plis(feedback(receiving, 0.0)) == 1
    receiving.request_keyframe()
    assert plis(feedback(receiving, 0.4)) == 0
    assert receiving.deadline(0.4) == 0.5
    assert plis(feedback(receiving, 0.5)) == 1


def test_keyframes_that_do_not_come_by_themselves_are_asked_for() -> None:
    units = pictures(200, gop=1000)
    sender, receiving = Sender(), receiver()
    _, said = run(receiving, [(u.dts_s, p) for u in units for p in sender.packets(u)], 7.9)
    asked = [at for at, packet in said if isinstance(packet, rtcp.PictureLoss)]
    assert asked == pytest.approx([2.1, 4.2, 6.3])
    regular = pictures(200, gop=50)
    sender, receiving = Sender(), receiver()
    _, said = run(receiving, [(u.dts_s, p) for u in regular for p in sender.packets(u)], 7.9)
    assert plis([packet for _, packet in said]) == 0


def test_probes_are_no_pictures_and_no_loss() -> None:
    units = pictures(20)
    sender, receiving = Sender(), receiver()
    packets = []
    for unit in units:
        packets += [*sender.packets(unit), sender.padding(unit.pts)]
        packets += [sender.probe(unit.pts), sender.padding(unit.pts)]
    assert data_of(feed(receiving, packets)) == data_of(units)
    counters = receiving.counters
    assert (counters.damaged, counters.malformed, counters.lost, counters.ignored) == (0, 0, 0, 0)
    assert counters.packets == len(packets) and counters.bytes == sum(map(len, packets))


def test_a_probe_that_repeats_a_packet_changes_nothing() -> None:
    units = pictures(5)
    sender, receiving = Sender(), receiver()
    packets = [packet for unit in units for packet in sender.packets(unit)]
    again = [sender.again(seq) for seq in sender.sent]
    assert data_of(feed(receiving, packets + again)) == data_of(units)
    assert receiving.counters.recovered == 0


def test_an_encoder_that_starts_its_track_anew() -> None:
    units = pictures(30)
    first, receiving = Sender(), receiver()
    before = feed(receiving, [packet for unit in units[:5] for packet in first.packets(unit)], 1.0)
    feedback(receiving, 1.0)
    lost_tail = first.packets(units[5])
    second = Sender(ssrc=0x9999, seq=40_000)
    begins = second.packets(units[6], 123_456)
    assert feed(receiving, begins, 1.2) == []
    assert plis(feedback(receiving, 1.2)) == 1
    # What is still on its way from the first is not the second's.
    assert feed(receiving, [*lost_tail, first.again(1000)], 1.21) == []
    assert receiving.counters.ignored == len(lost_tail) + 1
    after = feed(receiving, second.packets(units[25], 123_456 + FRAME), 1.24)
    assert data_of(after) == [units[25].data]
    assert after[0].pts > before[-1].pts
    assert after[0].pts_s - before[-1].pts_s == pytest.approx(0.24, abs=0.001)
    (report, *_) = feedback(receiving, 1.4)
    assert isinstance(report, rtcp.ReceiverReport)
    assert [block.ssrc for block in report.blocks] == [0x9999]
    assert report.blocks[0].cumulative_lost == 0


def test_a_source_that_is_heard_again_later_is_used_again() -> None:
    units = pictures(30)
    first, second, receiving = Sender(), Sender(ssrc=0x9999), receiver()
    assert feed(receiving, first.packets(units[0]), 0.0)
    assert feed(receiving, second.packets(units[0]), 1.0)
    assert feed(receiving, first.packets(units[0]), 2.0) == []
    assert data_of(feed(receiving, first.packets(units[25]), 3.5)) == [units[25].data]


def test_a_sender_whose_sequence_starts_again() -> None:
    units = pictures(30)
    sender, receiving = Sender(seq=100), receiver()
    out = feed(receiving, [packet for unit in units[:5] for packet in sender.packets(unit)])
    sender.next_seq = 30_000
    out += feed(receiving, sender.packets(units[25]) + sender.packets(units[26]), 0.2)
    assert data_of(out) == data_of(units[:5] + units[25:27])
    assert [unit.pts for unit in out] == [unit.pts for unit in units[:5] + units[25:27]]
    assert receiving.counters.lost == 0
    assert nacked(feedback(receiving, 0.3)) == []


def test_one_packet_from_far_away_changes_nothing() -> None:
    units = pictures(5)
    sender, receiving = Sender(seq=100), receiver()
    out = feed(receiving, sender.packets(units[0]))
    astray = Sender(seq=30_000).packet(b"\x41astray", 0, marker=True)
    out += feed(receiving, [astray, *(packet for unit in units[1:] for packet in sender.packets(unit))])
    assert data_of(out) == data_of(units)
