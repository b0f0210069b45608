"""Layers stand around a call in one fixed order, and each of them sees the whole of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from antiphon.core.access import Verdict, allow, anyone
from antiphon.core.action import Call, action
from antiphon.core.caller import Caller
from antiphon.core.context import Context
from antiphon.core.errors import Defect, InvalidInput, NotFound
from antiphon.core.middleware import Middleware, Next
from antiphon.core.service import service
from antiphon.core.session import Identifier
from antiphon.core.traits import Trait, around
from tests.core.stage import ADA, app_of, context, open_stream, run, run_in, started


@dataclass
class Seen:
    """What one call told as it passed, in order."""

    words: list[str]


def say(ctx: Context, word: str) -> None:
    seen = ctx.told(Seen)
    if seen is None:
        seen = Seen([])
        ctx.tell(seen)
    seen.words.append(word)


def said(ctx: Context) -> list[str]:
    seen = ctx.told(Seen)
    return seen.words if seen is not None else []


def word_of(call: Call[Any]) -> str:
    inputs: Any = call.inputs
    return inputs.word


def saying(name: str) -> Middleware:
    async def layer(call: Call[Any], ctx: Context, next: Next) -> Any:
        say(ctx, f"{name} in")
        try:
            return await next(call, ctx)
        finally:
            say(ctx, f"{name} out")

    return layer


@dataclass(frozen=True, slots=True)
class Loud(Trait):
    """A trait that brings a layer."""

    name: str

    def layer(self, action: Any) -> Middleware:
        return saying(self.name)


class Quiet(Trait):
    """A trait that brings none."""


async def asked(ctx: Context) -> Verdict:
    say(ctx, "admit")
    return Verdict(granted=True)


class Door(Identifier):
    async def identify(self, ctx: Context) -> Caller:
        say(ctx, "identify")
        return ADA


@service
async def door() -> AsyncIterator[Door]:
    yield Door()


@action("order:take", allow(asked), Loud("trait 1"), Quiet(), around(saying("trait 2")))
async def ordered(ctx: Context, number: int = 1) -> int:
    async def at_end(error: BaseException | None) -> None:
        say(ctx, "end" if error is None else f"end {type(error).__name__}")

    ctx.at_end(at_end)
    say(ctx, "run")
    return number


@action("word:echo", allow(anyone))
async def echo(ctx: Context, word: str) -> str:
    return word


@action("word:spell", allow(anyone))
async def spell(ctx: Context, word: str) -> AsyncIterator[str]:
    for letter in word:
        yield letter


async def test_the_order_around_a_call_is_fixed() -> None:
    """Identify, admit, read the inputs, application's layers, traits' layers, run, out again, the end."""
    async with started(app_of(door, ordered, middleware=[saying("app 1"), saying("app 2")])) as runtime:
        ctx = context(runtime, ordered, None)

        def read(source: int) -> Any:
            say(ctx, "read")
            return ordered.schema.from_python({"number": source})

        await runtime.runner(ordered.name).run(ctx, read, 5)

    assert said(ctx) == [
        "identify",
        "admit",
        "read",
        "app 1 in",
        "app 2 in",
        "trait 1 in",
        "trait 2 in",
        "run",
        "trait 2 out",
        "trait 1 out",
        "app 2 out",
        "app 1 out",
        "end",
    ]


async def test_inputs_that_are_awaited_are_read_after_the_rule() -> None:
    """A body that is still on its way is read only once the caller may send it."""
    async with started(app_of(door, ordered)) as runtime:
        ctx = context(runtime, ordered, None)

        async def read(source: int) -> Any:
            say(ctx, "read")
            return ordered.schema.from_python({"number": source})

        assert await runtime.runner(ordered.name).run(ctx, read, 5) == 5

    assert said(ctx)[:3] == ["identify", "admit", "read"]


async def test_inputs_that_do_not_fit_reach_no_layer() -> None:
    """A layer sees only calls whose inputs are checked."""
    async with started(app_of(door, ordered, middleware=[saying("app")])) as runtime:
        ctx = context(runtime, ordered, None)
        with pytest.raises(InvalidInput):
            await run_in(ctx, ordered, number="bad")

    assert said(ctx) == ["identify", "admit"]


async def test_a_broken_promise_is_found_before_the_end() -> None:
    """The result is checked before the transaction commits: the end is told of the fault."""

    async def wrong(call: Call[Any], ctx: Context, next: Next) -> Any:
        await next(call, ctx)
        return "five"

    async with started(app_of(door, ordered, middleware=[wrong])) as runtime:
        ctx = context(runtime, ordered, None)
        with pytest.raises(Defect):
            await run_in(ctx, ordered, number=5)

    assert said(ctx)[-1] == "end Defect"


async def test_each_use_of_next_runs_the_rest_once() -> None:
    """A layer decides how often the rest runs; by itself nothing runs twice."""
    counted: list[str] = []

    async def counting(call: Call[Any], ctx: Context, next: Next) -> Any:
        counted.append(word_of(call))
        return await next(call, ctx)

    async def twice(call: Call[Any], ctx: Context, next: Next) -> Any:
        return await next(call, ctx) + await next(call, ctx)

    async with started(app_of(echo, middleware=[counting, twice, counting])) as runtime:
        assert await run(runtime, echo, word="a") == "aa"

    assert counted == ["a", "a", "a"]


async def test_a_layer_may_change_the_inputs() -> None:
    """The rest runs the call it is given, and the layer's own call stays what it was."""

    async def louder(call: Call[Any], ctx: Context, next: Next) -> Any:
        return await next(call.replace(word=word_of(call).upper()), ctx)

    async with started(app_of(echo, middleware=[louder])) as runtime:
        assert await run(runtime, echo, word="a") == "A"


