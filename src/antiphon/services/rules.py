"""The rules that every application needs: who is signed in, and who holds a role."""

from __future__ import annotations

from antiphon.core.access import GRANTED, Rule, Verdict, named
from antiphon.core.context import Context


async def signed_in(ctx: Context) -> Verdict:
    """Everybody whom we know."""
    return GRANTED if ctx.caller.signed_in else Verdict(granted=False, reason="nobody is signed in")


def role(name: str) -> Rule:
    """Whoever holds this role."""

    async def holds(ctx: Context) -> Verdict:
        return GRANTED if ctx.caller.has_role(name) else Verdict(granted=False, reason=f"the role {name} is missing")

    return named(holds, f"role({name})")


async def admin(ctx: Context) -> Verdict:
    """Whoever holds the role `admin`."""
    return GRANTED if ctx.caller.has_role("admin") else Verdict(granted=False, reason="the role admin is missing")
