"""Sources that the server fetches: cameras over RTSP, encoders that listen for SRT.

Each has a thread that connects, publishes and, when the source fails, tries again with growing pauses. What
it is doing, and why it is not live, stands in `Stream.ingest`.
"""

from __future__ import annotations

import dataclasses
import logging
import random
import secrets
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from streamer.config import Config
from streamer.encryption import Leg
from streamer.errors import AlreadyPublished, NoSuchStream
from streamer.hub.registry import Registry
from streamer.hub.stream import IngestStatus, Publisher, Stream
from streamer.ingest.session import TsSession
from streamer.sections.stream import StreamConfig
from transport.errors import TransportError
from transport.media import AccessUnit, Track
from transport.rtsp import RtspOptions, RtspSource, redact_url
from transport.srt import SrtTarget, connect, parse_srt_url

_log = logging.getLogger(__name__)

_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 15.0
# A source that ran this long has earned a quick retry.
_SETTLED_S = 10.0


class Source(Protocol):
    """Something to fetch units from, used by one thread; `close` may come from another."""

    def open(self) -> tuple[Track, ...]:
        """Connect; LinkError says why not."""
        ...

    def units(self) -> Iterator[AccessUnit]:
        """Units until the source fails with a LinkError."""
        ...

    @property
    def tracks(self) -> tuple[Track, ...]:
        """What is known to come."""
        ...

    def describe(self) -> dict[str, object]:
        """Statistics for the API."""
        ...

    def warnings(self) -> Iterable[str]:
        """What of its material cannot be used, in words."""
        ...

    def encryption(self) -> Leg | None:
        """What its media comes with; None while unknown."""
        ...

    def close(self) -> None:
        """End `open` and `units` promptly."""
        ...


class SrtPull:
    """An SRT peer that we call, or meet at a rendezvous.

    Args:
        target: where, and how.
        key_bytes: shortest AES key that will do, 0 for none at all.
    """

    def __init__(self, target: SrtTarget, key_bytes: int) -> None:
        self._target = target
        self._key_bytes = key_bytes
        self._cancelled = threading.Event()
        self._session: TsSession | None = None

    @property
    def tracks(self) -> tuple[Track, ...]:
        """What the programme map announces."""
        return self._session.tracks if self._session is not None else ()

    def open(self) -> tuple[Track, ...]:
        """Connect."""
        self._session = TsSession(connect(self._target, cancelled=self._cancelled), self._key_bytes)
        if self._cancelled.is_set():  # too late for `connect` to see, too early for `close` to find it
            self._session.connection.close()
        return ()

    def units(self) -> Iterator[AccessUnit]:
        """Units until the peer leaves."""
        assert self._session is not None
        return self._session.units()

    def describe(self) -> dict[str, object]:
        """Link and demuxer statistics."""
        return self._session.describe() if self._session is not None else {}

    def warnings(self) -> Iterable[str]:
        """What the demuxer cannot use."""
        return self._session.demuxer.warnings() if self._session is not None else ()

    def encryption(self) -> Leg | None:
        """What libsrt says."""
        return self._session.encryption() if self._session is not None else None

    def close(self) -> None:
        """End it."""
        self._cancelled.set()
        if self._session is not None:
            self._session.connection.close()


class RtspPull:
    """A camera."""

    def __init__(self, url: str, stream: StreamConfig) -> None:
        ca_file = str(stream.tls_ca_file) if stream.tls_ca_file is not None else ""
        options = RtspOptions(transport=stream.rtsp_transport, verify=stream.tls_verify, ca_file=ca_file)
        self._source = RtspSource(url, options)
        self._leg = _camera_leg(url, stream)
        self.tracks: tuple[Track, ...] = ()

    def open(self) -> tuple[Track, ...]:
        """Connect."""
        self.tracks = self._source.open()
        return self.tracks

    def units(self) -> Iterator[AccessUnit]:
        """Units until the camera leaves; what they tell of their tracks is known from then on."""
        for unit in self._source.units():
            if unit.track not in self.tracks:
                self.tracks = tuple(unit.track if unit.track.id == it.id else it for it in self.tracks)
            yield unit

    def describe(self) -> dict[str, object]:
        """Statistics."""
        return {"rtsp": dataclasses.asdict(self._source.statistics())}

    def warnings(self) -> Iterable[str]:
        """What the camera offers and cannot be used."""
        return self._source.warnings

    def encryption(self) -> Leg:
        """What can be known of it."""
        return self._leg

    def close(self) -> None:
        """End it."""
        self._source.close()


def _camera_leg(url: str, stream: StreamConfig) -> Leg:
    """Libav tells nothing of its TLS session: version and cipher are not known and cannot be demanded."""
    if not url.startswith("rtsps:"):
        return Leg("none", "unsecured", "an rtsp:// address is not encrypted")
    certificate = "certificate checked" if stream.tls_verify else "certificate not checked (tls_verify)"
    return Leg("TLS", "secured", f"{certificate}; version and cipher are not visible")


MakeSource = Callable[[StreamConfig, Config], Source]


def make_source(stream: StreamConfig, config: Config) -> Source:
    """What a stream's address asks for.

    Raises:
        TransportError: an address that cannot be used.
    """
    if not stream.source.startswith("srt:"):
        return RtspPull(stream.source, stream)
    options = config.srt.options
    if stream.passphrase is not None:
        options = dataclasses.replace(
            options, passphrase=stream.passphrase.get_secret_value(), pbkeylen=stream.pbkeylen
        )
    # What the address itself says wins.
    return SrtPull(parse_srt_url(stream.source, options), stream.encryption.key_bytes)


