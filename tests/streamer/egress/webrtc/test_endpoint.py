from __future__ import annotations

import asyncio

import pytest

from streamer.egress.webrtc import GaveUp, NoSuchViewer, ViewerState
from streamer.errors import Full, NoSuchStream, NotLive, Unplayable
from streamer.hub.rendition import Rendition
from streamer.hub.stream import IngestStatus, Publisher
from tests.fakes.transcoder import TranscoderMaker
from tests.fakes.units import AAC, H264, H264_B_FRAMES, H265, picture, sound
from tests.fakes.wait import until
from tests.streamer.egress.webrtc.rig import CHROMIUM, SAFARI, Rig, peer_of
from transport.errors import WireError
from transport.media import Codec


class TestJoin:
    async def test_the_answer_is_the_viewers(self, rig: Rig) -> None:
        rig.publish()
        viewer = await rig.join(user_agent="Chromium")
        assert peer_of(viewer).ufrags[0] in viewer.answer
        assert "192.0.2.2 8189" in viewer.answer
        assert viewer.user_agent == "Chromium"
        assert rig.egress.by_key(viewer.key) is viewer
        assert rig.egress.by_id(viewer.id) is viewer
        assert rig.egress.count(rig.stream) == 1
        assert rig.stream.demand.wait(0)
        assert rig.egress.candidates == ["udp/192.0.2.2:8189", "tcp/192.0.2.2:8189"]

    async def test_feeds_are_shared(self, rig: Rig) -> None:
        rig.publish()
        for _ in range(5):
            await rig.connected()
        assert len(rig.plane.feeds) == 2

    async def test_nobody_publishes(self, rig: Rig) -> None:
        with pytest.raises(NotLive, match="nobody publishes"):
            await rig.join()
        assert rig.is_clean

    async def test_the_reason_of_a_source_is_told(self, rig: Rig) -> None:
        rig.stream.ingest = IngestStatus("retrying", "camera: wrong password")
        with pytest.raises(NotLive, match="wrong password"):
            await rig.join()

    async def test_an_offer_that_is_none(self, rig: Rig) -> None:
        rig.publish()
        with pytest.raises(WireError):
            await rig.join("v=0\r\n")
        assert rig.is_clean

    async def test_no_common_codec(self, rig: Rig) -> None:
        rig.stream = rig.make(renditions="off")
        rig.publish(H264_B_FRAMES)
        with pytest.raises(Unplayable, match="B-frames"):
            await rig.join()
        assert rig.is_clean

    @pytest.mark.parametrize("codec", [Codec.H264, Codec.OPUS])
    async def test_a_plane_that_fails_leaves_nothing(self, rig: Rig, codec: Codec) -> None:
        rig.publish()
        rig.plane.fails_to_make = codec
        with pytest.raises(RuntimeError):
            await rig.join()
        assert rig.is_clean
        rig.plane.fails_to_make = None
        await rig.join()

    async def test_who_did_not_wait_leaves_nothing(self, rig: Rig) -> None:
        rig.publish()
        with pytest.raises(GaveUp, match="has gone"):
            await rig.egress.join(rig.stream, CHROMIUM, user_agent="test", is_waiting=lambda: False)
        assert rig.is_clean

    async def test_it_waits_for_the_first_keyframe(self, rig: Rig) -> None:
        publication = rig.stream.publish(Publisher("one", "srt", "x"))
        joining = asyncio.create_task(rig.join())
        await asyncio.sleep(0)
        assert not joining.done()
        publication.write(picture(0.0, keyframe=True))
        assert (await joining).state is ViewerState.CONNECTING

    async def test_one_that_gives_up_while_it_waits_leaves_nothing(self, rig: Rig) -> None:
        publication = rig.stream.publish(Publisher("one", "srt", "x"))
        joining = asyncio.create_task(rig.join())
        await until(lambda: rig.stream.demand.wait(0))
        joining.cancel()
        await asyncio.wait([joining])
        assert joining.cancelled()
        assert rig.is_clean
        publication.close("over")

    async def test_on_demand_it_waits_for_the_source(self, rig: Rig) -> None:
        rig.stream = rig.make(source="rtsp://192.0.2.1/", on_demand=True)
        joining = asyncio.create_task(rig.join())
        await until(lambda: rig.stream.demand.wait(0), "demand")
        rig.publish()
        viewer = await joining
        rig.egress.leave(viewer, "test")
        assert not rig.stream.demand.wait(0)

    async def test_a_stream_removed_while_it_waits(self, rig: Rig) -> None:
        rig.stream.publish(Publisher("one", "srt", "x"))
        joining = asyncio.create_task(rig.join())
        await until(lambda: rig.stream.demand.wait(0))
        rig.stream.retire()
        rig.egress.stream_removed(rig.stream)
        with pytest.raises(NoSuchStream):
            await joining
        assert rig.is_clean

    async def test_the_last_viewer_leaves_while_another_joins(self, rig: Rig) -> None:
        publication = rig.publish()
        first = await rig.connected()
        publication.close("gone")
        again = rig.stream.publish(Publisher("two", "srt", "x"))
        joining = asyncio.create_task(rig.join())
        await asyncio.sleep(0)
        rig.egress.leave(first, "test")
        again.write(picture(0.0, keyframe=True))
        second = await joining
        assert rig.egress.count(rig.stream) == 1
        assert len(rig.plane.open_feeds) == 2
        rig.egress.leave(second, "test")
        await until(lambda: rig.is_clean)

    async def test_the_server_is_full(self) -> None:
        rig = Rig(max_viewers=2)
        try:
            rig.publish()
            first = await rig.join()
            await rig.join()
            with pytest.raises(Full, match="2 viewers"):
                await rig.join()
            rig.egress.leave(first, "test")
            await rig.join()
        finally:
            await rig.close()

    async def test_of_those_who_waited_together_no_more_than_fit_get_in(self) -> None:
        rig = Rig(max_viewers=2)
        try:
            publication = rig.stream.publish(Publisher("one", "srt", "x"))
            joining = [asyncio.create_task(rig.join()) for _ in range(5)]
            await asyncio.sleep(0)
            publication.write(picture(0.0, keyframe=True))
            results = await asyncio.gather(*joining, return_exceptions=True)
            assert sum(isinstance(result, Full) for result in results) == 3
            assert rig.egress.count(rig.stream) == 2
        finally:
            await rig.close()


