from __future__ import annotations

import pytest

from streamer.egress.webrtc import ViewerState
from streamer.egress.webrtc import viewer as viewer_module
from streamer.egress.webrtc.outputs import Outputs
from streamer.egress.webrtc.viewer import Viewer
from streamer.errors import Unplayable
from tests.fakes.renditions import is_taken
from tests.fakes.units import AAC, H264, H264_B_FRAMES, H265, OPUS, picture, sound
from tests.fakes.wait import until
from tests.streamer.egress.webrtc.rig import CHROMIUM, KEYS, SAFARI, Rig, peer_of
from transport.media import Codec, Track
from transport.webrtc.certificate import fresh_certificate
from transport.webrtc.negotiate import LocalParameters, Wanted, negotiate
from transport.webrtc.wire import parse_offer


def video_feed(viewer: Viewer) -> tuple[Codec, str]:
    """What is sent as its picture."""
    subscription = viewer.negotiated.video
    assert subscription is not None
    return peer_of(viewer).feed(subscription.ssrc).codec, viewer.video_source


async def test_nothing_is_sent_before_the_handshake(rig: Rig) -> None:
    rig.publish()
    viewer = await rig.join()
    assert viewer.state is ViewerState.CONNECTING
    assert viewer.cipher == ""
    assert peer_of(viewer).subscriptions == []
    viewer.start(KEYS)
    assert viewer.state is ViewerState.LIVE
    assert viewer.cipher == "AEAD_AES_256_GCM"
    assert {feed.codec for feed, _ in peer_of(viewer).subscriptions} == {Codec.H264, Codec.OPUS}


@pytest.mark.parametrize(
    ("offer", "track", "expected"),
    [
        (CHROMIUM, H264, (Codec.H264, "source")),
        (CHROMIUM, H264_B_FRAMES, (Codec.H264, "rendition")),
        (CHROMIUM, H265, (Codec.H264, "rendition")),
        (SAFARI, H265, (Codec.H265, "source")),
    ],
)
async def test_it_gets_what_it_can_play(
    rig: Rig, offer: str, track: Track, expected: tuple[Codec, str]
) -> None:
    rig.publish(track)
    viewer = await rig.connected(offer)
    assert video_feed(viewer) == expected
    assert viewer.video_codec == expected[0]
    assert viewer.audio_codec == "opus"


async def test_when_the_stream_gets_b_frames_it_is_moved(rig: Rig) -> None:
    publication = rig.publish()
    viewer = await rig.connected()
    subscription = viewer.negotiated.video
    publication.write(picture(0.04, keyframe=True, track=H264_B_FRAMES))
    assert viewer.choose()
    assert video_feed(viewer) == (Codec.H264, "rendition")
    # The same subscription, so that its sequence numbers go on.
    assert [taken for _, taken in peer_of(viewer).subscriptions].count(subscription) == 2
    assert sorted(feed.codec for feed in rig.plane.open_feeds) == [Codec.H264, Codec.OPUS]
    publication.write(picture(0.08, keyframe=True, track=H264))
    assert viewer.choose()
    assert video_feed(viewer) == (Codec.H264, "source")
    assert not is_taken(rig.stream.h264)


async def test_sound_moves_too(rig: Rig) -> None:
    publication = rig.publish(audio=AAC)
    viewer = await rig.connected()
    assert rig.stream.opus.active
    publication.write(sound(0.02, track=OPUS))
    assert viewer.choose()
    assert not is_taken(rig.stream.opus)
    assert viewer.choose()


async def test_moving_before_the_handshake_subscribes_once(rig: Rig) -> None:
    publication = rig.publish()
    viewer = await rig.join()
    publication.write(picture(0.04, keyframe=True, track=H264_B_FRAMES))
    viewer.choose()
    viewer.start(KEYS)
    assert video_feed(viewer) == (Codec.H264, "rendition")
    assert len(peer_of(viewer).subscriptions) == 2


async def test_what_was_not_agreed_on_is_said(rig: Rig) -> None:
    publication = rig.publish(H265)
    viewer = await rig.connected(SAFARI)
    publication.declare((H264, AAC))
    assert not viewer.choose()


