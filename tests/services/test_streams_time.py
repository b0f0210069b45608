"""Tests for times and bounds of queues: whose clock counts, and what the operator may say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from antiphon.core.info import Environment
from antiphon.core.log import Silent
from antiphon.services.streams.queue import Queues
from antiphon.services.streams.settings import QueueSettings, StreamSettings
from antiphon.services.streams.time import at, millis_of
from antiphon.stores.base import Store
from antiphon.testing.clock import StandingClock

pytestmark = pytest.mark.lasting_keys()


async def test_a_nodes_clock_decides_nothing(store: Store) -> None:
    """On a node whose clock is years off, the time of jobs is the store's."""
    clock = StandingClock(datetime(2001, 1, 1, tzinfo=UTC))
    queues = Queues(store, StreamSettings(), clock, Silent())

    now = await queues.time.current()

    seconds, _ = await store.client.time()  # pyright: ignore[reportUnknownMemberType]  # redis-py leaves it untyped
    assert abs(now.timestamp() - seconds) < 60


async def test_the_time_runs_on_between_two_questions(store: Store) -> None:
    """Between two questions to the store the node's monotonic clock counts on."""
    clock = StandingClock(datetime(2001, 1, 1, tzinfo=UTC))
    queues = Queues(store, StreamSettings(), clock, Silent())
    before = await queues.time.current()

    clock.move(timedelta(seconds=5))

    passed = await queues.time.current() - before
    assert abs(passed - timedelta(seconds=5)) <= timedelta(milliseconds=1)


async def test_a_store_that_is_away_hinders_no_job() -> None:
    """While nobody could ask the store, the application's own clock stands in."""
    away = Store("unix:///nowhere/at/all.sock", prefix="test", log=Silent())
    clock = StandingClock(datetime(2026, 1, 1, tzinfo=UTC))

    now = await Queues(away, StreamSettings(), clock, Silent()).time.current()

    assert now == datetime(2026, 1, 1, tzinfo=UTC)
    await away.close()


def test_milliseconds_lose_nothing() -> None:
    """A moment comes back from its milliseconds."""
    moment = datetime(2026, 5, 4, 3, 2, 1, 987_000, tzinfo=UTC)

    assert at(millis_of(moment)) == moment


def test_a_queue_may_have_terms_of_its_own() -> None:
    """What is said about one queue counts for it, and everything else is as for all."""
    settings = StreamSettings(max_unfinished=10, queues={"mail": QueueSettings(max_unfinished=5)})

    assert (settings.most("mail"), settings.most("other")) == (5, 10)
    assert (settings.keep("mail"), settings.keep("on.a:b"), settings.keep("mail", 7.0)) == (86_400.0, 3_600.0, 7.0)


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        (StreamSettings(lease_time=timedelta(seconds=6)), "lease_time"),
        (StreamSettings(block_time=timedelta(0)), "block_time"),
        (StreamSettings(queues={"Mail!": QueueSettings()}), "queues"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: StreamSettings, name: str) -> None:
    """Times that contradict each other and names that no queue can have stop the start-up."""
    assert [fault.name for fault in settings.problems(_ANYWHERE)] == [name]


_ANYWHERE: Environment = "test"
