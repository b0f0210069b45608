"""Calls that run later: what becomes of them in the store, and which are refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import msgspec
import pytest

from antiphon.core.access import allow, anyone
from antiphon.core.action import action
from antiphon.core.caller import ANONYMOUS, Caller
from antiphon.core.context import Context
from antiphon.core.errors import InvalidInput, SetupError, TooLarge, TooManyCalls, Unavailable
from antiphon.core.inputs.kinds import Email
from antiphon.core.limits import Limiter
from antiphon.core.log import Silent
from antiphon.core.secrets import Secret
from antiphon.core.traits import only, retry
from antiphon.services.streams.keys import digest_of, queue_of
from antiphon.services.streams.message import CallerRef, Lane
from antiphon.services.streams.queue import Queues
from antiphon.services.tasks.traits import at_most, keep, ordered, queue, unique
from antiphon.stores.base import Store
from antiphon.testing.engines import ValkeyServer
from tests.services.tasks_stage import KEPT, context, jobs_in, running

pytestmark = pytest.mark.lasting_keys(*KEPT)


@action("mail:send", queue("mail", priority="low"), retry(attempts=8), keep("1h"), only("worker"), allow(anyone))
async def send(ctx: Context, to_whom: Email, copies: int = 1, at: datetime | None = None) -> None:
    """Send a mail."""


@action("order:ship", unique("{order_id}", window="1h"), allow(anyone))
async def ship(ctx: Context, order_id: int) -> None:
    """Ship an order."""


@action("order:bill", unique("{order_id}"), allow(anyone))
async def bill(ctx: Context, order_id: int) -> None:
    """Bill an order."""


@action(
    "order:move",
    queue("orders", slots=4),
    ordered("order:{order_id}", on_dead="block"),
    at_most(2, "tenant:{caller.tenant_id}"),
    allow(anyone),
)
async def move(ctx: Context, order_id: int) -> None:
    """Move an order."""


@action("log:follow", allow(anyone))
async def follow(ctx: Context, lines: int) -> AsyncIterator[int]:
    """Follow a log."""
    yield lines


@action("text:keep", allow(anyone))
async def keep_text(ctx: Context, text: Annotated[str, msgspec.Meta(max_length=1_000_000)]) -> None:
    """Keep a text."""


@action("door:open", allow(anyone))
async def open_door(ctx: Context, password: Secret[str]) -> None:
    """Open the door."""


@action("page:show", only("http"), allow(anyone))
async def show(ctx: Context) -> None:
    """Show a page."""


async def test_a_call_lies_in_the_queue_as_it_was_made(store: Store) -> None:
    """The message is the call: inputs by their names on the wire, who asked, and what the traits say."""
    async with running(store, send) as runtime:
        job = await context(runtime).later(send, to_whom=Email("ada@b.org"), copies=2)

        (message,) = await jobs_in(runtime, "mail")

    assert message.id == job.id
    assert queue_of(job.id) == "mail"
    assert message.action == "mail:send"
    assert msgspec.json.decode(message.inputs) == {"toWhom": "ada@b.org", "copies": 2, "at": None}
    assert message.caller == CallerRef("user", "ada", "choir", "direct")
    assert (message.request_id, message.priority, message.attempts, message.keep) == ("r1", "low", 8, 3600)
    assert (message.key, message.lanes, message.due_at, message.batch) == ("", (), None, None)


async def test_what_was_queued_can_be_read_again(store: Store) -> None:
    """The inputs in the message are those of the call, of whatever type."""
    call = send.bind(Email("ada@b.org"), at=datetime(2026, 1, 2, tzinfo=UTC))
    async with running(store, send) as runtime:
        await context(runtime).later(call)

        (message,) = await jobs_in(runtime, "mail")

    assert send.schema.from_json(bytes(message.inputs)) == call.inputs


async def test_a_stream_can_run_later(store: Store) -> None:
    """An action that yields is queued like any other."""
    async with running(store, follow) as runtime:
        job = await context(runtime).later(follow, 3)

        assert [message.id for message in await jobs_in(runtime)] == [job.id]


async def test_a_job_of_nobody_is_nobodys(store: Store) -> None:
    """The anonymous caller may queue what anyone may; the job is nobody's."""
    async with running(store, keep_text) as runtime:
        await context(runtime, ANONYMOUS).later(keep_text, "hi")

        (message,) = await jobs_in(runtime)

    assert message.caller == CallerRef("anonymous", "", "", "direct")


async def test_a_job_for_later_waits_by_the_time_of_the_store(store: Store) -> None:
    """`after` counts from what time it is in the store."""
    async with running(store, keep_text) as runtime:
        queues = runtime.require(Queues, "the test")
        job = await context(runtime).later(keep_text.bind("hi"), after="5m")

        record = await queues.view(job.id)

        assert record is not None
        assert record.state == "scheduled"
        assert queues.time.measured
        assert record.due_at is not None
        assert timedelta(minutes=4, seconds=50) < record.due_at - queues.time.now() <= timedelta(minutes=5)


async def test_a_job_may_name_its_time(store: Store) -> None:
    """`at` is a moment; one without a zone is refused, as is one beside `after`."""
    at = datetime(2050, 1, 1, tzinfo=UTC)
    async with running(store, keep_text) as runtime:
        ctx = context(runtime)
        await ctx.later(keep_text.bind("hi"), at=at)

        assert [message.due_at for message in await jobs_in(runtime)] == [at]
        with pytest.raises(ValueError, match="with its zone"):
            await ctx.later(keep_text.bind("hi"), at=datetime(2050, 1, 1))  # noqa: DTZ001  # the mistake
        with pytest.raises(ValueError, match="not both"):
            await ctx.later(keep_text.bind("hi"), at=at, after="1h")


