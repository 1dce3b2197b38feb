"""One publisher over WebRTC: a UDP socket, ICE, DTLS; pictures and sound, sent as Chromium's pacer does."""

from __future__ import annotations

import asyncio
import os
import random
import secrets
import socket
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from loadtests.crowd import sdp
from loadtests.crowd.dtls import Handshake, Identity, Keys
from loadtests.rig.noise import RATE, noise
from transport.errors import WireError
from transport.plane import stun
from transport.plane.srtp import SrtpSession
from transport.rtp import header, rtcp
from transport.rtp.packetize import packetize
from transport.rtp.padding import PaddedPayload

_CONSENT_S = (4.0, 6.0)
_CHECK_AGAIN_S = 0.1
_MAX_PAYLOAD_BYTES = 1160
#: Chromium sends for 5 ms at once, two and a half times as fast as the picture needs.
_PACE_S, _PACE = 0.005, 2.5
_SOUND_S, _SOUND_TICKS = 0.02, 960
#: Fullband, 20 ms, stereo, one frame (RFC 6716 section 3.1), at 64 kb/s.
_SOUND = b"\xfc" + bytes(159)
_REPORT_S = 1.0


@dataclass(frozen=True, slots=True)
class Programme:
    """What every publisher sends, over and over.

    Attributes:
        pictures: RTP payloads of each.
        burst_bytes: sent at once at most.
    """

    pictures: Sequence[Sequence[bytes]]
    burst_bytes: float

    @classmethod
    def of(cls, mbps: float) -> Programme:
        """Pictures of that bit rate."""
        pictures = [packetize(unit, _MAX_PAYLOAD_BYTES) for unit in noise(mbps)]
        return cls(pictures, mbps * 1e6 / 8 * _PACE * _PACE_S)


