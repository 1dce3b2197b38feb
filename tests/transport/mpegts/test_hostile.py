"""Loss, garbage and malice: nothing raises, nothing grows, and good bytes afterwards come out as before."""

import random
from collections.abc import Callable

import pytest

from tests.transport.media.coded import coded_pictures
from tests.transport.media.test_adts import ELEMENT
from tests.transport.media.test_adts import frame as program_frame
from tests.transport.media.test_latm import loas, mux_config, payload
from tests.transport.mpegts import muxer
from tests.transport.mpegts.conftest import Recordings
from tests.transport.mpegts.test_audio import encoded
from transport.media import AccessUnit, Codec
from transport.media.annexb import split_annexb
from transport.media.programclock import MAX_HELD
from transport.mpegts import DemuxCounters, TsDemuxer
from transport.mpegts.pes import MAX_PES_BYTES
from transport.mpegts.spacing import SPACING_BYTES
from transport.mpegts.wire import PACKET_BYTES

PICTURES = [data for data, *_ in coded_pictures("libx264", g="6", tune="zerolatency")]
CODINGS = [
    (muxer.H264, muxer.VIDEO_PID, b""),
    (muxer.H265, 0x110, b""),
    (muxer.ADTS, 0x111, b"\x0a\x04deu\x00"),
    (muxer.MP2, 0x112, b""),
    (muxer.AC3, 0x113, b""),
    (muxer.PRIVATE, 0x114, muxer.OPUS_DESCRIPTORS),
    (muxer.LATM, 0x115, b""),
    (muxer.MPEG2, 0x116, b""),
    (muxer.EAC3, 0x117, b""),
    (muxer.MP2, 0x118, b""),
    (muxer.ADTS, 0x119, b""),
]


def everything() -> bytes:
    """A short stream with every coding, tables repeated, sized and unsized PES packets."""
    mux = muxer.Muxer()
    hevc = [data for data, *_ in coded_pictures("libx265", tune="zerolatency")]
    mpeg2 = [data for data, *_ in coded_pictures("mpeg2video", bf="2")]
    sounds = {
        0x111: encoded("aac"),
        0x112: encoded("mp2"),
        0x113: encoded("ac3"),
        0x114: encoded("libopus"),
        0x117: encoded("eac3"),
        0x118: encoded("libmp3lame"),
        0x119: [program_frame(ELEMENT + b"\x21\x00"), program_frame(b"\x21\x10"), program_frame(b"\x21\x20")],
    }
    latm = loas(mux_config() + payload(b"\xaa\x55\xaa"))
    data = b""
    for index in range(6):
        data += mux.program(*CODINGS)
        data += mux.pes(muxer.VIDEO_PID, muxer.pes(PICTURES[index], 3000 * index + 3000, 3000 * index))
        data += mux.pes(0x110, muxer.pes(hevc[index], 3000 * index, sized=True))
        data += mux.pes(0x116, muxer.pes(mpeg2[index], 3000 * index + 3000, 3000 * index))
        for pid, frames in sounds.items():
            data += mux.pes(pid, muxer.pes(b"".join(frames[:3]), 5760 * index, stream_id=0xC0, sized=True))
        data += mux.pes(0x115, muxer.pes(latm, 1920 * index, stream_id=0xC0, sized=True))
    return data


def run(data: bytes, rng: random.Random) -> TsDemuxer:
    demuxer = TsDemuxer()
    last: dict[int, int] = {}
    at = 0
    while at < len(data):
        size = rng.choice((188, 1316, 1316, 77, 4000))
        for unit in demuxer.feed(data[at : at + size], at / 1e5):
            check(unit, last)
        at += size
    for unit in demuxer.flush(at / 1e5):
        check(unit, last)
    assert held_bytes(demuxer) == 0
    demuxer.warnings()
    return demuxer


def check(unit: AccessUnit, last: dict[int, int]) -> None:
    assert unit.data
    back = last.get(unit.track.id, unit.dts) - unit.dts
    assert back <= 0 or back > MAX_HELD  # never by a little
    last[unit.track.id] = unit.dts
    if unit.track.codec is Codec.MPEG2:
        assert b"\x00\x00\x01" in unit.data
    elif unit.track.is_video:
        assert unit.data.startswith(b"\x00\x00\x00\x01")
    else:
        assert unit.track.sample_rate > 0


def held_bytes(demuxer: TsDemuxer) -> int:
    """What is kept for later; private on purpose: the promise is about memory, not about behaviour."""
    return sum(sum(map(len, stream.pes.parts)) for stream in demuxer._streams.values())


