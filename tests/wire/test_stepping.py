"""A coroutine that is begun where nothing can be awaited."""

from __future__ import annotations

import asyncio

import pytest

from antiphon.wire.stepping import Stepped


async def at_once(value: int) -> int:
    """What never waits."""
    return value


async def after(news: asyncio.Future[int], seen: list[str]) -> int:
    """What waits twice, and says how it ended."""
    try:
        value = await news
        await asyncio.sleep(0)
    except BaseException as error:
        seen.append(type(error).__name__)
        raise
    return value + 1


async def test_what_never_waits_is_over_at_once() -> None:
    """Its result is there, and also comes of awaiting it."""
    stepped = Stepped(at_once(5))

    assert stepped.begin()
    assert (stepped.result, await stepped) == (5, 5)


async def test_the_rest_runs_where_it_is_awaited() -> None:
    """Whatever it waits for wakes the task that awaits it."""
    news: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    stepped = Stepped(after(news, []))

    assert not stepped.begin()
    asyncio.get_running_loop().call_soon(news.set_result, 5)
    assert await stepped == 6


async def test_news_may_come_before_it_is_awaited() -> None:
    """What it waited for can be over by then."""
    news: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    stepped = Stepped(after(news, []))
    stepped.begin()
    news.set_result(1)
    await asyncio.sleep(0)

    assert await stepped == 2


async def test_errors_are_the_coroutines_own() -> None:
    """At its beginning and after its wait."""
    news: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    news.set_exception(KeyError("gone"))
    seen: list[str] = []

    with pytest.raises(KeyError):
        # A future that is over is not waited for.
        Stepped(after(news, seen)).begin()
    late: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    stepped = Stepped(after(late, seen))
    stepped.begin()
    asyncio.get_running_loop().call_soon(late.set_exception, OSError("late"))
    with pytest.raises(OSError, match="late"):
        await stepped
    assert seen == ["KeyError", "OSError"]


async def test_a_cancellation_reaches_it() -> None:
    """The task is cancelled where the coroutine waits, and not around it."""
    seen: list[str] = []

    async def work() -> int:
        stepped = Stepped(after(asyncio.get_running_loop().create_future(), seen))
        stepped.begin()
        return await stepped

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert seen == ["CancelledError"]


async def test_it_can_be_given_up() -> None:
    """What it holds is let go there and then."""
    seen: list[str] = []
    stepped = Stepped(after(asyncio.get_running_loop().create_future(), seen))
    stepped.begin()
    stepped.close()

    assert seen == ["GeneratorExit"]
