"""Explains a decision: what each rule of an action says about a caller, why, and which role granted it."""

from __future__ import annotations

from collections.abc import Sequence

from antiphon.core.access import Allow, Rule, parts_of
from antiphon.core.action import AnyAction
from antiphon.core.caller import Caller
from antiphon.core.connection import Connection
from antiphon.core.context import Context
from antiphon.core.inputs.kinds import Struct
from antiphon.services.access.roles import Grant, Roles
from antiphon.services.access.rules import Can


class Step(Struct):
    """What one rule says. `rule` is indented by two spaces for each rule that it is a part of.

    `via` are the ways by which the caller's roles grant it: the roles from the one they hold on, and the permission.
    """

    rule: str
    granted: bool
    scope: str
    reason: str
    via: list[str]


class Explanation(Struct):
    """The whole decision: one rule that says yes is enough, and the first one that does gives the scope."""

    user_id: str
    action: str
    granted: bool
    scope: str
    roles: list[str]
    steps: list[Step]


async def explain(ctx: Context, action: AnyAction, caller: Caller) -> Explanation:
    """Ask every rule of an action about a caller, as if they called it now. Nothing is run."""
    asked = Context(ctx.runtime, action.name, Connection("direct"), "", ctx.deadline, safe=False)
    asked.become(caller)
    allow = action.trait(Allow)
    rules = () if allow is None else allow.rules
    steps: list[Step] = []
    tops = [await _ask(asked, rule, 0, steps) for rule in rules]
    decisive = next((step for step in tops if step.granted), None)
    return Explanation(
        user_id=caller.id,
        action=action.name,
        granted=decisive is not None,
        scope=decisive.scope if decisive is not None else "",
        roles=sorted(caller.roles),
        steps=steps,
    )


async def _ask(ctx: Context, rule: Rule, depth: int, into: list[Step]) -> Step:
    verdict = await rule(ctx)
    reason = "" if verdict.granted else verdict.reason or "refused"
    step = Step("  " * depth + rule.__name__, verdict.granted, verdict.scope, reason, _ways(ctx, rule))
    into.append(step)
    for part in parts_of(rule):
        await _ask(ctx, part, depth + 1, into)
    return step


def _ways(ctx: Context, rule: Rule) -> list[str]:
    if not isinstance(rule, Can):
        return []
    found: Sequence[Grant] = ctx.get(Roles).grants(ctx.caller.roles, rule.resource, rule.action)
    return [f"{' > '.join(grant.trail)}: {grant.permission}" for grant in found]