class Publisher:
    """One publisher. Event loop only.

    Args:
        identity: all publishers' certificate.
        host: the address of this machine it sends from.
        programme: what it sends.

    Attributes:
        local: what its SDP says.
    """

    def __init__(self, identity: Identity, host: str, programme: Programme) -> None:
        self._identity = identity
        self._programme = programme
        self._loop = asyncio.get_running_loop()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind((host, 0))
        self.local = sdp.Local(
            secrets.token_hex(4), secrets.token_hex(12), identity.fingerprint, self._socket.getsockname()
        )
        self._remote: sdp.Remote | None = None
        self._handshake: Handshake | None = None
        self._works = False
        self._srtp: SrtpSession | None = None
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._controlling = {
            stun.PRIORITY: (110 << 24 | 0xFFFFFF).to_bytes(4, "big"),
            stun.ICE_CONTROLLING: os.urandom(8),
            stun.USE_CANDIDATE: b"",
        }
        self._video = _Source(sdp.VIDEO_TYPE)
        self._audio = _Source(sdp.AUDIO_TYPE)
        self._began_at = 0.0
        self._shown = self._heard = 0
        self._queue: deque[bytes] = deque()
        self._numbered = 0

    async def connect(self, remote: sdp.Remote, timeout_s: float = 30.0) -> None:
        """Check the path, shake hands, begin to send.

        Raises:
            TimeoutError: no answer in time.
            ConnectionError: DTLS failed.
        """
        self._remote = remote
        self._socket.connect(remote.address)
        self._handshake = Handshake(self._identity, not remote.speaks_first, self._send)
        self._loop.add_reader(self._socket.fileno(), self._readable)
        self._check()
        async with asyncio.timeout(timeout_s):
            self._begin(await self._handshake.keys)

    def close(self) -> None:
        """Stop; says nothing to the server."""
        for timer in self._timers.values():
            timer.cancel()
        if self._handshake is not None:
            self._handshake.stop()
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()

    # Media

    def _begin(self, keys: Keys) -> None:
        self._srtp = SrtpSession(keys.profile, keys.tx, keys.rx)
        # Cameras do not take their pictures at one moment.
        self._began_at = time.monotonic() + random.uniform(0, 1 / RATE)
        self._picture()
        self._sound()
        self._report()

    def _picture(self) -> None:
        pictures = self._programme.pictures
        payloads = pictures[self._shown % len(pictures)]
        timestamp = self._shown * 90_000 // RATE
        for number, payload in enumerate(payloads):
            is_last = number == len(payloads) - 1
            self._queue.append(self._video.packet(payload, timestamp, self._number(), marker=is_last))
        self._shown += 1
        self._at("picture", self._began_at + self._shown / RATE, self._picture)
        if "pace" not in self._timers:
            self._pace()

    def _pace(self) -> None:
        self._timers.pop("pace", None)
        sent = 0
        while self._queue and sent < self._programme.burst_bytes:
            sent += len(self._queue[0])
            self._send_media(self._queue.popleft())
        if self._queue:
            self._at("pace", time.monotonic() + _PACE_S, self._pace)

    def _sound(self) -> None:
        self._send_media(self._audio.packet(_SOUND, self._heard * _SOUND_TICKS, self._number()))
        self._heard += 1
        self._at("sound", self._began_at + self._heard * _SOUND_S, self._sound)

    def _report(self) -> None:
        assert self._srtp is not None
        now, wall_s = time.monotonic(), time.time()
        for source, clock_rate in ((self._video, 90_000), (self._audio, 48_000)):
            timestamp = int((now - self._began_at) * clock_rate) & 0xFFFFFFFF
            report = rtcp.SenderReport(
                source.ssrc, rtcp.ntp_time(wall_s), timestamp, source.packets, source.octets & 0xFFFFFFFF
            )
            self._send(self._srtp.protect_rtcp(rtcp.serialize_compound([report])))
        self._at("report", now + _REPORT_S, self._report)

    def _number(self) -> bytes:
        """The header extension with the next number within the transport, if that was agreed on."""
        assert self._remote is not None
        if not self._remote.transport_cc:
            return b""
        self._numbered += 1
        value = (self._numbered & 0xFFFF).to_bytes(2, "big")
        return header.serialize_extensions([(self._remote.transport_cc, value)])

    def _send_media(self, packet: bytes) -> None:
        assert self._srtp is not None
        protected = self._srtp.protect(packet)
        assert protected is not None
        self._send(protected)

    # ICE and DTLS

    def _send(self, datagram: bytes) -> None:
        try:
            self._socket.send(datagram)
        except OSError:
            pass  # a full buffer or an ICMP error; the server counts what it misses

    def _at(self, name: str, when: float, call: Callable[[], None]) -> None:
        self._timers[name] = self._loop.call_later(when - time.monotonic(), call)

    def _check(self) -> None:
        """Send a check, and again soon, until one was answered; then only consent."""
        assert self._remote is not None
        username = f"{self._remote.ufrag}:{self.local.ufrag}".encode()
        attributes = {stun.USERNAME: username, **self._controlling}
        self._send(stun.serialize(stun.BINDING_REQUEST, os.urandom(12), attributes, self._remote.pwd))
        pause_s = random.uniform(*_CONSENT_S) if self._works else _CHECK_AGAIN_S
        self._at("check", time.monotonic() + pause_s, self._check)

    def _readable(self) -> None:
        while True:
            try:
                data = self._socket.recv(2048)
            except BlockingIOError:
                return
            except OSError:
                continue  # an ICMP error
            if data and data[0] < 4:
                self._take_stun(data)
            elif data and 20 <= data[0] < 64 and self._handshake is not None:
                self._handshake.datagram(data)

    def _take_stun(self, data: bytes) -> None:
        assert self._remote is not None and self._handshake is not None
        try:
            message = stun.parse(data)
        except WireError:
            return
        is_answer = message.message_type == stun.BINDING_SUCCESS and message.is_signed_with(self._remote.pwd)
        if is_answer and not self._works:
            self._works = True
            self._handshake.start()


class _Source:
    """Numbers the packets of one track."""

    def __init__(self, payload_type: int) -> None:
        self.ssrc = secrets.randbits(32)
        self.packets = 0
        self.octets = 0
        self._payload_type = payload_type
        self._first_seq = secrets.randbelow(1 << 15)

    def packet(self, payload: bytes, timestamp: int, extensions: bytes, *, marker: bool = False) -> bytes:
        seq = self._first_seq + self.packets
        self.packets += 1
        self.octets += len(payload)
        is_padded = isinstance(payload, PaddedPayload)
        head = header.serialize_header(
            self._payload_type, marker, seq, timestamp, self.ssrc, extensions, padded=is_padded
        )
        return head + payload
