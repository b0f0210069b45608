"""A signature that cannot be a contract stops the start; the message says where, and what to write instead."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from antiphon.core.app import App
from antiphon.core.errors import SetupError
from tests.core.packages import package

HEAD = """\
from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from antiphon.core.access import allow, anyone
from antiphon.core.action import action
from antiphon.core.context import Context
from antiphon.core.inputs.kinds import Email, Struct, Time

if TYPE_CHECKING:
    from decimal import Decimal
    import fractions


class Priced(Struct):
    price: Decimal


class Dated(Struct):
    made_at: datetime


class A(Struct):
    a: int


class B(Struct):
    b: int


class Custom:
    pass


def local():
    class Local(Struct):
        a: int

    @action("test:local", allow(anyone))
    async def take(ctx: Context, it: Local) -> None: ...

    return take


"""
LINE = HEAD.count("\n") + 1


def refused(folder: Path, function: str, decorator: str = '@action("test:take", allow(anyone))') -> SetupError:
    source = f"{HEAD}{decorator}\n{dedent(function)}\n" if decorator else HEAD + function
    with package(folder, {"actions.py": source}) as name:
        with pytest.raises(SetupError) as caught:
            App("test", modules=[name]).gathered()
    return caught.value


FAULTS = [
    ("async def take() -> None: ...", "the first parameter of the action test:take must be `ctx: Context`"),
    ("async def take(name: str) -> None: ...", "the first parameter of the action test:take must be `ctx: Context`"),
    ("async def take(ctx, name: str) -> None: ...", "the parameter 'ctx' of take has no type. Write one."),
    ("async def take(ctx: Context, name) -> None: ...", "the parameter 'name' of take has no type. Write one."),
    ("async def take(ctx: Context): ...", "must say what it gives back, as in `-> Message` or `-> None`"),
    ("async def take(ctx: Context, *names: str) -> None: ...", "take takes `*names`"),
    ("async def take(ctx: Context, **names: str) -> None: ...", "without *args, **kwargs or `/`"),
    ("async def take(ctx: Context, name: str, /) -> None: ...", "take takes `ctx, /`"),
    ("async def take(ctx: Context, price: Decimal) -> None: ...", "take uses the type 'Decimal', which does not exist"),
    ("async def take(ctx: Context, a: fractions.Fraction) -> None: ...", "take uses the type 'fractions'"),
    ("async def take(ctx: Context) -> Decimal: ...", "Import it outside `if TYPE_CHECKING:`"),
    ("async def take(ctx: Context, a: Priced) -> None: ...", "hold the type 'Decimal', which does not exist"),
    ("async def take(ctx: Context, a: msgspec.Nothing) -> None: ...", "has an annotation that cannot be read"),
    ("async def take(ctx: Context, a: 'not a type') -> None: ...", "has an annotation that cannot be read"),
    ("async def take(ctx: Context, a: Email | int) -> None: ...", "Use a type that says what is meant"),
    ("async def take(ctx: Context, a: A | B) -> None: ...", "Use a type that says what is meant"),
    (
        "async def take(ctx: Context, a: Annotated[int, msgspec.Meta(max_length=1)]) -> None: ...",
        "Use a type that says",
    ),
    ("async def take(ctx: Context, a: Annotated[int, msgspec.Meta(le=2**70)]) -> None: ...", "Use a type that says"),
    ("async def take(ctx: Context, a: Custom) -> None: ...", "a is a Custom, which no text and no JSON can say"),
    ("async def take(ctx: Context, a: Path | None) -> None: ...", "a is a Path, which no text and no JSON can say"),
    ("async def take(ctx: Context, a: list[datetime]) -> None: ...", "Write `Time` instead of `datetime`"),
    ("async def take(ctx: Context, a: Dated) -> None: ...", "a.made_at is a time without an offset"),
    ("async def take(ctx: Context, a: dict[str, Dated]) -> None: ...", "a.made_at is a time without an offset"),
    ("async def take(ctx: Context, user_id: int, userId: int) -> None: ...", "have one name on the wire"),
    (
        "async def take(ctx: Context) -> Custom: ...",
        "the result of test:take holds a Custom, which has no form in JSON",
    ),
    ("async def take(ctx: Context) -> Priced | None: ...", "the result of test:take holds the type 'Decimal'"),
    ("async def take(ctx: Context) -> AsyncIterator[int]: ...", "must be an `async def` with `yield` in it"),
    ("def take(ctx: Context) -> AsyncIterator[int]: ...", "must be an `async def` with `yield` in it"),
    ("async def take(ctx: Context) -> int:\n    yield 1", "must give an AsyncIterator to `yield`"),
]


@pytest.mark.parametrize(("function", "message"), FAULTS)
def test_a_signature_that_is_no_contract_stops_the_start(tmp_path: Path, function: str, message: str) -> None:
    """The message names file and line of the action, what is wrong and what to write instead."""
    error = refused(tmp_path, function)

    assert message in str(error)
    assert f"actions.py:{LINE}: " in str(error)


def test_a_type_local_to_a_function_stops_the_start(tmp_path: Path) -> None:
    """A type that only a function can see cannot be read from its name: it belongs to the top of a module."""
    error = refused(tmp_path, "take = local()\n", decorator="")

    assert "take uses the type 'Local'" in str(error)
    assert "define it at the top of a module" in str(error)


def test_a_missing_rule_stops_the_start_with_the_line_to_add(tmp_path: Path) -> None:
    """Nobody opens an action by forgetting to close it: the message has the word to write."""
    error = refused(tmp_path, "async def take(ctx: Context) -> None: ...", '@action("test:take")')

    assert f"actions.py:{LINE}: the action test:take does not say who may call it" in str(error)
    assert "Add allow(...) to its traits, such as allow(signed_in); allow(anyone) opens it to everybody." in str(error)


def test_every_problem_of_every_action_is_told_at_once(tmp_path: Path) -> None:
    """Two actions with three faults between them are one error of three lines."""
    function = """\
    async def take(ctx: Context): ...


    @action("test:second")
    async def second(ctx: Context, a: Custom, b: list[datetime]) -> None: ...
    """

    error = refused(tmp_path, function, '@action("test:take", allow(anyone))')

    assert len(error.problems) == 4
    assert str(error).count("\n- ") == 3
