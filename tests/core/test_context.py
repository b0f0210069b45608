"""What stands by a call: services, things of its own, time, ids, health, and a log that names it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from antiphon.core.access import allow, anyone
from antiphon.core.action import action
from antiphon.core.caller import Caller
from antiphon.core.context import Context
from antiphon.core.errors import SetupError
from antiphon.core.health import Health
from antiphon.core.service import scoped, service
from antiphon.core.session import Identifier
from antiphon.testing.clock import StandingClock
from tests.core.stage import ADA, Lines, app_of, context, started


class Shelf:
    """A service."""


class Drawer(Shelf):
    """A narrower one."""


class Notes:
    """Made once per call."""

    def __init__(self, ctx: Context, shelf: Shelf) -> None:
        self.ctx = ctx
        self.shelf = shelf


class Book:
    """Made once per call from another such thing."""

    def __init__(self, notes: Notes, door: Identifier | None) -> None:
        self.notes = notes
        self.door = door


@service
async def shelf() -> AsyncIterator[Shelf]:
    yield Shelf()


@service
async def drawer() -> AsyncIterator[Drawer]:
    yield Drawer()


@scoped
def notes(ctx: Context, shelf: Shelf) -> Notes:
    return Notes(ctx, shelf)


@scoped
def book(notes: Notes, door: Identifier | None) -> Book:
    return Book(notes, door)


class Door(Identifier):
    def __init__(self) -> None:
        self.asked = 0

    async def identify(self, ctx: Context) -> Caller:
        self.asked += 1
        return ADA


@service
async def door() -> AsyncIterator[Door]:
    yield Door()


@action("plain:take", allow(anyone))
async def take(ctx: Context) -> None: ...


async def test_get_gives_services_and_things_of_the_call() -> None:
    """`ctx.get` finds a service of the application, and makes what belongs to a call from it."""
    async with started(app_of(take, shelf, notes, book)) as runtime:
        ctx = context(runtime, take)

        assert ctx.get(Book).notes.shelf is ctx.get(Shelf)
        assert ctx.get(Notes).ctx is ctx


async def test_a_thing_of_the_call_is_made_once_per_call() -> None:
    """Whoever asks within one call gets the same; another call gets another."""
    async with started(app_of(take, shelf, notes, book)) as runtime:
        first, second = context(runtime, take), context(runtime, take)

        assert first.get(Book).notes is first.get(Notes)
        assert first.get(Notes) is not second.get(Notes)


async def test_an_optional_need_may_be_missing() -> None:
    """`X | None` is None where nothing gives an X, and the X where something does."""
    async with started(app_of(take, shelf, notes, book)) as without:
        assert context(without, take).get(Book).door is None
    async with started(app_of(take, shelf, notes, book, door)) as beside:
        assert isinstance(context(beside, take).get(Book).door, Door)


async def test_get_finds_a_service_by_what_it_fulfils() -> None:
    """A service is found by the class it gives and by those that this one fulfils."""
    async with started(app_of(take, drawer)) as runtime:
        assert isinstance(context(runtime, take).get(Shelf), Drawer)


async def test_get_of_what_nothing_gives_says_what_to_add() -> None:
    """A need that nobody declared is told with the line to write."""
    async with started(app_of(take)) as runtime:
        with pytest.raises(SetupError, match=r"plain:take asks for Shelf.*Module\(__name__, needs=\[Shelf\]\)"):
            context(runtime, take).get(Shelf)


async def test_time_and_ids_are_the_applications() -> None:
    """A call sees time as the application's clock tells it."""
    clock = StandingClock(datetime(2026, 5, 1, tzinfo=UTC))
    async with started(app_of(take, clock=clock)) as runtime:
        ctx = context(runtime, take)
        clock.move(timedelta(seconds=90))

        assert ctx.now == datetime(2026, 5, 1, 0, 1, 30, tzinfo=UTC)
        assert ctx.uptime_seconds == 90
        assert ctx.app.name == "pieces"
        assert len(ctx.new_id()) == len(ctx.request_id) == 36
        await ctx.sleep(0)


async def test_health_is_asked_of_every_service_that_can_be_away() -> None:
    """`ctx.health()` names each such service and says how it is."""

    class Pump:
        health_name = "pump"
        health_critical = True

        async def check_health(self) -> Health:
            return Health.DEGRADED

    async with started(app_of(take, values=[Pump()])) as runtime:
        assert await context(runtime, take).health() == {"pump": Health.DEGRADED}


async def test_the_log_of_a_call_names_it() -> None:
    """Every line says which action and which request it belongs to."""
    log = Lines()
    async with started(app_of(log.service, take)) as runtime:
        ctx = context(runtime, take)
        ctx.log.info("note.kept", note=5)

    assert log.of("note.kept") == [{"action": "plain:take", "request_id": ctx.request_id, "note": 5}]


async def test_what_is_told_is_kept_in_order() -> None:
    """Facts lie beside the result; the last of a kind is the one that counts."""
    async with started(app_of(take)) as runtime:
        ctx = context(runtime, take)
        ctx.tell("first")
        ctx.tell(5)
        ctx.tell("second")

    assert (ctx.told(str), ctx.told(int), ctx.told(bytes)) == ("second", 5, None)
    assert ctx.facts == ["first", 5, "second"]
