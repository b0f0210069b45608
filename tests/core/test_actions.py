"""An action stays a function, and one use of it is a value."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Annotated, Any

import pytest
from msgspec import Meta

from antiphon.core.access import Allow, allow, anyone
from antiphon.core.action import Action, Call, Stream, action
from antiphon.core.context import Context
from antiphon.core.errors import InvalidInput, NotFound, SetupError
from antiphon.core.secrets import Secret
from antiphon.core.traits import Around, Deprecated, Timeout, deprecated, raises, timeout
from tests.core.stage import app_of, context, faults_of, run, started


@action("note:write", allow(anyone), deprecated("use note:keep"), timeout("5s"))
async def write(
    ctx: Context, body: Annotated[str, Meta(min_length=2)], *, loud: bool = False, word: Secret[str] | None = None
) -> str:
    """Write a note.

    Only once.
    """
    return body.upper() if loud else body


@action("note:read", allow(anyone))
def read(ctx: Context, id: int = 1) -> str:
    """A plain function, which never waits."""
    return f"note {id}"


@action("note:follow", allow(anyone))
async def follow(ctx: Context, to: int = 2) -> AsyncIterator[int]:
    """A stream."""
    for number in range(to):
        yield number


@action("note:watch", allow(anyone))
async def watch(ctx: Context) -> AsyncGenerator[str, None]:
    """A stream that promises a generator."""
    yield "seen"


@action("note:list", allow(anyone))
async def list_notes(ctx: Context, ids: list[int] = []) -> int:  # noqa: B006  # no call sees another's
    """Count."""
    ids.append(1)
    return len(ids)


@pytest.mark.parametrize("name", ["note:write", "status", "a2:b3", "note-book:write-down"])
def test_a_name_is_feature_and_verb(name: str) -> None:
    """`feature:verb`, or one word, in lower case with hyphens."""
    assert action(name)(read.function).name == name


@pytest.mark.parametrize("name", ["", "Note:write", "note:", ":write", "note:a:b", "note_write", "note write", "1note"])
def test_any_other_name_stops_the_start(name: str) -> None:
    """A name that no command line or metric could carry is refused, with the form it should have."""
    with pytest.raises(SetupError, match=r"test_actions\.py:\d+: .* is no name for an action.*feature:verb"):
        action(name)(read.function)


def test_an_action_tells_what_its_function_says() -> None:
    """The docstring is the description, and the kind of function the kind of action."""
    assert write.description == "Write a note.\n\nOnly once."
    assert (write.__name__, write.module) == ("write", __name__)
    assert (type(write), type(read), type(follow)) == (Action, Action, Stream)
    assert (write.instant, read.instant) == (False, True)


def test_where_names_file_and_line() -> None:
    """Whoever reads a message finds the function."""
    file, _, line = write.where.rpartition(":")

    assert file == __file__
    assert inspect.getsourcelines(write.function)[1] == int(line)


def test_traits_are_found_by_kind() -> None:
    """A part asks an action for its own trait and gets it, or None."""
    assert write.trait(Timeout) == Timeout(5.0)
    assert write.trait(Deprecated) == Deprecated("use note:keep")
    assert write.trait(Around) is None
    assert [type(trait) for trait in write.traits_of(Allow)] == [Allow]


def test_the_last_trait_of_a_kind_counts() -> None:
    """Of two timeouts the one written last is the action's."""
    twice = action("note:twice", allow(anyone), timeout("5s"), timeout("9s"))(read.function)

    assert twice.trait(Timeout) == Timeout(9.0)


def test_a_trait_holds_what_it_was_given() -> None:
    """`raises` keeps the errors for the documentation."""
    assert raises(NotFound).errors == (NotFound,)


def test_the_result_is_the_return_type() -> None:
    """One answer promises the return type; a stream promises its items."""
    assert (write.result, follow.result, watch.result) == (str, int, str)


async def test_an_action_runs_bare_like_the_function_it_is() -> None:
    """`await action(ctx, …)` is the function itself: no rule, no layer, no check."""
    async with started(app_of(write)) as runtime:
        assert await write(context(runtime, write), "x", loud=True) == "X"


async def test_a_plain_def_is_awaited_like_any_other() -> None:
    """Callers need not know whether an action ever waits."""
    async with started(app_of(read)) as runtime:
        ctx = context(runtime, read)

        assert await read(ctx, 5) == "note 5"
        assert await ctx.call(read, 6) == "note 6"


async def test_a_stream_runs_bare_item_by_item() -> None:
    """`action(ctx, …)` of a stream is its iterator."""
    async with started(app_of(follow)) as runtime:
        assert [item async for item in follow(context(runtime, follow), 3)] == [0, 1, 2]


async def test_keyword_only_inputs_reach_the_function() -> None:
    """A signature may ask for names, and a call from outside gives them."""
    async with started(app_of(write)) as runtime:
        assert await run(runtime, write, body="hi", loud=True) == "HI"


async def test_defaults_are_fresh_for_every_call() -> None:
    """A list as a default is not shared by two calls."""
    async with started(app_of(list_notes)) as runtime:
        assert [await run(runtime, list_notes), await run(runtime, list_notes)] == [1, 1]


def test_bind_gives_the_call_as_a_value() -> None:
    """The same action with the same inputs is the same call, however it was written."""
    assert write.bind("hi") == write.bind(body="hi", loud=False)
    assert hash(read.bind(5)) == hash(read.bind(id=5))
    assert write.bind("hi") != write.bind("ho")
    assert read.bind(5) != "note:read"


def test_bind_of_a_stream_gives_a_call_too() -> None:
    """A stream can be stored and compared like any other call."""
    assert follow.bind(3) == follow.bind(to=3)


def test_bind_checks_the_inputs() -> None:
    """A call that does not fit is never made."""
    with pytest.raises(InvalidInput) as caught:
        write.bind("h")

    assert faults_of(caught.value) == {"body": "is not text of 2 characters or more"}


def test_bind_says_what_is_missing() -> None:
    """An input that nobody gave is named."""
    with pytest.raises(InvalidInput) as caught:
        write.bind(loud=True)  # pyright: ignore[reportCallIssue]  # this mistake is the promise

    assert faults_of(caught.value) == {"body": "is missing"}


@pytest.mark.parametrize(
    ("args", "kwargs", "message"),
    [
        ((1, 2), {}, "takes 1 inputs, 2 were given"),
        ((1,), {"id": 2}, "is given its input 'id' twice"),
        ((), {"it": 2}, "has no input 'it'"),
    ],
)
def test_wrong_arguments_are_type_errors(args: tuple[object, ...], kwargs: dict[str, object], message: str) -> None:
    """What Python refuses for any function it refuses for an action."""
    with pytest.raises(TypeError, match=message):
        read.call(args, kwargs)


def test_replace_gives_another_call() -> None:
    """A layer changes inputs by making another call; the first stays what it was."""
    call = write.bind("hi", loud=True)

    other = call.replace(body="ho")

    assert (call, other) == (write.bind("hi", loud=True), write.bind("ho", loud=True))


def test_replace_checks_the_inputs() -> None:
    """What a layer writes is checked as if a caller had sent it."""
    with pytest.raises(InvalidInput):
        write.bind("hi").replace(body="h")


def test_a_call_prints_its_inputs_and_no_secret() -> None:
    """The log may print a call."""
    assert repr(write.bind("hi", word=Secret("horse"))) == "Call(note:write, body='hi', loud=False, word=***)"
    assert repr(Call[Any](watch, watch.schema.struct())) == "Call(note:watch)"
