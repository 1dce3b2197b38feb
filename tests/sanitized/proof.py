"""What makes the sanitized run fail: each fault here, in a process of its own. Run it with the plugin.

Not named like a test, as the ordinary extension would not notice any of it.
"""

from __future__ import annotations

import ctypes
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sanitized.loader import Sanitized, own_process


def _out_of_bounds(sanitized: Sanitized) -> None:
    memory = ctypes.create_string_buffer(100)
    sanitized.library.equal_secret(memory, memory, ctypes.c_size_t(101))


def _use_after_free(sanitized: Sanitized) -> None:
    sanitized.library.feed_new.restype = ctypes.c_void_p
    rate = ctypes.c_int64(90_000)
    feed = ctypes.c_void_p(
        sanitized.library.feed_new(True, rate, rate, ctypes.c_double(1.0), ctypes.c_size_t(1))
    )
    sanitized.library.feed_release(feed)
    sanitized.library.feed_is_closed(feed)


def _overflow(sanitized: Sanitized) -> None:
    class Timeline(ctypes.Structure):
        _fields_ = [(name, ctypes.c_int64) for name in ("shift", "start", "first", "until")]

    sanitized.library.timeline_map(ctypes.byref(Timeline(shift=1)), ctypes.c_int64((1 << 63) - 1))


def _nonce_reuse(sanitized: Sanitized) -> None:
    from transport.plane.native import seal

    for content in (b"one", b"one", b"two"):
        assert sanitized.nonces_seen <= 1
        seal(bytes(16), bytes(12), b"header", content)


def _leak(sanitized: Sanitized) -> None:
    for _ in range(20):  # one or the other address may still lie on the stack
        sanitized.library.unit_new(ctypes.c_uint32(1), ctypes.c_size_t(1))
    if leaks := sanitized.leaks():
        raise SystemExit("leaked: " + "\n".join(leaks))


def _shortage(sanitized: Sanitized) -> None:
    from transport.plane.native import seal

    sanitized.library.allocations_fail(1)
    seal(bytes(16), bytes(12), b"", b"")


_FAULTS = {
    "out-of-bounds": (_out_of_bounds, "AddressSanitizer: heap-buffer-overflow"),
    "use-after-free": (_use_after_free, "AddressSanitizer: heap-use-after-free"),
    "overflow": (_overflow, "runtime error: signed integer overflow"),
    "nonce-reuse": (_nonce_reuse, "one key and IV encrypted two different packets"),
    "shortage": (_shortage, "MemoryError"),
    "leak": (_leak, "in unit_new transport/plane/core/feed.c"),
}


@pytest.mark.parametrize("name", list(_FAULTS))
def test_it_is_noticed(name: str, tmp_path: Path) -> None:
    fault = subprocess.run(
        [sys.executable, "-m", __name__, name],
        env=own_process(tmp_path / "report"),
        capture_output=True,
        text=True,
        check=False,
    )
    said = fault.stderr + "".join(path.read_text() for path in tmp_path.iterdir())
    assert fault.returncode != 0
    assert _FAULTS[name][1] in said


if __name__ == "__main__":
    _FAULTS[sys.argv[1]][0](Sanitized())