async def test_a_unique_job_is_there_once(store: Store) -> None:
    """A second enqueue under the same key gives the first job, and says so."""
    async with running(store, ship) as runtime:
        ctx = context(runtime)

        first, second = await ctx.later(ship, 17), await ctx.later(ship, 17)
        other = await ctx.later(ship, 18)

    assert (first.deduplicated, second.deduplicated, other.deduplicated) == (False, True, False)
    assert second.id == first.id


async def test_a_unique_key_is_the_actions_own(store: Store) -> None:
    """Two actions with the same key never stand for each other."""
    async with running(store, ship, bill) as runtime:
        ctx = context(runtime)

        await ctx.later(ship, 17)

        assert not (await ctx.later(bill, 17)).deduplicated


async def test_one_call_may_name_its_unique_key(store: Store) -> None:
    """`unique=` takes the place of what the action says."""
    async with running(store, ship) as runtime:
        ctx = context(runtime)
        first = await ctx.later(ship.bind(1), unique="today")

        assert (await ctx.later(ship.bind(2), unique="today")).id == first.id


async def test_order_and_caps_travel_with_the_message(store: Store) -> None:
    """What an action says about order and caps is filled from the call; the queue's slots are a cap as well."""
    async with running(store, move) as runtime:
        await context(runtime).later(move, 17)

        (message,) = await jobs_in(runtime, "orders")

    assert message.key == "order:17"
    assert set(message.lanes) == {
        Lane(digest_of("slots"), 4),
        Lane(digest_of("order order:17"), 1, blocks=True),
        Lane(digest_of("cap tenant:choir"), 2),
    }


async def test_one_call_may_name_its_order_and_priority(store: Store) -> None:
    """`key=` is the order of this call instead of the action's; `priority=` its priority."""
    async with running(store, move) as runtime:
        await context(runtime).later(move.bind(17), key="room:1", priority="high")

        (message,) = await jobs_in(runtime, "orders")

    assert (message.key, message.priority) == ("room:1", "high")
    assert Lane(digest_of("order room:1"), 1) in message.lanes
    assert Lane(digest_of("order order:17"), 1, blocks=True) not in message.lanes


async def test_the_operator_has_the_last_word_on_slots(store: Store) -> None:
    """Where the settings say how many run at once, what the trait says does not count."""
    async with running(store, move, settings={"streams": {"queues": {"orders": {"slots": 1}}}}) as runtime:
        await context(runtime).later(move, 17)

        (message,) = await jobs_in(runtime, "orders")

    assert Lane(digest_of("slots"), 4) not in message.lanes


async def test_a_secret_is_not_queued(store: Store) -> None:
    """Nothing is written when an input is secret, and the message says what to do."""
    async with running(store, open_door) as runtime:
        with pytest.raises(SetupError, match="pass a reference"):
            await context(runtime).later(open_door, Secret("opensesame"))

        assert await jobs_in(runtime) == []


async def test_what_no_worker_answers_is_not_queued(store: Store) -> None:
    """An action of another transport, or of another application, would never run."""
    async with running(store, show) as runtime:
        with pytest.raises(SetupError, match="answers on no worker"):
            await context(runtime).later(show)
        with pytest.raises(SetupError, match="none of this application's actions"):
            await context(runtime).later(keep_text, "hi")


async def test_a_job_has_a_bound(store: Store) -> None:
    """A call of more than 256 KiB is refused; a little less is taken."""
    async with running(store, keep_text) as runtime:
        ctx = context(runtime)

        await ctx.later(keep_text, "x" * 261_000)
        with pytest.raises(TooLarge):
            await ctx.later(keep_text, "x" * 262_144)


async def test_inputs_are_checked_before_anything_is_queued(store: Store) -> None:
    """A call that does not fit is refused where it is made."""
    wrong: Any = "seventeen"
    async with running(store, ship) as runtime:
        with pytest.raises(InvalidInput):
            await context(runtime).later(ship, wrong)

        assert await jobs_in(runtime) == []


async def test_a_full_queue_says_so(store: Store) -> None:
    """At its bound a queue takes no more, and says when to try again."""
    async with running(store, keep_text, environ={"STREAMS_MAX_UNFINISHED": "1"}) as runtime:
        ctx = context(runtime)
        await ctx.later(keep_text, "one")

        with pytest.raises(Unavailable, match="full"):
            await ctx.later(keep_text, "two")


async def test_a_store_that_is_away_is_unavailable_soon() -> None:
    """Without a transaction there is nothing to keep a job in: the caller is told within the store's time."""
    async with ValkeyServer(persistent=False) as server:
        store = Store(server.url, prefix="away", log=Silent())
        async with running(store, keep_text) as runtime:
            await server.stop()
            started = runtime.clock.monotonic()

            with pytest.raises(Unavailable):
                await context(runtime).later(keep_text.bind("hi"), after="1m")

            assert runtime.clock.monotonic() - started < 2.5
        await store.close()


async def test_a_tenant_queues_no_more_than_it_may(store: Store) -> None:
    """The call over the limit is refused and leaves no job; another tenant is not disturbed."""
    environ = {"LIMITS_SCALE": "1", "LIMITS_ENQUEUE": "2"}
    async with running(store, bill, environ=environ, needs=[Limiter]) as runtime:
        greedy = Caller("user", "ada", tenant_id="t1")
        for number in range(2):
            await context(runtime, greedy).later(bill, number)

        with pytest.raises(TooManyCalls):
            await context(runtime, greedy).later(bill, 3)

        await context(runtime, Caller("user", "bob", tenant_id="t2")).later(bill, 4)
        assert len(await jobs_in(runtime)) == 3
