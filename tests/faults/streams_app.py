"""An application whose jobs and events suffer, to be run as processes of its own and killed; it keeps a journal."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from signal import SIGKILL
from time import monotonic

from sqlalchemy import update

from antiphon import (
    App,
    AppInfo,
    Context,
    Http,
    Module,
    Once,
    Outbox,
    Struct,
    Tasks,
    Work,
    Worker,
    action,
    allow,
    anyone,
    at_most,
    event,
    every,
    listener,
    only,
    ordered,
    queue,
    retry,
    service,
)
from antiphon.services.database.inserting import insert_if_new
from tests.services.outbox_stage import SCHEMA, counters

FOLDER = Path(os.environ.get("APP_HOME", "."))
PAUSE = 0.02


class Journal:
    """One line for everything that jobs do, from all processes; a kill leaves what was written."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, word: str, ctx: Context, number: int = 0) -> None:
        """Add a line in one piece. The monotonic clock is the machine's: times of different processes compare."""
        job = "" if ctx.job is None else ctx.job.id
        line = f"{word}\t{job}\t{number}\t{monotonic()}\t{os.getpid()}\n"
        file = os.open(self.folder / "journal", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(file, line.encode())
        finally:
            os.close(file)

    async def sign(self, name: str) -> None:
        """Wait for a sign from the test."""
        while not (self.folder / name).exists():  # noqa: ASYNC110  # another process gives it
            await asyncio.sleep(PAUSE)


@service
async def journal(info: AppInfo) -> AsyncIterator[Journal]:
    """The journal of the folder."""
    yield Journal(info.folder.parent)


async def insert_number(ctx: Context, number: int) -> None:
    """A row that says that a transaction stands."""
    work = ctx.get(Work)
    await work.execute(insert_if_new(work.engine, counters, "id"), {"id": number, "value": 1})


async def count_up(ctx: Context, number: int) -> None:
    """The effect whose repeats can be counted."""
    work = ctx.get(Work)
    await work.execute(insert_if_new(work.engine, counters, "id"), {"id": number, "value": 0})
    await work.execute(update(counters).where(counters.c.id == number).values(value=counters.c.value + 1))


def die_once(sign: Path) -> None:
    """Kill this process, the first time."""
    try:
        sign.touch(exist_ok=False)
    except FileExistsError:
        return
    os.kill(os.getpid(), SIGKILL)


@action("job:plain", only("worker"), allow(anyone))
async def plain(ctx: Context, number: int = 0) -> None:
    """Only be seen."""
    ctx.get(Journal).write("plain", ctx, number)


@action("job:hold", only("worker"), allow(anyone))
async def hold(ctx: Context, number: int = 0) -> int:
    """Begin, and end when the test says so; gives the process."""
    ctx.get(Journal).write("begin", ctx, number)
    await ctx.get(Journal).sign("open")
    ctx.get(Journal).write("end", ctx, number)
    return os.getpid()


@action("job:slow", only("worker"), allow(anyone))
async def slow(ctx: Context, seconds: float, number: int = 0) -> None:
    """Take a while."""
    ctx.get(Journal).write("begin", ctx, number)
    await asyncio.sleep(seconds)
    ctx.get(Journal).write("end", ctx, number)


@action("job:effect", only("worker"), allow(anyone), retry(first="10ms", max="50ms"))
async def effect(ctx: Context, number: int, *, die: bool = False) -> None:
    """Have an effect once; with `die`, the process ends right after its commit and before anybody knows."""
    ctx.get(Journal).write("begin", ctx, number)
    async with ctx.once():
        await count_up(ctx, number)
    if die:

        async def end() -> None:
            die_once(ctx.get(Journal).folder / f"died-{number}")

        ctx.get(Work).after_commit(end)


@action("job:poison", only("worker"), allow(anyone))
async def poison(ctx: Context) -> None:
    """Kill whoever runs it."""
    ctx.get(Journal).write("poison", ctx)
    os.kill(os.getpid(), SIGKILL)


@action("job:step", only("worker"), allow(anyone), ordered("step:{key}"))
async def step(ctx: Context, key: str, number: int, *, wait: bool = False) -> None:
    """One step in the order of a key."""
    ctx.get(Journal).write(f"begin {key}", ctx, number)
    if wait:
        await ctx.get(Journal).sign("open")
    ctx.get(Journal).write(f"end {key}", ctx, number)


@action("job:capped", only("worker"), allow(anyone), at_most(3, "capped"), queue("capped"))
async def capped(ctx: Context, number: int) -> None:
    """One of at most three."""
    ctx.get(Journal).write("begin", ctx, number)
    await ctx.sleep(0.05)
    ctx.get(Journal).write("end", ctx, number)


@action("order:place", allow(anyone))
async def place_order(ctx: Context, number: int, *, fail: bool = False, die: bool = False) -> None:
    """Write, and have a job done if that stands; `die` right after the commit."""
    if die:

        async def end() -> None:
            os.kill(os.getpid(), SIGKILL)

        await count_up(ctx, number)
        ctx.get(Work).after_commit(end)
    else:
        await count_up(ctx, number)
    await ctx.later(plain, number)
    if fail:
        raise RuntimeError("never mind")


@action("order:keep", allow(anyone))
async def keep_order(ctx: Context, number: int) -> str:
    """Write, and have an effect if that stands; gives the job."""
    await insert_number(ctx, -number)
    return (await ctx.later(effect, number)).id


@action("order:later", allow(anyone))
async def order_later(ctx: Context, number: int, seconds: float) -> str:
    """Have a job done later."""
    return (await ctx.later(plain.bind(number), after=f"{int(seconds * 1000)}ms")).id


@action("batch:child", only("worker"), allow(anyone))
async def child(ctx: Context, number: int) -> int:
    """One of many."""
    ctx.get(Journal).write("child", ctx, number)
    async with ctx.once():
        await count_up(ctx, number)
    return number


@action("batch:end", only("worker"), allow(anyone))
async def batch_end(ctx: Context, number: int) -> None:
    """What comes after all of them."""
    assert ctx.job is not None
    assert ctx.job.batch is not None
    ctx.get(Journal).write("then", ctx, ctx.job.batch.done)
    async with ctx.once():
        await count_up(ctx, number)


@event("order:paid", key="order_id")
class OrderPaid(Struct):
    """An order was paid."""

    order_id: str
    number: int


@listener("fast:hear", OrderPaid)
async def hear_fast(ctx: Context, event: OrderPaid) -> None:
    """Hear of it."""
    ctx.get(Journal).write("fast", ctx, event.number)


@listener("slow:hear", OrderPaid)
async def hear_slow(ctx: Context, event: OrderPaid) -> None:
    """Hear of it, if anybody lets it."""
    ctx.get(Journal).write("slow", ctx, event.number)


@action("clock:strike", every("1s", missed="all", overlap="allow"), only("worker"), allow(anyone), queue("ticks"))
async def strike(ctx: Context) -> None:
    """Be seen at each tick, with an effect under the time of the tick."""
    assert ctx.job is not None
    millis = ctx.job.id.rpartition("@")[2]
    ctx.get(Journal).write("tick", ctx)
    async with ctx.once():
        await count_up(ctx, int(millis))


@action("clock:chime", every("1h", missed="once", overlap="allow"), only("worker"), allow(anyone), queue("hours"))
async def chime(ctx: Context) -> None:
    """Be seen at each hour; of those that were missed at the newest."""
    ctx.get(Journal).write("hour", ctx)


@action("clock:toll", every("1h", missed="all", overlap="allow"), only("worker"), allow(anyone), queue("hours"))
async def toll(ctx: Context) -> None:
    """Be seen at each hour, also at those that were missed."""
    ctx.get(Journal).write("toll", ctx)


@action("clock:pass", every("1h", missed="skip", overlap="allow"), only("worker"), allow(anyone), queue("hours"))
async def pass_hours(ctx: Context) -> None:
    """Be seen at each hour, at none that was missed."""
    ctx.get(Journal).write("pass", ctx)


if os.environ.get("APP_RELEASE") == "2":

    @action("job:newer", only("worker"), allow(anyone))
    async def newer(ctx: Context, number: int) -> None:
        """What the first release does not know."""
        ctx.get(Journal).write("newer", ctx, number)


app = App(
    "suffering",
    modules=[Module(__name__, needs=[Tasks, Work, Outbox, Once])],
    transports=[Http(), Worker()],
    values=[SCHEMA],
    folder=FOLDER,
)

if __name__ == "__main__":
    app.main()