class TestLeave:
    async def test_it_gives_everything_back_once(self, rig: Rig) -> None:
        rig.publish()
        viewer, other = await rig.connected(), await rig.connected()
        peer = peer_of(viewer)
        rig.egress.leave(viewer, "test")
        rig.egress.leave(viewer, "test")
        assert viewer.state is ViewerState.ENDED
        with pytest.raises(NoSuchViewer):
            rig.egress.by_key(viewer.key)
        with pytest.raises(NoSuchViewer):
            rig.egress.by_id(viewer.id)
        await until(lambda: peer.closed is True, "the goodbye")
        assert rig.egress.count(rig.stream) == 1
        assert rig.stream.demand.wait(0)
        rig.egress.leave(other, "test")
        await until(lambda: rig.is_clean)

    async def test_when_the_stream_is_removed(self, rig: Rig) -> None:
        rig.publish()
        other = rig.make("other")
        await rig.connected()
        await rig.connected()
        rig.egress.stream_removed(other)
        assert rig.egress.count(rig.stream) == 2
        rig.egress.stream_removed(rig.stream)
        await until(lambda: rig.is_clean)

    async def test_when_it_stops_answering(self, rig: Rig) -> None:
        rig.publish()
        viewer = await rig.connected()
        rig.plane.lost(viewer.peer)
        await until(lambda: rig.is_clean)

    async def test_events_of_one_that_has_left_are_nobodys(self, rig: Rig) -> None:
        rig.publish()
        viewer = await rig.connected()
        rig.egress.leave(viewer, "test")
        rig.plane.dtls(viewer.peer, b"\x16late")
        rig.plane.lost(viewer.peer)
        await until(lambda: rig.is_clean)

    async def test_a_viewers_nonsense_is_its_own_trouble(
        self, rig: Rig, caplog: pytest.LogCaptureFixture
    ) -> None:
        rig.publish()
        viewer, other = await rig.join(), await rig.connected()
        await asyncio.sleep(0)  # the handshake awaits its first datagram
        rig.plane.dtls(viewer.peer, b"\x16\xfe\xff nonsense")
        rig.plane.lost(other.peer)
        await until(lambda: other.state is ViewerState.ENDED)

    async def test_draining_ends_all_and_takes_nobody(self, rig: Rig) -> None:
        rig.publish()
        peers = [peer_of(await rig.connected()) for _ in range(3)]
        waiting = rig.make("other")
        publication = waiting.publish(Publisher("one", "srt", "x"))
        joining = asyncio.create_task(rig.egress.join(waiting, CHROMIUM, user_agent=""))
        await until(lambda: waiting.demand.wait(0))
        await rig.egress.drain("the server is stopping", 5.0)
        assert [peer.closed for peer in peers] == [True] * 3
        with pytest.raises(Full, match="stopping"):
            await rig.join()
        publication.write(picture(0.0, keyframe=True))
        with pytest.raises(Full, match="stopping"):
            await joining
        assert rig.is_clean


