"""What libav's errors mean for a camera's owner.

Their own text is not used: it holds the address, and with it the password.
"""

from __future__ import annotations

import errno
import socket

import av.error

from transport.errors import LinkError

_UNREACHABLE = frozenset(
    {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN, errno.EADDRNOTAVAIL, errno.EIO}
)

_BY_TYPE: tuple[tuple[type[Exception] | tuple[type[Exception], ...], str, str], ...] = (
    (
        (av.error.HTTPUnauthorizedError, av.error.HTTPForbiddenError),
        "unauthorized",
        "the camera refuses this user and password",
    ),
    (av.error.HTTPNotFoundError, "not_found", "the camera has nothing at this path"),
    (
        av.error.HTTPServerError,
        "unreachable",
        "the camera reports an error of its own; many do when all their sessions are taken",
    ),
    (
        (av.error.HTTPError, av.error.HTTPClientError),
        "unsupported",
        "the camera refuses to play this; many do when all their sessions or their bandwidth are taken",
    ),
    (av.error.ConnectionRefusedError, "refused", "nothing listens at this address and port"),
    ((av.error.TimeoutError, av.error.ExitError), "timeout", "the camera does not answer"),
    (av.error.InvalidDataError, "unsupported", "the camera's answer is not RTSP"),
    (av.error.ProtocolNotFoundError, "unsupported", "this kind of address is not supported here"),
)

_HUNG_UP = (
    av.error.EOFError,
    av.error.BrokenPipeError,
    av.error.ConnectionAbortedError,
    av.error.ConnectionResetError,
)


def no_such_name(host: str) -> LinkError | None:
    """Whether it was the name, which libav does not tell from a network that is away. Blocks."""
    try:
        socket.getaddrinfo(host, None)
    except (socket.gaierror, UnicodeError) as error:  # the latter of what can be no name
        why = error.strerror if isinstance(error, socket.gaierror) else str(error)
        return LinkError("unreachable", f"no address is found for the name {host}: {why}")
    return None


def link_error(error: av.error.FFmpegError, *, opened: bool, late: bool = False) -> LinkError:
    """Translate.

    Args:
        error: of opening a session or of receiving.
        opened: whether media had come already.
        late: whether the time for opening was over. On some ways libav forgets that it was told to give up,
            and calls what it had of the answer invalid.
    """
    if opened:
        if isinstance(error, (av.error.TimeoutError, av.error.ExitError)):
            return LinkError("silent", "the camera sends nothing any more")
        return LinkError("ended", "the connection to the camera broke")
    for kinds, reason, message in _BY_TYPE:
        if isinstance(error, kinds) and not (late and reason == "unsupported"):
            return LinkError(reason, message)
    if isinstance(error, _HUNG_UP):
        return LinkError("ended", "the camera hung up before it sent anything")
    if late:
        return LinkError("timeout", "the camera does not answer")
    if error.errno == errno.EPROTONOSUPPORT:
        return LinkError(
            "unsupported", "the camera does not send this way; expected the other rtsp_transport"
        )
    if error.errno in _UNREACHABLE:
        return LinkError("unreachable", "no way to the camera: name, network or certificate")
    return LinkError("unsupported", f"the session cannot be opened (libav error {error.errno})")
