"""What the tests of jobs and events share: Olympus with jobs that end as they are told, and its people."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from antiphon import (
    Context,
    Job,
    Module,
    NotFound,
    Struct,
    action,
    admin,
    allow,
    event,
    listener,
    only,
    post,
    queue,
    retry,
)
from antiphon import signed_in as signed_in_rule
from antiphon.testing.app import HttpClient
from antiphon.testing.waiting import wait_until
from tests.olympus_stage import Olympus, Person, olympus_on

ENDS = {"done", "dead", "quarantined", "cancelled"}


@dataclass
class World:
    """What jobs wait for, and what they have done."""

    gate: asyncio.Event = field(default_factory=asyncio.Event)
    heard: list[str] = field(default_factory=list[str])
    stock: int = 1


@event("parcel:sent", key="parcel_id")
class ParcelSent(Struct):
    """A parcel is on its way."""

    parcel_id: str
    grams: int


@listener("parcel:track", ParcelSent)
async def track_parcel(ctx: Context, event: ParcelSent) -> None:
    """Remember it."""
    ctx.get(World).heard.append(event.parcel_id)


@action("parcel:weigh", only("worker"), queue("post"), retry(attempts=1), allow(signed_in_rule))
async def weigh(ctx: Context, grams: int) -> int:
    """Weigh a parcel, once there is one."""
    if not grams and not ctx.get(World).stock:
        raise NotFound("There is no parcel.")
    await ctx.progress(0.5, "on the scales")
    await ctx.get(World).gate.wait()
    return 2 * grams


@action("parcel:send", post("/parcels", status=202), allow(signed_in_rule))
async def send_parcel(ctx: Context, grams: int) -> Job:
    """Have a parcel weighed later."""
    return await ctx.later(weigh, grams=grams)


@action("parcel:open", only("worker"), queue("post"), retry(attempts=1), allow(admin))
async def open_parcel(ctx: Context) -> str:
    """Look into a parcel, which only admins may."""
    return ctx.caller.id


@action("parcel:check", post("/parcels/check", status=202), allow(signed_in_rule))
async def check_parcel(ctx: Context) -> Job:
    """Have a parcel looked into later."""
    return await ctx.later(open_parcel)


@action("parcel:announce", post("/parcels/announce", status=202), allow(signed_in_rule))
async def announce_parcel(ctx: Context, parcel_id: str) -> None:
    """Say that a parcel is on its way."""
    await ctx.publish(ParcelSent(parcel_id, 100))


@asynccontextmanager
async def post_office(
    folder: Path, database_url: str, store_url: str, store_prefix: str, world: World
) -> AsyncGenerator[Olympus]:
    """Olympus with parcels."""
    module = Module(__name__)
    async with olympus_on(folder, database_url, store_url, store_prefix, modules=[module], values=[world]) as running:
        yield running
        # What still waits would hold up the end.
        world.gate.set()


async def send(person: Person, grams: int) -> str:
    """Have somebody send a parcel; the id of the job."""
    answer = await person.client.post("/api/parcels", {"grams": grams})
    assert answer.status == 202, answer.body
    return answer.json["id"]


async def job_in(client: HttpClient, job_id: str, *states: str) -> Any:
    """Wait until a job is in one of these states; the job as it is shown then."""
    shown: list[Any] = []

    async def is_there() -> bool:
        answer = await client.get(f"/api/jobs/{job_id}")
        assert answer.status == 200, answer.body
        shown.append(answer.json)
        return answer.json["state"] in states

    await wait_until(is_there, f"the job was never {' or '.join(states)}", within=15.0)
    return shown[-1]


async def dead_job(person: Person, world: World) -> str:
    """A job of this person that is dead."""
    world.stock = 0
    job_id = await send(person, 0)
    await job_in(person.client, job_id, "dead")
    return job_id
