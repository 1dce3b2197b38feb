from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from av.audio.codeccontext import AudioCodecContext
from av.packet import Packet

from tests.transport.media.sources import beeps, decoded_opus, onsets_s, sound_units, tone
from transport.media.aac import parse_config
from transport.media.audio_transcode import AacTranscoder, OpusTranscoder
from transport.media.unit import AccessUnit, Codec, Track

FRAMED = [Codec.AAC, Codec.MP2, Codec.MP3, Codec.AC3, Codec.EAC3]
CODECS = [*FRAMED, Codec.PCMA, Codec.PCMU, Codec.L16]


def run(units: list[AccessUnit], *, flush: bool = True) -> list[AccessUnit]:
    transcoder = OpusTranscoder(units[0].track)
    out = [packet for unit in units for packet in transcoder.transcode(unit)]
    return out + (transcoder.flush() if flush else [])


def loudest_hertz(heard: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(heard[:, 0]))
    return float(np.fft.rfftfreq(len(heard), 1 / 48_000)[spectrum.argmax()])


@pytest.mark.parametrize("rate", [48_000, 44_100, 32_000])
@pytest.mark.parametrize("codec", CODECS)
def test_a_tone_stays_that_tone(codec: Codec, rate: int) -> None:
    out = run(sound_units(codec, tone(1.0, rate), rate))
    _, heard = decoded_opus(out)
    middle = heard[9_600:38_400]
    assert loudest_hertz(middle) == pytest.approx(1000, abs=3)
    assert np.abs(middle).max() == pytest.approx(0.5, abs=0.05)
    assert np.abs(middle[:, 1]).max() == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize(("channels", "layout"), [(3, "3.0"), (6, "5.1"), (8, "7.1")])
def test_opus_of_many_channels_is_mixed_down(channels: int, layout: str) -> None:
    samples = tone(1.0, 48_000, channels=channels, level=0.2)
    samples[0] = tone(1.0, 48_000, hertz=500.0, channels=1, level=0.5)
    units = sound_units(Codec.OPUS, samples, 48_000, layout=layout)
    assert units[0].track.hindrance == "more than two channels"
    _, heard = decoded_opus(run(units))
    assert loudest_hertz(heard[9_600:38_400]) == pytest.approx(500, abs=3)
    spectrum = np.abs(np.fft.rfft(heard[9_600:38_400, 0]))
    tones = spectrum[[300, 600]]
    assert (tones**2).sum() / (spectrum**2).sum() > 0.95, "nothing but the two tones"


def test_opus_whose_channels_change_goes_on() -> None:
    stereo = sound_units(Codec.OPUS, tone(1.0, 48_000), 48_000)
    louder = tone(1.0, 48_000, channels=6, level=0.2)
    surround = sound_units(Codec.OPUS, louder, 48_000, layout="5.1", start_s=2.0)
    _, heard = decoded_opus(run([*stereo, *surround]))
    assert loudest_hertz(heard[60_000:90_000]) == pytest.approx(1000, abs=3)


@pytest.mark.parametrize("rate", [48_000, 44_100])
@pytest.mark.parametrize("codec", CODECS)
def test_sound_stays_at_its_time_within_10_ms(codec: Codec, rate: int) -> None:
    out = run(sound_units(codec, beeps(3.0, rate, [0.5, 1.5, 2.5]), rate, start_s=10.0))
    assert onsets_s(*decoded_opus(out)) == pytest.approx([10.5, 11.5, 12.5], abs=0.010)


@pytest.mark.parametrize("codec", [Codec.PCMA, Codec.PCMU])
def test_a_cameras_telephone_sound_is_heard(codec: Codec) -> None:
    units = sound_units(codec, tone(1.0, 8_000, channels=1), 8_000, clock_rate=8_000, layout="mono")
    _, heard = decoded_opus(run(units))
    middle = heard[9_600:38_400]
    assert loudest_hertz(middle) == pytest.approx(1000, abs=3)
    assert np.abs(middle).max() == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize(
    ("codec", "rate", "bits"),
    [
        (Codec.G722, 16_000, 4),
        (Codec.AAL2_G726, 8_000, 4),
        *((Codec.G726, 8_000, bits) for bits in (2, 3, 4, 5)),
    ],
)
def test_a_cameras_sound_in_differences_is_heard(codec: Codec, rate: int, bits: int) -> None:
    samples = tone(1.0, rate, channels=1)
    units = sound_units(codec, samples, rate, clock_rate=8_000, layout="mono", coded_bits=bits)
    assert units[0].track.sample_bits == bits
    _, heard = decoded_opus(run(units))
    middle = heard[9_600:33_600]
    assert loudest_hertz(middle) == pytest.approx(1000, abs=3)
    assert np.abs(middle).max() == pytest.approx(0.5, abs=0.1)


