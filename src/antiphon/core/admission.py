"""What a call from outside has to pass before its inputs are read: rule and limits, joined once, at the start."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from antiphon.core.access import Allow
from antiphon.core.context import Context
from antiphon.core.errors import Forbidden, NotSignedIn
from antiphon.core.limits import Gate


def join_admission(allow: Allow | None, gate: Gate | None) -> Callable[[Context], Awaitable[None]] | None:
    """Both as one, or None when nothing stands there."""
    if gate is None:
        return allow.admit if allow is not None else None
    if allow is None:
        return gate.admit

    async def admit(ctx: Context) -> None:
        # The limits are asked for before the rule asks who calls, so that both leave on one trip to the store.
        begun = gate.begin(ctx)
        try:
            await allow.admit(ctx)
        except BaseException as error:
            if begun is not None:
                begun.withdraw()
            if isinstance(error, NotSignedIn | Forbidden):
                gate.refused(ctx)
            raise
        await gate.admit(ctx, begun)

    return admit
