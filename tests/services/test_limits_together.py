"""Limits of many processes, and of one alone: exact while the store decides, and quick while it does not."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from time import monotonic

import pytest

from antiphon.core.limits import LimiterAway, limit
from antiphon.core.log import Silent
from antiphon.services.limits.settings import LimitSettings
from antiphon.stores.base import Store
from antiphon.testing.clock import StandingClock
from antiphon.testing.engines import ValkeyServer
from antiphon.testing.waiting import wait_until
from tests.services.limits_stage import Stage, staged

ROOT = Path(__file__).parents[2]
THREE = limit(3, per="1h")
STRICT = limit(3, per="1h", without_store="refuse")
COMMAND_SECONDS = 30.0
PATIENCE = 100


async def test_eight_processes_pass_no_more_than_one(valkey: ValkeyServer, store_prefix: str) -> None:
    """However many processes count, no window holds more calls than the limit says."""
    count, window = 20, 200_000
    command = [
        sys.executable,
        "-m",
        "tests.services.limits_process",
        valkey.url,
        store_prefix,
        f"{count}",
        "200ms",
        "1",
    ]
    crowd = [await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, cwd=ROOT) for _ in range(8)]
    for one in crowd:
        assert one.stdout is not None
        assert await one.stdout.readline() == b"ready\n"

    said = [out for out, _ in await asyncio.gather(*(one.communicate(b"go\n") for one in crowd))]

    passed = sorted(int(word) for line in said for word in line.split())
    assert len(passed) >= count
    assert sum(bool(line.strip()) for line in said) > 1
    for first, beyond in zip(passed, passed[count:], strict=False):
        assert beyond - first >= window


# Without the store


@asynccontextmanager
async def alone() -> AsyncGenerator[tuple[Stage, ValkeyServer]]:
    """Limits on a server of their own, whose commands may take far longer than a decision."""
    async with ValkeyServer(persistent=False) as server:
        time = timedelta(seconds=COMMAND_SECONDS)
        store = Store(server.url, prefix="t", log=Silent(), command_time=time, connect_time=time)
        try:
            async with staged(store) as stage:
                yield stage, server
        finally:
            server.resume()
            await store.close()


async def test_a_store_that_hangs_is_not_waited_for() -> None:
    """A call is decided long before the store's commands give up, and the next ones do not even ask."""
    async with alone() as (stage, server):
        await stage.charge(limit(9, per="1m"))
        server.pause()
        began = monotonic()

        assert await stage.passes(THREE)
        assert monotonic() - began < COMMAND_SECONDS / 2
        assert not stage.asks


async def test_a_decision_takes_no_longer_than_a_call_may_wait_for_it() -> None:
    """Without the store it comes within `limits.store_time`, and one that was killed is not waited for at all.

    The bound is a multiple of that time, so that a busy machine is no fault, and a fraction of a command's.
    """
    wait = LimitSettings().store_time.total_seconds()
    for kill in (False, True):
        async with alone() as (stage, server):
            await stage.charge(limit(9, per="1m"))
            await server.kill() if kill else server.pause()
            began = monotonic()

            assert await stage.passes(THREE)

            assert monotonic() - began < wait * PATIENCE < COMMAND_SECONDS


async def test_a_store_that_was_killed_is_not_waited_for() -> None:
    """A call is decided at once."""
    async with alone() as (stage, server):
        await server.kill()
        began = monotonic()

        assert await stage.count(THREE) == 3
        assert monotonic() - began < COMMAND_SECONDS / 2


async def test_a_process_alone_counts_the_same_numbers() -> None:
    """Without the store three calls an hour are three calls of this process, by address, all limits at once."""
    async with alone() as (stage, server):
        await server.kill()

        assert await stage.count(THREE) == 3
        assert await stage.count(THREE, address="192.0.2.2") == 3
        assert await stage.count(limit(9, per="1h", burst=2, by="address"), address="192.0.2.3") == 2


async def test_what_may_not_be_counted_alone_is_unavailable() -> None:
    """A limit that is strict refuses without the store, and says that it will pass."""
    async with alone() as (stage, server):
        await server.kill()

        with pytest.raises(LimiterAway):
            await stage.charge(STRICT)


async def test_what_may_not_be_counted_alone_waits_for_a_store_that_is_late() -> None:
    """A store that takes longer than a moment refuses nobody: it is waited for as by any other command."""
    async with alone() as (stage, server):
        server.pause()
        assert await stage.passes(THREE)
        waiting = asyncio.create_task(stage.passes(STRICT))
        await asyncio.sleep(0)
        assert not waiting.done()

        server.resume()

        assert await waiting


async def test_the_store_decides_again_once_it_is_back() -> None:
    """After it answers again calls are counted together."""
    async with alone() as (stage, server):
        server.pause()
        assert await stage.passes(THREE)

        server.resume()

        await wait_until(lambda: stage.asks, "the store was never asked again")
        assert await stage.passes(STRICT)


async def test_a_store_that_comes_back_after_a_kill_is_found() -> None:
    """A restart is noticed without a call having to try."""
    async with alone() as (stage, server):
        await server.kill()
        assert await stage.passes(THREE)

        await server.start()

        await wait_until(lambda: stage.asks, "the store was never asked again")
        assert await stage.passes(STRICT)


async def test_a_process_alone_forgets_with_its_clock() -> None:
    """What was counted an hour ago counts no more."""
    clock = StandingClock()
    async with ValkeyServer(persistent=False) as server:
        away = Store(server.url, prefix="t", log=Silent())
        await server.kill()
        try:
            async with staged(away, clock) as stage:
                assert await stage.count(THREE) == 3

                clock.move(timedelta(hours=1, minutes=7))

                assert await stage.count(THREE) == 3
        finally:
            await away.close()
