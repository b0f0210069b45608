"""What an action may ask of the caller's session; the sessions service fulfils it, the transport carries its id."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from antiphon.core.caller import Caller

if TYPE_CHECKING:
    from antiphon.core.context import Context


class Session(Protocol):
    """The session of one call. Reading it costs nothing until it exists; it exists once somebody has signed in."""

    @property
    def caller(self) -> Caller | None:
        """Who signed in, or None when there is no session."""
        ...

    @property
    def created_at(self) -> datetime:
        """When it was made. Raises NotSignedIn when there is no session, as the next two do."""
        ...

    @property
    def idle_at(self) -> datetime:
        """When it ends if nothing is called."""
        ...

    @property
    def expires_at(self) -> datetime:
        """When it ends in any case."""
        ...

    async def start(self, caller: Caller) -> None:
        """Sign this caller in under a new id; an old session of this client is dead at once."""
        ...

    async def rotate(self, caller: Caller | None = None) -> None:
        """The same session under a new id, with new rights if a caller is given; the old id is dead at once."""
        ...

    async def end(self) -> None:
        """Sign out. Without a session nothing happens."""
        ...

    async def end_others(self) -> None:
        """End every other session of this user."""
        ...


@runtime_checkable
class SessionSource(Protocol):
    """Gives each call its session."""

    async def session_of(self, ctx: Context) -> Session:
        """The session that this call came with. Raises Unavailable when it cannot be read: never anonymous instead."""
        ...


@runtime_checkable
class Identifier(Protocol):
    """Says who makes a call, from what the call came with."""

    async def identify(self, ctx: Context) -> Caller:
        """The caller; anonymous when credentials are missing or do not verify."""
        ...


class SessionStarted:
    """A fact for the transport: the client must carry this id from now on. The id is a secret."""

    __slots__ = ("life_seconds", "token")

    def __init__(self, token: str, life_seconds: int) -> None:
        self.token = token
        self.life_seconds = life_seconds

    def __repr__(self) -> str:
        return "SessionStarted(***)"


class SessionEnded:
    """A fact for the transport: the client must forget its session id."""

    __slots__ = ()
