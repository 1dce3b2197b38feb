from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from auth.permissions.actions import Action
from ops.metrics.present import PresentCollector
from tests.fakes.wait import until
from tests.streamer.web.rig import PASSPHRASE, WebRig
from transport.srt import SrtConnection, SrtListener, SrtOptions, SrtTarget, connect


@pytest.fixture
async def reading(rig: WebRig) -> AsyncIterator[SrtConnection]:
    """Somebody reads `cam`."""
    listener = SrtListener(
        ("127.0.0.1", 0), SrtOptions(), rig.readers.admit, rig.readers.connected, rig.readers.refused
    )
    options = SrtOptions(passphrase=PASSPHRASE)
    target = SrtTarget("caller", *listener.address, stream_id="cam", options=options)
    connection = await asyncio.to_thread(connect, target)
    await until(lambda: rig.readers.readers)
    yield connection
    connection.close()
    await asyncio.to_thread(listener.close)
    await asyncio.to_thread(rig.readers.close, "the test is over")


async def test_they_are_listed_counted_and_can_be_ended(rig: WebRig, reading: SrtConnection) -> None:
    (shown,) = (await rig.json("/api/v1/readers", headers=rig.admin))["readers"]
    assert (shown["stream"], shown["user"]) == ("cam", "")
    assert shown["encryption"]["cipher"] == "AES-256"
    assert shown["statistics"]["packets_sent"] == 0
    collector = PresentCollector(rig.registry, "streamer_readers", "", lambda: rig.readers.readers)
    (metric,) = collector.collect()
    assert {sample.labels["stream"]: sample.value for sample in metric.samples}["cam"] == 1
    path = f"/api/v1/readers/{shown['id']}"
    assert (await rig.answer("DELETE", path, headers=rig.admin))[0] == 204
    await until(lambda: not rig.readers.readers)
    status, _, text = await rig.answer("DELETE", path, headers=rig.admin)
    assert (status, json.loads(text)["error"]) == (404, "no_such_reader")


async def test_they_are_shown_to_those_alone_who_manage_their_stream(
    rig: WebRig, reading: SrtConnection
) -> None:
    (reader,) = rig.readers.readers
    path = f"/api/v1/readers/{reader.id}"
    another = rig.bearer(Action.MANAGE, stream="closed")
    assert (await rig.json("/api/v1/readers", headers=another))["readers"] == []
    assert (await rig.answer("DELETE", path, headers=another))[0] == 403
    assert (await rig.answer("GET", "/api/v1/readers"))[0] == 401
    assert (await rig.answer("DELETE", path))[0] == 401
    assert not reader.is_over
