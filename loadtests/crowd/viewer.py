"""One viewer: a UDP socket, ICE, DTLS, and reports about what it receives."""

from __future__ import annotations

import asyncio
import os
import random
import secrets
import socket
import time
from collections.abc import Callable

import pylibsrtp

from loadtests.crowd import kernel, sdp
from loadtests.crowd.dtls import Handshake, Identity, Keys
from loadtests.crowd.line import Line
from loadtests.crowd.reception import Reception
from loadtests.crowd.tally import Counts
from transport.errors import WireError
from transport.plane import stun
from transport.plane.interface import SrtpProfile
from transport.rtp import rtcp

#: RFC 7675 section 5.1: every 5 s, give or take a fifth.
_CONSENT_S = (4.0, 6.0)
_REPORT_S = (1.0, 2.0)
_CHECK_AGAIN_S = 0.1
_RECEIVE_BYTES = 8 << 20
#: Who only counts may do so later, and is not woken for every picture.
_COUNT_EVERY_S = 0.1
_AT_ONCE = 128
_ROOM = memoryview(bytearray(1 << 16))  # of all viewers, which receive one after the other
#: Media that overtook the handshake's last flight.
_MOST_EARLY = 2000
_PROFILES = {
    SrtpProfile.AEAD_AES_256_GCM: pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_256_GCM,
    SrtpProfile.AEAD_AES_128_GCM: pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_128_GCM,
    SrtpProfile.AES128_CM_SHA1_80: pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
}


