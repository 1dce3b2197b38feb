"""A real browser takes our answers, agrees on keys with us and hears what they encrypt."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aioice import stun
from playwright.async_api import Page, async_playwright
from pylibsrtp import Policy, Session

from loadtests.rig.browser import chromium_path
from tests.transport.webrtc.test_negotiate import BASELINE, CANDIDATES, FINGERPRINT, HIGH
from transport.media import Codec, Track
from transport.plane.interface import Feed, SrtpProfile, Subscription
from transport.webrtc.candidates import interface_addresses
from transport.webrtc.certificate import fresh_certificate
from transport.webrtc.dtls import DtlsSession
from transport.webrtc.negotiate import LocalParameters, Wanted, negotiate
from transport.webrtc.wire import Candidate, parse_offer

pytestmark = pytest.mark.browser

OFFER = """async ({dataChannel, kinds}) => {
    const pc = window.pc = new RTCPeerConnection({bundlePolicy: 'max-bundle'});
    for (const kind of kinds) pc.addTransceiver(kind, {direction: 'recvonly'});
    if (dataChannel) pc.createDataChannel('unwanted');
    window.streams = [];
    pc.ontrack = event => window.streams.push(event.streams.map(stream => stream.id));
    await pc.setLocalDescription(await pc.createOffer());
    return pc.localDescription.sdp;
}"""
ANSWER = """async sdp => {
    await pc.setRemoteDescription({type: 'answer', sdp});
    return {
        directions: pc.getTransceivers().map(item => item.currentDirection),
        codecs: pc.getTransceivers().map(item =>
            item.receiver.getParameters().codecs.map(codec => codec.mimeType + ' ' + codec.sdpFmtpLine)),
        streams: window.streams,
    };
}"""
STATS = """async () => Object.fromEntries([...await pc.getStats()]
    .map(([_, item]) => [item.type + (item.kind ? '-' + item.kind : ''), item]))"""


@asynccontextmanager
async def chromium() -> AsyncIterator[Page]:
    args = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]
    args += ["--disable-component-update", "--disable-sync"]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium_path(), headless=True, args=args)
        try:
            yield await browser.new_page()
        finally:
            await browser.close()


class LitePeer(asyncio.DatagramProtocol):
    """A `Peer` with a socket of its own: answers connectivity checks, hands DTLS on."""

    def __init__(self, pwd: str) -> None:
        self.id = 1
        self.address: tuple[str, int] | None = None
        self.protocol = "udp"
        self.datagrams_dropped = 0
        self.session: DtlsSession | None = None
        self.hellos: list[bytes] = []
        self._pwd = pwd.encode()
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if data[0] < 4:
            request = stun.parse_message(data)
            if not request.check_message_integrity(self._pwd):
                return
            response = stun.Message(stun.Method.BINDING, stun.Class.RESPONSE, request.transaction_id)
            response.attributes["XOR-MAPPED-ADDRESS"] = addr
            response.add_message_integrity(self._pwd)
            response.add_fingerprint()
            self.send_to(bytes(response), addr)
            self.address = addr
        elif 20 <= data[0] < 64 and self.session is not None:
            if data[0] == 22 and data[13] == 1:
                self.hellos.append(data)
            self.session.datagram(data)

    def send(self, data: bytes) -> None:
        assert self.address is not None
        self.send_to(data, self.address)

    def send_to(self, data: bytes, addr: tuple[str, int]) -> None:
        assert self._transport is not None
        self._transport.sendto(data, addr)

    def set_credentials(self, ufrag: str, pwd: str) -> None: ...

    def set_keys(self, profile: SrtpProfile, tx: bytes, rx: bytes) -> None: ...

    def take(self, most: int, seconds: float) -> list[bytes]:
        return []

    def subscribe(self, feed: Feed, subscription: Subscription) -> None: ...

    def close(self, *, bye: bool = True) -> None: ...


async def test_it_takes_every_kind_of_answer() -> None:
    async with chromium() as page:
        for track, kinds, data_channel in (
            (HIGH, ["video", "audio"], False),
            (BASELINE, ["audio", "video"], True),
            (Track(1, Codec.H264, 90_000, profile="4d4029"), ["video"], False),
            (None, ["audio"], True),
        ):
            offer = await page.evaluate(OFFER, {"dataChannel": data_channel, "kinds": kinds})
            local = LocalParameters.fresh(FINGERPRINT, CANDIDATES)
            result = negotiate(parse_offer(offer), Wanted(track), local)
            taken = await page.evaluate(ANSWER, result.answer)
            assert taken["directions"] == ["recvonly"] * len(kinds)
            assert len(taken["streams"]) == len(kinds)
            assert len({stream for streams in taken["streams"] for stream in streams}) == 1
            codecs = [codec for receiver in taken["codecs"] for codec in receiver]
            if "audio" in kinds:
                assert any(codec.startswith("audio/opus") for codec in codecs)
            if "video" in kinds:
                assert any(codec.startswith("video/H264") for codec in codecs)
                assert any(codec.startswith("video/rtx") for codec in codecs)
            await page.evaluate("pc.close()")


async def test_it_agrees_on_keys_hears_us_and_says_goodbye() -> None:
    addresses = interface_addresses("0.0.0.0")
    async with chromium() as page:
        offer_sdp = await page.evaluate(OFFER, {"dataChannel": False, "kinds": ["video", "audio"]})
        certificate = fresh_certificate()
        pwd = LocalParameters.fresh(certificate.fingerprint, ()).pwd
        loop = asyncio.get_running_loop()
        transport, peer = await loop.create_datagram_endpoint(
            lambda: LitePeer(pwd), local_addr=("0.0.0.0", 0)
        )
        try:
            port = transport.get_extra_info("sockname")[1]
            candidates = tuple(Candidate(ip, port) for ip in addresses)
            local = LocalParameters("Lite1234", pwd, certificate.fingerprint, candidates)
            result = negotiate(parse_offer(offer_sdp), Wanted(BASELINE), local)
            gone = asyncio.Event()
            session = peer.session = DtlsSession(
                peer, certificate, result.fingerprints, role=result.role, on_closed=gone.set
            )
            await page.evaluate(ANSWER, result.answer)
            keys = await session.handshake()
            assert keys.profile is SrtpProfile.AEAD_AES_256_GCM
            assert peer.hellos

            assert result.audio is not None
            await hears(page, peer, keys.tx, result.audio)
            stats = await page.evaluate(STATS)
            assert stats["transport"]["dtlsState"] == "connected"
            # Newer versions put SRTP_ before the name.
            assert stats["transport"]["srtpCipher"].removeprefix("SRTP_") == "AEAD_AES_256_GCM"

            await page.evaluate("pc.close()")
            await asyncio.wait_for(gone.wait(), 10)
            await session.close()
        finally:
            transport.close()


async def hears(page: Page, peer: LitePeer, key: bytes, audio: Subscription) -> None:
    """Send Opus silence under the agreed keys until the browser counts it."""
    policy = Policy(
        key=key, ssrc_type=Policy.SSRC_ANY_OUTBOUND, srtp_profile=Policy.SRTP_PROFILE_AEAD_AES_256_GCM
    )
    srtp = Session(policy)
    for seq in range(500):
        header = bytes([0x80, audio.payload_type]) + seq.to_bytes(2, "big") + (seq * 960).to_bytes(4, "big")
        peer.send(srtp.protect(header + audio.ssrc.to_bytes(4, "big") + b"\xf8\xff\xfe"))
        if seq % 25 == 24:
            stats = await page.evaluate(STATS)
            if stats.get("inbound-rtp-audio", {}).get("packetsReceived", 0) > 0:
                return
        await asyncio.sleep(0.02)
    raise AssertionError("the browser counted no packet")
