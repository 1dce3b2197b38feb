from __future__ import annotations

import pytest

from tests.transport.media.sources import picture_units, sound_units, tone
from transport.cmaf import Run, Sample, describe, fragment, header, length, length_offset
from transport.cmaf.describe import DescribedTrack
from transport.errors import WireError
from transport.media import Codec, Track


def track(codec: Codec) -> Track:
    if codec.is_video:
        return picture_units(codec, 2)[0].track
    return sound_units(codec, tone(0.2, 48_000), 48_000)[0].track


@pytest.mark.parametrize("picture_codec", [Codec.H264, Codec.H265])
@pytest.mark.parametrize("sound_codec", [Codec.AAC, Codec.OPUS])
def test_what_was_written_is_read(picture_codec: Codec, sound_codec: Codec) -> None:
    picture, sound = track(picture_codec), track(sound_codec)
    found = describe(header([picture, sound]))
    assert found.duration_s == 0.0
    assert found.tracks == (
        DescribedTrack(picture_codec, picture.clock_rate, width=picture.width, height=picture.height),
        DescribedTrack(sound_codec, sound.clock_rate, channels=2, sample_rate=48_000),
    )


def test_a_length_is_read_where_it_was_put_afterwards() -> None:
    units = picture_units(Codec.H264, 4)
    file = bytearray(header([units[0].track], has_length=True))
    at = length_offset(bytes(file))
    file += fragment(1, [Run(0, [Sample(unit, 3600) for unit in units])])
    size = len(file)
    file[at : at + 8] = length(4321.5)
    assert len(file) == size
    assert describe(bytes(file)).duration_s == 4321.5
    assert describe(bytes(file[: size - 50])).tracks == describe(bytes(file)).tracks


@pytest.mark.parametrize("cut", [0, 7, 30, 200])
def test_what_is_no_whole_header_is_refused(cut: int) -> None:
    made = header([track(Codec.H264)], has_length=True)
    with pytest.raises(WireError):
        describe(made[:cut])
    with pytest.raises(WireError):
        describe(made.replace(b"avc1", b"vp09"))
    with pytest.raises(WireError):
        describe(bytes(500))


def test_no_byte_that_is_changed_is_more_than_a_refusal() -> None:
    made = header([track(Codec.H264), track(Codec.AAC)], has_length=True)
    for at in range(len(made)):
        for value in (0, 255):
            broken = made[:at] + bytes((value,)) + made[at + 1 :]
            try:
                found = describe(broken)
            except WireError:
                continue
            assert 1 <= len(found.tracks) <= 2