class TestPublisher:
    async def test_back_in_time_every_viewer_stays(self, rig: Rig) -> None:
        publication = rig.publish()
        viewers = [await rig.connected() for _ in range(3)]
        feeds = rig.plane.open_feeds
        publication.close("gone")
        await asyncio.sleep(0)
        again = rig.stream.publish(Publisher("two", "srt", "x"))
        again.write(picture(9000.0, keyframe=True))
        again.write(sound(9000.0))
        await asyncio.sleep(0)
        assert [viewer.state for viewer in viewers] == [ViewerState.LIVE] * 3
        assert rig.plane.open_feeds == feeds
        pictures = next(feed for feed in feeds if feed.codec is Codec.H264)
        assert len(pictures.units) == 2

    async def test_not_back_in_time_they_are_told(self, rig: Rig) -> None:
        publication = rig.publish()
        viewer = await rig.connected()
        publication.close("gone")
        rig.expire()
        await until(lambda: viewer.state is ViewerState.ENDED)
        await until(lambda: rig.is_clean)

    async def test_back_with_b_frames_they_are_moved(self, rig: Rig) -> None:
        publication = rig.publish()
        viewer = await rig.connected()
        publication.close("gone")
        rig.publish(H264_B_FRAMES)
        await until(lambda: viewer.video_source == "rendition")
        assert viewer.state is ViewerState.LIVE

    async def test_back_with_what_one_cannot_play_only_that_one_goes(self, rig: Rig) -> None:
        publication = rig.publish(H265)
        modern, plain = await rig.connected(SAFARI), await rig.connected(CHROMIUM)
        publication.close("gone")
        rig.publish(H264)
        await until(lambda: modern.state is ViewerState.ENDED)
        assert plain.state is ViewerState.LIVE
        assert plain.video_source == "source"

    async def test_one_that_cannot_be_moved_does_not_keep_the_others(
        self, rig: Rig, caplog: pytest.LogCaptureFixture
    ) -> None:
        publication = rig.publish(audio=None)
        await rig.connected()
        await rig.connected()
        rig.plane.fails_to_make = Codec.H264
        publication.write(picture(0.04, keyframe=True, track=H264_B_FRAMES))
        await until(lambda: rig.is_clean, "both to be let go")
        assert caplog.text.count("could not be moved") == 2


