"""Runs one action, in the one order there is: admit, read the inputs, layers, the function, check, end, count.

    step        does                                                     when it fails
    admit       identifies the caller, asks `allow`, then the limits     NotSignedIn, Forbidden, TooManyCalls; nothing
                                                                         was read
    read        the transport reads the inputs                           InvalidInput, or the transport's own refusal
    key         a repeat ends here, with the answer of the first call    InvalidInput, Conflict, Unavailable
    layers      those of the application, then those of the traits       whatever they raise
    function    the action itself                                        its CallError; anything else is a Defect
    check       the result is what the signature promised                Defect
    end         the steps of `ctx.at_end`, the transaction first         their error becomes the call's
    keep        the answer of a call with a key, for its repeats         nothing is kept, and the log says so
    count       log line and tally                                       –

Everything here is joined once, at the start; a call pays for what its action uses.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from time import monotonic
from types import CoroutineType
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import astuple

from antiphon.core.access import Allow
from antiphon.core.action import Action, AnyAction, Call
from antiphon.core.admission import join_admission
from antiphon.core.audit import Auditor
from antiphon.core.context import Context
from antiphon.core.errors import CallError, Defect, TimedOut, TransportFault
from antiphon.core.idempotency import Idempotency, Replay, Replayed, no_keys_for_streams, no_keys_here
from antiphon.core.inputs.schema import Inputs
from antiphon.core.inputs.types import convert_kind
from antiphon.core.job import AlreadyDone, Snoozed
from antiphon.core.limits import Limiter
from antiphon.core.middleware import Middleware, join
from antiphon.core.results import exact_class
from antiphon.core.tally import OK, Tally
from antiphon.core.traits import Timeout

if TYPE_CHECKING:
    from antiphon.core.runtime import Runtime

type Read = Callable[[Any], Inputs | Awaitable[Inputs]]
"""How a transport reads the inputs of one call from what it received."""


class Runner:
    """One action of one application, ready to run."""

    __slots__ = (
        "_around",
        "_bare",
        "_check",
        "_exact",
        "_keywords",
        "_nothing",
        "_takes_keys",
        "_watch",
        "action",
        "admit",
        "allow",
        "instant",
        "runtime",
        "schema",
        "seconds",
        "tallies",
    )

    def __init__(self, runtime: Runtime, action: AnyAction, middleware: list[Middleware]) -> None:
        self.runtime = runtime
        self.action = action
        self.schema = action.schema
        self._bare = not self.schema.fields
        self._nothing = self.schema.struct()
        self._keywords = not self.schema.positional
        self._check = action.check
        self._exact = exact_class(action.result)
        self._takes_keys = not action.reads_only
        allow = action.trait(Allow)
        self.allow = None if allow is None or allow.open else allow
        auditor = runtime.find(Auditor)
        self._watch = auditor.watch(action) if auditor is not None else None
        limiter = runtime.find(Limiter)
        self.admit = join_admission(self.allow, limiter.gate(action) if limiter is not None else None)
        layers = [*middleware, *(layer for trait in action.traits if (layer := trait.layer(action)) is not None)]
        self._around = join(layers, self._innermost) if layers else None
        timeout = action.trait(Timeout)
        self.seconds = timeout.seconds if timeout is not None else runtime.call_seconds
        simple = not layers and self.admit is None and self._watch is None
        self.instant = isinstance(action, Action) and action.instant and simple
        self.tallies: dict[str, Tally] = {}

    # One answer

    def run_now(self, ctx: Context, read: Read | None, source: Any) -> Any:
        """Run an instant action here and now; `read` is None where there is nothing to read.

        Gives a coroutine where something has to be awaited after all: inputs that are on their way, steps at its end.
        """
        started = monotonic()
        try:
            if read is None:
                result = self.action.function(ctx)
            else:
                inputs: Any = read(source)
                if inputs.__class__ is CoroutineType:
                    # Not begun, so that nothing of it is missing when it is read where it can be awaited.
                    inputs.close()
                    return self.run(ctx, read, source)
                # As `_function` does it, in place.
                result = self._function(ctx, inputs) if self._keywords else self.action.function(ctx, *astuple(inputs))
            if result.__class__ is not self._exact and not self._check(result):
                raise self._broken_promise(result)
        except BaseException as error:
            if ctx.steps:
                return self._end(ctx, None, error, started)
            told = self._told(ctx, error)
            self._count(ctx, told, monotonic() - started)
            if told is error:
                raise
            raise told from error
        if ctx.steps:
            return self._end(ctx, result, None, started)
        self._count(ctx, None, monotonic() - started)
        return result

    async def _end(self, ctx: Context, result: Any, error: BaseException | None, started: float) -> Any:
        """The end of an instant action that has left steps for it."""
        calls, told = self.runtime.calls, None
        try:
            calls.enter(ctx)
            if error is not None:
                raise error
            ctx.result = result
            await ctx.finish(None)
        except BaseException as raised:
            await ctx.finish(raised)
            told = self._told(ctx, raised)
            if told is raised:
                raise
            raise told from raised
        else:
            return result
        finally:
            calls.leave(ctx)
            self._count(ctx, told, monotonic() - started)

    async def run(self, ctx: Context, read: Read | None, source: Any) -> Any:
        """Run a call that came from outside; `read` is None where there is nothing to read."""
        started, calls, told = monotonic(), self.runtime.calls, None
        try:
            calls.enter(ctx)
            if self.admit is not None:
                await self.admit(ctx)
            inputs: Any = self._nothing if read is None else read(source)
            if inputs.__class__ is CoroutineType:
                inputs = await inputs
            if ctx.client_key is not None and self._takes_keys:
                return await self._run_under_key(ctx, inputs)
            # The same as `_invoke`, in place: every coroutine on the way to the action costs as much as a look-up.
            if self._around is not None:
                result = await self._around(Call(self.action, inputs), ctx)
            else:
                result = self._function(ctx, inputs)
                if result.__class__ is CoroutineType:
                    result = await result
            if result.__class__ is not self._exact or self._watch is not None:
                self._accept(ctx, inputs, result)
            if ctx.steps:
                ctx.result = result
                await ctx.finish(None)
        except AlreadyDone as done:
            # What was begun in this run is undone: the effects that count are those of the first.
            await ctx.finish(done)
            return self._kept(done)
        except BaseException as error:
            if ctx.steps:
                await ctx.finish(error)
            told = self._told(ctx, error)
            if told is error:
                raise
            raise told from error
        else:
            return result
        finally:
            calls.leave(ctx)
            self._count(ctx, told, monotonic() - started)

    async def _run_under_key(self, ctx: Context, inputs: Inputs) -> Any:
        """The same for a call with a key: from its inputs to its end, or the answer of an earlier one."""
        keys = self.runtime.find(Idempotency)
        if keys is None:
            raise no_keys_here()
        begun = await keys.begin(ctx, self.action, inputs)
        if isinstance(begun, Replay):
            if ctx.steps:
                await ctx.finish(None)
            return begun.result
        try:
            result = await self._invoke(ctx, inputs)
            self._accept(ctx, inputs, result)
            if ctx.steps:
                ctx.result = result
                await ctx.finish(None)
        except AlreadyDone as done:
            # The ledger remembers for longer, and also what was done just before a process died.
            await ctx.finish(done)
            result = self._kept(done)
            ctx.tell(Replayed())
        except BaseException as error:
            # Undone before the key is free: a repeat must not meet what is left of this.
            if ctx.steps:
                await ctx.finish(error)
            await begun.fail(error)
            raise
        await begun.keep(ctx, result)
        return result

    async def run_within(self, ctx: Context, call: Call[Any]) -> Any:
        """Run a call that another call makes: the end and the time are the outer call's, which has paid for both."""
        if self.allow is not None:
            await self.allow.admit(ctx)
        ctx.keep_apart()
        result = await self._invoke(ctx, call.inputs)
        self._accept(ctx, call.inputs, result)
        return result

    async def _invoke(self, ctx: Context, inputs: Inputs) -> Any:
        if self._around is not None:
            return await self._around(Call(self.action, inputs), ctx)
        result = self._function(ctx, inputs)
        return await result if result.__class__ is CoroutineType else result

    async def _innermost(self, call: Call[Any], ctx: Context) -> Any:
        result = self._function(ctx, call.inputs)
        return await result if result.__class__ is CoroutineType else result

    def _function(self, ctx: Context, inputs: Inputs) -> Any:
        if self._bare:
            return self.action.function(ctx)
        if self._keywords:
            return self.action.function(ctx, **{name: getattr(inputs, name) for name in inputs.__struct_fields__})
        return self.action.function(ctx, *astuple(inputs))

    # Item by item

    async def open_stream(self, ctx: Context, read: Read, source: Any) -> AsyncIterator[Any]:
        """Begin a streaming call: everything that can be refused is refused here, before the first item."""
        started = monotonic()
        try:
            self.runtime.calls.enter(ctx)
            if self.admit is not None:
                await self.admit(ctx)
            inputs: Any = read(source)
            if inputs.__class__ is CoroutineType:
                inputs = await inputs
            if ctx.client_key is not None and self._takes_keys:
                raise no_keys_for_streams()
            iterator: AsyncIterator[Any] = await self._invoke(ctx, inputs)
            if self._watch is not None:
                self._watch.done(ctx, inputs, None)
        except BaseException as error:
            if ctx.steps:
                await ctx.finish(error)
            told = self._told(ctx, error)
            self._count(ctx, told, monotonic() - started)
            if told is error:
                raise
            raise told from error
        finally:
            self.runtime.calls.leave(ctx)
        return self._items(ctx, iterator, started)

    async def stream_within(self, ctx: Context, call: Call[Any]) -> AsyncIterator[Any]:
        """Run a stream that another call makes."""
        if self.allow is not None:
            await self.allow.admit(ctx)
        ctx.keep_apart()
        iterator = await self._invoke(ctx, call.inputs)
        try:
            async for item in iterator:
                if not self._check(item):
                    raise self._broken_promise(item)
                yield item
        finally:
            # A consumer that leaves early must not leave the action's own `finally` to the garbage collector.
            await close_items(iterator)

    async def _items(self, ctx: Context, iterator: AsyncIterator[Any], started: float) -> AsyncIterator[Any]:
        told: BaseException | None = None
        try:
            async for item in iterator:
                if not self._check(item):
                    raise self._broken_promise(item)
                if ctx.steps:
                    # A connection is never held while a client takes its time.
                    await ctx.finish(None)
                yield item
            if ctx.steps:
                await ctx.finish(None)
        except GeneratorExit as left:
            told = left
            await self._close(iterator, ctx)
            raise
        except BaseException as error:
            await self._close(iterator, ctx)
            told = self._told(ctx, error)
            if told is error:
                raise
            raise told from error
        finally:
            self._count(ctx, told, monotonic() - started)

    async def _close(self, iterator: AsyncIterator[Any], ctx: Context) -> None:
        await close_items(iterator)
        if ctx.steps:
            await ctx.finish(asyncio.CancelledError())

    def _kept(self, done: AlreadyDone) -> Any:
        """The result that was kept with the effects of an earlier run."""
        if done.result is None:
            return None
        return msgspec.json.decode(done.result, type=self.action.result, dec_hook=convert_kind)

    def _accept(self, ctx: Context, inputs: Inputs, result: Any) -> None:
        """The function has given its result, before anything of it is kept."""
        if not self._check(result):
            raise self._broken_promise(result)
        if self._watch is not None:
            self._watch.done(ctx, inputs, result)

    # What the caller is told

    def _told(self, ctx: Context, error: BaseException) -> BaseException:
        if isinstance(error, CallError | TransportFault | Defect | Snoozed):
            if isinstance(error, Defect):
                self._report(ctx, error.__cause__ or error)
            return error
        if isinstance(error, asyncio.CancelledError):
            return TimedOut() if ctx.forgive_timeout() else error
        if not isinstance(error, Exception):
            return error
        self._report(ctx, error)
        return Defect()

    def _report(self, ctx: Context, error: BaseException) -> None:
        ctx.log.error("call.defect", error=error, transport=ctx.connection.type)

    def _broken_promise(self, result: object) -> Defect:
        defect = Defect()
        defect.__cause__ = TypeError(
            f"{self.action.where}: {self.action.name} gave a {type(result).__name__}, "
            f"and its signature promises {self.action.result}"
        )
        return defect

    def _count(self, ctx: Context, error: BaseException | None, seconds: float) -> None:
        outcome = OK if error is None else _outcome(error)
        if self._watch is not None:
            self._watch.ended(ctx, error)
        transport = ctx.connection.type
        tally = self.tallies.get(transport)
        if tally is None:
            tally = self.tallies[transport] = self.runtime.tallies.of(self.action.name, transport)
        tally.add(outcome, seconds)
        if self.runtime.logs_calls:
            ctx.log.info(
                "call.done",
                transport=transport,
                outcome=outcome,
                seconds=round(seconds, 6),
                caller=ctx.caller.id or ctx.caller.kind,
                trace_id=ctx.connection.trace_id,
            )


async def close_items(iterator: AsyncIterator[Any]) -> None:
    """End an action whose items nobody takes any more; plain iterators have nothing to end."""
    closing = getattr(iterator, "aclose", None)
    if closing is not None:
        await closing()


def _outcome(error: BaseException) -> str:
    if isinstance(error, Snoozed):
        return "SNOOZED"
    left = isinstance(error, asyncio.CancelledError | GeneratorExit)
    return getattr(error, "type", None) or ("LEFT" if left else "DEFECT")
