from __future__ import annotations

import pytest

from transport.rtsp.transports import Transport, parse_transports, serialize_tcp, serialize_udp


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("RTP/AVP/TCP;unicast;interleaved=0-1", Transport(True, (0, 1), False)),
        ("RTP/AVP/TCP;interleaved=4", Transport(True, (4, 5), False)),
        ("rtp/avp/tcp; unicast; mode=record", Transport(True, None, True)),
        ("RTP/AVP/TCP;unicast;interleaved=256-257", Transport(True, None, False)),
        ("RTP/AVP;unicast;client_port=5000-5001", Transport(False, (5000, 5001), False)),
        ('RTP/AVP/UDP;unicast;client_port=5000-5001;mode="RECORD"', Transport(False, (5000, 5001), True)),
        ("RTP/AVP;unicast;client_port=5000", Transport(False, (5000, 5001), False)),
        ("RTP/AVP;unicast;client_port=65535", None),
        ("RTP/AVP;unicast;client_port=0-1", None),
        ("RTP/AVP;unicast", None),
        ("RTP/AVP;multicast;client_port=5000-5001", None),
        ("RTP/SAVP;unicast;client_port=5000-5001", None),
        ("RTP/SAVP/TCP;unicast;interleaved=0-1;mode=record", Transport(True, (0, 1), True, True)),
        ("x-real-rdt/udp", None),
        ("", None),
        (";;;=", None),
    ],
)
def test_what_is_offered(header: str, expected: Transport | None) -> None:
    assert parse_transports(header) == ([expected] if expected is not None else [])


def test_the_best_comes_first_and_there_is_an_end() -> None:
    one, other = "RTP/AVP;unicast;client_port=5000-5001", "RTP/AVP/TCP;unicast;interleaved=0-1"
    assert [each.is_tcp for each in parse_transports(f"RTP/SAVP,{one},{other}")] == [False, True]
    assert len(parse_transports(",".join([one] * 1000))) == 8


def test_answers() -> None:
    assert serialize_tcp((2, 3), 0xABC, records=False) == "RTP/AVP/TCP;unicast;interleaved=2-3;ssrc=00000ABC"
    assert serialize_tcp((2, 3), None, records=True) == "RTP/AVP/TCP;unicast;interleaved=2-3;mode=record"
    assert serialize_tcp((2, 3), None, records=True, is_secured=True) == (
        "RTP/SAVP/TCP;unicast;interleaved=2-3;mode=record"
    )
    assert serialize_udp((5000, 5001), (8554, 8555), None, records=False) == (
        "RTP/AVP;unicast;client_port=5000-5001;server_port=8554-8555"
    )
