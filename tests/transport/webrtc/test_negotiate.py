from __future__ import annotations

import random
import re

import pytest
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.sdp import SessionDescription

from tests.transport.webrtc.test_codecs import SPS_MAIN_4_0
from tests.transport.webrtc.test_wire import mutated
from tests.transport.webrtc.vectors import OFFERS, vector
from transport.errors import WireError
from transport.media import Codec, Track
from transport.webrtc.negotiate import (
    LocalParameters,
    Negotiated,
    NoCommonCodec,
    VideoChoice,
    Wanted,
    negotiate,
    restart_answer,
)
from transport.webrtc.wire import Candidate, Fingerprint, parse_offer, parse_trickle_fragment

FINGERPRINT = Fingerprint("sha-256", ":".join(["AB"] * 32))
CANDIDATES = [
    Candidate("192.0.2.2", 8189),
    Candidate("2001:db8::2", 8189),
    Candidate("192.0.2.2", 8189, "tcp"),
]
LOCAL = LocalParameters.fresh(FINGERPRINT, CANDIDATES)
HIGH = Track(1, Codec.H264, 90_000, profile="640028")
BASELINE = Track(1, Codec.H264, 90_000, profile="42c01f")
HEVC = Track(1, Codec.H265, 90_000, parameter_sets=(SPS_MAIN_4_0,))


def agreed(name: str, video: Track | None = HIGH, rendition: str = "") -> Negotiated:
    return negotiate(parse_offer(vector(name)), Wanted(video, rendition), LOCAL)


def section(answer: str, kind: str) -> list[str]:
    sections = re.split(r"(?m)^(?=m=)", answer)
    return next(text.splitlines() for text in sections if text.startswith(f"m={kind} "))


