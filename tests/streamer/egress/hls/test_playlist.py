from __future__ import annotations

from dataclasses import replace

from streamer.egress.hls import playlist
from streamer.hub.segmenter import Part
from tests.streamer.egress.hls.material import pictures, sounds
from tests.streamer.egress.hls.test_window import filled


def media(**window: int) -> list[str]:
    return playlist.media(filled(**window), name="cafe", part_s=0.5, segment_s=2.0, query="?q").splitlines()


def test_the_first_playlist_says_what_there_is() -> None:
    tracks = (replace(pictures(1.0)[0].track, profile="42c00d"), sounds(1.0)[0].track)
    text = playlist.multivariant(tracks, 2_600_000, 25.0, (320, 240), "live.m3u8?q")
    lines = text.splitlines()
    assert lines[:2] == ["#EXTM3U", "#EXT-X-VERSION:6"]
    assert lines[2].startswith('#EXT-X-STREAM-INF:BANDWIDTH=2600000,CODECS="avc1.')
    assert lines[2].endswith(',mp4a.40.2",RESOLUTION=320x240,FRAME-RATE=25.000')
    assert lines[3:] == ["live.m3u8?q"]
    sound_alone = playlist.multivariant(tracks[1:], 0, 0.0, (0, 0), "live.m3u8")
    assert 'CODECS="mp4a.40.2"\n' in sound_alone
    assert "RESOLUTION" not in sound_alone


def test_a_playlist_of_little() -> None:
    assert media(segments=2, parts=2) == [
        "#EXTM3U",
        "#EXT-X-VERSION:6",
        "#EXT-X-TARGETDURATION:2",
        "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=1.500,HOLD-BACK=6",
        "#EXT-X-PART-INF:PART-TARGET=0.50000",
        "#EXT-X-MEDIA-SEQUENCE:0",
        "#EXT-X-INDEPENDENT-SEGMENTS",
        '#EXT-X-MAP:URI="cafe-header-1.mp4?q"',
        "#EXT-X-PROGRAM-DATE-TIME:1970-01-01T00:01:40.000Z",
        '#EXT-X-PART:DURATION=0.50000,URI="cafe-0.0.m4s?q",INDEPENDENT=YES',
        '#EXT-X-PART:DURATION=0.50000,URI="cafe-0.1.m4s?q"',
        "#EXTINF:1.00000,",
        "cafe-0.m4s?q",
        "#EXT-X-PROGRAM-DATE-TIME:1970-01-01T00:01:41.000Z",
        '#EXT-X-PART:DURATION=0.50000,URI="cafe-1.0.m4s?q",INDEPENDENT=YES',
        '#EXT-X-PART:DURATION=0.50000,URI="cafe-1.1.m4s?q"',
        '#EXT-X-PRELOAD-HINT:TYPE=PART,URI="cafe-1.2.m4s?q"',
    ]


def test_only_the_last_segments_are_listed_and_parts_of_fewer() -> None:
    lines = media(segments=30)
    assert "#EXT-X-MEDIA-SEQUENCE:22" in lines
    assert [line for line in lines if line.endswith(".m4s?q") and "." not in line[:-6]] == [
        f"cafe-{number}.m4s?q" for number in range(22, 29)
    ]
    assert sum(line.startswith("#EXT-X-PART:") for line in lines) == 2 * 3


def test_a_break_is_told_with_the_header_after_it() -> None:
    window = filled(3)
    header = window.add_header(b"other")
    window.begin(header, 200.0, breaks=True)
    window.add(Part(b"x", 0.5, True))
    lines = playlist.media(window, name="cafe", part_s=0.5, segment_s=2.0).splitlines()
    at = lines.index("#EXT-X-DISCONTINUITY")
    assert lines[at + 1] == '#EXT-X-MAP:URI="cafe-header-2.mp4"'
    assert sum(line.startswith("#EXT-X-MAP") for line in lines) == 2


def test_breaks_that_are_gone_are_counted() -> None:
    assert "#EXT-X-DISCONTINUITY-SEQUENCE:1" in media(segments=20, breaks_at=2)


def test_segments_that_nobody_can_begin_with_are_not_called_independent() -> None:
    window = filled(2)
    window.begin(1, 102.0, breaks=False)
    window.add(Part(b"x", 0.5, False))
    window.begin(1, 103.0, breaks=False)
    assert "INDEPENDENT-SEGMENTS" not in playlist.media(window, name="a", part_s=0.5, segment_s=2.0)


def test_long_segments_and_parts_raise_what_is_promised() -> None:
    window = filled(1)
    window.add(Part(b"x", 4.6, False))
    window.begin(1, 110.0, breaks=False)
    text = playlist.media(window, name="a", part_s=0.5, segment_s=2.0)
    assert "#EXT-X-TARGETDURATION:6\n" in text
    assert "PART-TARGET=4.60000" in text


def test_the_end_is_told() -> None:
    window = filled(3)
    window.end()
    lines = playlist.media(window, name="cafe", part_s=0.5, segment_s=2.0).splitlines()
    assert lines[-1] == "#EXT-X-ENDLIST"
    assert not any("PART" in line or "SERVER-CONTROL" in line for line in lines)
    assert lines[-2] == "cafe-2.m4s"
