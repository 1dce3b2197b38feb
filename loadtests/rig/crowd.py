"""Many viewers in one process: WHEP, ICE and DTLS for real, media dropped by the kernel or checked.

What a viewer does after joining costs as little as possible: a timer per crowd sends consent checks and
receiver reports, and only those who check read media at all.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import re
import secrets
import socket
import struct
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import aiohttp
import pylibsrtp
from aiortc.rtcdtlstransport import RTCCertificate
from OpenSSL import SSL
from yarl import URL

from transport.plane import stun
from transport.rtp import rtcp

_SO_ATTACH_FILTER = 26
_CHECK_S = 5.0
_TICK_S = 0.25
_PROFILE = b"SRTP_AEAD_AES_256_GCM"
_KEY_BYTES, _SALT_BYTES = 32, 12

# Load byte 8 (behind the UDP header); below 128 it is STUN or DTLS: keep. Load byte 9; 192-223 is RTCP: keep.
_FILTER = (
    (0x30, 0, 0, 8),
    (0x35, 0, 3, 128),
    (0x30, 0, 0, 9),
    (0x35, 0, 2, 192),
    (0x35, 1, 0, 224),
    (0x06, 0, 0, 0xFFFF),
    (0x06, 0, 0, 0),
)

_OFFER = """v=0\r
o=- {id} 1 IN IP4 0.0.0.0\r
s=-\r
t=0 0\r
a=group:BUNDLE 0 1\r
m=video 9 UDP/TLS/RTP/SAVPF 102 103\r
c=IN IP4 0.0.0.0\r
a=mid:0\r
a=recvonly\r
a=rtcp-mux\r
a=ice-ufrag:{ufrag}\r
a=ice-pwd:{pwd}\r
a=fingerprint:sha-256 {fingerprint}\r
a=setup:active\r
a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r
a=rtpmap:102 H264/90000\r
a=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f\r
a=rtcp-fb:102 nack\r
a=rtcp-fb:102 nack pli\r
a=rtpmap:103 rtx/90000\r
a=fmtp:103 apt=102\r
m=audio 9 UDP/TLS/RTP/SAVPF 111\r
c=IN IP4 0.0.0.0\r
a=mid:1\r
a=recvonly\r
a=rtcp-mux\r
a=ice-ufrag:{ufrag}\r
a=ice-pwd:{pwd}\r
a=fingerprint:sha-256 {fingerprint}\r
a=setup:active\r
a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r
a=rtpmap:111 opus/48000/2\r
a=fmtp:111 minptime=10;useinbandfec=1\r
"""


@dataclass
class Joined:
    """One viewer that is being served.

    Attributes:
        join_s: from the offer to the keys.
    """

    socket: socket.socket
    session: str
    ufrag: str
    pwd: str
    remote_ufrag: str
    tx: pylibsrtp.Session
    rx: pylibsrtp.Session
    ssrc: int
    join_s: float
    checks_media: bool
    checked_at: float = 0.0
    highest: dict[int, int] = field(default_factory=dict)
    received: dict[int, int] = field(default_factory=dict)
    first: dict[int, int] = field(default_factory=dict)
    undecipherable: int = 0


def attach_filter(sock: socket.socket) -> None:
    """Let the kernel drop media for this socket."""
    code = b"".join(struct.pack("HBBI", *line) for line in _FILTER)
    buffer = ctypes.create_string_buffer(code, len(code))
    sock.setsockopt(
        socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HL", len(_FILTER), ctypes.addressof(buffer))
    )


class Crowd:
    """Viewers of one WHEP endpoint. A context manager: they leave at its end."""

    def __init__(self, url: str, http: aiohttp.ClientSession) -> None:
        self._url = url
        self._http = http
        self._certificate = RTCCertificate.generateCertificate()
        self._fingerprint = next(
            f.value for f in self._certificate.getFingerprints() if f.algorithm == "sha-256"
        )
        self._viewers: list[Joined] = []
        self._keeper: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Begin to keep them alive."""
        self._keeper = asyncio.create_task(self._keep())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Leave."""
        if self._keeper is not None:
            self._keeper.cancel()
        for viewer in self._viewers:
            asyncio.get_running_loop().remove_reader(viewer.socket)
            async with self._http.delete(URL(self._url).join(URL(viewer.session))):
                pass
            viewer.socket.close()

    def checked(self) -> tuple[int, int, int]:
        """Packets decrypted by those who check, packets missing among them, packets that did not decrypt."""
        received = lost = undecipherable = 0
        for viewer in self._viewers:
            undecipherable += viewer.undecipherable
            for ssrc, count in viewer.received.items():
                received += count
                lost += viewer.highest[ssrc] - viewer.first[ssrc] + 1 - count
        return received, lost, undecipherable

    async def join(self, *, checks: bool) -> Joined:
        """Join as one viewer, and stay.

        Raises:
            RuntimeError: the server refused, or agreed on another cipher.
            TimeoutError: an answer did not come.
        """
        began = time.monotonic()
        ufrag, pwd = secrets.token_hex(4), secrets.token_hex(12)
        offer = _OFFER.format(
            id=secrets.randbelow(1 << 60), ufrag=ufrag, pwd=pwd, fingerprint=self._fingerprint
        )
        headers = {"Content-Type": "application/sdp"}
        async with self._http.post(self._url, data=offer, headers=headers) as answer:
            text = await answer.text()
            if answer.status != 201:
                raise RuntimeError(f"{answer.status}: {text}")
            session = answer.headers["Location"]
        remote_ufrag, remote_pwd = _field(text, "ice-ufrag"), _field(text, "ice-pwd")
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setblocking(False)
        if checks:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        else:
            attach_filter(sock)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", _port(text)))
        await _prove(sock, _check(ufrag, remote_ufrag, remote_pwd))
        tx, rx = await _handshake(sock, self._certificate)
        viewer = Joined(
            sock, session, ufrag, remote_pwd, remote_ufrag, tx, rx, 1, time.monotonic() - began, checks
        )
        viewer.checked_at = time.monotonic() - _CHECK_S * secrets.randbelow(1000) / 1000
        self._viewers.append(viewer)
        asyncio.get_running_loop().add_reader(sock, self._read, viewer)
        return viewer

    def _read(self, viewer: Joined) -> None:
        for _ in range(256):
            try:
                datagram = viewer.socket.recv(2048)
            except OSError:
                return
            if viewer.checks_media and datagram[0] >= 128 and not 192 <= datagram[1] < 224:
                _take(viewer, datagram)

    async def _keep(self) -> None:
        while True:
            now = time.monotonic()
            for viewer in self._viewers:
                if now - viewer.checked_at >= _CHECK_S:
                    viewer.checked_at = now
                    report = rtcp.serialize_compound([rtcp.ReceiverReport(viewer.ssrc)])
                    try:
                        viewer.socket.send(_check(viewer.ufrag, viewer.remote_ufrag, viewer.pwd))
                        viewer.socket.send(viewer.tx.protect_rtcp(report))
                    except OSError:
                        continue
            await asyncio.sleep(_TICK_S)


def _take(viewer: Joined, datagram: bytes) -> None:
    try:
        plain = viewer.rx.unprotect(datagram)
    except pylibsrtp.Error:
        viewer.undecipherable += 1
        return
    seq, ssrc = int.from_bytes(plain[2:4], "big"), int.from_bytes(plain[8:12], "big")
    highest = viewer.highest.setdefault(ssrc, seq)
    viewer.first.setdefault(ssrc, seq)
    viewer.highest[ssrc] = max(highest, highest + ((seq - highest + 0x8000) & 0xFFFF) - 0x8000)
    viewer.received[ssrc] = viewer.received.get(ssrc, 0) + 1


def _field(sdp: str, name: str) -> str:
    found = re.search(rf"a={name}:(\S+)", sdp)
    if found is None:
        raise RuntimeError(f"no {name} in the answer")
    return found[1]


def _port(sdp: str) -> int:
    found = re.search(r"a=candidate:\S+ 1 udp \d+ \S+ (\d+)", sdp, re.IGNORECASE)
    if found is None:
        raise RuntimeError("no UDP candidate in the answer")
    return int(found[1])


def _check(ufrag: str, remote_ufrag: str, remote_pwd: str) -> bytes:
    attributes = {
        stun.USERNAME: f"{remote_ufrag}:{ufrag}".encode(),
        stun.ICE_CONTROLLING: bytes(8),
        stun.USE_CANDIDATE: b"",
    }
    return stun.serialize(stun.BINDING_REQUEST, os.urandom(12), attributes, remote_pwd)


async def _prove(sock: socket.socket, check: bytes) -> None:
    """Send a check until it is answered."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(30):
        while True:
            sock.send(check)
            try:
                if (await asyncio.wait_for(loop.sock_recv(sock, 2048), 0.5))[0] < 4:
                    return
            except TimeoutError:
                continue


