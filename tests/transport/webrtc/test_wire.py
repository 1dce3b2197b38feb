from __future__ import annotations

import random
import re

import pytest

from tests.transport.webrtc.vectors import OFFERS, vector
from transport.errors import WireError
from transport.webrtc.wire import (
    MAX_SDP_BYTES,
    Candidate,
    Fragment,
    parse_fmtp,
    parse_offer,
    parse_trickle_fragment,
)


def without(text: str, *starts: str) -> str:
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith(starts))


class TestParseOffer:
    def test_chromium(self):
        offer = parse_offer(vector("chromium-datachannel"))
        assert [(item.kind, item.mid, item.direction) for item in offer.media] == [
            ("video", "0", "recvonly"),
            ("audio", "1", "recvonly"),
            ("application", "2", "sendrecv"),
        ]
        assert [item.is_receivable for item in offer.media] == [True, True, False]
        assert offer.setup == "actpass" and len(offer.ufrag) == 4 and len(offer.pwd) == 24
        assert [item.algorithm for item in offer.fingerprints] == ["sha-256"]
        video = offer.media[0]
        assert video.rtcp_xr == "rcvr-rtt=all" and video.rtcp_rsize
        assert video.extension("urn:ietf:params:rtp-hdrext:sdes:mid") == 9
        h264 = next(item for item in video.formats if item.payload_type == 116)
        assert (h264.name, h264.clock_rate, h264.channels) == ("H264", 90_000, 0)
        assert h264.fmtp == "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=4d001f"
        assert h264.feedback == ("goog-remb", "transport-cc", "ccm fir", "nack", "nack pli")
        opus = offer.media[1].formats[0]
        assert (opus.name, opus.clock_rate, opus.channels) == ("opus", 48_000, 2)

    def test_session_level_fingerprint_and_direction(self):
        offer = parse_offer(vector("firefox-like"))
        assert offer.fingerprints[0].value.startswith("1F:2E:3D")
        text = without(vector("firefox-like"), "a=recvonly")
        assert [item.direction for item in parse_offer(text).media] == ["sendrecv", "sendrecv"]

    def test_bundle_only_with_port_zero_is_wanted_and_port_zero_alone_is_not(self):
        text = vector("gstreamer-like")
        assert parse_offer(text).media[1].is_receivable
        assert not parse_offer(without(text, "a=bundle-only")).media[1].is_receivable

    def test_setup_passive(self):
        assert parse_offer(vector("ffmpeg-like")).setup == "passive"

    def test_formats_come_in_the_order_of_the_m_line(self):
        video = parse_offer(vector("safari-like")).media[1]
        assert [item.payload_type for item in video.formats] == [
            96,
            97,
            98,
            99,
            100,
            101,
            102,
            125,
            35,
            36,
            127,
        ]

    @pytest.mark.parametrize("number", ["0", "15", "16", "255"])
    def test_an_extension_without_room_in_a_one_byte_header_is_not_used(self, number):
        text = vector("chromium").replace("a=extmap:9 urn", f"a=extmap:{number} urn")
        assert parse_offer(text).media[0].extension("urn:ietf:params:rtp-hdrext:sdes:mid") == 0

    def test_one_m_line_needs_no_bundle(self):
        text = vector("chromium")
        single = without(text[: text.index("m=audio")], "a=group:")
        offer = parse_offer(single)
        assert not offer.has_bundle and offer.media[0].is_receivable

    def test_an_m_line_outside_the_bundle_is_not_receivable(self):
        offer = parse_offer(vector("chromium").replace("BUNDLE 0 1", "BUNDLE 1"))
        assert [item.is_receivable for item in offer.media] == [False, True]

    def test_candidates_of_any_dialect_do_not_matter(self):
        text = vector("chromium").replace("a=rtcp-mux", "a=candidate:nonsense\r\na=rtcp-mux")
        assert parse_offer(text).media[0].is_receivable

    @pytest.mark.parametrize(
        ("removed", "said"),
        [
            (("a=group:",), "BUNDLE"),
            (("a=rtcp-mux",), "rtcp-mux"),
            (("a=ice-ufrag",), "ice-ufrag"),
            (("a=ice-pwd",), "ice-pwd"),
            (("a=fingerprint",), "fingerprint"),
            (("a=setup",), "setup"),
            (("m=audio", "m=video"), "neither audio nor video"),
        ],
    )
    def test_what_is_missing_is_said(self, removed, said):
        with pytest.raises(WireError, match=said):
            parse_offer(without(vector("chromium"), *removed))

    @pytest.mark.parametrize(
        ("old", "new", "said"),
        [
            ("a=setup:actpass", "a=setup:holdconn", "malformed 'a=setup:holdconn'"),
            ("a=fingerprint:sha-256 ", "a=fingerprint:sha-1 ", "no fingerprint of sha-256"),
            ("a=fingerprint:sha-256 ", "a=fingerprint:", "malformed 'a=fingerprint"),
            ("a=mid:1", "a=mid:0", "same mid"),
            ("a=ice-options:trickle", "a=ice-lite", None),
            ("t=0 0", "t=0 0\r\na=ice-lite", "ice-lite too"),
            ("m=video 9", "m=video nine", "malformed 'm=video nine"),
            ("SAVPF 96 97", "SAVPF 196 97", "'196' is no payload type"),
            ("SAVPF 96 97", "SAVPF 72 97", "'72' is no payload type"),
            ("SAVPF 96 97", "SAVPF webrtc 97", "'webrtc' is no payload type"),
            ("a=rtcp-mux", "a=sctp-port:x", "unreadable (ValueError: invalid literal"),
            ("a=rtpmap:97 rtx/90000", "a=x", None),
            ("a=fmtp:111 minptime=10", "a=fmtp:111 minptime=ten", None),
            ("a=fmtp:111 minptime=10", "a=fmtp:96 \r\na=fmtp:111 minptime=10", None),
            ("a=fmtp:111 minptime=10", "a=fmtp:x minptime=10", "malformed 'a=fmtp:x minptime=10"),
            ("a=rtpmap:96 VP8/90000", "a=rtpmap:96 VP8", "malformed 'a=rtpmap:96 VP8'"),
            ("v=0", "<html>", "line 1 is not SDP"),
        ],
    )
    def test_what_is_wrong_is_said(self, old, new, said):
        text = vector("chromium")
        assert old in text
        if said is None:
            assert parse_offer(text.replace(old, new))
            return
        with pytest.raises(WireError, match=re.escape(said)):
            parse_offer(text.replace(old, new))

    @pytest.mark.parametrize("text", ["", "hello", "v=0\r\n", b"\xff\xfe", "v=0\r\n" * 20_000])
    def test_what_is_no_offer(self, text):
        with pytest.raises(WireError):
            parse_offer(text)

    def test_the_size_is_bounded(self):
        text = vector("chromium")
        assert parse_offer(text + "a=x\r\n" * ((MAX_SDP_BYTES - len(text)) // 5))
        with pytest.raises(WireError, match="at most 65536"):
            parse_offer(text + "a=x\r\n" * (1 + (MAX_SDP_BYTES - len(text)) // 5))

    @pytest.mark.parametrize("name", OFFERS)
    def test_bytes_and_bare_newlines_are_fine(self, name):
        text = vector(name)
        assert parse_offer(text.replace("\r\n", "\n").encode()) == parse_offer(text)


class TestParseTrickleFragment:
    FRAGMENT = (
        "a=ice-ufrag:ysXw\r\na=ice-pwd:vw5LmwG4y/e6dPP/zAP9Gp5k\r\n"
        "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\n"
        "a=candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ host generation 0 ufrag ysXw\r\n"
        "a=candidate:9 1 udp 1 ab.local 61765 typ host\r\na=end-of-candidates\r\n"
    )

    def test_candidates(self):
        assert parse_trickle_fragment(self.FRAGMENT) == Fragment("ysXw", "vw5LmwG4y/e6dPP/zAP9Gp5k", 2, True)

    def test_an_ice_restart_has_no_candidates(self):
        fragment = parse_trickle_fragment(b"a=ice-ufrag:abcd\na=ice-pwd:0123456789012345678901\n")
        assert (fragment.candidates, fragment.ended) == (0, False)

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "a=ice-ufrag:abcd\r\n",
            "a=ice-pwd:0123456789012345678901\r\n",
            "a=ice-ufrag:\r\na=ice-pwd:x\r\n",
            "a=ice-ufrag:ab cd\r\na=ice-pwd:x\r\n",
            "a=ice-ufrag:a\r\na=ice-pwd:b\r\na=candidate:1 1 udp\r\n",
            "{}",
            b"a=ice-ufrag:\xff\r\n",
            "a=x\r\n" * 20_000,
        ],
    )
    def test_malformed(self, text):
        with pytest.raises(WireError):
            parse_trickle_fragment(text)


class TestCandidate:
    def test_the_first_of_a_protocol_is_preferred_and_udp_before_tcp(self):
        lines = [
            Candidate("192.0.2.1", 8189).serialize(0),
            Candidate("2001:db8::1", 8189).serialize(1),
            Candidate("192.0.2.1", 8189, "tcp").serialize(2),
            Candidate("2001:db8::1", 8189, "tcp").serialize(3),
        ]
        assert lines[0] == "1 1 udp 2130706431 192.0.2.1 8189 typ host"
        assert lines[3].endswith("2001:db8::1 8189 typ host tcptype passive")
        priorities = [int(line.split()[3]) for line in lines]
        assert (
            priorities == sorted(priorities, reverse=True) and len({line.split()[0] for line in lines}) == 4
        )
        assert all(0 < priority < 2**31 for priority in priorities)

    def test_a_name_is_not_an_address(self):
        with pytest.raises(ValueError):
            Candidate("example.org", 1)


def test_fmtp_with_blanks_and_capitals():
    assert parse_fmtp(" Packetization-Mode=1; profile-level-id=42c016 ;;0-15") == {
        "packetization-mode": "1",
        "profile-level-id": "42c016",
        "0-15": "",
    }


class TestFuzz:
    """Whatever arrives: an `Offer`, or a `WireError`."""

    @pytest.mark.parametrize("name", OFFERS)
    def test_mutated_offers(self, name):
        dice = random.Random(name)
        original = vector(name)
        refused = 0
        for _ in range(400):
            try:
                parse_offer(mutated(dice, original))
            except WireError as error:
                refused += 1
                assert str(error)
        assert 20 < refused

    def test_mutated_fragments(self):
        dice = random.Random(8840)
        for _ in range(2000):
            try:
                parse_trickle_fragment(mutated(dice, TestParseTrickleFragment.FRAGMENT))
            except WireError as error:
                assert str(error)


def mutated(dice: random.Random, text: str) -> bytes:
    """One to four of: a line gone, a line twice, lines swapped, a value cut, bytes changed, the end off."""
    for _ in range(dice.randint(1, 4)):
        lines = text.split("\r\n")
        index, other = dice.randrange(len(lines)), dice.randrange(len(lines))
        match dice.randrange(7):
            case 0:
                del lines[index]
            case 1:
                lines.insert(other, lines[index])
            case 2:
                lines[index], lines[other] = lines[other], lines[index]
            case 3:
                lines[index] = lines[index][: dice.randrange(len(lines[index]) + 1)]
            case 4:
                words = re.split(r"([ :/=;])", lines[index])
                words[dice.randrange(len(words))] = dice.choice(
                    ["", "-1", "99999999999999999999", "x", "*", "0", "٣", "\0"]
                )
                lines[index] = "".join(words)
            case 5:
                broken = bytearray("\r\n".join(lines).encode())
                for _ in range(dice.randint(1, 8)):
                    broken[dice.randrange(len(broken))] = dice.randrange(256)
                lines = broken.decode(errors=dice.choice(["replace", "ignore"])).split("\r\n")
            case 6:
                lines = lines[: index + 1]
        text = "\r\n".join(lines) or "v"
    return text.encode()
