"""Tells every node that a session has ended, a user is out, or rights have changed: a value and a small contract."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol, runtime_checkable

import msgspec


class Revoked(msgspec.Struct, frozen=True):
    """What no longer holds.

    `session`: the session with this id, which is no secret (never a token). `moved`: that session goes on under another
    secret, so whoever came with the old one has to come back with the new one. `user`: every session of the user with
    this id. `rights`: nothing ends, but what this user may do has changed. `unknown`: this node may have missed some,
    so everybody has to be asked again who they are.
    """

    what: Literal["session", "moved", "user", "rights", "unknown"]
    id: str = ""


@runtime_checkable
class Revocations(Protocol):
    """Carries revocations to every node within a second."""

    async def publish(self, revoked: Revoked) -> None:
        """Tell every node, this one first. Raises Unavailable when the others could not be told."""
        ...

    def subscribe(self, tell: Callable[[Revoked], None]) -> Callable[[], None]:
        """Be told, in the order of each node. `tell` must not wait. Call what this gives to be told no longer."""
        ...
