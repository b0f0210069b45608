"""Who makes a call: known by a bearer token if there is one, else by the session."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from antiphon.core.caller import ANONYMOUS, Caller
from antiphon.core.context import Context
from antiphon.core.session import CredentialShown, Identifier
from antiphon.services.identity.tokens import Tokens


@runtime_checkable
class Sightings(Protocol):
    """Notes when a sign-in was last used: what the accounts of an application fulfil."""

    def saw(self, caller: Caller, ctx: Context) -> None:
        """This caller makes a call. It must not wait, and is called for every one."""
        ...


class CallerIdentifier(Identifier):
    """Knows callers by what their call came with. A bearer token wins, and the session beside it is not read."""

    def __init__(self, tokens: Tokens | None = None, sightings: Sightings | None = None) -> None:
        self._tokens = tokens
        self._sightings = sightings

    async def identify(self, ctx: Context) -> Caller:
        """The caller; anonymous when credentials are missing or do not verify."""
        bearer = ctx.connection.bearer
        if bearer is not None:
            # A token that does not verify makes the caller anonymous: falling back to the cookie would let a call act
            # as somebody it did not mean to be.
            caller = await self._by_token(ctx, bearer)
        else:
            session = await ctx.session()
            caller = session.caller or ANONYMOUS
        if self._sightings is not None and caller.sid and not ctx.connection.by_itself:
            self._sightings.saw(caller, ctx)
        return caller

    async def _by_token(self, ctx: Context, bearer: str) -> Caller:
        found = await self._tokens.recognise(bearer, ctx.connection) if self._tokens is not None and bearer else None
        if found is None:
            return ANONYMOUS
        ctx.tell(CredentialShown(found.verified.ends_at, confirmed=found.confirmed))
        return found.verified.caller
