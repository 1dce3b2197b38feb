"""Batches and nodes over a real Redis, one for all tests of this file."""

from __future__ import annotations

import asyncio
import math
import time

import pytest
from redis.asyncio import Redis

from streamer.cluster.batches import GROUP, QUEUE, Consumer, Queue
from streamer.cluster.link import RedisAway, connect
from streamer.cluster.nodes import MAX_NEW, Count, Nodes
from tests.fakes.wait import until
from tests.rigs.processes import free_port


class Taker:
    def __init__(self) -> None:
        self.batches: list[bytes] = []
        self.fails = False

    async def __call__(self, batches: list[bytes]) -> None:
        if self.fails:
            raise OSError("the database is away")
        self.batches += batches


class TestBatches:
    async def test_each_is_taken_by_one(self, redis: Redis) -> None:
        takers = [Taker(), Taker()]
        consumers = [Consumer(redis, f"node{place}", taker) for place, taker in enumerate(takers)]
        tasks = [asyncio.create_task(consumer.run()) for consumer in consumers]
        sent = [(str(number), b"batch %d" % number) for number in range(100)]
        await Queue(redis).send(sent)
        await until(lambda: sum(len(taker.batches) for taker in takers) == 100)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        assert sorted(takers[0].batches + takers[1].batches) == sorted(data for _, data in sent)
        assert await redis.xlen(QUEUE) == 0

    async def test_what_could_not_be_taken_stays(self, redis: Redis) -> None:
        taker = Taker()
        taker.fails = True
        consumer = Consumer(redis, "node", taker)
        await Queue(redis).send([("1", b"batch")])
        await consumer._join()
        await consumer._handle(await consumer._read(">"))
        pending = await redis.xpending(QUEUE, GROUP)
        assert pending["pending"] == 1
        taker.fails = False
        # The same machine after a restart.
        again = Consumer(redis, "node", taker)
        await again._handle(await again._read("0"))
        assert taker.batches == [b"batch"]
        assert (await redis.xpending(QUEUE, GROUP))["pending"] == 0

    async def test_somebody_is_taken_out(self, redis: Redis) -> None:
        queue = Queue(redis)
        await queue.send([("1", b"anna and bert"), ("2", b"bert")])
        assert await queue.rewrite(lambda data: b"bert" if b"anna" in data else None) == 1
        taker = Taker()
        consumer = Consumer(redis, "node", taker)
        await consumer._join()
        await consumer._handle(await consumer._read(">"))
        assert taker.batches == [b"bert", b"bert"]

    async def test_what_is_no_batch_keeps_nobody_from_the_rest(
        self, redis: Redis, caplog: pytest.LogCaptureFixture
    ) -> None:
        for fields in ({"batch": b"no zlib"}, {"other": b"field"}):
            await redis.xadd(QUEUE, fields)
        queue = Queue(redis)
        await queue.send([("1", b"anna")])
        assert await queue.rewrite(lambda data: b"nobody" if data == b"anna" else None) == 1
        taker = Taker()
        running = asyncio.create_task(Consumer(redis, "node", taker).run())
        await until(lambda: running.done() or bool(taker.batches))
        assert taker.batches == [b"nobody"]
        assert not running.done()
        running.cancel()
        await asyncio.wait({running})
        assert await redis.xlen(QUEUE) == 0
        assert "is no batch" in caplog.text


def nodes(redis: Redis, name: str, viewers: int, rescued: list[bytes], silent_s: float = 60.0) -> Nodes:
    async def rescue(data: bytes) -> None:
        rescued.append(data)

    counts = {"cam": Count(viewers, viewers, 50.0 + viewers)} if viewers else {}
    return Nodes(redis, name, lambda: counts, name.encode, rescue, silent_s=silent_s)