class TestAnswer:
    @pytest.mark.parametrize("name", OFFERS)
    def test_it_mirrors_the_offer(self, name):
        offer, result = parse_offer(vector(name)), agreed(name)
        parsed = SessionDescription.parse(result.answer)
        assert [item.kind for item in parsed.media] == [item.kind for item in offer.media]
        assert [item.rtp.muxId for item in parsed.media] == [item.mid for item in offer.media]
        for offered, answered in zip(offer.media, parsed.media, strict=True):
            if not offered.is_receivable:
                assert (answered.port, answered.direction) == (0, "inactive")
                continue
            assert (answered.port, answered.direction) == (9, "sendonly")
            assert answered.rtcp_mux and answered.ice.iceLite
            assert (answered.ice.usernameFragment, answered.ice.password) == (LOCAL.ufrag, LOCAL.pwd)
            assert [item.value for item in answered.dtls.fingerprints] == [FINGERPRINT.value]
            assert {codec.payloadType for codec in answered.rtp.codecs} == set(answered.fmt)
            assert set(answered.fmt) <= {int(token) for token in offered.tokens}
            offered_ids = dict(offered.extensions)
            assert all(offered_ids[item.uri] == item.id for item in answered.rtp.headerExtensions)
        assert [str(group) for group in parsed.group] == [f"BUNDLE {' '.join(result.mids)}"]
        assert len(result.answer) < 8192 and result.answer.endswith("\r\n")
        assert "transport-cc" not in result.answer and "a=ice-lite\r\n" in result.answer.split("m=")[0]

    def test_chromium_in_full(self):
        result = agreed("chromium-datachannel", BASELINE)
        video, audio = result.video, result.audio
        assert video is not None and audio is not None
        assert video.rtx_ssrc is not None
        lines = section(result.answer, "video")
        assert lines[0] == "m=video 9 UDP/TLS/RTP/SAVPF 108 109"
        for expected in (
            "a=setup:passive",
            "a=mid:0",
            "a=extmap:5 http://www.webrtc.org/experiments/rtp-hdrext/playout-delay",
            "a=extmap:9 urn:ietf:params:rtp-hdrext:sdes:mid",
            "a=rtcp-rsize",
            "a=rtcp-xr:rcvr-rtt=all",
            "a=rtpmap:108 H264/90000",
            "a=rtcp-fb:108 goog-remb",
            "a=rtcp-fb:108 ccm fir",
            "a=rtcp-fb:108 nack",
            "a=rtcp-fb:108 nack pli",
            "a=fmtp:108 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f",
            "a=rtpmap:109 rtx/90000",
            "a=fmtp:109 apt=108",
            f"a=ssrc-group:FID {video.ssrc} {video.rtx_ssrc}",
            f"a=ssrc:{video.ssrc} cname:{video.cname}",
            f"a=ssrc:{video.rtx_ssrc} cname:{video.cname}",
            "a=candidate:1 1 udp 2130706431 192.0.2.2 8189 typ host",
            "a=end-of-candidates",
        ):
            assert lines.count(expected) == 1, expected
        sound = section(result.answer, "audio")
        assert "a=fmtp:111 minptime=10;useinbandfec=1;stereo=1;sprop-stereo=1" in sound
        assert f"a=ssrc:{audio.ssrc} cname:{video.cname}" in sound
        assert not any(line.startswith("a=candidate") for line in sound)
        streams = {line.split()[0] for line in lines + sound if line.startswith("a=msid:")}
        assert len(streams) == 1
        assert (video.payload_type, video.rtx_payload_type, video.mid) == (108, 109, "0")
        assert (video.mid_extension, video.playout_delay_extension) == (9, 5)
        assert (audio.payload_type, audio.rtx_payload_type, audio.rtx_ssrc) == (111, None, None)
        assert len({video.ssrc, video.rtx_ssrc, audio.ssrc}) == 3 and 0 < video.ssrc < 2**32
        assert (result.role, result.remote_ufrag) == (
            "server",
            parse_offer(vector("chromium-datachannel")).ufrag,
        )
        assert result.video_codec is Codec.H264 and result.choice is VideoChoice.SOURCE
        assert result.offered.audio == ("opus", "G722", "PCMU", "PCMA")
        assert "H264 42e01f" in result.offered.video and "rtx" not in result.offered.video

    def test_a_viewer_that_is_dtls_server_makes_us_the_client(self):
        result = agreed("ffmpeg-like", BASELINE)
        assert result.role == "client" and result.answer.count("a=setup:active") == 2
        assert result.video is not None
        assert (result.video.rtx_payload_type, result.video.rtx_ssrc, result.video.mid_extension) == (
            None,
            None,
            0,
        )
        assert "ssrc-group" not in result.answer

    def test_a_bundle_only_m_line_is_answered_with_a_port(self):
        assert section(agreed("gstreamer-like").answer, "audio")[0] == "m=audio 9 UDP/TLS/RTP/SAVPF 98"

    def test_a_mid_too_long_for_its_extension_is_not_sent(self):
        text = vector("chromium").replace("a=mid:0", "a=mid:" + "x" * 17).replace("E 0 1", f"E {'x' * 17} 1")
        result = negotiate(parse_offer(text), Wanted(HIGH), LOCAL)
        assert result.video is not None and result.video.mid_extension == 0
        assert result.audio is not None and result.audio.mid_extension == 9

    def test_refused_m_lines_leave_the_bundle_and_the_next_one_carries_the_candidates(self):
        text = vector("chromium").replace("a=recvonly", "a=inactive", 1)
        result = negotiate(parse_offer(text), Wanted(HIGH), LOCAL)
        assert result.video is None and result.choice is None and result.mids == ("1",)
        assert section(result.answer, "video")[0].startswith("m=video 0 ")
        assert "a=group:BUNDLE 1\r\n" in result.answer
        assert any(line.startswith("a=candidate") for line in section(result.answer, "audio"))

    def test_a_second_picture_is_refused(self):
        text = vector("chromium")
        video = text[text.index("m=video") : text.index("m=audio")].replace("a=mid:0", "a=mid:7")
        offer = parse_offer(text.replace("BUNDLE 0 1", "BUNDLE 0 1 7") + video)
        result = negotiate(offer, Wanted(HIGH), LOCAL)
        assert [item.port for item in SessionDescription.parse(result.answer).media] == [9, 9, 0]

    def test_one_m_line_without_a_group(self):
        text = vector("chromium")
        single = (
            text[: text.index("m=audio")].replace("a=group:BUNDLE 0 1\r\n", "").replace("a=mid:0\r\n", "")
        )
        result = negotiate(parse_offer(single), Wanted(HIGH), LOCAL)
        assert "BUNDLE" not in result.answer and "a=mid" not in result.answer and result.mids == ("",)
        assert "BUNDLE" not in restart_answer(result, LOCAL)

    def test_offers_that_only_send_are_refused(self):
        text = vector("chromium").replace("a=recvonly", "a=sendonly")
        with pytest.raises(WireError, match="no m-line receives"):
            negotiate(parse_offer(text), Wanted(HIGH), LOCAL)