async def test_an_ended_one_takes_nothing_more(rig: Rig) -> None:
    rig.publish()
    viewer = await rig.join()
    rig.egress.leave(viewer, "test")
    viewer.end()
    assert viewer.state is ViewerState.ENDED
    assert viewer.choose()
    assert rig.plane.open_feeds == []


@pytest.mark.parametrize("why", ["it does not fit", "there is no feed for the sound"])
async def test_one_that_cannot_be_served_takes_nothing(rig: Rig, why: str) -> None:
    local = LocalParameters.fresh(fresh_certificate().fingerprint, ())
    fits = why != "it does not fit"
    publication = rig.publish(H264 if fits else H265)
    negotiated = negotiate(parse_offer(SAFARI), Wanted(rig.stream.source.video), local)
    if fits:
        rig.plane.fails_to_make = Codec.OPUS
    else:
        publication.declare((H264, AAC))  # between the answer and the feeds
    outputs = Outputs(rig.plane, rig.stream)
    peer = rig.plane.peer(local.ufrag, local.pwd)
    with pytest.raises(RuntimeError if fits else Unplayable):
        Viewer(rig.stream, outputs, peer, negotiated, "test")
    assert rig.plane.open_feeds == []
    assert not rig.stream.source.has_sinks


class TestMoving:
    async def test_down_is_silent_and_up_is_not(self, rig: Rig) -> None:
        rig.publish()
        viewer = await rig.connected()
        full = rig.plane.open_feeds[0]
        viewer.move(2)
        peer = peer_of(viewer)
        assert peer.is_silent
        assert video_feed(viewer) == (Codec.H264, "rendition")
        assert (viewer.rung, rig.stream.reduced[1].is_taken) == (2, True)
        # It is at hand for the way back: made anew it would begin with all of its GOP.
        assert not full.closed
        viewer.move(0)
        assert peer.subscriptions[-1][0] is full
        assert not peer.is_silent
        assert video_feed(viewer) == (Codec.H264, "source")
        # The smaller one goes on until the full one's keyframe is there.
        assert rig.stream.reduced[1].is_taken
        viewer.move(1)
        assert not rig.stream.reduced[1].is_taken
        assert rig.stream.reduced[0].is_taken
        rig.egress.leave(viewer, "test")
        await until(lambda: rig.is_clean)

    async def test_what_was_left_is_given_back_in_time(
        self, rig: Rig, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(viewer_module, "_LONGEST_GOP_S", 0.01)
        rig.publish()
        viewer = await rig.connected()
        viewer.move(1)
        viewer.move(0)
        assert rig.stream.reduced[0].is_taken
        await until(lambda: not rig.stream.reduced[0].is_taken)
        assert video_feed(viewer) == (Codec.H264, "source")

    async def test_who_leaves_in_between_leaves_nothing(self, rig: Rig) -> None:
        rig.publish()
        viewer = await rig.connected()
        viewer.move(1)
        viewer.move(0)
        rig.egress.leave(viewer, "test")
        await until(lambda: rig.is_clean)

    async def test_a_rung_is_kept_when_the_stream_changes(self, rig: Rig) -> None:
        publication = rig.publish()
        viewer = await rig.connected()
        viewer.move(3)
        publication.write(picture(0.04, keyframe=True, track=H264_B_FRAMES))
        assert viewer.choose()
        assert rig.stream.reduced[2].is_taken
        assert not is_taken(rig.stream.h264)
        viewer.move(0)
        assert is_taken(rig.stream.h264)

    @pytest.mark.parametrize(("offer", "has_ladder"), [(CHROMIUM, True), (SAFARI, False)])
    async def test_only_h264_is_made_smaller(self, rig: Rig, offer: str, has_ladder: bool) -> None:
        rig.publish(H265)
        assert (await rig.connected(offer)).has_ladder is has_ladder


async def test_names_are_not_guessable_from_each_other(rig: Rig) -> None:
    rig.publish()
    one, two = await rig.join(), await rig.join()
    assert len({one.id, two.id, one.key, two.key, one.etag, two.etag}) == 6
    assert one.id not in one.key
    assert len(one.key) >= 32
    before = one.etag
    one.restarted("other")
    assert one.etag != before