def flip_bits(data: bytearray, rng: random.Random) -> None:
    for _ in range(rng.choice((1, 5, 50, 500))):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def overwrite(data: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(data))
    data[at : at + rng.randrange(2000)] = rng.randbytes(rng.randrange(2000))


def drop_packets(data: bytearray, rng: random.Random) -> None:
    for _ in range(rng.randrange(1, 10)):
        at = rng.randrange(len(data) // PACKET_BYTES) * PACKET_BYTES
        del data[at : at + PACKET_BYTES * rng.choice((1, 7, 16))]


def shuffle_packets(data: bytearray, rng: random.Random) -> None:
    packets = [bytes(data[at : at + PACKET_BYTES]) for at in range(0, len(data), PACKET_BYTES)]
    for _ in range(5):
        a, b = rng.randrange(len(packets)), rng.randrange(len(packets))
        packets[a], packets[b] = packets[b], packets[a]
    data[:] = b"".join(packets)


def corrupt_headers(data: bytearray, rng: random.Random) -> None:
    """Flip bits only where the structure is: packet headers, adaptation fields, PES headers."""
    for _ in range(100):
        at = rng.randrange(len(data) // PACKET_BYTES) * PACKET_BYTES
        data[at + rng.randrange(1, 30)] = rng.getrandbits(8)


@pytest.mark.parametrize("damage", [flip_bits, overwrite, drop_packets, shuffle_packets, corrupt_headers])
def test_damaged_streams_never_raise(damage: Callable[[bytearray, random.Random], None]) -> None:
    whole = everything()
    rng = random.Random(9)
    errors = 0
    for _ in range(300):
        data = bytearray(whole)
        damage(data, rng)
        counters = run(bytes(data), rng).counters
        errors += counters.malformed + counters.continuity_errors + counters.crc_errors + counters.resyncs
    assert errors > 0


def test_the_undamaged_stream_has_no_errors() -> None:
    counters = run(everything(), random.Random(10)).counters
    assert counters == DemuxCounters(packets=len(everything()) // PACKET_BYTES)


def test_well_formed_packets_with_any_contents_never_raise() -> None:
    rng = random.Random(11)
    for _ in range(300):
        mux = muxer.Muxer()
        data = mux.program(*CODINGS)
        for _ in range(30):
            _, pid, _ = rng.choice(CODINGS)
            prefix = rng.choice(
                (
                    b"\x00\x00\x01\x67",
                    b"\x00\x00\x01\x42\x01",
                    b"\xff\xf1",
                    b"\xff\xfd",
                    b"\x0b\x77",
                    b"\x7f\xe0",
                    b"\x56\xe0",
                )
            )
            body = (prefix + rng.randbytes(rng.randrange(60))) * rng.randrange(1, 9)
            stamps = rng.choice(
                ((None, None), (rng.getrandbits(33), None), (rng.getrandbits(33), rng.getrandbits(33)))
            )
            data += mux.pes(pid, muxer.pes(body, *stamps, sized=rng.random() < 0.5))
        run(data, rng)


def test_random_bytes_are_nothing() -> None:
    rng = random.Random(12)
    demuxer = TsDemuxer()
    for _ in range(500):
        assert demuxer.feed(rng.randbytes(rng.randrange(3000)), 0.0) == []
    assert len(demuxer._tail) <= SPACING_BYTES
    assert not demuxer.declared


@pytest.mark.parametrize("garbage", [1, 100, 187, 188, 189, 5000])
def test_packets_are_found_behind_garbage_and_after_a_cut(garbage: int) -> None:
    rng = random.Random(garbage)
    whole = everything()
    third = len(whole) // 3 // PACKET_BYTES * PACKET_BYTES
    demuxer = TsDemuxer()
    units = demuxer.feed(rng.randbytes(garbage).replace(b"\x47", b"\x46") + whole, 0.0)
    assert len(units) > 60
    demuxer = TsDemuxer()
    units = demuxer.feed(whole[:third] + b"\x00" * garbage + whole[third:], 0.0)
    assert len(units) > 60
    assert demuxer.counters.resyncs == (1 if garbage % PACKET_BYTES else demuxer.counters.resyncs)


def test_every_lost_message_is_noticed_and_the_rest_comes_out(recordings: Recordings) -> None:
    data = recordings.read("h264_aac")
    messages = [data[at : at + 1316] for at in range(0, len(data), 1316)]
    whole = TsDemuxer()
    expected = {(u.track.id, u.pts): u.data for message in messages for u in whole.feed(message, 0.0)}
    rng = random.Random(13)
    lost = set(rng.sample(range(20, len(messages), 2), 12))
    demuxer = TsDemuxer()
    units = [
        unit
        for index, message in enumerate(messages)
        if index not in lost
        for unit in demuxer.feed(message, 0.0)
    ]
    assert demuxer.counters.continuity_errors >= 12
    pictures = [unit for unit in units if unit.track.is_video]
    damaged = [unit for unit in pictures if expected.get((unit.track.id, unit.pts)) != unit.data]
    # A message holds at most the end of one picture and the beginning of the next.
    assert 0 < len(damaged) <= demuxer.counters.damaged_units <= 24
    assert len(pictures) >= sum(1 for pid, _ in expected if pid == 0x100) - 12
    sounds = [unit for unit in units if not unit.track.is_video]
    assert all(expected[(unit.track.id, unit.pts)] == unit.data for unit in sounds)


def test_a_duplicated_packet_changes_nothing() -> None:
    whole = everything()
    once, twice = TsDemuxer(), TsDemuxer()
    doubled = b"".join(whole[at : at + PACKET_BYTES] * 2 for at in range(0, len(whole), PACKET_BYTES))
    expected = once.feed(whole, 0.0)
    assert [(u.pts, u.data) for u in twice.feed(doubled, 0.0)] == [(u.pts, u.data) for u in expected]
    assert twice.counters.continuity_errors == 0


def test_an_announced_discontinuity_is_no_error() -> None:
    mux, demuxer = muxer.Muxer(), TsDemuxer()
    demuxer.feed(mux.program(CODINGS[0]), 0.0)
    for index in range(5):
        demuxer.feed(mux.pes(muxer.VIDEO_PID, muxer.pes(PICTURES[index], 3000 * index)), 0.0)
    head = muxer.pes(PICTURES[6], 18_000)
    demuxer.feed(muxer.packet(muxer.VIDEO_PID, 9, head[:100], begins=True, adaptation=b"\x80"), 0.0)
    assert demuxer.counters.continuity_errors == 0


def test_a_picture_that_fits_exactly_comes_out_when_its_sender_pauses() -> None:
    mux, demuxer = muxer.Muxer(), TsDemuxer()
    demuxer.feed(mux.program(CODINGS[0]), 0.0)

    def send(index: int, size: int) -> int:
        """Units that come out with one picture, sent in messages of at most seven packets."""
        whole = muxer.pes(PICTURES[0], 3000 * index)
        data = mux.pes(muxer.VIDEO_PID, whole.ljust(size, b"\x01"))
        messages = [data[at : at + 7 * 188] for at in range(0, len(data), 7 * 188)]
        return sum(len(demuxer.feed(message, index / 30)) for message in messages)

    fits, fits_not = (len(PICTURES[0]) // (7 * 184) + 1) * 7 * 184 + 3 * 184, 0
    assert sum(send(index, fits_not) for index in range(34)) == 34
    assert send(34, fits) == 1
    assert send(35, fits + 4 * 184) == 0  # in a full message, as which any other may be
    assert send(36, fits_not) == 2
    assert demuxer.counters.early_flush_misses == 0


def test_a_torn_keyframe_is_still_one() -> None:
    mux, demuxer = muxer.Muxer(), TsDemuxer()
    demuxer.feed(mux.program(CODINGS[0]), 0.0)
    packets = list(mux.packets(muxer.VIDEO_PID, muxer.pes(PICTURES[0], 0)))
    demuxer.feed(b"".join(packets[:-6] + packets[-5:]), 0.0)
    (unit,) = demuxer.flush(0.0)
    assert unit.keyframe
    assert len(split_annexb(unit.data)[-1]) < len(split_annexb(PICTURES[0])[-1])
    assert demuxer.counters.damaged_units == 1


def test_a_pes_packet_without_end_stays_within_its_limit() -> None:
    mux, demuxer = muxer.Muxer(), TsDemuxer()
    demuxer.feed(mux.program(CODINGS[0]), 0.0)
    endless = mux.packets(muxer.VIDEO_PID, muxer.pes(PICTURES[0] + bytes(MAX_PES_BYTES + 2_000_000), 0))
    largest = 0
    for index, packet in enumerate(endless):
        demuxer.feed(packet, 0.0)
        if index % 500 == 0:
            largest = max(largest, held_bytes(demuxer))
    assert 1_000_000 < largest <= MAX_PES_BYTES
    assert held_bytes(demuxer) == 0
    assert demuxer.counters.dropped_units == 1
    for index in range(6, 12):
        units = demuxer.feed(mux.pes(muxer.VIDEO_PID, muxer.pes(PICTURES[index], 3000 * index)), 0.0)
    assert units
