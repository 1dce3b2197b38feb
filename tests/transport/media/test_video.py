import av
import pytest

from tests.transport.media.coded import coded_pictures
from transport.media import AccessUnit, Codec, VideoNormalizer, h264, h265
from transport.media.annexb import join_annexb, split_annexb

H264_PLAIN = {"g": "6", "tune": "zerolatency"}
AUD = b"\x09\x30"
FILLER = b"\x0c\xff\xff\x80"
END = b"\x0a"


def normalize(
    pictures: list[tuple[bytes, int, int]], codec: Codec = Codec.H264
) -> tuple[VideoNormalizer, list[AccessUnit]]:
    normalizer = VideoNormalizer(7, codec, 90_000)
    units = [normalizer.unit(data, pts, dts, 1.5) for data, pts, dts in pictures]
    return normalizer, [unit for unit in units if unit is not None]


def plain(**options: str) -> list[tuple[bytes, int, int]]:
    return [(data, pts, dts) for data, pts, dts, _ in coded_pictures("libx264", **(options or H264_PLAIN))]


def kinds(unit: AccessUnit) -> list[int]:
    parse = h264.nal_type if unit.track.codec is Codec.H264 else h265.nal_type
    return [parse(nal) for nal in split_annexb(unit.data)]


def decoded(units: list[AccessUnit]) -> int:
    decoder = av.CodecContext.create("h264" if units[0].track.codec is Codec.H264 else "hevc", "r")
    frames = [frame for unit in units for frame in decoder.decode(av.Packet(unit.data))]
    return len(frames + decoder.decode(None))


@pytest.mark.parametrize(
    ("encoder", "codec", "options"),
    [
        ("libx264", Codec.H264, H264_PLAIN),
        ("libx264", Codec.H264, {"g": "6", "bf": "2", "preset": "veryfast"}),
        ("libx265", Codec.H265, {}),
        ("libx265", Codec.H265, {"tune": "zerolatency"}),
    ],
)
def test_real_streams_keep_every_picture(encoder: str, codec: Codec, options: dict[str, str]) -> None:
    pictures = coded_pictures(encoder, **options)
    normalizer, units = normalize([(d, p, t) for d, p, t, _ in pictures], codec)
    assert [unit.keyframe for unit in units] == [keyframe for *_, keyframe in pictures]
    assert [(unit.pts, unit.dts) for unit in units] == [(pts, dts) for _, pts, dts, _ in pictures]
    assert decoded(units) == len(pictures)
    track = normalizer.track
    assert (track.id, track.width, track.height) == (7, 64, 48)
    assert track.has_b_frames == any(pts != dts for _, pts, dts, _ in pictures)
    assert units[0].received_at == 1.5


def test_only_what_a_decoder_needs_stays_behind_4_byte_start_codes() -> None:
    data, pts, dts = plain()[0]
    sps, pps, *rest = split_annexb(data)
    dirty = b"\x00\x00\x01" + b"\x00\x00\x01".join(
        [AUD, sps, pps, *rest, FILLER, END, b"\xf5\x01", b"\x1c\x85"]
    )
    _, (unit,) = normalize([(dirty, pts, dts)])
    assert unit.data == join_annexb([sps, pps, *rest])
    assert unit.data.startswith(b"\x00\x00\x00\x01\x67")


def test_captions_stay() -> None:
    caption = b"\x06\x04\x03\xb5\x00\x31\x80"
    pictures = plain()
    pictures[1] = (join_annexb([caption]) + pictures[1][0], *pictures[1][1:])
    _, units = normalize(pictures)
    assert split_annexb(units[1].data)[0] == caption


def test_every_keyframe_begins_with_the_parameter_sets() -> None:
    stripped = []
    for index, (data, pts, dts) in enumerate(plain()):
        nals = [nal for nal in split_annexb(data) if index == 0 or h264.nal_type(nal) not in (7, 8)]
        stripped.append((join_annexb(nals), pts, dts))
    _, units = normalize(stripped)
    later = units[6]
    assert later.keyframe
    assert kinds(later)[:2] == [7, 8]
    assert decoded(units[6:]) == 6


def test_a_keyframe_nobody_can_decode_is_none() -> None:
    data, pts, dts = plain()[0]
    slices = [nal for nal in split_annexb(data) if h264.nal_type(nal) == h264.NAL_IDR]
    normalizer, units = normalize([(join_annexb(slices), pts, dts)])
    assert [unit.keyframe for unit in units] == [False]
    normalizer.learn(nal for nal in split_annexb(data) if h264.nal_type(nal) in (7, 8))
    assert normalizer.track.width == 64
    unit = normalizer.unit(join_annexb(slices), pts, dts, 0.0)
    assert unit is not None
    assert unit.keyframe
    assert kinds(unit) == [7, 8, 5]


