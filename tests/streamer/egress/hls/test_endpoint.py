from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace

import pytest

from streamer.egress.hls import HlsEgress, HlsViewer, NoSuchHlsViewer, endpoint
from streamer.errors import Full, NotLive, Unplayable
from streamer.hub.stream import Publication, Publisher, Stream
from streamer.sections.hls import HlsConfig
from streamer.sections.stream import StreamConfig
from tests.fakes.units import H265, picture
from tests.fakes.wait import until
from tests.streamer.egress.hls.material import pictures, sounds
from transport.media import AccessUnit


class Rig:
    """An egress and one stream."""

    publication: Publication

    def __init__(self, **config: object) -> None:
        self.egress = HlsEgress(HlsConfig.model_validate(config))
        self.stream = Stream("cam", StreamConfig.model_validate({}))
        self.left: list[tuple[str, str]] = []
        self.egress.on_leave.append(lambda viewer, why: self.left.append((viewer.id, why)))
        self.running = asyncio.create_task(self.egress.run())

    def publish(self, units: Iterable[AccessUnit] = ()) -> Publication:
        publication = self.stream.publish(Publisher("one", "srt", "192.0.2.1:4000"))
        for unit in sorted(units, key=lambda unit: unit.dts_s):
            publication.write(unit)
        return publication

    async def join(self, *, early: bool = True) -> HlsViewer:
        return await self.egress.join(
            self.stream, address="192.0.2.9", user_agent="test", signalling="HTTP", early=early
        )

    async def watched(self) -> HlsViewer:
        """Publish a few seconds to somebody who joins meanwhile."""
        self.publication = self.publish(MATERIAL[:1])
        joining = asyncio.create_task(self.join())
        await until(lambda: self.stream.source.has_sinks)
        for unit in MATERIAL:
            self.publication.write(unit)
        return await joining

    async def close(self) -> None:
        self.running.cancel()
        await self.egress.close("the test is over")


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    rig = Rig()
    yield rig
    await rig.close()


MATERIAL = [*pictures(5.2, gop=50), *sounds(5.2)]


async def test_a_viewer_has_something_to_begin_with(rig: Rig) -> None:
    publication = rig.publish(MATERIAL[:1])
    joining = asyncio.create_task(rig.join())
    await until(lambda: rig.stream.source.has_sinks)
    for unit in sorted(MATERIAL, key=lambda unit: unit.dts_s):
        publication.write(unit)
    viewer = await joining
    assert viewer.output.multivariant("?k").splitlines()[-1] == "live.m3u8?k"
    assert f"{viewer.output.name}-0.m4s?k" in viewer.output.media("?k").decode()
    assert rig.egress.by_key(viewer.key) is viewer
    assert rig.egress.by_id(viewer.id) is viewer
    assert rig.egress.count(rig.stream) == 1


async def test_a_player_that_cannot_begin_early_waits_for_three_segments(rig: Rig) -> None:
    """As Chromium's own, which ends at once where there are fewer."""
    material = sorted([*pictures(6.2, gop=50), *sounds(6.2)], key=lambda unit: unit.dts_s)
    publication = rig.publish(material[:1])
    early = asyncio.create_task(rig.join())
    patient = asyncio.create_task(rig.join(early=False))
    await until(lambda: rig.stream.source.has_sinks)
    third_s = material[0].dts_s + 5.0
    for unit in material:
        if unit.dts_s < third_s:
            publication.write(unit)
    assert len((await early).output.window.complete) == 2
    assert not patient.done()
    for unit in material:
        if unit.dts_s >= third_s:
            publication.write(unit)
    assert len((await patient).output.window.complete) == 3


async def test_all_viewers_of_a_stream_share_what_is_made(rig: Rig) -> None:
    publication = rig.publish(MATERIAL[:1])
    joining = asyncio.gather(rig.join(), rig.join())
    await until(lambda: rig.stream.source.has_sinks)
    for unit in MATERIAL:
        publication.write(unit)
    first, second = await joining
    assert first.output is second.output
    assert first.key != second.key


async def test_of_a_stream_that_nobody_publishes_nothing_can_be_had(rig: Rig) -> None:
    with pytest.raises(NotLive, match="nobody publishes it"):
        await rig.join()
    assert rig.stream.demand.idle_s >= 0


async def test_what_nothing_can_be_made_of_is_refused_with_the_reason(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint, "_PATIENCE_S", 0.3)
    nameless = [replace(unit, track=replace(unit.track, parameter_sets=())) for unit in pictures(1.0)]
    rig.publish(nameless)
    with pytest.raises(NotLive, match="parameter set"):
        await rig.join()


async def test_a_picture_that_may_not_be_made_into_another_is_refused(rig: Rig) -> None:
    rig.stream.config = StreamConfig.model_validate({"renditions": "off"})
    rig.publish([picture(0.0, keyframe=True, track=H265)])
    with pytest.raises(Unplayable, match=r"H\.265.*renditions"):
        await rig.join()


async def test_there_are_not_more_than_max_viewers() -> None:
    rig = Rig(max_viewers=1)
    try:
        publication = rig.publish(MATERIAL[:1])
        joining = asyncio.gather(rig.join(), rig.join(), return_exceptions=True)
        await until(lambda: rig.stream.source.has_sinks)
        for unit in MATERIAL:
            publication.write(unit)
        results = await joining
        assert sum(isinstance(each, Full) for each in results) == 1
        with pytest.raises(Full, match=r"hls\.max_viewers"):
            await rig.join()
    finally:
        await rig.close()


async def test_who_asks_no_more_has_gone(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "_LINGER_S", 0.1)
    viewer = await rig.watched()
    ended: list[int] = []
    viewer.when_ended(lambda: ended.append(1))
    viewer.heard_at -= 60.0
    await until(lambda: not rig.egress.viewers)
    assert rig.left == [(viewer.id, "it asked for nothing more")]
    assert ended == [1]
    with pytest.raises(NoSuchHlsViewer, match="it asked for nothing more"):
        rig.egress.by_key(viewer.key)
    # Nobody watches, so nothing is made any more.
    await until(lambda: not rig.stream.source.has_sinks)
    assert viewer.output.window.is_over


async def test_the_end_of_the_stream_is_the_end_of_its_playlist(rig: Rig) -> None:
    viewer = await rig.watched()
    rig.publication.close("it hung up")
    rig.stream.expire(float("inf"))
    await until(lambda: viewer.output.window.is_over)
    assert viewer.output.media("").endswith(b"#EXT-X-ENDLIST\n")


async def test_another_publisher_goes_on_in_the_same_playlist(rig: Rig) -> None:
    viewer = await rig.watched()
    rig.publication.close("it hung up")
    rig.publish(MATERIAL)
    await until(lambda: b"#EXT-X-DISCONTINUITY\n" in viewer.output.media(""))
    assert not viewer.output.window.is_over


async def test_a_stream_that_is_not_configured_any_more_ends_its_viewers(rig: Rig) -> None:
    viewer = await rig.watched()
    rig.stream.retire()
    rig.egress.stream_removed(rig.stream)
    assert rig.left == [(viewer.id, "the stream is not configured any more")]
    await until(lambda: not rig.stream.source.has_sinks)


async def test_after_the_end_nobody_joins(rig: Rig) -> None:
    rig.publish(MATERIAL)
    await rig.egress.close("the server is stopping")
    with pytest.raises(Full, match="stopping"):
        await rig.join()
