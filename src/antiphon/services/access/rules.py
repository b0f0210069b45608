"""The rules that ask what a caller may do: `can`, `fresh` and `by_key`, beside those of `services/rules.py`."""

from __future__ import annotations

from datetime import timedelta

from antiphon.core.access import GRANTED, Rule, Verdict, named
from antiphon.core.caller import Caller
from antiphon.core.context import Context
from antiphon.core.durations import parse_duration
from antiphon.core.session import CredentialShown
from antiphon.services.access.permissions import read_right
from antiphon.services.access.roles import Roles

_NOBODY = Verdict(granted=False, reason="nobody is signed in")


class Can:
    """Whoever holds a permission for this right; the verdict's scope is the widest that they hold."""

    needs: tuple[type, ...] = (Roles,)

    def __init__(self, right: str) -> None:
        self.right = right
        self.resource, self.action = read_right(right)
        self.__name__ = f"can({right})"

    async def __call__(self, ctx: Context) -> Verdict:
        caller = await ctx.identify()
        scope = ctx.get(Roles).widest(caller, self.resource, self.action)
        if scope:
            return Verdict(granted=True, scope=scope)
        return self._refused(caller) if caller.signed_in else _NOBODY

    def _refused(self, caller: Caller) -> Verdict:
        held = ", ".join(sorted(caller.roles)) or "none"
        through = " by this key" if caller.permissions is not None else ""
        return Verdict(granted=False, reason=f"no role allows {self.right}{through}; held: {held}")


def can(right: str) -> Rule:
    """Whoever holds `resource:action` in any scope: `can("order:edit")`.

    The widest scope they hold becomes `ctx.scope`: `own`, `tenant` or `any`. The system may do everything. Raises
    ValueError for what is no right, such as one with a scope or a wildcard.
    """
    return Can(right)


def fresh(age: str | timedelta) -> Rule:
    """Whoever has proved who they are this recently (`"10m"`), by signing in or once more since.

    The system always has; an API key proves no person, so it never has.
    """
    most = parse_duration(age) if isinstance(age, str) else age

    async def is_fresh(ctx: Context) -> Verdict:
        caller = await ctx.identify()
        if caller.kind == "system":
            return GRANTED
        if not caller.signed_in:
            return _NOBODY
        shown = ctx.told(CredentialShown)
        if shown is not None and not shown.confirmed:
            return Verdict(granted=False, reason="the store is away, so the token may have been revoked")
        if caller.via == "key" or caller.proved_at is None:
            return Verdict(granted=False, reason="it is not known when the caller proved who they are")
        # A time in the future is a clock that was set back, or a forgery.
        passed = ctx.now - caller.proved_at
        if timedelta(0) <= passed <= most:
            return GRANTED
        return Verdict(granted=False, reason=f"the caller proved who they are {passed.total_seconds():.0f} s ago")

    return named(is_fresh, f"fresh({age})")


async def by_key(ctx: Context) -> Verdict:
    """Whoever comes with an API key."""
    caller = await ctx.identify()
    if caller.via == "key":
        return GRANTED
    return Verdict(granted=False, reason="no API key was shown") if caller.signed_in else _NOBODY
