"""With `encryption = "aes-256"` nothing of a stream can be read on the wire, and who has less is refused.

tshark captures every leg on the loopback. The stream carries a text that nobody could mistake, in an SEI
message; a capture of a stream without a passphrase shows that it would be found.
"""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from loadtests.crowd import sdp
from loadtests.crowd.dtls import Identity
from loadtests.crowd.viewer import Viewer
from loadtests.rig.encoder import Programme, ffmpeg_arguments
from loadtests.rig.process import Process, wait_until
from loadtests.rig.server import Server
from tests.behaviour.streams import KEY, OPEN, PASSPHRASE, stream_id
from tests.rigs.sandbox import sandbox_process
from transport.rtp import header

SECRET_TEXT = "nobody-may-read-this-on-the-way"
AES_256 = f"""
[streams.cam]
encryption = "aes-256"
publish_key = "{KEY}"
passphrase = "{PASSPHRASE}"
public = true
"""
# With the NAL units that every stream has: four bytes alone come by chance in some megabytes.
_START_CODES = [b"\0\0\0\1" + bytes((kind,)) for kind in (0x06, 0x09, 0x27, 0x41, 0x65, 0x67, 0x68)]
_TS_PACKET = 188
_SRT_HEADER = 16
_RTP_HEADER = 12


class Capture:
    """tshark on the loopback.

    Args:
        path: what it writes.
        ports: to listen at.
        transport: "udp" or "tcp".
    """

    def __init__(self, path: Path, *ports: int, transport: str = "udp") -> None:
        self.path = path
        self._transport = transport
        expression = " or ".join(f"{transport} port {port}" for port in ports)
        self._process = Process(
            ["tshark", "-i", "lo", "-f", expression, "-w", str(path), "-F", "pcap", "-B", "64"]
        )

    @contextmanager
    def running(self) -> Iterator[None]:
        with self._process:
            wait_until(
                lambda: self.path.exists() and "Capturing on" in self._process.output, 20, "tshark to capture"
            )
            yield

    def fields(self, display: str, *names: str) -> list[list[str]]:
        """What tshark's own dissectors say, a row for each packet."""
        wanted = [part for name in names for part in ("-e", name)]
        return [
            line.split("\t")
            for line in _run("tshark", "-r", str(self.path), "-Y", display, "-T", "fields", *wanted)
        ]

    def payloads(self, port: int) -> list[bytes]:
        """What was sent to or from a port."""
        rows = self.fields(f"{self._transport}.port == {port}", f"{self._transport}.payload")
        return [bytes.fromhex(row[0].replace(":", "")) for row in rows if row[0]]


def _run(*command: str) -> list[str]:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.splitlines()


def encoder(server: Server, *, passphrase: str = "", pbkeylen: int = 32) -> Process:
    key = ["-passphrase", passphrase, "-pbkeylen", str(pbkeylen)] if passphrase else []
    uuid = "086f3693-b7b3-4f2c-9653-21492feee5b8"
    return Process(
        [
            *ffmpeg_arguments(Programme(gop_s=1.0)),
            *("-bsf:v", f"h264_metadata=sei_user_data={uuid}+{SECRET_TEXT}"),
            *key,
            *("-srt_streamid", stream_id(), "-f", "mpegts", "-muxdelay", "0"),
            f"srt://127.0.0.1:{server.srt_port}?mode=caller&transtype=live",
        ]
    )


async def watch(server: Server, profiles: bytes | None = None, packets: int = 800) -> Viewer:
    """Watch until so many packets were decrypted, then leave."""
    identity = Identity()
    if profiles is not None:
        identity.context.set_tlsext_use_srtp(profiles)
    viewer = Viewer(identity, "127.0.0.1", checks=True)
    try:
        async with aiohttp.ClientSession() as http:
            url = f"{server.url}/whep/cam"
            headers = {"Content-Type": "application/sdp"}
            async with http.post(url, data=sdp.offer(viewer.local, 1), headers=headers) as answer:
                assert answer.status == 201, await answer.text()
                remote = sdp.parse(await answer.text())
            await viewer.connect(remote, timeout_s=10)
            async with asyncio.timeout(20):
                while viewer.counts().received < packets:  # noqa: ASYNC110 (a count, without an event)
                    await asyncio.sleep(0.02)
            assert viewer.counts().undecipherable == 0
    finally:
        viewer.close()
    return viewer


