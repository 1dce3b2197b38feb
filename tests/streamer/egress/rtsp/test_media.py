"""What those get who read over RTSP."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest

from streamer.hub.stream import Publisher
from tests.fakes.wait import wait_until
from tests.streamer.egress.rtsp.rig import Rig, arrived, read
from tests.transport.media.sources import jpeg_units, picture_units, sound_units, tone
from transport.media import AccessUnit, Codec, Track
from transport.rtp import rtcp
from transport.rtp.depacketize import Depacketizer
from transport.rtp.header import parse


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path)
    yield rig
    rig.close()


@pytest.fixture(scope="module")
def pictures() -> list[AccessUnit]:
    """Three GOPs of ten."""
    return picture_units(Codec.H264, 30, options={"g": "10", "keyint_min": "10", "sc_threshold": "0"})


def units_of(packets: list[tuple[int, bytes]], codec: Codec = Codec.H264) -> list[bytes]:
    depacketizer = Depacketizer(codec)
    found = [depacketizer.push(parse(packet)) for channel, packet in packets if channel == 0]
    return [each.data for each in found if each is not None]


class TestPictures:
    @pytest.mark.parametrize("codec", [Codec.H264, Codec.H265])
    def test_they_come_as_they_are_with_their_times(self, rig: Rig, codec: Codec) -> None:
        options = {"bf": "2", "g": "10"} if codec is Codec.H264 else {"g": "10"}
        units = picture_units(codec, 75, options=options)
        rig.go_live("open", units)
        streams, packets = read(rig.url("open"), lambda packets: len(packets) == 40)
        assert streams == [("video", "hevc" if codec is Codec.H265 else "h264")]
        shown = sorted(packet.pts * packet.time_base for packet in packets if packet.pts is not None)
        assert {b - a for a, b in itertools.pairwise(shown[3:-3])} == {Fraction(1, 25)}
        decoded = [frame for packet in packets for frame in packet.decode()]
        assert len(decoded) >= 25  # some stay in the decoder
        assert all((frame.width, frame.height) == (320, 240) for frame in decoded)

    def test_who_comes_in_the_middle_of_a_gop_gets_it_from_the_keyframe(
        self, rig: Rig, pictures: list[AccessUnit]
    ) -> None:
        publication = rig.publish("open", *pictures[:5])
        caller, _ = rig.playing("open")
        for unit in pictures[5:]:
            publication.write(unit)
        wait_until(lambda: caller.ask("OPTIONS", "*") and len(units_of(caller.packets)) == 30, "all pictures")
        assert units_of(caller.packets) == [unit.data for unit in pictures]

    def test_who_pauses_begins_again_at_a_keyframe(self, rig: Rig, pictures: list[AccessUnit]) -> None:
        publication = rig.publish("open", *pictures[:5])
        caller, _ = rig.playing("open")
        caller.receive(3)
        assert caller.ask("PAUSE", rig.url("open"))[0] == 200
        seen = len(units_of(caller.packets))
        for unit in pictures[5:15]:
            publication.write(unit)
        assert caller.ask("OPTIONS", "*")[0] == 200
        assert len(units_of(caller.packets)) == seen
        assert caller.ask("PLAY", rig.url("open"))[0] == 200
        publication.write(pictures[15])
        wait_until(
            lambda: caller.ask("OPTIONS", "*") and pictures[15].data in units_of(caller.packets),
            "the picture",
        )
        assert units_of(caller.packets)[seen] == pictures[10].data

    def test_after_another_publisher_it_goes_on_from_its_first_keyframe(
        self, rig: Rig, pictures: list[AccessUnit]
    ) -> None:
        publication = rig.publish("open", *pictures[:5])
        caller, _ = rig.playing("open")
        wait_until(lambda: caller.ask("OPTIONS", "*") and len(units_of(caller.packets)) == 5, "the pictures")
        publication.close("it left")
        again = rig.registry.find("open").publish(Publisher("two", "srt", "192.0.2.9:4001"))
        for unit in pictures[15:]:  # not from a keyframe on
            again.write(arrived(unit))
        wait_until(
            lambda: caller.ask("OPTIONS", "*") and pictures[29].data in units_of(caller.packets),
            "the picture",
        )
        assert units_of(caller.packets)[5:] == [unit.data for unit in pictures[20:]]

    def test_what_rtp_does_not_carry_is_made_into_h264(self, rig: Rig) -> None:
        rig.go_live("open", jpeg_units(400))
        streams, packets = read(rig.url("open"), lambda packets: len(packets) == 5)
        assert streams == [("video", "h264")]
        assert packets[0].is_keyframe

    def test_where_no_rendition_may_be_made_there_is_nothing(self, rig: Rig) -> None:
        rig.publish("plain", *jpeg_units(1))
        status, text = rig.describe("plain")
        assert (status, "nothing can be described" in text) == (404, True)


class TestSound:
    @pytest.mark.parametrize(
        ("codec", "rate", "layout", "name"),
        [
            (Codec.AAC, 48_000, "stereo", "aac"),
            (Codec.AAC, 44_100, "mono", "aac"),
            (Codec.OPUS, 48_000, "stereo", "opus"),
            (Codec.MP2, 48_000, "stereo", "mp2"),
            (Codec.MP3, 44_100, "stereo", "mp3float"),
            (Codec.AC3, 48_000, "stereo", "ac3"),
            (Codec.PCMA, 8000, "mono", "pcm_alaw"),
            (Codec.PCMU, 8000, "mono", "pcm_mulaw"),
            (Codec.L16, 48_000, "stereo", "pcm_s16be"),
            (Codec.G722, 16_000, "mono", "g722"),
            (Codec.G726, 8000, "mono", "g726le"),
        ],
    )
    def test_it_comes_as_it_is(self, rig: Rig, codec: Codec, rate: int, layout: str, name: str) -> None:
        channels = 1 if layout == "mono" else 2
        sounds = sound_units(codec, tone(6.0, rate, channels=channels), rate, layout=layout)
        rig.go_live("open", sounds)
        enough = 10 if codec is Codec.G726 else 30  # libav makes long packets of it
        streams, packets = read(rig.url("open"), lambda packets: len(packets) == enough)
        assert streams == [("audio", name)]
        found = b"".join(bytes(packet) for packet in packets)
        sent = b"".join(unit.data for unit in sounds)
        assert found[: len(found) // 2] in sent
        decoded = [frame for packet in packets for frame in packet.decode()]
        assert {frame.sample_rate for frame in decoded} == {rate}  # type: ignore[union-attr]
        heard_s = sum(frame.samples for frame in decoded) / rate  # type: ignore[union-attr]
        pts = [packet.pts * packet.time_base for packet in packets if packet.pts is not None]
        assert float(pts[-1] - pts[0]) == pytest.approx(heard_s * (enough - 1) / enough, abs=0.1)

    def test_another_coding_ends_it(self, rig: Rig) -> None:
        track = Track(2, Codec.PCMA, 8000, sample_rate=8000, channels=1)
        publication = rig.publish("open", AccessUnit(track, 0, 0, bytes(160), True, time.monotonic()))
        caller, _ = rig.playing("open")
        publication.write(AccessUnit(track, 160, 160, bytes(160), True, time.monotonic()))
        caller.receive(2)
        wide = Track(2, Codec.PCMA, 16_000, sample_rate=16_000, channels=1)
        publication.write(AccessUnit(wide, 640, 640, bytes(320), True, time.monotonic()))
        assert caller.ends()


class TestBoth:
    def both(self) -> list[AccessUnit]:
        sounds = sound_units(Codec.AAC, tone(4.0, 48_000), 48_000)
        pictures = picture_units(Codec.H264, 100, options={"bf": "2", "g": "10"})
        return sorted((*pictures, *sounds), key=lambda unit: unit.dts_s)

    def test_they_are_in_step(self, rig: Rig) -> None:
        rig.go_live("open", self.both())
        caller, _ = rig.playing("open", tracks=2)
        packets = caller.receive(200)
        # A report before the first packet of either: one moment in the clocks of both.
        (first, one), (second, other) = packets[:2]
        assert (first, second) == (1, 3)
        reports = [rtcp.parse_compound(each)[0] for each in (one, other)]
        assert all(isinstance(report, rtcp.SenderReport) for report in reports)
        picture, sound = reports
        assert isinstance(picture, rtcp.SenderReport)
        assert isinstance(sound, rtcp.SenderReport)
        assert picture.ntp == sound.ntp
        assert abs(picture.ntp - rtcp.ntp_time(time.time())) < 20 << 32
        times = {
            channel: [parse(packet).timestamp for found, packet in packets if found == channel]
            for channel in (0, 2)
        }
        shown = [
            ((at - picture.rtp_timestamp + (1 << 31)) % (1 << 32) - (1 << 31)) / 90_000 for at in times[0]
        ]
        heard = [((at - sound.rtp_timestamp + (1 << 31)) % (1 << 32) - (1 << 31)) / 48_000 for at in times[2]]
        assert max(shown) == pytest.approx(max(heard), abs=0.3)

    def test_one_of_them_may_be_left_out(self, rig: Rig) -> None:
        rig.go_live("open", self.both())
        caller = rig.call()
        assert caller.ask("DESCRIBE", rig.url("open"))[0] == 200
        way = "RTP/AVP/TCP;unicast;interleaved=0-1"
        assert caller.ask("SETUP", rig.url("open/trackID=1"), Transport=way)[0] == 200
        assert caller.ask("PLAY", rig.url("open"))[0] == 200
        packets = caller.receive(20)
        assert {parse(packet).payload_type for channel, packet in packets if channel == 0} == {97}


class TestLeaving:
    def test_who_is_ended_hears_a_goodbye(self, rig: Rig, pictures: list[AccessUnit]) -> None:
        rig.publish("open", *pictures)
        caller, reader = rig.playing("open")
        caller.receive(2)
        reader.end("ended by the administrator")
        assert caller.ends()
        while caller._take_packet():
            pass
        channel, last = caller.packets[-1]
        assert channel == 1
        assert isinstance(rtcp.parse_compound(last)[-1], rtcp.Bye)
        wait_until(lambda: not rig.egress.readers, "the reader to leave")

    def test_a_stream_that_is_not_configured_any_more_ends_them(
        self, rig: Rig, pictures: list[AccessUnit]
    ) -> None:
        rig.publish("open", *pictures)
        caller, _ = rig.playing("open")
        rig.registry.apply({})
        assert caller.ends()

    def test_a_stream_that_is_pulled_on_demand_is_wanted_while_somebody_reads_it(self, rig: Rig) -> None:
        demand = rig.registry.find("gate").demand
        caller = rig.call()
        caller.send("DESCRIBE", rig.url("gate"))
        wait_until(lambda: demand.idle_s == 0)
        caller.sock.close()
        wait_until(lambda: not rig.egress.readers, "the reader to leave")


def test_it_is_described(rig: Rig, pictures: list[AccessUnit]) -> None:
    rig.publish("open", *pictures)
    caller, reader = rig.playing("open")
    caller.receive(5)
    found = reader.describe()
    assert (found["transport"], found["encryption"]) == ("tcp", "none")
    assert isinstance(found["packets_sent"], int)
    assert found["packets_sent"] > 3
    assert reader.address.startswith("127.0.0.1:")
