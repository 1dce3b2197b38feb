"""What some senders make of a transport stream, and what is none: played where it can be, told where not."""

import random
from collections.abc import Sequence

import pytest

from tests.transport.media.coded import coded_pictures
from tests.transport.mpegts import muxer
from tests.transport.mpegts.test_audio import encoded
from transport.media import AccessUnit
from transport.mpegts import TsDemuxer
from transport.mpegts.wire import PACKET_BYTES

PICTURES = [data for data, *_ in coded_pictures("libx264", g="12", tune="zerolatency")]
SOUND = encoded("aac")
VIDEO = (muxer.H264, muxer.VIDEO_PID, b"")
AUDIO = (muxer.ADTS, muxer.AUDIO_PID, b"")
_COUNT = 48


def programme() -> list[bytes]:
    """The packets of pictures and sound."""
    mux, data = muxer.Muxer(), b""
    for index in range(_COUNT):
        if index % 12 == 0:
            data += mux.program(VIDEO, AUDIO)
        data += mux.pes(muxer.VIDEO_PID, muxer.pes(PICTURES[index % 12], 3000 * index))
        whole = muxer.pes(SOUND[index % 12], 1920 * index, stream_id=0xC0, sized=True)
        data += mux.pes(muxer.AUDIO_PID, whole)
    return [data[at : at + PACKET_BYTES] for at in range(0, len(data), PACKET_BYTES)]


def received(data: bytes, step: int) -> tuple[TsDemuxer, list[AccessUnit]]:
    demuxer, units = TsDemuxer(), list[AccessUnit]()
    for at in range(0, len(data), step):
        units += demuxer.feed(data[at : at + step], at / 1e5)
    return demuxer, units + demuxer.flush(len(data) / 1e5)


def payloads(units: list[AccessUnit]) -> list[tuple[int, int, bytes]]:
    return [(unit.track.id, unit.dts, unit.data) for unit in units]


@pytest.mark.parametrize("step", [192, 7 * 192, 1316, 5000])
def test_m2ts_is_played(step: int) -> None:
    packets = programme()
    stamped = b"".join(number.to_bytes(4, "big") + each for number, each in enumerate(packets))
    demuxer, units = received(stamped, step)
    _, expected = received(b"".join(packets), 1316)
    assert sorted(payloads(units)) == sorted(payloads(expected))
    assert demuxer.warnings() == ()


def test_packets_with_parity_are_played() -> None:
    packets = programme()
    _, units = received(b"".join(each + bytes(16) for each in packets), 7 * 204)
    _, expected = received(b"".join(packets), 1316)
    assert sorted(payloads(units)) == sorted(payloads(expected))


def test_m2ts_that_lost_bytes_or_becomes_plain_goes_on() -> None:
    packets = programme()
    stamped = b"".join(bytes(4) + each for each in packets)
    half = len(packets) // 2
    for rest in (stamped[half * 192 + 100 :], b"".join(packets[half:])):
        demuxer, units = received(stamped[: half * 192] + rest, 1316)
        # In place of the packet that was cut, at most.
        assert len(units) >= 2 * _COUNT - 1
        assert demuxer.counters.resyncs == 1


@pytest.mark.parametrize("choices", [(0,), range(16)], ids=["zero", "random"])
def test_counters_that_count_nothing_are_not_believed_and_told_of(choices: Sequence[int]) -> None:
    rng = random.Random(5)
    packets = [each[:3] + bytes([each[3] & 0xF0 | rng.choice(choices)]) + each[4:] for each in programme()]
    demuxer, units = received(b"".join(packets), 1316)
    _, expected = received(b"".join(programme()), 1316)
    # From the second GOP on nothing is damaged.
    later = [each for each in payloads(expected) if each[1] >= 3000 * 12]
    assert [each for each in payloads(units) if each[1] >= 3000 * 12] == later
    (warning,) = demuxer.warnings()
    assert "continuity counters are wrong" in warning


def test_counters_are_believed_again_once_they_count() -> None:
    packets = programme()
    wrong = [each[:3] + bytes([each[3] & 0xF0]) + each[4:] for each in packets]
    demuxer = TsDemuxer()
    demuxer.feed(b"".join(wrong), 0.0)
    assert demuxer.warnings()
    demuxer.feed(b"".join(packets), 1.0)
    assert demuxer.warnings() == ()
    before = demuxer.counters.continuity_errors
    demuxer.feed(b"".join(packets[3:]), 2.0)
    assert demuxer.counters.continuity_errors > before


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"FLV\x01\x05\x00\x00\x00\x09", "FLV"),
        (b"\x1a\x45\xdf\xa3\x01\x00", "Matroska or WebM"),
        (b"\x00\x00\x00\x1cftypisom", "MP4"),
        (b"\x00\x00\x00\x01\x67\x42\xc0", "a bare H.264 or H.265 stream"),
        (b"OggS\x00", "Ogg"),
        (b"nonsense", "none"),
    ],
)
def test_what_is_no_transport_stream_is_named(head: bytes, name: str) -> None:
    data = head + random.Random(3).randbytes(100_000)
    demuxer, units = received(data, 1316)
    assert units == []
    assert demuxer.warnings() == (
        f"expected an MPEG transport stream (ffmpeg: -f mpegts), and what comes is {name}",
    )
    demuxer.feed(b"".join(programme() * 3), 9.0)
    assert demuxer.warnings() == ()


def test_a_missing_table_is_told_of() -> None:
    packets = programme()
    for pid, name in ((0, "association table (PAT)"), (muxer.PMT_PID, "map (PMT)")):
        rest = [each for each in packets if int.from_bytes(each[1:3], "big") & 0x1FFF != pid]
        demuxer = TsDemuxer()
        demuxer.feed(b"".join(rest), 0.0)
        assert demuxer.warnings() == ()
        demuxer.feed(b"".join(rest), 2.5)
        (warning,) = demuxer.warnings()
        assert f"no program {name}" in warning
