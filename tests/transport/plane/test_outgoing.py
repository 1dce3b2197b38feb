"""What one viewer gets, on a clock that the test holds."""

from dataclasses import replace
from itertools import pairwise

import pytest

from tests.fakes.media import audio_units, h264_unit
from tests.fakes.viewer import audio_subscription, video_subscription
from transport.media import Codec
from transport.plane.interface import PlaneOptions
from transport.plane.outgoing import Outgoing, extension_block, playout_delay_offset
from transport.plane.source import Source
from transport.rtp import header
from transport.rtp.header import RtpPacket

CLOCK = 90_000
OPTIONS = PlaneOptions()


def video_source(epoch_s: float = 1000.0, options: PlaneOptions = OPTIONS) -> Source:
    return Source(Codec.H264, CLOCK, epoch_s, 12345, options)


def write(source: Source, pictures: int, *, at: float, first: int = 0, keyframe: bool = True) -> None:
    """Pictures every 1/30 s, the first one written at `at`."""
    for n in range(pictures):
        unit = h264_unit((first + n) * 3000, keyframe=keyframe and n == 0)
        assert source.write(unit, at + n / 30)


class Receiver:
    """Pulls as the plane's thread would: at once, then at every deadline."""

    def __init__(self, outgoing: Outgoing) -> None:
        self.outgoing = outgoing
        self.packets: list[RtpPacket] = []
        self.wire: list[bytes] = []
        self.at: list[float] = []

    def run(self, now: float, until: float) -> None:
        while True:
            pulled = self.outgoing.pull(now)
            self.wire += pulled
            self.packets += [header.parse(packet) for packet in pulled]
            self.at += [now] * len(pulled)
            if self.outgoing.deadline is None or self.outgoing.deadline > until:
                return
            assert self.outgoing.deadline > now
            now = self.outgoing.deadline

    @property
    def unit_ends(self) -> list[tuple[int, float]]:
        """(timestamp, time) of every whole picture."""
        return [(p.timestamp, at) for p, at in zip(self.packets, self.at, strict=True) if p.marker]

    def assert_contiguous(self) -> None:
        assert all((a.seq + 1) & 0xFFFF == b.seq for a, b in pairwise(self.packets))


def start(source: Source, now: float, until: float) -> Receiver:
    receiver = Receiver(Outgoing(video_subscription(), source, OPTIONS))
    receiver.run(now, until)
    return receiver


def test_a_viewer_in_the_middle_of_a_gop_gets_it_from_its_keyframe_on_time() -> None:
    source = video_source()
    write(source, 240, at=0.0)  # 8 s
    now = 239 / 30
    receiver = start(source, now, now + 5)
    receiver.assert_contiguous()
    assert receiver.packets[0].payload[0] & 0x1F == 24  # parameter sets first
    assert len(receiver.unit_ends) == 240
    newest = source.history.newest()
    assert newest is not None
    for timestamp, at in receiver.unit_ends:
        # On time: what the timestamp says, against the newest picture at the moment of joining.
        late_s = (at - now) - (timestamp - newest.timestamp) / CLOCK
        assert -0.001 <= late_s <= 0.021
    assert receiver.at[-1] - now < 1.0


def test_after_the_burst_the_timestamps_are_the_feeds_own() -> None:
    source = video_source()
    write(source, 240, at=0.0)
    now = 239 / 30
    receiver = start(source, now, now)
    for n in range(90):
        at = now + (n + 1) / 30
        receiver.run(receiver.at[-1], at)
        assert source.write(h264_unit((240 + n) * 3000, keyframe=False), at)
        receiver.run(at, at)
    receiver.run(at, at + 1)
    receiver.assert_contiguous()
    stamps = [timestamp for timestamp, _ in receiver.unit_ends]
    assert len(stamps) == 330
    assert all(a < b for a, b in pairwise(stamps))
    assert all(b - a == 3000 for a, b in pairwise(stamps[-58:]))
    own = source.timestamp_at(1000.0 + 329 / 30)
    assert stamps[-1] == own & 0xFFFFFFFF
    # Live again: the last pictures went out the moment they were written.
    assert receiver.unit_ends[-1][1] == pytest.approx(now + 3.0)


@pytest.mark.parametrize("pictures", [1, 2])
def test_a_gop_of_one_or_two_pictures_is_sent_unchanged(pictures: int) -> None:
    source = video_source()
    write(source, pictures, at=0.0)
    receiver = start(source, 0.1, 0.1)
    base = source.timestamp_at(1000.0)
    assert [t for t, _ in receiver.unit_ends] == [(base + 3000 * n) & 0xFFFFFFFF for n in range(pictures)]


def test_nothing_is_sent_before_a_keyframe() -> None:
    source = video_source()
    receiver = start(source, 0.0, 0.0)
    assert not source.write(h264_unit(0, keyframe=False), 0.0)
    receiver.run(0.0, 1.0)
    assert receiver.packets == [] and receiver.outgoing.deadline is None