def test_data_without_a_picture_is_remembered_but_no_unit() -> None:
    data, pts, dts = plain()[0]
    sets = join_annexb(nal for nal in split_annexb(data) if h264.nal_type(nal) in (7, 8))
    normalizer, units = normalize([(sets, pts, dts), (b"", pts, dts), (b"\x00\x00\x01\x09\x10", pts, dts)])
    assert units == []
    assert normalizer.track.parameter_sets == tuple(split_annexb(sets))


def test_the_track_stays_the_same_object_until_something_changes() -> None:
    small = plain()
    large = [(d, p + 36_000, t + 36_000) for d, p, t, _ in coded_pictures("libx264", width=96, **H264_PLAIN)]
    _, units = normalize(small + large)
    assert len({id(unit.track) for unit in units[:12]}) == 1
    assert len({id(unit.track) for unit in units[12:]}) == 1
    assert (units[11].track.width, units[12].track.width) == (64, 96)
    assert units[11].track.id == units[12].track.id
    assert units[12].track.parameter_sets == tuple(split_annexb(large[0][0])[:2])


def test_a_broken_parameter_set_is_left_out() -> None:
    pictures = plain()
    broken = b"\x67\x42\xc0\x0a\x00"
    pictures[6] = (join_annexb([broken]) + pictures[6][0], *pictures[6][1:])
    normalizer, units = normalize(pictures)
    assert normalizer.refused_parameter_sets == 1
    assert normalizer.track is units[0].track
    assert broken not in split_annexb(units[6].data)


OPEN_GOPS = {
    "g": "6",
    "bf": "2",
    "preset": "veryfast",
    "x264opts": "open-gop=1:keyint=6:min-keyint=1:scenecut=0",
}


class TestEntryPointsWithoutIdr:
    def test_open_gops_are_entered_at_their_intra_pictures(self) -> None:
        pictures = coded_pictures("libx264", count=24, **OPEN_GOPS)
        _, units = normalize([(d, p, t) for d, p, t, _ in pictures])
        entries = [unit for unit in units if unit.keyframe]
        assert len(entries) > 2
        assert all(5 not in kinds(unit) for unit in entries[1:])
        assert all(kinds(unit)[:2] == [7, 8] for unit in entries)

    def test_an_intra_picture_with_neither_message_nor_sets_is_not_one(self) -> None:
        pictures = coded_pictures("libx264", count=24, **OPEN_GOPS)
        bare = [
            (join_annexb(n for n in split_annexb(d) if i == 0 or h264.nal_type(n) in (1, 5)), p, t)
            for i, (d, p, t, _) in enumerate(pictures)
        ]
        _, units = normalize(bare)
        assert [index for index, unit in enumerate(units) if unit.keyframe] == [0]

    def test_a_recovery_point_on_predicted_pictures_is_not_one(self) -> None:
        pictures = plain()
        pictures[3] = (join_annexb([b"\x06\x06\x01\xc4\x80"]) + pictures[3][0], *pictures[3][1:])
        _, units = normalize(pictures)
        assert [index for index, unit in enumerate(units) if unit.keyframe] == [0, 6]


REFRESHED = {"x264opts": "intra-refresh=1:keyint=30:bframes=0", "preset": "veryfast"}


class TestGradualRefresh:
    def test_it_is_entered_at_its_recovery_points(self) -> None:
        """As by a server that comes later than the one IDR picture such encoders send."""
        pictures = [(d, p, t) for d, p, t, _ in coded_pictures(count=120, **REFRESHED)]
        sets = [nal for nal in split_annexb(pictures[0][0]) if h264.nal_type(nal) in (7, 8)]
        normalizer = VideoNormalizer(7, Codec.H264, 90_000)
        normalizer.learn(sets)
        units = [unit for d, p, t in pictures[1:] if (unit := normalizer.unit(d, p, t, 1.5))]
        entries = [index for index, unit in enumerate(units) if unit.keyframe]
        assert len(entries) == 3
        assert kinds(units[entries[0]])[:2] == [7, 8]
        assert units[entries[0]].track.gradual
        assert units[-1].track.hindrance
        # The decoder shows nothing before all of the picture was refreshed once.
        assert 60 < decoded(units[entries[0] :]) < 90

    def test_it_is_only_noticed_where_keyframes_do_not_come(self) -> None:
        pictures = [(d, p, t) for d, p, t, _ in coded_pictures(count=420, **REFRESHED)]
        normalizer, units = normalize(pictures)
        entries = [unit.dts_s for unit in units if unit.keyframe]
        assert entries[0] < 0.1
        assert [at_s > 10 for at_s in entries[1:]] == [True] * 3
        assert normalizer.track.gradual
        data, pts, dts = pictures[0]
        for again_s in (15, 17):
            normalizer.unit(data, pts + again_s * 90_000, dts + again_s * 90_000, 1.5)
        assert not normalizer.track.gradual, "its keyframes are back"


