"""How the application is (`status`), and its description for programs (`swagger`)."""

from __future__ import annotations

import asyncio
import os
import resource
import sys
from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from antiphon import (
    Context,
    Forbidden,
    Health,
    Http,
    NotFound,
    NotSignedIn,
    Struct,
    Unavailable,
    action,
    allow,
    anyone,
    get,
    limit,
    raises,
)


class Latency(Struct):
    """How long the calls of one action took so far, over one transport."""

    calls: int
    mean_seconds: float


class Status(Struct):
    """The state of the application and of its parts. `pid`, `memory_bytes` and `latencies` are for admins.

    `latencies` are by action and transport, as in `{"message:create": {"http": …}}`.
    """

    name: str
    version: str
    uptime_seconds: float
    healthy: bool
    checks: dict[str, Health]
    pid: int | UnsetType = UNSET
    memory_bytes: int | UnsetType = UNSET
    latencies: dict[str, dict[str, Latency]] | UnsetType = UNSET


def _http_status(status: Status) -> Literal[200, 503]:
    return 200 if status.healthy else 503


@action("status", get("/status", status=_http_status), allow(anyone), limit(None))
async def status(ctx: Context) -> Status:
    """How the application and its parts are, each up, degraded or down."""
    # Side by side: each gives up after a second, and the answer has to be there within two.
    checks, for_admin = await asyncio.gather(ctx.health(), _asked_by_admin(ctx))
    return Status(
        name=ctx.app.name,
        version=ctx.app.version,
        uptime_seconds=round(ctx.uptime_seconds, 3),
        healthy=all(state is not Health.DOWN for state in checks.values()),
        checks=checks,
        pid=os.getpid() if for_admin else UNSET,
        memory_bytes=_memory_bytes() if for_admin else UNSET,
        latencies=_latencies(ctx) if for_admin else UNSET,
    )


@action("swagger", get("/swagger"), allow(anyone), limit(None), raises(NotFound, NotSignedIn, Forbidden))
async def swagger(ctx: Context) -> msgspec.Raw:
    """The OpenAPI document of every route, for those who may see the documentation."""
    http = ctx.get(Http)
    await http.admit_to_docs(ctx)
    return msgspec.Raw(http.openapi())


async def _asked_by_admin(ctx: Context) -> bool:
    try:
        caller = await ctx.identify()
    except Unavailable:
        # Who asks cannot be told without the store; that the store is away is what this answer is for.
        return False
    return caller.has_role("admin")


def _latencies(ctx: Context) -> dict[str, dict[str, Latency]]:
    shown: dict[str, dict[str, Latency]] = {}
    for (name, transport), tally in ctx.runtime.tallies.items():
        calls = sum(tally.buckets)
        shown.setdefault(name, {})[transport] = Latency(calls, round(tally.seconds / calls, 6) if calls else 0.0)
    return shown


def _memory_bytes() -> int:
    """The most memory this process has held. Linux counts it in KiB, macOS in bytes."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
