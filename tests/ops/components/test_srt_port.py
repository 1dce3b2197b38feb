from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import pytest

from ops.components.srt_port import SrtPort
from streamer.sections.srt import SrtConfig
from tests.fakes.wait import wait_until
from transport.errors import LinkError, TransportError
from transport.srt import (
    Admission,
    ConnectError,
    RejectReason,
    SrtConnection,
    SrtOptions,
    SrtTarget,
    StreamId,
    WeakKey,
    connect,
)

PASSPHRASE = "correct horse battery"


class Side:
    def __init__(self) -> None:
        self.admitted: list[str] = []
        self.connections: list[SrtConnection] = []
        self.turned_away: list[TransportError] = []

    def admit(self, stream_id: StreamId, address: tuple[str, int]) -> Admission:
        self.admitted.append(stream_id.resource)
        return Admission(passphrase=PASSPHRASE, pbkeylen=32)

    def connected(self, connection: SrtConnection) -> None:
        self.connections.append(connection)

    def refused(self, address: tuple[str, int], error: TransportError) -> None:
        self.turned_away.append(error)


class Rig:
    def __init__(self) -> None:
        self.publishers, self.readers = Side(), Side()
        self.callers: list[SrtConnection] = []
        self.port = SrtPort(SrtConfig(listen="127.0.0.1:0"), self.publishers, self.readers)

    def call(self, stream_id: str) -> None:
        options = SrtOptions(passphrase=PASSPHRASE)
        target = SrtTarget("caller", *self.port.address, stream_id=stream_id, options=options)
        self.callers.append(connect(target))

    def close(self) -> None:
        self.port.close()
        for connection in self.publishers.connections + self.readers.connections + self.callers:
            connection.close()


@pytest.fixture
def rig() -> Iterator[Rig]:
    rig = Rig()
    yield rig
    rig.close()


@pytest.mark.parametrize(
    ("stream_id", "reads"),
    [
        ("publish:cam:key", False),
        ("#!::r=cam,m=publish", False),
        ("read:cam", True),
        ("#!::r=cam,m=request", True),
        ("#!::r=cam", True),
        ("cam", True),
    ],
)
def test_each_is_led_to_who_knows_him(rig: Rig, stream_id: str, reads: bool) -> None:
    rig.call(stream_id)
    asked, other = (rig.readers, rig.publishers) if reads else (rig.publishers, rig.readers)
    wait_until(lambda: asked.connections)
    assert asked.admitted == ["cam"]
    assert other.admitted == other.connections == []


@pytest.mark.parametrize(("stream_id", "reads"), [("publish:cam:key", False), ("cam", True)])
def test_who_is_told_of_too_short_a_key(
    rig: Rig, stream_id: str, reads: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Ours takes the length that is proposed to it, others insist on theirs; and it too asks how long it is.
    monkeypatch.setattr(SrtConnection, "key_bytes", 16)
    with suppress(ConnectError):
        rig.call(stream_id)
    asked, other = (rig.readers, rig.publishers) if reads else (rig.publishers, rig.readers)
    wait_until(lambda: asked.turned_away)
    assert isinstance(asked.turned_away[0], WeakKey)
    assert other.turned_away == []


def test_both_at_once_is_not_possible(rig: Rig) -> None:
    with pytest.raises(ConnectError) as caught:
        rig.call("#!::r=cam,m=bidirectional")
    assert caught.value.reject_code == RejectReason.BAD_REQUEST
    assert rig.publishers.admitted == rig.readers.admitted == []


def test_a_port_that_is_taken(rig: Rig) -> None:
    host, port = rig.port.address
    with pytest.raises(LinkError, match=r"srt\.listen: .*taken|srt\.listen: .*in use"):
        SrtPort(SrtConfig(listen=f"{host}:{port}"), Side(), Side())