async def _handshake(
    sock: socket.socket, certificate: RTCCertificate
) -> tuple[pylibsrtp.Session, pylibsrtp.Session]:
    loop = asyncio.get_running_loop()
    context = SSL.Context(SSL.DTLS_METHOD)
    context.set_verify(SSL.VERIFY_NONE, lambda *_: True)
    context.use_certificate(certificate._cert)
    context.use_privatekey(certificate._key)
    context.set_tlsext_use_srtp(_PROFILE)
    connection = SSL.Connection(context)
    connection.set_connect_state()
    async with asyncio.timeout(30):
        while True:
            try:
                connection.do_handshake()
                _flush(connection, sock)
                break
            except SSL.WantReadError:
                _flush(connection, sock)
            while True:
                try:
                    datagram = await asyncio.wait_for(loop.sock_recv(sock, 2048), 1.0)
                except TimeoutError:
                    connection.DTLSv1_handle_timeout()
                    _flush(connection, sock)
                    continue
                if 20 <= datagram[0] < 64:
                    connection.bio_write(datagram)
                    break
    if connection.get_selected_srtp_profile() != _PROFILE:
        raise RuntimeError(f"the server chose {connection.get_selected_srtp_profile()!r}")
    size = _KEY_BYTES + _SALT_BYTES
    material = connection.export_keying_material(b"EXTRACTOR-dtls_srtp", 2 * size)
    client = material[:_KEY_BYTES] + material[2 * _KEY_BYTES :][:_SALT_BYTES]
    server = material[_KEY_BYTES : 2 * _KEY_BYTES] + material[2 * _KEY_BYTES + _SALT_BYTES :]
    profile = pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_256_GCM
    kinds = (pylibsrtp.Policy.SSRC_ANY_OUTBOUND, pylibsrtp.Policy.SSRC_ANY_INBOUND)
    tx, rx = (
        pylibsrtp.Session(pylibsrtp.Policy(key=key, ssrc_type=kind, srtp_profile=profile))
        for key, kind in zip((client, server), kinds, strict=True)
    )
    return tx, rx


def _flush(connection: SSL.Connection, sock: socket.socket) -> None:
    while True:
        try:
            datagram = connection.bio_read(4096)
        except SSL.Error:
            return
        # Records of one flight, put together by OpenSSL: small enough for loopback.
        sock.send(datagram)