class Viewer:
    """One viewer. Event loop only.

    Args:
        identity: the crowd's certificate.
        host: the address of this machine it watches from.
        checks: it decrypts and counts all media; else the kernel drops them.
        line: what it watches by, if it checks; None for a perfect one.

    Attributes:
        local: what its SDP says.
        leave_url: where to say goodbye, once known.
        profile: what SRTP uses, "" before the handshake.
        started_at: time.monotonic() of its making.
        first_packet_at: of the first media it could decrypt, 0 before.
        on_media: is given every RTP packet it decrypted, without retransmissions.
    """

    def __init__(self, identity: Identity, host: str, *, checks: bool, line: Line | None = None) -> None:
        self.checks = checks
        self.leave_url = ""
        self.profile = ""
        self.started_at = time.monotonic()
        self.first_packet_at = 0.0
        self.on_media: Callable[[bytes], None] | None = None
        self._identity = identity
        self._line = line
        self._loop = asyncio.get_running_loop()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        if checks:
            kernel.widen(self._socket, _RECEIVE_BYTES)
            kernel.receive_runs(self._socket)
        else:
            kernel.drop_media(self._socket)
        self._socket.bind((host, 0))
        self.local = sdp.Local(
            secrets.token_hex(4), secrets.token_hex(12), identity.fingerprint, self._socket.getsockname()
        )
        self._remote: sdp.Remote | None = None
        self._handshake: Handshake | None = None
        self._works = False
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._controlling = {
            stun.PRIORITY: (110 << 24 | 0xFFFFFF).to_bytes(4, "big"),
            stun.ICE_CONTROLLING: os.urandom(8),
            stun.USE_CANDIDATE: b"",
        }
        self._rx: pylibsrtp.Session | None = None
        self._tx: pylibsrtp.Session | None = None
        self._ssrc = secrets.randbits(32)
        self._early: list[bytes] = []
        self._reception = Reception(line)
        self._counts = self._reception.counts
        self._counts.checked = int(checks)

    async def connect(self, remote: sdp.Remote, timeout_s: float = 30.0) -> None:
        """Check the path, shake hands, begin to receive.

        Raises:
            TimeoutError: no answer in time.
            ConnectionError: DTLS failed.
        """
        if self._line is not None:
            await asyncio.sleep(self._line.setup_s)
        self._remote = remote
        self._reception.rtx_types = remote.rtx_types
        self._socket.connect(remote.address)
        self._handshake = Handshake(self._identity, not remote.speaks_first, self._send)
        self._loop.add_reader(self._socket.fileno(), self._readable)
        self._check()
        try:
            async with asyncio.timeout(timeout_s):
                keys = await self._handshake.keys
        except TimeoutError:
            what = "DTLS handshake" if self._works else "answer to ICE checks"
            raise TimeoutError(f"no {what} within {timeout_s:g} s") from None
        self._begin(keys)
        if not self.checks:
            kernel.drop_media(self._socket, has_keys=True)
        if not remote.speaks_first:
            # The server's Finished was the last flight: OpenSSL has nothing left to do.
            self._handshake.stop()
            self._handshake = None

    def counts(self) -> Counts:
        """What arrived so far."""
        counts, in_kernel = self._counts, kernel.dropped(self._socket)
        counts.expected = self._reception.expected()
        if self.checks:
            counts.overflowed = in_kernel
        else:
            counts.dropped_by_filter = in_kernel
        return counts

    def report(self) -> None:
        """Tell the server how much was lost until now, as who leaves does (RFC 3550 section 6.3.7)."""
        if self._tx is not None:
            blocks = self._reception.blocks(time.monotonic())
            self._send_rtcp(rtcp.ReceiverReport(self._ssrc, blocks))

    def ask_for_keyframe(self) -> None:
        """Say that the picture cannot be decoded (PLI)."""
        if self._reception.video:
            self._send_rtcp(rtcp.PictureLoss(self._ssrc, self._reception.video))
            self._counts.plis += 1

    def close(self) -> None:
        """Stop; says nothing to the server."""
        for timer in self._timers.values():
            timer.cancel()
        if self._handshake is not None:
            self._handshake.stop()
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()

    # Sending

    def _send(self, datagram: bytes) -> None:
        try:
            self._socket.send(datagram)
        except OSError:
            pass  # a full buffer or an ICMP error; every sender here repeats itself

    def _later(self, name: str, seconds: float, call: Callable[[], None]) -> None:
        self._timers[name] = self._loop.call_later(seconds, call)

    def _check(self) -> None:
        """Send a check, and again soon, until one was answered."""
        self._request()
        self._later("consent", _CHECK_AGAIN_S, self._check)

    def _consent(self) -> None:
        self._request()
        self._later("consent", random.uniform(*_CONSENT_S), self._consent)

    def _request(self) -> None:
        assert self._remote is not None
        username = f"{self._remote.ufrag}:{self.local.ufrag}".encode()
        attributes = {stun.USERNAME: username, **self._controlling}
        self._send(stun.serialize(stun.BINDING_REQUEST, os.urandom(12), attributes, self._remote.pwd))

    def _report_again(self) -> None:
        self.report()
        self._later("report", random.uniform(*_REPORT_S), self._report_again)

    def _send_rtcp(self, packet: rtcp.RtcpPacket) -> None:
        assert self._tx is not None
        self._send(self._tx.protect_rtcp(rtcp.serialize_compound([packet])))

    # Receiving

    def _readable(self) -> None:
        self._read()
        if self.first_packet_at and self._line is None and self.on_media is None:
            self._loop.remove_reader(self._socket.fileno())
            self._later("count", random.uniform(0, _COUNT_EVERY_S), self._count)

    def _count(self) -> None:
        self._read()
        self._later("count", _COUNT_EVERY_S, self._count)

    def _read(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                size, step = kernel.take_run(self._socket, _ROOM)
            except BlockingIOError:
                return
            except OSError:
                continue  # an ICMP error; the timeouts tell
            self._counts.wire_bytes += size
            if self._rx is not None and size >= 2 and _is_media(_ROOM[0], _ROOM[1]):
                self._take_media(size, step)  # all of it: nothing else comes in runs
            else:
                for at in range(0, size, step or 1):
                    self._take(bytes(_ROOM[at : min(at + step, size)]))

    def _take(self, data: bytes) -> None:
        if len(data) < 2:
            return
        first = data[0]
        if first < 4:
            self._take_stun(data)
        elif 20 <= first < 64:
            if self._handshake is not None:
                self._handshake.datagram(data)
        elif self._rx is None:
            if len(self._early) < _MOST_EARLY:
                self._early.append(data)
        else:
            self._take_rtcp(data)

    def _take_stun(self, data: bytes) -> None:
        assert self._remote is not None
        try:
            message = stun.parse(data)
        except WireError:
            return
        if message.message_type == stun.BINDING_REQUEST and message.is_signed_with(self.local.pwd):
            self._send(stun.binding_success(message, self._remote.address, self.local.pwd))
        elif message.message_type == stun.BINDING_ERROR and message.error_code == 487:
            # The peer offered and is no lite agent, so it nominates (RFC 8445 section 7.2.5.1).
            self._controlling.pop(stun.USE_CANDIDATE, None)
            tie = self._controlling.pop(stun.ICE_CONTROLLING, None)
            if tie is not None:
                self._controlling[stun.ICE_CONTROLLED] = tie
        elif message.message_type == stun.BINDING_SUCCESS and message.is_signed_with(self._remote.pwd):
            self._path_works()

    def _path_works(self) -> None:
        """The first check was answered: on with DTLS, and from now on only consent."""
        if self._works:
            return
        self._works = True
        self._timers.pop("consent").cancel()
        self._later("consent", random.uniform(*_CONSENT_S), self._consent)
        if self._handshake is not None:
            self._handshake.start()

    def _begin(self, keys: Keys) -> None:
        profile = _PROFILES[keys.profile]
        rx = pylibsrtp.Policy(keys.rx, pylibsrtp.Policy.SSRC_ANY_INBOUND, srtp_profile=profile)
        rx.window_size = 1024
        tx = pylibsrtp.Policy(keys.tx, pylibsrtp.Policy.SSRC_ANY_OUTBOUND, srtp_profile=profile)
        self._rx, self._tx = pylibsrtp.Session(rx), pylibsrtp.Session(tx)
        self.profile = keys.profile.value
        self._later("report", random.uniform(*_REPORT_S), self._report_again)
        early, self._early = self._early, []
        for data in early:
            if _is_media(data[0], data[1]):
                self._take_rtp(data, time.monotonic())
            else:
                self._take_rtcp(data)

    def _take_rtcp(self, data: bytes) -> None:
        assert self._rx is not None
        try:
            packets = rtcp.parse_compound(self._rx.unprotect_rtcp(data))
        except (pylibsrtp.Error, WireError):
            self._counts.undecipherable += 1
            return
        for packet in packets:
            if isinstance(packet, rtcp.SenderReport):
                self._reception.take_report(packet, time.monotonic())

    def _take_media(self, size: int, step: int) -> None:
        now = time.monotonic()
        for at in range(0, size, step):
            self._take_rtp(bytes(_ROOM[at : min(at + step, size)]), now)

    def _take_rtp(self, data: bytes, now: float) -> None:
        assert self._rx is not None
        try:
            plain = self._rx.unprotect(data)
        except pylibsrtp.Error:
            self._counts.undecipherable += 1
            return
        if self._reception.take(plain, now):
            if not self.first_packet_at:
                self.first_packet_at = now
            if self.on_media is not None:
                self.on_media(plain)
        if self._line is not None and (seqs := self._reception.wanted(now)):
            self._send_rtcp(rtcp.Nack(self._ssrc, self._reception.video, seqs))


def _is_media(first: int, second: int) -> bool:
    """Whether a datagram with these first bytes is RTP (RFC 7983, RFC 5761 section 4)."""
    return 128 <= first < 192 and not 192 <= second < 224
