"""Knows from what a call was whether it belongs in the record: what admins do, looks beyond a tenant, refusals."""

#     what a call was                                     row                  with outcome
#     let in by `admin` or the scope `any`, and it        one each, with what  done
#       changes something                                 was done
#     the same, and it failed                             counted              failed: NOT_FOUND, …
#     let in by the scope `any`, and it only reads        counted              any scope; the tenant is that of the call
#     ran `unscoped(reason)`                              counted              unscoped; the reason is the object
#     a rule refused it, or it ended as Forbidden         counted              refused; the rule is the object
#     found nothing under a scope that filters rows       counted              not found; the scope is the object. What
#                                                                              is refused looks missing, here as well
#     over a declared limit                               counted              limited; the limits are the object
#     too many guesses were wrong                         counted              locked out
#
# What an action has recorded itself takes the place of the first and, recorded apart, that of a refusal. What the
# application does by itself, such as a schedule, is nobody's doing: of that only `unscoped` is recorded, and what the
# action says. Nothing is recorded of what was unavailable. `counts` says what it means to be counted.

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from antiphon.core.access import Allow, Rule, parts_of
from antiphon.core.action import AnyAction
from antiphon.core.audit import Audit, Refused, Said, Watch
from antiphon.core.context import Context
from antiphon.core.errors import CallError, Defect, Forbidden, NotFound, TooManyCalls, Unavailable
from antiphon.core.inputs.schema import Inputs
from antiphon.core.limits import LockedOut, OverLimit
from antiphon.core.tenancy import Unscoped
from antiphon.services.audit.chain import Entry
from antiphon.services.audit.entries import entry_of, entry_of_many
from antiphon.services.audit.kept import KeptAudit

type Note = Callable[[Entry], None]

_ADMINS = ("admin", "role(admin)")
_NAMES = ("name", "queue", "role")
"""The inputs that name an object, beside those that end in `_id`."""

_BY_SCOPE = "the scope of the caller is any"
"""What the fence says of statements without a tenant: the row of the call says it already."""


class CallWatch(Watch):
    """The calls of one action."""

    __slots__ = ("_admins", "_named", "_note", "_open", "_reads")

    def __init__(self, action: AnyAction, note: Note) -> None:
        allow = action.trait(Allow)
        rules = () if allow is None else allow.rules
        self._note = note
        self._open = allow is None or allow.open
        self._admins = frozenset(rule.__name__ for rule in rules if _is_for_admins(rule))
        self._reads = action.reads_only
        names = (field.name for field in action.schema.fields)
        self._named = tuple(name for name in names if name.endswith("_id") or name in _NAMES)

    def done(self, ctx: Context, inputs: Inputs, result: Any) -> None:
        """Record what an admin has done, within its transaction."""
        if self._reads or not self._by_admin(ctx) or ctx.told(Said) is not None:
            return
        audit = ctx.get(Audit)
        if isinstance(audit, KeptAudit):
            audit.keep(entry_of(ctx, self._object(inputs, result), "done"))

    def ended(self, ctx: Context, error: BaseException | None) -> None:
        """Count what was refused, limited or looked beyond a tenant."""
        if isinstance(error, Unavailable):
            return
        if error is not None:
            self._failed(ctx, error)
        elif ctx.scope == "any" and self._reads and not _by_itself(ctx):
            self._note(entry_of(ctx, "", "any scope"))
        for fact in ctx.facts or ():
            if isinstance(fact, Unscoped):
                self._unscoped(ctx, fact.reason)

    def _unscoped(self, ctx: Context, reason: str) -> None:
        if ctx.scope == "any" and reason == _BY_SCOPE:
            return
        if self._open:
            # Whoever is not signed in yet may have become somebody by now, and comes by the thousand.
            self._note(entry_of_many(ctx.now, "anonymous", ctx.action_name, reason, "unscoped"))
        else:
            self._note(entry_of(ctx, reason, "unscoped"))

    def _failed(self, ctx: Context, error: BaseException) -> None:
        if note_refusal(ctx, error, self._note) or _by_itself(ctx):
            return
        if not self._reads and self._by_admin(ctx) and isinstance(error, CallError | Defect):
            self._note(entry_of(ctx, "", f"failed: {error.type}"))

    def _by_admin(self, ctx: Context) -> bool:
        return (ctx.scope == "any" or ctx.rule in self._admins) and not _by_itself(ctx)

    def _object(self, inputs: Inputs, result: Any) -> str:
        named = [value for name in self._named if isinstance(value := getattr(inputs, name), str) and value]
        if not named and isinstance(made := getattr(result, "id", None), str):
            named = [made]
        return " ".join(named)


def note_refusal(ctx: Context, error: BaseException, note: Note) -> bool:
    """Count a call that was refused, over a limit or locked out; False for every other error."""
    if isinstance(error, TooManyCalls):
        about = " ".join(error.policies) if isinstance(error, OverLimit) else ""
        note(entry_of(ctx, about, "locked out" if isinstance(error, LockedOut) else "limited"))
        return True
    refused = ctx.told(Refused)
    if refused is None and isinstance(error, NotFound) and ctx.scope in ("own", "tenant"):
        note(entry_of(ctx, ctx.scope, "not found"))
        return True
    if refused is None and not isinstance(error, Forbidden):
        return False
    if not any(isinstance(fact, Said) and fact.apart for fact in ctx.facts or ()):
        note(entry_of(ctx, "" if refused is None else refused.about, "refused"))
    return True


def _by_itself(ctx: Context) -> bool:
    """Whether the application does this by itself; an operator at the command line is somebody."""
    return ctx.caller.kind == "system" and ctx.job is not None


def _is_for_admins(rule: Rule) -> bool:
    return rule.__name__ in _ADMINS or any(_is_for_admins(part) for part in parts_of(rule))
