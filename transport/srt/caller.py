"""Calling an SRT listener, or meeting a peer that calls us at the same time (rendezvous)."""

from __future__ import annotations

import threading
import time

from transport.errors import LinkError, StateError, WireError
from transport.srt.abi import Option, Reject, State
from transport.srt.address import pack_sockaddr, resolve
from transport.srt.connection import SrtConnection
from transport.srt.libsrt import Libsrt, SrtError, load
from transport.srt.options import SrtOptions
from transport.srt.settings import apply_options
from transport.srt.wire import Mode, RejectReason, SrtTarget, StreamId, parse_stream_id

# How soon a cancelled call is noticed.
_SLICE_MS = 50

# How long "broken" without a reason may turn out to be "connected" after all.
_UNSETTLED_S = 0.5

_REASONS: dict[int, tuple[str, str]] = {
    # All that gosrt, in MediaMTX, says of a stream that nobody publishes, of a password and of a passphrase.
    Reject.PEER: (
        "refused",
        "the listener does not say why it refuses; the stream, the stream id or the passphrase may be wrong, "
        "or nobody publishes it",
    ),
    Reject.BADSECRET: ("unauthorized", "wrong passphrase"),
    Reject.UNSECURE: ("unauthorized", "one side has a passphrase and the other has none"),
    Reject.TIMEOUT: ("timeout", "no answer"),
    # Connected and closed again before we looked, as when the listener finds the key too short.
    Reject.UNKNOWN: ("ended", "the listener hung up at once"),
    RejectReason.UNAUTHORIZED: ("unauthorized", "wrong stream key"),
    RejectReason.NOT_FOUND: ("not_found", "no such stream"),
    RejectReason.FORBIDDEN: ("refused", "forbidden"),
    RejectReason.CONFLICT: ("refused", "the stream is being published already"),
    RejectReason.BAD_REQUEST: ("refused", "the listener did not understand the stream id"),
    RejectReason.BAD_MODE: ("refused", "the listener does not offer this mode"),
    RejectReason.OVERLOADED: ("refused", "the listener is overloaded"),
    RejectReason.INTERNAL: ("refused", "the listener failed"),
}


class ConnectError(LinkError):
    """A connection could not be made.

    Attributes:
        reject_code: SRT's reject reason: libsrt's own below 1000, the listener's from 1000 on; 0 for none.
    """

    def __init__(self, reason: str, message: str, reject_code: int = 0) -> None:
        super().__init__(reason, message)
        self.reject_code = reject_code


def connect(
    target: SrtTarget, options: SrtOptions | None = None, *, cancelled: threading.Event | None = None
) -> SrtConnection:
    """Connect; waits at most `connect_timeout_ms` for each address of the host (one per IP version).

    Args:
        target: a caller's or a rendezvous'.
        options: instead of the target's own.
        cancelled: set from another thread to give up within 50 ms.

    Raises:
        ConnectError: `unauthorized`, `not_found`, `refused`, `timeout`, `unreachable`, `ended` (cancelled),
            with the number of the listener's reason.
        LinkError: `unsupported`, no libsrt; `unreachable`, the name has no address.
        StateError: the target is a listener.
    """
    if target.mode == "listener":
        raise StateError("an SRT target of mode listener is for SrtListener")
    library = load()
    options = options or target.options
    error: ConnectError | None = None
    for address in resolve(target.host, target.port):
        try:
            return _Attempt(library, target, options, address).run(cancelled or threading.Event())
        except ConnectError as failed:
            if failed.reason not in ("timeout", "unreachable"):
                raise
            error = error or failed
    raise error or ConnectError("unreachable", f"{target.host!r} has no address")


