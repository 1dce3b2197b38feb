from __future__ import annotations

import pytest
from aiortc.sdp import SessionDescription

from loadtests.crowd import sdp
from transport.media import Codec, Track
from transport.webrtc.negotiate import LocalParameters, Wanted, negotiate
from transport.webrtc.receiving import receive
from transport.webrtc.wire import Candidate, Fingerprint, parse_offer

FINGERPRINT = ":".join(["AB"] * 32)
LOCAL = sdp.Local("abcd1234", "p" * 24, FINGERPRINT, ("127.0.0.1", 40000))
SERVER = LocalParameters.fresh(
    Fingerprint("sha-256", ":".join(["CD"] * 32)),
    [Candidate("2001:db8::2", 8189), Candidate("192.0.2.2", 8189), Candidate("192.0.2.2", 8189, "tcp")],
)
BASELINE = Track(1, Codec.H264, 90_000, profile="42c01f")


def test_our_server_takes_the_offer():
    agreed = negotiate(parse_offer(sdp.offer(LOCAL, 7)), Wanted(BASELINE), SERVER)
    assert agreed.video is not None and agreed.audio is not None
    assert (agreed.video.payload_type, agreed.video.rtx_payload_type) == (108, 109)
    assert (agreed.video.mid_extension, agreed.video.playout_delay_extension) == (9, 5)
    assert (agreed.audio.payload_type, agreed.audio.mid_extension) == (111, 9)
    assert (agreed.role, agreed.remote_ufrag) == ("server", LOCAL.ufrag)


def test_our_server_takes_what_a_publisher_offers():
    agreed = receive(parse_offer(sdp.offer(LOCAL, 7, "sendonly")), SERVER)
    assert [track.payload_type for track in agreed.tracks] == [108, 111]
    assert [track.rtx_payload_type for track in agreed.tracks] == [109, None]
    assert (agreed.role, agreed.remote_ufrag) == ("server", LOCAL.ufrag)
    assert agreed.transport_cc == sdp.parse(agreed.answer).transport_cc == 3


def test_its_answer_is_understood():
    agreed = negotiate(parse_offer(sdp.offer(LOCAL, 7)), Wanted(BASELINE), SERVER)
    remote = sdp.parse(agreed.answer)
    assert (remote.ufrag, remote.pwd) == (SERVER.ufrag, SERVER.pwd)
    assert remote.address == ("192.0.2.2", 8189)
    assert not remote.speaks_first
    assert remote.rtx_types == {109}


def test_who_answers_active_speaks_first():
    text = sdp.offer(LOCAL, 1).replace("a=setup:actpass", "a=setup:active")
    assert sdp.parse(text).speaks_first


@pytest.mark.parametrize("gone", ["a=ice-ufrag:", "a=ice-pwd:", "a=setup:", "a=candidate:"])
def test_what_is_missing_is_an_error(gone):
    lines = [line for line in sdp.offer(LOCAL, 1).splitlines() if not line.startswith(gone)]
    with pytest.raises(ValueError, match=r"^sdp: no "):
        sdp.parse("\r\n".join(lines))


def test_an_answer_accepts_all_that_was_offered():
    theirs = sdp.Local("theirs", "q" * 24, FINGERPRINT, ("198.18.0.2", 9))
    offered = sdp.offer(theirs, 1).replace("a=recvonly", "a=sendonly")
    answer = SessionDescription.parse(sdp.answer(offered, LOCAL, 2))
    assert [str(group) for group in answer.group] == ["BUNDLE 0 1"]
    assert [(media.kind, media.rtp.muxId, media.direction) for media in answer.media] == [
        ("video", "0", "recvonly"),
        ("audio", "1", "recvonly"),
    ]
    for media in answer.media:
        assert (media.ice.usernameFragment, media.ice.password) == (LOCAL.ufrag, LOCAL.pwd)
        assert media.dtls.role == "client"
        assert [(item.ip, item.port) for item in media.ice_candidates] == [("127.0.0.1", 40000)]
        assert [item.uri for item in media.rtp.headerExtensions] == ["urn:ietf:params:rtp-hdrext:sdes:mid"]
    assert [codec.payloadType for codec in answer.media[0].rtp.codecs] == [108, 109]
