"""Services open in the order of need and close in reverse, whatever fails; what cannot be is told before any opens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any, ClassVar

import pytest

from antiphon.core.access import allow, anyone
from antiphon.core.action import action
from antiphon.core.app import App
from antiphon.core.clock import Clock, Ids
from antiphon.core.context import Context
from antiphon.core.errors import SetupError
from antiphon.core.info import AppInfo
from antiphon.core.log import Logger
from antiphon.core.service import Provider, Service, scoped, service
from antiphon.core.settings import Settings, doc
from antiphon.core.tally import Tallies
from tests.core.stage import Lines, app_of, context, run, started


class Diary:
    """What opened and closed, in order."""

    def __init__(self) -> None:
        self.lines: list[str] = []


class A: ...


class B: ...


class C: ...


class NarrowA(A): ...


class ForCall: ...


class AlsoForCall: ...


@service
async def a(diary: Diary, b: B, c: C) -> AsyncIterator[A]:
    diary.lines.append("+a")
    yield A()
    diary.lines.append("-a")


@service
async def b(diary: Diary, c: C) -> AsyncIterator[B]:
    diary.lines.append("+b")
    yield B()
    diary.lines.append("-b")


@service
async def c(diary: Diary) -> AsyncIterator[C]:
    diary.lines.append("+c")
    yield C()
    diary.lines.append("-c")


@service
async def b_fails_to_close(diary: Diary, c: C) -> AsyncIterator[B]:
    diary.lines.append("+b")
    yield B()
    diary.lines.append("!b")
    raise RuntimeError("b will not close")


@service
async def b_is_cancelled(diary: Diary, c: C) -> AsyncIterator[B]:
    yield B()
    raise asyncio.CancelledError


@service
async def a_fails_to_open(diary: Diary, b: B) -> AsyncIterator[A]:
    diary.lines.append("!a")
    raise RuntimeError("a will not open")
    yield A()


@service
async def narrow(diary: Diary) -> AsyncIterator[NarrowA]:
    yield NarrowA()


@service
async def b_of_a(a: A) -> AsyncIterator[B]:
    yield B()


@service
async def a_of_b(b: B) -> AsyncIterator[A]:
    yield A()


@service
async def b_of_c(c: C) -> AsyncIterator[B]:
    yield B()


@service
async def c_of_a(a: A) -> AsyncIterator[C]:
    yield C()


@service
async def a_of_call(for_call: ForCall) -> AsyncIterator[A]:
    yield A()


@service
async def a_of_context(ctx: Context) -> AsyncIterator[A]:
    yield A()


@service
async def a_perhaps(diary: Diary, b: B | None) -> AsyncIterator[A]:
    diary.lines.append(f"+a with {type(b).__name__}")
    yield A()


@scoped
def for_call(ctx: Context, a: A) -> ForCall:
    return ForCall()


@scoped
def for_call_of_other(other: AlsoForCall) -> ForCall:
    return ForCall()


@scoped
def other_of_for_call(other: ForCall) -> AlsoForCall:
    return AlsoForCall()


@action("plain:take", allow(anyone))
async def take(ctx: Context) -> None: ...


async def test_services_open_after_what_they_need_and_close_before_it() -> None:
    """The order follows from the parameters alone, not from the order of writing."""
    diary = Diary()

    async with started(app_of(a, b, c, values=[diary])) as runtime:
        assert isinstance(runtime.find(A), A)

    assert diary.lines == ["+c", "+b", "+a", "-a", "-b", "-c"]


async def test_every_service_closes_even_when_one_fails_to() -> None:
    """A closing that fails keeps no other from closing, and is told at the end, by name."""
    diary = Diary()

    with pytest.raises(ExceptionGroup) as caught:
        async with started(app_of(a, b_fails_to_close, c, values=[diary])):
            pass

    assert diary.lines == ["+c", "+b", "+a", "-a", "!b", "-c"]
    assert caught.group_contains(RuntimeError, match="b will not close")
    assert notes_in(caught.value) == ["while closing the service b_fails_to_close"]


def notes_in(error: BaseException) -> list[str]:
    """The notes on an error and on all that it holds."""
    inner: Sequence[BaseException] = getattr(error, "exceptions", ())
    return [*getattr(error, "__notes__", ()), *(note for part in inner for note in notes_in(part))]


async def test_a_cancellation_while_closing_stays_one_and_keeps_nothing_open() -> None:
    """What ends the program ends it after everything was closed."""
    diary = Diary()

    with pytest.raises(asyncio.CancelledError):
        async with started(app_of(b_is_cancelled, c, values=[diary])):
            pass

    assert diary.lines == ["+c", "-c"]


async def test_what_is_open_closes_when_a_later_one_fails_to_open() -> None:
    """A start that fails leaves nothing behind, and raises what made it fail."""
    diary = Diary()
    app = app_of(a_fails_to_open, b, c, values=[diary])

    with pytest.raises(RuntimeError, match="a will not open"):
        async with started(app):
            pass

    assert diary.lines == ["+c", "+b", "!a", "-b", "-c"]
    assert app.runtime is None


async def test_a_failing_close_does_not_hide_why_the_start_failed() -> None:
    """The first failure is raised; what failed while it was cleaned up is a note on it."""
    diary = Diary()

    with pytest.raises(RuntimeError, match="a will not open") as caught:
        async with started(app_of(a_fails_to_open, b_fails_to_close, c, values=[diary])):
            pass

    assert diary.lines == ["+c", "+b", "!a", "!b", "-c"]
    assert "b will not close" in caught.value.__notes__[0]


@pytest.mark.parametrize(
    ("pieces", "message"),
    [
        ([a, b], "Nothing gives C, which is needed: a → b → C. Add the module whose @service yields a C"),
        ([b_of_a], "Nothing gives A, which is needed: b_of_a → A"),
        ([for_call], "Nothing gives A, which is needed: for_call → A"),
        ([a_of_b, b_of_a], "The services need each other in a circle: a_of_b → b_of_a → a_of_b. Take one need out"),
        ([a_of_b, b_of_c, c_of_a], "in a circle: a_of_b → b_of_c → c_of_a → a_of_b"),
        ([c, c_of_a, a_of_b, b_of_a], "in a circle: a_of_b → b_of_a → a_of_b"),
        (
            [for_call_of_other, other_of_for_call],
            "in a circle: for_call_of_other → other_of_for_call → for_call_of_other",
        ),
        ([a_of_call, for_call], "The service a_of_call needs ForCall, which there is only within a call: a_of_call"),
        ([a_of_context], "The service a_of_context needs Context, which there is only within a call"),
    ],
)
async def test_what_cannot_be_is_told_as_a_path_before_anything_opens(
    pieces: list[Provider[Any]], message: str
) -> None:
    """A missing need, a circle and a need of the wrong life stop the start with the way that led there."""
    diary = Diary()
    opened = [piece for piece in pieces if isinstance(piece, Service)]
    others = [piece for piece in pieces if not isinstance(piece, Service)]

    with pytest.raises(SetupError) as caught:
        async with started(app_of(*opened, *others, values=[diary])):  # pyright: ignore[reportArgumentType]  # what is no service is scoped
            pass

    assert message in str(caught.value)
    assert diary.lines == []


async def test_a_service_may_be_named_as_an_action_is() -> None:
    """An action that needs a service of its own name is no circle."""

    @action("narrow", allow(anyone))
    async def same_name(ctx: Context) -> None:
        ctx.get(NarrowA)

    async with started(app_of(same_name, narrow, values=[Diary()], needs=[NarrowA])) as runtime:
        await run(runtime, same_name)


async def test_a_need_of_a_module_is_opened() -> None:
    """`Module(needs=[…])` asks for what only `ctx.get` uses."""
    app = WithCatalogue("test", values=[Diary()])

    with pytest.raises(SetupError, match="Nothing gives NarrowA, which is needed: pieces → NarrowA"):
        async with started(app_of(take, needs=[NarrowA], values=[Diary()])):
            pass
    assert [step.service.name for step in app.plan(app.gathered()).steps] == []


class WithCatalogue(App):
    """An application with services at hand."""

    catalogue: ClassVar[Sequence[Provider[Any]]] = (a, b, c, for_call)


async def test_what_is_at_hand_opens_only_when_it_is_needed() -> None:
    """A service of the catalogue costs nothing until something needs it, and opens with what it needs itself."""
    diary = Diary()
    idle, using = WithCatalogue("idle", values=[diary]), WithCatalogue("using", values=[diary])
    using.modules = app_of(take, needs=[B]).modules

    async with started(idle):
        pass
    assert diary.lines == []
    async with started(using) as runtime:
        assert runtime.find(A) is None

    assert diary.lines == ["+c", "+b", "-b", "-c"]


async def test_the_applications_own_service_comes_before_the_one_at_hand() -> None:
    """A module that gives the same type replaces what the framework would open."""
    app = WithCatalogue("own", values=[Diary()])
    app.modules = app_of(take, narrow, needs=[A]).modules

    async with started(app) as runtime:
        assert isinstance(runtime.find(A), NarrowA)


async def test_an_optional_need_is_none_where_nothing_gives_it() -> None:
    """`X | None` may be missing, and is the service where there is one."""
    without, beside = Diary(), Diary()

    async with started(app_of(a_perhaps, values=[without])):
        pass
    async with started(app_of(a_perhaps, b, c, values=[beside])):
        pass

    assert without.lines[0] == "+a with NoneType"
    assert beside.lines[:3] == ["+c", "+b", "+a with B"]


class WithHalfOfIt(App):
    """An application with a service at hand that lacks what it needs."""

    catalogue: ClassVar[Sequence[Provider[Any]]] = (b,)


async def test_an_optional_need_is_none_where_its_giver_cannot_open() -> None:
    """A service at hand that lacks something itself, such as a database without a schema, is not there."""
    diary = Diary()
    app = WithHalfOfIt("half", values=[diary])
    app.modules = app_of(a_perhaps).modules

    async with started(app):
        pass

    assert diary.lines[0] == "+a with NoneType"


async def test_a_need_is_fulfilled_by_a_narrower_class() -> None:
    """Who needs an A takes whatever is one."""
    async with started(app_of(narrow, b_of_a, values=[Diary()])) as runtime:
        assert isinstance(runtime.find(A), NarrowA)
        assert isinstance(runtime.find(B), B)


class WellSettings(Settings, frozen=True):
    section: ClassVar[str] = "well"
    depth: Annotated[int, doc("How deep it is.")] = 3


async def test_a_service_is_given_what_core_has() -> None:
    """Clock, ids, the application's name, its settings and counts are needs like any other."""
    seen: list[object] = []

    @service
    async def well(
        settings: WellSettings, clock: Clock, ids: Ids, info: AppInfo, tallies: Tallies, log: Logger
    ) -> AsyncIterator[A]:
        seen.extend([settings.depth, clock, ids, info.name, tallies, log])
        yield A()

    log = Lines()
    app = app_of(well, log.service)
    async with started(app, {"WELL_DEPTH": "7"}) as runtime:
        assert seen == [7, app.clock, app.ids, "pieces", runtime.tallies, log]
        assert runtime.settings(WellSettings) == WellSettings(depth=7)


async def test_the_order_of_opening_is_logged() -> None:
    """Whoever wonders what runs reads it: every service, and who wanted it first."""
    log = Lines()

    async with started(app_of(log.service, a, b, c, values=[Diary()])):
        pass

    opened = [(line["service"], line["wanted_by"]) for line in log.of("service.opened")]
    assert opened == [("remembering", "the application"), ("c", "b"), ("b", "a"), ("a", "the application")]


async def test_two_applications_in_one_process_share_nothing() -> None:
    """The same pieces give each application its own services, counts and calls."""
    first, second = Diary(), Diary()

    async with started(app_of(take, a, b, c, values=[first])) as one:
        async with started(app_of(take, a, b, c, values=[second])) as two:
            await run(one, take)
            assert one.find(A) is not two.find(A)
            assert context(one, take).get(A) is one.find(A)
            assert [len(runtime.tallies.items()) for runtime in (one, two)] == [1, 0]
        assert second.lines[-1] == "-c"
        assert first.lines[-1] == "+a"
