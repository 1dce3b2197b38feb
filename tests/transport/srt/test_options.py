from __future__ import annotations

from typing import Any

import pytest

from transport.srt import Admission, SrtOptions


def test_defaults_hold_two_seconds_and_half_a_round_trip_of_50_megabits() -> None:
    options = SrtOptions()
    packets = 50e6 / 8 / options.payload_bytes * (2.0 + 0.250 / 2)
    assert options.receive_buffer_bytes / 1472 > packets * 1.25
    assert options.flow_control_packets > options.receive_buffer_bytes / 1472


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"passphrase": "x" * 9}, "passphrase: 9 bytes, expected 10 to 79"),
        ({"passphrase": "x" * 80}, "passphrase: 80 bytes"),
        ({"passphrase": "\u00fc" * 40}, "passphrase: 80 bytes"),
        ({"pbkeylen": 0}, "pbkeylen: 0, expected 16, 24 or 32"),
        ({"payload_bytes": 1457}, "payload_bytes: 1457"),
        ({"latency_ms": -1}, "latency_ms: -1"),
        ({"connect_timeout_ms": 0}, "connect_timeout_ms: 0"),
        ({"max_bandwidth_bps": 0}, "max_bandwidth_bps: 0"),
    ],
)
def test_refuses_values_out_of_range(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SrtOptions(**values)


def test_an_admission_is_checked_too_and_shows_no_passphrase() -> None:
    with pytest.raises(ValueError, match="passphrase: 5 bytes"):
        Admission("short")
    assert "hunter2" not in repr(Admission("hunter2hunter2", 32))
    assert "hunter2" not in repr(SrtOptions(passphrase="hunter2hunter2"))
