"""All who read a stream get the same packets."""

from __future__ import annotations

import re
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.wait import wait_until
from tests.streamer.egress.rtsp.rig import Rig, arrived
from tests.streamer.egress.rtsp.test_media import units_of
from tests.transport.media.sources import picture_units, sound_units, tone
from tests.transport.rtmp.ingest import Authority
from tests.transport.rtsp.caller import RtspCaller
from transport.media import AccessUnit, Codec
from transport.rtp.header import RtpPacket, parse

#: How a keyframe's slice begins.
_SLICE = b"\0\0\0\1\x65"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def rig(tmp_path: Path, authority: Authority) -> Iterator[Rig]:
    rig = Rig(tmp_path, authority.context("localhost"))
    yield rig
    rig.close()


@pytest.fixture(scope="module")
def pictures() -> list[AccessUnit]:
    """Three GOPs of ten."""
    return picture_units(Codec.H264, 30, options={"g": "10", "keyint_min": "10", "sc_threshold": "0"})


@pytest.fixture(scope="module")
def sounds() -> list[AccessUnit]:
    return sound_units(Codec.AAC, tone(1.0, 48_000), 48_000)


def media(caller: RtspCaller, channel: int = 0) -> list[bytes]:
    return [packet for found, packet in caller.packets if found == channel]


def has(caller: RtspCaller, pictures: int) -> bool:
    return caller.ask("OPTIONS", "*")[0] == 200 and len(units_of(caller.packets)) == pictures


def output_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "rtp open"]


def test_the_packets_are_the_same_whenever_one_comes(rig: Rig, pictures: list[AccessUnit]) -> None:
    publication = rig.publish("open", *pictures[:15])
    one, _ = rig.playing("open")
    wait_until(lambda: has(one, 5), "the picture group so far")
    publication.write(arrived(pictures[15]))
    other, _ = rig.playing("open")
    for unit in pictures[16:]:
        publication.write(arrived(unit))
    for caller in (one, other):
        wait_until(lambda caller=caller: has(caller, 20), "all pictures")  # type: ignore[misc]
    assert media(one) == media(other)
    assert len(output_threads()) == 1


def test_each_may_have_channels_and_tracks_of_its_own(
    rig: Rig, pictures: list[AccessUnit], sounds: list[AccessUnit]
) -> None:
    rig.publish("open", *sorted((*pictures[:10], *sounds[:10]), key=lambda unit: unit.dts_s))
    both, _ = rig.playing("open", tracks=2)
    one, reader = rig.playing("open", tracks=1)
    other = rig.call()
    assert other.ask("DESCRIBE", rig.url("open"))[0] == 200
    way = "RTP/AVP/TCP;unicast;interleaved=8-9"
    assert other.ask("SETUP", rig.url("open/trackID=0"), Transport=way)[0] == 200
    assert other.ask("PLAY", rig.url("open"))[0] == 200
    wait_until(lambda: has(both, 10) and has(one, 10), "the pictures")
    wait_until(lambda: other.ask("OPTIONS", "*") and len(media(other, 8)) == len(media(one)), "the same")
    assert media(both) == media(one) == media(other, 8)
    assert media(both, 2)
    assert {channel for channel, _ in one.packets} == {0, 1}
    assert reader.describe()["packets_sent"] == len(media(one))
    assert reader.describe()["payload_bytes_sent"] == sum(len(packet) - 12 for packet in media(one))


def test_the_answer_says_where_one_begins(
    rig: Rig, pictures: list[AccessUnit], sounds: list[AccessUnit]
) -> None:
    rig.publish("open", *sorted((*pictures[:15], *sounds[:30]), key=lambda unit: unit.dts_s))
    caller = rig.call()
    assert caller.ask("DESCRIBE", rig.url("open"))[0] == 200
    ssrcs = []
    for number in range(2):
        way = f"RTP/AVP/TCP;unicast;interleaved={2 * number}-{2 * number + 1}"
        _, text = caller.ask("SETUP", rig.url(f"open/trackID={number}"), Transport=way)
        ssrcs += [int(found, 16) for found in re.findall(r"ssrc=([0-9A-F]{8})", text)]
    _, text = caller.ask("PLAY", rig.url("open"))
    told = re.findall(r"url=(\S+?);seq=(\d+);rtptime=(\d+)", text)
    assert [url for url, _, _ in told] == [rig.url("open/trackID=0"), rig.url("open/trackID=1")]
    wait_until(lambda: has(caller, 5), "the pictures")
    firsts = [parse(media(caller, channel)[0]) for channel in (0, 2)]
    assert [int(seq) for _, seq, _ in told] == [packet.seq for packet in firsts]
    assert [packet.ssrc for packet in firsts] == ssrcs
    # One moment for both: none of the packets is much before or behind it.
    for (_, _, time), packet, rate in zip(told, firsts, (90_000, 48_000), strict=True):
        assert abs((packet.timestamp - int(time) + (1 << 31)) % (1 << 32) - (1 << 31)) <= rate / 10