def carry(
    stream: Stream, source: Source, publisher: Publisher, is_wanted: Callable[[], bool]
) -> tuple[str, float]:
    """Open a source and publish what it brings, until it fails or is wanted no more.

    Returns:
        Why it ended, "" for being wanted no more; and for how many seconds it was live.
    """
    started = ran_s = 0.0
    reason = "the server failed"
    publication = None
    try:
        tracks = source.open()
        publication = stream.publish(publisher)
        publication.declare(tracks)
        for unit in source.units():
            started = started or unit.received_at
            publication.declare(source.tracks)
            publication.write(unit)
            ran_s = unit.received_at - started
            if not is_wanted():
                reason = ""
                break
        else:
            reason = "the source ended"
    except (TransportError, AlreadyPublished, NoSuchStream) as error:
        reason = str(error)
    except Exception:  # one source's trouble must stay its own
        _log.exception("%s: pull failed", stream.name)
    finally:
        source.close()
        if publication is not None:
            publication.close(reason or "nobody watches")
    return reason, ran_s


class Puller:
    """The thread behind one pulled stream."""

    def __init__(self, stream: Stream, config: Config, make: MakeSource) -> None:
        self._stream = stream
        self._config = config
        self._make = make
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._source: Source | None = None
        self._thread = threading.Thread(target=self._work, name=f"pull {stream.name}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ask the thread to end; returns at once."""
        self._stopping.set()
        self._stream.demand.wake()
        with self._lock:
            if self._source is not None:
                self._source.close()

    @property
    def alive(self) -> bool:
        """True until the thread has ended."""
        return self._thread.is_alive()

    def join(self) -> None:
        """Wait for the thread."""
        self._thread.join()

    def _work(self) -> None:
        pause = _FIRST_PAUSE_S
        said = ("", 0.0)
        while not self._stopping.is_set():
            if not self._wanted():
                continue
            reason, ran_s = self._pull()
            if self._stopping.is_set():
                break
            if not reason:  # nobody watches any more
                continue
            pause = _FIRST_PAUSE_S if ran_s > _SETTLED_S else pause
            wait = pause * random.uniform(0.8, 1.2)
            self._stream.ingest = IngestStatus("retrying", reason)
            # Not for days each time, once the pauses have grown.
            if (reason, pause) != said:
                _log.warning("%s: %s; trying again in %.1f s", self._stream.name, reason, wait)
            said = reason, pause
            self._stopping.wait(wait)
            pause = min(pause * 2, _LONGEST_PAUSE_S)
        self._stream.ingest = IngestStatus("stopped")

    def _wanted(self) -> bool:
        if not self._stream.config.on_demand:
            return True
        if self._stream.demand.idle_s > 0 and self._stream.ingest.state != "idle":
            self._stream.ingest = IngestStatus("idle", "pulled only while somebody watches")
        return self._stream.demand.wait(1.0)

    def _pull(self) -> tuple[str, float]:
        """Connect and publish until it ends; the reason, and seconds it was live. "" means on purpose."""
        stream = self._stream
        # Why it failed before is told until it works: who looks seldom does so between two tries.
        stream.ingest = IngestStatus(
            "connecting", stream.ingest.reason if stream.ingest.state == "retrying" else ""
        )
        try:
            source = self._make(stream.config, self._config)
        except TransportError as error:
            return str(error), 0.0
        except Exception:  # must not end the thread: nobody would try again
            _log.exception("%s: cannot be pulled", stream.name)
            return "the server failed", 0.0
        with self._lock:
            self._source = source
        try:
            if self._stopping.is_set():
                return "", 0.0
            publisher = Publisher(
                id=secrets.token_hex(4),
                protocol=stream.config.source.partition(":")[0],
                address=redact_url(stream.config.source),
                describe=source.describe,
                warnings=source.warnings,
                stop=source.close,
                encryption=source.encryption,
            )
            return carry(stream, source, publisher, self._is_still_wanted)
        finally:
            with self._lock:
                self._source = None

    def _is_still_wanted(self) -> bool:
        config = self._stream.config
        return not (config.on_demand and self._stream.demand.idle_s > config.on_demand_idle_s)


class PullIngest:
    """Keeps a `Puller` for every stream that is pulled.

    Args:
        config: defaults of SRT pulls.
        registry: tells which streams come and go.
        make: builds what a stream is fetched with.
    """

    def __init__(self, config: Config, registry: Registry, make: MakeSource = make_source) -> None:
        self._config = config
        self._make = make
        self._pullers: dict[str, Puller] = {}
        self._ending: list[Puller] = []
        registry.on_add.append(self._add)
        registry.on_remove.append(self._remove)

    def close(self) -> None:
        """End every pull and wait for the threads."""
        for puller in self._pullers.values():
            puller.stop()
        for puller in [*self._pullers.values(), *self._ending]:
            puller.join()
        self._pullers.clear()

    def _add(self, stream: Stream) -> None:
        if not stream.config.is_published:
            self._pullers[stream.name] = Puller(stream, self._config, self._make)

    def _remove(self, stream: Stream) -> None:
        puller = self._pullers.pop(stream.name, None)
        if puller is not None:
            puller.stop()
            self._ending = [other for other in self._ending if other.alive]
            self._ending.append(puller)