def test_the_output_track_is_what_webrtc_wants() -> None:
    units = sound_units(Codec.AAC, tone(0.2, 44_100), 44_100)
    transcoder = OpusTranscoder(units[0].track)
    assert transcoder.track == Track(
        id=7, codec=Codec.OPUS, clock_rate=48_000, sample_rate=48_000, channels=2, language="deu"
    )
    (out, *_) = [packet for unit in units for packet in transcoder.transcode(unit)]
    assert out.track is transcoder.track
    assert out.keyframe
    assert out.pts == out.dts


def test_packets_are_20_ms_apart_and_leave_as_soon_as_they_are_full() -> None:
    units = sound_units(Codec.AAC, tone(1.0, 48_000), 48_000)
    transcoder = OpusTranscoder(units[0].track)
    given = 0
    out: list[AccessUnit] = []
    for unit in units:
        out += transcoder.transcode(unit)
        given += 1024
        # The resampler is not at work at 48 kHz, so nothing else is held back.
        assert len(out) == given // 960
    assert {after.pts - before.pts for before, after in itertools.pairwise(out)} == {960}
    assert out[-1].received_at == units[-1].received_at


def test_mono_is_heard_on_both_sides_at_full_level() -> None:
    out = run(sound_units(Codec.AAC, tone(0.6, 48_000, channels=1), 48_000, layout="mono"))
    _, heard = decoded_opus(out)
    assert np.abs(heard[9600:24000]).max(axis=0) == pytest.approx([0.5, 0.5], abs=0.05)


def test_surround_is_mixed_down_without_getting_lost_or_clipped() -> None:
    samples = tone(0.6, 48_000, channels=6, level=0.3)
    out = run(sound_units(Codec.AC3, samples, 48_000, layout="5.1"))
    _, heard = decoded_opus(out)
    # Front 0.586, centre and rear 0.414 each; all in phase.
    assert np.abs(heard[9600:24000]).max(axis=0) == pytest.approx([0.42, 0.42], abs=0.05)


def test_a_gap_in_the_source_is_a_gap_in_the_timestamps() -> None:
    units = sound_units(Codec.AAC, beeps(4.0, 48_000, [0.5, 3.5]), 48_000, start_s=5.0)
    kept = [unit for unit in units if not 6.0 < unit.pts_s < 7.7]
    out = run(kept)
    steps = [after.pts - before.pts for before, after in itertools.pairwise(out)]
    assert sum(step != 960 for step in steps) == 1
    assert max(steps) > 1.6 * 48_000
    assert onsets_s(*decoded_opus(out)) == pytest.approx([5.5, 8.5], abs=0.010)


def test_jitter_of_the_source_is_smoothed() -> None:
    rng = np.random.default_rng(1)
    units = sound_units(Codec.AAC, beeps(4.0, 44_100, [0.5, 1.5, 2.5, 3.5]), 44_100)
    jittered = []
    for unit in units:
        pts = unit.pts + int(rng.integers(-1350, 1350))  # 15 ms of 90 kHz
        jittered.append(replace(unit, pts=pts, dts=pts))
    jittered[0] = units[0]
    out = run(jittered)
    assert {after.pts - before.pts for before, after in itertools.pairwise(out)} == {960}
    assert onsets_s(*decoded_opus(out)) == pytest.approx([1.5, 2.5, 3.5, 4.5], abs=0.010)


def test_a_clock_that_drifts_is_followed() -> None:
    units = sound_units(Codec.AAC, beeps(20.0, 44_100, [19.5]), 44_100, start_s=0.0)
    slow = [replace(unit, pts=round(unit.pts * 1.002), dts=round(unit.pts * 1.002)) for unit in units]
    out = run(slow)
    assert onsets_s(*decoded_opus(out)) == pytest.approx([19.5 * 1.002], abs=0.015)
    assert all(after.pts > before.pts for before, after in itertools.pairwise(out))