def test_a_gop_that_was_cut_short_makes_the_viewer_wait_for_the_next() -> None:
    source = video_source(options=replace(OPTIONS, max_history_bytes=50_000))
    write(source, 60, at=0.0)
    receiver = start(source, 2.0, 4.0)
    assert receiver.packets == []
    write(source, 2, at=2.1, first=60)
    receiver.run(2.2, 3.0)
    assert len(receiver.unit_ends) == 2


def test_a_large_keyframe_is_spread_a_little() -> None:
    source = video_source()
    assert source.write(h264_unit(0, keyframe=True, size=300_000), 0.0)
    receiver = start(source, 0.0, 1.0)
    assert len(receiver.packets) > 250
    runs = [receiver.at.count(at) for at in sorted(set(receiver.at))]
    assert max(runs) <= 8 and len(runs) > 30
    assert receiver.at[-1] <= 0.020


def test_on_a_machine_that_has_run_for_long_every_deadline_comes_later_than_now() -> None:
    """Where the clock's steps are coarse: in 30 years they are an eighth of a microsecond."""
    source = video_source()
    up = 1e9
    assert source.write(h264_unit(0, keyframe=True, size=300_000), up)
    receiver = start(source, up, up + 1)  # which looks at each deadline
    assert len(receiver.packets) > 250 and receiver.packets[-1].marker


def test_a_live_picture_is_spread_over_half_an_interval_at_most() -> None:
    source = video_source()
    write(source, 1, at=0.0)
    receiver = start(source, 0.0, 0.0)
    assert source.write(h264_unit(750, keyframe=False, size=100_000), 0.1)  # 120 pictures a second
    receiver.run(0.1, 1.0)
    assert receiver.at[-1] - 0.1 <= 750 / CLOCK / 2 + 1e-9


def test_numbers_start_in_the_lower_half() -> None:
    source = video_source()
    write(source, 1, at=0.0)
    assert all(start(source, 0.0, 0.0).packets[0].seq < 1 << 15 for _ in range(200))


def test_every_packet_carries_the_same_extensions() -> None:
    source = video_source()
    write(source, 20, at=0.0)
    receiver = start(source, 1.0, 3.0)
    # 0 ms and 1000 ms in 12 bits of 10 ms each.
    assert {p.extensions for p in receiver.packets} == {((4, b"0"), (6, b"\x00\x00\x64"))}


def test_extensions_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="header extension"):
        extension_block(replace(video_subscription(), mid="m" * 17), OPTIONS)
    bare = replace(video_subscription(), mid_extension=0, playout_delay_extension=0)
    assert extension_block(bare, OPTIONS) == b""


def test_a_packet_is_found_again_byte_for_byte() -> None:
    source = video_source()
    write(source, 60, at=0.0)
    receiver = start(source, 2.0, 4.0)
    for packet, wire in zip(receiver.packets, receiver.wire, strict=True):
        sent = receiver.outgoing.find(packet.seq)
        assert sent is not None and sent.serialize() == wire
    assert receiver.outgoing.find((receiver.packets[-1].seq + 1) & 0xFFFF) is None
    assert receiver.outgoing.find((receiver.packets[0].seq - 1) & 0xFFFF) is None


def test_a_changed_playout_delay_begins_with_a_picture_and_changes_nothing_that_was_sent() -> None:
    source = video_source()
    write(source, 30, at=0.0)
    receiver = start(source, 1.0, 3.0)
    before = len(receiver.packets)
    for second in range(2):
        receiver.outgoing.playout.reported(0.1, 60, 3.0 + second)
    write(source, 3, at=5.0, first=30, keyframe=False)
    receiver.run(6.0, 6.0)
    receiver.assert_contiguous()
    assert {p.extension(6) for p in receiver.packets[:before]} == {b"\x00\x00\x64"}
    assert {p.extension(6) for p in receiver.packets[before:]} == {b"\x01\xe0\x64"}  # 300 ms
    assert receiver.packets[before].timestamp != receiver.packets[before - 1].timestamp
    for packet, wire in zip(receiver.packets, receiver.wire, strict=True):
        sent = receiver.outgoing.find(packet.seq)
        assert sent is not None and sent.serialize() == wire


@pytest.mark.parametrize("mid_extension", [0, 4])
def test_the_playout_delay_is_found_in_the_block(mid_extension: int) -> None:
    subscription = replace(video_subscription(), mid="video", mid_extension=mid_extension)
    at = playout_delay_offset(subscription)
    assert extension_block(subscription, OPTIONS, 250)[at : at + 3] == b"\x01\x90\x64"
    assert playout_delay_offset(replace(subscription, playout_delay_extension=0)) == 0


