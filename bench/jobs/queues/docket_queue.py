"""docket: Redis Streams as here, with pickled calls."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import redis.asyncio
from docket import Docket, Worker

from bench.jobs.queues.effects import EFFECT_SECONDS, EFFECTS, SHORT_SECONDS
from bench.jobs.tally import Tally, say, send


def _register(docket: Docket, tally: Tally, url: str) -> None:
    client = redis.asyncio.Redis.from_url(url)

    async def noop(sent: float) -> None:
        tally.begin()
        tally.ran(sent)

    async def short(sent: float) -> None:
        tally.begin()
        await asyncio.sleep(SHORT_SECONDS)
        tally.ran(sent)

    async def wait(sent: float) -> None:
        await noop(sent)

    async def effect(number: int) -> None:
        await asyncio.sleep(EFFECT_SECONDS)
        await client.rpush(EFFECTS, number)

    for function in (noop, short, wait, effect):
        docket.register(function)


def produce(url: str, work: str, count: int, apart: float) -> None:
    """Enqueue jobs."""

    async def run() -> None:
        async with Docket(name="bench", url=url) as docket:
            _register(docket, Tally(0), url)
            numbers = iter(range(count))

            async def enqueue(sent: float) -> Any:
                return await docket.add(work)(next(numbers) if work == "effect" else sent)

            await send(count, apart, enqueue)

    asyncio.run(run())


def work(url: str, count: int, slots: int) -> None:
    """Run jobs until ended."""

    async def run() -> None:
        async with Docket(name="bench", url=url) as docket:
            _register(docket, Tally(count), url)
            async with Worker(
                docket,
                concurrency=slots,
                redelivery_timeout=timedelta(seconds=20),
                # By default it looks every quarter of a second, which allows 200 short jobs a second.
                minimum_check_interval=timedelta(milliseconds=5),
            ) as worker:
                say(ready=1)
                await worker.run_forever()

    asyncio.run(run())
