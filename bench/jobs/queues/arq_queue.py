"""arq: a sorted set polled every half second by default; here as often as its documentation suggests for latency."""

from __future__ import annotations

import asyncio
from typing import Any

from arq import create_pool
from arq.connections import RedisSettings
from arq.worker import Worker, func

from bench.jobs.queues.effects import EFFECT_SECONDS, EFFECTS, SHORT_SECONDS
from bench.jobs.tally import Tally, say, send


def produce(url: str, work: str, count: int, apart: float) -> None:
    """Enqueue jobs."""

    async def run() -> None:
        pool = await create_pool(RedisSettings.from_dsn(url))
        numbers = iter(range(count))
        await send(count, apart, lambda sent: pool.enqueue_job(work, next(numbers) if work == "effect" else sent))
        await pool.aclose()

    asyncio.run(run())


def work(url: str, count: int, slots: int) -> None:
    """Run jobs until ended."""
    tally = Tally(count)

    async def noop(_ctx: dict[str, Any], sent: float) -> None:
        tally.begin()
        tally.ran(sent)

    async def short(_ctx: dict[str, Any], sent: float) -> None:
        tally.begin()
        await asyncio.sleep(SHORT_SECONDS)
        tally.ran(sent)

    async def effect(ctx: dict[str, Any], number: int) -> None:
        await asyncio.sleep(EFFECT_SECONDS)
        await ctx["redis"].rpush(EFFECTS, number)

    async def ready(_ctx: dict[str, Any]) -> None:
        say(ready=1)

    worker = Worker(
        functions=[
            func(noop, name="noop"),
            func(noop, name="wait"),
            func(short, name="short"),
            func(effect, name="effect"),
        ],
        redis_settings=RedisSettings.from_dsn(url),
        max_jobs=slots,
        poll_delay=0.05,
        keep_result=3600,
        on_startup=ready,
    )
    worker.run()
