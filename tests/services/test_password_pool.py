"""The pool that hashes: its bounds, its refusals, and what a cancelled call leaves behind."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from threading import Event, get_native_id

import pytest

from antiphon.core.errors import Unavailable
from antiphon.services.passwords.pool import HashingPool
from antiphon.testing.waiting import wait_until

LONG, SHORT = timedelta(minutes=1), timedelta(milliseconds=1)


class Work:
    """Work that goes on in its thread until it is told to end."""

    def __init__(self) -> None:
        self.begun = Event()
        self.end = Event()

    def __call__(self) -> str:
        self.begun.set()
        assert self.end.wait(30)
        return "done"


@pytest.fixture
async def pool() -> AsyncIterator[HashingPool]:
    """One thread, two in line, who may wait for long."""
    opened = HashingPool(threads=1, waiting=2, wait=LONG)
    yield opened
    await opened.close()


async def busy(pool: HashingPool) -> tuple[Work, asyncio.Task[str]]:
    """Work that has begun in the only thread."""
    work = Work()
    task = asyncio.create_task(pool.run(work))
    await wait_until(work.begun.is_set, "the work never began")
    return work, task


async def free(pool: HashingPool) -> None:
    """Return when nobody has a place any more."""
    await wait_until(lambda: pool.taken == 0, "the pool was never free again")


async def test_what_work_gives_comes_back(pool: HashingPool) -> None:
    """The result of the work is the result of the call, and so is its error."""
    assert await pool.run(lambda: 42) == 42
    with pytest.raises(ZeroDivisionError):
        await pool.run(lambda: 1 // 0)
    await free(pool)


async def test_calls_wait_in_line(pool: HashingPool) -> None:
    """What finds no thread waits, and begins in the order of coming."""
    work, first = await busy(pool)
    order: list[int] = []
    later = [asyncio.create_task(pool.run(lambda number=number: order.append(number))) for number in range(2)]
    await wait_until(lambda: pool.waiting == 2, "nobody waited in line")

    work.end.set()
    await asyncio.gather(first, *later)

    assert order == [0, 1]
    await free(pool)


async def test_a_full_line_refuses(pool: HashingPool) -> None:
    """One call more than may wait is Unavailable at once, with a second to wait."""
    work, first = await busy(pool)
    later = [asyncio.create_task(pool.run(lambda: 1)) for _ in range(2)]
    await wait_until(lambda: pool.waiting == 2, "nobody waited in line")

    with pytest.raises(Unavailable) as refused:
        await pool.run(lambda: 1)

    assert refused.value.retry_after == 1
    work.end.set()
    await asyncio.gather(first, *later)


async def test_waiting_too_long_refuses() -> None:
    """A call whose turn does not come in time is Unavailable, and leaves the line."""
    pool = HashingPool(threads=1, waiting=2, wait=SHORT)
    work, first = await busy(pool)

    with pytest.raises(Unavailable) as refused:
        await pool.run(lambda: 1)

    assert (refused.value.retry_after, pool.waiting) == (1, 0)
    work.end.set()
    await first
    await pool.close()


async def test_a_cancelled_call_keeps_its_thread_until_the_work_ends(pool: HashingPool) -> None:
    """The thread cannot be stopped, so nobody else gets its place before it is free."""
    work, first = await busy(pool)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first

    later = asyncio.create_task(pool.run(lambda: "later"))
    await wait_until(lambda: pool.waiting == 1, "the next call did not wait for the thread")
    work.end.set()

    assert await later == "later"
    await free(pool)


async def test_a_call_cancelled_in_line_takes_no_place(pool: HashingPool) -> None:
    """Its place in line is free at once, and the next one gets the thread."""
    work, first = await busy(pool)
    given_up = asyncio.create_task(pool.run(lambda: "given up"))
    stays = asyncio.create_task(pool.run(lambda: "stays"))
    await wait_until(lambda: pool.waiting == 2, "nobody waited in line")

    given_up.cancel()
    await wait_until(lambda: pool.waiting == 1, "the cancelled call stayed in line")
    work.end.set()

    assert await stays == "stays"
    assert given_up.cancelled()
    await first
    await free(pool)


async def test_a_call_cancelled_as_its_turn_comes_gives_the_turn_on(pool: HashingPool) -> None:
    """A place that was just given to a call which is cancelled in the same turn of the loop is not lost."""
    work, first = await busy(pool)
    unlucky = asyncio.create_task(pool.run(lambda: "unlucky"))
    lucky = asyncio.create_task(pool.run(lambda: "lucky"))
    await wait_until(lambda: pool.waiting == 2, "nobody waited in line")
    work.end.set()
    # The loop runs this before what it has just given the place to.
    while pool.waiting == 2:  # noqa: ASYNC110  # no event comes at just this moment
        await asyncio.sleep(0)
    unlucky.cancel()

    assert await lucky == "lucky"
    assert (await asyncio.gather(unlucky, return_exceptions=True))[0].__class__ is asyncio.CancelledError
    await first
    await free(pool)


async def test_a_call_cancelled_before_the_thread_looks_for_the_next_is_passed_over(pool: HashingPool) -> None:
    """It ends as cancelled calls do, and the turn is that of the one behind it."""
    work, first = await busy(pool)
    gone = asyncio.create_task(pool.run(lambda: "gone"))
    next_one = asyncio.create_task(pool.run(lambda: "next"))
    await wait_until(lambda: pool.waiting == 2, "nobody waited in line")
    work.end.set()
    # The loop stands still until the thread has told it of its end: that comes before what the cancellation does.
    idle = pool._executor.submit(str)  # pyright: ignore[reportPrivateUsage]  # nothing else says that it has told
    idle.result(30)

    gone.cancel()

    assert await next_one == "next"
    assert (await asyncio.gather(gone, return_exceptions=True))[0].__class__ is asyncio.CancelledError
    await first
    await free(pool)


async def test_places_are_neither_lost_nor_made(pool: HashingPool) -> None:
    """After any number of calls, a third of them cancelled, the pool is free and works."""
    tasks: list[asyncio.Task[int]] = []
    for number in range(60):
        tasks.append(asyncio.create_task(pool.run(lambda number=number: number)))
        await asyncio.sleep(0)
        if number % 3 == 0:
            tasks[-1].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

    await free(pool)
    assert pool.waiting == 0
    assert await pool.run(lambda: "works") == "works"


@pytest.mark.skipif(sys.platform != "linux", reason="threads have a niceness of their own on Linux only")
async def test_threads_that_hash_let_others_go_first(pool: HashingPool) -> None:
    """They are nicer than the thread of the loop, which stays as it was: a flood of sign-ins slows nobody's calls."""
    before = os.getpriority(os.PRIO_PROCESS, 0)

    hashing = await pool.run(lambda: os.getpriority(os.PRIO_PROCESS, get_native_id()))

    assert hashing == 19
    assert os.getpriority(os.PRIO_PROCESS, 0) == before


async def test_closing_waits_for_what_runs() -> None:
    """Nothing is torn down under a thread that still works, also when its caller has gone."""
    pool = HashingPool(threads=1, waiting=2, wait=LONG)
    work, first = await busy(pool)
    first.cancel()
    closing = asyncio.create_task(pool.close())
    await asyncio.sleep(0)
    assert not closing.done()

    work.end.set()
    await closing

    await free(pool)
