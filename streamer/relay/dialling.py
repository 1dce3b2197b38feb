"""How a relay connects: how long it waits, which of a platform's ingests it takes, which cipher is enough."""

from __future__ import annotations

from dataclasses import replace

from streamer.encryption import Floor, key_bytes_of
from streamer.relay.destination import Destination
from streamer.relay.errors import RelayRefused
from streamer.relay.platforms.broadcast import Ingest
from transport.media import Codec
from transport.output import Push, PushOptions

_FIRST_CONNECT_S = 10.0
# Once it is known how long a connection takes, one that takes four times as long is tried again: a network
# that comes back between two repetitions of a lost packet would be noticed seconds later.
_CONNECT_FACTOR = 4.0
_LEAST_CONNECT_S = 2.5
# Then the destination may really have become slow.
_PATIENT_AGAIN_AFTER = 20
_STALL_S = 5.0
_CLOSE_S = 1.0
_TRIES_BEFORE_BACKUP = 3


class Dialling:
    """What is learnt about connecting to one destination.

    Attributes:
        took_s: how long it took last; None before it did.
    """

    def __init__(self, destination: Destination) -> None:
        self.took_s: float | None = None
        self._destination = destination

    def options(self, start_ms: int, failures: int) -> PushOptions:
        """For the next connection.

        Args:
            start_ms: where the output's time goes on.
            failures: tries in vain since it last worked.
        """
        connect_s = _FIRST_CONNECT_S
        if self.took_s is not None and failures < _PATIENT_AGAIN_AFTER:
            connect_s = min(_FIRST_CONNECT_S, max(_LEAST_CONNECT_S, _CONNECT_FACTOR * self.took_s))
        return PushOptions(
            start_ms=start_ms,
            connect_timeout_s=connect_s,
            command_timeout_s=connect_s,
            stall_timeout_s=_STALL_S,
            close_timeout_s=_CLOSE_S,
            ca_file=str(self._destination.tls_ca_file or ""),
            enhanced=Codec.H265 in self._destination.codecs,
        )


def choose_ingest(ingest: Ingest, failures: int) -> Ingest:
    """The platform's second ingest every other time, when the first does not answer again and again."""
    if ingest.backup_url and failures >= _TRIES_BEFORE_BACKUP and failures % 2:
        return replace(ingest, url=ingest.backup_url)
    return ingest


def check_cipher(floor: Floor, push: Push) -> None:
    """Hold what was negotiated to a stream's `encryption`.

    Raises:
        RelayRefused: it is less.
    """
    found = push.statistics().encryption
    if key_bytes_of(found) < floor.key_bytes:
        raise RelayRefused(f'the destination agreed on {found}; encryption = "{floor}" needs more')