def srt_content(packet: bytes) -> bytes:
    """What encryption covers: a data packet's content. An induction handshake may look like a start code."""
    return packet[_SRT_HEADER:] if packet[0] < 0x80 else b""


def rtp_content(packet: bytes) -> bytes:
    """What encryption covers: all after the fixed header, of RTP and RTCP, not of STUN and DTLS."""
    return packet[_RTP_HEADER:] if 128 <= packet[0] < 192 else b""


def clear_media(contents: list[bytes]) -> set[str]:
    """By what a stream can be told in what should be encrypted."""
    shown = set()
    for content in contents:
        if any(code in content for code in _START_CODES):
            shown.add("a start code")
        if len(content) >= 3 * _TS_PACKET and set(content[::_TS_PACKET]) == {0x47}:
            shown.add("MPEG-TS")
    return shown


def first_payload_bytes(payloads: list[bytes]) -> list[int]:
    """Of RTP packets. In the clear these are H.264's fragmentation units, nearly all the same."""
    media = [payload for payload in payloads if 128 <= payload[0] < 192 and not 192 <= payload[1] < 224]
    # The padding bit stands in the clear, what it counts is encrypted.
    return [header.parse(bytes((packet[0] & ~0x20,)) + packet[1:]).payload[0] for packet in media]


@pytest.fixture(scope="module")
def sealed() -> Iterator[Server]:
    with Server(AES_256) as server:
        yield server


def test_both_legs_show_nothing(sealed: Server, tmp_path: Path) -> None:
    capture = Capture(tmp_path / "legs.pcap", sealed.srt_port, sealed.webrtc_port)
    with capture.running(), encoder(sealed, passphrase=PASSPHRASE):
        sealed.wait_live("cam")
        viewer = asyncio.run(watch(sealed))
        stream, live = sealed.stream("cam"), sealed.request("GET", "/api/v1/live")[1]
    assert viewer.profile == "AEAD_AES_256_GCM"

    leg = stream["publisher"]["encryption"]
    assert (stream["encryption"], leg["cipher"], leg["key_state"]) == ("aes-256", "AES-256", "secured")
    assert (live["streams"][0]["publisher_cipher"], live["signalling"]) == (
        "AES-256",
        "plain HTTP within this machine",
    )

    srt, webrtc = capture.payloads(sealed.srt_port), capture.payloads(sealed.webrtc_port)
    # The kernel shows what was sent at once (GSO) as one datagram, so that a run of packets counts once.
    assert len(srt) > 200 and sum(map(len, webrtc)) > 200_000
    assert not any(SECRET_TEXT.encode() in payload for payload in srt + webrtc)
    assert clear_media([*map(srt_content, srt), *map(rtp_content, webrtc)]) == set()
    # Bits 3-4 of the second word: which key encrypts this data packet; 0 is none (draft-sharabayko-srt 3.1).
    data = [int.from_bytes(payload[4:8], "big") for payload in srt if payload[0] < 0x80]
    assert len(data) > 100 and all(word >> 27 & 3 for word in data)
    first = first_payload_bytes(webrtc)
    assert len(first) >= 100 and len(set(first)) > 60


