from __future__ import annotations

import io
from dataclasses import replace

import av
import pytest

from tests.transport.media.sources import picture_units, sound_units, tone
from transport.media import AccessUnit, Codec, Track
from transport.media.aac import parse_config
from transport.media.audio_transcode import OpusTranscoder
from transport.mpegts.demux import TsDemuxer
from transport.mpegts.mux import TsMuxer
from transport.mpegts.wire import PACKET_BYTES, parse_pes


def muxed(units: list[AccessUnit], tracks: tuple[Track, ...] = ()) -> list[bytes]:
    muxer = TsMuxer(tracks)
    ordered = sorted(units, key=lambda unit: unit.dts_s)
    return [muxer.mux(unit, unit.dts, unit.pts) for unit in ordered]


@pytest.mark.parametrize("codec", [Codec.H264, Codec.H265, Codec.MPEG2])
def test_what_is_muxed_is_demuxed(codec: Codec) -> None:
    pictures = picture_units(codec, 40, options={"bf": "2"})
    sounds = sound_units(Codec.AAC, tone(1.5, 48_000), 48_000)
    stream = b"".join(muxed(pictures + sounds, (pictures[0].track, sounds[0].track)))
    demuxer = TsDemuxer()
    units = demuxer.feed(stream, 0.0) + demuxer.flush(0.0)
    assert demuxer.warnings() == ()
    seen = [unit for unit in units if unit.track.is_video]
    assert [unit.data for unit in seen] == [unit.data for unit in pictures]
    assert [unit.keyframe for unit in seen] == [unit.keyframe for unit in pictures]
    first, sent = seen[0], pictures[0]
    assert [(u.pts - first.pts, u.dts - first.dts) for u in seen] == [
        (u.pts - sent.pts, u.dts - sent.dts) for u in pictures
    ]
    heard = [unit for unit in units if not unit.track.is_video]
    assert [unit.data for unit in heard] == [unit.data for unit in sounds]
    # ADTS does not say that there is no spectral band replication.
    assert heard[0].track.parameter_sets[0] == sounds[0].track.parameter_sets[0][:2]
    assert heard[0].track.language == "deu"
    assert heard[0].pts_s - first.pts_s == pytest.approx(sounds[0].pts_s - sent.pts_s, abs=1e-3)


@pytest.mark.parametrize("codec", [Codec.MP2, Codec.MP3, Codec.AC3, Codec.EAC3, Codec.OPUS])
def test_other_sound_is_carried_as_it_is(codec: Codec, rate: int = 48_000) -> None:
    """Opus packets of 255 bytes and more need a length of two bytes."""
    sounds = sound_units(codec, tone(1.0, rate), rate)
    stream = b"".join(muxed(sounds, (sounds[0].track,)))
    demuxer = TsDemuxer()
    heard = demuxer.feed(stream, 0.0) + demuxer.flush(0.0)
    assert demuxer.warnings() == ()
    assert [unit.data for unit in heard] == [unit.data for unit in sounds]
    assert (heard[0].track.codec, heard[0].track.sample_rate, heard[0].track.channels) == (codec, rate, 2)
    assert [unit.pts - heard[0].pts for unit in heard] == pytest.approx(
        [unit.pts - sounds[0].pts for unit in sounds], abs=1
    )
    with av.open(io.BytesIO(stream), format="mpegts") as container:
        assert sum(frame.samples for frame in container.decode(audio=0)) > 0.9 * rate


def test_every_frame_says_which_channels_it_has_where_no_number_does() -> None:
    """Encoders may say it in their first frame alone; a receiver may begin with any other."""
    sounds = sound_units(Codec.AAC, tone(1.0, 48_000, channels=4), 48_000, layout="quad")
    program = parse_config(sounds[0].track.parameter_sets[0]).program
    assert program is not None
    pieces = muxed(sounds)
    demuxer = TsDemuxer()
    heard = demuxer.feed(pieces[0][: 2 * PACKET_BYTES] + b"".join(pieces[20:]), 0.0) + demuxer.flush(0.0)
    assert demuxer.warnings() == ()
    assert {unit.track.channels for unit in heard} == {4}
    assert [unit.data for unit in heard] == [program.element + unit.data for unit in sounds[20:]]
    transcoder = OpusTranscoder(heard[0].track)
    made = [packet for unit in heard for packet in transcoder.transcode(unit)]
    assert (len(made) > 20, transcoder.errors) == (True, 0)


@pytest.mark.parametrize(("rate", "stream_type"), [(24_000, 0x04), (32_000, 0x03)])
def test_low_sampling_rates_are_mpeg_2_audio(rate: int, stream_type: int) -> None:
    (sound, *_) = sound_units(Codec.MP2, tone(0.1, 48_000), 48_000)
    stream = b"".join(muxed([replace(sound, track=replace(sound.track, sample_rate=rate))]))
    assert bytes((stream_type,)) + b"\xe1\x01" in stream


def test_libav_decodes_every_picture_and_the_clock_keeps_its_distance() -> None:
    pictures = picture_units(Codec.H264, 40)
    stream = b"".join(muxed(pictures))
    with av.open(io.BytesIO(stream), format="mpegts") as container:
        assert sum(1 for _ in container.decode(video=0)) == 40
    clocks = [
        int.from_bytes(stream[at + 6 : at + 11], "big") >> 7
        for at in range(0, len(stream), PACKET_BYTES)
        if stream[at + 3] & 0x20 and stream[at + 4] and stream[at + 5] & 0x10
    ]
    assert clocks == [unit.dts for unit in pictures]