def test_who_pauses_for_a_moment_goes_on_where_it_was(rig: Rig, pictures: list[AccessUnit]) -> None:
    publication = rig.publish("open", *pictures[:3])
    caller, _ = rig.playing("open")
    wait_until(lambda: has(caller, 3), "the first pictures")
    assert caller.ask("PAUSE", rig.url("open"))[0] == 200
    for unit in pictures[3:6]:
        publication.write(arrived(unit))
    assert caller.ask("PLAY", rig.url("open"))[0] == 200
    for unit in pictures[6:10]:
        publication.write(arrived(unit))
    wait_until(lambda: has(caller, 10), "all pictures")
    assert units_of(caller.packets) == [unit.data for unit in pictures[:10]]
    found: list[RtpPacket] = [parse(packet) for packet in media(caller)]
    assert [packet.seq for packet in found] == [(found[0].seq + n) & 0xFFFF for n in range(len(found))]


def test_who_asks_later_hears_what_came_later_and_who_was_there_goes_on(
    rig: Rig, pictures: list[AccessUnit], sounds: list[AccessUnit]
) -> None:
    publication = rig.publish("open", *pictures[:5])
    early, _ = rig.playing("open")
    publication.declare((pictures[0].track, sounds[0].track))
    publication.write(arrived(sounds[0]))
    late, _ = rig.playing("open", tracks=2)
    for unit in (*pictures[5:10], *sounds[1:5]):
        publication.write(arrived(unit))
    wait_until(lambda: has(early, 10) and has(late, 10), "the pictures")
    assert media(late, 2)
    assert {parse(packet).ssrc for packet in media(early)} != {parse(packet).ssrc for packet in media(late)}
    assert len(output_threads()) == 2


@pytest.mark.parametrize("is_secure", [False, True])
def test_answers_and_packets_are_not_mixed(
    rig: Rig, authority: Authority, pictures: list[AccessUnit], *, is_secure: bool
) -> None:
    """Two threads send on one socket, which takes less than all at once."""
    tls = ssl.create_default_context(cafile=str(authority.file)) if is_secure else None
    track = pictures[0].track
    large = [
        AccessUnit(track, 3600 * at, 3600 * at, _SLICE + bytes([1 + at]) * 200_000, at % 10 == 0, 0.0)
        for at in range(100)
    ]
    publication = rig.publish("open", pictures[0], large[0])
    caller, _ = rig.playing("open", tls=tls)

    def publish() -> None:
        for unit in large[1:]:
            publication.write(arrived(unit))

    thread = threading.Thread(target=publish)
    thread.start()
    asked = 0
    while len(media(caller)) < 14_000:
        assert caller.ask("OPTIONS", "*")[0] == 200
        asked += 1
    thread.join()
    wait_until(lambda: has(caller, len(large)), "all pictures")
    assert units_of(caller.packets) == [unit.data for unit in large]
    assert asked > 1


def test_the_last_one_turns_off_the_light(rig: Rig, pictures: list[AccessUnit]) -> None:
    rig.publish("open", *pictures[:5])
    demand = rig.registry.find("open").demand
    one, _ = rig.playing("open")
    other, _ = rig.playing("open")
    one.sock.close()
    wait_until(lambda: len(rig.egress.readers) == 1, "one to leave")
    assert len(output_threads()) == 1
    other.sock.close()
    wait_until(lambda: not output_threads() and not rig.egress.readers, "all to end")
    wait_until(lambda: demand.idle_s > 0, "the stream not to be wanted any more")
    again, _ = rig.playing("open")
    wait_until(lambda: has(again, 5), "the pictures")