def test_what_left_the_history_is_not_found() -> None:
    source = video_source()
    write(source, 30, at=0.0)
    receiver = start(source, 1.0, 3.0)
    write(source, 60, at=3.0, first=90)
    receiver.run(6.0, 8.0)
    assert receiver.outgoing.find(receiver.packets[0].seq) is None
    assert receiver.outgoing.find(receiver.packets[-1].seq) is not None


def test_new_keys_make_the_past_unrepeatable() -> None:
    source = video_source()
    write(source, 5, at=0.0)
    receiver = start(source, 1.0, 3.0)
    receiver.outgoing.forget_sent()
    assert receiver.outgoing.find(receiver.packets[-1].seq) is None


def test_sound_starts_with_the_next_unit_unchanged() -> None:
    source = Source(Codec.OPUS, 48_000, 1000.0, 99, OPTIONS)
    units = audio_units(0, 60)
    for unit in units[:50]:
        source.write(unit, 0.0)
    receiver = Receiver(Outgoing(audio_subscription(), source, OPTIONS))
    receiver.run(1.0, 2.0)
    assert receiver.packets == []
    for unit in units[50:]:
        source.write(unit, 1.0)
    receiver.run(1.1, 2.0)
    base = source.timestamp_at(1000.0)
    assert [p.timestamp for p in receiver.packets] == [(base + 960 * n) & 0xFFFFFFFF for n in range(50, 60)]
    assert [p.payload for p in receiver.packets] == [unit.data for unit in units[50:]]
    assert not any(p.marker for p in receiver.packets)


# Falling behind


def test_a_viewer_that_fell_out_of_the_history_goes_on_at_a_keyframe_without_a_hole() -> None:
    source = video_source()
    write(source, 30, at=0.0)
    receiver = start(source, 1.0, 2.0)
    for second in range(2, 10):
        write(source, 30, at=float(second), first=30 * second)
    receiver.run(10.0, 12.0)
    receiver.assert_contiguous()
    assert receiver.outgoing.skipped > 0
    assert len(receiver.unit_ends) == 60


def test_a_full_connection_skips_to_the_next_keyframe_without_a_hole() -> None:
    source = video_source()
    write(source, 1, at=0.0)
    receiver = start(source, 0.0, 0.0)
    write(source, 29, at=0.1, first=1, keyframe=False)
    assert receiver.outgoing.pull(1.0, room_bytes=0) == []
    assert receiver.outgoing.skipped == 29 * 3  # counted as it happens
    receiver.run(1.1, 2.0)
    assert len(receiver.unit_ends) == 1  # free again, but nothing to decode yet
    write(source, 30, at=2.0, first=30)
    receiver.run(3.0, 4.0)
    receiver.assert_contiguous()
    assert len(receiver.unit_ends) == 31
    assert receiver.outgoing.skipped == 29 * 3


def test_a_full_connection_delays_a_backlog_instead_of_dropping_it() -> None:
    source = video_source()
    write(source, 30, at=0.0)
    receiver = Receiver(Outgoing(video_subscription(), source, OPTIONS))
    assert receiver.outgoing.pull(1.0, room_bytes=0) == []
    assert receiver.outgoing.deadline == pytest.approx(1.01)
    receiver.run(1.5, 3.0)
    assert len(receiver.unit_ends) == 30 and receiver.outgoing.skipped == 0
    late = Receiver(Outgoing(video_subscription(), source, OPTIONS))
    assert late.outgoing.pull(1.0, room_bytes=0) == []
    assert late.outgoing.pull(4.5, room_bytes=0) == []
    assert late.outgoing.deadline is None  # given up: the next keyframe it is


def test_a_backlog_goes_piece_by_piece_as_a_connection_takes_it() -> None:
    source = video_source()
    write(source, 30, at=0.0)
    receiver = Receiver(Outgoing(video_subscription(), source, OPTIONS))
    size = len(receiver.outgoing.pull(1.0, room_bytes=1))
    assert 0 < size < 10
    assert receiver.outgoing.deadline == pytest.approx(1.01)
    assert len(receiver.outgoing.pull(2.5, room_bytes=3 * 3000)) == 3 * 3  # whole pictures, all due
    receiver.run(2.6, 3.0)
    assert receiver.outgoing.skipped == 0


# Moving


def moved(receiver: Receiver, source: Source, now: float, *, meanwhile: bool = True) -> None:
    receiver.outgoing.move(video_subscription(), source, now, meanwhile=meanwhile)


