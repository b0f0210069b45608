"""Waiting in tests: it returns as soon as it can, and failing says what did not happen."""

from __future__ import annotations

import asyncio

import pytest

from antiphon.testing.waiting import wait_until


async def test_waiting_ends_when_the_condition_is_true() -> None:
    """A plain condition is asked again until it holds."""
    event = asyncio.Event()
    asyncio.get_running_loop().call_later(0.01, event.set)

    await wait_until(event.is_set, "the event was never set")

    assert event.is_set()


async def test_an_async_condition_is_awaited() -> None:
    """A condition may be async; its result counts, not the coroutine."""
    asked: list[int] = []

    async def third_time() -> bool:
        asked.append(1)
        return len(asked) == 3

    await wait_until(third_time, "there was no third time")

    assert len(asked) == 3


async def test_a_condition_that_never_holds_fails_with_its_text() -> None:
    """The failure is the sentence that the test gave."""
    with pytest.raises(AssertionError, match="the sun never rose"):
        await wait_until(lambda: False, "the sun never rose", within=0.02)
