from __future__ import annotations

import asyncio

from streamer.relay.attendance import Pace, attend
from streamer.relay.platforms.broadcast import Health, HealthState
from streamer.relay.platforms.errors import Exhausted, PlatformError
from tests.fakes.broadcast import FakeBroadcast, FakePlatform
from tests.fakes.wait import until

QUICK = Pace(first_s=0.0, least_s=0.001, trouble_s=0.001, refusal_s=0.001, otherwise_s=0.001)


class Heard:
    def __init__(self) -> None:
        self.healths: list[Health] = []
        self.errors: list[PlatformError] = []

    def heard(self, health: Health) -> None:
        self.healths.append(health)

    def not_heard(self, error: PlatformError) -> None:
        self.errors.append(error)


class Failing(FakeBroadcast):
    """Raises what is left of `raises`, one each time that it is asked."""

    def __init__(self, platform: FakePlatform, raises: list[Exception]) -> None:
        super().__init__(platform)
        self.raises = raises

    async def health(self) -> Health:
        if self.raises:
            raise self.raises.pop(0)
        return await super().health()


async def heard_of(broadcast: FakeBroadcast, answers: int) -> Heard:
    heard = Heard()
    task = asyncio.create_task(attend(broadcast, heard, QUICK))
    await until(lambda: len(heard.healths) >= answers, "so many answers")
    task.cancel()
    await asyncio.wait({task})
    return heard


async def test_it_tells_once_and_asks_again_and_again() -> None:
    platform = FakePlatform("rtmp://192.0.2.1/live")
    platform.health = Health(HealthState.GOOD, viewers=7, again_s=0.001)
    broadcast = platform.open()
    await broadcast.prepare()
    heard = await heard_of(broadcast, 3)
    assert platform.live == ["broadcast-0"]
    assert heard.healths[0].viewers == 7
    assert heard.errors == []


async def test_whatever_the_answer_it_asks_again() -> None:
    wrong = PlatformError("gone", "nobody knows this broadcast")
    raises = [Exhausted("no quota is left", retry_after_s=0.001), RuntimeError("a bug"), wrong]
    heard = await heard_of(Failing(FakePlatform("rtmp://192.0.2.1/live"), raises), 1)
    assert [str(error) for error in heard.errors] == ["no quota is left", "nobody knows this broadcast"]
