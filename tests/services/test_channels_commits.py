"""Events and the transaction of their call: what is committed is shown, what is undone is not."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import insert, select

from antiphon.core.access import allow, anyone
from antiphon.core.action import action
from antiphon.core.context import Context
from antiphon.core.errors import Conflict, Forbidden, NotFound
from antiphon.services.database import Work
from antiphon.testing.engines import ValkeyServer
from tests.services.channel_stage import QUICK, Node, Posted, Screen, board, node
from tests.services.database_stage import SCHEMA, counters


@action("numbers:post", allow(anyone))
async def add_and_post(ctx: Context, number: int) -> None:
    """Publish first, and write then."""
    await board().publish(ctx, Posted(str(number)))
    await ctx.get(Work).execute(insert(counters), {"id": number, "value": 0})


@action("numbers:halves", allow(anyone))
async def add_in_halves(ctx: Context, number: int) -> None:
    """Publish and commit, publish in a savepoint that fails, and fail after another publishing."""
    work = ctx.get(Work)
    await board().publish(ctx, Posted("kept"))
    await work.execute(insert(counters), {"id": number, "value": 0})
    try:
        async with work.savepoint():
            await board().publish(ctx, Posted("undone"))
            raise NotFound
    except NotFound:
        await work.commit()
    await board().publish(ctx, Posted("failed"))
    raise Forbidden


@action("numbers:behind", allow(anyone))
async def add_and_post_behind(ctx: Context, number: int) -> None:
    """Publish in a callback of the commit, and in a step at the end."""

    async def committed() -> None:
        await board().publish(ctx, Posted("by a callback"))

    async def ends(error: BaseException | None) -> None:
        await board().publish(ctx, Posted("by a step"))

    work = ctx.get(Work)
    work.after_commit(committed)
    ctx.at_end(ends)
    await board().publish(ctx, Posted("by the action"))
    await work.execute(insert(counters), {"id": number, "value": 0})


@action("numbers:all", allow(anyone))
async def numbers(ctx: Context) -> list[int]:
    """The numbers that are committed."""
    return [*await ctx.get(Work).scalars(select(counters.c.id))]


@pytest.fixture
async def here(valkey: ValkeyServer, store_prefix: str, database_url: str) -> AsyncIterator[Node]:
    """A node with a database."""
    environ = {**QUICK, "DATABASE_URL": database_url}
    actions = (add_and_post, add_in_halves, add_and_post_behind, numbers)
    async with node(valkey.url, store_prefix, environ, more=actions, needs=[Work], values=[SCHEMA]) as running:
        yield running


@pytest.fixture
async def screen(here: Node) -> Screen:
    """Somebody who watches the board."""
    watching = here.screen()
    await watching.watch("board")
    return watching


async def test_an_event_goes_the_way_of_its_transaction(here: Node, screen: Screen) -> None:
    """What was committed is shown, though the call fails later; what a savepoint or the failure undoes is not."""
    with pytest.raises(Forbidden):
        await here.run(add_in_halves, number=7)
    await here.post("after")

    await screen.sees("kept", "after")
    assert await here.run(numbers) == [7]


async def test_an_event_behind_the_commit_is_shown_as_well(here: Node, screen: Screen) -> None:
    """It has no transaction to wait for."""
    await here.run(add_and_post_behind, number=7)

    await screen.sees("by the action", "by a callback", "by a step")


async def test_an_event_is_shown_after_the_commit(here: Node, screen: Screen) -> None:
    """Whoever hears of a row finds it, even if it was published before it was written; a rollback shows nothing."""
    await here.run(add_and_post, number=7)
    await screen.sees("7")
    found = await here.run(numbers)
    with pytest.raises(Conflict):
        await here.run(add_and_post, number=7)
    await here.post("after")

    await screen.sees("7", "after")
    assert found == [7]
