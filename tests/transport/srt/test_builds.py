"""Debian's two builds of libsrt as each other's peers: nothing that is said of a connection differs."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.transport.srt.rig import PASSPHRASE

_BUILDS = ("libsrt-gnutls.so.1.5", "libsrt.so.1.5")
_PAIRS = list(itertools.permutations(_BUILDS))


@contextmanager
def _side(build: str, role: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.transport.srt.side", build, role, *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def _meet(listens: str, calls: str, key_bytes: int, passphrase: str) -> tuple[object, object]:
    """What the listener and the caller say."""
    with _side(listens, "listen", "0", str(key_bytes), PASSPHRASE) as listener:
        port = _line(listener).strip()
        with _side(calls, "call", port, str(key_bytes), passphrase) as caller:
            return json.loads(_line(listener)), json.loads(_line(caller))


@pytest.mark.parametrize(("listens", "calls"), _PAIRS)
@pytest.mark.parametrize("key_bytes", [16, 24, 32])
def test_each_build_understands_the_other(listens: str, calls: str, key_bytes: int) -> None:
    cipher = {"cipher": f"AES-{key_bytes * 8}", "key_state": "secured", "key_bytes": key_bytes}
    listener, caller = _meet(listens, calls, key_bytes, PASSPHRASE)
    assert listener == {"build": listens, "whole": True, **cipher}
    assert caller == {"build": calls, "whole": True, **cipher}


@pytest.mark.parametrize(("listens", "calls"), _PAIRS)
@pytest.mark.parametrize(("passphrase", "code"), [("not the right one", 10), ("", 11)])
def test_each_build_refuses_the_other_for_the_passphrase(
    listens: str, calls: str, passphrase: str, code: int
) -> None:
    listener, caller = _meet(listens, calls, 32, passphrase)
    assert caller == ["unauthorized", code]
    assert listener == "the passphrase for 'cam' is wrong or missing"