class TestRestart:
    FRAGMENT = "a=ice-ufrag:{ufrag}\r\na=ice-pwd:0123456789012345678901\r\nm=audio 9 RTP/AVP 0\r\na=mid:0\r\n"

    async def test_candidates_alone_need_no_answer(self, rig: Rig) -> None:
        rig.publish()
        viewer = await rig.join()
        etag = viewer.etag
        assert rig.egress.restart(viewer, self.FRAGMENT.format(ufrag=viewer.remote_ufrag)) is None
        assert viewer.etag == etag
        assert len(peer_of(viewer).ufrags) == 1

    async def test_new_credentials_are_answered_with_new_ones(self, rig: Rig) -> None:
        rig.publish()
        viewer = await rig.join()
        etag = viewer.etag
        answer = rig.egress.restart(viewer, self.FRAGMENT.format(ufrag="another"))
        assert answer is not None
        first, second = peer_of(viewer).ufrags
        assert first != second
        assert f"a=ice-ufrag:{second}" in answer
        assert viewer.etag != etag
        assert rig.egress.restart(viewer, self.FRAGMENT.format(ufrag="another")) is None


class TestKeyframes:
    async def test_only_our_own_encoder_is_asked(self, rig: Rig) -> None:
        maker = TranscoderMaker()
        rig.stream.h264 = Rendition("cam h264", rig.stream.source, video=True, make=maker)
        publication = rig.publish(H265)
        await rig.connected(SAFARI)
        source_feed = rig.plane.open_feeds[0]
        await rig.connected(CHROMIUM)
        made_feed = next(feed for feed in rig.plane.open_feeds if feed.codec is Codec.H264)
        await until(lambda: made_feed.units)

        def asked() -> int:
            publication.write(picture(0.04, track=H265))
            return maker.made[0].keyframes_wanted

        rig.plane.keyframe(source_feed)
        rig.plane.keyframe(made_feed)
        await until(asked)
        assert maker.made[0].keyframes_wanted == 1


class TestCounters:
    async def test_they_are_the_planes(self, rig: Rig) -> None:
        rig.publish()
        viewer = await rig.connected()
        rig.plane.counters[viewer.peer.id] = {"packets_sent": 10, "video_fraction_lost": 0.25}
        assert [int(each.counters["packets_sent"]) for each in rig.egress.measured()] == [10]
        totals = rig.egress.totals()["cam"]
        assert totals["packets_sent"] == 10
        assert totals["loss_ratio"] == pytest.approx(0.25)

    async def test_those_of_who_left_stay_in_the_sums(self, rig: Rig) -> None:
        rig.publish()
        for packets in (10, 20):
            viewer = await rig.connected()
            rig.plane.counters[viewer.peer.id] = {"packets_sent": packets}
            rig.egress._tally.measure(0.0)
            rig.egress.leave(viewer, "test")
        assert rig.egress.totals()["cam"]["packets_sent"] == 30

    async def test_run_measures_by_itself(self, rig: Rig) -> None:
        rig.publish(H264, AAC)
        viewer = await rig.connected()
        rig.plane.counters[viewer.peer.id] = {"nacks": 3}
        running = asyncio.create_task(rig.egress.run())
        await until(lambda: int(viewer.counters["nacks"]) == 3)
        running.cancel()
        await asyncio.wait([running])


async def test_a_viewer_that_reports_needs_its_handshake_no_more(rig: Rig) -> None:
    rig.make()
    rig.publish()
    viewer = await rig.connected()
    released = rig.egress.released
    rig.egress._settle()
    assert rig.egress.released == released
    rig.plane.counters[viewer.peer.id] = {"rtt_ms": 12.0}
    rig.egress._tally.measure(0.0)
    rig.egress._settle()
    rig.egress._settle()
    assert rig.egress.released == released + 1
    rig.egress.leave(viewer, "test")
    assert rig.egress.released == released + 2
