from __future__ import annotations

import pytest

from transport.media import Codec, Track
from transport.webrtc.codecs import VIDEO, Fit, Match
from transport.webrtc.wire import Format

# x265, 1280x720, told `level-idc=4.0`: Main, high tier, level 4.0; its zeros need emulation prevention.
SPS_MAIN_4_0 = bytes.fromhex(
    "420101216000000300900000030000030078a00280802d165959a4932bc05a020000030002000003003c10"
)


def h264(profile: str) -> Track:
    return Track(1, Codec.H264, 90_000, profile=profile)


def h265(*parameter_sets: bytes) -> Track:
    return Track(1, Codec.H265, 90_000, parameter_sets=parameter_sets)


def match(track: Track, fmtp: str) -> Match | None:
    return VIDEO[track.codec].match(Format(96, track.codec.value.upper(), 90_000, 0, fmtp, ()), track)


def asymmetric(profile_level_id: str) -> str:
    return f"level-asymmetry-allowed=1;packetization-mode=1;profile-level-id={profile_level_id}"


class TestH264:
    @pytest.mark.parametrize(
        ("stream", "offered", "said"),
        [
            ("640028", "64001f", "640028"),
            ("64002a", "640c1f", None),  # High is not Constrained High
            ("640c28", "640c1f", "640c28"),
            ("4d401f", "4d001f", "4d001f"),  # the offer's spelling of Main
            ("42c01e", "42e01f", "42e01e"),  # both are Constrained Baseline
            ("42c033", "42e01f", "42e033"),  # the level may exceed the offered one
            ("42c01e", "42001f", None),  # Baseline is not Constrained Baseline
        ],
    )
    def test_profiles_are_compared_and_the_real_level_is_told(self, stream, offered, said):
        found = match(h264(stream), asymmetric(offered))
        assert found is not None
        if said is None:
            assert found.rank > Fit.EXACT and found.fmtp == asymmetric(offered)
        else:
            assert found == Match(Fit.EXACT, asymmetric(said))

    def test_without_level_asymmetry_the_offer_is_echoed(self):
        fmtp = "packetization-mode=1;profile-level-id=42e01f"
        assert match(h264("42c028"), fmtp) == Match(Fit.EXACT, fmtp)

    @pytest.mark.parametrize(
        "fmtp", ["", "profile-level-id=42e01f", "packetization-mode=0", "packetization-mode=2"]
    )
    def test_only_non_interleaved_mode(self, fmtp):
        assert match(h264("42c028"), fmtp) is None

    def test_a_profile_nobody_knows_is_the_last_resort(self):
        assert match(h264("640028"), asymmetric("zzzzzz")) == Match(Fit.LAST_RESORT, asymmetric("zzzzzz"))

    @pytest.mark.parametrize(
        ("stream", "best_first"),
        [
            ("640028", ["64001f", "640c1f", "4d001f", "42e01f", "f4001f"]),
            ("4d0028", ["4d001f", "64001f", "640c1f", "42e01f", "f4001f"]),
            ("42c01e", ["42e01f", "42001f", "4d001f", "640c1f", "64001f", "f4001f"]),
            ("", ["64001f", "640c1f", "4d001f", "42e01f", "42001f", "f4001f"]),
        ],
    )
    def test_the_order_of_preference(self, stream, best_first):
        ranks = [found.rank for offered in best_first if (found := match(h264(stream), asymmetric(offered)))]
        assert len(ranks) == len(best_first) and ranks == sorted(ranks) and len(set(ranks)) == len(ranks)


class TestH265:
    @pytest.mark.parametrize(
        ("fmtp", "said"),
        [
            (
                "level-id=180;profile-id=1;tier-flag=0;tx-mode=SRST",
                "level-id=120;profile-id=1;tier-flag=0;tx-mode=SRST",
            ),
            ("level-id=120", "level-id=120;profile-id=1;tier-flag=0;tx-mode=SRST"),
            ("level-id=93;profile-id=1", None),
            ("", None),  # level 3.1 is the default
            ("level-id=180;profile-id=4", None),
            ("level-id=180;tx-mode=MRST", None),
            ("level-id=high", None),
        ],
    )
    def test_level_and_profile(self, fmtp, said):
        assert match(h265(b"\x40\x01", SPS_MAIN_4_0), fmtp) == (said and Match(Fit.EXACT, said))

    def test_main_10_decodes_main(self):
        fmtp = "level-id=150;profile-id=2"
        assert match(h265(SPS_MAIN_4_0), fmtp) == Match(Fit.LIKELY, fmtp)

    @pytest.mark.parametrize("track", [h265(), h265(b""), h265(SPS_MAIN_4_0[:8])])
    def test_while_the_level_is_unknown_main_is_taken_to_do(self, track):
        assert match(track, "level-id=93") == Match(Fit.LIKELY, "level-id=93")
        assert match(track, "profile-id=2") == Match(Fit.LAST_RESORT, "profile-id=2")


def test_descriptions():
    assert VIDEO[Codec.H264].describe(h264("640028")) == "H.264 640028"
    assert VIDEO[Codec.H265].describe(h265()) == "H.265"
    assert VIDEO[Codec.H265].describe(h265(SPS_MAIN_4_0)) == "H.265 profile 1 level 4.0"
