"""The few functions of libsrt that we use, through ctypes. Everything else in this folder builds on it.

libsrt 1.5 or later 1.x; Debian's packages are `libsrt1.5-gnutls` and `libsrt1.5-openssl`. They differ in
nothing but whose AES they call, and that of OpenSSL which 1.5.1 calls is the portable one: 20 us for a packet
of 1316 bytes where GnuTLS's takes 2.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import ctypes.util
import functools
import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any

from transport.errors import LinkError, TransportError
from transport.srt.abi import (
    EPOLL_ERR,
    EPOLL_IN,
    EPOLL_OUT,
    LOG_CRITICAL,
    PROTOTYPES,
    SRTT_LIVE,
    EpollEvent,
    Option,
    TraceStats,
)

_log = logging.getLogger(__name__)

_OLDEST = 0x010500

_FLAGS = (Option.SNDSYN, Option.RCVSYN, Option.RENDEZVOUS, Option.TLPKTDROP, Option.ENFORCEDENCRYPTION)
_KINDS: dict[Option, Any] = {Option.MAXBW: ctypes.c_int64, **dict.fromkeys(_FLAGS, ctypes.c_bool)}


class SrtError(TransportError):
    """A libsrt call failed.

    Attributes:
        code: `srt_getlasterror`, an SRT_ERRNO.
    """

    def __init__(self, call: str, code: int, text: str) -> None:
        super().__init__(f"{call}: {text} ({code})")
        self.code = code


class Libsrt:
    """libsrt's functions with types and exceptions; sockets are its own numbers, not file descriptors.

    Every call gives the GIL back while it runs, but for the few that say otherwise.

    Those may not be given a listener (but `state`): they hold the GIL while they take locks of one
    connection and of libsrt's table of sockets. The only code in libsrt that waits for the GIL is our
    listen hook, whose thread then holds its listeners' lock and no other; and nobody waits for that lock
    while holding one of the former (libsrt takes the table's lock inside it, so the reverse order would
    deadlock libsrt by itself). Giving the GIL back each time would cost up to 5 ms a packet while another
    thread is busy in Python.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._free = ctypes.CDLL(name)
        self._held = ctypes.PyDLL(name)
        for library in (self._free, self._held):
            _declare(library)
        self.version: int = self._free.srt_getversion()
        if self.version < _OLDEST:
            raise LinkError("unsupported", f"{name} is version {self.version_text}, 1.5.0 is needed")
        #: srt_recvmsg(socket, buffer, length) -> length or -1, with the GIL held: only on a socket whose
        #: RCVSYN is off, so that it cannot wait.
        self.recvmsg_now: Callable[[int, Any, int], int] = self._held.srt_recvmsg
        self._open: set[int] = set()
        self._startup()

    @property
    def version_text(self) -> str:
        """Such as "1.5.1"."""
        return f"{self.version >> 16}.{self.version >> 8 & 0xFF}.{self.version & 0xFF}"

    def _startup(self) -> None:
        # Below "critical" libsrt prints to stderr, wrong passphrases of strangers included.
        self._free.srt_setloglevel(LOG_CRITICAL)
        self._check("srt_startup", self._free.srt_startup())
        atexit.register(self._shutdown)

    def _shutdown(self) -> None:
        """End libsrt's threads while the interpreter lives: one that calls the hook later would hang."""
        # libsrt waits for ever for a thread of ours that sits in one of its calls, unless that is ended.
        for socket in tuple(self._open):
            self.close(socket)
        self._free.srt_cleanup()

    def error(self, call: str) -> SrtError:
        """The calling thread's last error."""
        return SrtError(call, self._free.srt_getlasterror(None), self._free.srt_getlasterror_str().decode())

    def _check(self, call: str, result: int) -> int:
        if result < 0:
            raise self.error(call)
        return result

    def create_socket(self) -> int:
        """A new socket in live mode."""
        socket = self._check("srt_create_socket", self._free.srt_create_socket())
        self._open.add(socket)
        self.set_option(socket, Option.TRANSTYPE, SRTT_LIVE)
        return socket

    def close(self, socket: int) -> None:
        """Close; other threads' calls on the socket end with an error soon. Unknown sockets are ignored."""
        self._open.discard(socket)
        self._free.srt_close(socket)

    def set_option(self, socket: int, option: Option, value: int | str) -> None:
        """Set an option.

        Raises:
            SrtError: the option or value does not fit the socket's state.
        """
        self._set(self._free, socket, option, value)

    def set_option_now(self, socket: int, option: Option, value: int | str) -> None:
        """The same with the GIL held: in the listen hook, on the socket it was given."""
        self._set(self._held, socket, option, value)

    def _set(self, library: ctypes.CDLL, socket: int, option: Option, value: int | str) -> None:
        data: Any
        if isinstance(value, str):
            raw = value.encode()
            data, length = ctypes.create_string_buffer(raw), len(raw)
        else:
            kind = _KINDS.get(option, ctypes.c_int)
            data, length = ctypes.byref(kind(value)), ctypes.sizeof(kind)
        result = library.srt_setsockflag(socket, int(option), data, length)
        self._check(f"set {option.name}", result)

    def option(self, socket: int, option: Option) -> int:
        """Read a number or a flag.

        Raises:
            SrtError: the socket is gone.
        """
        value, length = ctypes.c_int64(), ctypes.c_int(8)
        result = self._free.srt_getsockflag(socket, int(option), ctypes.byref(value), ctypes.byref(length))
        self._check(f"read {option.name}", result)
        # Little-endian: the unused upper bytes are zero, and numbers of four bytes keep their sign.
        return ctypes.c_int(value.value).value if length.value == 4 else value.value

    def address(self, name: str) -> int:
        """Where a function is, for native code that calls it."""
        return ctypes.cast(getattr(self._free, name), ctypes.c_void_p).value or 0

    def last_error_now(self) -> int:
        """Number of the calling thread's last error, an SRT_ERRNO; holds the GIL."""
        return int(self._held.srt_getlasterror(None))

    def due_now(self, socket: int) -> Callable[[], bool]:
        """A function that tells whether `recvmsg_now` has something to say: a message, or that it is over.

        It holds the GIL. To ask is cheap, while a message that is not there costs libsrt a C++ exception.
        """
        events, length = ctypes.c_int(), ctypes.c_int(4)
        read = functools.partial(
            self._held.srt_getsockflag, socket, int(Option.EVENT), ctypes.byref(events), ctypes.byref(length)
        )
        wanted = EPOLL_IN | EPOLL_ERR

        def is_due() -> bool:
            return read() != 0 or events.value & wanted != 0

        return is_due

    def state(self, socket: int) -> int:
        """A `State`; NONEXIST for a socket that is gone. Holds the GIL and does not wait."""
        return int(self._held.srt_getsockstate(socket))

    def bind(self, socket: int, address: bytes) -> None:
        """Bind to a packed sockaddr."""
        self._check("bind", self._free.srt_bind(socket, address, len(address)))

    def listen(self, socket: int, backlog: int) -> None:
        """Start to listen."""
        self._check("listen", self._free.srt_listen(socket, backlog))

    def listen_hook(self, socket: int, hook: Any, key: int) -> None:
        """Call `hook` with `key` for each caller, on libsrt's thread; keep both for ever."""
        self._check("listen hook", self._free.srt_listen_callback(socket, hook, key))

    def accept(self, socket: int) -> tuple[int, bytes]:
        """Wait for a connection: its socket and the peer's sockaddr.

        Raises:
            SrtError: the listener was closed, or this connection ended before it was taken.
        """
        raw, length = ctypes.create_string_buffer(128), ctypes.c_int(128)
        accepted = self._check("accept", self._free.srt_accept(socket, raw, ctypes.byref(length)))
        self._open.add(accepted)
        return accepted, raw.raw[: length.value]

    def connect(self, socket: int, address: bytes) -> None:
        """Begin to connect; waits for the end unless RCVSYN is off."""
        self._check("connect", self._free.srt_connect(socket, address, len(address)))

    def local_address(self, socket: int) -> bytes:
        """The packed sockaddr it is bound to."""
        raw, length = ctypes.create_string_buffer(128), ctypes.c_int(128)
        self._check("getsockname", self._free.srt_getsockname(socket, raw, ctypes.byref(length)))
        return raw.raw[: length.value]

    def set_reject_reason(self, socket: int, code: int) -> None:
        """In the listen hook: what the caller will be told (1000 and above); holds the GIL."""
        self._held.srt_setrejectreason(socket, code)

    def reject_reason(self, socket: int) -> tuple[int, str]:
        """Why a connection was not made: the number and libsrt's words, which are only useful below 1000."""
        code: int = self._free.srt_getrejectreason(socket)
        return code, (self._free.srt_rejectreason_str(code) or b"").decode()

    def send(self, socket: int, data: bytes) -> None:
        """Queue one message; waits for room as SNDTIMEO says."""
        self._check("send", self._free.srt_sendmsg(socket, data, len(data), -1, 1))

    def statistics(self, socket: int) -> TraceStats:
        """Counters since the beginning and buffers as they are now."""
        trace = TraceStats()
        self._check("statistics", self._free.srt_bistats(socket, ctypes.byref(trace), 0, 1))
        return trace

    def wait_writable(self, poll: int, timeout_ms: int) -> None:
        """Wait until a socket of this epoll is connected or broken, or the time is over."""
        self._free.srt_epoll_uwait(poll, ctypes.byref(EpollEvent()), 1, timeout_ms)

    def poll_writable(self, socket: int) -> int:
        """A new epoll that watches one connecting socket; give it to `release_poll`."""
        poll = self._check("epoll", self._free.srt_epoll_create())
        events = ctypes.c_int(EPOLL_OUT | EPOLL_ERR)
        self._check("epoll", self._free.srt_epoll_add_usock(poll, socket, ctypes.byref(events)))
        return poll

    def release_poll(self, poll: int) -> None:
        """Free an epoll and its file descriptor."""
        self._free.srt_epoll_release(poll)


