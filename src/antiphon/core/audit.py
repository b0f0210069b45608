"""What a call says for the record: who did what to whom, and how it ended."""

# A row comes about in one of two ways:
#
#     an action says so        `ctx.get(Audit).record(…)`: what only it knows, such as a sign-in and whose it was
#     the runner shows a call  to a `Watch`, which knows from what the call was whether it belongs in the record: what
#                              admins do, what looks beyond a tenant, and whatever is refused
#
# Facts on the call carry from one to the other what neither can see: `Refused`, `Said`, and those of `core.tenancy`.

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from antiphon.core.action import AnyAction
    from antiphon.core.context import Context
    from antiphon.core.inputs.schema import Inputs


class Audit(Protocol):
    """The record of one call, found with `ctx.get(Audit)`.

    A row has the time, the caller, their tenant, the action, what it was done to, the outcome, the address and the id
    of the request. `about` is an id or a few words of ours, never a secret, and nothing that a caller wrote. `actor` is
    for who is not signed in yet, such as whoever is just signing in; empty means the caller.
    """

    def record(self, about: str = "", *, outcome: str = "done", actor: str = "", tenant_id: str = "") -> None:
        """Write a row within the call's transaction: it is there if, and only if, what was done is there."""
        ...

    def record_apart(self, about: str = "", *, outcome: str, actor: str = "", tenant_id: str = "") -> None:
        """Write a row in a transaction of its own when the call has ended, whatever its end: for refusals."""
        ...


class Watch(Protocol):
    """What looks at every call of one action, for the record. Neither method waits."""

    def done(self, ctx: Context, inputs: Inputs, result: Any) -> None:
        """The action has given its result, and its transaction is not committed yet."""
        ...

    def ended(self, ctx: Context, error: BaseException | None) -> None:
        """The call that came from outside is over, and this is what its caller is told."""
        ...


@runtime_checkable
class Auditor(Protocol):
    """Makes watches. It is there wherever an application has a database."""

    def watch(self, action: AnyAction) -> Watch | None:
        """What looks at the calls of an action, compiled once; None where nothing is recorded."""
        ...

    def turned_away(self, ctx: Context, error: BaseException) -> None:
        """Somebody was refused where no action is called, such as at the door of a channel."""
        ...


class Refused:
    """A fact: a rule said no. `about` names the rule or the bound, in words of ours."""

    __slots__ = ("about",)

    def __init__(self, about: str) -> None:
        self.about = about


class Said:
    """A fact: the action has said itself what belongs in the record; `apart` when it stands also if the call fails."""

    __slots__ = ("apart",)

    def __init__(self, *, apart: bool) -> None:
        self.apart = apart
