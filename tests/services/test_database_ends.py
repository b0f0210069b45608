"""What waits for the end of a transaction: told once and in order, forgotten with what was undone."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from sqlalchemy import insert

from antiphon.core.errors import NotFound
from antiphon.services.database.ends import Outcome
from tests.services.database_stage import counters, opened


class Listener:
    """Hears how transactions end, and remembers it in a list that several may share."""

    def __init__(self, name: str, heard: list[tuple[str, list[str], Outcome]]) -> None:
        self.name = name
        self.heard = heard

    def tell(self, items: Sequence[str], outcome: Outcome) -> None:
        """The end of one transaction."""
        self.heard.append((self.name, [*items], outcome))


async def test_each_is_told_once_of_all_its_items(database_url: str) -> None:
    """In the order in which they were given, and whoever gave first is told first."""
    heard: list[tuple[str, list[str], Outcome]] = []
    one, two = Listener("one", heard), Listener("two", heard)
    async with opened(database_url) as database, database.transaction(write=True) as work:
        for listener, item in ((two, "a"), (one, "b"), (two, "c")):
            work.when_ended(listener.tell, item)
        await work.execute(insert(counters), {"id": 1, "value": 0})
        assert heard == []
        await work.commit()

        assert heard == [("two", ["a", "c"], "committed"), ("one", ["b"], "committed")]
        work.when_ended(one.tell, "later")

    assert heard[2:] == [("one", ["later"], "committed")]


async def test_what_is_undone_is_forgotten(database_url: str) -> None:
    """By a savepoint its own items, by a rollback all of them."""
    listener = Listener("one", [])
    async with opened(database_url) as database, database.transaction(write=True) as work:

        async def fails() -> None:
            async with work.savepoint():
                work.when_ended(listener.tell, "within")
                raise NotFound

        work.when_ended(listener.tell, "before")
        await work.execute(insert(counters), {"id": 1, "value": 0})
        with pytest.raises(NotFound):
            await fails()
        work.when_ended(listener.tell, "after")
        await work.commit()
        work.when_ended(listener.tell, "undone")
        await work.rollback()

    assert listener.heard == [("one", ["before", "after"], "committed")]


async def test_a_commit_that_is_cancelled_has_an_unknown_outcome(database_url: str) -> None:
    """Nobody has waited for the answer, so nobody can say what it was."""
    listener = Listener("one", [])
    async with opened(database_url) as database:
        async with database.transaction(write=True) as work:
            work.when_ended(listener.tell, "a")
            await work.execute(insert(counters), {"id": 1, "value": 0})
            committing = asyncio.create_task(work.commit())
            # One step of it, which ends where it waits for the answer to COMMIT.
            await asyncio.sleep(0)
            committing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await committing

    assert listener.heard == [("one", ["a"], "unknown")]
