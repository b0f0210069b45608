"""Antiphon: four actions, and nothing else that an application would not have."""

from __future__ import annotations

import asyncio
import os
import tempfile
from pathlib import Path
from typing import Any

import uvloop

from antiphon import App, Context, Module, Store, Tasks, Worker, action, allow, anyone, only
from antiphon.core.caller import SYSTEM
from antiphon.core.connection import Connection
from bench.jobs.queues.effects import EFFECT_SECONDS, EFFECTS, SHORT_SECONDS
from bench.jobs.tally import Tally, say, send

TALLY = Tally(0)

module = Module(__name__, needs=[Tasks])


@action("noop", only("worker"), allow(anyone))
async def noop(ctx: Context, sent: float) -> None:
    """Do nothing."""
    TALLY.begin()
    TALLY.ran(sent)


@action("wait", only("worker"), allow(anyone))
async def wait(ctx: Context, sent: float) -> None:
    """Do nothing, as soon as possible."""
    TALLY.begin()
    TALLY.ran(sent)


@action("short", only("worker"), allow(anyone))
async def short(ctx: Context, sent: float) -> None:
    """Work for ten milliseconds."""
    TALLY.begin()
    await asyncio.sleep(SHORT_SECONDS)
    TALLY.ran(sent)


@action("effect", only("worker"), allow(anyone))
async def effect(ctx: Context, number: int) -> None:
    """Leave an effect outside of any transaction."""
    await asyncio.sleep(EFFECT_SECONDS)
    pushed: Any = ctx.get(Store).client.execute_command("RPUSH", EFFECTS, number)
    await pushed


JOBS = {"noop": noop, "wait": wait, "short": short, "effect": effect}


def _app(folder: str) -> App:
    return App("bench", modules=[module], transports=[Worker()], folder=Path(folder))


def _environ(url: str) -> dict[str, str]:
    return {"REDIS_URL": url, "LOG_LEVEL": "error", "PATH": os.environ["PATH"]}


def produce(url: str, work: str, count: int, apart: float) -> None:
    """Enqueue jobs."""

    async def run(folder: str) -> None:
        async with _app(folder).running(environ=_environ(url)) as runtime:
            job, numbers = JOBS[work], iter(range(count))

            async def enqueue(sent: float) -> None:
                ctx = runtime.context(job, Connection("direct"), caller=SYSTEM)
                given: Any = next(numbers) if work == "effect" else sent
                await ctx.later(job, given)

            await send(count, apart, enqueue)

    with tempfile.TemporaryDirectory() as folder:
        uvloop.run(run(folder))


def work(url: str, count: int, slots: int) -> None:
    """Run jobs until ended."""
    global TALLY  # noqa: PLW0603  # the actions are declared before anybody knows how many there will be
    TALLY = Tally(count)

    async def run(folder: str) -> None:
        environ = _environ(url) | {"WORKER_SLOTS": str(slots)}
        async with _app(folder).running(environ=environ, listen=True):
            say(ready=1)
            await asyncio.Event().wait()

    with tempfile.TemporaryDirectory() as folder:
        uvloop.run(run(folder))
