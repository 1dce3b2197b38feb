from __future__ import annotations

import json

import pytest
from redis.asyncio import Redis

from streamer.cluster.link import RedisAway, connect
from streamer.cluster.origins import Origin, Origins
from tests.rigs.processes import free_port


class Machine:
    """Says what it is told to say."""

    def __init__(self, redis: Redis, node: str, **streams: float) -> None:
        self.streams = streams
        self.heard = 0
        self.come: set[tuple[str, str]] = set()  # streams, and the machine that each is fetched from
        self.origins = Origins(redis, node, f"{node}:8890", lambda: self.streams, self._comes, self._hear)

    def _comes(self, stream: str, origin: Origin) -> bool:
        return (stream, origin.node) in self.come

    def _hear(self) -> None:
        self.heard += 1

    async def hears(self) -> dict[str, Origin]:
        """What it hears of each stream; of several machines the one it prefers."""
        await self.origins.beat()
        return {stream: origins[0] for stream, origins in self.origins.elsewhere.items()}


async def test_each_hears_what_the_others_have_and_not_what_it_has_itself(redis: Redis) -> None:
    one, two = Machine(redis, "one", cam=100.0, door=200.0), Machine(redis, "two", gate=300.0)
    await one.hears()
    assert await two.hears() == {
        "cam": Origin("one", "one:8890", 100.0),
        "door": Origin("one", "one:8890", 200.0),
    }
    assert await one.hears() == {"gate": Origin("two", "two:8890", 300.0)}
    one.streams.clear()
    await one.hears()
    assert await two.hears() == {}


async def test_of_two_that_have_a_stream_the_one_that_got_it_last_counts(redis: Redis) -> None:
    """The encoder may have moved, which the one it left has not noticed yet."""
    for node, since in (("late", 300.0), ("early", 100.0), ("later", 400.0), ("soon", 200.0)):
        await Machine(redis, node, cam=since).hears()
    edge = Machine(redis, "edge")
    assert (await edge.hears())["cam"].node == "later"
    assert [each.node for each in edge.origins.elsewhere["cam"]] == ["later", "late", "soon", "early"]


async def test_who_leaves_or_dies_is_forgotten(redis: Redis) -> None:
    one, two, edge = (Machine(redis, node, **{node: 1.0}) for node in ("one", "two", "edge"))
    for machine in (one, two, edge):
        await machine.hears()
    assert set(await edge.hears()) == {"one", "two"}
    await one.origins.leave()
    assert set(await edge.hears()) == {"two"}
    assert 0 < await redis.ttl("streamer:origin:two") <= 5
    await redis.delete("streamer:origin:two")  # its time is over
    assert await edge.hears() == {}
    assert await redis.smembers("streamer:origins") == {b"edge"}


@pytest.mark.parametrize(
    "said",
    [
        *(b"", b"\xff", b"[]", b"{}", b'{"address": "x:1"}', b"7"),
        b'{"address": "x:1", "streams": {"cam": "soon"}}',
        b'{"address": "x:1", "streams": {"gate": 1%s}}' % (b"0" * 400),
        b'{"address": "", "streams": {"gate": 1.0}}',
        b'{"address": "nowhere", "streams": {"gate": 1.0}}',
        b'{"address": "x:1?passphrase=", "streams": {"gate": 1.0}}',
    ],
)
async def test_what_is_not_understood_is_nothing(redis: Redis, said: bytes) -> None:
    await redis.sadd("streamer:origins", "odd")
    await redis.set("streamer:origin:odd", said)
    await Machine(redis, "one", cam=1.0).hears()
    assert set(await Machine(redis, "edge").hears()) == {"cam"}


async def test_while_redis_is_away_what_was_heard_last_is_still_believed(redis: Redis) -> None:
    await Machine(redis, "one", cam=1.0).hears()
    edge = Machine(redis, "edge")
    assert set(await edge.hears()) == {"cam"}
    away = connect(f"redis://127.0.0.1:{free_port()}/0")
    edge.origins._redis = away
    with pytest.raises(RedisAway):
        await edge.hears()
    assert set(edge.origins.elsewhere) == {"cam"}
    await away.aclose()


async def test_what_comes_is_there_though_redis_has_lost_everything(redis: Redis) -> None:
    one, two, edge = Machine(redis, "one", cam=1.0, gate=2.0), Machine(redis, "two"), Machine(redis, "edge")
    await one.hears()
    await edge.hears()
    edge.come.add(("cam", "one"))
    await redis.flushall()
    assert set(await edge.hears()) == {"cam"}  # before the first has said it again
    two.streams["cam"] = 0.5
    await two.hears()
    assert (await edge.hears())["cam"].node == "two"
    await one.hears()
    assert (await edge.hears())["cam"].node == "one"
    one.streams.clear()  # its publisher left: what is still on its way counts for nothing
    two.streams.clear()
    await one.hears()
    await two.hears()
    assert await edge.hears() == {}


async def test_it_is_json_that_people_can_read(redis: Redis) -> None:
    await Machine(redis, "one", cam=1.5).hears()
    said = await redis.get("streamer:origin:one")
    assert json.loads(said) == {"address": "one:8890", "streams": {"cam": 1.5}}