def test_a_step_back_never_sends_the_same_time_twice() -> None:
    units = sound_units(Codec.AAC, tone(2.0, 48_000), 48_000)
    half = len(units) // 2
    back = [replace(unit, pts=unit.pts - 9000, dts=unit.dts - 9000) for unit in units[half:]]  # 100 ms
    out = run(units[:half] + back)
    assert {after.pts - before.pts for before, after in itertools.pairwise(out)} == {960}
    assert out[-1].pts == pytest.approx(back[-1].pts * 48 // 90, abs=3000)


def test_a_restart_of_the_source_s_clock_is_followed() -> None:
    units = sound_units(Codec.AAC, beeps(2.0, 48_000, [0.5]), 48_000, start_s=3600.0)
    again = sound_units(Codec.AAC, beeps(2.0, 48_000, [0.5]), 48_000, start_s=1.0)
    transcoder = OpusTranscoder(units[0].track)
    for unit in units:
        transcoder.transcode(unit)
    out = [packet for unit in again for packet in transcoder.transcode(unit)]
    assert onsets_s(*decoded_opus(out)) == pytest.approx([1.5], abs=0.010)
    assert transcoder.jumps == 1


@pytest.mark.parametrize("codec", FRAMED)
def test_broken_units_are_counted_and_cost_only_themselves(codec: Codec) -> None:
    units = sound_units(codec, beeps(3.0, 48_000, [0.5, 2.5]), 48_000)
    rng = np.random.default_rng(2)
    broken = [
        replace(unit, data=rng.bytes(len(unit.data))) if 2.0 < unit.pts_s < 3.0 else unit for unit in units
    ]
    broken[3] = replace(broken[3], data=b"")
    transcoder = OpusTranscoder(units[0].track)
    out = [packet for unit in broken for packet in transcoder.transcode(unit)]
    assert transcoder.errors > 3
    assert all(after.pts > before.pts for before, after in itertools.pairwise(out))
    start_s, heard = decoded_opus(out)
    late = heard[int((3.2 - start_s) * 48_000) :]
    assert onsets_s(3.2, late) == pytest.approx([3.5], abs=0.012)


def test_a_change_of_the_source_in_mid_stream_is_followed() -> None:
    first = sound_units(Codec.AAC, tone(1.0, 44_100), 44_100)
    second = sound_units(Codec.AAC, tone(1.0, 48_000, channels=1), 48_000, start_s=2.0, layout="mono")
    transcoder = OpusTranscoder(first[0].track)
    out = [packet for unit in first + second for packet in transcoder.transcode(unit)]
    assert transcoder.errors == 0
    _, heard = decoded_opus(out)
    assert np.abs(heard[-24_000:-9_600]).max() == pytest.approx(0.5, abs=0.05)
    assert loudest_hertz(heard[-24_000:-9_600]) == pytest.approx(1000, abs=3)


def test_flush_hands_out_everything_and_makes_ready_for_another_start() -> None:
    samples = np.zeros((2, 48_000), dtype=np.float32)
    samples[:, -480:] = 0.5
    units = sound_units(Codec.MP2, samples, 48_000)
    transcoder = OpusTranscoder(units[0].track)
    assert transcoder.flush() == []
    out = [packet for unit in units for packet in transcoder.transcode(unit)] + transcoder.flush()
    start_s, heard = decoded_opus(out)
    assert start_s * 48_000 + len(heard) >= 2 * 48_000
    assert onsets_s(start_s, heard) == pytest.approx([1.99], abs=0.010)
    again = [
        packet for unit in units for packet in transcoder.transcode(replace(unit, pts=unit.pts + 900_000))
    ]
    assert again[0].pts - 480_000 == out[0].pts


def test_a_picture_track_is_refused() -> None:
    with pytest.raises(ValueError, match="h264"):
        OpusTranscoder(Track(id=1, codec=Codec.H264, clock_rate=90_000))


class TestAac:
    @staticmethod
    def made(codec: Codec, rate: int = 48_000) -> list[AccessUnit]:
        units = sound_units(codec, beeps(3.0, rate, [0.5, 1.5, 2.5]), rate, start_s=10.0)
        transcoder = AacTranscoder(units[0].track)
        return [packet for unit in units for packet in transcoder.transcode(unit)]

    def test_the_output_track_is_aac_lc(self) -> None:
        (track,) = {unit.track for unit in self.made(Codec.OPUS)}
        assert (track.codec, track.clock_rate, track.channels) == (Codec.AAC, 48_000, 2)
        config = parse_config(track.parameter_sets[0])
        assert (config.object_type, config.sample_rate, config.channels) == (2, 48_000, 2)

    @pytest.mark.parametrize("codec", [Codec.OPUS, Codec.MP2, Codec.MP3, Codec.AC3, Codec.EAC3])
    def test_sound_stays_at_its_time_within_10_ms(self, codec: Codec) -> None:
        out = self.made(codec)
        assert {after.pts - before.pts for before, after in itertools.pairwise(out)} == {1024}
        decoder = AudioCodecContext.create("aac", "r")
        decoder.extradata = out[0].track.parameter_sets[0]
        frames = [frame for unit in out for frame in decoder.decode(Packet(unit.data))]
        heard = np.concatenate([frame.to_ndarray().T for frame in frames])
        assert onsets_s(out[0].pts / 48_000, heard) == pytest.approx([10.5, 11.5, 12.5], abs=0.010)
