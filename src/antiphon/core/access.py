"""Who may call an action: rules, what they say, and the trait without which no action starts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from antiphon.core.audit import Refused
from antiphon.core.errors import Forbidden, NotSignedIn
from antiphon.core.limits import is_bounded, is_limited
from antiphon.core.session import Identifier
from antiphon.core.traits import Trait, is_reachable

if TYPE_CHECKING:
    from antiphon.core.action import AnyAction
    from antiphon.core.context import Context


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a rule says: granted, perhaps within a scope, or refused for a reason that only the log shows."""

    granted: bool
    scope: str = ""
    reason: str = ""


class Rule(Protocol):
    """An async function from a call's context to a verdict. Its name is what logs and documentation say.

    One that stands on services may name them in `needs`, and one made of others names those in `parts`.
    """

    @property
    def __name__(self) -> str: ...

    def __call__(self, ctx: Context, /) -> Awaitable[Verdict]: ...


GRANTED = Verdict(granted=True)


async def anyone(ctx: Context) -> Verdict:
    """Everybody, signed in or not. The caller is not even looked up."""
    return GRANTED


@dataclass(frozen=True, slots=True)
class Allow(Trait):
    """Who may call the action: one rule that says yes is enough."""

    rules: tuple[Rule, ...]

    @property
    def open(self) -> bool:
        """Whether everybody may, so that nobody needs to be asked."""
        return anyone in self.rules

    @property
    def summary(self) -> str:
        return " or ".join(rule.__name__ for rule in self.rules)

    @property
    def needs(self) -> Iterable[type]:
        return () if self.open else (Identifier, *(need for rule in self.rules for need in needs_of(rule)))

    def warnings(self, action: AnyAction) -> Iterable[str]:
        if self.open and not action.reads_only and is_reachable(action) and not is_bounded(action):
            yield (
                "everybody may call it, it is no action that only reads, and it has no limit of its own. "
                'Add one, such as limit(30, per="1m", by="address"), or a rule.'
            )
        elif self.open and is_reachable(action) and not is_limited(action) and _waits(action):
            yield (
                "everybody may call it, and limit(None) takes the default limits from it. Leave that out, or make it a "
                "plain `def` that costs nothing to answer."
            )

    async def admit(self, ctx: Context) -> None:
        """Return when the caller may. Raises NotSignedIn or Forbidden otherwise, and logs why."""
        await ctx.identify()
        refusals: list[str] = []
        for rule in self.rules:
            verdict = await rule(ctx)
            if verdict.granted:
                ctx.scope, ctx.rule = verdict.scope, rule.__name__
                return
            refusals.append(f"{rule.__name__}: {verdict.reason or 'refused'}")
        ctx.log.info("call.refused", rules=refusals, roles=sorted(ctx.caller.roles))
        # The reasons are for the log: they differ from call to call, and these are counted together.
        ctx.tell(Refused(self.summary))
        raise refusal(ctx)


def _waits(action: AnyAction) -> bool:
    """Whether it may take long; a plain `def` is answered at once. Only what gives one answer knows of it."""
    return not getattr(action, "instant", False)


def allow(*rules: Rule) -> Allow:
    """Say who may call the action. `allow(anyone)` opens it to everybody, and has to be said out loud."""
    if not rules:
        raise TypeError("allow() needs a rule, such as allow(signed_in) or allow(anyone)")
    return Allow(rules)


def all_of(*rules: Rule) -> Rule:
    """A rule that says yes only when each of these does. The scope is that of the last one that names one."""
    if not rules:
        raise TypeError("all_of() needs a rule: without one it would say yes to everybody")

    async def every(ctx: Context) -> Verdict:
        scope = ""
        for rule in rules:
            verdict = await rule(ctx)
            if not verdict.granted:
                return Verdict(granted=False, reason=f"{rule.__name__}: {verdict.reason or 'refused'}")
            scope = verdict.scope or scope
        return Verdict(granted=True, scope=scope)

    joined = named(every, f"all_of({', '.join(rule.__name__ for rule in rules)})")
    every.__dict__.update(parts=rules, needs=tuple(need for rule in rules for need in needs_of(rule)))
    return joined


def needs_of(rule: Rule) -> tuple[type, ...]:
    """The services that a rule stands on."""
    return getattr(rule, "needs", ())


def parts_of(rule: Rule) -> tuple[Rule, ...]:
    """The rules that a rule is made of."""
    return getattr(rule, "parts", ())


def named(rule: Callable[[Context], Awaitable[Verdict]], name: str) -> Rule:
    """The rule under the name that logs and documentation should show."""
    rule.__name__ = name
    return rule


async def require(rule: Rule, ctx: Context) -> Verdict:
    """Ask a rule inside an action or at a channel's door. Raises NotSignedIn or Forbidden; else gives the verdict."""
    await ctx.identify()
    verdict = await rule(ctx)
    if not verdict.granted:
        ctx.log.info(
            "call.refused", rules=[f"{rule.__name__}: {verdict.reason or 'refused'}"], roles=sorted(ctx.caller.roles)
        )
        ctx.tell(Refused(rule.__name__))
        raise refusal(ctx)
    return verdict


def refusal(ctx: Context) -> NotSignedIn | Forbidden:
    """The error for a caller who may not: who they are decides which of the two."""
    return Forbidden() if ctx.caller.signed_in else NotSignedIn()
