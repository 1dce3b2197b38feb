from __future__ import annotations

from collections.abc import Iterator

import pytest

from streamer.config import parse
from streamer.egress.srt.reader import SrtReader, send_to_all
from streamer.hub.stream import Stream
from tests.transport.srt.rig import Rig, eventually
from transport.srt import SrtConnection, SrtOptions

#: Room for 32 messages to be sent, and nothing is given up.
_NARROW = SrtOptions(receive_buffer_bytes=48_000, flow_control_packets=64, tlpktdrop=False)


@pytest.fixture
def link() -> Iterator[tuple[SrtReader, SrtConnection]]:
    """A reader that waits for its start, and the caller that it is."""
    rig = Rig(_NARROW)
    caller, accepted = rig.pair("publish:open", SrtOptions())
    yield SrtReader(Stream("cam", parse({"streams": {"cam": {}}}).streams["cam"]), accepted), caller
    rig.close()


def _until(caller: SrtConnection, last: bytes) -> list[bytes]:
    came: list[bytes] = []
    while last not in came:
        came += caller.receive_many()
    return came


def test_a_full_link_is_sent_no_more_until_a_decoder_can_begin_again(
    link: tuple[SrtReader, SrtConnection],
) -> None:
    reader, caller = link
    send_to_all([reader], [b"not"], units=1, starts_over=False)
    assert reader.skipped == 1
    send_to_all([reader], [b"key", b"frame"], units=1, starts_over=True)
    send_to_all([reader], [b"one"], units=1, starts_over=False)
    assert reader.skipped == 1
    send_to_all([reader], [b"many"] * 500, units=3, starts_over=False)
    assert reader.skipped == 4
    send_to_all([reader], [b"not"], units=2, starts_over=False)
    assert reader.skipped == 6

    came: list[bytes] = []

    def is_begun() -> bool:
        came.extend(caller.receive_many())
        before = reader.skipped
        send_to_all([reader], [b"again"], units=1, starts_over=True)
        return reader.skipped == before

    eventually(is_begun, "the link has room")
    send_to_all([reader], [b"end"], units=1, starts_over=False)
    came += _until(caller, b"end")
    assert came[:3] == [b"key", b"frame", b"one"]
    assert came[-2:] == [b"again", b"end"]
    assert set(came[3:-2]) <= {b"many", b"again"}
    assert b"not" not in came


def test_one_that_left_is_lost_at_the_next_unit(link: tuple[SrtReader, SrtConnection]) -> None:
    reader, caller = link
    send_to_all([reader], [b"key"], units=1, starts_over=True)
    assert not reader.is_lost
    caller.close()

    def is_lost() -> bool:
        send_to_all([reader], [b"more"], units=1, starts_over=False)
        return reader.is_lost

    eventually(is_lost, "the reader is lost")
    assert reader.is_over
