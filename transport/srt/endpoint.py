"""Listening for SRT callers. Calling others is `caller.py`; what comes of both is `connection.py`.

libsrt runs its own threads: it tells us of each caller in the middle of the handshake (the listen hook),
where the stream id decides about refusal and passphrase. What passed is accepted by one thread of ours.
"""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from transport.errors import LinkError, TransportError, WireError
from transport.srt.abi import ListenHook, Option, State
from transport.srt.address import (
    Address,
    pack_sockaddr,
    resolve,
    unpack_sockaddr,
    unpack_sockaddr_at,
    why_not_bound,
)
from transport.srt.connection import SrtConnection
from transport.srt.libsrt import SrtError, load
from transport.srt.options import SrtOptions, check_encryption
from transport.srt.settings import apply_options
from transport.srt.wire import RejectReason, StreamId, parse_stream_id

_log = logging.getLogger(__name__)

# Connections that wait to be taken by the accept thread, which takes microseconds for each.
_BACKLOG = 64

# Between two looks at who passed the hook and is not taken yet: libsrt tells nobody whom it refuses itself.
_LOOK_S = 0.05

# Who is refused may call again a hundred times a second (VLC does): the same is logged once in so long.
_TOLD_EVERY_S = 10.0
_MAX_TOLD = 1024

# Older peers speak a handshake without stream id and settle on keys after it.
_OLDEST_PEER = 0x010300


@dataclass(frozen=True, slots=True)
class Admission:
    """How an admitted caller must encrypt.

    Attributes:
        passphrase: 10 to 79 bytes, or None for a stream without encryption.
        pbkeylen: shortest AES key accepted, in bytes: 16, 24 or 32. Ignored without a passphrase.

    Raises:
        ValueError: a value out of range.
    """

    passphrase: str | None = field(repr=False)
    pbkeylen: int = 16

    def __post_init__(self) -> None:
        check_encryption(self.passphrase, self.pbkeylen)


class Refused(TransportError):
    """Raised by `admit`: this caller may not connect.

    Attributes:
        code: what the caller is told.
    """

    def __init__(self, code: RejectReason, message: str) -> None:
        super().__init__(message)
        self.code = code


class WeakKey(LinkError):
    """An admitted caller encrypts with too short a key.

    Attributes:
        stream_id: what it wanted.
    """

    def __init__(self, stream_id: StreamId, message: str) -> None:
        super().__init__("unauthorized", message)
        self.stream_id = stream_id


@dataclass(frozen=True, slots=True)
class _Admitted:
    stream_id: StreamId
    admission: Admission
    peer: Address


