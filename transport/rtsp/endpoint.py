"""A camera, pulled over RTSP by libav.

libav blocks, cannot be interrupted from outside, and closing it while another thread reads is fatal. So
everything of libav happens in one thread of its own, the receiver, and `RtspSource` only waits for what it
hands over: `close()` then takes effect at once for whoever waits, while the receiver notices with the
camera's next packet, or when the camera has been silent for the time allowed, and ends by itself.
"""

from __future__ import annotations

import os
import ssl
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

import av
import av.error
from av.container.input import InputContainer
from av.packet import Packet

from transport.errors import LinkError, StateError
from transport.media.unit import AccessUnit, Track
from transport.rtsp.address import check_url, redact_url
from transport.rtsp.description import StreamAssembler, describe
from transport.rtsp.failure import link_error, no_such_name

#: Units that wait for their reader; two seconds of an ordinary camera. Full: the receiver waits, and then the
#: camera, which drops pictures (TCP), or the kernel, which drops packets (UDP).
_MAX_WAITING = 128


@dataclass(frozen=True, slots=True)
class RtspOptions:
    """How to pull a camera.

    Attributes:
        transport: what the media travels over; "udp" where a network loses little and latency is all.
        connect_timeout_s: from the first packet to the camera to the first packet of media.
        silence_timeout_s: a camera that sends nothing for so long is gone.
        verify: check the certificate of an rtsps:// camera; without it anybody on the way can pose as it.
        ca_file: certificates to check it with, PEM; "" for the system's.
    """

    transport: Literal["tcp", "udp"] = "tcp"
    connect_timeout_s: float = 10.0
    silence_timeout_s: float = 10.0
    verify: bool = True
    ca_file: str = ""


@dataclass(frozen=True, slots=True)
class RtspStatistics:
    """What has come from a camera so far.

    Attributes:
        transport: "tcp" or "udp".
        packets: RTP packets with media, as libav hands them out.
        bytes: their payload.
        malformed: packets and pictures that could not be used.
        packets_lost: None: libav does not tell.
    """

    transport: str
    packets: int = 0
    bytes: int = 0
    malformed: int = 0
    packets_lost: int | None = None