def test_a_move_waits_for_the_next_keyframe_and_shows_the_old_feed_until_then() -> None:
    old, new = video_source(), video_source()
    write(old, 30, at=0.0)
    receiver = start(old, 1.0, 2.0)
    write(new, 60, at=0.0)
    moved(receiver, new, 2.0)
    write(old, 1, at=2.0, first=60, keyframe=False)
    receiver.run(2.0, 2.1)
    assert len(receiver.unit_ends) == 31
    assert receiver.outgoing.sources == (old, new)
    write(new, 1, at=2.2, first=66)
    receiver.run(2.2, 2.3)
    assert receiver.outgoing.sources == (new,)
    receiver.assert_contiguous()
    stamps = [t for t, _ in receiver.unit_ends]
    assert all(a < b for a, b in pairwise(stamps))
    assert stamps[-1] == new.timestamp_at(1000.0 + 66 / 30) & 0xFFFFFFFF


def test_a_move_to_a_fresh_keyframe_does_not_wait() -> None:
    old, new = video_source(), video_source()
    write(old, 30, at=0.0)
    receiver = start(old, 1.0, 2.0)
    write(new, 10, at=2.0, first=60)
    moved(receiver, new, 2.4)
    receiver.run(2.4, 3.0)
    receiver.assert_contiguous()
    stamps = [t for t, _ in receiver.unit_ends]
    assert len(stamps) == 40 and all(a < b for a, b in pairwise(stamps))


def test_a_move_may_be_silent_until_the_next_keyframe() -> None:
    old, new = video_source(), video_source()
    write(old, 30, at=0.0)
    receiver = start(old, 1.0, 2.0)
    write(new, 60, at=0.0)
    moved(receiver, new, 2.0, meanwhile=False)
    write(old, 1, at=2.0, first=60, keyframe=False)
    receiver.run(2.0, 2.1)
    # Another move does not end the silence in the middle of a GOP.
    moved(receiver, old, 2.1)
    write(old, 1, at=2.15, first=64, keyframe=False)
    receiver.run(2.1, 2.2)
    assert len(receiver.unit_ends) == 30
    assert receiver.outgoing.deadline is None
    write(old, 2, at=2.2, first=66)
    receiver.run(2.2, 2.3)
    receiver.assert_contiguous()
    assert [t for t, _ in receiver.unit_ends[30:]] == [
        old.timestamp_at(1000.0 + frame / 30) & 0xFFFFFFFF for frame in (66, 67)
    ]


def test_a_move_from_a_closed_feed_starts_with_the_gop_there_is() -> None:
    old, new = video_source(), video_source()
    write(old, 30, at=0.0)
    receiver = start(old, 1.0, 2.0)
    write(new, 90, at=0.0)
    old.close()
    moved(receiver, new, 3.0)
    receiver.run(3.0, 5.0)
    receiver.assert_contiguous()
    assert len(receiver.unit_ends) == 120


def test_a_feed_that_closes_during_a_move_ends_the_wait() -> None:
    old, new = video_source(), video_source()
    write(old, 30, at=0.0)
    receiver = start(old, 1.0, 2.0)
    write(new, 90, at=0.0)
    moved(receiver, new, 3.0)
    receiver.run(3.0, 5.0)
    assert len(receiver.unit_ends) == 30
    old.close()
    receiver.run(5.0, 7.0)
    assert len(receiver.unit_ends) == 120


def test_a_move_never_goes_back_in_time() -> None:
    old, new = video_source(), video_source(epoch_s=999.0)  # a second behind
    write(old, 30, at=0.0)
    receiver = start(old, 1.0, 2.0)
    write(new, 60, at=2.0, first=30)
    moved(receiver, new, 2.1)
    receiver.run(4.0, 6.0)
    receiver.assert_contiguous()
    stamps = [t for t, _ in receiver.unit_ends]
    assert len(stamps) == 90 and all(a < b for a, b in pairwise(stamps))


def test_a_feed_on_another_epoch_goes_on_and_says_so_in_its_reports() -> None:
    old, new = video_source(), video_source(epoch_s=500_000.0)
    write(old, 30, at=0.0)
    receiver = start(old, 1.0, 2.0)
    write(new, 1, at=2.0)
    moved(receiver, new, 2.0)
    receiver.run(2.0, 3.0)
    stamps = [t for t, _ in receiver.unit_ends]
    assert 0 < stamps[-1] - stamps[-2] < 2 * CLOCK
    unit = new.history.newest()
    assert unit is not None and stamps[-1] == (unit.timestamp + receiver.outgoing.shift) & 0xFFFFFFFF


def test_packets_of_the_feed_before_are_found_until_it_closes() -> None:
    old, new = video_source(), video_source()
    write(old, 30, at=0.0)
    receiver = start(old, 1.0, 2.0)
    first = receiver.packets[0].seq
    write(new, 30, at=2.0, first=60)
    moved(receiver, new, 2.1)
    receiver.run(2.1, 4.0)
    sent = receiver.outgoing.find(first)
    assert sent is not None and sent.serialize() == receiver.wire[0]
    old.close()
    assert receiver.outgoing.find(first) is None
