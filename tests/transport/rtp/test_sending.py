from __future__ import annotations

import itertools

import pytest

from tests.transport.media.sources import picture_units, sound_units, tone
from transport.media import AccessUnit, Codec, Track, ac3
from transport.rtp import rtcp
from transport.rtp.depacketize import Depacketizer
from transport.rtp.header import RtpPacket, parse
from transport.rtp.sending import RtpSender
from transport.rtp.sound import packetize_sound, split_samples

MOST = 500


def sent(units: list[AccessUnit], clock_rate: int, *, seq: int = 0xFFFE, offset: int = 0) -> list[RtpPacket]:
    sender = RtpSender(96, clock_rate, ssrc=7, seq=seq, offset=offset, max_payload_bytes=MOST)
    packets = [packet for unit in units for packet in sender.send(unit)]
    assert sender.packets == len(packets)
    assert all(len(packet) <= MOST + 12 for packet in packets)
    found = [parse(packet) for packet in packets]
    assert sender.octets == sum(len(packet.payload) for packet in found)
    assert [packet.seq for packet in found] == [(seq + n) & 0xFFFF for n in range(len(found))]
    return found


@pytest.mark.parametrize("codec", [Codec.H264, Codec.H265])
def test_pictures_with_b_frames_go_out_as_they_came(codec: Codec) -> None:
    units = picture_units(codec, 20, options={"bf": "2"} if codec is Codec.H264 else None)
    depacketizer = Depacketizer(codec)
    assembled = [found for packet in sent(units, 90_000) if (found := depacketizer.push(packet)) is not None]
    assert [each.data for each in assembled] == [unit.data for unit in units]
    assert [each.timestamp for each in assembled] == [unit.pts for unit in units]


def test_timestamps_wrap_and_are_in_the_format_s_clock() -> None:
    units = sound_units(Codec.AAC, tone(0.2, 48_000), 48_000, clock_rate=90_000)
    packets = sent(units, 48_000, offset=0xFFFF_FFFF)
    assert packets[0].timestamp == (units[0].pts * 48_000 // 90_000 - 1) & 0xFFFF_FFFF
    steps = {(b.timestamp - a.timestamp) & 0xFFFF_FFFF for a, b in itertools.pairwise(packets)}
    assert steps <= {0, 1023, 1024, 1025}  # 0 in fragments of one frame
    assert sum(packet.marker for packet in packets) == len(units)


def unit_of(codec: Codec, data: bytes, **known: int) -> AccessUnit:
    track = Track(2, codec, known.pop("clock_rate", 90_000), **known)  # type: ignore[arg-type]
    return AccessUnit(track, 0, 0, data, keyframe=True, received_at=0.0)


def test_a_long_frame_of_aac_is_cut_and_says_its_whole_size() -> None:
    frame = bytes(range(256)) * 4
    payloads = packetize_sound(unit_of(Codec.AAC, frame), MOST)
    assert len(payloads) == 3
    assert {payload[:4] for payload in payloads} == {b"\0\x10" + (len(frame) << 3).to_bytes(2, "big")}
    assert b"".join(payload[4:] for payload in payloads) == frame
    sender = RtpSender(96, 48_000, ssrc=7, seq=0, offset=0, max_payload_bytes=MOST)
    assert sender.send(unit_of(Codec.AAC, bytes(8192))) == []
    assert sender.malformed == 1


@pytest.mark.parametrize("codec", [Codec.MP2, Codec.MP3])
def test_mpeg_audio_says_where_a_fragment_begins(codec: Codec) -> None:
    unit = sound_units(codec, tone(0.1, 48_000), 48_000)[0]
    payloads = packetize_sound(unit, MOST)
    at = 0
    for payload in payloads:
        assert int.from_bytes(payload[:4], "big") == at
        at += len(payload) - 4
    assert b"".join(payload[4:] for payload in payloads) == unit.data
    assert not any(packet.marker for packet in sent([unit], 90_000))


def test_ac3_whole_and_in_fragments() -> None:
    unit = sound_units(Codec.AC3, tone(0.1, 48_000), 48_000)[0]
    assert packetize_sound(unit, 1400) == [b"\0\1" + unit.data]
    payloads = packetize_sound(unit, len(unit.data) // 2)
    assert [payload[:2] for payload in payloads] == [b"\2\3", b"\3\3", b"\3\3"]
    assert packetize_sound(unit, len(unit.data) - 10)[0][:2] == b"\1\2"
    assert b"".join(payload[2:] for payload in payloads) == unit.data


def test_eac3_whole_and_in_fragments() -> None:
    frame = sound_units(Codec.EAC3, tone(0.1, 48_000), 48_000)[0].data
    assert ac3.parse_header(frame, 0).frame_bytes == len(frame)
    both = unit_of(Codec.EAC3, frame + frame)
    assert packetize_sound(both, 4000) == [b"\0\2" + frame + frame]
    payloads = packetize_sound(both, len(frame) // 2 + 10)
    assert [payload[:2] for payload in payloads] == [b"\1\2"] * 4
    assert b"".join(payload[2:] for payload in payloads) == frame + frame


@pytest.mark.parametrize(
    ("codec", "known", "step"),
    [
        (Codec.L16, {"sample_rate": 48_000, "channels": 2, "clock_rate": 48_000}, 4),
        (Codec.PCMA, {"sample_rate": 8000, "channels": 1, "clock_rate": 8000}, 1),
        (Codec.G726, {"sample_rate": 8000, "channels": 1, "clock_rate": 8000, "coded_bits": 3}, 3),
        (Codec.G722, {"sample_rate": 16_000, "channels": 1, "clock_rate": 8000}, 1),
    ],
)
def test_samples_are_cut_between_samples_and_keep_their_time(
    codec: Codec, known: dict[str, int], step: int
) -> None:
    unit = unit_of(codec, bytes(1920), **known)
    pieces = split_samples(unit, MOST)
    assert b"".join(piece.data for piece in pieces) == unit.data
    at = 0
    for piece in pieces:
        assert len(piece.data) <= MOST
        assert len(piece.data) % step == 0
        track = piece.track
        samples = at * 8 // (track.sample_bits * track.channels)
        assert piece.pts == samples * track.clock_rate // track.sample_rate
        at += len(piece.data)


def test_reports_and_the_goodbye() -> None:
    units = picture_units(Codec.H264, 2)
    sender = RtpSender(96, 90_000, ssrc=7, seq=0, offset=100, max_payload_bytes=MOST)
    packets = [packet for unit in units for packet in sender.send(unit)]
    report, said_by, bye = rtcp.parse_compound(sender.goodbye(rtcp.ntp_time(1000.5), 2.0, "name"))
    octets = sum(len(packet) - 12 for packet in packets)
    assert report == rtcp.SenderReport(7, rtcp.ntp_time(1000.5), 180_100, len(packets), octets)
    assert said_by == rtcp.SourceDescription(((7, "name"),))
    assert bye == rtcp.Bye((7,))
