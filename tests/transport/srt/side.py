"""One side of an SRT connection in a process of its own, as two builds of libsrt do not fit into one.

    python -m tests.transport.srt.side BUILD listen|call PORT KEY_BYTES PASSPHRASE

A listener says which port it has, and lives until its input ends. Both say what became of the connection.
"""

from __future__ import annotations

import json
import queue
import sys
from typing import Any

from transport.errors import TransportError
from transport.srt import (
    Admission,
    ConnectError,
    SrtConnection,
    SrtListener,
    SrtOptions,
    SrtTarget,
    connect,
    libsrt,
)

_MESSAGES = [bytes([number % 256]) * 1316 for number in range(300)]


def _exchange(connection: SrtConnection) -> dict[str, Any]:
    """Send them all and wait for as many."""
    for message in _MESSAGES:
        connection.send(message)
    came: list[bytes] = []
    while len(came) < len(_MESSAGES):
        came += connection.receive_many()
    statistics = connection.statistics()
    return {
        "build": libsrt.load().name,
        "whole": came == _MESSAGES,
        "cipher": statistics.cipher,
        "key_state": statistics.key_state,
        "key_bytes": connection.key_bytes,
    }


def _listen(key_bytes: int, passphrase: str) -> object:
    happened: queue.Queue[SrtConnection | TransportError] = queue.Queue()
    listener = SrtListener(
        ("127.0.0.1", 0),
        SrtOptions(latency_ms=1000, pbkeylen=key_bytes),
        lambda *_: Admission(passphrase, key_bytes),
        happened.put,
        lambda _, error: happened.put(error),
    )
    _say(str(listener.address[1]))
    came = happened.get(timeout=30)
    return str(came) if isinstance(came, TransportError) else _exchange(came)


def _call(port: int, key_bytes: int, passphrase: str) -> object:
    options = SrtOptions(latency_ms=1000, passphrase=passphrase or None, pbkeylen=key_bytes)
    try:
        return _exchange(connect(SrtTarget("caller", "127.0.0.1", port, "publish:cam", 0, options)))
    except ConnectError as error:
        return [error.reason, error.reject_code]


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> None:
    """The command."""
    build, role, port, key_bytes, passphrase = sys.argv[1:]
    libsrt._NAMES = (build,)
    is_listener = role == "listen"
    outcome = (
        _listen(int(key_bytes), passphrase) if is_listener else _call(int(port), int(key_bytes), passphrase)
    )
    _say(json.dumps(outcome))
    sys.stdin.read()


if __name__ == "__main__":
    main()
