"""What an action may ask of the caller's session; the sessions service fulfils it, the transport carries its id."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from antiphon.core.caller import Caller

if TYPE_CHECKING:
    from antiphon.core.context import Context


class Session(Protocol):
    """The session of one call. Reading it costs nothing until it exists; it exists once somebody has signed in.

    What is asked of a session that is not there raises NotSignedIn, except `caller`, `start` and `end`.
    """

    @property
    def caller(self) -> Caller | None:
        """Who signed in, or None when there is no session."""
        ...

    @property
    def sid(self) -> str:
        """The session's name, which is no secret: the same from sign-in to the end, and what `Revoked` names."""
        ...

    @property
    def key(self) -> str:
        """What finds the session on this server without its id: for `Connection.session_key`, and for no client."""
        ...

    @property
    def created_at(self) -> datetime:
        """When it was made."""
        ...

    @property
    def idle_at(self) -> datetime:
        """When it ends if nothing is called, be it by its idle life or its whole one."""
        ...

    @property
    def expires_at(self) -> datetime:
        """When it ends in any case."""
        ...

    async def start(self, caller: Caller) -> None:
        """Sign this caller in under a new id; an old session of this client is dead at once.

        The session is named by the caller's `sid`, or by a new one when that is empty.
        """
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
    """A fact for the transport: the client must carry this id from now on. The id is a secret, `sid` is none."""

    __slots__ = ("life_seconds", "sid", "token")

    def __init__(self, token: str, life_seconds: int, sid: str) -> None:
        self.token = token
        self.life_seconds = life_seconds
        self.sid = sid

    def __repr__(self) -> str:
        return "SessionStarted(***)"


class SessionEnded:
    """A fact for the transport: the client must forget its session id.

    `found_dead` when it had ended before this call, which came with it all the same.
    """

    __slots__ = ("found_dead",)

    def __init__(self, *, found_dead: bool = False) -> None:
        self.found_dead = found_dead


class CredentialShown:
    """A fact: this call came with a token or an API key, which holds until `ends_at`.

    `confirmed` is False when the store could not be asked whether it has ended since: rules that must be sure refuse.
    """

    __slots__ = ("confirmed", "ends_at")

    def __init__(self, ends_at: datetime, *, confirmed: bool) -> None:
        self.ends_at = ends_at
        self.confirmed = confirmed
