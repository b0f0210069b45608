"""What a client is told: the state of its connection, and what happens on the topics that it watches."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from antiphon.client.errors import CallError

type State = Literal["connecting", "open", "waiting", "stopped", "closed"]
"""Of a connection:

    state       what it is                                              becomes
    connecting  a ticket is fetched, a socket opened, `hello` awaited   open, waiting, stopped
    open        calls are sent                                          waiting, stopped
    waiting     lost; tried again in `retry_in` seconds                 connecting
    stopped     the server said so, and trying again is of no use       connecting, by `resume()`
    closed      by `close()`                                            connecting, by `resume()`
"""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A new state of the connection. `code` and `reason` are those of the last close; `retry_in` is in seconds."""

    state: State
    code: int | None = None
    reason: str = ""
    retry_in: float | None = None
    error: CallError | None = None


class Hello(msgspec.Struct, frozen=True, rename="camel"):
    """What the server says first on each connection."""

    version: int = 1
    connection_id: str = ""
    user: dict[str, Any] | None = None
    ping_seconds: float = 25.0
    frame_bytes: int | None = None


class Position(msgspec.Struct, frozen=True):
    """A place in the log of a topic: everything up to `offset` has been told."""

    epoch: str
    offset: int


class Event(msgspec.Struct, frozen=True):
    """Something that happened on a topic. Without an `offset` it is not kept."""

    topic: str
    event: str
    data: Any = None
    offset: int | None = None


class Reset(msgspec.Struct, frozen=True):
    """Events may be missing here: load the state again, and go on.

    `reason`: `epoch`, `window` or `tooMany` (the log does not reach back), `gap` (the server lost some), `notKept` (the
    topic has no log), `slow` (too many were waiting to be taken from this client).
    """

    topic: str
    reason: str
    position: Position | None = None


class Member(msgspec.Struct, frozen=True):
    """Somebody who is there."""

    id: str
    name: str = ""
    since: str = ""


class Presence(msgspec.Struct, frozen=True):
    """Who is there now, and who came and went. Over 500 `members` are only the first ones; `count` is all."""

    version: int
    count: int
    members: tuple[Member, ...]
    joined: tuple[Member, ...] = ()
    left: tuple[Member, ...] = ()