class _Attempt:
    """One address tried."""

    def __init__(
        self, library: Libsrt, target: SrtTarget, options: SrtOptions, address: tuple[str, int, int]
    ) -> None:
        self._library = library
        self._target = target
        self._options = options
        self._address = address
        self._name = f"{address[0]} port {address[1]}"

    def run(self, cancelled: threading.Event) -> SrtConnection:
        try:
            socket = self._library.create_socket()
        except SrtError as error:
            raise ConnectError("unreachable", f"{self._name}: {error}") from error
        try:
            self._begin(socket)
            self._wait(socket, cancelled)
            self._block_on_send(socket)
        except SrtError as error:
            self._library.close(socket)
            raise ConnectError("unreachable", f"{self._name}: {error}") from error
        except BaseException:
            self._library.close(socket)
            raise
        stream_id, peer = _stream_id(self._target.stream_id), self._address[:2]
        connection = SrtConnection(self._library, socket, stream_id, peer, self._options)
        self._check_key(connection)
        return connection

    def _begin(self, socket: int) -> None:
        library, options = self._library, self._options
        apply_options(library, socket, options)
        if options.passphrase is not None:
            library.set_option(socket, Option.PASSPHRASE, options.passphrase)
            library.set_option(socket, Option.PBKEYLEN, options.pbkeylen)
        if self._target.stream_id:
            library.set_option(socket, Option.STREAMID, self._target.stream_id)
        for option in (Option.RCVSYN, Option.SNDSYN):
            library.set_option(socket, option, False)
        rendezvous = self._target.mode == "rendezvous"
        if rendezvous:
            library.set_option(socket, Option.RENDEZVOUS, True)
        local_port = self._target.local_port or (self._target.port if rendezvous else 0)
        if local_port:
            v6 = ":" in self._address[0]
            if v6:
                library.set_option(socket, Option.IPV6ONLY, 1)
            library.bind(socket, pack_sockaddr(("::" if v6 else "0.0.0.0", local_port, 0)))
        library.connect(socket, pack_sockaddr(self._address))

    def _wait(self, socket: int, cancelled: threading.Event) -> None:
        library = self._library
        # libsrt takes ten times as long for a rendezvous as it was told.
        deadline = time.monotonic() + self._options.connect_timeout_ms / 1000
        poll = library.poll_writable(socket)
        try:
            while (state := self._settled(socket)) == State.CONNECTING:
                if cancelled.is_set():
                    raise ConnectError("ended", f"{self._name}: cancelled")
                if time.monotonic() >= deadline:
                    raise ConnectError("timeout", f"{self._name}: no answer", Reject.TIMEOUT)
                library.wait_writable(poll, _SLICE_MS)
        finally:
            library.release_poll(poll)
        if state != State.CONNECTED:
            raise self._rejected(socket)

    def _settled(self, socket: int) -> int:
        """The state, looked at again while libsrt 1.5.1 might call a connection broken that is being made.

        It takes the mark "connecting" off before it puts "connected" on, and whoever asks in between, which
        lasts long when its thread has lost the CPU there, hears "broken" without a reason.
        """
        library = self._library
        deadline = time.monotonic() + _UNSETTLED_S
        while (state := library.state(socket)) == State.BROKEN:
            if library.reject_reason(socket)[0] != Reject.UNKNOWN or time.monotonic() >= deadline:
                break
            time.sleep(_UNSETTLED_S / 100)
        return state

    def _block_on_send(self, socket: int) -> None:
        try:
            self._library.set_option(socket, Option.SNDSYN, True)
        except SrtError as error:
            raise ConnectError("ended", f"{self._name}: the listener hung up at once") from error

    def _check_key(self, connection: SrtConnection) -> None:
        # A listener may propose a shorter key, and libsrt follows it.
        options = self._options
        try:
            if options.passphrase is None or (used := connection.key_bytes) >= options.pbkeylen:
                return
        except LinkError as error:
            connection.close()
            raise ConnectError(error.reason, f"{self._name}: {error}") from error
        connection.close()
        raise ConnectError(
            "unauthorized",
            f"{self._name}: encrypts with AES-{used * 8}, we demand AES-{options.pbkeylen * 8} (pbkeylen)",
        )

    def _rejected(self, socket: int) -> ConnectError:
        code, text = self._library.reject_reason(socket)
        reason, words = _REASONS.get(code, ("refused", text or "refused"))
        return ConnectError(reason, f"{self._name}: {words} (SRT reject reason {code})", code)


def _stream_id(text: str) -> StreamId:
    """Other servers have forms of their own; then only the name of our side is unknown."""
    try:
        return parse_stream_id(text.encode())
    except WireError:
        return StreamId(resource="", mode=Mode.REQUEST)
