from tests.transport.media.coded import coded_pictures
from tests.transport.media.sources import picture_units
from transport.media import AccessUnit, Codec
from transport.media.annexb import join_annexb, split_annexb
from transport.mpegts.counters import DemuxCounters
from transport.mpegts.video import VideoTrack

PICTURES = [data for data, *_ in coded_pictures("libx264", g="6", tune="zerolatency")]
AUD = b"\x00\x00\x00\x01\x09\xf0"


class Feeder:
    def __init__(self, codec: Codec = Codec.H264) -> None:
        self.counters = DemuxCounters()
        self.track = VideoTrack(0x100, codec, "", self.counters)

    def take(self, *segments: bytes, pts: int | None, broken: bool = False) -> list[AccessUnit]:
        return self.track.take(list(segments), pts, pts, 0.0, broken=broken)


def test_nothing_comes_out_before_the_first_keyframe() -> None:
    feeder = Feeder()
    units = [len(feeder.take(data, pts=3000 * index)) for index, data in enumerate(PICTURES[3:])]
    assert units == [0, 0, 0, 1, 1, 1, 1, 1, 1]
    assert feeder.counters.dropped_units == 3


def test_a_torn_unit_goes_on_at_the_next_nal_unit_after_the_gap() -> None:
    feeder = Feeder()
    nals = split_annexb(PICTURES[0])
    slices = nals[-1]
    caption = b"\x06\x04\x03\xb5\x00\x31\x80"
    (unit,) = feeder.take(
        join_annexb([*nals[:-1], slices[:100]]), slices[300:400] + join_annexb([caption]), pts=0
    )
    assert unit.keyframe
    assert split_annexb(unit.data) == [*nals[:-1], slices[:100].rstrip(b"\x00"), caption]
    assert feeder.counters.damaged_units == 1


def test_a_tail_without_a_nal_unit_is_left_out() -> None:
    feeder = Feeder()
    (unit,) = feeder.take(PICTURES[0], b"\x55" * 500, pts=0, broken=True)
    assert split_annexb(unit.data) == split_annexb(PICTURES[0])
    assert feeder.counters.damaged_units == 1


def test_pictures_that_share_a_pes_packet_get_times_of_their_own() -> None:
    feeder = Feeder()
    units = feeder.take(b"".join(AUD + data for data in PICTURES[:3]), pts=90_000)
    assert [(unit.pts, unit.dts, unit.keyframe) for unit in units] == [
        (90_000, 90_000, True),
        (93_000, 93_000, False),
        (96_000, 96_000, False),
    ]


def test_mpeg2_pictures_that_share_a_pes_packet_are_shown_in_their_order() -> None:
    feeder = Feeder(Codec.MPEG2)
    units = picture_units(Codec.MPEG2, 40, options={"bf": "2", "g": "12"})
    out = []
    for at in range(0, len(units), 4):
        together = b"".join(unit.data for unit in units[at : at + 4])
        out += feeder.track.take([together], units[at].pts, units[at].dts, 0.0, broken=False)
    assert [(unit.pts, unit.dts) for unit in out] == [(unit.pts, unit.dts) for unit in units]
    assert [unit.data for unit in out] == [unit.data for unit in units]


def test_a_picture_without_a_timestamp_follows_by_the_frame_rate() -> None:
    feeder = Feeder()
    feeder.take(PICTURES[0], pts=0)
    (unit,) = feeder.take(PICTURES[1], pts=None)
    assert (unit.pts, unit.dts) == (3000, 3000)
    assert [unit.pts for unit in feeder.take(PICTURES[2], pts=6000)] == [6000]


def test_a_picture_without_a_timestamp_before_any_other_is_dropped() -> None:
    feeder = Feeder()
    assert feeder.take(PICTURES[0], pts=None) == []
    assert feeder.counters.dropped_units == 1


def test_units_that_span_pes_packets_are_whole_after_the_first() -> None:
    feeder = Feeder()
    units = []
    for index, data in enumerate(PICTURES):
        units += feeder.take(data[: len(data) // 2], pts=3000 * index)
        units += feeder.take(data[len(data) // 2 :], pts=None)
    units += feeder.track.flush(1.0)
    assert [unit.pts for unit in units] == [3000 * index for index in range(12)]
    assert all(
        split_annexb(unit.data) == split_annexb(data)
        for unit, data in zip(units[1:], PICTURES[1:], strict=True)
    )
    assert feeder.counters.early_flush_misses == 1


def test_after_a_loss_a_continuation_is_not_glued_to_another_unit() -> None:
    feeder = Feeder()
    for index, data in enumerate(PICTURES[:3]):
        feeder.take(data[: len(data) // 2], pts=3000 * index)
        feeder.take(data[len(data) // 2 :], pts=None)
    feeder.track.interrupt()
    assert feeder.take(PICTURES[4][400:], pts=None) == []
    (held,) = feeder.take(PICTURES[5], pts=15_000)
    assert split_annexb(held.data) == split_annexb(PICTURES[2])
    assert feeder.counters.dropped_units == 1


def test_a_decoding_time_that_goes_back_is_held_and_the_showing_time_kept() -> None:
    feeder = Feeder()
    feeder.take(PICTURES[0], pts=9000)
    (unit,) = feeder.take(PICTURES[1], pts=6000)
    assert (unit.pts, unit.dts) == (6000, 9000)
    assert feeder.counters.clamped_timestamps == 1


def test_a_clock_that_was_set_back_is_followed() -> None:
    feeder = Feeder()
    feeder.take(PICTURES[0], pts=900_000)
    units = [unit for n in (1, 2) for unit in feeder.take(PICTURES[n], pts=700_000 + 3600 * n)]
    assert [unit.dts for unit in units] == [703_600, 707_200]
    assert feeder.counters.clamped_timestamps == 0


def test_h265_pictures_are_told_from_continuations() -> None:
    feeder = Feeder(Codec.H265)
    pictures = [data for data, *_ in coded_pictures("libx265", tune="zerolatency")]
    feeder.take(pictures[0], pts=0)
    assert len(feeder.take(pictures[1], pts=None)) == 1
    assert feeder.take(b"\x55" * 40 + pictures[2], pts=None) == []
    assert feeder.counters.early_flush_misses == 1
