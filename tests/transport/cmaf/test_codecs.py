from __future__ import annotations

from dataclasses import replace

import pytest

from tests.transport.media.sources import picture_units, sound_units, tone
from transport.cmaf import codec_string
from transport.errors import WireError
from transport.media import Codec, Track


def test_h264_is_named_by_profile_constraints_and_level() -> None:
    track = picture_units(Codec.H264, 2, options={"profile": "baseline", "level": "3.1"})[0].track
    assert codec_string(track) == "avc1.42c01f"


def test_h265_is_named_as_its_specification_has_it() -> None:
    """Main profile, compatible with Main and Main 10, level 2.0 for so small a picture, progressive."""
    assert codec_string(picture_units(Codec.H265, 2)[0].track) == "hvc1.1.6.L60.90"


@pytest.mark.parametrize(
    "config, name", [("1190", "mp4a.40.2"), ("2b9208", "mp4a.40.5"), ("f94640", "mp4a.40.42")]
)
def test_aac_is_named_by_its_object_type(config: str, name: str) -> None:
    track = Track(id=1, codec=Codec.AAC, clock_rate=90_000, parameter_sets=(bytes.fromhex(config),))
    assert codec_string(track) == name


def test_opus_has_one_name() -> None:
    assert codec_string(sound_units(Codec.OPUS, tone(0.1, 48_000), 48_000)[0].track) == "opus"


@pytest.mark.parametrize("codec", [Codec.H264, Codec.H265, Codec.AAC, Codec.MJPEG])
def test_without_parameter_sets_there_is_no_name(codec: Codec) -> None:
    with pytest.raises(WireError):
        codec_string(Track(id=1, codec=codec, clock_rate=90_000))


def test_a_cut_parameter_set_is_refused() -> None:
    track = picture_units(Codec.H265, 2)[0].track
    with pytest.raises(WireError):
        codec_string(replace(track, parameter_sets=tuple(nal[:9] for nal in track.parameter_sets)))