class TestReordering:
    def test_parameter_sets_that_allow_it_announce_it(self) -> None:
        pictures = [
            (d, 3000 * i, 3000 * i) for i, (d, *_) in enumerate(plain(g="6", bf="2", preset="veryfast"))
        ]
        _, units = normalize(pictures)
        assert units[0].track.has_b_frames

    def test_parameter_sets_that_exclude_it_outweigh_a_constant_distance(self) -> None:
        _, units = normalize([(d, p + 6000, t) for d, p, t in plain()])
        assert not any(unit.track.has_b_frames for unit in units)

    def test_nothing_outweighs_times_that_go_back(self) -> None:
        pictures = plain()
        pictures[3] = (pictures[3][0], pictures[1][1] - 1, pictures[3][2])
        _, units = normalize(pictures)
        assert [unit.track.has_b_frames for unit in units] == [False] * 3 + [True] * 9

    def test_a_clock_set_back_once_is_no_reordering_but_twice_is(self) -> None:
        pictures = plain()
        times = [0, 3000, 6000, 4000, 7000, 10_000, 13_000, 16_000, 14_000, 17_000, 20_000, 23_000]
        _, units = normalize([(d, t, t) for (d, *_), t in zip(pictures, times, strict=True)])
        assert [unit.track.has_b_frames for unit in units] == [False] * 8 + [True] * 4

    def test_without_a_word_in_the_parameter_sets_the_times_tell(self) -> None:
        def silent(pictures: list[tuple[bytes, int, int]]) -> list[tuple[bytes, int, int]]:
            """Cut the VUI off, as encoders do that send none."""
            return [
                (join_annexb(n[:8] if h264.nal_type(n) == 7 else n for n in split_annexb(d)), p, t)
                for d, p, t in pictures
            ]

        pictures = silent(plain(g="6", bf="2", preset="veryfast"))
        normalizer, units = normalize(pictures)
        assert normalizer.picture.max_reorder is None
        assert units[0].track.has_b_frames
        _, units = normalize([(d, t, t) for d, _, t in pictures])
        assert not units[-1].track.has_b_frames


class TestH265:
    def test_delimiters_other_layers_and_unspecified_types_are_removed(self) -> None:
        data, pts, dts, _ = coded_pictures("libx265")[0]
        nals = split_annexb(data)
        other_layer = bytes([nals[-1][0], nals[-1][1] | 0x08]) + nals[-1][2:]
        dirty = join_annexb([b"\x46\x01\x50", *nals, other_layer, b"\x4c\x01\xff", b"\x62\x01\x00\x01"])
        _, (unit,) = normalize([(dirty, pts, dts)], Codec.H265)
        assert kinds(unit)[:3] == [32, 33, 34]
        assert set(kinds(unit)) <= {32, 33, 34, 39, 40, *range(16, 24)}
        assert unit.keyframe

    def test_parameter_sets_are_put_before_every_keyframe(self) -> None:
        pictures = coded_pictures("libx265")
        stripped = [
            (join_annexb(n for n in split_annexb(d) if i == 0 or h265.nal_type(n) < 32), p, t)
            for i, (d, p, t, _) in enumerate(pictures)
        ]
        _, units = normalize(stripped, Codec.H265)
        keyframes = [unit for unit in units if unit.keyframe]
        assert len(keyframes) == 2
        assert all(kinds(unit)[:3] == [32, 33, 34] for unit in keyframes)


def test_the_language_can_change_later() -> None:
    normalizer = VideoNormalizer(1, Codec.H264, 90_000, language="deu")
    before = normalizer.track
    normalizer.relabel("deu")
    assert normalizer.track is before
    normalizer.relabel("fra")
    assert normalizer.track.language == "fra"
