"""How the application is (`status`), and its description for programs (`swagger`)."""

from __future__ import annotations

import os
import resource

import msgspec
from msgspec import UNSET, UnsetType

from antiphon import Context, Health, Http, NotFound, Struct, Unavailable, action, allow, anyone, get


class Status(Struct):
    """The state of the application and of its parts. `pid` and `memory_bytes` are for admins."""

    name: str
    version: str
    uptime_seconds: float
    healthy: bool
    checks: dict[str, Health]
    pid: int | UnsetType = UNSET
    memory_bytes: int | UnsetType = UNSET


def _http_status(status: Status) -> int:
    return 200 if status.healthy else 503


@action("status", get("/status", status=_http_status), allow(anyone))
async def status(ctx: Context) -> Status:
    """How the application and its parts are, each up, degraded or down."""
    checks = await ctx.health()
    for_admin = await _asked_by_admin(ctx)
    return Status(
        name=ctx.app.name,
        version=ctx.app.version,
        uptime_seconds=round(ctx.uptime_seconds, 3),
        healthy=all(state is not Health.DOWN for state in checks.values()),
        checks=checks,
        pid=os.getpid() if for_admin else UNSET,
        memory_bytes=_memory_bytes() if for_admin else UNSET,
    )


@action("swagger", get("/swagger"), allow(anyone))
async def swagger(ctx: Context) -> msgspec.Raw:
    """The OpenAPI document of every route."""
    http = ctx.get(Http)
    if not http.shows_docs:
        raise NotFound
    return msgspec.Raw(http.openapi())


async def _asked_by_admin(ctx: Context) -> bool:
    try:
        caller = await ctx.identify()
    except Unavailable:
        # Who asks cannot be told without the store; that the store is away is what this answer is for.
        return False
    return caller.has_role("admin")


def _memory_bytes() -> int:
    """The most memory this process has held; Linux counts it in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
