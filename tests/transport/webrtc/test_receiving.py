from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from tests.transport.webrtc.vectors import publishers_vector, vector
from transport.errors import WireError
from transport.media import Codec
from transport.rtp import transport_cc
from transport.rtp.receive import IncomingTrack
from transport.webrtc.negotiate import LocalParameters
from transport.webrtc.offered import NoUsableCodec
from transport.webrtc.receiving import Receiving, receive
from transport.webrtc.wire import Candidate, Fingerprint, parse_offer

LOCAL = LocalParameters.fresh(
    Fingerprint("sha-256", "AA:BB"), [Candidate("192.0.2.1", 8189), Candidate("192.0.2.1", 8189, "tcp")]
)
CHROMIUM, OBS, FFMPEG = (publishers_vector(name) for name in ("chromium", "obs-like", "ffmpeg-like"))


def answered(offer: str) -> Receiving:
    return receive(parse_offer(offer), LOCAL)


def sections(answer: str) -> list[str]:
    return re.split(r"(?m)^(?=m=)", answer)[1:]


def test_chromium_sends_h264_with_retransmissions_and_opus() -> None:
    receiving = answered(CHROMIUM)
    assert receiving.tracks == (
        IncomingTrack(1, Codec.H264, payload_type=102, clock_rate=90_000, rtx_payload_type=103),
        IncomingTrack(2, Codec.OPUS, payload_type=111, clock_rate=48_000, rtx_payload_type=None),
    )
    audio, video = sections(receiving.answer)
    assert audio.startswith("m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n")
    assert video.startswith("m=video 9 UDP/TLS/RTP/SAVPF 102 103\r\n")
    for section in (audio, video):
        assert "\r\na=recvonly\r\n" in section
        assert "a=ssrc" not in section
        assert "a=msid:" not in section
        assert "a=rtcp-xr" not in section
    assert re.findall(r"a=rtcp-fb:102 (.*)\r", video) == ["transport-cc", "nack", "nack pli"]
    assert re.findall(r"a=rtcp-fb:111 (.*)\r", audio) == ["transport-cc"]
    for section in (audio, video):
        assert re.findall(r"a=extmap:(.*)\r", section) == [f"3 {transport_cc.URI}"]
    assert receiving.transport_cc == 3
    assert (receiving.role, receiving.mids) == ("server", ("0", "1"))
    assert "a=setup:passive" in audio


def test_the_bundles_candidates_stand_in_its_first_section_alone() -> None:
    audio, video = sections(answered(CHROMIUM).answer)
    assert len(re.findall(r"a=candidate:", audio)) == 2
    assert "a=candidate:" not in video


@pytest.mark.parametrize(
    "less",
    [
        lambda offer: offer.replace("a=rtcp-fb:102 transport-cc\r\n", ""),
        lambda offer: offer.replace("a=rtcp-fb:111 transport-cc\r\n", ""),
        lambda offer: offer.replace(f"a=extmap:3 {transport_cc.URI}\r\n", "", 1),
        lambda offer: offer.replace(transport_cc.URI, "urn:example:other"),
        lambda offer: offer.replace(f"a=extmap:3 {transport_cc.URI}", f"a=extmap:20 {transport_cc.URI}"),
    ],
)
def test_who_does_not_number_all_its_packets_is_told_by_remb(less: Callable[[str], str]) -> None:
    offer = less(CHROMIUM)
    assert offer != CHROMIUM
    receiving = answered(offer)
    _, video = sections(receiving.answer)
    assert re.findall(r"a=rtcp-fb:102 (.*)\r", video) == ["goog-remb", "nack", "nack pli"]
    assert "transport-cc" not in receiving.answer and "a=extmap" not in receiving.answer
    assert receiving.transport_cc == 0


def test_obs_sends_what_it_has() -> None:
    receiving = answered(OBS)
    assert [(track.codec, track.payload_type, track.rtx_payload_type) for track in receiving.tracks] == [
        (Codec.H264, 96, None),
        (Codec.OPUS, 111, None),
    ]
    assert (
        "a=fmtp:96 profile-level-id=64001f;packetization-mode=1;level-asymmetry-allowed=1\r\n"
        in receiving.answer
    )
    assert "stereo=1;sprop-stereo=1" in receiving.answer


def test_ffmpeg_waits_to_be_spoken_to() -> None:
    receiving = answered(FFMPEG)
    assert receiving.role == "client"
    assert receiving.answer.count("a=setup:active") == 2
    assert len(receiving.answer) < 8192


def test_h264_comes_before_h265_wherever_it_stands() -> None:
    h265 = "a=rtpmap:49 H265/90000\r\n"
    both = CHROMIUM.replace("SAVPF 96 97 102", "SAVPF 49 96 97 102") + h265
    assert answered(both).tracks[0].payload_type == 102
    only = re.sub(r"H264/90000", "H264/1000", both)
    assert answered(only).tracks[0] == IncomingTrack(1, Codec.H265, 49, 90_000, None)


def test_a_picture_that_cannot_be_taken_refuses_the_whole() -> None:
    vp8 = re.sub(r"H264/90000", "VP9/90000", CHROMIUM)
    with pytest.raises(
        NoUsableCodec, match=r"the publisher sends VP8, VP9.*expected H264 with packetization-mode=1"
    ):
        answered(vp8)


def test_a_sound_that_cannot_be_taken_is_refused_alone() -> None:
    receiving = answered(OBS.replace("opus/48000/2", "PCMU/8000"))
    assert [track.codec for track in receiving.tracks] == [Codec.H264]
    audio, video = sections(receiving.answer)
    # As browsers refuse: pion looks for the rtpmap of any other format.
    assert audio.startswith("m=audio 0 UDP/TLS/RTP/SAVPF 0\r\n")
    assert "a=candidate:" in video
    assert "a=group:BUNDLE 1\r\n" in receiving.answer


def test_sound_alone_is_enough() -> None:
    audio = OBS[: OBS.index("m=video")].replace("a=group:BUNDLE 0 1", "a=group:BUNDLE 0")
    assert [track.codec for track in answered(audio).tracks] == [Codec.OPUS]
    with pytest.raises(NoUsableCodec, match="sends PCMU"):
        answered(audio.replace("opus/48000/2", "PCMU/8000"))


def test_a_viewers_offer_sends_nothing() -> None:
    with pytest.raises(WireError, match="no m-line sends audio or video"):
        answered(vector("chromium"))


def test_one_payload_type_for_two_formats_cannot_be_told_apart() -> None:
    with pytest.raises(WireError, match="one payload type for two formats"):
        answered(
            OBS.replace("m=video 9 UDP/TLS/RTP/SAVPF 96", "m=video 9 UDP/TLS/RTP/SAVPF 111").replace(
                ":96 ", ":111 "
            )
        )
