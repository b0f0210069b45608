"""Joins commands that are asked for at the same moment into one trip: what a call needs before it runs."""

# Before a call runs, the store is asked who calls, whether that has ended since, and whether the limits have room. The
# parts that ask know nothing of each other, and need not: what is asked for within one turn of the event loop leaves at
# its end, as one pipeline on one connection.
#
#     asked for        waits for            leaves
#     first            the end of the turn  with all that follow it in the same turn
#     as the last      nothing              at once: a pipeline has an end, or its first answers would wait for it
#
# Commands of one trip share their connection and the time of a command, and nothing else: each has an answer or an
# error of its own, and whoever gives up waiting takes nothing from the others.

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, cast

from redis.exceptions import NoScriptError

from antiphon.core.errors import Unavailable
from antiphon.stores.client import StoreClient
from antiphon.stores.script import Script

_MOST_COMMANDS = 128

type _Asked = tuple[tuple[str | bytes | int | float, ...], asyncio.Future[Any]]


class Trips:
    """Commands under the promise of `Store.client`: each ends within `command_time`, or raises Unavailable."""

    def __init__(self, client: StoreClient) -> None:
        self._client = client
        self._asked: list[_Asked] = []
        self._under_way: set[asyncio.Task[None]] = set()

    async def hmget(self, key: str, fields: Sequence[str]) -> list[bytes | None]:
        """What these fields of a hash hold."""
        return cast("list[bytes | None]", await self._ask("HMGET", key, *fields))

    async def zrem(self, key: str, *members: str) -> int:
        """Take these out of a sorted set; how many were in it."""
        return cast("int", await self._ask("ZREM", key, *members))

    async def run(self, script: Script, keys: Sequence[str], args: Sequence[str | bytes | int | float] = ()) -> Any:
        """Run a script as one step; it takes one trip more the first time after the server has started."""
        try:
            return await self._ask("EVALSHA", script.sha, len(keys), *keys, *args)
        except NoScriptError:
            return await self._ask("EVAL", script.text, len(keys), *keys, *args)

    async def close(self) -> None:
        """Wait for what is under way, which is no longer than a command may take."""
        self._leave()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    def _ask(self, *command: str | bytes | int | float) -> asyncio.Future[Any]:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Any] = loop.create_future()
        self._asked.append((command, answer))
        if len(self._asked) == 1:
            loop.call_soon(self._leave)
        elif len(self._asked) == _MOST_COMMANDS:
            self._leave()
        return answer

    def _leave(self) -> None:
        asked, self._asked = [each for each in self._asked if not each[1].done()], []
        if not asked:
            return
        task = asyncio.Task(self._travel(asked), eager_start=True, loop=asyncio.get_running_loop())
        if not task.done():
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def _travel(self, asked: Sequence[_Asked]) -> None:
        try:
            answers = await self._send(asked)
        except BaseException as error:
            for _, answer in asked:
                _refuse(answer, error)
            if not isinstance(error, Exception):
                raise
            return
        for (_, future), answer in zip(asked, answers, strict=True):
            if isinstance(answer, Exception):
                _refuse(future, answer)
            elif not future.done():
                future.set_result(answer)

    async def _send(self, asked: Sequence[_Asked]) -> Sequence[Any]:
        if len(asked) == 1:
            # A third cheaper than a pipeline of one.
            return [await self._client.execute_command(*asked[0][0])]
        pipeline = self._client.pipeline(transaction=False)
        for command, _ in asked:
            pipeline.execute_command(*command)  # pyright: ignore[reportUnknownMemberType]  # redis-py leaves it untyped
        return await pipeline.execute(raise_on_error=False)


def _refuse(answer: asyncio.Future[Any], error: BaseException) -> None:
    if answer.done():
        return
    if isinstance(error, Unavailable):
        # One for each who waits: an error that several raise would gather the traces of all of them.
        again = Unavailable(error.message, retry_after=error.retry_after)
        again.__cause__ = error.__cause__
        answer.set_exception(again)
    elif isinstance(error, Exception):
        answer.set_exception(error)
    else:
        answer.cancel()