class TestVideo:
    @pytest.mark.parametrize(
        ("name", "track", "payload_type", "said"),
        [
            ("chromium", BASELINE, 108, "42e01f"),
            ("chromium", Track(1, Codec.H264, 90_000, profile="4d4028"), 116, "4d0028"),
            ("chromium", HIGH, 116, "4d001f"),  # this build offers no High; Main is nearest
            ("firefox-like", HIGH, 126, "42e01f"),
            ("firefox-like", Track(1, Codec.H264, 90_000, profile="42001f"), 103, "42001f"),
            ("safari-like", HIGH, 96, "640c1f"),
            ("safari-like", BASELINE, 98, "42e01f"),
            ("gstreamer-like", HIGH, 96, "42c016"),
            ("ffmpeg-like", HIGH, 106, "42001f"),
            ("chromium", None, 116, "4d001f"),
        ],
    )
    def test_h264_by_profile(self, name, track, payload_type, said):
        result = agreed(name, track)
        assert result.video is not None and result.video.payload_type == payload_type
        assert f"profile-level-id={said}" in result.answer
        assert (result.choice, result.video_codec) == (VideoChoice.SOURCE, Codec.H264)

    def test_h265_where_it_is_offered_at_this_level(self):
        result = agreed("safari-like", HEVC, "42e01f")
        assert result.video is not None and result.video.payload_type == 35
        assert (result.choice, result.video_codec) == (VideoChoice.SOURCE, Codec.H265)
        assert "a=fmtp:35 level-id=120;profile-id=1;tier-flag=0;tx-mode=SRST" in result.answer

    def test_a_rendition_where_the_codec_is_missing(self):
        result = agreed("chromium", HEVC, "42e01f")
        assert result.video is not None and result.video.payload_type == 108
        assert (result.choice, result.video_codec) == (VideoChoice.RENDITION_H264, Codec.H264)

    def test_a_rendition_where_the_source_has_b_frames(self):
        track = Track(1, Codec.H264, 90_000, profile="640028", has_b_frames=True)
        assert agreed("chromium", track, "42e01f").choice is VideoChoice.RENDITION_H264
        with pytest.raises(NoCommonCodec, match="B-frames"):
            agreed("chromium", track)

    def test_a_rendition_where_no_browser_knows_the_codec(self):
        track = Track(1, Codec.MPEG2, 90_000, has_b_frames=True, interlaced=True)
        assert agreed("chromium", track, "42e01f").choice is VideoChoice.RENDITION_H264
        with pytest.raises(
            NoCommonCodec, match=r"no browser plays MPEG-2 over WebRTC, and this stream has no"
        ):
            agreed("chromium", track)

    @pytest.mark.parametrize(
        "track",
        [
            Track(1, Codec.H264, 90_000, profile="640028", interlaced=True),
            Track(1, Codec.H264, 90_000, profile="7a0028"),
            Track(1, Codec.H264, 90_000, profile="6e0028"),
        ],
    )
    def test_a_rendition_of_what_few_browsers_decode_unless_there_is_none(self, track):
        assert agreed("chromium", track, "42e01f").choice is VideoChoice.RENDITION_H264
        assert agreed("chromium", track).choice is VideoChoice.SOURCE

    def test_what_cannot_be_had_is_said(self):
        with pytest.raises(NoCommonCodec, match=r"no H\.264 rendition") as caught:
            agreed("firefox-like", HEVC)
        assert caught.value.stream == "H.265 profile 1 level 4.0"
        assert caught.value.offered.video == ("VP8", "VP9", "H264 42e01f", "H264 42001f")
        assert isinstance(caught.value, WireError)
        vp8_only = re.sub(r"H26[45]/90000", "VP8/90000", vector("chromium"))
        for track, rendition in ((HIGH, ""), (HEVC, "42e01f"), (None, "")):
            with pytest.raises(NoCommonCodec):
                negotiate(parse_offer(vp8_only), Wanted(track, rendition), LOCAL)

    def test_a_codec_that_is_never_sent(self):
        with pytest.raises(NoCommonCodec, match="the stream is MP2"):
            agreed("chromium", Track(1, Codec.MP2, 90_000))


