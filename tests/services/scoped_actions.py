"""Actions on the scores of singers: how far each of them reaches is for the scope of its call to say."""

from __future__ import annotations

from sqlalchemy import delete, insert, select, update

from antiphon import Context, Module, Work, action, allow, can, get, post, put, signed_in
from antiphon.core.tenancy import Unscoped
from tests.services.tenancy_stage import diaries, scores

module = Module(__name__, needs=[Work])


@action("scores:list", get("/scores"), allow(can("score:view")))
async def list_scores(ctx: Context) -> list[int]:
    """The scores that the caller may see."""
    return [*await ctx.get(Work).scalars(select(scores.c.id).order_by(scores.c.id))]


@action("scores:count", get("/scores/count"), allow(signed_in))
async def count_scores(ctx: Context) -> list[list[int]]:
    """The same scores, seen by a call without a scope, from within it, and by it once more."""
    mine = select(scores.c.id).order_by(scores.c.id)
    before = [*await ctx.get(Work).scalars(mine)]
    return [before, await ctx.call(list_scores), [*await ctx.get(Work).scalars(mine)]]


@action("scores:within", get("/scores/within"), allow(can("score:view")))
async def list_within(ctx: Context, tenant_id: str) -> list[int]:
    """The scores of the tenant that the caller names."""
    ctx.as_tenant(tenant_id)
    return await list_scores(ctx)


@action("score:write", put("/scores"), allow(can("score:write")))
async def write_score(ctx: Context, number: int, singer_id: str = "") -> int:
    """Write a score, perhaps as somebody else's."""
    values = {"id": number, "name": "new", **({"singer_id": singer_id} if singer_id else {})}
    await ctx.get(Work).execute(insert(scores).values(values))
    return number


@action("scores:rename", post("/scores/rename"), allow(can("score:write")))
async def rename_scores(ctx: Context, number: int = 0) -> int:
    """Rename every score, or one; gives how many."""
    changed = update(scores).values(name="renamed")
    return (await ctx.get(Work).execute(changed.where(scores.c.id == number) if number else changed)).rowcount


@action("scores:clear", post("/scores/clear"), allow(can("score:write")))
async def clear_scores(ctx: Context) -> int:
    """Remove every score; gives how many."""
    return (await ctx.get(Work).execute(delete(scores))).rowcount


@action("score:pass-on", post("/scores/pass-on"), allow(can("score:write")))
async def pass_on(ctx: Context, singer_id: str) -> int:
    """Say that the scores are somebody else's; gives how many."""
    return (await ctx.get(Work).execute(update(scores).values(singer_id=singer_id))).rowcount


@action("scores:facts", get("/scores/facts"), allow(can("score:view")))
async def told(ctx: Context) -> list[str]:
    """The reasons that a call gives for looking beyond its tenant, after two looks."""
    await list_scores(ctx)
    await list_scores(ctx)
    return [fact.reason for fact in ctx.facts or () if isinstance(fact, Unscoped)]


@action("diaries:list", get("/diaries"), allow(can("score:view")))
async def list_diaries(ctx: Context) -> list[int]:
    """Diaries belong to no tenant."""
    return [*await ctx.get(Work).scalars(select(diaries.c.id).order_by(diaries.c.id))]
