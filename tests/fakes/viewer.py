"""A viewer without DTLS: real sockets, real STUN, keys given by the test, libsrtp to read what comes."""

from __future__ import annotations

import os
import select
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import pylibsrtp

from tests.fakes.nonces import current_watch
from transport.plane import stun
from transport.plane.framing import Framer, frame
from transport.plane.interface import Peer, SrtpProfile, Subscription
from transport.rtp import header, rtcp
from transport.rtp.header import RtpPacket

MID_ID = 4
PLAYOUT_ID = 6
PROFILES = {
    SrtpProfile.AEAD_AES_256_GCM: pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_256_GCM,
    SrtpProfile.AEAD_AES_128_GCM: pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_128_GCM,
    SrtpProfile.AES128_CM_SHA1_80: pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
}
#: Real time that a test waits for a condition before it fails.
PATIENCE_S = 20.0


def video_subscription(ssrc: int = 0x1000, *, rtx: bool = True) -> Subscription:
    return Subscription(
        payload_type=102,
        ssrc=ssrc,
        rtx_payload_type=103 if rtx else None,
        rtx_ssrc=ssrc + 1 if rtx else None,
        mid="0",
        mid_extension=MID_ID,
        playout_delay_extension=PLAYOUT_ID,
        cname="cam",
    )


def audio_subscription(ssrc: int = 0x2000) -> Subscription:
    return Subscription(
        payload_type=111,
        ssrc=ssrc,
        rtx_payload_type=None,
        rtx_ssrc=None,
        mid="1",
        mid_extension=MID_ID,
        playout_delay_extension=0,
        cname="cam",
    )


@dataclass
class Received:
    """What one SSRC sent: packets in order of arrival, and the datagrams, encrypted and clear."""

    packets: list[RtpPacket] = field(default_factory=list)
    wire: list[bytes] = field(default_factory=list)
    plain: list[bytes] = field(default_factory=list)
    at: list[float] = field(default_factory=list)