class TestNodes:
    async def test_machines_add_up(self, redis: Redis) -> None:
        rescued: list[bytes] = []
        one, two = nodes(redis, "one", 10, rescued), nodes(redis, "two", 30, rescued)
        for viewer in ("a", "b", "c"):
            one.seen("cam", viewer)
            two.seen("cam", viewer)
        two.seen("cam", "d")
        for each in (one, two, one):
            each._counted_at = -math.inf
            await each.beat()
        assert one.alive == {"one", "two"}
        assert one.together == {"cam": Count(40, 40, (60 * 10 + 80 * 30) / 40)}
        assert one.unique == {"cam": 4}

    async def test_who_comes_while_redis_is_waited_for_counts(self, redis: Redis) -> None:
        one = nodes(redis, "one", 2, [])
        one.seen("cam", "before")
        beat = asyncio.create_task(one.beat())
        await asyncio.sleep(0)
        one.seen("cam", "meanwhile")
        assert not beat.done()
        await beat
        one._counted_at = -math.inf
        await one.beat()
        assert one.unique == {"cam": 2}

    async def test_who_came_while_redis_was_away_counts(self, redis: Redis) -> None:
        away = connect(f"redis://127.0.0.1:{free_port()}")
        one = nodes(away, "one", 1, [])
        for viewer in ("a", "b"):
            one.seen("cam", viewer)
            with pytest.raises(RedisAway):
                await one.beat()
        one._redis = redis
        await one.beat()
        assert one.unique == {"cam": 2}
        await away.aclose()

    async def test_of_those_who_come_while_redis_is_away_so_many_are_remembered(
        self, redis: Redis, caplog: pytest.LogCaptureFixture
    ) -> None:
        away = connect(f"redis://127.0.0.1:{free_port()}")
        one = nodes(away, "one", 1, [])
        for _ in range(1000):
            one.seen("cam", "always the same")
        assert one._new == {"cam": {"always the same"}}
        for number in range(MAX_NEW // 2):
            one.seen("cam", str(number))
        with pytest.raises(RedisAway):
            await one.beat()
        for number in range(MAX_NEW):
            one.seen("hall", str(number))
        assert sum(len(viewers) for viewers in one._new.values()) == MAX_NEW
        assert len([record for record in caplog.records if "wait to be counted" in record.message]) == 1
        await away.aclose()

        one._redis = redis
        await redis.config_resetstat()
        await one.beat()
        calls = (await redis.info("commandstats"))["cmdstat_pfadd"]["calls"]
        assert calls == pytest.approx(MAX_NEW / 1000, abs=2)
        # HyperLogLog errs by 0.8 %.
        key = f"streamer:unique:{int(time.time()) // 86_400}:cam"
        assert await redis.pfcount(key) == pytest.approx(MAX_NEW // 2 + 1, rel=0.05)
        assert not one._new

    async def test_the_highest_sum_is_the_peak(self, redis: Redis) -> None:
        one, two = nodes(redis, "one", 10, []), nodes(redis, "two", 30, [])
        await one.beat()
        await two.beat()
        two._counts = lambda: {"cam": Count(1, 30, math.nan)}
        await two.beat()
        await one.beat()
        assert one.together is not None
        assert (one.together["cam"].viewers, one.together["cam"].peak) == (11, 40)

    async def test_what_a_dead_machine_began_is_finished_once(self, redis: Redis) -> None:
        rescued: list[bytes] = []
        dead, one, two = (nodes(redis, name, 1, rescued, silent_s=0.0) for name in ("dead", "one", "two"))
        for each in (dead, one, two):
            await each.beat()
        assert not rescued
        await redis.delete("streamer:node:dead")
        for each in (one, two, one):
            await each.beat()
        assert rescued == [b"dead"]
        assert one.alive == {"one", "two"}

    async def test_a_copy_is_made_when_a_batch_was_cut_off(self, redis: Redis) -> None:
        one = nodes(redis, "one", 1, [])
        copies = iter((b"first", b"second"))
        one._copy = lambda: next(copies)
        for _ in range(3):
            await one.beat()
        assert await redis.get("streamer:copy:one") == b"first"
        one.copy_soon()
        await one.beat()
        assert await redis.get("streamer:copy:one") == b"second"

    async def test_what_others_left_is_there_until_somebody_finishes_it(self, redis: Redis) -> None:
        dead, other, one = (nodes(redis, name, 1, [], silent_s=0.0) for name in ("dead", "other", "one"))
        assert await one.copies() == []
        for each in (dead, other, one):
            await each.beat()
        assert await one.copies() == [b"dead", b"other"]
        await redis.delete("streamer:node:dead")
        one._silent_s = 60.0
        await one.beat()
        assert await one.copies() == [b"dead", b"other"]
        await other.beat()
        assert await one.copies() == [b"other"]

    async def test_who_leaves_in_good_order_is_not_missed(self, redis: Redis) -> None:
        rescued: list[bytes] = []
        one, two = (nodes(redis, name, 1, rescued, silent_s=0.0) for name in ("one", "two"))
        await one.beat()
        await two.beat()
        await one.leave()
        await two.beat()
        assert two.alive == {"two"}
        assert not rescued

    @pytest.mark.parametrize(
        "said", [b"\xff{", b"[1]", b'{"cam": [1, 2]}', b'{"cam": 3}', b'{"cam": [1, [], 2]}']
    )
    async def test_a_machine_that_is_not_understood_is_there_but_not_counted(
        self, redis: Redis, said: bytes, caplog: pytest.LogCaptureFixture
    ) -> None:
        one = nodes(redis, "one", 10, [])
        await redis.sadd("streamer:nodes", "odd")
        await redis.set("streamer:node:odd", said)
        await one.beat()
        await one.beat()
        assert one.alive == {"one", "odd"}
        assert one.together == {"cam": Count(10, 10, 60.0)}
        assert caplog.text.count("node odd is not counted") == 1

    async def test_without_redis(self) -> None:
        redis = connect(f"redis://:the-secret@127.0.0.1:{free_port()}")
        with pytest.raises(RedisAway) as caught:
            await nodes(redis, "one", 1, []).beat()
        assert "the-secret" not in str(caught.value)
        await redis.aclose()