class TestAudio:
    def test_no_opus_means_no_sound(self):
        text = vector("chromium").replace("opus/48000/2", "opus/48000")
        result = negotiate(parse_offer(text), Wanted(HIGH), LOCAL)
        assert result.audio is None and result.video is not None and result.mids == ("0",)

    @pytest.mark.parametrize("name", ["chromium", "safari-like"])
    def test_who_may_only_listen_gets_no_picture(self, name):
        result = negotiate(parse_offer(vector(name)), Wanted(HIGH, "42e01f", sound_only=True), LOCAL)
        assert result.video is None and result.video_codec is None and result.choice is None
        assert result.audio is not None and result.mids == ("0", "1")
        sections = SessionDescription.parse(result.answer).media
        sent = {section.kind: section.direction for section in sections}
        assert sent == {"video": "inactive", "audio": "sendonly"}
        assert all(section.port == 9 for section in sections)
        assert {line for line in result.answer.split("\r\n") if line.startswith("a=ssrc:")} == {
            f"a=ssrc:{result.audio.ssrc} cname:{result.audio.cname}"
        }

    def test_who_may_only_listen_and_takes_no_picture_of_ours(self):
        text = vector("chromium").replace("H264/90000", "VP9/90000")
        result = negotiate(parse_offer(text), Wanted(HIGH, sound_only=True), LOCAL)
        assert result.audio is not None and len(result.mids) == 1
        assert "m=video 0 " in result.answer

    def test_only_sound_and_no_opus(self):
        text = (
            vector("chromium").replace("a=recvonly", "a=inactive", 1).replace("opus/48000/2", "L16/48000/2")
        )
        with pytest.raises(NoCommonCodec, match="Opus"):
            negotiate(parse_offer(text), Wanted(HIGH), LOCAL)


class TestCredentials:
    def test_ice_chars_only_and_never_twice(self):
        made = [LocalParameters.fresh(FINGERPRINT, CANDIDATES) for _ in range(200)]
        assert len({item.ufrag for item in made}) == len({item.pwd for item in made}) == 200
        assert all(re.fullmatch(r"[A-Za-z0-9+/]{8}", item.ufrag) for item in made)
        assert all(re.fullmatch(r"[A-Za-z0-9+/]{24}", item.pwd) for item in made)

    def test_a_restart_is_answered_with_new_credentials_for_the_first_accepted_m_line(self):
        result = agreed("safari-like")
        local = LocalParameters.fresh(FINGERPRINT, CANDIDATES)
        text = restart_answer(result, local)
        fragment = parse_trickle_fragment(text)
        assert (fragment.ufrag, fragment.pwd) == (local.ufrag, local.pwd)
        assert (fragment.candidates, fragment.ended) == (3, True)
        assert text.startswith(
            "a=ice-lite\r\na=group:BUNDLE 0 1\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\n"
        )


class TestAiortc:
    async def test_it_takes_our_answer(self):
        connection = RTCPeerConnection()
        try:
            connection.addTransceiver("video", direction="recvonly")
            connection.addTransceiver("audio", direction="recvonly")
            await connection.setLocalDescription(await connection.createOffer())
            result = negotiate(parse_offer(connection.localDescription.sdp), Wanted(BASELINE), LOCAL)
            await connection.setRemoteDescription(RTCSessionDescription(result.answer, "answer"))
            assert [item.currentDirection for item in connection.getTransceivers()] == [
                "recvonly",
                "recvonly",
            ]
        finally:
            await connection.close()


class TestFuzz:
    @pytest.mark.parametrize("name", OFFERS)
    def test_an_answer_or_a_wire_error(self, name):
        dice = random.Random(f"{name} answered")
        answered = 0
        for _ in range(300):
            try:
                result = negotiate(parse_offer(mutated(dice, vector(name))), Wanted(HIGH), LOCAL)
            except WireError:
                continue
            answered += 1
            assert SessionDescription.parse(result.answer).media
            assert len(result.answer) < 8192
            for line in result.answer.split("\r\n")[:-1]:
                assert re.match(r"[a-z]=\S", line) and not re.search(r"[\x00-\x1f\x7f]", line)
        assert answered > 20
