from __future__ import annotations

from loadtests.rig.hls_readers import attributes, media, playlists

MULTIVARIANT = """#EXTM3U
#EXT-X-MEDIA:TYPE="AUDIO",GROUP-ID="other",URI="no.m3u8"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="sound",NAME="a, b",URI="sound.m3u8?s=1"
#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO="sound"
picture.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=2,AUDIO="other"
larger.m3u8
"""
MEDIA = """#EXTM3U
#EXT-X-MEDIA-SEQUENCE:7
#EXTINF:2.0,
seven.m4s
#EXT-X-PART:DURATION=0.5,URI="eight.0.m4s",INDEPENDENT=YES
#EXT-X-PART:DURATION=0.5,URI="eight.1.m4s"
#EXTINF:1.0,
eight.m4s
#EXT-X-PART:DURATION=0.5,URI="nine.0.m4s"
#EXT-X-PRELOAD-HINT:TYPE=PART,URI="nine.1.m4s"
"""


def test_a_tag_s_attributes() -> None:
    assert attributes('#EXT-X-MEDIA:TYPE=AUDIO,NAME="a, b=c",X=1') == {
        "TYPE": "AUDIO",
        "NAME": "a, b=c",
        "X": "1",
    }


def test_the_first_variant_and_its_sound() -> None:
    found = playlists(MULTIVARIANT, "http://here/cam/index.m3u8")
    assert found == ["http://here/cam/picture.m3u8", "http://here/cam/sound.m3u8?s=1"]


def test_parts_with_their_places_and_what_comes_next() -> None:
    found, following = media(MEDIA, parts=True)
    assert found == [((8, 0), "eight.0.m4s"), ((8, 1), "eight.1.m4s"), ((9, 0), "nine.0.m4s")]
    assert following == (9, 1)


def test_segments_with_their_places_and_what_comes_next() -> None:
    assert media(MEDIA, parts=False) == ([((7, 0), "seven.m4s"), ((8, 0), "eight.m4s")], (9, 0))


def test_segments_that_a_playlist_skips() -> None:
    skipping = "#EXT-X-MEDIA-SEQUENCE:7\n#EXT-X-SKIP:SKIPPED-SEGMENTS=3\nten.m4s\n"
    assert media(skipping, parts=False) == ([((10, 0), "ten.m4s")], (11, 0))
