from __future__ import annotations

import errno

import av.error
import pytest

from transport.rtsp.failure import link_error, no_such_name

URL = "rtsp://admin:secret@camera/"


def error(kind: type[av.error.FFmpegError], number: int = errno.EIO) -> av.error.FFmpegError:
    return kind(number, "libav's words", URL)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (av.error.HTTPUnauthorizedError, "unauthorized"),
        (av.error.HTTPForbiddenError, "unauthorized"),
        (av.error.HTTPNotFoundError, "not_found"),
        (av.error.HTTPServerError, "unreachable"),
        (av.error.HTTPOtherClientError, "unsupported"),
        (av.error.ConnectionRefusedError, "refused"),
        (av.error.TimeoutError, "timeout"),
        (av.error.ExitError, "timeout"),
        (av.error.InvalidDataError, "unsupported"),
        (av.error.ConnectionResetError, "ended"),
        (av.error.EOFError, "ended"),
        (av.error.OSError, "unreachable"),
    ],
)
def test_reasons_of_opening(kind: type[av.error.FFmpegError], reason: str) -> None:
    failure = link_error(error(kind), opened=False)
    assert failure.reason == reason
    assert "secret" not in str(failure)


@pytest.mark.parametrize("host", ["a" * 64 + ".invalid", "camera..invalid"])
def test_a_name_that_is_none(host: str) -> None:
    failure = no_such_name(host)
    assert failure is not None
    assert (failure.reason, f"the name {host}" in str(failure)) == ("unreachable", True)
    assert no_such_name("127.0.0.1") is None


def test_anything_else_is_unsupported() -> None:
    assert link_error(error(av.error.OSError, errno.EPERM), opened=False).reason == "unsupported"


def test_a_camera_that_lacks_the_transport_names_the_option() -> None:
    failure = link_error(error(av.error.OSError, errno.EPROTONOSUPPORT), opened=False)
    assert failure.reason == "unsupported" and "rtsp_transport" in str(failure)


def test_reasons_of_receiving() -> None:
    assert link_error(error(av.error.ExitError), opened=True).reason == "silent"
    assert link_error(error(av.error.TimeoutError), opened=True).reason == "silent"
    assert link_error(error(av.error.OSError), opened=True).reason == "ended"
    assert link_error(error(av.error.ConnectionResetError), opened=True).reason == "ended"


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (av.error.InvalidDataError, "timeout"),
        (av.error.OSError, "timeout"),
        (av.error.HTTPUnauthorizedError, "unauthorized"),
        (av.error.ConnectionRefusedError, "refused"),
        (av.error.ConnectionResetError, "ended"),
    ],
)
def test_what_is_not_an_answer_after_the_time_is_none(kind: type[av.error.FFmpegError], reason: str) -> None:
    assert link_error(error(kind), opened=False, late=True).reason == reason
    assert link_error(error(kind), opened=True, late=True).reason in ("silent", "ended")