@pytest.mark.parametrize("encrypted", [True, False])
def test_a_relay_shows_nothing_unless_it_may(encrypted: bool, tmp_path: Path) -> None:
    with sandbox_process(tmp_path) as sandbox:
        url = sandbox.addresses.rtmps if encrypted else sandbox.addresses.rtmp
        port = int(url.rpartition(":")[2])
        relay = f'[[streams.cam.relays]]\nurl = "{url}/live"\nkey = "relay-key"\n'
        relay += f'tls_ca_file = "{sandbox.ca_file}"\n' if encrypted else ""
        with Server((AES_256 if encrypted else OPEN) + relay) as server:
            capture = Capture(tmp_path / "relay.pcap", port, transport="tcp")
            with capture.running(), encoder(server, passphrase=PASSPHRASE if encrypted else ""):
                wait_until(lambda: sent(server) > 90, 40, "a relay of some seconds")
    payloads = capture.payloads(port)
    assert sum(map(len, payloads)) > 100_000
    shown = any(SECRET_TEXT.encode() in payload for payload in payloads)
    assert shown is not encrypted


def sent(server: Server) -> int:
    """Pictures that the only relay has sent."""
    (relay,) = server.request("GET", "/api/v1/relays")[1]["relays"]
    pictures: int = relay["statistics"]["pictures_sent"]
    return pictures


def test_the_capture_would_show_it(tmp_path: Path) -> None:
    with Server(OPEN) as server:
        capture = Capture(tmp_path / "open.pcap", server.srt_port)
        with capture.running(), encoder(server):
            server.wait_live("cam")
            wait_until(lambda: server.stream("cam")["bytes_received"] > 200_000, 20, "some media")
        payloads = capture.payloads(server.srt_port)
    text = SECRET_TEXT.encode()
    assert any(text in payload for payload in payloads)
    assert clear_media(list(map(srt_content, payloads))) == {"a start code", "MPEG-TS"}


def test_a_caller_with_aes_128_is_refused() -> None:
    with Server(AES_256) as server, encoder(server, passphrase=PASSPHRASE, pbkeylen=16) as caller:
        wait_until(lambda: not caller.running, 20, "the caller to be refused")
        wait_until(lambda: bool(server.stream("cam")["ingest"]["reason"]), 10, "the reason")
        stream = server.stream("cam")
        assert stream["state"] == "offline" and stream["publisher"] is None
        assert "demands AES-256, the caller encrypts with AES-128" in stream["ingest"]["reason"]
        assert "demands AES-256, the caller encrypts with AES-128" in server.output
        assert PASSPHRASE not in server.output


def test_a_viewer_with_aes_128_is_refused(sealed: Server) -> None:
    def viewers() -> set[str]:
        return {viewer["id"] for viewer in sealed.viewers()}

    def failed() -> list[Any]:
        found: list[Any] = sealed.request("GET", "/api/v1/viewers")[1]["failed"]
        return found

    before = viewers()
    with encoder(sealed, passphrase=PASSPHRASE):
        sealed.wait_live("cam")
        for number, profiles in enumerate((b"SRTP_AEAD_AES_128_GCM", b"SRTP_AES128_CM_SHA1_80"), 1):
            with pytest.raises(ConnectionError, match="SRTP profile"):
                asyncio.run(watch(sealed, profiles))
            wait_until(lambda number=number: len(failed()) == number, 10, "the reason")
            assert viewers() <= before
    for each in failed():
        assert 'encryption = "aes-256"' in each["reason"] and "AEAD_AES_256_GCM" in each["reason"]
        assert each["reason"] in sealed.output.replace('\\"', '"')


def test_a_floor_of_aes_128_takes_either() -> None:
    floor = AES_256.replace("aes-256", "aes-128").replace("public", "pbkeylen = 16\npublic")
    with Server(floor) as server, encoder(server, passphrase=PASSPHRASE, pbkeylen=16):
        server.wait_live("cam")
        assert server.stream("cam")["publisher"]["encryption"]["cipher"] == "AES-128"
        assert asyncio.run(watch(server, b"SRTP_AES128_CM_SHA1_80")).profile == "AES128_CM_SHA1_80"
