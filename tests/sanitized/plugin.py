"""For pytest: all tests run with the sanitized extension, and nothing of the plane may be left at the end."""

from __future__ import annotations

import gc

import pytest

from tests.sanitized.loader import Sanitized

_sanitized = Sanitized()


def pytest_report_header() -> str:
    return "the native plane is compiled with AddressSanitizer and UndefinedBehaviorSanitizer"


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    gc.collect()
    if session.testscollected and not _sanitized.nonces_seen:
        raise pytest.UsageError("nothing was encrypted, so these tests tell nothing about the native plane")
    if leaks := _sanitized.leaks():
        raise pytest.UsageError("the plane leaked:\n" + "\n".join(leaks))