class FakeViewer:
    """One browser, as far as a plane can tell.

    Attributes:
        streams: RTP by ssrc.
        rtcp: packets in order of arrival, and `compounds` as they came.
        dtls: DTLS datagrams.
        stun: answers to checks.
        undecipherable: packets that could not be decrypted, and were not among those that could be before.
    """

    def __init__(
        self,
        server: tuple[str, int],
        ufrag: str,
        pwd: str,
        *,
        protocol: str = "udp",
        profile: SrtpProfile = SrtpProfile.AEAD_AES_256_GCM,
        receive_bytes: int = 4 << 20,
    ) -> None:
        self.server = server
        self.ufrag = ufrag
        self.pwd = pwd
        self.protocol = protocol
        self.profile = profile
        self.streams: dict[int, Received] = {}
        self.rtcp: list[rtcp.RtcpPacket] = []
        self.rtcp_at: list[float] = []
        self.compounds: list[list[rtcp.RtcpPacket]] = []
        self.dtls: list[bytes] = []
        self.stun: list[stun.Message] = []
        self.is_ended = False
        self.undecipherable = 0
        self.loses: Callable[[RtpPacket], bool] | None = None
        self.nonces = current_watch()
        size = profile.key_bytes + profile.salt_bytes
        self.server_key, self.own_key = os.urandom(size), os.urandom(size)
        self._deciphered: set[bytes] = set()
        self._framer = Framer()
        self._receive_bytes = receive_bytes
        self.socket = self._connect()
        self._reset_srtp()

    def _connect(self) -> socket.socket:
        kind = socket.SOCK_DGRAM if self.protocol == "udp" else socket.SOCK_STREAM
        is_v6 = ":" in self.server[0]
        sock = socket.socket(socket.AF_INET6 if is_v6 else socket.AF_INET, kind)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._receive_bytes)
        if self.protocol == "udp":
            sock.bind(("::1" if is_v6 else "127.0.0.1", 0))
        else:
            sock.connect(self.server)
            # As browsers do; else a second datagram waits for the first one's acknowledgement, 40 ms.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setblocking(False)
        return sock

    def _reset_srtp(self) -> None:
        inbound = pylibsrtp.Policy(
            key=self.server_key,
            ssrc_type=pylibsrtp.Policy.SSRC_ANY_INBOUND,
            srtp_profile=PROFILES[self.profile],
        )
        inbound.window_size = 16384
        outbound = pylibsrtp.Policy(
            key=self.own_key,
            ssrc_type=pylibsrtp.Policy.SSRC_ANY_OUTBOUND,
            srtp_profile=PROFILES[self.profile],
        )
        self._rx = pylibsrtp.Session(inbound)
        self._tx = pylibsrtp.Session(outbound)

    @property
    def address(self) -> tuple[str, int]:
        host, port = self.socket.getsockname()[:2]
        return host, port

    def give_keys(self, peer: Peer) -> None:
        peer.set_keys(self.profile, self.server_key, self.own_key)

    def move(self) -> socket.socket:
        """Go on from another address; returns the former socket."""
        former, self.socket = self.socket, self._connect()
        self._framer = Framer()
        return former

    # Sending

    def send(self, datagram: bytes) -> None:
        if self.protocol == "udp":
            self.socket.sendto(datagram, self.server)
        else:
            self.socket.send(frame(datagram))

    def check(
        self,
        *,
        nominate: bool = True,
        pwd: str | None = None,
        attributes: dict[int, bytes] | None = None,
    ) -> None:
        given = {stun.USERNAME: f"{self.ufrag}:viewer".encode()}
        if attributes is None:
            given[stun.PRIORITY] = (1 << 24).to_bytes(4, "big")
            given[stun.ICE_CONTROLLING] = os.urandom(8)
        else:
            given |= attributes
        if nominate:
            given[stun.USE_CANDIDATE] = b""
        self.send(stun.serialize(stun.BINDING_REQUEST, os.urandom(12), given, pwd or self.pwd))

    def connect(self, **options: object) -> None:
        """Send a check and wait for the answer."""
        answers = len(self.stun)
        self.check(**options)  # type: ignore[arg-type]
        self.wait(lambda: len(self.stun) > answers)

    def send_rtcp(self, *packets: rtcp.RtcpPacket) -> None:
        compound = rtcp.serialize_compound([rtcp.ReceiverReport(1), *packets])
        self.send(self._tx.protect_rtcp(compound))

    def nack(self, ssrc: int, *seqs: int) -> None:
        self.send_rtcp(rtcp.Nack(1, ssrc, seqs))

    # Receiving

    def poll(self, timeout_s: float = 0.0) -> None:
        """Take everything that is there, after waiting for something up to a time."""
        if self.is_ended or not select.select([self.socket], [], [], timeout_s)[0]:
            return
        while not self.is_ended:
            try:
                data = self.socket.recv(65536)
            except BlockingIOError:
                return
            except ConnectionError:
                self.is_ended = True
                return
            if self.protocol == "udp":
                self._take(data)
            elif data:
                for datagram in self._framer.feed(data):
                    self._take(datagram)
            else:
                self.is_ended = True

    def wait(self, condition: Callable[[], object], patience_s: float = PATIENCE_S) -> None:
        """Receive until the condition holds."""
        end = time.monotonic() + patience_s
        self.poll()
        while not condition():
            assert time.monotonic() < end, f"waited {patience_s} s in vain"
            self.poll(0.01)

    def _take(self, datagram: bytes) -> None:
        first = datagram[0]
        if first < 4:
            self.stun.append(stun.parse(datagram))
        elif 20 <= first < 64:
            self.dtls.append(datagram)
        elif 192 <= datagram[1] < 224:
            self._take_rtcp(datagram)
        else:
            self._take_rtp(datagram)

    def _take_rtcp(self, datagram: bytes) -> None:
        is_gcm = self.profile is not SrtpProfile.AES128_CM_SHA1_80
        self.nonces.see_rtcp(self.server_key, datagram, is_gcm=is_gcm)
        try:
            plain = self._rx.unprotect_rtcp(datagram)
        except pylibsrtp.Error:
            self.undecipherable += 1
            return
        packets = rtcp.parse_compound(plain)
        self.rtcp += packets
        self.compounds.append(packets)
        self.rtcp_at += [time.monotonic()] * len(packets)

    def _take_rtp(self, datagram: bytes) -> None:
        self.nonces.see_rtp(self.server_key, datagram)
        # Its padding is encrypted too, so that nothing can be read off it.
        if self.loses and self.loses(header.parse(bytes((datagram[0] & ~0x20,)) + datagram[1:])):
            return
        try:
            plain = self._rx.unprotect(datagram)
        except pylibsrtp.Error:
            # Without RTX what is sent again is the very same packet, which libsrtp takes for a replay.
            self.undecipherable += _fingerprint(datagram) not in self._deciphered
            return
        self._deciphered.add(_fingerprint(datagram))
        packet = header.parse(plain)
        received = self.streams.setdefault(packet.ssrc, Received())
        received.packets.append(packet)
        received.wire.append(datagram)
        received.plain.append(plain)
        received.at.append(time.monotonic())

    def packets(self, ssrc: int) -> list[RtpPacket]:
        received = self.streams.get(ssrc)
        return received.packets if received else []

    def seqs(self, ssrc: int) -> list[int]:
        return [packet.seq for packet in self.packets(ssrc)]

    def reports(self, ssrc: int) -> list[rtcp.SenderReport]:
        return [p for p in self.rtcp if isinstance(p, rtcp.SenderReport) and p.ssrc == ssrc]

    def close(self) -> None:
        self.socket.close()


def _fingerprint(datagram: bytes) -> bytes:
    return datagram[:12] + datagram[-16:]