class SrtListener:
    """A port that SRT callers connect to.

    A caller without the stream's passphrase, with another one, or with one where none is expected is
    refused by libsrt itself during the handshake.
    """

    def __init__(
        self,
        address: Address,
        options: SrtOptions,
        admit: Callable[[StreamId, Address], Admission],
        on_connection: Callable[[SrtConnection], None],
        on_refused: Callable[[Address, TransportError], None] | None = None,
    ) -> None:
        """Start to listen; callers are answered from now on.

        Args:
            address: host ("" or "::" for every address, IPv4 and IPv6) and port, 0 for any free one.
            options: inherited by what connects; `passphrase` is not used.
            admit: decides about a caller or raises `Refused`. Runs on libsrt's thread, which meanwhile
                receives nothing on this port: it must return within a millisecond or so.
            on_connection: takes each connection over and must close it. Runs on the accept thread, and
                the next caller waits until it returns.
            on_refused: told of callers turned away by a bad stream id (`WireError`), by `admit`
                (`Refused`, whatever else it raised as `INTERNAL`), for too short a key (`WeakKey`), by
                libsrt for their passphrase or because they left at once (`LinkError`).

        Raises:
            LinkError: `unreachable`, the address cannot be bound; `unsupported`, no libsrt.
        """
        self._library = load()
        self._options = options
        self._admit = admit
        self._on_connection = on_connection
        self._on_refused = on_refused
        self._admitted: dict[int, _Admitted] = {}
        self._told: dict[str, float] = {}
        self._called = threading.Event()
        self._closing = threading.Event()
        self._key = next(_keys)
        self._socket = self._listen(address)
        self.address: Address = unpack_sockaddr(self._library.local_address(self._socket))
        host, port = self.address
        self._threads = (
            threading.Thread(target=self._accept, name=f"srt-accept-{port}", daemon=True),
            threading.Thread(target=self._look_after_handshakes, name=f"srt-shake-{port}", daemon=True),
        )
        for thread in self._threads:
            thread.start()
        _log.info("listening for SRT on %s port %d", host, port)

    def _listen(self, address: Address) -> int:
        host, port = address
        error: SrtError | None = None
        why = ""
        # "::" takes IPv4 callers too; the second is for machines without IPv6.
        for name in (host,) if host else ("::", "0.0.0.0"):
            number = resolve(name, port, passive=True)[0]
            try:
                return self._listen_on(number)
            except SrtError as failed:
                error = error or failed
                why = why or why_not_bound(number)
        where = f"UDP port {port} on {host or 'all addresses'}"
        raise LinkError("unreachable", f"cannot listen for SRT on {where}: {why or error}") from error

    def _listen_on(self, number: tuple[str, int, int]) -> int:
        library = self._library
        socket = library.create_socket()
        try:
            apply_options(library, socket, self._options)
            # Proposed to callers in the first answer, so that an encoder that names no key length uses
            # ours instead of AES-128.
            library.set_option(socket, Option.PBKEYLEN, self._options.pbkeylen)
            library.set_option(socket, Option.MINVERSION, _OLDEST_PEER)
            if ":" in number[0]:
                library.set_option(socket, Option.IPV6ONLY, int(number[0] != "::"))
            _listeners[self._key] = self
            library.listen_hook(socket, _hook, self._key)
            library.bind(socket, pack_sockaddr(number))
            library.listen(socket, _BACKLOG)
        except SrtError:
            _listeners.pop(self._key, None)
            library.close(socket)
            raise
        return socket

    def close(self) -> None:
        """Stop listening; connections made before live on. Idempotent; waits for its threads."""
        if not self._closing.is_set():
            self._closing.set()
            self._library.close(self._socket)  # waits for a hook that is running
            _listeners.pop(self._key, None)
            self._called.set()
        for thread in self._threads:
            if threading.current_thread() is not thread:
                thread.join()

    def _decide(self, socket: int, raw_stream_id: bytes, peer: Address) -> RejectReason | None:
        """Run in the hook: let a caller in (None) or say why not. Raises nothing."""
        try:
            stream_id = parse_stream_id(raw_stream_id)
            admission = self._admit(stream_id, peer)
            passphrase = admission.passphrase or ""
            self._library.set_option_now(socket, Option.PASSPHRASE, passphrase)
            self._library.set_option_now(socket, Option.RCVSYN, False)
            self._admitted[socket] = _Admitted(stream_id, admission, peer)
            self._called.set()
            return None
        except WireError as error:
            self._refused(peer, error)
            return RejectReason.BAD_REQUEST
        except Refused as error:
            self._refused(peer, error)
            return error.code
        except Exception as error:
            _log.exception("SRT caller %s port %d: the admission failed", *peer)
            self._refused(peer, Refused(RejectReason.INTERNAL, f"internal error: {error}"))
            return RejectReason.INTERNAL

    def _look_after_handshakes(self) -> None:
        """Tell of callers that passed the hook and then failed libsrt's own checks, and forget them."""
        gone: set[int] = set()
        while not self._closing.is_set():
            if not self._admitted:
                self._called.wait()
                self._called.clear()
            self._closing.wait(_LOOK_S)
            now_gone = {socket for socket in list(self._admitted) if self._is_gone(socket)}
            # Whom the accept thread is about to take, and who left just now, is gone at one look only.
            for socket in gone & now_gone:
                admitted = self._admitted.pop(socket, None)
                if admitted is not None:
                    self._refused(admitted.peer, _passphrase_error(admitted))
            gone = now_gone

    def _is_gone(self, socket: int) -> bool:
        return self._library.state(socket) not in (State.INIT, State.OPENED, State.CONNECTED)

    def _is_news(self, told: str) -> bool:
        """Whether it was not logged a moment ago. Any thread."""
        now = time.monotonic()
        if now - self._told.get(told, -_TOLD_EVERY_S) < _TOLD_EVERY_S:
            return False
        if len(self._told) >= _MAX_TOLD:
            self._told.clear()
        self._told[told] = now
        return True

    def _refused(self, peer: Address, error: TransportError) -> None:
        if self._is_news(f"{peer[0]} {error}"):
            _log.info("SRT caller %s port %d refused: %s", *peer, error)
        if self._on_refused is not None:
            try:
                self._on_refused(peer, error)
            except Exception:
                _log.exception("on_refused failed")

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                socket, raw = self._library.accept(self._socket)
            except SrtError as error:
                if self._library.state(self._socket) == State.LISTENING:
                    continue  # that caller left before it was taken
                if not self._closing.is_set():
                    _log.error("the SRT listener on port %d died: %s", self.address[1], error)
                return
            admitted = self._admitted.pop(socket, None)
            if admitted is None:
                self._library.close(socket)
                continue
            connection = SrtConnection(
                self._library, socket, admitted.stream_id, unpack_sockaddr(raw), self._options
            )
            self._hand_over(connection, admitted.admission)

    def _hand_over(self, connection: SrtConnection, admission: Admission) -> None:
        try:
            _check_key(connection, admission)
            self._on_connection(connection)
        except LinkError as error:
            connection.close()
            self._refused(connection.peer_address, error)
        except Exception:
            connection.close()
            _log.exception("on_connection failed for %r", connection)


def _passphrase_error(admitted: _Admitted) -> LinkError:
    # libsrt does not keep why it refused somebody; who is admitted fails for nothing else in practice.
    name, has_one = admitted.stream_id.resource, admitted.admission.passphrase is not None
    return LinkError(
        "unauthorized",
        f"the passphrase for {name!r} is wrong or missing"
        if has_one
        else f"it has a passphrase, and {name!r} has none",
    )


def _check_key(connection: SrtConnection, admission: Admission) -> None:
    # The caller chooses the length: what we propose is only taken by one that did not insist.
    used = connection.key_bytes
    if admission.passphrase is not None and used < admission.pbkeylen:
        raise WeakKey(
            connection.stream_id,
            f"{connection.stream_id.resource!r} demands AES-{admission.pbkeylen * 8}, "
            f"the caller encrypts with {f'AES-{used * 8}' if used else 'nothing'}: "
            f"set pbkeylen={admission.pbkeylen} there",
        )


# libsrt may call at any time while a listener is open, from its own threads: the hook is one function for
# ever, and finds the listener by a number that is never used again.
_listeners: dict[int, SrtListener] = {}
_keys = itertools.count(1)


def _on_caller(key: int, socket: int, _version: int, peer: int, stream_id: bytes | None) -> int:
    try:
        listener = _listeners.get(key)
        if listener is None:
            return -1
        code = listener._decide(socket, stream_id or b"", unpack_sockaddr_at(peer))
        if code is None:
            return 0
        listener._library.set_reject_reason(socket, int(code))
    except BaseException:
        # Nothing may pass: ctypes would print it and answer 0, which admits the caller.
        _log.exception("the SRT listen hook failed")
    return -1


_hook = ListenHook(_on_caller)
