"""Streams that are published to another machine, fetched from it while somebody here wants them.

The other machine serves this one as it serves anybody who reads over SRT. A stream is fetched once, however
many watch it here; an encoder that calls this machine takes its place. Where several machines have it, one
that it could not be fetched from is asked again when none of the others is left.
"""

from __future__ import annotations

import dataclasses
import logging
import secrets
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from streamer.callers import MACHINE_KEY
from streamer.hub.stream import IngestStatus, Publisher, Stream
from streamer.ingest.pull import SrtPull, carry
from transport.srt import Mode, SrtOptions, StreamId, parse_srt_url, serialize_stream_id

_log = logging.getLogger(__name__)

_KEY_BYTES = 32
#: After the last one who wanted it, as somebody who reloads comes back at once.
_IDLE_S = 10.0
_PAUSE_S = 0.5


@dataclass(frozen=True, slots=True)
class Machine:
    """Another machine that has a stream.

    Attributes:
        node: its name.
        address: host:port of its SRT port.
        since: when its publisher came, seconds since 1970.
    """

    node: str
    address: str
    since: float = field(compare=False)


class EdgeIngest:
    """A thread for each stream that is wanted here and published elsewhere.

    Args:
        options: of SRT connections.
        secret: the machines' passphrase among themselves.
        node: this machine's name.
        find: which machines have a stream, the one to be preferred first; asked from any thread.
    """

    def __init__(
        self, options: SrtOptions, secret: str, node: str, find: Callable[[str], Sequence[Machine]]
    ) -> None:
        self._options = dataclasses.replace(options, passphrase=secret, pbkeylen=_KEY_BYTES)
        self._node = node
        self._find = find
        self._lock = threading.Lock()
        self._fetching: dict[Stream, _Fetch] = {}
        # Which machines a stream could not be fetched from, and of which publisher's coming.
        self._failed: dict[Stream, set[tuple[Machine, float]]] = {}
        self._ended: list[_Fetch] = []
        self._is_closed = False

    def follow(self, stream: Stream) -> None:
        """Look after a stream from now on."""
        if stream.config.is_published:
            stream.demand.on_wanted.append(lambda: self.look(stream))

    def look(self, stream: Stream) -> None:
        """Fetch a stream where that is needed, and stop where it moved. Any thread; returns at once."""
        if not stream.config.is_published:
            return
        machine = self._choose(stream)
        is_here = stream.own_publisher is not None
        stream.elsewhere_since = machine.since if machine is not None and not is_here else None
        if stream.ingest.state == "retrying" and (machine is None or stream.demand.idle_s):
            stream.ingest = IngestStatus("waiting")
        with self._lock:
            fetch = self._fetching.get(stream)
            if fetch is not None and not fetch.alive:
                del self._fetching[stream]
                fetch = None
            if fetch is not None:
                if fetch.machine != machine:
                    fetch.leave()
                return
            if machine is None or self._is_closed or stream.publisher is not None or stream.demand.idle_s:
                return
            try:
                self._fetching[stream] = _Fetch(stream, machine, self._source(stream, machine), self._left)
            except RuntimeError as error:
                _log.error("%s: no thread to fetch it: %s", stream.name, error)

    def _choose(self, stream: Stream) -> Machine | None:
        """The first of those that have it which did not fail, or the first of all."""
        machines = self._find(stream.name)
        with self._lock:
            failed = self._failed.get(stream, set())
            failed &= {(machine, machine.since) for machine in machines}
            left = [machine for machine in machines if (machine, machine.since) not in failed]
            if not left:
                self._failed.pop(stream, None)
        return next(iter(left or machines), None)

    def comes(self, stream: Stream, machine: Machine) -> bool:
        """Whether a stream's media comes from that machine now."""
        publisher = stream.publisher
        with self._lock:
            fetch = self._fetching.get(stream)
            return (
                fetch is not None and fetch.machine == machine and publisher is not None and publisher.is_edge
            )

    def forget(self, stream: Stream) -> None:
        """It is not configured any more."""
        with self._lock:
            fetch = self._fetching.pop(stream, None)
            self._failed.pop(stream, None)
            self._ended = [each for each in self._ended if each.alive]
            if fetch is not None:
                fetch.stop()
                self._ended.append(fetch)

    def close(self) -> None:
        """End them all and wait for the threads."""
        with self._lock:
            self._is_closed = True
            fetches = [*self._fetching.values(), *self._ended]
        for fetch in fetches:
            fetch.stop()
        for fetch in fetches:
            fetch.join()

    def _left(self, stream: Stream, fetch: _Fetch) -> None:
        """It ended by itself, or as the stream moved; another one that has it may be asked at once."""
        with self._lock:
            if fetch.has_failed:
                self._failed.setdefault(stream, set()).add((fetch.machine, fetch.machine.since))
            if self._fetching.get(stream) is not fetch:
                return
            del self._fetching[stream]
            self._ended = [*(each for each in self._ended if each.alive), fetch]
        if not fetch.has_failed or len(self._find(stream.name)) > 1:
            self.look(stream)

    def _source(self, stream: Stream, machine: Machine) -> SrtPull:
        asked = StreamId(resource=stream.name, mode=Mode.REQUEST, extra=((MACHINE_KEY, self._node),))
        target = dataclasses.replace(
            parse_srt_url(f"srt://{machine.address}", self._options),
            stream_id=serialize_stream_id(asked).decode(),
        )
        return SrtPull(target, _KEY_BYTES)


class _Fetch:
    """One connection to another machine, in a thread of its own, until it ends.

    Args:
        left: called from that thread as its last act, after `leave` and when it failed.

    Attributes:
        has_failed: it ended, and not because somebody asked it to.
    """

    def __init__(
        self, stream: Stream, machine: Machine, source: SrtPull, left: Callable[[Stream, _Fetch], None]
    ) -> None:
        self.machine = machine
        self.has_failed = False
        self._left = left
        self._leaves = False
        self._stream = stream
        self._source = source
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name=f"edge {stream.name}", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """True until the thread has ended."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """Ask it to end; returns at once."""
        self._stopping.set()
        self._source.close()

    def leave(self) -> None:
        """Ask it to end, as the stream is not there any more; returns at once."""
        self._leaves = True
        self.stop()

    def join(self) -> None:
        """Wait for the thread."""
        self._thread.join()

    def _work(self) -> None:
        self._carry()
        if self._leaves or self.has_failed:
            self._left(self._stream, self)

    def _carry(self) -> None:
        stream, source = self._stream, self._source
        publisher = Publisher(
            id=secrets.token_hex(4),
            protocol="srt",
            address=f"machine {self.machine.node} ({self.machine.address})",
            describe=source.describe,
            warnings=source.warnings,
            stop=self.stop,
            since=self.machine.since,
            encryption=source.encryption,
            is_edge=True,
        )
        reason, _ = carry(stream, source, publisher, lambda: stream.demand.idle_s <= _IDLE_S)
        if reason and not self._stopping.is_set():
            self.has_failed = True
            failure = IngestStatus("retrying", f"machine {self.machine.node}: {reason}")
            # Once, as it is tried again every second.
            if (stream.ingest.state, stream.ingest.reason) != (failure.state, failure.reason):
                _log.warning("%s: from machine %s: %s", stream.name, self.machine.node, reason)
                if stream.publisher is None:
                    stream.ingest = failure
            # Whoever starts the next one looks whether this one still runs.
            self._stopping.wait(_PAUSE_S)