def leads_of_sound(stream: bytes) -> list[float]:
    """How long before its time each sound is sent, seconds by the programme clock, which never goes back."""
    clock, found = 0, []
    for at in range(0, len(stream), PACKET_BYTES):
        packet = stream[at : at + PACKET_BYTES]
        payload_at = 4
        if packet[3] & 0x20:
            payload_at += 1 + packet[4]
            if packet[4] and packet[5] & 0x10:
                now = int.from_bytes(packet[6:11], "big") >> 7
                assert now >= clock
                clock = now
        if packet[1] & 0x40 and packet[2] == 0x01:
            pts = parse_pes(packet[payload_at:]).pts
            assert pts is not None
            found.append((pts - clock) / 90_000)
    return found


@pytest.mark.parametrize("ahead_s", [0.0, 0.9])
def test_sound_is_in_time_by_the_clock_however_far_ahead_pictures_are_sent(ahead_s: float) -> None:
    pictures = picture_units(Codec.H264, 100)
    sounds = sound_units(Codec.AAC, tone(4.0, 48_000), 48_000)
    ordered = sorted(pictures + sounds, key=lambda unit: unit.dts_s - ahead_s * unit.track.is_video)
    muxer = TsMuxer((pictures[0].track, sounds[0].track))
    leads = leads_of_sound(b"".join(muxer.mux(unit, unit.dts, unit.pts) for unit in ordered))
    # At first the clock waits; in the end there is no picture any more to carry it.
    assert min(leads[60:]) > 0.015
    assert max(leads[60:-50]) < 0.2


def test_a_sound_that_comes_late_once_does_not_hold_the_clock_back() -> None:
    pictures = picture_units(Codec.H264, 100)
    sounds = sound_units(Codec.AAC, tone(4.0, 48_000), 48_000)
    ordered = sorted(
        pictures + sounds,
        key=lambda unit: 2.2 if not unit.track.is_video and 2 < unit.dts_s < 2.2 else unit.dts_s,
    )
    muxer = TsMuxer((pictures[0].track, sounds[0].track))
    leads = leads_of_sound(b"".join(muxer.mux(unit, unit.dts, unit.pts) for unit in ordered))
    assert leads[-1] == pytest.approx(leads[10], abs=0.05)


def test_every_piece_is_whole_packets_and_a_keyframe_brings_tables() -> None:
    pieces = muxed(picture_units(Codec.H264, 30))
    assert all(len(piece) % PACKET_BYTES == 0 for piece in pieces)
    assert all(piece[at] == 0x47 for piece in pieces for at in range(0, len(piece), PACKET_BYTES))
    for number in (0, 25):
        assert (pieces[number][1] & 0x1F, pieces[number][2]) == (0, 0)


def payload(stream: bytes, pid: int) -> bytes:
    """What the packets of one PID carry, without adaptation fields."""
    found = b""
    for at in range(0, len(stream), PACKET_BYTES):
        packet = stream[at : at + PACKET_BYTES]
        assert packet[0] == 0x47
        if int.from_bytes(packet[1:3], "big") & 0x1FFF == pid:
            found += packet[4 + (1 + packet[4] if packet[3] & 0x20 else 0) :]
    return found


def test_every_length_of_a_picture_fits() -> None:
    (first,) = picture_units(Codec.H264, 1)
    for size in range(150, 560):
        unit = replace(first, data=b"\0\0\0\1\x65" + b"\xaa" * size)
        (piece,) = muxed([unit])
        assert len(piece) % PACKET_BYTES == 0
        assert payload(piece, 0x100).endswith(unit.data)
        assert payload(piece, 0x100).startswith(b"\0\0\1\xe0\0\0")


def test_sound_alone_carries_the_clock() -> None:
    sounds = sound_units(Codec.AAC, tone(0.5, 44_100, channels=1), 44_100, layout="mono")
    stream = b"".join(muxed(sounds))
    with av.open(io.BytesIO(stream), format="mpegts") as container:
        assert container.streams.audio[0].rate == 44_100
        assert sum(frame.samples for frame in container.decode(audio=0)) >= 20 * 1024


def test_a_track_that_comes_later_gets_a_new_map() -> None:
    pictures = picture_units(Codec.H264, 10)
    sounds = sound_units(Codec.AAC, tone(0.5, 48_000), 48_000)
    demuxer = TsDemuxer()
    demuxer.feed(b"".join(muxed(pictures)), 0.0)
    assert len(demuxer.tracks) == 1
    muxer = TsMuxer((pictures[0].track,))
    stream = b"".join(muxer.mux(unit, unit.dts, unit.pts) for unit in pictures + sounds)
    demuxer = TsDemuxer()
    demuxer.feed(stream, 0.0)
    assert [track.codec for track in demuxer.tracks] == [Codec.H264, Codec.AAC]


def test_sound_that_does_not_fit_is_left_out() -> None:
    (sound, *_) = sound_units(Codec.AAC, tone(0.1, 48_000), 48_000)
    assert muxed([replace(sound, track=replace(sound.track, parameter_sets=()))]) == [b""]
    assert muxed([replace(sound, data=bytes(9000))]) == [b""]


def test_what_a_track_turns_out_to_be_gets_a_new_map() -> None:
    """Of a track that was announced before its first unit the channels are not known."""
    sounds = sound_units(Codec.OPUS, tone(0.2, 48_000), 48_000)
    alone = [replace(unit, track=replace(unit.track, channels=1)) for unit in sounds]
    stream = b"".join(muxed(alone, (replace(sounds[0].track, channels=0),)))
    demuxer = TsDemuxer()
    heard = demuxer.feed(stream, 0.0) + demuxer.flush(0.0)
    assert heard[0].track.channels == 1
