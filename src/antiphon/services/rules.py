"""The rules that every application needs: who is signed in, who holds a role, and what only the system does."""

from __future__ import annotations

from antiphon.core.access import GRANTED, Rule, Verdict, named
from antiphon.core.context import Context


async def signed_in(ctx: Context) -> Verdict:
    """Everybody whom we know."""
    caller = await ctx.identify()
    return GRANTED if caller.signed_in else Verdict(granted=False, reason="nobody is signed in")


def role(name: str) -> Rule:
    """Whoever holds this role. The system holds every one. Raises ValueError for an empty name."""
    if not name:
        raise ValueError("role() needs the name of a role, such as role('editor').")

    async def holds(ctx: Context) -> Verdict:
        return await _has(ctx, name)

    return named(holds, f"role({name})")


async def admin(ctx: Context) -> Verdict:
    """Whoever holds the role `admin`."""
    return await _has(ctx, "admin")


async def _has(ctx: Context, name: str) -> Verdict:
    caller = await ctx.identify()
    if caller.permissions is not None:
        # A role is more than the permissions that were given to a key.
        return Verdict(granted=False, reason=f"an API key holds permissions, and never the role {name}")
    if caller.has_role(name):
        return GRANTED
    held = ", ".join(sorted(caller.roles)) or "none"
    reason = f"the role {name} is missing; held: {held}" if caller.signed_in else "nobody is signed in"
    return Verdict(granted=False, reason=reason)


async def system(ctx: Context) -> Verdict:
    """The application itself, its schedules, and whoever runs a command `--as system`."""
    caller = await ctx.identify()
    return Verdict(granted=caller.kind == "system", reason="only the system does this")
