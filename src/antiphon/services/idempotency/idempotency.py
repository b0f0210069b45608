"""Runs a call once under a client's key: one script when it begins, one when it ends, and a token between them."""

# The states of a key, for one caller and action:
#
#     state       begin                          finish, with the token          leaves it by itself
#     nothing     the call runs → running        –                               –
#     running     same inputs: Conflict          final → kept                    after the time of the call and
#                 other inputs: InvalidInput     else  → nothing                 `grace_time` → nothing
#     kept        same inputs: the answer        nothing is changed              after `keep_time` → nothing
#                 other inputs: InvalidInput
#
# A call that outlives its hold on the key finds another token there, and then keeps nothing. When a process dies
# between the effects and `kept`, a repeat runs again once the hold is over: effects that must not happen twice even
# then are written within `ctx.once()`, whose ledger has the same key and commits with them.

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from math import ceil
from typing import Any

from antiphon.core.action import AnyAction
from antiphon.core.context import Context
from antiphon.core.errors import CallError, InvalidInput, TooManyCalls, Unavailable
from antiphon.core.idempotency import Attempt, Idempotency, KeyTaken, Replay, Replayed
from antiphon.core.inputs.schema import Inputs
from antiphon.core.job import AskAgain
from antiphon.core.log import Logger
from antiphon.core.session import SessionStarted
from antiphon.services.idempotency import answers
from antiphon.services.idempotency.keys import Named, name_key, read_key
from antiphon.services.idempotency.marks import Mark, mark_of
from antiphon.services.idempotency.settings import IdempotencySettings
from antiphon.stores.base import Store
from antiphon.stores.script import Script

_BEGIN = Script.beside(__file__, "begin.lua")
_FINISH = Script.beside(__file__, "finish.lua")
_AWAY_SECONDS = 1.0
_FORGET = ""


class StoredAnswers(Idempotency):
    """The first answers of calls under keys, in the store."""

    def __init__(self, store: Store, settings: IdempotencySettings, log: Logger) -> None:
        self.settings = settings
        self._store = store
        self._log = log
        self._finishing: set[asyncio.Task[None]] = set()

    async def begin(self, ctx: Context, action: AnyAction, inputs: Inputs) -> Attempt | Replay:
        """The right to run, or the result to give again."""
        key = read_key(ctx.client_key or "")
        named = name_key(key, action.name, await ctx.identify(), ctx.connection)
        mark = mark_of(inputs, ctx.base, named.secret_for("inputs"))
        running = Running(self, action, named, mark, ctx.new_id())
        state, *rest = await self._begin(ctx, running)
        if state == b"begun":
            ctx.idempotency_key = named.id
            return running
        if state == b"kept":
            ctx.tell(Replayed())
            answer = answers.read_answer(rest[0].decode(), action.result, named.secret_for("answer"))
            if answer.again is not None:
                ctx.tell(answer.again)
            return Replay(answer.result)
        if state == b"other":
            raise InvalidInput("This idempotency key was used with other inputs. Use a new one for another call.")
        if state == b"full":
            raise TooManyCalls("As many idempotency keys are in use as may be.", retry_after=max(1, rest[0]) / 1000)
        raise KeyTaken("A call under this idempotency key is still running. Ask again in a moment.")

    async def _begin(self, ctx: Context, running: Running) -> list[Any]:
        settings = self.settings
        hold = ctx.time_left() + settings.grace_time.total_seconds()
        window = ceil(settings.keep_time.total_seconds() * 1000)
        try:
            return await self._store.run(
                _BEGIN,
                self._keys(running.named),
                [running.mark.text, running.token, max(1, ceil(hold * 1000)), settings.caller_keys, window],
            )
        except (Unavailable, asyncio.CancelledError) as error:
            # It may have begun all the same, and nobody would end it.
            self._start(self._finish(running, _FORGET))
            if isinstance(error, asyncio.CancelledError):
                raise
            raise Unavailable(
                "Answers under idempotency keys cannot be looked up right now, so the call was not made.",
                retry_after=_AWAY_SECONDS,
            ) from None

    async def finish(self, running: Running, answer: str) -> None:
        """Keep this answer, or with an empty one forget that the call ran; done also when nobody waits any more."""
        await asyncio.shield(self._start(self._finish(running, answer)))

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._finishing.add(task)
        task.add_done_callback(self._finishing.discard)
        return task

    async def _finish(self, running: Running, answer: str) -> None:
        settings = self.settings
        life = ceil(settings.keep_time.total_seconds() * 1000)
        mark, token = running.mark.text, running.token
        try:
            kept = await self._store.run(
                _FINISH,
                self._keys(running.named),
                [mark, token, answer, answers.LARGE, life, settings.caller_bytes, life],
            )
        except Unavailable:
            # The effects stand and the caller is owed the answer; what is lost is the memory of it.
            kept, event = 0, "idempotency.not_kept"
        else:
            event = "idempotency.late"
        if not kept and answer != _FORGET:
            self._log.warning(event, action=running.action.name, key=running.named.id)

    def _keys(self, named: Named) -> list[str]:
        return [self._store.key(named.entry), self._store.key(named.used)]

    async def close(self) -> None:
        """Wait for what is being kept; each takes no longer than a command."""
        await asyncio.gather(*self._finishing, return_exceptions=True)


class Running(Attempt):
    """The call that runs under a key."""

    __slots__ = ("_answers", "action", "mark", "named", "token")

    def __init__(self, kept: StoredAnswers, action: AnyAction, named: Named, mark: Mark, token: str) -> None:
        self._answers = kept
        self.action = action
        self.named = named
        self.mark = mark
        self.token = token

    async def keep(self, ctx: Context, result: Any) -> None:
        """Keep a result, or that there was one."""
        await self._answers.finish(self, self._written(ctx, result))

    def _written(self, ctx: Context, result: Any) -> str:
        if self.mark.holds_secret:
            return answers.SECRET
        if ctx.told(SessionStarted) is not None:
            return answers.SESSION
        most = self._answers.settings.answer_bytes
        secret, again = self.named.secret_for("answer"), ctx.told(AskAgain)
        return answers.write_result(result, self.action.result, secret, most, again)

    async def fail(self, error: BaseException) -> None:
        """Keep a final error; after any other, and one that may be about a secret, a repeat runs."""
        answer = _FORGET
        if isinstance(error, CallError) and isinstance(error, answers.FINAL) and not self.mark.holds_secret:
            most = self._answers.settings.answer_bytes
            answer = answers.write_error(error, self.named.secret_for("answer"), most)
        await self._answers.finish(self, answer)