class RtspSource:
    """One session with a camera, for an ingest thread: `open`, then iterate over `units`.

    `close`, `statistics` and `warnings` may be called from any thread; everything else from one.
    """

    def __init__(self, url: str, options: RtspOptions | None = None) -> None:
        """Make a source; nothing is sent yet.

        Args:
            url: rtsp:// or rtsps://, with user and password where the camera wants them.
            options: times and transport.

        Raises:
            LinkError: reason `unsupported`: another kind of address.
        """
        check_url(url)
        self._name = redact_url(url)
        self._options = options or RtspOptions()
        self._receiver = _Receiver(url, self._options)
        self._opened = False

    def open(self) -> tuple[Track, ...]:
        """Connect, and wait for the first packet of media.

        Returns:
            The tracks in the camera's order. What the camera's description lacks (parameter sets, sizes,
            channels) may be empty or wrong here; the units' tracks are right.

        Raises:
            LinkError: reason `refused`, `unauthorized`, `not_found`, `timeout`, `unreachable`, `unsupported`,
                or `ended` when it was closed meanwhile.
            StateError: opened before.
        """
        if self._opened:
            raise StateError("an RTSP source opens once")
        self._opened = True
        return self._receiver.start(self._options.connect_timeout_s)

    def units(self) -> Iterator[AccessUnit]:
        """Yield the units as they come; ends when the source is closed.

        Raises:
            LinkError: reason `ended` (the camera hung up), `silent` (it sends nothing any more).
            StateError: not opened.
        """
        if not self._opened:
            raise StateError("open the RTSP source first")
        while (unit := self._receiver.take(self._options.silence_timeout_s)) is not None:
            yield unit

    def close(self) -> None:
        """End `open` and `units` at once, wherever they wait. Idempotent, does not wait for the camera."""
        self._receiver.close()

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the camera offers and cannot be used, in words for its owner."""
        return self._receiver.warnings

    def statistics(self) -> RtspStatistics:
        """Read the counters of the session so far."""
        return self._receiver.statistics()

    def __repr__(self) -> str:
        return f"RtspSource({self._name!r})"


class _Receiver:
    """The thread that owns libav's session, and the bounded queue in front of it."""

    def __init__(self, url: str, options: RtspOptions) -> None:
        self._left_out: tuple[str, ...] = ()
        self._url = url
        self._options = options
        self._changed = threading.Condition()
        self._tracks: tuple[Track, ...] | None = None
        self._waiting: deque[AccessUnit] = deque()
        self._failure: Exception | None = None
        self._closed = False
        self._assemblers: dict[int, StreamAssembler] = {}
        self._packets = 0
        self._bytes = 0

    def start(self, timeout_s: float) -> tuple[Track, ...]:
        host = urlsplit(self._url).hostname
        threading.Thread(target=self._run, name=f"rtsp {host}", daemon=True).start()
        with self._changed:
            self._changed.wait_for(
                lambda: self._tracks is not None or self._failure or self._closed, timeout_s
            )
            if self._tracks is not None and not self._closed:
                return self._tracks
            failure = self._failure
            closed, self._closed = self._closed, True
        if closed:
            raise LinkError("ended", "closed while it was being opened")
        raise failure or LinkError("timeout", f"no media from the camera within {timeout_s:g} s")

    def take(self, timeout_s: float) -> AccessUnit | None:
        """Wait for the next unit; None when closed."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._waiting or self._failure or self._closed, timeout_s):
                raise LinkError("silent", f"nothing from the camera for {timeout_s:g} s")
            if self._closed:
                return None
            if self._waiting:
                self._changed.notify_all()
                return self._waiting.popleft()
            assert self._failure is not None
            raise self._failure

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._waiting.clear()
            self._changed.notify_all()

    @property
    def warnings(self) -> tuple[str, ...]:
        with self._changed:
            reasons = tuple(assembler.reason for assembler in self._assemblers.values() if assembler.reason)
            return self._left_out + reasons

    def statistics(self) -> RtspStatistics:
        with self._changed:
            malformed = sum(assembler.malformed for assembler in self._assemblers.values())
            return RtspStatistics(self._options.transport, self._packets, self._bytes, malformed)

    def _run(self) -> None:
        """Receive until the end; runs in the receiver's thread."""
        failure: Exception
        deadline = time.monotonic() + self._options.connect_timeout_s
        try:
            container = av.open(
                self._url,
                mode="r",
                format="rtsp",
                options=_libav_options(self._options),
                timeout=(self._options.connect_timeout_s, self._options.silence_timeout_s),
            )
            with container:
                self._open(container)
                failure = self._receive(container)
        except av.error.FFmpegError as error:
            failure = link_error(error, opened=self._tracks is not None, late=time.monotonic() >= deadline)
            if failure.reason == "unreachable":
                failure = no_such_name(urlsplit(self._url).hostname or "") or failure
        except LinkError as error:
            failure = error
        except Exception as error:  # ours; belongs to whoever waits, not to this thread
            failure = error
        with self._changed:
            self._failure = failure
            self._changed.notify_all()

    def _open(self, container: InputContainer) -> None:
        description = describe(container)
        with self._changed:
            self._assemblers = description.assemblers
            self._left_out = description.warnings
            self._tracks = description.tracks
            self._changed.notify_all()

    def _receive(self, container: InputContainer) -> LinkError:
        packet: Packet[Any]
        for packet in container.demux():
            received_at = time.monotonic()
            assembler = self._assemblers.get(packet.stream_index)
            # An empty packet is how libav says goodbye to a stream.
            units = (
                assembler.push(bytes(packet), packet.pts, received_at) if assembler and packet.size else []
            )
            if not self._hand_over(units, packet.size):
                break
        self._hand_over([unit for assembler in self._assemblers.values() for unit in assembler.flush()], 0)
        return LinkError("ended", "the camera ended the session")

    def _hand_over(self, units: list[AccessUnit], packet_bytes: int) -> bool:
        with self._changed:
            self._packets += packet_bytes > 0
            self._bytes += packet_bytes
            if units:
                self._changed.wait_for(lambda: len(self._waiting) < _MAX_WAITING or self._closed)
                if not self._closed:
                    self._waiting.extend(units)
                    self._changed.notify_all()
            return not self._closed


def _libav_options(options: RtspOptions) -> dict[str, str]:
    certificates = options.ca_file or _system_certificates()
    return {
        "rtsp_transport": options.transport,
        # A redirection must not lead to files or web pages.
        "protocol_whitelist": "rtsp,rtsps,rtp,udp,tcp,tls,crypto",
        # Without these, libav waits to see more of the pictures, and its parsers lose the first timestamp.
        "probesize": "32",
        "analyzeduration": "0",
        "fpsprobesize": "0",
        "fflags": "+noparse+nofillin",
        "buffer_size": str(1024 * 1024),  # of a UDP socket: a keyframe arrives in one burst
        "tls_verify": "1" if options.verify else "0",
        "user_agent": "Streamer",
        **({"ca_file": certificates} if certificates else {}),
    }


def _system_certificates() -> str:
    """Where this machine keeps its certificates: the libraries that come with PyAV look somewhere else."""
    paths = ssl.get_default_verify_paths()
    candidates = (paths.cafile, "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt")
    return next((path for path in candidates if path and os.path.exists(path)), "")