async def test_a_layer_may_change_the_result() -> None:
    """What the outermost layer returns is the answer."""

    async def framed(call: Call[Any], ctx: Context, next: Next) -> Any:
        return f"<{await next(call, ctx)}>"

    async with started(app_of(echo, middleware=[framed, framed])) as runtime:
        assert await run(runtime, echo, word="a") == "<<a>>"


async def test_a_layer_may_answer_by_itself() -> None:
    """Without `next` nothing further in runs."""

    async def known(call: Call[Any], ctx: Context, next: Next) -> Any:
        return "known"

    async with started(app_of(ordered, echo, door, middleware=[known, saying("never")])) as runtime:
        ctx = context(runtime, echo)

        assert await run_in(ctx, echo, word="a") == "known"

    assert said(ctx) == []


async def test_a_layer_may_refuse() -> None:
    """A CallError from a layer is the caller's answer."""

    async def gone(call: Call[Any], ctx: Context, next: Next) -> Any:
        raise NotFound("Gone.")

    async with started(app_of(echo, middleware=[saying("outer"), gone])) as runtime:
        ctx = context(runtime, echo)
        with pytest.raises(NotFound, match="Gone"):
            await run_in(ctx, echo, word="a")

    assert said(ctx) == ["outer in", "outer out"]


async def test_a_layer_may_turn_an_error_into_an_answer() -> None:
    """What the action raises reaches its layers first."""

    async def forgiving(call: Call[Any], ctx: Context, next: Next) -> Any:
        try:
            return await next(call, ctx)
        except NotFound:
            return "nothing"

    @action("word:find", allow(anyone))
    async def find(ctx: Context) -> str:
        raise NotFound

    async with started(app_of(find, middleware=[forgiving])) as runtime:
        assert await run(runtime, find) == "nothing"


async def test_a_layer_stands_around_a_plain_function_too() -> None:
    """A plain `def` action has the same layers as any other, and is not answered on the spot then."""

    @action("word:plain", allow(anyone))
    def plain_word(ctx: Context) -> str:
        return "a"

    async with started(app_of(plain_word, middleware=[saying("app")])) as runtime:
        ctx = context(runtime, plain_word)

        assert await run_in(ctx, plain_word) == "a"
        assert not runtime.runner(plain_word.name).instant

    assert said(ctx) == ["app in", "app out"]


async def test_calls_made_from_a_call_have_their_own_layers() -> None:
    """A call within a call goes through the layers as one from outside does."""

    @action("word:outer", allow(anyone))
    async def outer(ctx: Context) -> str:
        return await ctx.call(echo, "a")

    async with started(app_of(outer, echo, middleware=[saying("app")])) as runtime:
        ctx = context(runtime, outer)
        await run_in(ctx, outer)

    assert said(ctx) == ["app in", "app in", "app out", "app out"]


async def test_a_layer_around_a_stream_gets_its_iterator() -> None:
    """For a stream the result is the iterator: a layer may wrap it, and acts before the first item is made."""

    async def doubling(call: Call[Any], ctx: Context, next: Next) -> Any:
        items = await next(call, ctx)
        say(ctx, "opened")

        async def doubled() -> AsyncIterator[str]:
            async for item in items:
                yield item * 2
            say(ctx, "ended")

        return doubled()

    async with started(app_of(spell, middleware=[doubling])) as runtime:
        ctx = context(runtime, spell)
        items = await open_stream(ctx, spell, word="ab")
        opened = said(ctx).copy()

        assert [item async for item in items] == ["aa", "bb"]

    assert (opened, said(ctx)) == (["opened"], ["opened", "ended"])


async def test_a_layer_may_refuse_a_stream_before_it_begins() -> None:
    """Everything that can be refused is refused before the first item."""

    async def gone(call: Call[Any], ctx: Context, next: Next) -> Any:
        raise NotFound

    async with started(app_of(spell, middleware=[gone])) as runtime:
        with pytest.raises(NotFound):
            await open_stream(context(runtime, spell), spell, word="ab")