def _declare(library: ctypes.CDLL) -> None:
    for name, (result, *arguments) in PROTOTYPES.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments


_NAMES = ("libsrt-gnutls.so.1.5", "libsrt.so.1.5")
_FIND = ("srt-gnutls", "srt", "srt-openssl")
_loading = threading.Lock()


def load() -> Libsrt:
    """The library, loaded and started at the first call, the same object ever after.

    Raises:
        LinkError: `unsupported`, it is not installed or too old.
    """
    with _loading:
        return open_best(_NAMES, _FIND)


@functools.cache
def open_best(names: tuple[str, ...], find: tuple[str, ...]) -> Libsrt:
    """The newest library that can be opened; a second call with the same names gives the same object.

    Args:
        names: of files, as the loader knows them; of two of the same version the one named first is taken.
        find: short names to search the system for, the first that is there, when there are none of these.

    Raises:
        LinkError: as `load`.
    """
    for each in newest(names, version_of) or filter(None, map(ctypes.util.find_library, find)):
        with contextlib.suppress(OSError):
            library = Libsrt(each)
            _log.info("SRT: %s, version %s", library.name, library.version_text)
            return library
    raise LinkError("unsupported", "SRT needs libsrt 1.5: install the Debian package libsrt1.5-gnutls")


def newest(names: Sequence[str], version_of: Callable[[str], int]) -> list[str]:
    """The name of the newest version, the first of equal ones; nothing where each one's is 0."""
    versions = {name: version_of(name) for name in names}
    return sorted(filter(versions.get, names), key=lambda name: -versions[name])[:1]


def version_of(name: str) -> int:
    """`Libsrt.version` of the library in a file, which is not started; 0 for what cannot be opened."""
    try:
        library = ctypes.CDLL(name)
        library.srt_getversion.restype = PROTOTYPES["srt_getversion"][0]
        return int(library.srt_getversion())
    except (OSError, AttributeError):
        return 0
