"""Events and listeners as they are declared: what stops the start-up, and the line that mends it."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

import pytest

from antiphon.core.access import allow, anyone
from antiphon.core.action import action
from antiphon.core.context import Context
from antiphon.core.errors import Defect, InvalidInput, NotFound, SetupError
from antiphon.core.event import EventTable, EventType, event, event_type
from antiphon.core.inputs.kinds import Struct
from antiphon.core.module import Gathered, Module
from antiphon.core.secrets import Secret
from antiphon.core.traits import Trait, retry
from antiphon.services.events.listener import Listener, listener
from antiphon.services.tasks.traits import at_most, every, keep, ordered, queue, unique
from tests.services import events_stage
from tests.services.events_stage import PAID, CartEmptied, OrderPaid, problems_of


class Plain(Struct):
    """No event."""


def declared(struct: type[Any]) -> EventType:
    """The event that this Struct is."""
    found = event_type(struct)
    assert found is not None
    return found


async def test_a_module_gathers_its_events_and_listeners() -> None:
    """Events are found where their classes stand, and listeners are actions of theirs."""
    gathered = Gathered()
    Module(events_stage.__name__).gather(gathered)

    assert {kind.name for kind in gathered.events} == {"order:paid", "order:shipped", "cart:emptied"}


def test_an_event_stays_the_class_that_it_is() -> None:
    """`@event` gives back the Struct; a class that inherits from it is no event."""

    class Special(OrderPaid):
        """One more."""

    assert OrderPaid("a", 1).total == 1
    assert (PAID.struct, PAID.name, PAID.version, PAID.stream) == (OrderPaid, "order:paid", 2, "order")
    assert event_type(Special) is None
    assert event_type(int) is None


def test_two_events_of_one_name_stop_the_start() -> None:
    """The message names both and says how a new version is written."""

    @event("order:paid")
    class Other(Struct):
        """The same name."""

    with pytest.raises(SetupError, match=r"Two events are called order:paid.*OrderPaid.*Other.*version=3"):
        EventTable([PAID, declared(Other)])


@pytest.mark.parametrize(
    ("name", "terms", "problem"),
    [
        ("paid", {}, r'Write `stream:fact` in lower case, as in @event\("order:paid"\)'),
        ("Order:Paid", {}, "is no name for an event"),
        ("order:other", {"version": 0}, "Versions count from 1"),
        ("order:other", {"key": "total"}, r"has no field 'total' for its key. Its fields are order_id, lines, code"),
        ("order:other", {"key": "lines"}, "must be a text, a number or an id"),
        ("order:other", {"keep": "0s"}, "must be kept for a while"),
        ("order:other", {"upcast": {1: dict}}, "lifts version 1, and its own is 1"),
        ("order:other", {}, "holds a Secret"),
    ],
)
def test_a_wrong_event_stops_the_start(name: str, terms: dict[str, Any], problem: str) -> None:
    """Whatever is wrong with an event is said before anything opens."""

    @event(name, **terms)
    class Other(Struct):
        """Wrong somewhere."""

        order_id: str
        lines: list[str]
        code: Secret[str]

    assert re.search(problem, problems_of(events=[declared(Other)]))


def test_a_listener_of_no_event_stops_the_start() -> None:
    """The message has the line to write above the class."""

    @listener("plain:hear", Plain)
    async def hear(ctx: Context, event: Plain) -> None:
        """In vain."""

    assert '@event("stream:fact") above `class Plain`' in problems_of(hear)


def test_a_listener_must_take_its_event() -> None:
    """A parameter of another type is told with the line to write instead."""

    async def hear(ctx: Context, event: CartEmptied) -> None:
        """Of the wrong thing."""

    wrong: Any = listener("order:hear", OrderPaid)
    assert "async def hear(ctx: Context, event: OrderPaid) -> None" in problems_of(wrong(hear))


def test_a_listener_must_be_async_and_give_nothing() -> None:
    """It is run as a job, and nobody waits for what it gives."""

    def hear(ctx: Context, event: OrderPaid) -> int:
        return 1

    wrong: Any = listener("order:hear", OrderPaid)
    problems = problems_of(wrong(hear))
    assert "must be an `async def`" in problems
    assert "Write `-> None`" in problems


@pytest.mark.parametrize(
    ("trait", "word"),
    [
        (queue("mail"), "queue"),
        (unique("{event}"), "unique"),
        (ordered("a"), "ordered"),
        (at_most(2, "a"), "at_most"),
        (keep("7d"), "keep"),
        (every("1h"), "every"),
    ],
)
def test_a_listener_takes_no_words_about_the_jobs_of_actions(trait: Trait, word: str) -> None:
    """What would have no effect stops the start, and the message says what to do instead."""

    @listener("order:hear", OrderPaid, trait)
    async def hear(ctx: Context, event: OrderPaid) -> None:
        """Hear."""

    assert f"{word}(...) has no effect on the listener order:hear." in problems_of(hear)


def test_a_listener_and_an_action_have_names_of_their_own() -> None:
    """A listener is an action, and no two of them are called the same."""

    @action("order:hear", allow(anyone))
    async def act(ctx: Context) -> None:
        """The same name."""

    @listener("order:hear", OrderPaid)
    async def hear(ctx: Context, event: OrderPaid) -> None:
        """The same name."""

    with pytest.raises(SetupError, match="Two actions are called order:hear"):
        events_stage.App("stage", modules=[events_stage.Pieces(act, hear)]).gathered()


async def test_a_listener_stays_a_function() -> None:
    """Bare, it runs as what it is."""
    heard: list[OrderPaid] = []

    @listener("order:hear", OrderPaid, retry(attempts=8))
    async def hear(ctx: Context, event: OrderPaid) -> None:
        heard.append(event)

    nobody: Any = None
    await hear(nobody, OrderPaid("a", 1))

    assert heard == [OrderPaid("a", 1)]
    assert isinstance(hear, Listener)
    assert (hear.attempts, hear.queue, hear.kind) == (8, "on.order:hear", PAID)


def test_an_older_version_is_lifted_to_the_newest() -> None:
    """Each upcast makes a version into the next; one may give the event itself."""

    def from_v1(old: dict[str, Any]) -> dict[str, Any]:
        return {"name": old["n"]}

    def from_v2(old: dict[str, Any]) -> Any:
        return Renamed(title=old["name"].upper())

    @event("thing:renamed", version=3, upcast={1: from_v1, 2: from_v2})
    class Renamed(Struct):
        """Three times."""

        title: str

    kind = declared(Renamed)
    assert list(kind.problems()) == []
    assert kind.newest(b'{"n":"a"}', 1) == Renamed("A")
    assert kind.newest(b'{"name":"b"}', 2) == Renamed("B")
    assert kind.newest(b'{"title":"c"}', 3) == Renamed("c")


def test_what_nothing_lifts_is_refused() -> None:
    """Data of an older version without an upcast, or that fits none, is InvalidInput; a failing upcast is our fault."""

    def fails(old: dict[str, Any]) -> dict[str, Any]:
        raise KeyError("total")

    @event("thing:lost", version=3, upcast={2: fails})
    class Lost(Struct):
        """Gone."""

        title: str

    kind = declared(Lost)
    with pytest.raises(InvalidInput, match="Nothing lifts version 1"):
        kind.newest(b"{}", 1)
    with pytest.raises(InvalidInput, match="not a JSON object"):
        kind.newest(b"[]", 2)
    with pytest.raises(Defect):
        kind.newest(b"{}", 2)
    with pytest.raises(InvalidInput) as refused:
        kind.newest(b'{"title":1}', 3)
    assert [fault.name for fault in refused.value.fields] == ["event.title"]


def test_a_log_is_kept_as_long_as_its_longest_event() -> None:
    """Events of one stream share a log, so the longest time counts."""

    @event("order:archived", keep="30d")
    class Archived(Struct):
        """Long ago."""

    table = EventTable([PAID, declared(Archived)])
    assert table.keep("order") == timedelta(days=30)
    assert table.keep("nothing") is None
    assert table.find("order:archived").struct is Archived
    with pytest.raises(NotFound):
        table.find("order:unknown")


def test_a_key_is_a_text() -> None:
    """Whatever the field holds, and nothing for None."""

    @event("thing:counted", key="number")
    class Counted(Struct):
        """A number, perhaps."""

        number: int | None = None

    kind = declared(Counted)
    assert (kind.key_of(Counted(7)), kind.key_of(Counted())) == ("7", "")
    assert json.loads(kind.encode(Counted(7))) == {"number": 7}
