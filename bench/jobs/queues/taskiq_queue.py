"""taskiq on Redis Streams, the one of its brokers that acknowledges."""

from __future__ import annotations

import asyncio
from typing import Any

import redis.asyncio
from taskiq.receiver import Receiver
from taskiq_redis import RedisStreamBroker

from bench.jobs.queues.effects import EFFECT_SECONDS, EFFECTS, SHORT_SECONDS
from bench.jobs.tally import Tally, say, send


def _broker(url: str) -> RedisStreamBroker:
    return RedisStreamBroker(url, consumer_id="0", idle_timeout=20_000)


def produce(url: str, work: str, count: int, apart: float) -> None:
    """Enqueue jobs."""

    async def run() -> None:
        broker = _broker(url)
        await broker.startup()
        numbers = iter(range(count))

        async def task(_given: float) -> None:
            """The body is the worker's matter."""

        found = broker.register_task(task, task_name=work)
        await send(count, apart, lambda sent: found.kiq(next(numbers) if work == "effect" else sent))
        await broker.shutdown()

    asyncio.run(run())


def work(url: str, count: int, slots: int) -> None:
    """Run jobs until ended."""
    tally = Tally(count)
    client = redis.asyncio.Redis.from_url(url)

    async def noop(sent: float) -> None:
        tally.begin()
        tally.ran(sent)

    async def short(sent: float) -> None:
        tally.begin()
        await asyncio.sleep(SHORT_SECONDS)
        tally.ran(sent)

    async def effect(number: int) -> None:
        await asyncio.sleep(EFFECT_SECONDS)
        await client.rpush(EFFECTS, number)

    async def run() -> None:
        broker = _broker(url)
        broker.is_worker_process = True
        jobs: dict[str, Any] = {"noop": noop, "wait": noop, "short": short, "effect": effect}
        for name, function in jobs.items():
            broker.register_task(function, task_name=name)
        await broker.startup()
        receiver = Receiver(broker, max_async_tasks=slots, max_prefetch=slots)
        say(ready=1)
        await receiver.listen(asyncio.Event())

    asyncio.run(run())
